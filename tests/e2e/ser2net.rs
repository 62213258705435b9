//! Under the name `ser2net`: what programs rely on that start a program of that name.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::rig::{eventually, field, is_event, sermux, Client, Lines, Process, Pty};

fn ser2net(arguments: &[&str]) -> Command {
    let mut command = sermux();
    command.arg0("ser2net").args(arguments);
    command
}

/// As labgrid's exporter starts it, except for the address, and with `-r` as ser2net's own tests.
fn for_device(device: &str, options: &[&str]) -> Process {
    let connector = format!("  connector: serialdev(nouucplock=true),{device},115200n81,local");
    let first = "connection: &con01#  accepter: telnet(rfc2217,mode=server),tcp,127.0.0.1,0";
    let mut arguments = vec!["-t", "4", "-r", "-d", "-n", "-Y", first, "-Y", &connector, "-Y", "  options:"];
    for option in options {
        arguments.extend(["-Y", option]);
    }
    Process::start(&mut ser2net(&arguments))
}

fn address(log: &Lines) -> SocketAddr {
    log.wait("it listens", |lines| {
        let listening = lines.iter().find(|line| is_event(line, "listener.listening"))?;
        field(listening, "address")?.parse().ok()
    })
}

#[test]
fn the_version_is_the_line_that_labgrid_takes_apart() {
    let ended = Process::start(&mut ser2net(&["-v"])).finish();
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), "ser2net version 4.6.7\n", ""));
}

#[test]
fn what_labgrid_starts_serves_says_that_it_is_ready_and_ends() {
    let pty = Pty::new();
    let mut process = for_device(pty.path().to_str().unwrap(), &["    max-connections: 1"]);
    process.stdout.wait_for("it is ready", |line| line == "Ready");
    process.stdout.wait_for("the device is open", |line| is_event(line, "line.opened"));
    let client = Client::connect(address(&process.stdout));
    client.send(b"to the board");
    pty.receive(b"to the board".len());
    let second = Client::connect(address(&process.stdout));
    let (refused, _) = second.receive_to_end();
    assert!(refused.ends_with(b"Port already in use\r\n"), "{}", refused.escape_ascii());
    process.signal(Signal::SIGTERM);
    let ended = process.finish();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "the log goes to standard output");
}

#[test]
fn a_device_that_is_not_there_does_not_end_it() {
    let folder = TempDir::new().unwrap();
    let device = folder.path().join("ttyUSB0");
    let mut process = for_device(device.to_str().unwrap(), &[]);
    process.stdout.wait_for("it is ready", |line| line == "Ready");
    process.stdout.wait_for("the device is missed", |line| is_event(line, "line.open-failed"));
    let pty = Pty::new();
    std::os::unix::fs::symlink(pty.path(), &device).unwrap();
    process.stdout.wait_for("the device is open", |line| is_event(line, "line.opened"));
    process.signal(Signal::SIGTERM);
    assert_eq!(process.finish().code, Some(0));
}

#[test]
fn its_file_is_read_again_and_good_connections_are_served_beside_wrong_ones() {
    let folder = TempDir::new().unwrap();
    let (pty, file) = (Pty::new(), folder.path().join("ser2net.yaml"));
    let good = |rate: &str| {
        format!(
            "connection: &good\n  accepter: tcp,127.0.0.1,0\n  connector: serialdev,{},{rate}\n",
            pty.path().display()
        )
    };
    fs::write(&file, good("9600n81,local") + "connection: &wrong\n  accepter: tcp,nowhere,x,y,z\n").unwrap();
    let mut process = Process::start(&mut ser2net(&["-n", "-c", file.to_str().unwrap()]));
    let said = process.stderr.wait_for("the fault", |line| line.contains("left out: "));
    assert!(said.contains("ser2net.yaml:4:"), "{said}");
    process.stderr.wait_for("the device is open", |line| is_event(line, "line.opened"));
    fs::write(&file, good("19200n81,local")).unwrap();
    process.signal(Signal::SIGHUP);
    let said = process.stderr.wait_for("the reload", |line| is_event(line, "config.reloaded"));
    assert!(said.contains("changed=1"), "{said}");
    process.signal(Signal::SIGTERM);
    assert_eq!(process.finish().code, Some(0));
}

#[test]
fn without_n_it_goes_into_the_background_and_its_pid_is_in_the_file() {
    let folder = TempDir::new().unwrap();
    let (file, pid_file) = (folder.path().join("ser2net.yaml"), folder.path().join("pid"));
    fs::write(&file, "connection: &a\n  accepter: tcp,127.0.0.1,0\n  connector: serialdev,/dev/none,9600n81\n")
        .unwrap();
    let arguments = ["-c", file.to_str().unwrap(), "-P", pid_file.to_str().unwrap()];
    let parent = Process::start(&mut ser2net(&arguments));
    let parent_pid = parent.pid();
    assert_eq!(parent.finish().code, Some(0));
    let mut daemon = None;
    eventually("the pid is written", || {
        daemon = fs::read_to_string(&pid_file).ok().and_then(|text| text.trim().parse::<i32>().ok());
        daemon.is_some()
    });
    let daemon = Pid::from_raw(daemon.unwrap());
    assert_ne!(daemon.as_raw().unsigned_abs(), parent_pid);
    assert!(fs::read(format!("/proc/{daemon}/cmdline")).unwrap().starts_with(b"ser2net\0"), "another program's pid");
    kill(daemon, Signal::SIGTERM).unwrap();
    eventually("it has ended and taken its file away", || !pid_file.exists());
}
