//! What clients ask of the line: bounded, and in order with their bytes even when they have disconnected.

use serde_json::{json, Value};

use crate::rig::{eventually, field, is_event, Daemon, PortYaml, Pty};

const BRK: &[u8] = b"\xFF\xF3";

fn start(port: PortYaml) -> Daemon {
    let daemon = Daemon::start(port);
    daemon.opened("p", 1);
    daemon
}

fn port(daemon: &Daemon) -> Value {
    let finished = daemon.run(&["status", "p", "--json"]);
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"))
}

fn baud(rate: u32) -> Vec<u8> {
    [&[255, 250, 44, 1][..], &rate.to_be_bytes(), &[255, 240]].concat()
}

#[test]
fn thirty_thousand_breaks_in_one_write_hold_nobody_up() {
    let daemon = start(
        PortYaml::new("p", "sim:echo").listen_on("127.0.0.1:0", "").telnet_on("127.0.0.2:0", "break-on-sync: true"),
    );
    let other = daemon.connect_on("p", "127.0.0.1");
    for asked in [BRK, b"\xFF\xF2"] {
        let client = daemon.connect_on("p", "127.0.0.2");
        client.send(&asked.repeat(30_000));
        client.send(b"x");
        assert_eq!(other.receive(1), b"x");
        other.send(b"y");
        assert_eq!(other.receive(1), b"y");
    }
    let breaks = port(&daemon)["errors"]["breaks"].as_u64().unwrap();
    // Each read of 64 KiB at most begins one, and may find one waiting.
    assert!((2..=40).contains(&breaks), "{breaks}");
}

#[test]
fn a_reload_that_takes_the_right_to_write_frees_the_line_of_what_waits() {
    let with = |access: &str| PortYaml::new("p", "sim:echo").telnet_on("127.0.0.1:0", access);
    let mut daemon = start(with("access: read-write"));
    let client = daemon.connect("p");
    client.send(&[BRK, b"a"].concat().repeat(1000));
    eventually("it has begun", || port(&daemon)["counters"]["tx-bytes"].as_u64() > Some(0));
    daemon.reload(with("access: read-only"));
    // Four minutes of breaks.
    eventually("the rest is refused", || port(&daemon)["clients"][0]["refused-bytes"].as_u64() > Some(900));
    client.send(b"\xFF\xF6");
    client.receive_until(b"[Yes]\r\n");
}

#[test]
fn settings_between_the_bytes_of_a_client_that_has_gone_are_made_between_them() {
    let pty = Pty::new();
    let port_yaml = PortYaml::new("p", pty.path()).key("on-release: keep");
    let daemon = start(port_yaml.telnet_on("127.0.0.1:0", "rfc2217: true"));
    let client = daemon.connect("p");
    client.receive(15);
    client.send(&[b"x", &baud(2400)[..], b"y", &baud(1200)[..], b"z"].concat());
    // It does not take the answers, so that its connection is reset as soon as there are some.
    drop(client);
    assert_eq!(pty.receive(3), b"xyz");
    daemon.gone("p", 1);
    daemon.log().wait_for_nth(2, "both are set", |line| is_event(line, "line.set"));
    let set: Vec<String> = daemon.log().all().into_iter().filter(|line| is_event(line, "line.set")).collect();
    let rates: Vec<_> = set.iter().filter_map(|line| field(line, "line")).collect();
    assert_eq!(rates, ["2400", "1200"], "{set:#?}");
    assert_eq!(port(&daemon)["line"]["actual"], json!("1200 8N1"));
}
