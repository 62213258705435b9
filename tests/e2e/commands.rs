//! `sermux status` and the commands that change something on a running program.

use std::fs::{File, OpenOptions};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::thread;

use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::sys::termios::{cfgetospeed, tcgetattr, BaudRate, ControlFlags};
use serde_json::{json, Value};

use crate::rig::{eventually, field, is_event, noise, sermux, Client, Daemon, PortYaml, Process, Pty};

fn echo() -> PortYaml {
    PortYaml::new("echo", "sim:echo").listen("")
}

fn start(port: PortYaml) -> Daemon {
    let daemon = Daemon::start(port);
    daemon.opened("echo", 1);
    daemon
}

/// The port of this name as it is now.
#[track_caller]
fn port(daemon: &Daemon, name: &str) -> Value {
    let finished = daemon.run(&["status", name, "--json"]);
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"))
}

fn local(client: &Client) -> SocketAddr {
    client.0.local_addr().unwrap()
}

/// Takes the device as another program would; `None` while it is taken.
fn take(device: &Path) -> Option<Flock<File>> {
    let flags = (OFlag::O_NOCTTY | OFlag::O_NONBLOCK).bits();
    let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(device).unwrap();
    Flock::lock(file, FlockArg::LockExclusiveNonblock).ok()
}

#[test]
fn status_says_how_the_program_is() {
    let daemon = start(echo());
    let text = daemon.done(&["status", "--json"]);
    let status: Value = serde_json::from_str(&text).unwrap();
    let program = &status["program"];
    assert_eq!(program["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(program["pid"], daemon.pid());
    assert_eq!(program["config"], daemon.folder().join("sermux.yaml").display().to_string());
    let started = program["started"].as_str().unwrap();
    assert!(started.len() == 20 && started.ends_with('Z') && started.contains('T'), "{started}");
    assert_eq!((&status["well"], status["ports"].as_array().unwrap().len()), (&json!(true), 1));

    let table = daemon.done(&["status"]);
    assert!(table.contains("1 port: 1 open; 0 clients"), "{table}");
    assert!(table.contains("\n  open   echo  sim:echo  9600 8N1  0        -\n"), "{table}");
    assert!(!table.contains('\x1b'), "colour without a terminal: {table:?}");
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
}

#[test]
fn clients_are_told_while_they_come_and_go() {
    let daemon = start(PortYaml::new("echo", "sim:echo").listen("half-close: 0s"));
    let address = daemon.address("echo");
    let client = daemon.connect("echo");
    client.send(b"hello");
    assert_eq!(client.receive(5), b"hello");
    let is = port(&daemon, "echo");
    assert_eq!((&is["state"], &is["well"]), (&json!("open"), &json!(true)));
    assert_eq!(is["device"], json!({ "configured": "sim:echo", "path": "sim:echo" }));
    assert_eq!((&is["line"]["configured"], &is["line"]["actual"]), (&json!("9600 8N1"), &json!("9600 8N1")));
    assert_eq!((&is["counters"]["rx-bytes"], &is["counters"]["tx-bytes"]), (&json!(5), &json!(5)));
    let listener = &is["listeners"][0];
    assert_eq!((&listener["protocol"], &listener["access"]), (&json!("raw"), &json!("read-write")));
    assert_eq!(listener["address"], address.to_string());
    assert_eq!((&listener["clients"], &listener["max-clients"]), (&json!(1), &json!(64)));
    let told = &is["clients"][0];
    assert_eq!((&told["id"], &told["address"]), (&json!(1), &json!(local(&client).to_string())));
    assert_eq!(told["access"], "read-write");
    assert_eq!((&told["sent-bytes"], &told["received-bytes"], &told["lag-bytes"]), (&json!(5), &json!(5), &json!(0)));

    drop(client);
    daemon.gone("echo", 1);
    let _second = daemon.connect("echo");
    let is = port(&daemon, "echo");
    let ids: Vec<&Value> = is["clients"].as_array().unwrap().iter().map(|client| &client["id"]).collect();
    assert_eq!((ids, &is["counters"]["clients"]), (vec![&json!(2)], &json!(2)), "an id is not given out again");
}

#[test]
fn a_port_that_is_not_well_is_marked_and_says_what_to_do() {
    let absent = PortYaml::new("absent", "/dev/serial/by-id/usb-nobody-has-this").listen("");
    let disabled = PortYaml::new("spare", "/dev/ttyS99").key("enable: false").listen("");
    let daemon = Daemon::start(format!("ports:\n{}{}{}", absent.entry(), echo().entry(), disabled.entry()));
    daemon.opened("echo", 1);
    daemon.log().wait_for("the device is absent", |line| is_event(line, "line.open-failed"));
    let finished = daemon.run(&["status"]);
    assert_eq!(finished.code, Some(1));
    let table = finished.stdout;
    assert!(table.contains("3 ports: 1 open, 1 waiting, 1 disabled; 0 clients"), "{table}");
    assert!(table.contains("\nnot well: absent\n"), "{table}");
    assert!(table.contains("\n! waiting   absent  /dev/serial/by-id/usb-nobody-has-this  ("), "{table}");
    assert!(table.contains("\n    not there (yet); plug it in, or correct `device`"), "{table}");
    assert_eq!(daemon.run(&["status", "absent"]).code, Some(1));
    daemon.done(&["status", "echo"]);
    assert_eq!(port(&daemon, "spare")["state"], "disabled");

    let unknown = daemon.run(&["status", "ecko"]);
    assert_eq!(unknown.code, Some(4));
    assert!(unknown.stderr.contains("no port `ecko`") && unknown.stderr.contains("absent, echo"), "{}", unknown.stderr);
}

#[test]
fn a_wrong_setting_and_a_break_that_is_too_long_are_answered_with_what_is_right() {
    let daemon = start(echo());
    let wrong = daemon.run(&["set", "echo", "fast"]);
    assert_eq!(wrong.code, Some(1));
    assert!(
        wrong.stderr.contains("`fast` is not a line setting; write a baud rate such as 9600, a format"),
        "{wrong:?}"
    );
    let long = daemon.run(&["break", "echo", "9999"]);
    assert_eq!(long.code, Some(2));
    assert!(long.stderr.contains("in milliseconds, from 1 to 5000"), "{long:?}");
}

#[test]
fn several_ports_and_patterns_give_the_details_of_each() {
    let ports = ["board10", "board2", "other"].map(|name| PortYaml::new(name, "sim:echo").listen("").entry());
    let daemon = Daemon::start(format!("ports:\n{}", ports.concat()));
    daemon.opened("other", 1);
    let rows = daemon.done(&["status"]);
    let at = |part: &str| rows.find(part).unwrap_or_else(|| panic!("{rows}"));
    assert!(at("board2") < at("board10"), "{rows}");
    let details = daemon.done(&["status", "board*"]);
    let blocks: Vec<_> = details.split("\n\n").collect();
    assert!(
        blocks.len() == 2 && blocks[0].starts_with("  board2  ") && blocks[1].starts_with("  board10  "),
        "{details}"
    );
    assert_eq!(daemon.done(&["status", "other", "b*2"]).matches("    device  ").count(), 2);
    let json: Value = serde_json::from_str(&daemon.done(&["status", "--json", "other", "board2"])).unwrap();
    assert_eq!((json["ports"].as_array().unwrap().len(), &json["well"]), (2, &json!(true)));
    for names in [&["b*", "nobody"][..], &["x*"]] {
        let none = daemon.run(&[&["status"], names].concat());
        assert_eq!(none.code, Some(4), "{none:?}");
        assert!(none.stderr.contains("there is no port `"), "{none:?}");
    }
}

#[test]
fn status_is_shown_again_while_it_is_watched() {
    let daemon = start(echo());
    daemon.log().wait_for("the control socket", |line| line.contains("event=control.listening"));
    let mut watching = Process::start(&mut daemon.command(&["status", "--watch"]));
    let is_row = |line: &str| line.starts_with("  open   echo ");
    watching.stdout.wait_for_nth(2, "it is shown again", is_row);
    daemon.done(&["pause", "echo"]);
    watching.stdout.wait_for("what has changed", |line| line.starts_with("! paused "));
    watching.signal(nix::sys::signal::Signal::SIGINT);
    watching.finish();
}

#[test]
fn a_file_that_has_changed_and_one_without_ports_are_told_with_the_next_step() {
    let mut daemon = start(echo());
    // Lines are broken between words, and the path is long.
    let status = |daemon: &Daemon| daemon.done(&["status"]).replace('\n', " ");
    assert!(!status(&daemon).contains("sermux reload"));
    daemon.write(echo().key("line: 19200"));
    assert!(status(&daemon).contains("has changed since it was read: `sermux diff` shows how"));
    daemon.write("prots: {}\n");
    let faulty = status(&daemon);
    assert!(faulty.contains("has faults: `sermux check "), "{faulty}");
    daemon.reload("ports: {}\n");
    daemon.log().wait_for("the reload", |line| line.contains("event=config.reloaded"));
    let nothing = status(&daemon);
    assert!(nothing.contains("write a port into ") && nothing.contains("`sermux setup p1`"), "{nothing}");
    assert!(!nothing.contains("has changed"), "{nothing}");
}

#[test]
fn a_resolved_fault_says_so_and_disappears_with_its_device() {
    let folder = tempfile::tempdir().unwrap();
    let device = folder.path().join("tty");
    let mut daemon = Daemon::start(PortYaml::new("p", &device).listen(""));
    daemon.log().wait_for("the device is absent", |line| line.contains("not there (yet)"));
    let pty = Pty::new();
    std::os::unix::fs::symlink(pty.path(), &device).unwrap();
    daemon.opened("p", 1);
    let details = daemon.done(&["status", "p"]);
    assert!(details.contains("    last fault (resolved ") && details.contains("not there (yet)"), "{details}");
    assert!(!daemon.done(&["status"]).contains("not there (yet)"));
    daemon.reload(PortYaml::new("p", "sim:echo").listen(""));
    daemon.opened("p", 2);
    let details = daemon.done(&["status", "p"]);
    assert!(!details.contains("fault"), "{details}");
}

#[test]
fn a_listener_that_cannot_be_bound_is_told() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let daemon = start(echo().listen_on(&taken.local_addr().unwrap().to_string(), ""));
    let mut told = String::new();
    eventually("the status has the fault of the listener", || {
        let finished = daemon.run(&["status"]);
        told = finished.stdout;
        finished.code == Some(1)
    });
    // This test's own process holds it.
    assert!(
        told.contains("the address is in use by") && told.contains(&format!("pid {}", std::process::id())),
        "{told}"
    );
    drop(taken);
    eventually("it is bound", || daemon.run(&["status"]).code == Some(0));
}

#[test]
fn a_kick_closes_a_client_or_all_of_them() {
    let daemon = start(echo());
    let (one, two, three) = (daemon.connect("echo"), daemon.connect("echo"), daemon.connect("echo"));
    let said = daemon.done(&["kick", "echo", &local(&two).to_string()]);
    assert_eq!(said, format!("echo: 1 client disconnected: #2 {}\n", local(&two)));
    two.receive_to_end();
    daemon
        .log()
        .wait_for("the reason", |line| is_event(line, "client.disconnected") && field(line, "cause") == Some("kicked"));
    daemon.log().wait_for("who asked", |line| {
        is_event(line, "control.requested") && field(line, "request") == Some("kick") && line.contains("by=unix:pid=")
    });

    let nobody = daemon.run(&["kick", "echo", "2"]);
    assert_eq!(nobody.code, Some(1));
    assert!(nobody.stderr.contains("port echo has no client 2"), "{}", nobody.stderr);
    assert_eq!(daemon.run(&["kick", "echo", "everybody"]).code, Some(1));

    one.send(b"still here");
    for client in [&one, &three] {
        assert_eq!(client.receive(10), b"still here");
    }
    assert!(daemon.done(&["kick", "echo"]).starts_with("echo: 2 clients disconnected: #1 "));
    one.receive_to_end();
    three.receive_to_end();
    assert_eq!(daemon.done(&["kick", "echo"]), "echo: there are no clients\n");
}

#[test]
fn set_changes_the_line_and_says_what_it_has() {
    let pty = Pty::new();
    let daemon = start(PortYaml::new("echo", pty.path()).key("line: 9600 7E1").listen(""));
    let client = daemon.connect("echo");
    assert_eq!(daemon.done(&["set", "echo", "19200"]), "echo: 19200 7E1\n");
    assert_eq!(cfgetospeed(&tcgetattr(pty.device()).unwrap()), BaudRate::B19200);
    assert_eq!(daemon.done(&["set", "echo", "8N2", "115200", "rts-cts"]), "echo: 115200 8N2 rts-cts\n");
    let settings = tcgetattr(pty.device()).unwrap();
    assert_eq!(cfgetospeed(&settings), BaudRate::B115200);
    assert!(settings.control_flags.contains(ControlFlags::CSTOPB | ControlFlags::CRTSCTS));
    let line = &port(&daemon, "echo")["line"];
    assert_eq!((&line["configured"], &line["actual"]), (&json!("9600 7E1"), &json!("115200 8N2 rts-cts")));
    assert!(daemon.done(&["status", "echo"]).contains("115200 8N2 rts-cts (configured: 9600 7E1)"));

    let wrong = daemon.run(&["set", "echo", "9N1"]);
    assert_eq!(wrong.code, Some(1));
    assert!(wrong.stderr.contains("`9N1` is not"), "{}", wrong.stderr);
    for (word, said) in [("rtscts", "did you mean `rts-cts`?"), ("baud=9600", "did you mean `9600`?"), ("evn", "8N1")] {
        let wrong = daemon.run(&["set", "echo", word]);
        assert_eq!(wrong.code, Some(1), "{word}");
        assert!(wrong.stderr.starts_with(&format!("`{word}`")) && wrong.stderr.contains(said), "{}", wrong.stderr);
    }
    assert_eq!(daemon.run(&["set", "echo"]).code, Some(2));
    pty.send(b"still here");
    assert_eq!(client.receive(10), b"still here");
}

#[test]
fn modem_lines_are_set_and_read_back() {
    let daemon = start(echo());
    // What is sent comes back, and so does RTS, as CTS.
    assert_eq!(daemon.done(&["modem", "echo", "dtr=off", "rts=on"]), "echo: on: RTS CTS; off: DTR DSR RI DCD\n");
    assert_eq!(daemon.done(&["modem", "echo", "rts=off"]), "echo: off: DTR RTS CTS DSR RI DCD\n");
    let modem = &port(&daemon, "echo")["modem"];
    assert_eq!(modem, &json!({ "dtr": false, "rts": false, "cts": false, "dsr": false, "ri": false, "dcd": false }));
    assert_eq!(daemon.done(&["modem", "echo"]), "echo: off: DTR RTS CTS DSR RI DCD\n");
    assert_eq!(daemon.run(&["modem", "echo", "cts=on"]).code, Some(2));
}

#[test]
fn a_break_is_sent_and_bytes_wait_for_its_end() {
    let daemon = start(echo());
    let client = daemon.connect("echo");
    assert_eq!(daemon.done(&["break", "echo", "100"]), "echo: sending a break of 100 ms\n");
    client.send(b"after");
    assert_eq!(client.receive(5), b"after");
    let is = port(&daemon, "echo");
    assert_eq!((&is["break"], &is["errors"]["breaks"]), (&json!(false), &json!(1)));
    assert_eq!(daemon.run(&["break", "echo", "5001"]).code, Some(2));
}

#[test]
fn what_is_queued_can_be_thrown_away_and_a_board_reset() {
    let daemon = start(echo().key("reset: { mine: [ \"dtr=off rts=off\", \"wait=1ms\", \"rts=on\" ] }"));
    assert!(daemon.done(&["purge", "echo"]).contains("were discarded"));
    assert_eq!(daemon.done(&["reset", "echo", "mine"]), "echo: mine is done; on: RTS CTS; off: DTR DSR RI DCD\n");
    daemon.done(&["reset", "echo", "arduino"]);
    let unknown = daemon.run(&["reset", "echo", "yours"]);
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.stderr.contains("mine, esp32-run"), "{}", unknown.stderr);
}

#[test]
fn a_paused_port_leaves_its_device_to_another_program_and_takes_it_again() {
    let pty = Pty::new();
    let daemon = start(PortYaml::new("echo", pty.path()).listen(""));
    let client = daemon.connect("echo");
    assert!(take(pty.path()).is_none(), "a device that is served is not to be had");

    let said = daemon.done(&["pause", "echo"]);
    assert_eq!(said, format!("echo: paused; {} is free; its client stays\n", pty.path().display()));
    let other = take(pty.path()).expect("it is free");
    let status = daemon.run(&["status"]);
    assert_eq!(status.code, Some(1));
    assert!(status.stdout.contains("! paused  echo  "), "{}", status.stdout);
    assert!(status.stdout.contains("    `sermux resume echo` opens the device again\n"), "{}", status.stdout);
    let refused = daemon.run(&["set", "echo", "19200"]);
    assert!(refused.code == Some(1) && refused.stderr.contains("`sermux resume echo`"), "{}", refused.stderr);
    client.send(b"thrown away");
    eventually("what is sent meanwhile is counted", || port(&daemon, "echo")["counters"]["tx-lost-bytes"] == 11);

    let busy = daemon.run(&["resume", "echo"]);
    assert_eq!(busy.code, Some(1));
    assert!(busy.stderr.contains("resumed, and faulted") && busy.stderr.contains("busy"), "{}", busy.stderr);
    daemon.done(&["pause", "echo"]);
    drop(other);
    assert_eq!(daemon.done(&["resume", "echo"]), "echo: open, 9600 8N1\n");
    pty.send(b"again");
    assert_eq!(client.receive(5), b"again");
    client.send(b"back");
    assert_eq!(pty.receive(4), b"back");
    daemon.done(&["status"]);
}

#[test]
fn a_reload_says_what_it_did() {
    let daemon =
        Daemon::start(format!("ports:\n{}{}", echo().entry(), PortYaml::new("old", "sim:echo").listen("").entry()));
    daemon.opened("echo", 1);
    let client = daemon.connect("echo");
    let new = PortYaml::new("new", "sim:echo").listen("");
    daemon.write(format!("ports:\n{}{}", echo().key("line: 19200 8N1").entry(), new.entry()));
    assert_eq!(
        daemon.done(&["reload"]),
        "- old: ended
~ echo: changed in place; device and clients stayed
+ new: started
1 removed, 1 changed, 1 added, 0 untouched
"
    );
    daemon.opened("new", 1);
    assert_eq!(daemon.done(&["reload"]), "0 removed, 0 changed, 0 added, 2 untouched\n");
    client.send(b"still here");
    assert_eq!(client.receive(10), b"still here");
}

#[test]
fn a_reload_of_a_file_with_faults_shows_them_and_changes_nothing() {
    let daemon = start(echo());
    daemon.write(echo().to_string().replace("listen", "lisen"));
    let finished = daemon.run(&["reload"]);
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(78), ""));
    for part in
        ["sermux.yaml:4:5: ports.echo.lisen: unknown key", "^^^^^", "did you mean `listen`?", "1 fault; nothing was"]
    {
        assert!(finished.stderr.contains(part), "{part} in {}", finished.stderr);
    }
    // It is found all the same.
    daemon.done(&["status"]);
}

#[test]
fn connections_that_are_not_allowed_are_told_for_each_listener() {
    let daemon = start(PortYaml::new("echo", "sim:echo").listen("allow: [127.0.0.2]").listen_on("127.0.0.2:0", ""));
    for _ in 0..2 {
        Client::connect(daemon.address_on("echo", "127.0.0.1")).receive_to_end();
    }
    let turned_away = |index: usize| port(&daemon, "echo")["listeners"][index]["turned-away"].clone();
    assert_eq!((turned_away(0), turned_away(1)), (json!(2), json!(0)));
    let table = daemon.done(&["status", "echo"]);
    assert!(table.contains("2 connections refused by allow and deny"), "{table}");
}

#[test]
fn diff_says_how_many_clients_it_would_cost() {
    let daemon = start(echo());
    let _clients = [daemon.connect("echo"), daemon.connect("echo")];
    let file = daemon.folder().join("other.yaml");
    std::fs::write(&file, "ports: {}\n").unwrap();
    let report = daemon.done(&["diff", file.to_str().unwrap()]);
    assert!(report.starts_with("- echo: ") && report.contains("its clients are disconnected (2 now)"), "{report}");
    std::fs::write(
        &file,
        format!("ports:\n{}", PortYaml::new("echo", "sim:echo").listen_on("127.0.0.2:0", "").entry()),
    )
    .unwrap();
    let report = daemon.done(&["diff", file.to_str().unwrap()]);
    assert!(report.contains("listener raw 127.0.0.1:0: closed, its clients are disconnected (2 now)"), "{report}");
}

#[test]
fn diff_compares_files_with_what_is_running() {
    let daemon = start(echo());
    let file = daemon.folder().join("sermux.yaml");
    let file = file.to_str().unwrap();
    let none = "0 removed, 0 changed, 0 added, 1 untouched\n";
    assert_eq!(daemon.done(&["diff"]), none);
    daemon.write(echo().key("line: 19200"));
    let reports = [daemon.done(&["diff"]), daemon.done(&["diff", file])];
    assert!(reports[0].starts_with("~ echo: ") && reports[0].contains("→ 19200"), "{}", reports[0]);
    assert_eq!(reports[0], reports[1]);
    assert_eq!(daemon.done(&["diff", file, file]), none, "two files: the running program is not asked");
    // Another file in place of the configuration that the program has read: two files again.
    let other = daemon.folder().join("other.yaml");
    std::fs::write(&other, echo().key("line: 4800").to_string()).unwrap();
    let other = other.to_str().unwrap();
    let mut command = sermux();
    let arguments = ["--config", other, "diff", file];
    let ended = Process::start(command.env("XDG_RUNTIME_DIR", daemon.folder()).args(arguments)).finish();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert!(ended.stdout.contains("4800 → 19200"), "{}", ended.stdout);
}

#[test]
fn history_and_lag_are_told_with_their_age() {
    let pty = Pty::new();
    let daemon = Daemon::start(PortYaml::new("p", pty.path()).key("on-lag: skip").listen("replay: 16 KiB"));
    daemon.opened("p", 1);
    assert_eq!(port(&daemon, "p")["history"], Value::Null, "nothing came yet");
    let reader = daemon.connect("p");
    pty.send(b"early");
    reader.receive(5);
    let told = port(&daemon, "p")["history"].clone();
    assert_eq!((&told["bytes"], &told["frames"], told["since-seconds"].is_u64()), (&json!(5), &Value::Null, true));

    let stopped = daemon.connect_narrow("p");
    // More than its socket holds.
    let bytes = noise(71, 12 << 20);
    thread::scope(|scope| {
        scope.spawn(|| reader.receive(bytes.len()));
        pty.send(&bytes);
    });
    let clients = port(&daemon, "p")["clients"].clone();
    let (reader, late) = (&clients[0], &clients[1]);
    assert_eq!(
        (&reader["lag-bytes"], &reader["lag-seconds"], &reader["history"]),
        (&json!(0), &Value::Null, &Value::Null)
    );
    assert!(late["lag-bytes"].as_u64() > Some(0) && late["lag-seconds"].is_u64(), "{late}");
    assert!(late["history"]["bytes"] == 5 && late["history"]["since"].is_string(), "{late}");
    let shown = daemon.done(&["status", "p"]);
    assert!(shown.contains("history 5 B (") && shown.contains("lag "), "{shown}");
    drop(stopped);
}

#[test]
fn the_length_of_a_break_is_explained() {
    let wrong = crate::rig::run(&["break", "echo", "9999"]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(wrong.stderr.contains("the length of the break in milliseconds, from 1 to 5000"), "{wrong:?}");
}

#[test]
fn help_is_in_groups_and_fits_80_columns() {
    let help = crate::rig::run(&["--help"]);
    assert_eq!(help.code, Some(0), "{help:?}");
    let place = |part: &str| help.stdout.find(part).unwrap_or_else(|| panic!("{part}: {}", help.stdout));
    let headings = ["Everyday:", "Change a line or a client:", "Find a fault:", "Global options:"];
    assert!(headings.windows(2).all(|pair| place(pair[0]) < place(pair[1])), "{}", help.stdout);
    for command in ["serve", "status", "set", "setup", "probe", "doctor", "diff", "completions"] {
        let own = crate::rig::run(&["help", command]);
        assert_eq!(own.code, Some(0), "{own:?}");
        assert!(own.stdout.lines().all(|line| line.chars().count() <= 80), "{}", own.stdout);
    }
    assert!(help.stdout.lines().all(|line| line.chars().count() <= 80), "{}", help.stdout);
}

#[test]
fn shells_get_completions() {
    for (shell, part) in [("bash", "complete -F"), ("zsh", "#compdef sermux"), ("fish", "complete -c sermux")] {
        let script = crate::rig::run(&["completions", shell]);
        assert!(script.code == Some(0) && script.stdout.contains(part), "{shell}: {:.400}", script.stdout);
    }
}
