//! Clients that come in floods, break off or never finish a sentence, beside one that reads: it loses nothing, and
//! nothing is left of them.

use std::fs;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use socket2::SockRef;

use crate::rig::{anonymous_kib, assert_same, eventually, find, is_event, noise, Client, Daemon, PortYaml, Pty};

const FLOOD: usize = 10_000;

fn descriptors(daemon: &Daemon) -> usize {
    daemon.log().wait_for("all is open", |line| is_event(line, "control.listening"));
    fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap().count()
}

/// Does the one for as long as the other takes, and how often it could.
pub(crate) fn during(flood: impl FnOnce() + Send, mut exchange: impl FnMut()) -> usize {
    thread::scope(|scope| {
        let flood = scope.spawn(flood);
        let mut exchanges = 0;
        while !flood.is_finished() {
            exchange();
            exchanges += 1;
        }
        exchanges
    })
}

#[test]
fn a_flood_of_connections_costs_others_nothing_and_leaves_nothing_behind() {
    let pty = Pty::new();
    let port = PortYaml::new("p", pty.path()).listen_on("127.0.0.1:0", "").telnet_on("127.0.0.2:0", "on-lag: skip");
    let daemon = Daemon::start(port);
    daemon.opened("p", 1);
    // The one does not write, the other does not read.
    let (reader, writer) = (daemon.connect_on("p", "127.0.0.1"), daemon.connect_on("p", "127.0.0.2"));
    let address = daemon.address_on("p", "127.0.0.1");
    let before = (descriptors(&daemon), anonymous_kib(daemon.pid()));
    let bytes = noise(31, 4096);
    let flood = || {
        for _ in 0..FLOOD {
            TcpStream::connect_timeout(&address, Duration::from_secs(20)).expect("it is listened to all the time");
        }
    };
    let exchanges = during(flood, || {
        pty.send(&bytes);
        assert_same(&reader.receive(bytes.len()), &bytes, "what the reader got");
        writer.send(b"show version");
        assert_eq!(pty.receive(12), b"show version");
    });
    assert!(exchanges > 10, "{exchanges} exchanges beside {FLOOD} connections");
    eventually("every one of them came in or was turned away", || {
        let status: serde_json::Value = serde_json::from_str(&daemon.done(&["status", "p", "--json"])).unwrap();
        let counters = &status["counters"];
        let count = |name: &str| counters[name].as_u64().unwrap();
        count("clients") + count("clients-refused") == 2 + FLOOD as u64
    });
    eventually("the descriptors of the flood are closed", || {
        // A write to them shows that they have disconnected.
        pty.send(b"x");
        reader.receive(1);
        descriptors(&daemon) <= before.0
    });
    let grown = anonymous_kib(daemon.pid()).saturating_sub(before.1);
    // What a connection leaves behind would add up.
    assert!(grown * 1024 < 160 * FLOOD as u64, "grew by {grown} KiB");
}

#[test]
fn clients_that_break_off_in_the_middle_of_writes_cost_the_reader_nothing() {
    let pty = Pty::new();
    let daemon = Daemon::start(PortYaml::new("p", pty.path()).listen(""));
    daemon.opened("p", 1);
    let reader = daemon.connect("p");
    let before = descriptors(&daemon);
    let bytes = noise(32, 1 << 20);
    thread::scope(|scope| {
        let read = scope.spawn(|| reader.receive(bytes.len()));
        scope.spawn(|| {
            for round in 0..32 {
                let client: Client = daemon.connect("p");
                client.send(b"half a comm");
                if round % 2 == 0 {
                    // No FIN but a RST.
                    SockRef::from(&client.0).set_linger(Some(Duration::ZERO)).unwrap();
                } else {
                    client.half_close();
                }
            }
        });
        pty.send(&bytes);
        assert_same(&read.join().unwrap(), &bytes, "what the reader got");
    });
    eventually("the descriptors of those who broke off are closed", || {
        pty.send(b"x");
        reader.receive(1);
        descriptors(&daemon) <= before
    });
}

#[test]
fn negotiations_that_never_end_cost_the_reader_nothing() {
    let pty = Pty::new();
    let daemon = Daemon::start(format!(
        "ports:\n  p:\n    device: {}\n    listen:\n      - {{ protocol: telnet, rfc2217: true, access: read-only, address: \"127.0.0.1:0\" }}\n",
        pty.path().display()
    ));
    daemon.opened("p", 1);
    let reader = daemon.connect("p");
    let before = anonymous_kib(daemon.pid());
    let slow: Vec<Client> = (0..16).map(|_| daemon.connect("p")).collect();
    // IAC SB COM-PORT-OPTION, and then one byte after the other without an IAC SE.
    for byte in [255, 250, 44].into_iter().chain(std::iter::repeat_n(1, 1000)) {
        slow.iter().for_each(|client| client.send(&[byte]));
    }
    slow.iter().for_each(|client| client.send(&[1; 64 << 10]));
    slow.iter().for_each(Client::sent_was_read);
    let line = b"the line goes on\n";
    pty.send(line);
    assert!(find(&reader.receive_until(line), line).is_some());
    let grown = anonymous_kib(daemon.pid()).saturating_sub(before);
    // A quarter of what they have sent; 1 KiB may be kept for each of them.
    assert!(grown < 16 * 16, "grew by {grown} KiB");
}
