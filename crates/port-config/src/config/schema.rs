//! The JSON Schema (draft 7) of the configuration file, for editors: completion, a word on each key, and marks under what is
//! wrong while it is typed.
//!
//! It is made of the table of keys and of `keys`, which says of each what may stand behind it. It describes the
//! contract, so keys that are not built yet are in it and say so. What concerns more than one value (an address that is taken,
//! `crc` without frames) only the loader knows. Words and numbers are asked for as the documentation writes them; the
//! loader also takes `"9600"` and `Yes`.

mod json;
pub(super) mod shape;

use super::keys::table::{self as keys, Key};
use super::keys::{self as table, Role, Section};
use super::{profile, reset};
use json::Json;
use shape::Shape;

/// The schema as a tree that serde writes; `config/sermux.schema.json` is this.
pub fn schema() -> impl serde::Serialize {
    let mut root = vec![
        ("$schema", Json::text("http://json-schema.org/draft-07/schema#")),
        ("title", Json::text("sermux configuration")),
        ("description", Json::text("Serial ports, and where and to whom sermux offers them. See sermux.yaml(5).")),
    ];
    root.extend(object(Role::Main));
    let definitions = [
        ("port", Json::map(port())),
        ("defaults", Json::map(object(Role::Defaults))),
        ("listener", Json::map(listener())),
        ("line", Json::map(object(Role::Inside(Section::Line)))),
        ("boolean", Shape::any_boolean()),
        ("size", Shape::any_size()),
        ("time", Shape::any_time()),
        ("macros", Json::map(macros())),
        ("profile", Json::map([("enum", Json::list(profile::all().iter().map(|profile| Json::text(profile.name))))])),
    ];
    root.push(("definitions", Json::map(definitions)));
    Json::map(root)
}

/// A mapping with the keys of this role and no others.
fn object(role: Role) -> Vec<(&'static str, Json)> {
    let properties = keys::KEYS.iter().filter(|key| table::allows(role, key.section, key.name));
    vec![
        ("type", Json::list([Json::text("object"), Json::text("null")])),
        ("additionalProperties", Json::Bool(false)),
        ("properties", Json::map(properties.map(|key| (key.name, property(key))))),
    ]
}

/// A port has a device, and listeners unless it is not enabled.
fn port() -> Vec<(&'static str, Json)> {
    let mut port = object(Role::Port);
    let required = |key: &str| Json::map([("required", Json::list([Json::text(key)]))]);
    port.push(("anyOf", Json::list([required("device"), required("usb")])));
    port
}

/// Only those that are built in can be called so.
fn macros() -> Vec<(&'static str, Json)> {
    let own = keys::STEPS;
    let built_in = Json::list([Json::map([("enum", Json::list([Json::text("builtin")]))]), own.json()]);
    let mut macros = Shape::Names(&keys::STEPS).keywords();
    macros.push(("properties", Json::map(reset::names().map(|name| (name, Json::map([("anyOf", built_in.clone())]))))));
    macros
}

fn listener() -> Vec<(&'static str, Json)> {
    let mut listener = object(Role::Listener);
    listener.push(("required", Json::list(["protocol", "address"].map(Json::text))));
    listener
}

fn property(key: &Key) -> Json {
    let later = if table::is_built(key.section, key.name) { "" } else { "Not built yet. " };
    let mut property = vec![("description", Json::Text(format!("{later}{}", key.text)))];
    if let Some(default) = key.default {
        property.push(("default", Json::scalar(default)));
    }
    property.extend(key.shape.keywords());
    Json::map(property)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_the_table_has_a_shape_and_no_other() {
        let described: Vec<_> = keys::KEYS.iter().map(|key| (key.section, key.name)).collect();
        for (section, name) in table::all() {
            let times = described.iter().filter(|known| **known == (section, name)).count();
            assert_eq!(times, 1, "{name} of {section:?}");
        }
        assert_eq!(described.len(), table::all().count());
    }

    #[test]
    fn every_key_says_what_it_is_for_in_a_line() {
        for key in keys::KEYS {
            assert!((10..160).contains(&key.text.chars().count()), "{}: {}", key.name, key.text);
            assert!(key.text.ends_with(['.', ')']), "{}: {}", key.name, key.text);
        }
    }
}
