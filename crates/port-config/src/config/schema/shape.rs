//! The forms that a key's value may have.

use super::super::keys::{Role, Section};
use super::json::Json;
use super::object;

#[derive(Clone, Copy, Debug)]
pub(in crate::config) enum Shape {
    Boolean,
    /// One of these; `on` and `off` also as YAML 1.1 reads them.
    Words(&'static [&'static str]),
    /// One of these, a plain scalar of any type.
    Values(&'static [&'static str]),
    Integer(u64, u64),
    /// A number that may have decimals.
    Number,
    Size,
    Time,
    /// A text with at least and at most these numbers of characters.
    Text(u64, u64),
    /// A text of this form.
    Pattern(&'static str),
    /// A definition by its name.
    Ref(&'static str),
    List(&'static Shape),
    /// The same, and nothing at all is an empty one.
    ListOrNothing(&'static Shape),
    /// Any text.
    AnyText,
    /// Names of the user's, each with such a value.
    Names(&'static Shape),
    /// A mapping with the keys of the section.
    Section(Section),
    /// A mapping with exactly this key.
    Only(&'static str, &'static Shape),
    Any(&'static [Shape]),
}

impl Shape {
    pub(super) fn keywords(self) -> Vec<(&'static str, Json)> {
        match self {
            Shape::Boolean => reference("boolean"),
            Shape::Size => reference("size"),
            Shape::Time => reference("time"),
            Shape::Ref(definition) => reference(definition),
            Shape::Words(words) => {
                let booleans = [("on", Json::Bool(true)), ("off", Json::Bool(false))];
                let also = booleans.into_iter().filter(|(word, _)| words.contains(word)).map(|(_, boolean)| boolean);
                vec![("enum", Json::list(words.iter().map(|word| Json::text(word)).chain(also)))]
            }
            Shape::Values(values) => vec![("enum", Json::list(values.iter().map(|value| Json::scalar(value))))],
            Shape::Integer(least, most) => {
                vec![
                    ("type", Json::text("integer")),
                    ("minimum", Json::Integer(least)),
                    ("maximum", Json::Integer(most)),
                ]
            }
            Shape::Number => vec![("type", Json::text("number"))],
            Shape::Text(least, most) => {
                let bounds = [("minLength", Json::Integer(least)), ("maxLength", Json::Integer(most))];
                [("type", Json::text("string"))].into_iter().chain(bounds).collect()
            }
            Shape::Pattern(pattern) => vec![("type", Json::text("string")), ("pattern", Json::text(pattern))],
            Shape::AnyText => vec![("type", Json::text("string"))],
            Shape::ListOrNothing(shape) => {
                vec![("type", Json::list(["array", "null"].map(Json::text))), ("items", shape.json())]
            }
            Shape::List(shape) => vec![("type", Json::text("array")), ("items", shape.json())],
            Shape::Names(shape) => vec![
                ("type", Json::list(["object", "null"].map(Json::text))),
                ("propertyNames", Json::map([("pattern", Json::text(NAME))])),
                ("additionalProperties", shape.json()),
            ],
            Shape::Section(Section::Port) => reference("defaults"),
            Shape::Section(Section::Line) => reference("line"),
            Shape::Section(Section::Listener) => reference("listener"),
            Shape::Section(section) => object(Role::Inside(section)),
            Shape::Only(key, shape) => vec![
                ("type", Json::text("object")),
                ("additionalProperties", Json::Bool(false)),
                ("required", Json::list([Json::text(key)])),
                ("properties", Json::map([(key, shape.json())])),
            ],
            Shape::Any(shapes) => vec![("anyOf", Json::list(shapes.iter().map(|shape| shape.json())))],
        }
    }

    /// The mapping that may stand there, or several of it.
    pub(in crate::config) fn section(self) -> Option<Section> {
        match self {
            Shape::Section(section) => Some(section),
            Shape::Any(shapes) => shapes.iter().find_map(|shape| shape.section()),
            Shape::ListOrNothing(shape) => shape.section(),
            _ => None,
        }
    }

    pub(super) fn json(self) -> Json {
        Json::map(self.keywords())
    }

    pub(super) fn any_boolean() -> Json {
        let words = ["true", "false"].map(Json::scalar).into_iter().chain(["yes", "no", "on", "off"].map(Json::text));
        Json::map([("enum", Json::list(words))])
    }

    pub(super) fn any_size() -> Json {
        Shape::Any(&[Shape::Integer(0, MOST), Shape::Pattern("^[0-9]+ ?(KiB|MiB|[kKmM])?$")]).json()
    }

    pub(super) fn any_time() -> Json {
        Shape::Any(&[Shape::Integer(0, 0), Shape::Pattern("^(0|[0-9]+ ?(ms|s|min|m|h))$")]).json()
    }
}

/// Of a port or a macro: what can stand in a command line, a file name and a URL.
const NAME: &str = "^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$";

/// What JSON's readers keep exactly.
const MOST: u64 = (1 << 53) - 1;

/// In draft 7 nothing beside `$ref` is heard, so it stands inside of `allOf`.
fn reference(definition: &'static str) -> Vec<(&'static str, Json)> {
    vec![("allOf", Json::list([Json::reference(definition)]))]
}
