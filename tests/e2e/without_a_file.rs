//! Ports of the command line and configurations from standard input, for those who have no file.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::rig::{field, is_event, run, sermux, Client, PortYaml, Process};

/// The program with this text on its standard input.
fn with_input(folder: &TempDir, text: &str, arguments: &[&str]) -> Process {
    let input = folder.path().join("input");
    fs::write(&input, text).unwrap();
    let mut command = Command::new("sh");
    command.env("XDG_RUNTIME_DIR", folder.path()).args(["-c", "exec \"$@\" < \"$0\""]);
    Process::start(command.arg(&input).arg(env!("CARGO_BIN_EXE_sermux")).args(arguments))
}

fn address(process: &Process, port: &str) -> SocketAddr {
    process.stderr.wait("it listens", |lines| {
        let is_of_port = |line: &&String| is_event(line, "listener.listening") && field(line, "port") == Some(port);
        field(lines.iter().find(is_of_port)?, "address")?.parse().ok()
    })
}

fn echoes(client: &Client, text: &[u8]) {
    client.send(text);
    assert_eq!(client.receive(text.len()), text);
}

/// Asks for a reload, and says how that ended.
fn reload(folder: &TempDir) -> crate::rig::Finished {
    Process::start(sermux().arg("--control").arg(folder.path().join("sermux/control.sock")).arg("reload")).finish()
}

#[test]
fn ports_of_the_command_line_need_no_file_and_stay_over_a_reload() {
    let folder = TempDir::new().unwrap();
    let mut command = sermux();
    command.env("XDG_RUNTIME_DIR", folder.path()).args(["serve", "--port", "device=sim:echo,listen=raw:127.0.0.1:0"]);
    let second = "device=sim:echo,name=second,line=45 8N1,listen=127.0.0.1:0,listen=telnet:127.0.0.1:0,max-clients=1";
    let mut process = Process::start(command.args(["--port", second]));
    let clients = ["port1", "second"].map(|port| Client::connect(address(&process, port)));
    process.stderr.wait_for("it runs", |line| is_event(line, "sermux.started"));
    for client in &clients {
        echoes(client, b"before");
    }
    process.signal(Signal::SIGHUP);
    let said = process.stderr.wait_for("the reload", |line| is_event(line, "config.reloaded"));
    assert!(said.contains("added=0") && said.contains("removed=0") && said.contains("changed=0"), "{said}");
    let asked = reload(&folder);
    assert_eq!(asked.code, Some(0), "{asked:?}");
    assert!(asked.stdout.contains("0 removed, 0 changed, 0 added, 2 untouched"), "{asked:?}");
    for client in &clients {
        echoes(client, b"after");
    }
    process.signal(Signal::SIGTERM);
    assert_eq!(process.finish().code, Some(0));
}

#[test]
fn ports_of_the_command_line_come_on_top_of_a_file_that_is_named() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("sermux.yaml");
    fs::write(&path, PortYaml::new("filed", "sim:echo").listen("").to_string()).unwrap();
    let serve = |port: &str| {
        let mut command = sermux();
        command.env("XDG_RUNTIME_DIR", folder.path()).arg("serve").arg("--config").arg(&path).args(["--port", port]);
        Process::start(&mut command)
    };
    let mut process = serve("device=sim:echo,listen=127.0.0.1:0");
    for port in ["filed", "port1"] {
        echoes(&Client::connect(address(&process, port)), b"hello");
    }
    process.stderr.wait_for("it runs", |line| is_event(line, "sermux.started"));
    fs::write(&path, "ports: {}").unwrap();
    process.signal(Signal::SIGHUP);
    let said = process.stderr.wait_for("the reload", |line| is_event(line, "config.reloaded"));
    assert!(said.contains("removed=1") && said.contains("added=0"), "{said}");
    echoes(&Client::connect(address(&process, "port1")), b"hello");
    process.signal(Signal::SIGTERM);
    assert_eq!(process.finish().code, Some(0));

    fs::write(&path, PortYaml::new("filed", "sim:echo").listen("").to_string()).unwrap();
    let ended = serve("device=sim:echo,name=filed,listen=127.0.0.1:0").finish();
    assert_eq!(ended.code, Some(78));
    assert!(ended.stderr.contains("--port 1:1:22: ports.filed: there are two ports of this name"), "{}", ended.stderr);
}

#[test]
fn a_fault_is_shown_where_it_stands_in_the_argument() {
    let ended = run(&["serve", "--port", "device=sim:echo,listen=1", "--port", "device=sim:echo,lime=9600,listen=2"]);
    assert_eq!(ended.code, Some(78));
    for part in ["--port 2:1:17: ports.port2.lime: unknown key", "1 | device=sim:echo,lime=9600,listen=2", "^^^^\n"] {
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }
}

#[test]
fn a_configuration_comes_from_standard_input() {
    let folder = TempDir::new().unwrap();
    let good = PortYaml::new("p", "sim:echo").listen("").to_string();
    for (arguments, text, code, part) in [
        (["check", "-"], good.as_str(), 0, "standard input: good (1 port, 1 listener)"),
        (["check", "-"], "ports: { p: { } }", 78, "standard input:1:"),
        (["--config=-", "serve"], "prots: {}", 78, "standard input:1:1: prots: unknown key"),
        (["--config=-", "serve"], "include: x.yaml\nports: {}", 78, "cannot include files"),
    ] {
        let ended = with_input(&folder, text, &arguments).finish();
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert!(format!("{}{}", ended.stdout, ended.stderr).contains(part), "{part}: {ended:?}");
    }
}

#[test]
fn diff_takes_either_configuration_from_standard_input() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("sermux.yaml");
    let good = PortYaml::new("p", "sim:echo").listen("").to_string();
    fs::write(&path, format!("{good}  q: {{ device: sim:dsmr-p1, listen: [ {{ protocol: raw, address: 0 }} ] }}\n"))
        .unwrap();
    let file = path.to_str().unwrap();
    for (arguments, code, part) in [
        (["--config", file, "diff", "-"], 0, "1 removed, 0 changed, 0 added"),
        (["--config", "-", "diff", file], 0, "0 removed, 0 changed, 1 added"),
        (["--config", "-", "diff", "-"], 2, "only one of the two"),
    ] {
        let ended = with_input(&folder, &good, &arguments).finish();
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert!(format!("{}{}", ended.stdout, ended.stderr).contains(part), "{part}: {ended:?}");
    }
}

#[test]
fn diff_keeps_the_ports_of_the_command_line_as_a_reload_does() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("a.yaml");
    fs::write(&file, "ports: {}\n").unwrap();
    let port = "device=sim:echo,listen=127.0.0.1:0";
    let arguments = ["--config", file.to_str().unwrap(), "serve", "--port", port];
    let mut process = with_input(&folder, "", &arguments);
    process.stderr.wait_for("the control socket", |line| line.contains("control socket"));
    let diff = |arguments: &[&str]| {
        let finished = Process::start(sermux().env("XDG_RUNTIME_DIR", folder.path()).args(arguments)).finish();
        assert_eq!(finished.code, Some(0), "{finished:?}");
        finished.stdout
    };
    assert_eq!(diff(&["diff"]), "0 removed, 0 changed, 0 added, 1 untouched\n");
    fs::write(&file, PortYaml::new("p", "sim:echo").listen("").to_string()).unwrap();
    assert!(diff(&["diff"]).ends_with("0 removed, 0 changed, 1 added, 1 untouched\n"));
    process.signal(Signal::SIGTERM);
    assert_eq!(process.finish().code, Some(0));
    // Nothing runs any more, and no configuration is named.
    let nothing = Process::start(sermux().env("XDG_RUNTIME_DIR", folder.path()).arg("diff")).finish();
    assert_eq!(nothing.code, Some(3), "{nothing:?}");
}

#[test]
fn standard_input_is_not_read_again_and_what_runs_stays() {
    let folder = TempDir::new().unwrap();
    let good = PortYaml::new("p", "sim:echo").listen("").to_string();
    let mut process = with_input(&folder, &good, &["serve", "--config", "-"]);
    let client = Client::connect(address(&process, "p"));
    process.stderr.wait_for("it runs", |line| is_event(line, "sermux.started"));
    let why = "the configuration came from standard input, which cannot be read again: nothing was changed";
    process.signal(Signal::SIGHUP);
    let said = process.stderr.wait_for("why not", |line| is_event(line, "config.reload-refused"));
    assert!(said.contains(why), "{said}");
    let asked = reload(&folder);
    assert_eq!(asked.code, Some(1), "{asked:?}");
    assert!(asked.stderr.contains(why), "{asked:?}");
    echoes(&client, b"hello");
    process.signal(Signal::SIGTERM);
    assert_eq!(process.finish().code, Some(0));
}
