//! `GET /v1/openapi.json`: the description of all that can be asked, for programs, in OpenAPI 3.1. The package has it as well;
//! `tests/interop` holds a running server to it.

use axum::body::Body;
use axum::http::{header, HeaderValue};
use axum::response::Response;

const OPENAPI: &str = include_str!("openapi.json");

pub(super) async fn openapi() -> Response {
    let mut response = Response::new(Body::from(OPENAPI));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::Value;

    use super::super::paths::PATHS;
    use super::*;

    fn description() -> Value {
        serde_json::from_str(OPENAPI).expect("JSON")
    }

    /// That this has the fields of the schema with this name and no others, and so has all that is in it.
    #[track_caller]
    pub(in crate::control) fn assert_described(schema: &str, value: &Value) {
        let description = description();
        check(&description, &description["components"]["schemas"][schema], schema, value);
    }

    #[track_caller]
    fn check(description: &Value, schema: &Value, name: &str, value: &Value) {
        if let Some(choices) = schema["anyOf"].as_array() {
            return check(description, &choices[0], name, value);
        }
        if let Some(name) = schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/components/schemas/")) {
            return check(description, &description["components"]["schemas"][name], name, value);
        }
        match value {
            Value::Object(fields) => {
                let known = schema["properties"].as_object().unwrap_or_else(|| panic!("{name} is no object: {schema}"));
                let required = schema["required"].as_array().expect("a list");
                for (field, value) in fields {
                    let schema = known.get(field).unwrap_or_else(|| panic!("{name} has no {field} in openapi.json"));
                    check(description, schema, field, value);
                }
                for field in required {
                    let field = field.as_str().expect("a name");
                    assert!(fields.contains_key(field), "{name} has {field} only in openapi.json");
                }
            }
            Value::Array(values) => values.iter().for_each(|value| check(description, &schema["items"], name, value)),
            _ => {}
        }
    }

    #[test]
    fn every_path_is_described_and_no_other() {
        let description = description();
        let mut described = Vec::new();
        for (path, methods) in description["paths"].as_object().expect("paths") {
            let methods = methods.as_object().expect("methods").keys();
            described.extend(methods.map(|method| (method.to_uppercase(), path.replace("{name}", "NAME"))));
        }
        let mut paths: Vec<_> = PATHS.iter().map(|(method, path)| ((*method).to_owned(), (*path).to_owned())).collect();
        described.sort();
        paths.sort();
        assert_eq!(described, paths);
    }
}
