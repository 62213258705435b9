//! A defect of the program: what it costs, and who hears of it. Only a build for tests has one to ask for.

#![cfg(debug_assertions)]

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use serde_json::Value;

use crate::lifecycle::Socket;
use crate::rig::{eventually, field, is_event, Client, Daemon, End, PortYaml, PATIENCE};

fn ports() -> String {
    let port = |name: &str| PortYaml::new(name, "sim:echo").listen("").entry();
    format!("ports:\n{}{}", port("bad"), port("good"))
}

/// Asks for it; the answer is not waited for.
#[track_caller]
fn panic(daemon: &Daemon, path: &str) {
    daemon.log().wait_for("the control socket", |line| is_event(line, "control.listening"));
    let mut control = UnixStream::connect(daemon.control_socket()).unwrap();
    control.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(control, "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").unwrap();
    // Either an answer, or the end of the program.
    let _ = control.read(&mut [0; 1000]);
}

#[track_caller]
fn bad_port(daemon: &Daemon) -> Value {
    let status: Value = serde_json::from_str(&daemon.run(&["status", "--json"]).stdout).unwrap();
    status["ports"].as_array().unwrap().iter().find(|port| port["name"] == "bad").expect("it is in the status").clone()
}

#[track_caller]
fn echoes(client: &Client) {
    client.send(b"ping");
    assert_eq!(client.receive(4), b"ping");
}

#[test]
fn a_port_that_panics_is_said_and_started_again_and_the_others_do_not_notice() {
    let daemon = Daemon::start(ports());
    let (mut bad, good) = (daemon.connect("bad"), daemon.connect("good"));
    for n in 1..=2 {
        panic(&daemon, "/v1/ports/bad/panic");
        assert_ne!(bad.receive_to_end(), (b"x".to_vec(), End::Closed), "it is closed, in whatever way");
        daemon.log().wait_for_nth(n, "the panic", |line| is_event(line, "sermux.panicked"));
        daemon.log().wait_for_nth(n, "the port failed", |line| {
            is_event(line, "part.failed") && field(line, "port") == Some("bad")
        });
        let down = bad_port(&daemon);
        assert_eq!((&down["state"], &down["well"]), (&"faulted".into(), &false.into()), "{down}");
        assert!(down["fault"]["what"].as_str().unwrap().contains("asked to"), "{down}");
        assert_eq!(down["fault"]["over"], false);
        let shown = daemon.run(&["status"]);
        assert_eq!(shown.code, Some(1), "{}", shown.stdout);
        assert!(shown.stdout.contains("! faulted  bad "), "{}", shown.stdout);
        assert_eq!(daemon.run(&["purge", "bad"]).code, Some(1));
        echoes(&good);

        daemon.log().wait_for_nth(n, "it runs again", |line| is_event(line, "part.restarted"));
        let listens = |line: &str| is_event(line, "listener.listening") && line.contains("port=bad");
        let said = daemon.log().wait_for_nth(n + 1, "it listens again", listens);
        bad = Client::connect(field(&said, "address").unwrap().parse().unwrap());
        echoes(&bad);
        let up = bad_port(&daemon);
        assert_eq!((&up["state"], &up["well"]), (&"open".into(), &true.into()), "{up}");
        assert!(up["fault"]["what"].as_str().unwrap().contains("asked to"), "what happened is not forgotten: {up}");
        assert_eq!(up["fault"]["over"], true);
        assert_eq!(daemon.run(&["status"]).code, Some(0));
    }
    echoes(&good);
}

#[test]
fn a_reload_while_a_port_is_down_takes_it_away_or_gives_it_its_new_configuration() {
    let mut daemon = Daemon::start(ports());
    panic(&daemon, "/v1/ports/bad/panic");
    daemon
        .log()
        .wait_for("the port failed", |line| is_event(line, "part.failed") && field(line, "port") == Some("bad"));
    daemon.reload(PortYaml::new("good", "sim:echo").listen(""));
    daemon.log().wait_for("the reload", |line| is_event(line, "config.reloaded"));
    assert_eq!(daemon.run(&["status", "bad"]).code, Some(4), "there is no such port");

    daemon.reload(ports());
    daemon.log().wait_for_nth(2, "the reload", |line| is_event(line, "config.reloaded"));
    echoes(&daemon.connect("good"));
    panic(&daemon, "/v1/ports/bad/panic");
    daemon
        .log()
        .wait_for_nth(2, "the port failed", |line| is_event(line, "part.failed") && field(line, "port") == Some("bad"));
    daemon.reload(ports().replacen("listen:\n", "line: 2400 7E1\n    listen:\n", 1));
    eventually("it runs with the new settings", || {
        let port = bad_port(&daemon);
        port["state"] == "open" && port["line"]["configured"] == "2400 7E1"
    });
}

/// Whether the status reports a fault of the program, and the text about it.
#[track_caller]
fn defect(daemon: &Daemon) -> (Value, String) {
    let status: Value = serde_json::from_str(&daemon.run(&["status", "--json"]).stdout).unwrap();
    let defects = status["program"]["defects"].as_array().unwrap();
    assert_eq!(defects.len(), 1, "{status}");
    (defects[0].clone(), status["program"]["started"].as_str().unwrap().to_owned())
}

#[test]
fn a_listener_that_panics_is_said_and_listens_again_and_its_clients_do_not_notice() {
    let daemon =
        Daemon::start(PortYaml::new("bad", "sim:echo").listen_on("127.0.0.1:0", "").listen_on("127.0.0.2:0", ""));
    let stays = daemon.connect_on("bad", "127.0.0.1");
    for n in 1..=2 {
        panic(&daemon, "/v1/panic/listener");
        let address = daemon.log().wait("where it listens", |lines| {
            let mut at = lines.iter().filter(|line| is_event(line, "listener.listening") && line.contains("127.0.0.1"));
            field(at.next_back()?, "address")?.parse().ok()
        });
        let refused = Client::connect(address);
        daemon.log().wait_for_nth(n, "it failed", |line| {
            is_event(line, "part.failed") && field(line, "part") == Some("listener")
        });
        let _ = refused.receive_to_end();
        let down = bad_port(&daemon);
        assert_eq!((&down["state"], &down["well"]), (&"open".into(), &false.into()), "{down}");
        let listeners = down["listeners"].as_array().unwrap();
        assert!(listeners[0]["fault"].as_str().unwrap().contains("asked to"), "{down}");
        assert!(listeners[0]["address"].is_null() && listeners[1]["fault"].is_null(), "{down}");
        let shown = daemon.run(&["status"]);
        assert_eq!(shown.code, Some(1), "{}", shown.stdout);
        assert!(shown.stdout.contains("a defect of sermux ended the listener"), "{}", shown.stdout);
        echoes(&stays);

        daemon.log().wait_for_nth(n, "it listens again", |line| is_event(line, "part.restarted"));
        let listens = |line: &str| is_event(line, "listener.listening") && line.contains("127.0.0.1");
        let said = daemon.log().wait_for_nth(n + 1, "it listens again", listens);
        echoes(&Client::connect(field(&said, "address").unwrap().parse().unwrap()));
        eventually("all is well", || daemon.run(&["status"]).code == Some(0));
        let up = bad_port(&daemon);
        assert!(up["fault"]["what"].as_str().unwrap().contains("asked to"), "what happened is not forgotten: {up}");
        assert_eq!(up["fault"]["over"], true);
    }
    echoes(&stays);
}

#[test]
fn a_reload_while_a_listener_is_down_takes_it_away() {
    let mut daemon =
        Daemon::start(PortYaml::new("bad", "sim:echo").listen_on("127.0.0.1:0", "").listen_on("127.0.0.2:0", ""));
    panic(&daemon, "/v1/panic/listener");
    drop(Client::connect(daemon.address_on("bad", "127.0.0.1")));
    daemon.log().wait_for("it failed", |line| is_event(line, "part.failed"));
    daemon.reload(PortYaml::new("bad", "sim:echo").listen_on("127.0.0.2:0", ""));
    daemon.log().wait_for("the reload", |line| is_event(line, "config.reloaded"));
    echoes(&daemon.connect_on("bad", "127.0.0.2"));
    assert_eq!(daemon.run(&["status"]).code, Some(0));
}

#[test]
fn a_control_socket_whose_server_panics_comes_back_and_says_what_happened() {
    let daemon = Daemon::start(ports());
    let good = daemon.connect("good");
    let mut started = None;
    for n in 1..=2 {
        panic(&daemon, "/v1/panic/control");
        // This one is not answered, and no one after it.
        assert_eq!(daemon.run(&["status"]).code, Some(1));
        daemon.log().wait_for_nth(n, "it failed", |line| {
            is_event(line, "part.failed") && field(line, "part") == Some("control")
        });
        assert_eq!(daemon.run(&["status"]).code, Some(3));
        echoes(&good);
        daemon.log().wait_for_nth(n, "it is back", |line| is_event(line, "part.restarted"));
        let (defect, since) = defect(&daemon);
        assert!(defect["what"].as_str().unwrap().contains("ended the control socket (asked to)"), "{defect}");
        assert_eq!(defect["over"], true);
        // The program is as old as before.
        assert_eq!(*started.get_or_insert(since.clone()), since);
        let shown = daemon.run(&["status"]);
        assert_eq!(shown.code, Some(0), "{}", shown.stdout);
        assert!(shown.stdout.contains("last defect"), "{}", shown.stdout);
    }
    echoes(&good);
}

#[test]
fn a_watch_for_devices_that_panics_is_said_and_started_again() {
    let socket = Socket::new();
    let daemon = Daemon::start(format!("{}{}", ports(), PortYaml::new("p", socket.path()).listen("").entry()));
    daemon.log().wait_for("the device is not there", |line| is_event(line, "line.open-failed"));
    panic(&daemon, "/v1/panic/hotplug");
    let _pty = socket.plug();
    daemon.log().wait_for("it failed", |line| is_event(line, "part.failed") && field(line, "part") == Some("hotplug"));
    let (down, _) = defect(&daemon);
    assert!(down["what"].as_str().unwrap().contains("ended the watch for devices"), "{down}");
    assert_eq!(down["over"], false);
    let shown = daemon.run(&["status"]);
    assert_eq!(shown.code, Some(1), "{}", shown.stdout);
    assert!(shown.stdout.contains("\ndefect ("), "{}", shown.stdout);
    // Devices are looked for all the same.
    daemon.opened("p", 1);

    daemon.log().wait_for("it is back", |line| is_event(line, "part.restarted"));
    assert_eq!(defect(&daemon).0["over"], true);
    eventually("all is well", || daemon.run(&["status"]).code == Some(0));
}

#[test]
fn a_capture_that_panics_is_said_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.log");
    let port = PortYaml::new("bad", "sim:echo").key(&format!("capture: {{ file: {} }}", file.display())).listen("");
    let daemon = Daemon::start(port);
    let client = daemon.connect("bad");
    eventually("it has begun", || {
        std::fs::read_to_string(&file).is_ok_and(|text| text.contains(" connected\n") && text.contains(" opened at "))
    });
    panic(&daemon, "/v1/panic/capture");
    client.send(b"lost\n");
    assert_eq!(client.receive(5), b"lost\n");
    daemon.log().wait_for("the panic", |line| is_event(line, "sermux.panicked"));
    eventually("the status has the fault", || {
        let port = bad_port(&daemon);
        port["well"] == false && port["capture"]["fault"].as_str().is_some_and(|why| why.contains("a defect of sermux"))
    });
    assert_eq!(daemon.run(&["status"]).code, Some(1));
    echoes(&client);
    client.send(b"\nkept\n");
    assert_eq!(client.receive(6), b"\nkept\n");
    eventually("it goes on", || {
        let text = std::fs::read_to_string(&file).unwrap();
        text.contains("bytes are missing here") && text.contains("rx kept\n")
    });
    eventually("all is well", || daemon.run(&["status"]).code == Some(0));
    assert!(bad_port(&daemon)["capture"]["lost-bytes"].as_u64() > Some(0));
}

#[test]
fn a_supervisor_that_panics_ends_the_program_so_that_systemd_starts_it_again() {
    let daemon = Daemon::start(ports());
    let client = daemon.connect("good");
    panic(&daemon, "/v1/panic");
    let ended = daemon.finish();
    assert_eq!(ended.code, Some(70), "{}", ended.stderr);
    assert!(ended.stderr.contains("ERROR") && ended.stderr.contains("asked to"), "{}", ended.stderr);
    client.receive_to_end();
    let unit = include_str!("../../packaging/systemd/sermux.service");
    assert!(unit.contains("Restart=on-failure\n") && unit.contains("RestartPreventExitStatus=78\n"));
}
