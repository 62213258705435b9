//! A client that does not read, beside one that does: the reader gets everything, whatever the policy for the other.

use std::ops::Range;
use std::thread;
use std::time::Duration;

use crate::rig::{anonymous_kib, assert_same, find, noise, Client, Daemon, PortYaml, Pty};

const LEN: usize = 16 << 20;

/// The default.
const BACKLOG_KIB: u64 = 256;

/// Sends it all and has the reader read it all, which it must get.
#[track_caller]
fn pass(pty: &Pty, reader: &Client, bytes: &[u8]) {
    thread::scope(|scope| {
        let read = scope.spawn(|| reader.receive(bytes.len()));
        pty.send(bytes);
        assert_same(&read.join().unwrap(), bytes, "what the reader got");
    });
}

#[test]
fn by_default_the_stopped_client_is_cut_off_and_the_reader_loses_nothing() {
    let pty = Pty::new();
    let daemon = Daemon::start(PortYaml::new("p", pty.path()).listen(""));
    daemon.opened("p", 1);
    let stopped = daemon.connect("p");
    let reader = daemon.connect("p");
    let before = anonymous_kib(daemon.pid());
    let bytes = noise(11, LEN);
    pass(&pty, &reader, &bytes);
    daemon.gone("p", 1);
    let grown = anonymous_kib(daemon.pid()).saturating_sub(before);
    assert!(grown < BACKLOG_KIB + BACKLOG_KIB / 2, "grew by {grown} KiB");
    // What it had been sent before is good; then it gets a close, not a hole.
    let (got, _) = stopped.receive_to_end();
    assert!(got.len() < bytes.len());
    assert_same(&got, &bytes[..got.len()], "what the stopped client had got");
    // And the port goes on.
    let next = daemon.connect("p");
    pty.send(b"on we go");
    assert_eq!(reader.receive(8), b"on we go");
    assert_eq!(next.receive(8), b"on we go");
}

#[test]
fn with_skip_the_stopped_client_stays_and_goes_on_at_the_newest_bytes() {
    let pty = Pty::new();
    let daemon = Daemon::start(PortYaml::new("p", pty.path()).key("on-lag: skip").listen(""));
    daemon.opened("p", 1);
    let stopped = daemon.connect_narrow("p");
    let reader = daemon.connect("p");
    let before = anonymous_kib(daemon.pid());
    let bytes = noise(12, LEN);
    pass(&pty, &reader, &bytes);
    let grown = anonymous_kib(daemon.pid()).saturating_sub(before);
    assert!(grown < BACKLOG_KIB + BACKLOG_KIB / 2, "grew by {grown} KiB");

    let last = noise(13, 64);
    pty.send(&last);
    assert_eq!(reader.receive(64), last);
    let got = stopped.receive_until(&last);
    let all = [bytes, last].concat();
    let pieces = pieces_of(&got, &all);
    assert_eq!(pieces[0].start, 0, "it had been there from the start");
    assert!(pieces.len() > 1, "there is a hole");
    let newest = all.len() - pieces.last().unwrap().start;
    assert!(newest <= 512 * 1024, "it was given {newest} bytes of the past");
}

/// Cuts what a client got into the stretches of `all` that it consists of; each lies behind the one before it.
#[track_caller]
fn pieces_of(got: &[u8], all: &[u8]) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let (mut done, mut from) = (0, 0);
    while done < got.len() {
        let known = &got[done..got.len().min(done + 16)];
        let Some(at) = find(&all[from..], known) else {
            panic!("byte {done} of {} comes from nowhere behind {from}: {}", got.len(), known.escape_ascii());
        };
        let start = from + at;
        let len = got[done..].iter().zip(&all[start..]).take_while(|(a, b)| a == b).count();
        pieces.push(start..start + len);
        done += len;
        from = start + len;
    }
    pieces
}

#[test]
fn with_hold_the_line_waits_for_the_stopped_client_and_nobody_loses_anything() {
    let pty = Pty::new();
    let daemon = Daemon::start(PortYaml::new("p", pty.path()).key("on-lag: hold").listen(""));
    daemon.opened("p", 1);
    let stopped = daemon.connect_narrow("p");
    let reader = daemon.connect("p");
    let bytes = noise(14, LEN);
    thread::scope(|scope| {
        let read = scope.spawn(|| reader.receive(LEN));
        let taken = pty.send_for(&bytes, Duration::from_millis(500));
        assert!(taken < LEN, "the line was read on");
        let resumed = scope.spawn(|| stopped.receive(LEN));
        pty.send(&bytes[taken..]);
        assert_same(&read.join().unwrap(), &bytes, "what the reader got");
        assert_same(&resumed.join().unwrap(), &bytes, "what the stopped client got");
    });
}

#[test]
fn each_listener_has_its_own_policy() {
    let pty = Pty::new();
    let port = PortYaml::new("p", pty.path()).listen("on-lag: disconnect").listen_on("127.0.0.2:0", "on-lag: skip");
    let daemon = Daemon::start(port);
    daemon.opened("p", 1);
    let cut_off = daemon.connect_on("p", "127.0.0.1");
    let reader = daemon.connect_on("p", "127.0.0.1");
    let skips = daemon.connect_on("p", "127.0.0.2");
    let bytes = noise(15, LEN);
    pass(&pty, &reader, &bytes);
    daemon.gone("p", 1);
    let (got, _) = cut_off.receive_to_end();
    assert!(got.len() < LEN);
    let last = noise(16, 64);
    pty.send(&last);
    assert!(skips.receive_until(&last).len() < LEN);
    assert_eq!(reader.receive(64), last);
}

#[test]
fn with_nobody_connected_the_line_is_read_all_the_same() {
    let pty = Pty::new();
    let daemon = Daemon::start(PortYaml::new("p", pty.path()).listen(""));
    daemon.opened("p", 1);
    pty.send(&noise(17, 4 << 20));
    let client = daemon.connect("p");
    // What was under way when the client came may still reach it; what comes after that must.
    pty.send(b"<from here on>");
    client.receive_until(b"<from here on>");
}

#[test]
fn a_stopped_client_alone_does_not_stop_its_port() {
    let pty = Pty::new();
    let daemon = Daemon::start(PortYaml::new("p", pty.path()).key("on-lag: skip").listen(""));
    daemon.opened("p", 1);
    let stopped = daemon.connect_narrow("p");
    let bytes = noise(18, 4 << 20);
    // The fastest reader is the one that has stopped, and this line can wait: it may wait, or go on without it.
    let taken = pty.send_for(&bytes, Duration::from_millis(300));
    let reader = daemon.connect("p");
    let last = noise(19, 64);
    thread::scope(|scope| {
        let read = scope.spawn(|| reader.receive_until(&last));
        let resumed = scope.spawn(|| stopped.receive_until(&last));
        pty.send(&bytes[taken..]);
        pty.send(&last);
        read.join().unwrap();
        resumed.join().unwrap();
    });
}
