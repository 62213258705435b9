//! Clients that leave: their place is free at once, and what they sent goes to the line or is discarded, and counted.

use std::time::Duration;

use serde_json::Value;
use socket2::SockRef;
use tempfile::TempDir;

use crate::rig::{
    assert_same, eventually, field, is_event, is_stopped, noise, Client, Daemon, End, PortYaml, Pty, UnixClient,
};

/// More than everything on the way to a line that takes nothing holds.
const MUCH: usize = 300_000;

/// The time without an acknowledgement after which a client counts as stuck: its kernel takes no more.
const STUCK: Duration = Duration::from_millis(200);

fn counter(daemon: &Daemon, name: &str) -> u64 {
    let status: Value = serde_json::from_str(&daemon.done(&["status", "p", "--json"])).unwrap();
    status["counters"][name].as_u64().unwrap_or_else(|| panic!("{name}: {status}"))
}

fn reset(client: Client) {
    SockRef::from(&client.0).set_linger(Some(Duration::ZERO)).unwrap();
}

/// More than the line and the queue for it hold, and no more than the program's kernel holds in addition.
const SOME: usize = 100_000;

/// A port on a line that takes nothing, and a client that has sent so much, or as much as it could.
fn stuck(keys: &str, much: usize) -> (Pty, Daemon, Client, usize) {
    let pty = Pty::new();
    let daemon = Daemon::start(PortYaml::new("p", pty.path()).listen(keys));
    daemon.opened("p", 1);
    let client = daemon.connect("p");
    client.narrow_sending();
    let sent = client.send_until_stuck(&noise(5, MUCH)[..much], STUCK);
    (pty, daemon, client, sent)
}

/// The same with a client whose kernel takes more than the program's does, so that it has sent everything.
fn stuck_at_once(keys: &str) -> (Pty, Daemon, Client, usize) {
    let pty = Pty::new();
    let daemon = Daemon::start(PortYaml::new("p", pty.path()).listen(keys));
    daemon.opened("p", 1);
    let client = daemon.connect("p");
    SockRef::from(&client.0).set_send_buffer_size(4 * MUCH).unwrap();
    let sent = client.send_until_stuck(&noise(5, MUCH), STUCK);
    (pty, daemon, client, sent)
}

/// The line gets what it had taken before, and then this, which the new client sends, and nothing else.
#[track_caller]
fn only_this_comes(pty: &Pty, daemon: &Daemon, client: &Client, taken: u64) {
    client.send(b"of the new one");
    let taken = usize::try_from(taken).unwrap();
    assert_same(&pty.receive(taken), &noise(5, MUCH)[..taken], "what the line had taken");
    assert_eq!(pty.receive(14), b"of the new one", "{}", daemon.log().text());
}

#[test]
fn a_client_that_has_closed_makes_room_at_once() {
    for listener in ["raw", "telnet"] {
        let port = PortYaml::new("p", "sim:echo");
        let port = if listener == "raw" {
            port.listen("max-clients: 1")
        } else {
            port.telnet_on("127.0.0.1:0", "max-clients: 1")
        };
        let daemon = Daemon::start(port);
        daemon.opened("p", 1);
        let address = daemon.address("p");
        for round in 0..20 {
            let client = Client::connect(address);
            client.send(b"hi");
            assert!(client.receive_until(b"hi").ends_with(b"hi"), "{listener}, round {round}");
        }
        assert_eq!(counter(&daemon, "clients-refused"), 0);
    }
}

#[test]
fn a_client_on_a_unix_socket_that_has_closed_makes_room_at_once() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("p.sock");
    let daemon =
        Daemon::start(PortYaml::new("p", "sim:echo").listen_on(&format!("unix:{}", path.display()), "max-clients: 1"));
    daemon.log().wait_for("it listens", |line| is_event(line, "listener.listening"));
    for _ in 0..20 {
        let client = UnixClient::connect(&path);
        client.send(b"hi");
        assert_eq!(client.receive(2), b"hi");
    }
}

#[test]
fn a_client_that_closed_makes_room_on_a_line_that_takes_nothing_and_its_bytes_go_out_first() {
    let (pty, daemon, client, sent) = stuck("max-clients: 1, half-close: 1h", SOME);
    drop(client);
    let next = daemon.connect("p");
    pty.send(b"hello");
    assert_eq!(next.receive(5), b"hello");
    let line = pty.receive(sent);
    assert_same(&line, &noise(5, MUCH)[..sent], "what was sent before the close");
    next.send(b"mine");
    assert_eq!(pty.receive(4), b"mine");
    assert_eq!(counter(&daemon, "tx-discarded-bytes"), 0);
}

#[test]
fn what_the_line_does_not_take_of_a_client_that_closed_is_discarded_after_half_close() {
    let (pty, daemon, client, sent) = stuck("half-close: 1s", SOME);
    drop(client);
    daemon.gone("p", 1);
    let said = daemon.log().wait_for("why", |line| is_event(line, "client.disconnected"));
    assert_eq!(field(&said, "cause"), Some("unsent"), "{said}");
    let (taken, discarded) = (counter(&daemon, "tx-bytes"), counter(&daemon, "tx-discarded-bytes"));
    assert_eq!(taken + discarded, sent as u64);
    only_this_comes(&pty, &daemon, &daemon.connect("p"), taken);
}

/// It sent so much that its end stays in its own kernel, behind bytes for which nobody has room.
#[test]
fn a_client_that_closed_behind_more_than_is_read_makes_room() {
    let (pty, daemon, client, sent) = stuck_at_once("max-clients: 1, half-close: 1h");
    drop(client);
    let next = daemon.connect("p");
    pty.send(b"hello");
    assert_eq!(next.receive(5), b"hello");
    assert_same(&pty.receive(sent), &noise(5, MUCH)[..sent], "what was sent before the close");
    next.send(b"mine");
    assert_eq!(pty.receive(4), b"mine");
}

#[test]
fn what_the_line_does_not_take_is_discarded_although_the_end_is_behind_more_than_is_read() {
    let (_pty, daemon, client, sent) = stuck_at_once("half-close: 1s");
    drop(client);
    daemon.gone("p", 1);
    let (taken, discarded) = (counter(&daemon, "tx-bytes"), counter(&daemon, "tx-discarded-bytes"));
    assert_eq!(taken + discarded, sent as u64);
}

/// A live client stays, however much of what it sends waits.
#[test]
fn a_client_whose_bytes_wait_keeps_its_place() {
    let (pty, daemon, client, sent) = stuck_at_once("max-clients: 1");
    for _ in 0..3 {
        let refused = Client::connect(daemon.address("p"));
        assert_eq!(refused.receive_to_end(), (b"port p is busy: 1 of 1 client\r\n".to_vec(), End::Closed));
    }
    client.send(b"still here");
    let line = pty.receive(sent + 10);
    assert_same(&line[..sent], &noise(5, MUCH)[..sent], "what was sent");
    assert_eq!(&line[sent..], b"still here");
}

#[test]
fn a_reset_is_noticed_although_nothing_is_read_and_what_was_sent_is_discarded() {
    let (pty, daemon, client, _) = stuck("", MUCH);
    reset(client);
    daemon.gone("p", 1);
    assert!(counter(&daemon, "tx-discarded-bytes") > 0);
    let taken = counter(&daemon, "tx-bytes");
    only_this_comes(&pty, &daemon, &daemon.connect("p"), taken);
}

#[test]
fn a_reset_makes_room_at_once_on_a_line_that_takes_nothing() {
    let (pty, daemon, client, _) = stuck("max-clients: 1", MUCH);
    reset(client);
    let next = Client::connect(daemon.address("p"));
    pty.send(b"hello");
    assert_eq!(next.receive(5), b"hello");
    let taken = counter(&daemon, "tx-bytes");
    only_this_comes(&pty, &daemon, &next, taken);
}

#[test]
fn what_a_client_sent_that_is_kicked_does_not_go_before_the_new_ones() {
    let (pty, daemon, client, _) = stuck("max-clients: 1, when-full: kick-oldest", MUCH);
    let next = daemon.connect("p");
    assert_eq!(client.receive_to_end().1, End::Closed);
    assert!(counter(&daemon, "tx-discarded-bytes") > 0);
    let taken = counter(&daemon, "tx-bytes");
    only_this_comes(&pty, &daemon, &next, taken);
}

#[test]
fn what_a_client_sent_that_is_kicked_by_hand_is_discarded() {
    let (pty, daemon, client, _) = stuck("", MUCH);
    daemon.done(&["kick", "p", "1"]);
    assert_eq!(client.receive_to_end().1, End::Closed);
    let taken = counter(&daemon, "tx-bytes");
    only_this_comes(&pty, &daemon, &daemon.connect("p"), taken);
}

/// The program is stopped while something comes, then a client, then something more: it finds all three at once, and
/// the line before the listener.
#[test]
fn a_client_gets_what_the_line_brings_right_after_it_has_connected() {
    use nix::sys::signal::Signal;
    let pty = Pty::new();
    let mut daemon = Daemon::start(PortYaml::new("p", pty.path()).listen(""));
    daemon.opened("p", 1);
    let address = daemon.address("p");
    let _other = daemon.connect("p");
    for _ in 0..20 {
        daemon.process.signal(Signal::SIGSTOP);
        eventually("it is stopped", || is_stopped(daemon.pid()));
        pty.send(b"before ");
        let client = Client::connect(address);
        pty.send(b"after");
        daemon.process.signal(Signal::SIGCONT);
        assert!(client.receive_until(b"after").ends_with(b"after"));
    }
}

/// Neither reads anything, nor is anything written to it.
#[test]
fn a_reset_after_a_half_close_is_noticed_on_a_silent_line() {
    let pty = Pty::new();
    let port = PortYaml::new("p", pty.path()).key("open: on-demand").key("linger: 0s").listen("");
    let daemon = Daemon::start(port);
    for round in 1..=3 {
        let client = daemon.connect("p");
        daemon.opened("p", round);
        client.half_close();
        eventually("the half-close is read", || crate::rig::end_was_read(&client.0));
        reset(client);
        daemon.log().wait_for_nth(round, "it is closed", |line| is_event(line, "line.closed"));
    }
    daemon.gone("p", 3);
    assert_eq!(
        daemon.log().count(|line| is_event(line, "client.disconnected") && field(line, "cause") == Some("closed")),
        3
    );
}

#[test]
fn what_a_client_sent_before_it_closed_reaches_a_device_that_is_open_on_demand() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("p.sock");
    let pty = Pty::new();
    let port = PortYaml::new("p", pty.path()).key("open: on-demand").key("linger: 0s");
    let daemon = Daemon::start(port.listen_on(&format!("unix:{}", path.display()), ""));
    daemon.log().wait_for("it listens", |line| is_event(line, "listener.listening"));
    let bytes = noise(9, 60_000);
    let client = UnixClient::connect(&path);
    client.send(&bytes);
    drop(client);
    assert_same(&pty.receive(bytes.len()), &bytes, "what the line got");
    daemon.log().wait_for("it is closed", |line| is_event(line, "line.closed"));
}

#[test]
fn who_half_closes_on_a_unix_socket_after_it_has_sent_hears_until_it_goes() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("p.sock");
    let pty = Pty::new();
    let port = PortYaml::new("p", pty.path()).key("half-close: 0s").listen("");
    let daemon = Daemon::start(port.listen_on(&format!("unix:{}", path.display()), ""));
    daemon.opened("p", 1);
    daemon.log().wait_for_nth(2, "it listens", |line| is_event(line, "listener.listening"));
    let client = UnixClient::connect(&path);
    client.send(b"question");
    client.half_close();
    assert_eq!(pty.receive(8), b"question");
    // One on TCP is closed at once.
    let other = daemon.connect("p");
    other.send(b"x");
    other.half_close();
    assert_eq!(pty.receive(1), b"x");
    assert_eq!(other.receive_to_end(), (vec![], End::Closed));
    pty.send(b"answer");
    assert_eq!(client.receive(6), b"answer");
    drop(client);
    daemon.gone("p", 2);
}

#[test]
fn what_was_sent_before_a_close_is_read_although_the_client_takes_nothing_any_more() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("p.sock");
    let pty = Pty::new();
    let daemon = Daemon::start(PortYaml::new("p", pty.path()).listen_on(&format!("unix:{}", path.display()), ""));
    daemon.opened("p", 1);
    daemon.log().wait_for("it listens", |line| is_event(line, "listener.listening"));
    for _ in 0..20 {
        let client = UnixClient::connect(&path);
        client.send(b"reboot\r");
        drop(client);
        pty.send(b"to nobody");
        assert_eq!(pty.receive(7), b"reboot\r");
    }
}
