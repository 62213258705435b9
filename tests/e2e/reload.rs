//! SIGHUP: the files are read again.

use std::net::TcpStream;

use nix::sys::termios::{cfgetospeed, tcgetattr, BaudRate, ControlFlags};

use crate::rig::p1::telegram;
use crate::rig::{field, is_event, Daemon, PortYaml, Pty};

fn echo(name: &str) -> PortYaml {
    PortYaml::new(name, "sim:echo").listen("")
}

fn file(ports: &[&PortYaml]) -> String {
    ports.iter().fold("ports:\n".to_owned(), |file, port| file + &port.entry())
}

fn wait_for_reload(daemon: &Daemon, n: usize) -> String {
    daemon.log().wait_for_nth(n, "the reload", |line| is_event(line, "config.reloaded"))
}

#[test]
fn a_new_port_comes_and_a_removed_one_goes_while_the_clients_of_others_notice_nothing() {
    let pty = Pty::new();
    let kept = PortYaml::new("kept", pty.path()).listen("");
    let mut daemon = Daemon::start(file(&[&kept, &echo("old")]));
    daemon.opened("kept", 1);
    let (client, leaving) = (daemon.connect("kept"), daemon.connect("old"));

    daemon.reload(file(&[&kept, &echo("new")]));
    let said = wait_for_reload(&daemon, 1);
    for (what, n) in [("added", "1"), ("removed", "1"), ("changed", "0")] {
        assert_eq!(field(&said, what), Some(n), "{said}");
    }
    let (rest, _) = leaving.receive_to_end();
    assert!(rest.is_empty());
    let coming = daemon.connect("new");
    coming.send(b"hello");
    assert_eq!(coming.receive(5), b"hello");
    pty.send(b"as before");
    assert_eq!(client.receive(9), b"as before");
    assert_eq!(daemon.log().count(|line| is_event(line, "line.opened") && field(line, "port") == Some("kept")), 1);
}

#[test]
fn other_line_settings_are_applied_under_the_clients() {
    let pty = Pty::new();
    let port = PortYaml::new("p", pty.path()).listen("");
    let mut daemon = Daemon::start(file(&[&port]));
    daemon.opened("p", 1);
    let client = daemon.connect("p");
    daemon.reload(file(&[&port.clone().key("line: 115200 8N2")]));
    daemon.log().wait_for("the line is set", |line| is_event(line, "line.set") && line.contains("115200 8N2"));
    let settings = tcgetattr(pty.device()).unwrap();
    assert_eq!(cfgetospeed(&settings), BaudRate::B115200);
    assert!(settings.control_flags.contains(ControlFlags::CSTOPB));
    client.send(b"still here");
    assert_eq!(pty.receive(10), b"still here");
    assert_eq!(daemon.log().count(|line| is_event(line, "line.opened")), 1, "the device was opened again");
}

#[test]
fn other_rights_apply_to_the_clients_that_are_there() {
    let mut daemon = Daemon::start(file(&[&echo("p")]));
    daemon.opened("p", 1);
    let client = daemon.connect("p");
    client.send(b"before");
    assert_eq!(client.receive(6), b"before");
    daemon.reload(file(&[&PortYaml::new("p", "sim:echo").listen("access: read-only")]));
    wait_for_reload(&daemon, 1);
    client.send(b"refused");
    daemon.log().wait_for("the refusal", |line| is_event(line, "client.write-refused"));
    daemon.reload(file(&[&echo("p")]));
    wait_for_reload(&daemon, 2);
    client.send(b"after");
    assert_eq!(client.receive(5), b"after");
}

#[test]
fn a_listener_comes_and_another_goes_while_the_clients_of_a_third_notice_nothing() {
    let listen = |ips: &[&str]| {
        let port = PortYaml::new("p", "sim:echo");
        ips.iter().fold(port, |port, ip| port.listen_on(&format!("{ip}:0"), ""))
    };
    let mut daemon = Daemon::start(file(&[&listen(&["127.0.0.1", "127.0.0.2"])]));
    daemon.opened("p", 1);
    let (leaving, staying) = (daemon.connect_on("p", "127.0.0.1"), daemon.connect_on("p", "127.0.0.2"));
    let old = daemon.address_on("p", "127.0.0.1");
    daemon.reload(file(&[&listen(&["127.0.0.3", "127.0.0.2"])]));
    wait_for_reload(&daemon, 1);
    let (rest, _) = leaving.receive_to_end();
    assert!(rest.is_empty());
    daemon
        .log()
        .wait_for("why", |line| is_event(line, "client.disconnected") && field(line, "cause") == Some("listener-gone"));
    assert!(TcpStream::connect(old).is_err(), "the old address still accepts");
    let coming = daemon.connect_on("p", "127.0.0.3");
    coming.send(b"hello");
    assert_eq!((coming.receive(5), staying.receive(5)), (b"hello".to_vec(), b"hello".to_vec()));
    assert_eq!(daemon.log().count(|line| is_event(line, "line.opened")), 1, "the device was opened again");
}

#[test]
fn an_address_moves_from_one_port_to_another() {
    let mut daemon = Daemon::start(file(&[&echo("a"), &echo("b")]));
    let address = daemon.address("a");
    let fixed = |name: &str| PortYaml::new(name, "sim:echo").listen_on(&address.to_string(), "");
    daemon.reload(file(&[&fixed("a"), &echo("b")]));
    wait_for_reload(&daemon, 1);
    daemon.reload(file(&[&echo("a"), &fixed("b")]));
    wait_for_reload(&daemon, 2);
    let client = crate::rig::Client::connect(address);
    client.send(b"hello");
    assert_eq!(client.receive(5), b"hello");
    daemon
        .log()
        .wait_for("the client of b", |line| is_event(line, "client.connected") && field(line, "port") == Some("b"));
    assert_eq!(daemon.log().count(|line| is_event(line, "listener.bind-failed")), 0);
}

#[test]
fn another_device_is_opened_under_the_clients() {
    let (old, new) = (Pty::new(), Pty::new());
    let port = |pty: &Pty| PortYaml::new("p", pty.path()).listen("");
    let mut daemon = Daemon::start(file(&[&port(&old)]));
    daemon.opened("p", 1);
    let client = daemon.connect("p");
    old.send(b"from the old one");
    assert_eq!(client.receive(16), b"from the old one");
    daemon.reload(file(&[&port(&new)]));
    daemon.opened("p", 2);
    new.send(b"from the new one");
    assert_eq!(client.receive(16), b"from the new one");
    client.send(b"to the new one");
    assert_eq!(new.receive(14), b"to the new one");
    assert_eq!(daemon.log().count(|line| is_event(line, "client.disconnected")), 0);
}

#[test]
fn frames_begin_and_end_under_the_clients() {
    let pty = Pty::new();
    let port = PortYaml::new("p", pty.path()).key("write: none").listen("on-lag: skip");
    let mut daemon = Daemon::start(file(&[&port]));
    daemon.opened("p", 1);
    let client = daemon.connect("p");
    let telegram = telegram(7);
    daemon.reload(file(&[&port.clone().key("frame: dsmr")]));
    wait_for_reload(&daemon, 1);
    pty.send(&[b"noise\r\n", &telegram[..]].concat());
    assert_eq!(client.receive(telegram.len()), telegram);
    daemon.reload(file(&[&port]));
    wait_for_reload(&daemon, 2);
    pty.send(b"noise");
    assert_eq!(client.receive(5), b"noise");
}

#[test]
fn a_file_with_faults_changes_nothing_and_says_why() {
    let good = file(&[&echo("p")]);
    let mut daemon = Daemon::start(&good);
    let client = daemon.connect("p");
    daemon.reload(good.replace("listen", "lisen"));
    let fault = daemon.log().wait_for("the fault", |line| is_event(line, "config.fault-found"));
    assert!(fault.contains("ports.p.lisen: unknown key") && fault.contains("did you mean `listen`?"), "{fault}");
    daemon.log().wait_for("the verdict", |line| is_event(line, "config.rejected"));
    client.send(b"still here");
    assert_eq!(client.receive(10), b"still here");
}
