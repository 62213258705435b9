//! JSON with its keys in order.

use serde::ser::{Serialize, SerializeMap, Serializer};

#[derive(Clone, Debug)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Number(f64),
    Integer(u64),
    Text(String),
    List(Vec<Json>),
    Map(Vec<(String, Json)>),
}

impl Json {
    pub(super) fn text(text: &str) -> Json {
        Json::Text(text.to_owned())
    }

    pub(super) fn list(values: impl IntoIterator<Item = Json>) -> Json {
        Json::List(values.into_iter().collect())
    }

    pub(super) fn map<'k>(entries: impl IntoIterator<Item = (&'k str, Json)>) -> Json {
        Json::Map(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    /// What a plain scalar of YAML 1.2 is.
    pub(super) fn scalar(text: &str) -> Json {
        match (text, text.parse::<u64>(), text.parse::<f64>()) {
            ("null", ..) => Json::Null,
            ("true", ..) => Json::Bool(true),
            ("false", ..) => Json::Bool(false),
            (_, Ok(number), _) => Json::Integer(number),
            (_, _, Ok(number)) => Json::Number(number),
            _ => Json::text(text),
        }
    }

    /// `{ "$ref": "#/definitions/…" }`
    pub(super) fn reference(definition: &str) -> Json {
        Json::map([("$ref", Json::Text(format!("#/definitions/{definition}")))])
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Json::Null => serializer.serialize_unit(),
            Json::Bool(value) => serializer.serialize_bool(*value),
            Json::Number(value) => serializer.serialize_f64(*value),
            Json::Integer(value) => serializer.serialize_u64(*value),
            Json::Text(value) => serializer.serialize_str(value),
            Json::List(values) => serializer.collect_seq(values),
            Json::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}
