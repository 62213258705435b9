//! `open: on-demand`, and what is done with the first client.

use crate::rig::{is_event, Daemon, PortYaml, Pty};

fn on_demand(pty: &Pty, linger: &str) -> PortYaml {
    PortYaml::new("p", pty.path()).key("open: on-demand").key(&format!("linger: {linger}")).listen("")
}

#[test]
fn the_device_is_opened_for_the_first_client_and_closed_after_the_last() {
    let pty = Pty::new();
    let daemon = Daemon::start(on_demand(&pty, "0s"));
    daemon.address("p");
    for round in 1..=3 {
        let closed = |n| daemon.log().wait_for_nth(n, "it is closed", |line| is_event(line, "line.closed"));
        let client = daemon.connect("p");
        client.send(b"waits for the device");
        daemon.opened("p", round);
        assert_eq!(pty.receive(20), b"waits for the device");
        pty.send(b"answer");
        assert_eq!(client.receive(6), b"answer");
        assert_eq!(daemon.log().count(|line| is_event(line, "line.closed")), round - 1);
        drop(client);
        // A client that vanishes is known by the next byte that it does not take.
        pty.send(b"x");
        closed(round);
    }
}

#[test]
fn a_client_that_comes_while_it_lingers_finds_it_open() {
    let pty = Pty::new();
    let daemon = Daemon::start(on_demand(&pty, "1h"));
    drop(daemon.connect("p"));
    daemon.opened("p", 1);
    let client = daemon.connect("p");
    pty.send(b"hello");
    assert_eq!(client.receive(5), b"hello");
    assert_eq!(daemon.log().count(|line| is_event(line, "line.opened")), 1);
    assert_eq!(daemon.log().count(|line| is_event(line, "line.closed")), 0);
}
