//! Who has a device: `sermux devices`, what the log says of one that is busy, and lock files.

use std::fs;
use std::path::Path;

use nix::fcntl::{Flock, FlockArg};
use serde_json::Value;
use tempfile::TempDir;

use crate::rig::{field, is_event, run, Daemon, PortYaml, Pty};

/// Whatever serial ports this machine has.
#[test]
fn the_serial_ports_of_this_machine_are_listed_for_people_and_for_programs() {
    let json = run(&["devices", "--json"]);
    assert_eq!((json.code, json.stderr.as_str()), (Some(0), ""));
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    let paths: Vec<&str> =
        json["devices"].as_array().unwrap().iter().map(|device| device["path"].as_str().unwrap()).collect();
    assert!(json["all-processes-seen"].is_boolean());

    let table = run(&["devices"]);
    assert_eq!(table.code, Some(0));
    let shown: Vec<&str> = table.stdout.lines().skip(1).filter(|line| line.starts_with('/')).collect();
    assert_eq!(shown.len(), paths.len(), "{}", table.stdout);
    for (line, path) in shown.iter().zip(&paths) {
        assert!(line.starts_with(&format!("{path} ")), "{line}");
    }
    if paths.is_empty() {
        assert!(table.stdout.is_empty() && table.stderr.contains("No serial ports were found"), "{}", table.stderr);
    }
}

/// What the log says of the port `p` once it is busy.
fn says_busy(daemon: &Daemon) -> String {
    daemon
        .log()
        .wait_for("who holds it", |line| is_event(line, "line.open-failed") && field(line, "cause") == Some("busy"))
}

#[test]
fn who_holds_a_device_is_named() {
    let pty = Pty::new();
    let held = Flock::lock(pty.device(), FlockArg::LockExclusiveNonblock).unwrap();
    let daemon = Daemon::start(PortYaml::new("p", pty.path()).listen(""));
    let said = says_busy(&daemon);
    assert!(said.contains(&format!(": busy: held by pid {} (", std::process::id())), "{said}");
    drop(held);
    daemon.opened("p", 1);
}

#[test]
fn another_port_with_the_same_device_is_named() {
    let pty = Pty::new();
    let links = TempDir::new().unwrap();
    let link = links.path().join("by-id");
    // Not there yet when the configuration is read, or it would be refused.
    let (first, second) = (PortYaml::new("first", pty.path()).listen(""), PortYaml::new("p", &link).listen(""));
    let daemon = Daemon::start(format!("ports:\n{}{}", first.entry(), second.entry()));
    daemon.opened("first", 1);
    std::os::unix::fs::symlink(pty.path(), &link).unwrap();
    let said = says_busy(&daemon);
    let whose = format!("another port of this sermux has it open, the one with `device: {}`", pty.path().display());
    assert!(said.contains(&whose), "{said}");
}

fn lock_of(folder: &Path, pty: &Pty) -> std::path::PathBuf {
    folder.join(format!("LCK..pts_{}", pty.path().file_name().unwrap().to_str().unwrap()))
}

#[test]
fn a_lock_file_is_there_while_the_device_is_open() {
    let (pty, folder) = (Pty::new(), TempDir::new().unwrap());
    let lock = lock_of(folder.path(), &pty);
    let port = PortYaml::new("p", pty.path()).key(&format!("lock-file: {}", folder.path().display())).listen("");
    let daemon = Daemon::start(&port);
    daemon.opened("p", 1);
    assert_eq!(fs::read_to_string(&lock).unwrap(), format!("{:>10}\n", daemon.pid()));
    drop(daemon);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_lock_file_of_another_program_is_respected_until_it_goes_and_one_left_behind_is_not() {
    let (pty, folder) = (Pty::new(), TempDir::new().unwrap());
    let lock = lock_of(folder.path(), &pty);
    let port = PortYaml::new("p", pty.path()).key(&format!("lock-file: {}", folder.path().display())).listen("");
    fs::write(&lock, format!("{:>10}\n", std::process::id())).unwrap();
    let daemon = Daemon::start(&port);
    let said = says_busy(&daemon);
    assert!(said.contains(&format!("held by pid {} (", std::process::id())), "{said}");
    assert!(said.contains(&lock.display().to_string()), "{said}");
    if fs::read_link("/proc/self/ns/pid").unwrap().as_os_str() != "pid:[4026531836]" {
        eprintln!("skipped: in a container no lock is known to be one of the past");
        return;
    }
    // No process has this number (/proc/sys/kernel/pid_max is at most 2^22).
    fs::write(&lock, "   4194304\n").unwrap();
    daemon.opened("p", 1);
    daemon.log().wait_for("the stale lock", |line| is_event(line, "device.lock-removed") && line.contains("4194304"));
}

#[test]
fn in_a_container_a_lock_of_a_process_outside_is_respected() {
    if !nix::unistd::Uid::effective().is_root() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "needs root");
        eprintln!("skipped: needs root");
        return;
    }
    let (pty, folder) = (Pty::new(), TempDir::new().unwrap());
    let lock = lock_of(folder.path(), &pty);
    let port = PortYaml::new("p", pty.path()).key(&format!("lock-file: {}", folder.path().display())).listen("");
    let outside = format!("{:>10}\n", std::process::id());
    fs::write(&lock, &outside).unwrap();
    let mut command = std::process::Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc", env!("CARGO_BIN_EXE_sermux")]);
    let daemon = Daemon::start_as(&port, command);
    let said = says_busy(&daemon);
    assert!(said.contains("outside of this container") && said.contains(&format!("rm {}", lock.display())), "{said}");
    assert_eq!(fs::read_to_string(&lock).unwrap(), outside);
    fs::remove_file(&lock).unwrap();
    daemon.opened("p", 1);
}
