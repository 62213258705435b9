//! Listeners with line settings of their own: one device on several addresses.

use nix::libc;
use nix::sys::termios::tcgetattr;

use crate::lifecycle::Socket;
use crate::rig::{eventually, field, is_event, Client, Daemon, End, PortYaml, Pty};

/// 9600 on the first address, 19200 on the second, 9600 on the third, and 57600 with RFC 2217 on the fourth.
fn port(device: impl AsRef<std::path::Path>) -> PortYaml {
    PortYaml::new("p", device)
        .key("line: 9600 8N1")
        .key("half-close: 0s")
        .listen_on("127.0.0.1:0", "")
        .listen_on("127.0.0.2:0", "line: 19200 8N1, banner: '\\s\\n'")
        .listen_on("127.0.0.3:0", "line: 9600 8N1")
        .telnet_on("127.0.0.4:0", "line: 57600 8N1, rfc2217: true")
}

fn rate(pty: &Pty) -> libc::tcflag_t {
    let settings: libc::termios = tcgetattr(pty.device()).unwrap().into();
    settings.c_cflag & libc::CBAUD
}

fn runs_at(pty: &Pty, named: libc::tcflag_t) {
    eventually("the line has the rate", || rate(pty) == named);
}

fn refused(daemon: &Daemon, ip: &str, by: &Client, at: &str) {
    let client = Client::connect(daemon.address_on("p", ip));
    let words = format!("port p is busy: {} has the line at {at}\r\n", by.0.local_addr().unwrap());
    assert_eq!(client.receive_to_end(), (words.into_bytes(), End::Closed));
}

#[test]
fn the_line_has_the_settings_of_the_listener_that_its_clients_came_through() {
    let pty = Pty::new();
    let daemon = Daemon::start(port(pty.path()));
    daemon.opened("p", 1);
    for round in 1..4 {
        let client = daemon.connect_on("p", "127.0.0.2");
        assert_eq!(client.receive_until(b"\n"), b"19200 8N1\n");
        client.send(b"x");
        // Its bytes are behind the settings.
        assert_eq!((pty.receive(1), rate(&pty)), (b"x".to_vec(), libc::B19200));
        let second = daemon.connect_on("p", "127.0.0.2");
        pty.send(b"both");
        assert_eq!((client.receive(4), second.receive(10)), (b"both".to_vec(), b"19200 8N1\n".to_vec()));
        assert_eq!(second.receive(4), b"both");
        drop(client);
        daemon.gone("p", 2 * round - 1);
        second.send(b"y");
        assert_eq!((pty.receive(1), rate(&pty)), (b"y".to_vec(), libc::B19200), "the second one still has it");
        drop(second);
        runs_at(&pty, libc::B9600);
    }
}

#[test]
fn while_clients_have_the_line_those_of_listeners_with_other_settings_are_told_who_has_it() {
    let pty = Pty::new();
    let daemon = Daemon::start(port(pty.path()));
    daemon.opened("p", 1);
    let client = daemon.connect_on("p", "127.0.0.1");
    let same = daemon.connect_on("p", "127.0.0.3");
    for _ in 0..2 {
        refused(&daemon, "127.0.0.2", &client, "9600 8N1");
    }
    pty.send(b"undisturbed");
    assert_eq!((client.receive(11), same.receive(11)), (b"undisturbed".to_vec(), b"undisturbed".to_vec()));
    drop(client);
    refused(&daemon, "127.0.0.2", &same, "9600 8N1");
    drop(same);
    let client = daemon.connect_on("p", "127.0.0.2");
    runs_at(&pty, libc::B19200);
    refused(&daemon, "127.0.0.1", &client, "19200 8N1");
    daemon
        .log()
        .wait_for("the reason", |line| is_event(line, "client.refused") && field(line, "cause") == Some("other-line"));
}

#[test]
fn a_reader_that_has_closed_its_sending_side_is_not_in_the_way_of_other_settings() {
    let pty = Pty::new();
    let daemon = Daemon::start(port(pty.path()));
    daemon.opened("p", 1);
    let reader = daemon.connect_on("p", "127.0.0.1");
    reader.half_close();
    let client = daemon.connect_on("p", "127.0.0.2");
    assert_eq!(reader.receive_to_end(), (vec![], End::Closed));
    runs_at(&pty, libc::B19200);
    assert_eq!(client.receive_until(b"\n"), b"19200 8N1\n");
}

#[test]
fn a_client_of_rfc_2217_finds_the_settings_of_its_listener_and_they_are_what_is_given_back_to() {
    const HELLO: &[u8] = &[255, 251, 44, 255, 253, 44];
    let rate_of = |command: u8, rate: u32| [&[255, 250, 44, command][..], &rate.to_be_bytes(), &[255, 240]].concat();
    let pty = Pty::new();
    let daemon = Daemon::start(port(pty.path()));
    daemon.opened("p", 1);
    for _ in 0..3 {
        let client = daemon.connect_on("p", "127.0.0.4");
        client.send(HELLO);
        client.send(&rate_of(1, 0));
        let got = client.receive_until(&rate_of(101, 57_600));
        assert!(!got.windows(4).any(|window| window == 9600_u32.to_be_bytes()), "{}", got.escape_ascii());
        client.send(&rate_of(1, 38_400));
        client.receive_until(&rate_of(101, 38_400));
        runs_at(&pty, libc::B38400);
        drop(client);
        runs_at(&pty, libc::B9600);
    }
}

#[test]
fn with_on_release_keep_the_line_stays_until_a_client_of_another_listener_comes() {
    let pty = Pty::new();
    let daemon = Daemon::start(port(pty.path()).key("on-release: keep"));
    daemon.opened("p", 1);
    let client = daemon.connect_on("p", "127.0.0.2");
    runs_at(&pty, libc::B19200);
    client.send(b"x");
    assert_eq!(pty.receive(1), b"x");
    drop(client);
    daemon.gone("p", 1);
    assert_eq!(rate(&pty), libc::B19200);
    let client = daemon.connect_on("p", "127.0.0.1");
    runs_at(&pty, libc::B9600);
    client.send(b"x");
    assert_eq!((pty.receive(1), rate(&pty)), (b"x".to_vec(), libc::B9600));
}

#[test]
fn a_device_that_comes_back_has_the_settings_of_the_clients_that_wait_for_it() {
    let socket = Socket::new();
    let daemon = Daemon::start(port(socket.path()));
    let client = daemon.connect_on("p", "127.0.0.2");
    let pty = socket.plug();
    assert!(daemon.opened("p", 1).contains("19200 8N1"));
    socket.unplug(pty);
    daemon.log().wait_for("the loss", |line| is_event(line, "line.lost"));
    let pty = socket.plug();
    assert!(daemon.opened("p", 2).contains("19200 8N1"));
    // What the operator set meanwhile is not for the time of the client alone.
    assert_eq!(daemon.done(&["set", "p", "57600"]), "p: 57600 8N1\n");
    drop(client);
    daemon.gone("p", 1);
    let client = daemon.connect_on("p", "127.0.0.2");
    runs_at(&pty, libc::B19200);
    drop(client);
    runs_at(&pty, libc::B57600);
}

#[test]
fn a_reload_of_a_listeners_line_sets_it_under_its_clients_and_disconnects_those_of_others() {
    let pty = Pty::new();
    let at = |second: &str, third: &str| {
        PortYaml::new("p", pty.path())
            .key("line: 9600 8N1")
            .listen_on("127.0.0.2:0", second)
            .listen_on("127.0.0.3:0", third)
    };
    let mut daemon = Daemon::start(at("line: 19200 8N1", "line: 19200 8N1"));
    daemon.opened("p", 1);
    let first = daemon.connect_on("p", "127.0.0.2");
    let other = daemon.connect_on("p", "127.0.0.3");
    runs_at(&pty, libc::B19200);
    daemon.reload(at("line: 38400 8N1", "line: 38400 8N1"));
    runs_at(&pty, libc::B38400);
    daemon.reload(at("line: 57600 8N1", ""));
    assert_eq!(other.receive_to_end(), (vec![], End::Closed));
    runs_at(&pty, libc::B57600);
    first.send(b"still there");
    assert_eq!(pty.receive(11), b"still there");
    drop(first);
    runs_at(&pty, libc::B9600);
}
