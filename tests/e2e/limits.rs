//! `limits`: how many clients there may be together, and how fast they may come.

use crate::flood::during;
use crate::rig::{eventually, is_event, Client, Daemon, End, PortYaml, Pty};

fn port(name: &str, pty: &Pty, limits: &str) -> String {
    PortYaml::new(name, pty.path()).key(&format!("limits: {limits}")).listen("").listen("").entry()
}

/// It is closed without a byte.
#[track_caller]
fn is_refused(client: &Client) {
    let (bytes, end) = client.receive_to_end();
    assert_eq!((bytes.as_slice(), end), (&b""[..], End::Closed));
}

#[test]
fn a_port_has_so_many_clients_by_all_its_listeners_together() {
    let pty = Pty::new();
    let daemon = Daemon::start(format!("ports:\n{}", port("p", &pty, "{ max-clients: 2 }")));
    daemon.opened("p", 1);
    let first = daemon.connect("p");
    let _second = daemon.connect("p");
    is_refused(&Client::connect(daemon.address("p")));
    let line = daemon.log().wait_for("the refusal", |line| is_event(line, "client.turned-away"));
    assert!(line.contains("no more than 2 at a time (limits: max-clients), on this port"), "{line}");
    // Nobody can tell whether it still listens; it does not count any more.
    drop(first);
    let connected = |line: &str| is_event(line, "client.connected");
    eventually("there is a place again", || {
        let _client = Client::connect(daemon.address("p"));
        daemon.log().count(connected) == 3
    });
    let status: serde_json::Value = serde_json::from_str(&daemon.done(&["status", "p", "--json"])).unwrap();
    let limited: u64 = status["listeners"].as_array().unwrap().iter().map(|l| l["limited"].as_u64().unwrap()).sum();
    assert!(limited >= 1, "{status}");
    assert!(daemon.done(&["status", "p"]).contains("refused by limits"));
}

#[test]
fn all_ports_together_have_so_many_from_one_address() {
    let (a, b) = (Pty::new(), Pty::new());
    let ports = format!("ports:\n{}{}", port("a", &a, "{}"), port("b", &b, "{}"));
    let mut daemon = Daemon::start(format!("limits: {{ max-per-address: 1 }}\n{ports}"));
    daemon.opened("a", 1);
    daemon.opened("b", 1);
    let _of_a = daemon.connect("a");
    is_refused(&Client::connect(daemon.address("b")));
    let line = daemon.log().wait_for("the refusal", |line| is_event(line, "client.turned-away"));
    assert!(
        line.contains("no more than 1 at a time from this address (limits: max-per-address), of all ports together"),
        "{line}"
    );
    // From another address of this host.
    let address = daemon.address("b");
    let _other = daemon.join("b", || Client::connect_from("127.0.0.2", address));
    // A reload that takes the limit away is in force at once, and connected clients stay.
    daemon.reload(ports);
    daemon.log().wait_for("the reload", |line| is_event(line, "config.reloaded"));
    daemon.connect("b");
}

#[test]
fn a_flood_from_one_address_is_cut_to_its_rate_and_others_notice_nothing() {
    const FLOOD: usize = 10_000;
    let pty = Pty::new();
    let daemon = Daemon::start(format!("ports:\n{}", port("p", &pty, "{ connect-rate: 5/h }")));
    daemon.opened("p", 1);
    let address = daemon.address("p");
    let reader = daemon.join("p", || Client::connect_from("127.0.0.2", address));
    let first: Vec<Client> = (0..5).map(|_| Client::connect(address)).collect();
    let flood = || (0..FLOOD).for_each(|_| drop(Client::connect(address)));
    let exchanges = during(flood, || {
        pty.send(b"x");
        assert_eq!(reader.receive(1), b"x");
    });
    eventually("the flood was judged", || {
        let status: serde_json::Value = serde_json::from_str(&daemon.done(&["status", "p", "--json"])).unwrap();
        status["listeners"][0]["limited"] == FLOOD && status["clients"].as_array().unwrap().len() == 6
    });
    assert!(
        first[4].receive(exchanges.max(1)).iter().all(|byte| *byte == b'x'),
        "the first five are clients like others"
    );
    is_refused(&Client::connect(address));
    assert_eq!(daemon.log().count(|line| is_event(line, "client.turned-away")), 1, "the others once a minute");
}
