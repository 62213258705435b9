//! The schema for editors: it takes what the loader takes, and marks what it can mark of what the loader refuses.
#![allow(clippy::unwrap_used, reason = "in a test it says where")]

mod common;
#[path = "common/faulty.rs"]
mod faulty;
#[path = "common/validator.rs"]
mod validator;

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::{json, Value};
use sermux_port_config::config::load::load_str;
use sermux_port_config::config::{profile, schema};
use validator::Validator;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn schema() -> Value {
    serde_json::to_value(schema::schema()).unwrap()
}

/// Why the schema does not take it, as an editor reads it: YAML 1.2, where `on` is a text.
fn marks(yaml: &str) -> Vec<String> {
    marks_by(schema(), yaml)
}

fn marks_by(schema: Value, yaml: &str) -> Vec<String> {
    match serde_yaml::from_str(yaml) {
        Ok(tree) => Validator::new(schema).errors(&tree),
        Err(error) => vec![error.to_string()],
    }
}

#[test]
fn the_shipped_schema_is_made_from_the_table_of_keys() {
    let shipped = fs::read_to_string(root().join("config/sermux.schema.json")).unwrap();
    let made = serde_json::to_string_pretty(&schema::schema()).unwrap() + "\n";
    assert!(
        shipped == made,
        "write it again: cargo run -p sermux-port-config --example schema >config/sermux.schema.json"
    );
}

#[test]
fn every_key_and_every_shipped_file_are_taken() {
    assert_eq!(marks(&common::every_key()), [""; 0]);
    let mut files = Vec::new();
    for folder in ["config", "examples"] {
        let entries = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
        files.extend(entries.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")));
    }
    assert!(files.len() >= 5, "{files:?}");
    for file in files {
        assert_eq!(marks(&fs::read_to_string(&file).unwrap()), [""; 0], "{}", file.display());
    }
    let defaults = json!({ "$ref": "#/definitions/defaults", "definitions": schema()["definitions"] });
    for profile in profile::all() {
        assert_eq!(marks_by(defaults.clone(), profile.text), [""; 0], "{}", profile.name);
    }
}

/// Of sizes, times and lists the schema knows the form, not the range, and nothing of the escapes of a banner; and which names
/// of hosts are none takes more than a pattern of every dialect can say.
fn is_beyond_a_schema(fault: &str) -> bool {
    let is_number = ["max-clients", "count", "a baud rate of"].iter().any(|number| fault.contains(number));
    let is_range = fault.contains("out of range") || fault.contains("takes whole seconds");
    is_range && !is_number || fault.contains("banner") || fault.contains("not a host")
}

#[test]
fn what_the_loader_refuses_for_its_type_is_marked() {
    let values = faulty::WRONG_VALUES.iter().map(|(keys, fault, _)| (faulty::port(keys), *fault));
    let devices = faulty::WRONG_DEVICES.iter().map(|(device, fault, _)| (faulty::device(device), *fault));
    let addresses = faulty::WRONG_ADDRESSES.iter().map(|(address, fault, _)| (faulty::address(address), *fault));
    let telnet = faulty::WRONG_TELNET.iter().map(|(keys, fault, _)| (faulty::listener("telnet", keys), *fault));
    let unix = faulty::WRONG_UNIX.iter().map(|(keys, fault, _)| (faulty::unix(keys), *fault));
    let unknown = faulty::UNKNOWN_KEYS.iter().map(|(key, _)| (faulty::port(key), "unknown key"));
    let all: Vec<_> = values.chain(devices).chain(addresses).chain(telnet).chain(unix).chain(unknown).collect();
    let (mut marked, mut passed) = (0, Vec::new());
    for (text, fault) in &all {
        assert!(load_str("x.yaml", text).is_err(), "{text}");
        if is_beyond_a_schema(fault) {
            passed.push(fault);
        } else {
            assert!(!marks(text).is_empty(), "{fault}:\n{text}");
            marked += 1;
        }
    }
    assert!(marked > 50 && passed.len() < 20, "{marked} marked; {passed:#?}");
}

#[test]
fn words_are_taken_in_the_ways_that_the_documentation_shows() {
    for keys in [
        "line: 9600",
        "line: 9600 7E1 rts-cts",
        "line: 9600n81",
        "line: '9600, 8N1'",
        "line: { stop-bits: 1.5, data-bits: 5 }",
        "exclusive: yes",
        "exclusive: off",
        "modem: { dtr: on, rts: keep }",
        "gather: 0",
        "gather: 20 ms",
        "backlog: 65536",
        "backlog: 1MiB",
        "keepalive: off",
        "keepalive: false",
        "keepalive: { count: 3 }",
        "frame: { gap: modbus }",
        "frame: { delimiter: '\\r\\n' }",
        "replay: 1 frame",
        "lock-file: /var/lock",
        "reset: { mine: [ 'dtr=off rts=on', 'wait=100ms' ], esp32-run: builtin }",
    ] {
        assert_eq!(marks(&faulty::port(keys)), [""; 0], "{keys}");
    }
    for address in ["unix:/x", "unix:/run/sermux/a b.sock, mode: '0600', owner: sermux, group: dialout", "'udp:*:1'"] {
        assert_eq!(marks(&faulty::address(address)), [""; 0], "{address}");
    }
    for text in
        ["control: off\nports: {}", "control:\nports:\n", "http: false\nports: {}", "include: [a, b]", "ports: {}"]
    {
        assert_eq!(marks(text), [""; 0], "{text}");
    }
    for text in ["control: never\nports: {}", "control: { mode: 660 }\nports: {}", "defaults: { device: /dev/x }", "[]"]
    {
        assert!(!marks(text).is_empty(), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..common::proptest_config() })]

    #[test]
    fn whatever_show_resolved_prints_is_taken(config in common::any_config()) {
        let yaml = serde_yaml::to_string(&config).unwrap();
        prop_assert_eq!(marks(&yaml), Vec::<String>::new());
    }
}
