//! What a client of RFC 2217 changes about the line: over an unplugged device, and after the client.

use nix::libc;
use nix::sys::termios::tcgetattr;

use crate::lifecycle::Socket;
use crate::rig::{eventually, is_event, Client, Daemon, PortYaml, Pty};

const HELLO: &[u8] = &[255, 251, 44, 255, 253, 44];

/// SET-BAUDRATE, or with 101 its answer.
fn rate(command: u8, rate: u32) -> Vec<u8> {
    [&[255, 250, 44, command][..], &rate.to_be_bytes(), &[255, 240]].concat()
}

fn port(socket: &Socket) -> PortYaml {
    PortYaml::new("p", socket.path()).key("line: 9600 8N1").telnet_on("127.0.0.1:0", "rfc2217: true, half-close: 0s")
}

fn set(client: &Client, to: u32) {
    client.send(&rate(1, to));
    client.receive_until(&rate(101, to));
}

fn runs_at(pty: &Pty, named: libc::tcflag_t) {
    let slave = pty.device();
    eventually("the line has the rate", || {
        let settings: libc::termios = tcgetattr(&slave).unwrap().into();
        settings.c_cflag & libc::CBAUD == named
    });
}

#[test]
fn a_rate_that_a_client_set_survives_the_device_and_not_the_client() {
    let socket = Socket::new();
    let daemon = Daemon::start(port(&socket));
    let client = daemon.connect("p");
    client.send(HELLO);
    // Promised while there is no device.
    set(&client, 19_200);
    let pty = socket.plug();
    daemon.opened("p", 1);
    runs_at(&pty, libc::B19200);
    set(&client, 57_600);
    runs_at(&pty, libc::B57600);
    socket.unplug(pty);
    daemon.log().wait_for("the loss", |line| is_event(line, "line.lost"));
    let pty = socket.plug();
    assert!(daemon.opened("p", 2).contains("57600 8N1"));
    runs_at(&pty, libc::B57600);
    drop(client);
    daemon.log().wait_for("the release", |line| is_event(line, "line.restored"));
    runs_at(&pty, libc::B9600);
}

#[test]
fn an_operator_gives_the_line_back_as_configured() {
    let socket = Socket::new();
    let pty = socket.plug();
    let daemon = Daemon::start(port(&socket));
    daemon.opened("p", 1);
    let client = daemon.connect("p");
    client.send(HELLO);
    set(&client, 57_600);
    assert_eq!(daemon.done(&["set", "p", "default"]), "p: 9600 8N1\n");
    runs_at(&pty, libc::B9600);
    assert_eq!(daemon.done(&["set", "p", "19200"]), "p: 19200 8N1\n");
    set(&client, 57_600);
    drop(client);
    // What the operator set outlives the client.
    runs_at(&pty, libc::B19200);
}
