//! Devices that are not there, not free, not allowed, or go and come back, while clients are connected.

use std::fs;
use std::os::unix::fs::{symlink, PermissionsExt};
use std::path::PathBuf;

use nix::fcntl::{Flock, FlockArg};
use nix::unistd::geteuid;
use tempfile::TempDir;

use crate::rig::p1::telegram;
use crate::rig::{
    anonymous_kib, as_nobody, assert_same, cpu_ticks, eventually, field, is_event, noise, sermux, wake_ups, Client,
    Clock, Daemon, PortYaml, Process, Pty,
};

/// A stable name for a device that comes and goes, as /dev/serial/by-id has them.
pub(crate) struct Socket {
    folder: TempDir,
}

impl Socket {
    pub(crate) fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("ttyP1")
    }

    pub(crate) fn plug(&self) -> Pty {
        let pty = Pty::new();
        // Renamed into place, as udev does it.
        let beside = self.folder.path().join("new");
        symlink(pty.path(), &beside).unwrap();
        fs::rename(beside, self.path()).unwrap();
        pty
    }

    /// The name goes first: the kernel gives the number of a closed pty to the next one that is made.
    pub(crate) fn unplug(&self, pty: Pty) {
        fs::remove_file(self.path()).unwrap();
        drop(pty);
    }
}

/// What an operator has to know about this port, whatever the words.
fn complaints(daemon: &Daemon, port: &str) -> Vec<String> {
    let loud = |line: &String| line.contains("WARN") || line.contains("ERROR");
    daemon.log().all().into_iter().filter(|line| loud(line) && field(line, "port") == Some(port)).collect()
}

#[test]
fn a_device_that_is_not_there_yet_is_said_once_and_opened_when_it_appears() {
    let clock = Clock::start();
    let socket = Socket::new();
    let absent = PortYaml::new("absent", socket.path()).listen("");
    let other = PortYaml::new("other", "sim:echo").listen("");
    let daemon = Daemon::start(format!("ports:\n{}{}", absent.entry(), other.entry()));
    let client = daemon.connect("absent");
    let echo = daemon.connect("other");
    echo.send(b"the other port works");
    assert_eq!(echo.receive(20), b"the other port works");
    daemon.log().wait_for("the absent device", |line| line.contains("WARN") && field(line, "port") == Some("absent"));
    clock.seconds(4);
    let said = complaints(&daemon, "absent");
    assert_eq!(said.len(), 1, "{said:#?}");
    assert!(said[0].contains(&socket.path().display().to_string()), "{said:?}");

    let pty = socket.plug();
    daemon.opened("absent", 1);
    pty.send(b"here I am");
    assert_eq!(client.receive(9), b"here I am");
    client.send(b"at last");
    assert_eq!(pty.receive(7), b"at last");
}

#[test]
fn a_device_that_vanishes_costs_no_client_and_no_cpu_and_is_taken_again_when_it_is_back() {
    let clock = Clock::start();
    let socket = Socket::new();
    let mut pty = socket.plug();
    let daemon = Daemon::start(PortYaml::new("p", socket.path()).listen(""));
    daemon.opened("p", 1);
    let clients = [daemon.connect("p"), daemon.connect("p")];
    for round in 1..=2 {
        pty.send(b"before");
        for client in &clients {
            assert_eq!(client.receive(6), b"before");
        }
        socket.unplug(pty);
        daemon.log().wait_for_nth(round, "the loss is logged", |line| {
            line.contains("WARN") && field(line, "port") == Some("p")
        });
        let (cpu, woken) = (cpu_ticks(daemon.pid()), wake_ups(daemon.pid()));
        clock.seconds(2);
        let (cpu, woken) = (cpu_ticks(daemon.pid()) - cpu, wake_ups(daemon.pid()) - woken);
        assert!(cpu <= 5, "{cpu}0 ms of CPU time in two seconds without a device");
        assert!(woken <= 100, "woken {woken} times in two seconds without a device");
        // Somebody else may come in the meantime.
        let late = daemon.connect("p");

        pty = socket.plug();
        daemon.opened("p", round + 1);
        pty.send(b"after");
        for client in clients.iter().chain([&late]) {
            assert_eq!(client.receive(5), b"after");
        }
        for client in &clients {
            client.send(b"line?");
            assert_eq!(pty.receive(5), b"line?");
        }
    }
    assert_eq!(complaints(&daemon, "p").len(), 2, "once each time: {:#?}", complaints(&daemon, "p"));
}

#[test]
fn what_the_device_said_last_still_reaches_the_clients() {
    let socket = Socket::new();
    let pty = socket.plug();
    let daemon = Daemon::start(PortYaml::new("p", socket.path()).listen(""));
    daemon.opened("p", 1);
    let client = daemon.connect("p");
    let last_words = noise(31, 2000);
    pty.send(&last_words);
    pty.was_read();
    socket.unplug(pty);
    assert_same(&client.receive(2000), &last_words, "what the client got");
}

#[test]
fn a_telegram_that_was_cut_by_the_loss_is_not_joined_to_the_next_one() {
    let socket = Socket::new();
    let pty = socket.plug();
    let daemon = Daemon::start(PortYaml::new("p1", socket.path()).key("frame: dsmr").listen(""));
    daemon.opened("p1", 1);
    let reader = daemon.connect("p1");
    pty.send(&telegram(1));
    assert_same(&reader.receive_once(), &telegram(1), "before");
    pty.send(&telegram(2)[..400]);
    pty.was_read();
    socket.unplug(pty);
    let pty = socket.plug();
    daemon.opened("p1", 2);
    pty.send(&telegram(3)[400..]);
    pty.send(&telegram(4));
    assert_same(&reader.receive_once(), &telegram(4), "after");
}

#[test]
fn a_device_that_another_program_holds_is_said_once_and_opened_when_it_is_free() {
    let clock = Clock::start();
    let pty = Pty::new();
    let held = Flock::lock(pty.device(), FlockArg::LockExclusiveNonblock).unwrap();
    let daemon = Daemon::start(PortYaml::new("p", pty.path()).listen(""));
    let client = daemon.connect("p");
    daemon.log().wait_for("the device is busy", |line| line.contains("WARN") && field(line, "port") == Some("p"));
    clock.seconds(4);
    let said = complaints(&daemon, "p");
    assert_eq!(said.len(), 1, "{said:#?}");
    assert!(said[0].contains(&pty.path().display().to_string()), "{said:?}");
    drop(held);
    daemon.opened("p", 1);
    pty.send(b"free");
    assert_eq!(client.receive(4), b"free");
    Flock::lock(pty.device(), FlockArg::LockExclusiveNonblock).expect_err("the daemon holds it now");
}

#[test]
fn with_exclusive_off_it_is_shared_with_others_that_share() {
    let pty = Pty::new();
    let _shared = Flock::lock(pty.device(), FlockArg::LockSharedNonblock).unwrap();
    let port = PortYaml::new("p", pty.path()).key("exclusive: false").listen("");
    let daemon = Daemon::start(&port);
    daemon.opened("p", 1);
    let client = daemon.connect("p");
    pty.send(b"shared");
    assert_eq!(client.receive(6), b"shared");
    let second = Daemon::start(&port);
    second.opened("p", 1);
}

#[test]
fn a_device_that_is_forbidden_is_said_once_with_what_to_do_and_opened_when_it_is_allowed() {
    let clock = Clock::start();
    let pty = Pty::new();
    let permit = |mode| fs::set_permissions(pty.path(), fs::Permissions::from_mode(mode)).unwrap();
    permit(0o000);
    let folder = TempDir::new().unwrap();
    // Root may open everything. Where we are somebody else, the pty is ours and closed to ourselves.
    let command = if geteuid().is_root() { as_nobody(&folder) } else { sermux() };
    let daemon = Daemon::start_as(PortYaml::new("p", pty.path()).listen(""), command);
    let client = daemon.connect("p");
    daemon.log().wait_for("the device is forbidden", |line| line.contains("WARN") && field(line, "port") == Some("p"));
    clock.seconds(4);
    let said = complaints(&daemon, "p");
    assert_eq!(said.len(), 1, "{said:#?}");
    assert!(said[0].contains(&pty.path().display().to_string()), "{said:?}");
    assert!(said[0].to_lowercase().contains("permission denied"), "{said:?}");
    permit(0o666);
    daemon.opened("p", 1);
    pty.send(b"allowed");
    assert_eq!(client.receive(7), b"allowed");
}

#[test]
fn nothing_wakes_it_while_nothing_happens() {
    let clock = Clock::start();
    let pty = Pty::new();
    let port = |name: &str, device: PathBuf| PortYaml::new(name, device).listen("").entry();
    let ports = [port("p", pty.path().to_owned()), port("echo", "sim:echo".into())];
    // Nor does what is served and not asked for.
    let daemon = Daemon::start(format!("http: {{ address: \"127.0.0.1:0\" }}\nports:\n{}", ports.concat()));
    daemon.opened("p", 1);
    daemon.opened("echo", 1);
    let clients: Vec<Client> = ["p", "echo", "p", "echo"].map(|port| daemon.connect(port)).into();
    pty.send(b"x");
    assert_eq!(clients[0].receive(1), b"x");
    let served = daemon.log().wait_for("http is served", |line| is_event(line, "http.listening"));
    assert_eq!(crate::rig::web::get(field(&served, "address").unwrap().parse().unwrap(), "/metrics").status, 200);
    // What is left of the start runs out first: deadlines of what has long been done, helper threads without work.
    let mut woken = Vec::new();
    while woken.last() != Some(&0) {
        assert!(woken.len() < 6, "woken so often in each three seconds: {woken:?}");
        let before = wake_ups(daemon.pid());
        clock.seconds(3);
        woken.push(wake_ups(daemon.pid()).abs_diff(before));
    }
}

#[test]
fn five_hundred_times_unplugged_leaves_nothing_behind() {
    let socket = Socket::new();
    let daemon = Daemon::start(PortYaml::new("p", socket.path()).listen(""));
    let client = daemon.connect("p");
    let mut after_first = None;
    for round in 1..=500 {
        let pty = socket.plug();
        daemon.opened("p", round);
        let sent = noise(round as u64, 100);
        pty.send(&sent);
        assert_same(&client.receive(sent.len()), &sent, "what came after it was plugged in");
        socket.unplug(pty);
        daemon.log().wait_for_nth(round, "the loss", |line| is_event(line, "line.lost"));
        if round == 100 {
            after_first = Some((open_files(&daemon), anonymous_kib(daemon.pid())));
        }
    }
    let (files, memory) = after_first.unwrap();
    // The log tells of the loss before the last file is closed.
    eventually("no files stay open", || open_files(&daemon) <= files);
    assert!(
        anonymous_kib(daemon.pid()) < memory + 512,
        "memory grows: {} KiB after {memory}",
        anonymous_kib(daemon.pid())
    );
}

fn open_files(daemon: &Daemon) -> usize {
    fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap().count()
}

#[test]
fn a_line_without_an_end_is_handed_out_when_the_device_goes() {
    let socket = Socket::new();
    let pty = socket.plug();
    let daemon = Daemon::start(PortYaml::new("p", socket.path()).key("frame: line").listen(""));
    daemon.opened("p", 1);
    let client = daemon.connect("p");
    pty.send(b"Segmentation fa");
    pty.was_read();
    socket.unplug(pty);
    assert_eq!(client.receive(15), b"Segmentation fa");
}

#[test]
fn a_file_or_a_folder_in_the_devices_place_is_that_ports_state_and_no_other_notices() {
    let (folder, pty) = (TempDir::new().unwrap(), Pty::new());
    let device = folder.path().join("tty");
    let file = format!(
        "ports:\n{}{}",
        PortYaml::new("odd", &device).listen("").entry(),
        PortYaml::new("well", "sim:echo").listen("").entry()
    );
    for folder_there in [false, true] {
        if folder_there {
            fs::create_dir(&device).unwrap();
        } else {
            fs::write(&device, "AT").unwrap();
        }
        let mut daemon = Daemon::start(&file);
        let what = if folder_there { "a directory" } else { "a regular file" };
        let is_said = |line: &str| is_event(line, "line.open-failed") && field(line, "port") == Some("odd");
        let said = daemon.log().wait_for("what is there", is_said);
        assert!(said.contains(what), "{said}");
        let client = daemon.connect("well");
        client.send(b"hello");
        assert_eq!(client.receive(5), b"hello");
        daemon.reload(&file);
        daemon.log().wait_for("the reload", |line| is_event(line, "config.reloaded"));
        let status: serde_json::Value = serde_json::from_str(&daemon.run(&["status", "odd", "--json"]).stdout).unwrap();
        assert_eq!((status["state"].as_str(), status["well"].as_bool()), (Some("faulted"), Some(false)), "{status}");
        let checked = Process::start(&mut daemon.command(&["check"])).finish();
        assert_eq!(checked.code, Some(0), "{checked:?}");
        assert!(checked.stderr.contains("warning: ") && checked.stderr.contains("the port waits"), "{checked:?}");
        let _ = fs::remove_file(&device);
        let _ = fs::remove_dir(&device);
        std::os::unix::fs::symlink(pty.path(), &device).unwrap();
        daemon.opened("odd", 1);
        fs::remove_file(&device).unwrap();
        drop(daemon);
    }
}

/// A container whose capabilities were taken away: its root is an ordinary user to the device. Needs root itself.
#[test]
fn root_that_may_not_pass_modes_is_told_of_the_mode_and_of_the_group() {
    if !nix::unistd::Uid::effective().is_root() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "needs root");
        eprintln!("skipped: needs root");
        return;
    }
    let (owner, group) = (nix::unistd::Uid::from_raw(54_321), nix::unistd::Gid::from_raw(54_322));
    for (mode, expected) in [
        (0o600, "permission denied; its mode is 0600, owner 54321, group 54322, which leaves out user root"),
        (0o660, "permission denied; the device belongs to group 54322, and root has no right here to pass its mode"),
    ] {
        let pty = Pty::new();
        nix::unistd::chown(pty.path(), Some(owner), Some(group)).unwrap();
        fs::set_permissions(pty.path(), fs::Permissions::from_mode(mode)).unwrap();
        let mut command = std::process::Command::new("setpriv");
        command.args(["--bounding-set", "-dac_override", "--inh-caps", "-all", env!("CARGO_BIN_EXE_sermux")]);
        let daemon = Daemon::start_as(PortYaml::new("p", pty.path()).listen(""), command);
        let said = daemon.log().wait_for("the fault", |line| line.contains("WARN") && line.contains("port=p"));
        assert!(said.contains(expected), "{mode:o}: {said}");
        assert!(!said.contains("usermod"), "{said}");
    }
}

/// Needs root: it takes nodes of devices that there are not.
#[test]
fn a_node_without_hardware_and_one_that_root_may_not_open_are_told_from_each_other() {
    if !nix::unistd::Uid::effective().is_root() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "needs root");
        eprintln!("skipped: needs root");
        return;
    }
    for (options, expected) in [
        ("dev", "the node is there, but no hardware answers behind it"),
        ("nodev", "permission denied; not by its mode, which root may pass: its file system is mounted with nodev"),
    ] {
        let folder = TempDir::new().unwrap();
        let device = folder.path().join("tty");
        // 240 to 254 are for local use (devices.txt of the kernel); most machines have no driver for the last numbers of 240.
        let mount = format!("mount -t tmpfs -o {options} nodes \"$0\" && mknod \"$0/tty\" c 240 250 && exec \"$@\"");
        let mut command = std::process::Command::new("unshare");
        command.args(["--mount", "sh", "-ec", &mount]).arg(folder.path()).arg(env!("CARGO_BIN_EXE_sermux"));
        let daemon = Daemon::start_as(PortYaml::new("p", &device).listen(""), command);
        let said = daemon.log().wait_for("the fault", |line| line.contains("WARN") && line.contains("port=p"));
        assert!(said.contains(expected), "{options}: {said}");
        assert!(!said.contains("user root") && !said.contains("usermod"), "{said}");
    }
}
