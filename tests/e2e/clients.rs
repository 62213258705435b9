//! Coming, staying and going: half-closed connections, rights, and how many are let in.

use std::time::{Duration, Instant};

use crate::rig::{assert_same, end_was_read, eventually, field, is_event, noise, Client, Daemon, End, PortYaml, Pty};

#[test]
fn who_sends_and_half_closes_is_heard_answered_for_a_while_and_then_closed() {
    let pty = Pty::new();
    let daemon = Daemon::start(PortYaml::new("p", pty.path()).listen("half-close: 1s"));
    daemon.opened("p", 1);
    let client = daemon.connect("p");
    client.send(b"status\r");
    client.half_close();
    let half_closed = Instant::now();
    assert_eq!(pty.receive(7), b"status\r");
    pty.send(b"ready\r\n");
    assert_eq!(client.receive(7), b"ready\r\n");
    assert_eq!(client.receive_to_end(), (vec![], End::Closed));
    let stayed = half_closed.elapsed();
    assert!(stayed > Duration::from_millis(700), "closed after {stayed:?}");
    assert!(stayed < Duration::from_secs(5), "closed after {stayed:?}");
    daemon.gone("p", 1);
}

#[test]
fn many_bytes_before_a_half_close_all_reach_the_line() {
    let pty = Pty::new();
    let daemon = Daemon::start(PortYaml::new("p", pty.path()).listen("half-close: 0s"));
    daemon.opened("p", 1);
    let client = daemon.connect("p");
    let bytes = crate::rig::noise(7, 200_000);
    std::thread::scope(|scope| {
        let line = scope.spawn(|| pty.receive(bytes.len()));
        client.send(&bytes);
        client.half_close();
        crate::rig::assert_same(&line.join().unwrap(), &bytes, "what the line got");
    });
    assert_eq!(client.receive_to_end(), (vec![], End::Closed));
}

/// A client that sends, half-closes, and is therefore closed after `half-close`: when it has ended, one that half-closed
/// before it and is still there was not meant by that rule.
#[track_caller]
fn outlast_one_that_sent(writer: &Client, pty: &Pty) {
    writer.send(b"x");
    writer.half_close();
    assert_eq!(pty.receive(1), b"x");
    assert_eq!(writer.receive_to_end(), (vec![], End::Closed));
}

#[test]
fn who_half_closes_without_a_byte_stays_as_a_reader() {
    let pty = Pty::new();
    let daemon = Daemon::start(PortYaml::new("p", pty.path()).listen("half-close: 1s"));
    daemon.opened("p", 1);
    let reader = daemon.connect("p");
    reader.half_close();
    outlast_one_that_sent(&daemon.connect("p"), &pty);
    for _ in 0..3 {
        pty.send(b"still here");
        assert_eq!(reader.receive(10), b"still here");
    }
}

#[test]
fn who_half_closes_on_a_read_only_listener_stays_even_after_sending() {
    let pty = Pty::new();
    let port = PortYaml::new("p", pty.path()).key("half-close: 1s");
    let daemon = Daemon::start(port.listen("access: read-only").listen_on("127.0.0.2:0", ""));
    daemon.opened("p", 1);
    let reader = daemon.connect_on("p", "127.0.0.1");
    reader.send(b"not for the line");
    reader.half_close();
    outlast_one_that_sent(&daemon.connect_on("p", "127.0.0.2"), &pty);
    pty.send(b"still here");
    assert_eq!(reader.receive(10), b"still here");
    assert_eq!(pty.receive_fence(), b"");
}

#[test]
fn a_port_that_nobody_may_write_to_never_sends_and_keeps_its_clients() {
    let pty = Pty::new();
    let mut daemon = Daemon::start(PortYaml::new("p", pty.path()).key("write: none").listen(""));
    daemon.opened("p", 1);
    let client = daemon.connect("p");
    // More than the queue to the line and all buffers on the way would hold, were it kept.
    client.send(&vec![b'w'; 24 << 20]);
    client.sent_was_read();
    pty.send(b"still here");
    assert_eq!(client.receive(10), b"still here");
    daemon.process.signal(nix::sys::signal::Signal::SIGTERM);
    daemon.finish();
    assert_eq!(pty.receive_fence(), b"");
}

#[test]
fn a_read_only_listener_beside_a_writable_one_lets_nothing_through() {
    let pty = Pty::new();
    let port = PortYaml::new("p", pty.path()).listen("access: read-only").listen_on("127.0.0.2:0", "");
    let daemon = Daemon::start(port);
    daemon.opened("p", 1);
    let reader = daemon.connect_on("p", "127.0.0.1");
    let writer = daemon.connect_on("p", "127.0.0.2");
    reader.send(b"no");
    reader.sent_was_read();
    writer.send(b"yes");
    assert_eq!(pty.receive(3), b"yes");
    pty.send(b"both");
    assert_eq!(reader.receive(4), b"both");
    assert_eq!(writer.receive(4), b"both");
    assert_eq!(pty.receive_fence(), b"");
}

/// Waits until the log has `n` records of a writer that was refused because of another, and no more.
#[track_caller]
fn pen_refusals(daemon: &Daemon, n: usize) {
    let is_so = |line: &str| is_event(line, "client.pen-refused");
    daemon.log().wait_for_nth(n, "the refusal", is_so);
    assert_eq!(daemon.log().count(is_so), n, "{}", daemon.log().text());
}

#[test]
fn the_first_writer_holds_the_pen_until_it_goes() {
    let pty = Pty::new();
    let daemon = Daemon::start(PortYaml::new("p", pty.path()).key("write: first").listen("half-close: 0s"));
    daemon.opened("p", 1);
    let [first, second, third] = [daemon.connect("p"), daemon.connect("p"), daemon.connect("p")];
    first.send(b"first");
    assert_eq!(pty.receive(5), b"first");
    for _ in 0..3 {
        second.send(b"second");
        second.sent_was_read();
    }
    first.send(b"first again");
    assert_eq!(pty.receive(11), b"first again");
    pen_refusals(&daemon, 1);
    pty.send(b"to all");
    for client in [&first, &second, &third] {
        assert_eq!(client.receive(6), b"to all", "a raw client hears nothing of the pen");
    }
    drop(first);
    daemon.gone("p", 1);
    third.send(b"third");
    assert_eq!(pty.receive(5), b"third");
    second.send(b"second");
    second.sent_was_read();
    assert_eq!(pty.receive_fence(), b"");
    pen_refusals(&daemon, 2);
    let status = daemon.done(&["status", "*"]);
    assert!(status.contains("has the pen"), "{status}");
}

#[test]
fn the_latest_writer_takes_the_pen_and_who_lost_it_waits_until_it_is_free() {
    let pty = Pty::new();
    let daemon = Daemon::start(PortYaml::new("p", pty.path()).key("write: last").listen("half-close: 0s"));
    daemon.opened("p", 1);
    let [first, second] = [daemon.connect("p"), daemon.connect("p")];
    for (client, bytes) in [(&first, b"first "), (&second, b"second")] {
        client.send(bytes);
        assert_eq!(pty.receive(6), bytes);
    }
    first.send(b"refused");
    first.sent_was_read();
    second.send(b"second");
    assert_eq!(pty.receive(6), b"second");
    pen_refusals(&daemon, 1);
    drop(second);
    daemon.gone("p", 1);
    first.send(b"first");
    assert_eq!(pty.receive(5), b"first");
}

#[test]
fn the_client_that_is_too_many_is_told_so_and_closed() {
    let pty = Pty::new();
    let daemon = Daemon::start(PortYaml::new("meter.1", pty.path()).listen("max-clients: 1"));
    daemon.opened("meter.1", 1);
    let client = daemon.connect("meter.1");
    for _ in 0..3 {
        let refused = Client::connect(daemon.address("meter.1"));
        assert_eq!(refused.receive_to_end(), (b"port meter.1 is busy: 1 of 1 client\r\n".to_vec(), End::Closed));
    }
    pty.send(b"undisturbed");
    assert_eq!(client.receive(11), b"undisturbed");
}

#[test]
fn when_the_oldest_is_to_make_room_each_new_client_takes_its_place() {
    let pty = Pty::new();
    let port = PortYaml::new("p", pty.path()).key("when-full: kick-oldest").listen("max-clients: 2");
    let daemon = Daemon::start(port);
    daemon.opened("p", 1);
    let [first, second] = [daemon.connect("p"), daemon.connect("p")];
    first.send(b"busy");
    assert_eq!(pty.receive(4), b"busy");
    let third = daemon.connect("p");
    assert_eq!(first.receive_to_end(), (vec![], End::Closed));
    let fourth = daemon.connect("p");
    assert_eq!(second.receive_to_end(), (vec![], End::Closed));
    pty.send(b"x");
    assert_eq!((third.receive(1), fourth.receive(1)), (b"x".to_vec(), b"x".to_vec()));
    let is_oldest = |line: &str| is_event(line, "client.disconnected") && field(line, "cause") == Some("oldest");
    daemon.log().wait_for_nth(2, "the oldest has gone", is_oldest);
}

#[test]
fn when_the_idlest_is_to_make_room_whoever_sends_or_receives_stays() {
    let pty = Pty::new();
    let port = PortYaml::new("p", pty.path()).listen("max-clients: 3, when-full: kick-idle");
    let daemon = Daemon::start(port);
    daemon.opened("p", 1);
    let [first, second, third] = [daemon.connect("p"), daemon.connect("p"), daemon.connect("p")];
    first.send(b"busy");
    assert_eq!(pty.receive(4), b"busy");
    let fourth = daemon.connect("p");
    assert_eq!(second.receive_to_end(), (vec![], End::Closed));
    pty.send(b"to all");
    for client in [&first, &third, &fourth] {
        assert_eq!(client.receive(6), b"to all");
    }
    third.send(b"also busy");
    first.send(b"busy again");
    pty.receive(19);
    daemon.connect("p");
    assert_eq!(fourth.receive_to_end(), (vec![], End::Closed));
}

#[test]
fn who_is_silent_for_too_long_is_closed_with_a_line_in_the_log() {
    let pty = Pty::new();
    let port = PortYaml::new("p", pty.path()).listen("idle-timeout: 300ms").listen_on("127.0.0.2:0", "");
    let daemon = Daemon::start(port);
    daemon.opened("p", 1);
    let [silent, patient] = [daemon.connect_on("p", "127.0.0.1"), daemon.connect_on("p", "127.0.0.2")];
    assert_eq!(silent.receive_to_end(), (vec![], End::Closed));
    daemon.log().wait_for("why", |line| is_event(line, "client.disconnected") && field(line, "cause") == Some("idle"));
    pty.send(b"x");
    assert_eq!(patient.receive(1), b"x");
}

#[test]
fn each_listener_counts_its_own_clients() {
    let pty = Pty::new();
    let port = PortYaml::new("p", pty.path()).listen("max-clients: 2").listen_on("127.0.0.2:0", "max-clients: 1");
    let daemon = Daemon::start(port);
    daemon.opened("p", 1);
    let clients =
        [daemon.connect_on("p", "127.0.0.1"), daemon.connect_on("p", "127.0.0.1"), daemon.connect_on("p", "127.0.0.2")];
    let refused = Client::connect(daemon.address_on("p", "127.0.0.1"));
    assert_eq!(refused.receive_to_end().0, b"port p is busy: 2 of 2 clients\r\n");
    let refused = Client::connect(daemon.address_on("p", "127.0.0.2"));
    assert_eq!(refused.receive_to_end().0, b"port p is busy: 1 of 1 client\r\n");
    pty.send(b"x");
    for client in &clients {
        assert_eq!(client.receive(1), b"x");
    }
}

#[test]
fn a_place_is_free_again_when_its_client_has_gone() {
    let pty = Pty::new();
    let daemon = Daemon::start(PortYaml::new("p", pty.path()).listen("max-clients: 1, half-close: 0s"));
    daemon.opened("p", 1);
    for round in 1..=3 {
        let client = daemon.connect("p");
        client.send(b"q");
        assert_eq!(pty.receive(1), b"q");
        drop(client);
        daemon.gone("p", round);
    }
}

#[test]
fn where_frames_are_set_the_client_that_is_too_many_is_closed_without_a_word() {
    let pty = Pty::new();
    let port = PortYaml::new("p", pty.path()).key("frame: dsmr").listen("max-clients: 1");
    let daemon = Daemon::start(port);
    daemon.opened("p", 1);
    let _client = daemon.connect("p");
    let refused = Client::connect(daemon.address("p"));
    assert_eq!(refused.receive_to_end().0, b"");
}

/// To the other side, a reader that has disconnected and one that has half-closed look the same until something is sent.
#[test]
fn a_reader_that_has_really_gone_makes_room_when_the_listener_is_full() {
    let pty = Pty::new();
    let daemon = Daemon::start(PortYaml::new("p", pty.path()).listen("max-clients: 1"));
    daemon.opened("p", 1);
    for _ in 0..3 {
        let reader = daemon.connect("p");
        half_close_and_be_seen(&reader);
        drop(reader);
    }
    let client = daemon.connect("p");
    pty.send(b"x");
    assert_eq!(client.receive(1), b"x");
}

#[test]
fn of_the_half_closed_readers_the_oldest_makes_room_and_a_whole_one_never_does() {
    let pty = Pty::new();
    let daemon = Daemon::start(PortYaml::new("p", pty.path()).listen("max-clients: 3"));
    daemon.opened("p", 1);
    let whole = daemon.connect("p");
    let older = daemon.connect("p");
    let newer = daemon.connect("p");
    half_close_and_be_seen(&older);
    half_close_and_be_seen(&newer);
    let next = daemon.connect("p");
    assert_eq!(older.receive_to_end(), (vec![], End::Closed));
    let last = daemon.connect("p");
    assert_eq!(newer.receive_to_end(), (vec![], End::Closed));
    let refused = Client::connect(daemon.address("p"));
    assert_eq!(refused.receive_to_end().0, b"port p is busy: 3 of 3 clients\r\n");
    pty.send(b"x");
    for client in [&whole, &next, &last] {
        assert_eq!(client.receive(1), b"x");
    }
}

/// Comes back when the program has read the end.
#[track_caller]
fn half_close_and_be_seen(client: &Client) {
    client.half_close();
    eventually("the half-close is read", || end_was_read(&client.0));
}

#[test]
fn a_new_client_gets_what_was_there_before_it_and_then_what_comes() {
    let pty = Pty::new();
    let port =
        PortYaml::new("p", pty.path()).listen_on("127.0.0.1:0", "replay: 16 KiB").listen_on("127.0.0.2:0", "replay: 0");
    let daemon = Daemon::start(port);
    daemon.opened("p", 1);
    let boot_log = noise(3, 40_000);
    let first = daemon.connect_on("p", "127.0.0.2");
    pty.send(&boot_log);
    assert_same(&first.receive(boot_log.len()), &boot_log, "what was sent");
    for _ in 0..3 {
        let (late, plain) = (daemon.connect_on("p", "127.0.0.1"), daemon.connect_on("p", "127.0.0.2"));
        assert_same(&late.receive(16 * 1024), &boot_log[boot_log.len() - 16 * 1024..], "the history");
        drop(plain);
    }
    let (late, plain) = (daemon.connect_on("p", "127.0.0.1"), daemon.connect_on("p", "127.0.0.2"));
    pty.send(b"now");
    assert_eq!(plain.receive(3), b"now");
    assert_same(&late.receive(16 * 1024 + 3)[16 * 1024..], b"now", "what comes after the history");
}
