//! The JSON Schema (draft 7) of the configuration file, for editors: completion, a word on each key, and marks under what is
//! wrong while it is typed.
//!
//! It is made from the table of keys; keys that are not built yet are in it and say so. What concerns more than one value (an
//! address that is taken, `crc` without frames) only the loader knows. Words and numbers are asked for as the documentation
//! writes them; the loader also takes `"9600"` and `Yes`.

mod json;
pub(super) mod shape;

use super::keys::table::{KnownKey, STEPS};
use super::keys::{rows, Role, Section};
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
    vec![
        ("type", Json::list([Json::text("object"), Json::text("null")])),
        ("additionalProperties", Json::Bool(false)),
        ("properties", Json::map(rows(role).map(|key| (key.name, property(key))))),
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
    let own = STEPS;
    let built_in = Json::list([Json::map([("enum", Json::list([Json::text("builtin")]))]), own.json()]);
    let mut macros = Shape::Names(&STEPS).keywords();
    macros.push(("properties", Json::map(reset::names().map(|name| (name, Json::map([("anyOf", built_in.clone())]))))));
    macros
}

fn listener() -> Vec<(&'static str, Json)> {
    let mut listener = object(Role::Listener);
    listener.push(("required", Json::list(["protocol", "address"].map(Json::text))));
    listener
}

fn property(key: &KnownKey) -> Json {
    let later = if key.is_built() { "" } else { "Not built yet. " };
    let mut property = vec![("description", Json::Text(format!("{later}{}", key.text)))];
    if let Some(default) = key.default {
        property.push(("default", Json::scalar(default)));
    }
    property.extend(key.shape.keywords());
    Json::map(property)
}
