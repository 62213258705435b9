//! Listeners with names, and a name server that is down: in name spaces of their own, where the only one never answers.

use std::fs;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::rig::{eventually, field, is_event, Daemon, PortYaml, SHUTDOWN};
use crate::service::Systemd;

/// A network in which names are hard to come by.
struct Network {
    folder: TempDir,
}

impl Network {
    /// None where this user may not make name spaces.
    fn new() -> Option<Self> {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("resolv.conf"), "nameserver 192.0.2.1\n").unwrap();
        fs::write(folder.path().join("hosts"), "127.0.0.1 localhost\n").unwrap();
        let network = Self { folder };
        let mut probe = network.command("true");
        let may = probe.stdin(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        if !may {
            eprintln!("name spaces cannot be made here: nothing tested");
        }
        may.then_some(network)
    }

    /// A program in it. What it sends to the name server comes back and is dropped.
    fn command(&self, program: &str) -> Command {
        const ENTER: &str = "ip link set lo up && ip route add 192.0.2.1 dev lo && \
            mount --bind \"$FILES/resolv.conf\" /etc/resolv.conf && mount --bind \"$FILES/hosts\" /etc/hosts && exec \"$0\" \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--net", "--mount", "sh", "-c", ENTER, program]);
        command.env("FILES", self.folder.path()).env_remove("RES_OPTIONS");
        command
    }

    fn start(&self, config: impl ToString) -> Daemon {
        Daemon::start_as(config, self.command(env!("CARGO_BIN_EXE_sermux")))
    }

    /// A name gets an address, without a name server.
    fn add_host(&self, line: &str) {
        let file = self.folder.path().join("hosts");
        // In place: it is this file that is mounted.
        let before = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{before}{line}\n")).unwrap();
    }
}

fn ports(names: std::ops::Range<usize>) -> String {
    let port = |n: usize| {
        let name = format!("host{n}.example:{}", 4000 + n);
        PortYaml::new(&format!("p{n}"), "sim:echo").listen_on("127.0.0.1:0", "").listen_on(&name, "").entry()
    };
    format!("ports:\n{}", names.map(port).collect::<String>())
}

/// Whether SIGTERM is caught: before that it ends any program.
fn catches_sigterm(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask >> 14 & 1 == 1)
}

#[track_caller]
fn ends_at_once(daemon: &mut Daemon) {
    daemon.process.signal(Signal::SIGTERM);
    let status = daemon.process.wait(SHUTDOWN).expect("it ends in time");
    assert_eq!(status.code(), Some(0));
}

#[track_caller]
fn listener(daemon: &Daemon, port: &str) -> Value {
    let port: Value = serde_json::from_str(&daemon.run(&["status", port, "--json"]).stdout).unwrap();
    port["listeners"][1].clone()
}

#[test]
fn a_hundred_names_without_a_name_server_hold_up_nothing() {
    let Some(network) = Network::new() else { return };
    let systemd = Systemd::new();
    let mut command = network.command(env!("CARGO_BIN_EXE_sermux"));
    systemd.tell(&mut command, Some(1_000_000));
    let mut daemon = Daemon::start_as(ports(0..100), command);
    systemd.told("READY=1");
    // The names are being looked up again and again from here on.
    systemd.told("WATCHDOG=1");
    systemd.told("WATCHDOG=1");
    eventually("the status says what is wrong", || {
        listener(&daemon, "p99")["fault"].as_str().is_some_and(|why| why.contains("name server"))
    });
    assert_eq!(daemon.run(&["status", "p99"]).code, Some(1));
    let threads = fs::read_dir(format!("/proc/{}/task", daemon.pid())).unwrap().count();
    assert!(threads < 40, "{threads} threads");

    // A reload that brings more of them.
    daemon.reload(ports(0..130));
    daemon.log().wait_for("the reload", |line| is_event(line, "config.reloaded"));
    assert!(listener(&daemon, "p129")["address"].is_null());
    ends_at_once(&mut daemon);
}

#[test]
fn a_signal_is_obeyed_while_names_are_looked_up_at_the_start() {
    let Some(network) = Network::new() else { return };
    let mut daemon = network.start(ports(0..100));
    eventually("it handles SIGTERM", || catches_sigterm(daemon.pid()));
    ends_at_once(&mut daemon);
}

#[test]
fn a_lone_name_that_does_not_resolve_is_tried_until_it_does() {
    let Some(network) = Network::new() else { return };
    let daemon = network.start(PortYaml::new("p", "sim:echo").listen_on("meter.example:0", ""));
    let said = daemon.log().wait_for("the fault", |line| is_event(line, "listener.bind-failed"));
    assert!(said.contains("name"), "{said}");
    daemon.log().wait_for("it goes on", |line| is_event(line, "sermux.started"));
    network.add_host("127.0.0.1 meter.example");
    let said = daemon.log().wait_for("it listens", |line| is_event(line, "listener.listening"));
    assert!(field(&said, "address").unwrap().starts_with("127.0.0.1:"), "{said}");
    eventually("all is well", || daemon.run(&["status"]).code == Some(0));
}
