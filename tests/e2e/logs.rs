//! What is logged and how.

use std::fs;
use std::net::TcpListener;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::rig::{eventually, is_event, sermux, Client, Daemon, PortYaml, Process};

fn echo() -> PortYaml {
    PortYaml::new("echo", "sim:echo").listen("half-close: 0s")
}

#[test]
fn text_has_no_colour_and_says_who_comes_and_goes() {
    let mut daemon = Daemon::start(echo());
    daemon.opened("echo", 1);
    let client = daemon.connect("echo");
    client.send(b"x");
    assert_eq!(client.receive(1), b"x");
    drop(client);
    daemon.gone("echo", 1);
    daemon.process.signal(Signal::SIGTERM);
    let ended = daemon.finish();
    assert!(!ended.stderr.contains('\x1b'), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
}

#[test]
fn json_is_an_object_a_line() {
    let mut daemon = Daemon::start(format!("log: {{ format: json }}\n{}", echo()));
    let record = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    let listening = daemon.log().wait_for("listening", |line| is_event(line, "listener.listening"));
    let address = string_in(&record(&listening), "address").expect("an address").parse().unwrap();
    let client = Client::connect(address);
    client.send(b"x");
    assert_eq!(client.receive(1), b"x");
    drop(client);
    daemon.log().wait_for("disconnected", |line| is_event(line, "client.disconnected"));
    daemon.process.signal(Signal::SIGTERM);
    let ended = daemon.finish();
    assert!(ended.stderr.lines().count() >= 3, "{}", ended.stderr);
    for line in ended.stderr.lines() {
        let record = record(line);
        assert!(record.is_object(), "{line}");
        assert!(string_in(&record, "level").is_some(), "{line}");
        assert!(string_in(&record, "message").is_some() && string_in(&record, "event").is_some(), "{line}");
    }
    assert_eq!(string_in(&record(&listening), "port").as_deref(), Some("echo"));
}

/// The string under this key, at whatever depth.
fn string_in(value: &serde_json::Value, key: &str) -> Option<String> {
    match value {
        serde_json::Value::Object(map) => match map.get(key) {
            Some(serde_json::Value::String(text)) => Some(text.clone()),
            _ => map.values().find_map(|value| string_in(value, key)),
        },
        serde_json::Value::Array(list) => list.iter().find_map(|value| string_in(value, key)),
        _ => None,
    }
}

#[test]
fn a_good_run_is_silent_at_level_warn() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let port = PortYaml::new("echo", "sim:echo").listen_on(&free.to_string(), "");
    let mut daemon = Daemon::start(format!("log: {{ level: warn }}\n{port}"));
    eventually("it listens", || std::net::TcpStream::connect(free).is_ok());
    let client = Client::connect(free);
    client.send(b"x");
    assert_eq!(client.receive(1), b"x");
    daemon.process.signal(Signal::SIGTERM);
    let ended = daemon.finish();
    assert_eq!(ended.code, Some(0));
    assert_eq!(ended.stderr, "");
}

#[test]
fn the_command_line_may_ask_for_more_than_the_file() {
    let mut command = crate::rig::sermux();
    command.arg("-v");
    let mut daemon = Daemon::start_as(echo(), command);
    let client = daemon.connect("echo");
    client.send(b"x");
    assert_eq!(client.receive(1), b"x");
    daemon.process.signal(Signal::SIGTERM);
    assert_eq!(daemon.finish().code, Some(0));
}

#[test]
fn what_comes_from_the_net_and_the_line_is_not_logged_at_info() {
    let mut daemon = Daemon::start(echo());
    let client = daemon.connect("echo");
    client.send(b"\x1b[31mevil\x07");
    assert_eq!(client.receive(10), b"\x1b[31mevil\x07");
    daemon.process.signal(Signal::SIGTERM);
    let ended = daemon.finish();
    assert!(!ended.stderr.contains("evil"), "{}", ended.stderr);
}

#[test]
fn characters_that_turn_the_direction_of_writing_round_are_escaped_in_every_record() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a\u{202e}b\u{2066}c\u{61c}.yaml");
    fs::write(&path, "ports: {}").unwrap();
    for (format, escaped) in [("text", "a\\u{202e}b\\u{2066}c\\u{61c}.yaml"), ("json", "a\\u202eb\\u2066c\\u061c.yaml")]
    {
        let mut command = sermux();
        command.env("XDG_RUNTIME_DIR", folder.path()).args(["--log-format", format, "serve", "--config"]);
        let mut process = Process::start(command.arg(&path));
        process.stderr.wait_for("it runs", |line| is_event(line, "sermux.started"));
        process.signal(Signal::SIGHUP);
        let line = process.stderr.wait_for("the reload", |line| is_event(line, "config.reloaded"));
        assert!(line.contains(escaped), "{line}");
        process.signal(Signal::SIGTERM);
        assert_eq!(process.finish().code, Some(0));
    }
}
