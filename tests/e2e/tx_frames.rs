//! `tx-frame`: what one client sends to the line is not torn by what another one sends.

use serde_json::Value;

use crate::rig::{Client, Daemon, PortYaml, Pty};

fn start(tx_frame: &str) -> (Pty, Daemon) {
    let pty = Pty::new();
    let daemon = Daemon::start(PortYaml::new("p", pty.path()).key(&format!("tx-frame: {tx_frame}")).listen(""));
    daemon.opened("p", 1);
    (pty, daemon)
}

fn sends(client: &Client, bytes: &[u8]) {
    client.send(bytes);
    client.sent_was_read();
}

fn cut_frames(daemon: &Daemon) -> u64 {
    let status: Value = serde_json::from_str(&daemon.done(&["status", "p", "--json"])).unwrap();
    status["counters"]["tx-cut-frames"].as_u64().unwrap()
}

#[test]
fn half_a_line_of_one_client_is_not_torn_by_a_whole_one_of_another() {
    for (tx_frame, end) in [("line", "\n"), ("{ delimiter: \"\\r\" }", "\r")] {
        let (pty, daemon) = start(tx_frame);
        let (slow, fast) = (daemon.connect("p"), daemon.connect("p"));
        sends(&slow, b"MEAS:VO");
        sends(&fast, format!("*IDN?{end}").as_bytes());
        assert_eq!(pty.receive(6), format!("*IDN?{end}").as_bytes());
        slow.send(format!("LT?{end}").as_bytes());
        assert_eq!(pty.receive(11), format!("MEAS:VOLT?{end}").as_bytes());
        assert_eq!(cut_frames(&daemon), 0);
    }
}

#[test]
fn half_a_line_that_nobody_ends_is_sent_and_counted() {
    let (pty, daemon) = start("line");
    let client = daemon.connect("p");
    client.send(b"at");
    assert_eq!(pty.receive(2), b"at");
    assert_eq!(cut_frames(&daemon), 1);
}

#[test]
fn half_a_line_of_a_client_that_closes_is_sent() {
    let (pty, daemon) = start("line");
    daemon.connect("p").send(b"quit");
    assert_eq!(pty.receive(4), b"quit");
    assert_eq!(cut_frames(&daemon), 1);
}
