//! `on-gone: disconnect`: programs that must notice that their device went.

use crate::lifecycle::Socket;
use crate::rig::{field, is_event, Client, Daemon, End, PortYaml};

/// One listener for each kind of client.
fn both(socket: &Socket) -> PortYaml {
    PortYaml::new("p", socket.path()).listen_on("127.0.0.1:0", "on-gone: disconnect").listen_on("127.0.0.2:0", "")
}

fn refused(daemon: &Daemon, n: usize) {
    daemon.log().wait_for_nth(n, "it is refused", |line| {
        is_event(line, "client.refused")
            && field(line, "cause") == Some("device-gone")
            && field(line, "port") == Some("p")
    });
}

#[test]
fn clients_that_are_to_notice_are_disconnected_when_the_device_goes_and_the_others_stay() {
    let socket = Socket::new();
    let pty = socket.plug();
    let daemon = Daemon::start(both(&socket));
    daemon.opened("p", 1);
    let (notices, holds) = (daemon.connect_on("p", "127.0.0.1"), daemon.connect_on("p", "127.0.0.2"));
    pty.send(b"last words");
    pty.was_read();
    socket.unplug(pty);
    assert_eq!(notices.receive_to_end(), (b"last words".to_vec(), End::Closed));
    daemon.gone("p", 1);
    daemon
        .log()
        .wait_for("why", |line| is_event(line, "client.disconnected") && field(line, "cause") == Some("device-gone"));

    // One more while the device is known to be gone, as a program does that reconnects.
    for round in 1..=2 {
        let early = Client::connect(daemon.address_on("p", "127.0.0.1"));
        assert_eq!(early.receive_to_end(), (Vec::new(), End::Closed));
        refused(&daemon, round);
    }
    let pty = socket.plug();
    daemon.opened("p", 2);
    let notices = daemon.connect_on("p", "127.0.0.1");
    pty.send(b"again");
    assert_eq!((notices.receive(5), holds.receive(15)), (b"again".to_vec(), b"last wordsagain".to_vec()));
}

#[test]
fn a_pause_and_another_device_are_noticed_too() {
    let (socket, other) = (Socket::new(), Socket::new());
    let (pty, _other_pty) = (socket.plug(), other.plug());
    let mut daemon = Daemon::start(both(&socket));
    daemon.opened("p", 1);
    let notices = daemon.connect_on("p", "127.0.0.1");
    let holds = daemon.connect_on("p", "127.0.0.2");
    daemon.done(&["pause", "p"]);
    assert_eq!(notices.receive_to_end().1, End::Closed);
    let early = Client::connect(daemon.address_on("p", "127.0.0.1"));
    assert_eq!(early.receive_to_end(), (Vec::new(), End::Closed));
    refused(&daemon, 1);
    daemon.done(&["resume", "p"]);
    daemon.opened("p", 2);
    let notices = daemon.connect_on("p", "127.0.0.1");
    pty.send(b"back");
    assert_eq!((notices.receive(4), holds.receive(4)), (b"back".to_vec(), b"back".to_vec()));
    daemon.reload(both(&other));
    assert_eq!(notices.receive_to_end().1, End::Closed);
}

#[test]
fn a_device_that_is_opened_on_demand_is_looked_for_again_for_each_first_client() {
    let socket = Socket::new();
    let daemon = Daemon::start(both(&socket).key("open: on-demand"));
    for round in 1..=2 {
        let client = daemon.connect_on("p", "127.0.0.1");
        client.send(b"lost");
        assert_eq!(client.receive_to_end().0, b"");
        daemon.gone("p", round);
    }
    let pty = socket.plug();
    let client = daemon.connect_on("p", "127.0.0.1");
    client.send(b"question");
    assert_eq!(pty.receive(8), b"question");
}
