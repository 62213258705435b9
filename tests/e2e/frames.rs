//! `frame: line`, a delimiter, a gap: whole ones, from the first byte on.

use crate::rig::{Daemon, PortYaml, Pty};

fn start(frame: &str) -> (Pty, Daemon) {
    let pty = Pty::new();
    let daemon =
        Daemon::start(PortYaml::new("p", pty.path()).key(&format!("frame: {frame}")).listen("replay: 1 frame"));
    daemon.opened("p", 1);
    (pty, daemon)
}

#[test]
fn who_comes_in_the_middle_of_a_line_begins_with_a_whole_one() {
    let (pty, daemon) = start("line");
    pty.send(b"one\r\ntw");
    pty.was_read();
    let client = daemon.connect("p");
    pty.send(b"o\r\nthr");
    assert_eq!(client.receive(10), b"one\r\ntwo\r\n", "the last whole line is its history");
    pty.send(b"ee\r\n");
    assert_eq!(client.receive(7), b"three\r\n");
}

#[test]
fn a_delimiter_may_come_in_two_pieces() {
    let (pty, daemon) = start("{ delimiter: \"\\r\\n\" }");
    let client = daemon.connect("p");
    pty.send(b"a\nb\r");
    pty.was_read();
    pty.send(b"\nc");
    assert_eq!(client.receive(5), b"a\nb\r\n");
    pty.send(b"\r\n");
    assert_eq!(client.receive(3), b"c\r\n");
}

#[test]
fn a_burst_is_handed_out_after_the_silence_that_ends_it() {
    for gap in ["20ms", "modbus"] {
        let (pty, daemon) = start(&format!("{{ gap: {gap} }}"));
        let client = daemon.connect("p");
        pty.send(b"\x01\x03\x02\x00\x2a");
        assert_eq!(client.receive(5), b"\x01\x03\x02\x00\x2a", "{gap}");
        // Who comes now gets it, too.
        let late = daemon.connect("p");
        assert_eq!(late.receive(5), b"\x01\x03\x02\x00\x2a", "{gap}");
    }
}
