//! Texts for a device and from it: what it is sent with the first client and after the last one, and what it sends to have
//! clients disconnected.

use crate::rig::{is_event, Client, Daemon, End, PortYaml, Pty};

fn start(pty: &Pty, modem: &str, listener: &str) -> Daemon {
    let daemon = Daemon::start(PortYaml::new("p", pty.path()).key(modem).key("half-close: off").listen(listener));
    daemon.opened("p", 1);
    daemon
}

#[test]
fn the_device_is_told_of_the_first_client_and_of_the_last() {
    let pty = Pty::new();
    let daemon =
        start(&pty, r"modem: { on-connect: { send: 'hello \N\x21\n' }, on-disconnect: { send: 'bye\n' } }", "");
    for round in 0..3 {
        let first = daemon.connect("p");
        first.send(b"first ");
        assert_eq!(pty.receive(15), b"hello p!\nfirst ");
        let second = daemon.connect("p");
        second.send(b"second ");
        assert_eq!(pty.receive(7), b"second ");
        drop(first);
        daemon.gone("p", 2 * round + 1);
        second.send(b"last ");
        drop(second);
        assert_eq!(pty.receive(9), b"last bye\n");
    }
    // A client that has sent nothing has left all the same.
    drop(daemon.connect("p"));
    assert_eq!(pty.receive(13), b"hello p!\nbye\n");
}

#[test]
fn a_new_client_follows_those_that_only_have_not_been_closed_yet() {
    let pty = Pty::new();
    let texts = r"modem: { on-connect: { send: '(' }, on-disconnect: { send: ')' } }";
    let daemon = Daemon::start(PortYaml::new("p", pty.path()).key(texts).listen(""));
    daemon.opened("p", 1);
    let reader = daemon.connect("p");
    reader.half_close();
    let client = daemon.connect("p");
    client.send(b"x");
    assert_eq!(pty.receive(4), b"()(x");
    drop(reader);
    pty.send(b"noticed");
    assert_eq!(client.receive(7), b"noticed");
    pty.send(b"again");
    daemon.gone("p", 1);
    client.send(b"y");
    assert_eq!(pty.receive(1), b"y", "the reader was not the last one");
}

#[test]
fn the_last_text_goes_out_when_the_program_ends_or_a_device_on_demand_is_closed() {
    let pty = Pty::new();
    let texts = r"modem: { on-connect: { send: '(' }, on-disconnect: { send: ')' } }";
    let port =
        PortYaml::new("p", pty.path()).key(texts).key("open: on-demand").key("linger: 0s").key("half-close: off");
    let mut daemon = Daemon::start(port.listen(""));
    for _ in 0..2 {
        let client = daemon.connect("p");
        assert_eq!(pty.receive(1), b"(");
        drop(client);
        assert_eq!(pty.receive(1), b")");
    }
    let client = daemon.connect("p");
    client.send(b"x");
    assert_eq!(pty.receive(2), b"(x");
    daemon.process.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(pty.receive(1), b")");
    assert_eq!(daemon.finish().code, Some(0));
}

#[test]
fn a_text_of_the_device_disconnects_the_clients_of_listeners_that_say_so() {
    let pty = Pty::new();
    let port = PortYaml::new("p", pty.path());
    let port = port.listen_on("127.0.0.1:0", r"close-on: 'log\x6fut\r\n'").listen_on("127.0.0.2:0", "");
    let daemon = Daemon::start(port.telnet_on("127.0.0.3:0", r"close-on: 'logout', access: write-only"));
    daemon.opened("p", 1);
    for round in 0..2 {
        let closes = [daemon.connect_on("p", "127.0.0.1"), daemon.connect_on("p", "127.0.0.1")];
        let stays = daemon.connect_on("p", "127.0.0.2");
        let blind = daemon.connect_on("p", "127.0.0.3");
        blind.receive(12);
        pty.send(b"> logout\n> logou");
        pty.send(b"t\r\nlogin: ");
        for client in closes {
            assert_eq!(client.receive_to_end(), (b"> logout\n> logout\r\n".to_vec(), End::Closed));
        }
        assert_eq!(blind.receive_to_end(), (vec![], End::Closed));
        assert_eq!(stays.receive(26), b"> logout\n> logout\r\nlogin: ");
        drop(stays);
        daemon
            .log()
            .wait_for_nth(3 * round + 3, "the reason", |line| line.contains("the device sent the text of close-on"));
    }
}

#[test]
fn a_client_that_only_writes_gets_nothing_of_the_device_and_holds_up_nobody() {
    let pty = Pty::new();
    let port = PortYaml::new("p", pty.path()).key("backlog: 4 KiB").key("on-lag: hold");
    let port = port.listen_on("127.0.0.1:0", "access: write-only, banner: 'hello', replay: 1 KiB");
    let mut daemon = Daemon::start(port.listen_on("127.0.0.2:0", ""));
    daemon.opened("p", 1);
    let writer = daemon.connect_on("p", "127.0.0.1");
    let noise = crate::rig::noise(1, 100_000);
    let reader = daemon.connect_on("p", "127.0.0.2");
    let sends = std::thread::scope(|scope| {
        scope.spawn(|| pty.send(&noise));
        reader.receive(noise.len())
    });
    crate::rig::assert_same(&sends, &noise, "the reader");
    writer.send(b"to the device");
    assert_eq!(pty.receive(13), b"to the device");
    writer.half_close();
    reader.send(b"x");
    assert_eq!(pty.receive(1), b"x");
    drop(reader);
    daemon.process.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(writer.receive_to_end().0, b"hello");
}

#[test]
fn a_reload_gives_and_takes_the_right_to_read_under_a_client() {
    let pty = Pty::new();
    let with =
        |access: &str| PortYaml::new("p", pty.path()).listen_on("127.0.0.1:0", access).listen_on("127.0.0.2:0", "");
    let mut daemon = Daemon::start(with("access: write-only"));
    daemon.opened("p", 1);
    let client: Client = daemon.connect_on("p", "127.0.0.1");
    let reader = daemon.connect_on("p", "127.0.0.2");
    pty.send(b"unseen");
    assert_eq!(reader.receive(6), b"unseen");
    daemon.reload(with(""));
    daemon.log().wait_for_nth(1, "the reload", |line| is_event(line, "config.reloaded"));
    pty.send(b"seen");
    assert_eq!((client.receive(4), reader.receive(4)), (b"seen".to_vec(), b"seen".to_vec()));
    daemon.reload(with("access: write-only"));
    daemon.log().wait_for_nth(2, "the reload", |line| is_event(line, "config.reloaded"));
    pty.send(b"unseen");
    assert_eq!(reader.receive(6), b"unseen");
    daemon.reload(with("access: read-only"));
    daemon.log().wait_for_nth(3, "the reload", |line| is_event(line, "config.reloaded"));
    pty.send(b"again");
    assert_eq!(client.receive(5), b"again");
}
