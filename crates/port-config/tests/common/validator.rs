//! As much of JSON Schema, draft 7, as the schema uses; a keyword that is unknown here fails the test.
#![allow(missing_docs, unreachable_pub, reason = "a part of a test")]

use regex::Regex;
use serde_json::{Map, Value};

pub struct Validator {
    root: Value,
}

impl Validator {
    pub fn new(root: Value) -> Validator {
        Validator { root }
    }

    /// A line for each thing that is wrong, with its place.
    pub fn errors(&self, value: &Value) -> Vec<String> {
        let mut errors = Vec::new();
        self.check(&self.root, value, "", &mut errors);
        errors
    }

    fn is_valid(&self, schema: &Value, value: &Value) -> bool {
        let mut errors = Vec::new();
        self.check(schema, value, "", &mut errors);
        errors.is_empty()
    }

    fn check(&self, schema: &Value, value: &Value, place: &str, errors: &mut Vec<String>) {
        let schema = match schema {
            Value::Bool(true) => return,
            Value::Bool(false) => return errors.push(format!("{place}: not wanted")),
            other => other.as_object().expect("a schema is an object"),
        };
        for (keyword, wanted) in schema {
            let is_right = match keyword.as_str() {
                "$schema" | "title" | "description" | "default" | "definitions" => true,
                "$ref" => {
                    self.check(self.definition(wanted), value, place, errors);
                    true
                }
                "allOf" => {
                    list(wanted).iter().for_each(|schema| self.check(schema, value, place, errors));
                    true
                }
                "anyOf" => list(wanted).iter().any(|schema| self.is_valid(schema, value)),
                "enum" => list(wanted).contains(value),
                "type" => match wanted {
                    Value::Array(types) => types.iter().any(|wanted| is_a(value, wanted)),
                    one => is_a(value, one),
                },
                "minimum" => value.as_f64().is_none_or(|number| number >= wanted.as_f64().unwrap()),
                "maximum" => value.as_f64().is_none_or(|number| number <= wanted.as_f64().unwrap()),
                "minLength" => {
                    value.as_str().is_none_or(|text| text.chars().count() as u64 >= wanted.as_u64().unwrap())
                }
                "maxLength" => {
                    value.as_str().is_none_or(|text| text.chars().count() as u64 <= wanted.as_u64().unwrap())
                }
                "pattern" => value.as_str().is_none_or(|text| matches(wanted, text)),
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.check(wanted, item, &format!("{place}[{index}]"), errors);
                    }
                    true
                }
                "required" => object(value)
                    .is_none_or(|value| list(wanted).iter().all(|key| value.contains_key(key.as_str().unwrap()))),
                "propertyNames" => object(value)
                    .is_none_or(|value| value.keys().all(|key| self.is_valid(wanted, &Value::String(key.clone())))),
                "properties" => {
                    for (key, schema) in object(wanted).unwrap() {
                        if let Some(value) = value.get(key) {
                            self.check(schema, value, &format!("{place}.{key}"), errors);
                        }
                    }
                    true
                }
                "additionalProperties" => {
                    let named = schema.get("properties").and_then(object);
                    for (key, value) in object(value).into_iter().flatten() {
                        if !named.is_some_and(|named| named.contains_key(key)) {
                            self.check(wanted, value, &format!("{place}.{key}"), errors);
                        }
                    }
                    true
                }
                other => panic!("a keyword that this does not know: {other}"),
            };
            if !is_right {
                errors.push(format!("{place}: {keyword}: {value}"));
            }
        }
    }

    fn definition(&self, reference: &Value) -> &Value {
        let pointer = reference.as_str().and_then(|text| text.strip_prefix('#')).expect("inside of the schema");
        self.root.pointer(pointer).unwrap_or_else(|| panic!("{pointer} is not there"))
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn object(value: &Value) -> Option<&Map<String, Value>> {
    value.as_object()
}

fn matches(pattern: &Value, text: &str) -> bool {
    Regex::new(pattern.as_str().unwrap()).unwrap().is_match(text)
}

fn is_a(value: &Value, wanted: &Value) -> bool {
    match wanted.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        other => panic!("a type that this does not know: {other}"),
    }
}
