//! How it ends: on SIGTERM and SIGINT, within two seconds, with what was under way delivered.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::rig::{assert_same, eventually, noise, Client, Daemon, End, PortYaml, Pty, SHUTDOWN};

const BOTH: [Signal; 2] = [Signal::SIGTERM, Signal::SIGINT];

/// Sends the signal and expects the end, in time and in order.
#[track_caller]
fn ends(daemon: &mut Daemon, signal: Signal) {
    let told = Instant::now();
    daemon.process.signal(signal);
    let Some(status) = daemon.process.wait(SHUTDOWN) else {
        panic!("still there {:?} after {signal}", told.elapsed());
    };
    assert_eq!(status.code(), Some(0), "{signal}: {status}");
}

#[test]
fn without_clients_it_ends_at_once() {
    for signal in BOTH {
        let pty = Pty::new();
        let mut daemon = Daemon::start(PortYaml::new("p", pty.path()).listen(""));
        daemon.opened("p", 1);
        let told = Instant::now();
        ends(&mut daemon, signal);
        assert!(told.elapsed() < Duration::from_secs(1), "took {:?}", told.elapsed());
    }
}

#[test]
fn clients_are_closed_in_order() {
    for signal in BOTH {
        let pty = Pty::new();
        let mut daemon = Daemon::start(PortYaml::new("p", pty.path()).listen(""));
        daemon.opened("p", 1);
        let clients = [daemon.connect("p"), daemon.connect("p")];
        pty.send(b"last words");
        pty.was_read();
        ends(&mut daemon, signal);
        for client in &clients {
            assert_eq!(client.receive_to_end(), (b"last words".to_vec(), End::Closed));
        }
    }
}

#[test]
fn what_a_slow_client_has_not_read_yet_is_delivered() {
    let pty = Pty::new();
    let mut daemon = Daemon::start(PortYaml::new("p", pty.path()).listen(""));
    daemon.opened("p", 1);
    let client = daemon.connect_narrow("p");
    let reader = daemon.connect("p");
    // Fewer than the backlog holds, more than the client's kernel takes.
    let bytes = noise(41, 100_000);
    pty.send(&bytes);
    assert_same(&reader.receive(bytes.len()), &bytes, "the quick one");
    daemon.process.signal(Signal::SIGTERM);
    let (got, end) = client.receive_to_end();
    assert_same(&got, &bytes, "the slow one");
    assert_eq!(end, End::Closed);
    assert_eq!(daemon.process.wait(SHUTDOWN).and_then(|status| status.code()), Some(0));
}

#[test]
fn what_is_on_its_way_to_the_line_is_written() {
    let pty = Pty::new();
    let mut daemon = Daemon::start(PortYaml::new("p", pty.path()).listen(""));
    daemon.opened("p", 1);
    let client = daemon.connect("p");
    // More than a pty takes that nobody reads, fewer than the queue to the line holds beyond that.
    let bytes = noise(42, 20_000);
    client.send(&bytes);
    client.sent_was_read();
    daemon.process.signal(Signal::SIGTERM);
    no_more_clients(&daemon);
    assert_same(&pty.receive(bytes.len()), &bytes, "the line");
    assert_eq!(daemon.process.wait(SHUTDOWN).and_then(|status| status.code()), Some(0));
    assert_eq!(pty.receive_fence(), b"");
}

#[test]
fn what_was_written_just_before_is_not_thrown_away_by_the_close() {
    let pty = Pty::new();
    let mut daemon = Daemon::start(PortYaml::new("p", pty.path()).listen(""));
    daemon.opened("p", 1);
    let client = daemon.connect("p");
    client.send(b"switch the relay off\r");
    client.sent_was_read();
    ends(&mut daemon, Signal::SIGTERM);
    // Nobody has read the line until now.
    assert_eq!(pty.receive_fence(), b"switch the relay off\r");
}

#[test]
fn a_client_that_has_stopped_does_not_keep_it() {
    for signal in BOTH {
        let pty = Pty::new();
        let mut daemon = Daemon::start(PortYaml::new("p", pty.path()).listen("on-lag: hold"));
        daemon.opened("p", 1);
        let _stopped = stopped_client(&daemon, &pty);
        ends(&mut daemon, signal);
    }
}

#[test]
fn a_line_that_takes_nothing_does_not_keep_it() {
    for signal in BOTH {
        let pty = Pty::new();
        let mut daemon = Daemon::start(PortYaml::new("p", pty.path()).listen(""));
        daemon.opened("p", 1);
        let client = daemon.connect("p");
        client.narrow_sending();
        let sent = client.send_until_stuck(&noise(43, 24 << 20), Duration::from_millis(300));
        assert!(sent < 24 << 20);
        ends(&mut daemon, signal);
    }
}

#[test]
fn no_client_is_taken_any_more_while_it_ends() {
    let pty = Pty::new();
    let mut daemon = Daemon::start(PortYaml::new("p", pty.path()).listen("on-lag: hold"));
    daemon.opened("p", 1);
    let _stopped = stopped_client(&daemon, &pty);
    daemon.process.signal(Signal::SIGTERM);
    no_more_clients(&daemon);
    assert_eq!(daemon.process.wait(SHUTDOWN).and_then(|status| status.code()), Some(0));
}

#[test]
fn a_second_interrupt_ends_it_at_once() {
    let pty = Pty::new();
    let mut daemon = Daemon::start(PortYaml::new("p", pty.path()).listen("on-lag: hold"));
    daemon.opened("p", 1);
    let _stopped = stopped_client(&daemon, &pty);
    daemon.process.signal(Signal::SIGINT);
    // Two that come together would be one.
    no_more_clients(&daemon);
    let again = Instant::now();
    daemon.process.signal(Signal::SIGINT);
    let ended = daemon.process.wait(SHUTDOWN);
    assert!(ended.is_some(), "still there");
    assert!(again.elapsed() < Duration::from_millis(500), "took {:?}", again.elapsed());
}

/// A client that keeps the line waiting, so that ending takes as long as it may.
#[track_caller]
fn stopped_client(daemon: &Daemon, pty: &Pty) -> Client {
    let stopped = daemon.connect_narrow("p");
    let bytes = noise(44, 16 << 20);
    assert!(pty.send_for(&bytes, Duration::from_millis(300)) < bytes.len());
    stopped
}

/// The first thing that ending means.
#[track_caller]
fn no_more_clients(daemon: &Daemon) {
    let address = daemon.address("p");
    eventually("nobody is let in", || TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err());
}
