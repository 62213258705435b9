//! A port without frames: every byte to everybody, in order, with nothing added; what clients write goes to the line.

use std::thread;
use std::time::Duration;

use crate::rig::{assert_same, noise, Client, Daemon, PortYaml, Pty};

/// All 256 values, and what telnet, terminals and line disciplines would take offence at.
fn awkward() -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
    bytes.extend_from_slice(b"\r\n\n\r\r\0\xff\xff\xff\xfb\x01\xff\xfa\x2c\xff\xf0\x03\x04\x11\x13\x1a\x7f\0\0\0");
    bytes
}

fn port(pty: &Pty) -> PortYaml {
    PortYaml::new("p", pty.path()).key("line: 115200 8N1")
}

#[test]
fn every_value_reaches_every_client_and_nothing_is_added() {
    let pty = Pty::new();
    let daemon = Daemon::start(port(&pty).listen(""));
    daemon.opened("p", 1);
    let clients = [daemon.connect("p"), daemon.connect("p"), daemon.connect("p")];
    for round in 0..20 {
        let mut bytes = awkward();
        bytes.rotate_left(round * 7);
        pty.send(&bytes);
        for client in &clients {
            assert_same(&client.receive(bytes.len()), &bytes, "what a client got");
        }
    }
}

#[test]
fn one_byte_alone_is_not_kept_back() {
    let pty = Pty::new();
    let daemon = Daemon::start(port(&pty).listen(""));
    daemon.opened("p", 1);
    let client = daemon.connect("p");
    for byte in 0..=255 {
        pty.send(&[byte]);
        assert_eq!(client.receive_once(), [byte]);
        client.send(&[byte]);
        assert_eq!(pty.receive(1), [byte]);
    }
}

#[test]
fn megabytes_reach_every_client_in_order() {
    const LEN: usize = 4 << 20;
    let pty = Pty::new();
    // `hold`, because three threads on a busy machine do not read at the same speed.
    let daemon = Daemon::start(port(&pty).listen("on-lag: hold"));
    daemon.opened("p", 1);
    let clients = [daemon.connect("p"), daemon.connect("p"), daemon.connect("p")];
    let sent = noise(1, LEN);
    thread::scope(|scope| {
        let readers: Vec<_> = clients.iter().map(|client| scope.spawn(|| client.receive(LEN))).collect();
        pty.send(&sent);
        for reader in readers {
            assert_same(&reader.join().unwrap(), &sent, "what a client got");
        }
    });
}

#[test]
fn a_single_reader_loses_nothing_however_fast_the_line_is() {
    const LEN: usize = 8 << 20;
    let pty = Pty::new();
    let daemon = Daemon::start(port(&pty).listen(""));
    daemon.opened("p", 1);
    let client = daemon.connect("p");
    let sent = noise(2, LEN);
    thread::scope(|scope| {
        let reader = scope.spawn(|| client.receive(LEN));
        pty.send(&sent);
        assert_same(&reader.join().unwrap(), &sent, "what the client got");
    });
}

#[test]
fn a_client_gets_what_comes_after_it_has_connected_and_nothing_older() {
    let pty = Pty::new();
    let daemon = Daemon::start(port(&pty).listen(""));
    daemon.opened("p", 1);
    let first = daemon.connect("p");
    pty.send(b"old");
    assert_eq!(first.receive(3), b"old");
    let second = daemon.connect("p");
    pty.send(b"new");
    assert_eq!(first.receive(3), b"new");
    assert_eq!(second.receive(3), b"new");
}

#[test]
fn what_a_client_writes_reaches_the_line_unchanged() {
    let pty = Pty::new();
    let daemon = Daemon::start(port(&pty).listen(""));
    daemon.opened("p", 1);
    let client = daemon.connect("p");
    for round in 0..20 {
        let mut bytes = awkward();
        bytes.rotate_left(round * 11);
        client.send(&bytes);
        assert_same(&pty.receive(bytes.len()), &bytes, "what the line got");
    }
    assert_eq!(pty.receive_fence(), b"", "nothing was added");
}

#[test]
fn both_ways_at_once_do_not_disturb_each_other() {
    const LEN: usize = 2 << 20;
    let pty = Pty::new();
    let daemon = Daemon::start(port(&pty).listen(""));
    daemon.opened("p", 1);
    let client = daemon.connect("p");
    let (up, down) = (noise(3, LEN), noise(4, LEN));
    thread::scope(|scope| {
        let received = scope.spawn(|| client.receive(LEN));
        let on_the_line = scope.spawn(|| pty.receive(LEN));
        scope.spawn(|| client.again().send(&up));
        pty.send(&down);
        assert_same(&received.join().unwrap(), &down, "what the client got");
        assert_same(&on_the_line.join().unwrap(), &up, "what the line got");
    });
}

/// Eight writers, each with one write of up to 4 KiB under way at a time: more than the queue to the line holds.
#[test]
fn whole_writes_of_many_clients_are_not_torn() {
    const WRITERS: u8 = 8;
    const WRITES: u16 = 60;
    let pty = Pty::new();
    let daemon = Daemon::start(port(&pty).listen(""));
    daemon.opened("p", 1);

    let arrivals: Vec<_> = (0..WRITERS).map(|_| std::sync::mpsc::channel::<u16>()).collect();
    let (told, arrived): (Vec<_>, Vec<_>) = arrivals.into_iter().unzip();
    let clients: Vec<Client> = (0..WRITERS).map(|_| daemon.connect("p")).collect();
    thread::scope(|scope| {
        for ((client, arrived), writer) in clients.iter().zip(arrived).zip(0..) {
            scope.spawn(move || {
                for write in 0..WRITES {
                    client.send(&block(writer, write));
                    // The next one only when this one is through, so that one read of the daemon's is one write of ours.
                    assert_eq!(arrived.recv_timeout(crate::rig::PATIENCE), Ok(write));
                }
            });
        }
        let mut next = [0; WRITERS as usize];
        for _ in 0..u32::from(WRITERS) * u32::from(WRITES) {
            let head = pty.receive(HEAD);
            let writer = head[0];
            assert!(writer < WRITERS, "a torn write: a block starts with {}", head.escape_ascii());
            let expected = block(writer, next[usize::from(writer)]);
            let mut got = head;
            got.extend(pty.receive(expected.len() - HEAD));
            assert_same(&got, &expected, "a torn write");
            told[usize::from(writer)].send(next[usize::from(writer)]).unwrap();
            next[usize::from(writer)] += 1;
        }
    });
    assert_eq!(pty.receive_fence(), b"");
}

const HEAD: usize = 4;

/// Who, which, and then as many bytes as follow from that: 4 to 4096 in all, many of them 4096.
fn block(writer: u8, write: u16) -> Vec<u8> {
    let [high, low] = write.to_be_bytes();
    let kind = usize::from(write) * 31 + usize::from(writer) * 17;
    let len = if kind % 3 == 0 { 4096 } else { HEAD + kind * 37 % 4090 };
    let mut block = vec![writer, high, low, 0xff];
    block.resize(len, 0x80 | writer);
    block
}

#[test]
fn a_line_that_takes_nothing_holds_the_writer_back_and_nothing_is_lost() {
    const LEN: usize = 24 << 20;
    let pty = Pty::new();
    let daemon = Daemon::start(port(&pty).listen(""));
    daemon.opened("p", 1);
    let client = daemon.connect("p");
    client.narrow_sending();
    let bytes = noise(5, LEN);
    let sent = client.send_until_stuck(&bytes, Duration::from_millis(300));
    assert!(sent < LEN, "{sent} bytes went somewhere");
    thread::scope(|scope| {
        scope.spawn(|| client.send(&bytes[sent..sent + (1 << 20)]));
        // In small pieces, so that the line is full all the time.
        let mut got = Vec::new();
        while got.len() < sent + (1 << 20) {
            let mut piece = [0; 509];
            let n = pty.receive_some(&mut piece);
            got.extend_from_slice(&piece[..n]);
        }
        assert_same(&got, &bytes[..got.len()], "what the line got");
    });
    assert_eq!(pty.receive_fence(), b"");
}

#[test]
fn a_writer_that_waits_for_the_line_still_gets_what_the_line_says() {
    let pty = Pty::new();
    let daemon = Daemon::start(port(&pty).listen(""));
    daemon.opened("p", 1);
    let client = daemon.connect("p");
    client.narrow_sending();
    let bytes = noise(6, 24 << 20);
    let sent = client.send_until_stuck(&bytes, Duration::from_millis(300));
    assert!(sent < bytes.len());
    let reader = daemon.connect("p");
    pty.send(b"to all");
    assert_eq!(client.receive(6), b"to all");
    assert_eq!(reader.receive(6), b"to all");
}

#[test]
fn the_echo_device_gives_everybody_what_anybody_wrote() {
    let daemon = Daemon::start(PortYaml::new("echo", "sim:echo").listen(""));
    let (one, two) = (daemon.connect("echo"), daemon.connect("echo"));
    for (writer, other) in [(&one, &two), (&two, &one)] {
        let bytes = awkward();
        writer.send(&bytes);
        assert_same(&writer.receive(bytes.len()), &bytes, "what the writer got");
        assert_same(&other.receive(bytes.len()), &bytes, "what the other got");
    }
}
