//! `GET /v1/ports/NAME/follow`: what comes from a line, for programs that are not its clients.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;

use serde_json::Value;

use crate::rig::{eventually, is_event, Daemon, PortYaml, Pty, PATIENCE};

/// Somebody who follows a port.
struct Follower(BufReader<UnixStream>);

impl Follower {
    /// And the line that answers.
    #[track_caller]
    fn ask(daemon: &Daemon, path: &str) -> (Self, String) {
        let mut stream = UnixStream::connect(daemon.control_socket()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(format!("GET /v1/ports/{path} HTTP/1.0\r\nhost: x\r\n\r\n").as_bytes()).unwrap();
        let mut follower = Self(BufReader::new(stream));
        let status = follower.line();
        while follower.line() != "\r\n" {}
        (follower, status)
    }

    /// One that hears all that comes from now on.
    #[track_caller]
    fn of(daemon: &Daemon, path: &str) -> Self {
        let (mut follower, status) = Self::ask(daemon, path);
        assert!(status.contains(" 200 "), "{status}");
        let first = follower.piece();
        assert_eq!((first["hex"].as_str(), first["lost"].as_u64()), (Some(""), Some(0)), "{first}");
        follower
    }

    #[track_caller]
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line
    }

    #[track_caller]
    fn piece(&mut self) -> Value {
        let line = self.line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    fn rest(mut self) -> String {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).unwrap();
        rest
    }
}

fn started(port: PortYaml) -> Daemon {
    let daemon = Daemon::start(port);
    daemon.opened("p", 1);
    daemon.log().wait_for("the control socket", |line| is_event(line, "control.listening"));
    daemon
}

#[test]
fn all_that_comes_is_told_though_the_port_has_no_clients_and_holds_nothing() {
    for keys in ["", "frame: dsmr", "frame: line"] {
        let pty = Pty::new();
        let daemon = started(PortYaml::new("p", pty.path()).key(keys).listen(""));
        let mut follower = Follower::of(&daemon, "p/follow");
        let mut last = 0.0;
        for (bytes, hex) in [(&b"one"[..], "6f6e65"), (b"\xff\x00", "ff00"), (b"two", "74776f")] {
            pty.send(bytes);
            let piece = follower.piece();
            assert_eq!((piece["hex"].as_str(), piece["lost"].as_u64()), (Some(hex), Some(0)), "{keys}: {piece}");
            let at = piece["seconds"].as_f64().unwrap();
            assert!((last..20.0).contains(&at), "{piece}");
            last = at;
        }
    }
}

#[test]
fn it_ends_with_its_time_and_with_its_port() {
    let pty = Pty::new();
    let mut daemon = started(PortYaml::new("p", pty.path()).listen(""));
    assert_eq!(Follower::of(&daemon, "p/follow?seconds=1").rest(), "");
    let follower = Follower::of(&daemon, "p/follow");
    daemon.reload("ports: {}");
    assert_eq!(follower.rest(), "");
}

#[test]
fn whoever_hangs_up_makes_room_and_too_many_are_refused() {
    let pty = Pty::new();
    let daemon = started(PortYaml::new("p", pty.path()).listen(""));
    let followers: Vec<Follower> = (0..8).map(|_| Follower::of(&daemon, "p/follow")).collect();
    let (refused, status) = Follower::ask(&daemon, "p/follow");
    assert!(status.contains(" 503 "), "{status}");
    assert!(refused.rest().contains("try again"));
    // Nothing comes from the line meanwhile.
    drop(followers);
    eventually("there is room again", || Follower::ask(&daemon, "p/follow").1.contains(" 200 "));
    // Others were served all the time.
    assert!(daemon.done(&["status", "p"]).contains("p  open"));
}

#[test]
fn what_is_wrong_with_the_question_is_said() {
    let pty = Pty::new();
    let daemon = started(PortYaml::new("p", pty.path()).listen(""));
    for (path, status, part) in [
        ("p/follow?seconds=0", " 400 ", "seconds=1 to seconds=50"),
        ("p/follow?seconds=51", " 400 ", "seconds=1 to seconds=50"),
        ("p/follow?bytes=3", " 400 ", "not understood"),
        ("q/follow", " 404 ", "no port `q`"),
    ] {
        let (refused, said) = Follower::ask(&daemon, path);
        assert!(said.contains(status), "{path}: {said}");
        let rest = refused.rest();
        assert!(rest.contains(part), "{path}: {rest}");
    }
}
