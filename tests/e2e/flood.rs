//! Clients that come in floods, break off or never finish a sentence, beside one that reads: it loses nothing, and
//! nothing is left of them.

use std::fs;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use socket2::SockRef;

use crate::rig::{anonymous_kib, assert_same, eventually, find, noise, Client, Daemon, PortYaml, Pty};

const FLOOD: usize = 10_000;

fn descriptors(daemon: &Daemon) -> usize {
    daemon.log().wait_for("all is open", |line| line.contains("INFO control socket"));
    fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap().count()
}

#[test]
fn a_flood_of_connections_costs_the_reader_nothing_and_leaves_nothing_behind() {
    let pty = Pty::new();
    let daemon = Daemon::start(PortYaml::new("p", pty.path()).listen(""));
    daemon.opened("p", 1);
    let reader = daemon.connect("p");
    let address = daemon.address("p");
    let before = (descriptors(&daemon), anonymous_kib(daemon.pid()));
    let bytes = noise(31, 4 << 20);
    thread::scope(|scope| {
        let read = scope.spawn(|| reader.receive(bytes.len()));
        scope.spawn(|| {
            for _ in 0..FLOOD {
                // One that is turned away is as good.
                drop(TcpStream::connect_timeout(&address, Duration::from_secs(20)));
            }
        });
        pty.send(&bytes);
        assert_same(&read.join().unwrap(), &bytes, "what the reader got");
    });
    eventually("the descriptors of the flood are closed", || {
        // A write to them tells that they have gone.
        pty.send(b"x");
        reader.receive(1);
        descriptors(&daemon) <= before.0
    });
    let grown = anonymous_kib(daemon.pid()).saturating_sub(before.1);
    assert!(grown < 8192, "grew by {grown} KiB");
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
        "ports:\n  p:\n    device: {}\n    listen:\n      - {{ protocol: telnet, rfc2217: true, address: \"127.0.0.1:0\" }}\n",
        pty.path().display()
    ));
    daemon.opened("p", 1);
    let reader = daemon.connect("p");
    let before = anonymous_kib(daemon.pid());
    let slow: Vec<Client> = (0..16).map(|_| daemon.connect("p")).collect();
    // IAC SB COM-PORT-OPTION, and then one byte after the other without an IAC SE.
    for byte in [255, 250, 44].into_iter().chain(std::iter::repeat_n(1, 4096)) {
        slow.iter().for_each(|client| client.send(&[byte]));
    }
    slow.iter().for_each(Client::sent_was_read);
    let line = b"the line goes on\n";
    pty.send(line);
    assert!(find(&reader.receive_until(line), line).is_some());
    let grown = anonymous_kib(daemon.pid()).saturating_sub(before);
    assert!(grown < 4096, "grew by {grown} KiB");
}
