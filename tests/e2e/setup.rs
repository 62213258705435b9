//! `sermux setup p1`: what it shows, what it writes, and what it restores.

use std::fs;
use std::os::unix::fs::{symlink, PermissionsExt as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::termios::{tcgetattr, Termios};
use nix::unistd::geteuid;
use tempfile::TempDir;

use crate::rig::p1::{encrypted, telegram, telegram_without_crc};
use crate::rig::{as_nobody, field, is_event, sermux, Daemon, Finished, PortYaml, Process, Pty, GUIDES};

const INCLUDE: &str = "include: ports.d/*.yaml\nports: {}\n";
const SIM: [&str; 6] = ["setup", "p1", "--device", "sim:dsmr-p1", "--address", "127.0.0.1:0"];

/// Nobody runs, and nobody is there to be asked.
fn set_up(folder: &Path, more: &[&str]) -> Finished {
    let mut command = sermux();
    command.env("XDG_RUNTIME_DIR", folder).arg("--config").arg(folder.join("sermux.yaml")).args(SIM).args(more);
    Process::start(&mut command).finish()
}

fn p1(folder: &Path) -> PathBuf {
    folder.join("ports.d/p1.yaml")
}

fn with_config(text: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("sermux.yaml"), text).unwrap();
    folder
}

#[test]
fn a_running_program_takes_the_port_and_readers_are_told_where_it_is() {
    let daemon = Daemon::start(INCLUDE);
    let mut arguments = SIM.to_vec();
    arguments.push("--yes");
    let finished = daemon.run(&arguments);
    assert_eq!(finished.code, Some(0), "{}{}", finished.stdout, finished.stderr);
    let address = daemon.address("p1");
    let said = &finished.stdout;
    assert!(said.contains("telegrams arrive"), "{said}");
    for reader in ["Domoticz", "Home Assistant", "DSMR-reader"] {
        let line = said.lines().find(|line| line.contains(reader)).unwrap();
        assert!(line.contains("127.0.0.1") && line.ends_with(&address.port().to_string()), "{line}");
    }
    let home_assistant = [
        format!("device socket://127.0.0.1:{}\n", address.port()),
        format!("(before mid-2026: connection type network, host 127.0.0.1, port {})\n", address.port()),
        "each telegram goes out in one write".to_owned(),
    ];
    for part in home_assistant {
        assert!(said.contains(&part), "{part}: {said}");
    }
    let shown = said.lines().skip_while(|line| !line.contains("telegrams arrive"));
    let shown: String = shown.map(|line| format!("    {line}\n")).collect();
    let shown = shown.replace("127.0.0.1", "192.168.1.20").replace(&address.port().to_string(), "9000");
    for guide in GUIDES {
        assert!(guide.contains(&shown), "{shown}");
    }
    // Again: it is there already.
    let again = daemon.run(&SIM);
    assert_eq!(again.code, Some(0), "{}{}", again.stdout, again.stderr);
    assert!(
        again.stdout.contains("p1.yaml exists already with this content:") && again.stdout.contains("telegrams arrive"),
        "{}",
        again.stdout
    );
}

#[test]
fn without_a_yes_it_only_shows() {
    let folder = with_config(INCLUDE);
    for more in [&[][..], &["--dry-run"]] {
        let finished = set_up(folder.path(), more);
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        assert!(
            finished.stdout.contains("does not exist yet and would be written")
                && finished.stdout.contains("profile: dsmr-p1"),
            "{}",
            finished.stdout
        );
        assert!(!folder.path().join("ports.d").exists());
    }
}

#[test]
fn where_nobody_runs_it_says_how_to_start_and_a_missing_configuration_is_made() {
    let folder = TempDir::new().unwrap();
    let finished = set_up(folder.path(), &["--yes"]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(finished.stderr.contains("systemctl enable --now sermux"), "{}", finished.stderr);
    assert_eq!(fs::read_to_string(folder.path().join("sermux.yaml")).unwrap(), INCLUDE);
    assert!(fs::read_to_string(p1(folder.path())).unwrap().contains("sim:dsmr-p1"));
}

#[test]
fn another_file_stays_unless_told_and_is_kept() {
    let folder = with_config(INCLUDE);
    fs::create_dir(folder.path().join("ports.d")).unwrap();
    fs::write(p1(folder.path()), "ports: {}\n").unwrap();
    let refused = set_up(folder.path(), &[]);
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.stderr.starts_with(&format!("{} exists already", p1(folder.path()).display())),
        "{}",
        refused.stderr
    );
    assert!(refused.stderr.contains("--yes replaces it"), "{}", refused.stderr);
    assert_eq!(fs::read_to_string(p1(folder.path())).unwrap(), "ports: {}\n");
    let replaced = set_up(folder.path(), &["--yes"]);
    assert_eq!(replaced.code, Some(0));
    assert!(replaced.stdout.contains("p1.yaml written; the old file is kept as "), "{}", replaced.stdout);
    assert!(fs::read_to_string(p1(folder.path())).unwrap().contains("dsmr-p1"));
    assert_eq!(fs::read_to_string(folder.path().join("ports.d/p1.yaml.bak")).unwrap(), "ports: {}\n");
}

#[test]
fn with_yes_it_reports_what_it_has_written() {
    let folder = TempDir::new().unwrap();
    let finished = set_up(folder.path(), &["--yes"]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    for file in [p1(folder.path()), folder.path().join("sermux.yaml")] {
        assert!(finished.stdout.contains(&format!("{} written:\n  ", file.display())), "{}", finished.stdout);
    }
    assert!(!finished.stdout.contains("would"), "{}", finished.stdout);
}

#[test]
fn a_configuration_that_would_have_faults_is_put_back() {
    let folder = with_config("ports: {}\n");
    let finished = set_up(folder.path(), &["--yes"]);
    assert_eq!(finished.code, Some(78), "{}", finished.stderr);
    assert!(finished.stderr.contains("add this line to it: include: ports.d/*.yaml\n"), "{}", finished.stderr);
    assert!(finished.stderr.ends_with("p1.yaml removed again\n"), "{}", finished.stderr);
    assert!(!finished.stdout.contains("written"), "{}", finished.stdout);
    assert!(!p1(folder.path()).exists());
}

/// Nothing is sent on the pty: setup ends before it would listen there.
fn refused_before_listening(mut command: Command, folder: &Path) -> Finished {
    let pty = Pty::new();
    let arguments = ["setup", "p1", "--yes", "--device", pty.path().to_str().unwrap()];
    let before = settings(&pty);
    command.env("XDG_RUNTIME_DIR", folder).arg("--config").arg(folder.join("sermux.yaml")).args(arguments);
    let finished = Process::start(&mut command).finish();
    assert_eq!(settings(&pty), before, "{finished:?}");
    assert_eq!(finished.stdout, "");
    for wrong in ["removed again", "restored", "listening"] {
        assert!(!finished.stderr.contains(wrong), "{wrong}: {}", finished.stderr);
    }
    assert!(!p1(folder).exists());
    finished
}

#[test]
fn a_port_of_this_name_that_setup_did_not_write_is_named_before_it_listens() {
    let twice = "include: ports.d/*.yaml\nports:\n  p1:\n    device: sim:echo\n    listen: [ { protocol: raw, address: \"127.0.0.1:0\" } ]\n";
    let folder = with_config(twice);
    let finished = refused_before_listening(sermux(), folder.path());
    assert_eq!(finished.code, Some(78), "{}", finished.stderr);
    let said =
        "port p1 exists already, with the device sim:echo; setup did not write it, so setup does not change it\n";
    assert!(finished.stderr.starts_with(said), "{}", finished.stderr);
}

#[test]
fn a_configuration_with_faults_is_named_before_it_listens() {
    let folder = with_config("include: ports.d/*.yaml\nports: { other: { devise: /dev/ttyUSB0 } }\n");
    let finished = refused_before_listening(sermux(), folder.path());
    assert_eq!(finished.code, Some(78), "{}", finished.stderr);
    assert!(finished.stderr.contains("did you mean `device`?"), "{}", finished.stderr);
    assert!(finished.stderr.ends_with("nothing was written: correct the configuration first\n"), "{}", finished.stderr);
}

#[test]
fn without_the_right_to_write_it_says_so_before_it_listens() {
    let folder = with_config(INCLUDE);
    let program = TempDir::new().unwrap();
    let command = if geteuid().is_root() { as_nobody(&program) } else { sermux() };
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let finished = refused_before_listening(command, folder.path());
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(finished.code, Some(77), "{}", finished.stderr);
    let said = format!(
        "cannot write {}: {}: permission denied\n  use `sudo sermux setup p1`",
        p1(folder.path()).display(),
        folder.path().display()
    );
    assert!(finished.stderr.starts_with(&said), "{}", finished.stderr);
}

/// The file as it would be, with this device.
fn shown(device: &str) -> Finished {
    let folder = with_config(INCLUDE);
    let mut command = sermux();
    command.env("XDG_RUNTIME_DIR", folder.path()).arg("--config").arg(folder.path().join("sermux.yaml"));
    Process::start(command.args(["setup", "p1", "--dry-run", "--device", device])).finish()
}

#[test]
fn the_profile_is_the_one_of_the_meter_that_is_heard() {
    let old = shown("sim:dsmr-p1?version=2.2");
    assert!(old.stdout.contains("version    DSMR 2.2 or 3.0\n"), "{}", old.stdout);
    assert!(old.stdout.contains("      profile: dsmr-p1-v2\n"), "{}", old.stdout);
    let new = shown("sim:dsmr-p1?version=5.0");
    assert!(new.stdout.contains("version    DSMR 5.0\n"), "{}", new.stdout);
    assert!(new.stdout.contains("      profile: dsmr-p1\n"), "{}", new.stdout);
}

/// What `sermux setup p1` and `sermux probe` print for a pty on which this comes.
fn heard(bytes: &[u8]) -> (Finished, Finished) {
    let pty = Pty::new();
    let device = pty.path().to_str().unwrap().to_owned();
    let folder = with_config(INCLUDE);
    let mut setup = sermux();
    setup.env("XDG_RUNTIME_DIR", folder.path()).arg("--config").arg(folder.path().join("sermux.yaml"));
    let setup = Process::start(setup.args(["setup", "p1", "--dry-run", "--device", &device]));
    let set_up = pty.send_while(setup, |_| bytes.to_vec());
    let mut probe = sermux();
    probe.args(["--control", "/nonexistent", "probe", &device]);
    (set_up, pty.send_while(Process::start(&mut probe), |_| bytes.to_vec()))
}

#[test]
fn setup_takes_the_profile_that_probe_advises() {
    for (bytes, profile) in [(telegram(1), "dsmr-p1"), (encrypted(), "p1-luxembourg")] {
        let (set_up, probed) = heard(&bytes);
        assert_eq!((set_up.code, probed.code), (Some(0), Some(0)), "{}{}", set_up.stdout, probed.stdout);
        assert!(set_up.stdout.contains(&format!("      profile: {profile}\n")), "{}", set_up.stdout);
        assert!(probed.stdout.contains(&format!("use `profile: {profile}`")), "{}", probed.stdout);
    }
}

#[test]
fn the_advice_for_9600_baud_is_the_same_whoever_gives_it() {
    let cases = [("9600 7E1", "`profile: dsmr-p1-v2`"), ("9600 8N1", "`profile: dsmr-p1` with `line: 9600 8N1`")];
    // At the same time: either is listened to for ten seconds.
    let advised = |(line, keys): (&str, &str)| {
        let pty = Pty::new();
        let daemon = Daemon::start(PortYaml::new("p1", pty.path()).key(&format!("line: {line}")).listen(""));
        daemon.opened("p1", 1);
        daemon.log().wait_for("the control socket", |line| is_event(line, "control.listening"));
        let device = pty.path().to_str().unwrap();
        let ask = |arguments: &[&str]| {
            let asked = Process::start(&mut daemon.command(arguments));
            pty.send_while(asked, telegram)
        };
        let probed = ask(&["probe", device]);
        assert!(probed.stdout.contains(&format!("  use {keys}\n")), "{}", probed.stdout);
        let set_up = ask(&["setup", "p1", "--dry-run", "--device", device]);
        assert!(set_up.stdout.contains(&format!("  use {keys}\n")), "{}", set_up.stdout);
        let written = keys.replace('`', "").replace(" with ", "\n      ");
        assert!(set_up.stdout.contains(&format!("      {written}\n")), "{written}: {}", set_up.stdout);
    };
    std::thread::scope(|scope| {
        for case in cases {
            scope.spawn(move || advised(case));
        }
    });
}

#[test]
fn an_encrypted_meter_is_set_up_and_waited_for() {
    let daemon = Daemon::start(INCLUDE);
    let pty = Pty::new();
    let device = pty.path().to_str().unwrap();
    let setup = ["setup", "p1", "--device", device, "--address", "127.0.0.1:0", "--yes"];
    let finished = pty.send_while(Process::start(&mut daemon.command(&setup)), |_| encrypted());
    assert_eq!(finished.code, Some(0), "{}{}", finished.stdout, finished.stderr);
    assert!(finished.stdout.contains("the telegrams are encrypted: enter the key"), "{}", finished.stdout);
}

#[test]
fn what_is_wrong_with_the_wire_is_said_before_the_file_is_shown() {
    let inverted = shown("sim:dsmr-p1?inverted");
    assert_eq!(inverted.code, Some(0));
    let (said, file) = (inverted.stdout.find("the signal is inverted"), inverted.stdout.find("would be written"));
    assert!(said.is_some() && said < file, "{}", inverted.stdout);
    let missing = shown("/dev/no-such-device");
    assert_eq!(missing.code, Some(0));
    assert!(missing.stderr.contains("could not listen: /dev/no-such-device: not there"), "{}", missing.stderr);
    assert!(missing.stdout.contains("      profile: dsmr-p1\n"), "{}", missing.stdout);
}

#[test]
fn a_device_that_the_running_program_has_is_asked_of_it() {
    let pty = Pty::new();
    let daemon = Daemon::start(PortYaml::new("p1", pty.path()).key("profile: dsmr-p1-v2").listen(""));
    daemon.opened("p1", 1);
    daemon.log().wait_for("the control socket", |line| is_event(line, "control.listening"));
    let device = pty.path().to_str().unwrap();
    let mut command = daemon.command(&["setup", "p1", "--dry-run", "--device", device]);
    let finished = pty.send_while(Process::start(&mut command), telegram_without_crc);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(finished.stdout.contains("held by    the running sermux, as port p1\n"), "{}", finished.stdout);
    assert!(finished.stdout.contains("profile: dsmr-p1-v2\n"), "{}", finished.stdout);
}

/// A machine with a USB cable for each of these, ttyUSB0 first.
fn with_cables(ptys: &[&Pty]) -> TempDir {
    let root = with_config(INCLUDE);
    for (number, pty) in ptys.iter().enumerate() {
        let (usb, name) = (format!("sys/devices/usb1/1-{}", number + 1), format!("ttyUSB{number}"));
        let device = root.path().join(&usb).join(format!("1-{}:1.0/{name}", number + 1));
        let bus = root.path().join("sys/bus/usb-serial");
        for folder in [&device, &bus, &root.path().join(format!("sys/class/tty/{name}")), &root.path().join("dev")] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::write(root.path().join(&usb).join("idVendor"), "0403\n").unwrap();
        fs::write(root.path().join(&usb).join("idProduct"), "6001\n").unwrap();
        symlink(&bus, device.join("subsystem")).unwrap();
        symlink(&device, root.path().join(format!("sys/class/tty/{name}/device"))).unwrap();
        symlink(pty.path(), root.path().join("dev").join(name)).unwrap();
    }
    root
}

fn set_up_with(root: &Path, more: &[&str]) -> Process {
    let mut command = sermux();
    command.env("XDG_RUNTIME_DIR", root).arg("--config").arg(root.join("sermux.yaml"));
    Process::start(command.args(["setup", "p1", "--dry-run", "--root"]).arg(root).args(more))
}

const POSITION: &[u8] = b"$GPGLL,4916.45,N,12311.12,W,225444,A,*1D\r\n";

#[test]
fn of_several_cables_the_one_with_telegrams_is_taken() {
    let (receiver, meter) = (Pty::new(), Pty::new());
    let root = with_cables(&[&receiver, &meter]);
    let setup = set_up_with(root.path(), &[]);
    receiver.was_opened();
    receiver.send(&POSITION.repeat(2));
    meter.was_opened();
    meter.send(&telegram(1));
    let finished = setup.finish();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    for said in ["NMEA 0183", "the meter's device: /dev/ttyUSB1, ", "device: \"/dev/ttyUSB1\"\n"] {
        assert!(finished.stdout.contains(said), "{said}: {}", finished.stdout);
    }
}

/// How the other end has set it.
fn settings(pty: &Pty) -> Termios {
    tcgetattr(pty.device()).unwrap()
}

#[test]
fn all_cables_are_listened_to_at_once_and_left_as_they_were() {
    let (receiver, silent, meter) = (Pty::new(), Pty::new(), Pty::new());
    let cables = [&receiver, &silent, &meter];
    let before = cables.map(settings);
    let root = with_cables(&cables);
    let setup = set_up_with(root.path(), &[]);
    // One after the other, the last would be opened only after the others have had their 30 s.
    cables.iter().for_each(|cable| cable.was_opened());
    receiver.send(b"something else\r\n");
    meter.send(&telegram(1));
    let finished = setup.finish();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(finished.stdout.contains("device: \"/dev/ttyUSB2\"\n"), "{}", finished.stdout);
    assert!(
        finished.stderr.starts_with("listening on 3 devices, 30 s at most:\n  /dev/ttyUSB0 "),
        "{}",
        finished.stderr
    );
    assert!(!finished.stderr.contains('\r'), "progress without a terminal: {:?}", finished.stderr);
    assert_eq!(cables.map(settings), before);
}

#[test]
fn where_telegrams_come_on_several_cables_it_asks_which() {
    let (one, silent, other) = (Pty::new(), Pty::new(), Pty::new());
    let root = with_cables(&[&one, &silent, &other]);
    let setup = set_up_with(root.path(), &[]);
    for pty in [&one, &silent, &other] {
        pty.was_opened();
    }
    one.send(&telegram(1));
    other.send(&telegram(2));
    let finished = setup.finish();
    assert_eq!(finished.code, Some(1), "{}", finished.stdout);
    let said = &finished.stderr;
    assert!(said.contains("received telegrams on several devices; choose one:\n  --device /dev/ttyUSB0 "), "{said}");
    assert!(said.contains("--device /dev/ttyUSB2 ") && !said.contains("--device /dev/ttyUSB1 "), "{said}");
}

#[test]
fn a_cable_that_the_running_program_has_is_listened_to_with_the_others() {
    let (held, other) = (Pty::new(), Pty::new());
    let daemon = Daemon::start(PortYaml::new("router", held.path()).key("line: 115200 8N1").listen(""));
    daemon.opened("router", 1);
    daemon.log().wait_for("the control socket", |line| is_event(line, "control.listening"));
    let root = with_cables(&[&other, &held]);
    let mut command = daemon.command(&["setup", "p1", "--dry-run", "--root"]);
    let setup = Process::start(command.arg(root.path()));
    other.was_opened();
    daemon.log().wait_for("it is followed", |line| {
        is_event(line, "control.requested") && field(line, "request") == Some("follow")
    });
    held.send(&telegram(1));
    let finished = setup.finish();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(finished.stdout.contains("held by    the running sermux, as port router\n"), "{}", finished.stdout);
    assert!(finished.stdout.contains("the meter's device: /dev/ttyUSB1, "), "{}", finished.stdout);
}

#[test]
fn a_signal_ends_it_while_it_listens_to_several_and_leaves_them_as_they_were() {
    let cables = [Pty::new(), Pty::new()];
    let before = cables.each_ref().map(settings);
    let root = with_cables(&cables.each_ref());
    let mut setup = set_up_with(root.path(), &[]);
    cables.iter().for_each(Pty::was_opened);
    setup.signal(Signal::SIGTERM);
    let finished = setup.finish();
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""));
    assert!(finished.stderr.ends_with("interrupted; the device is as it was\n"), "{}", finished.stderr);
    assert_eq!(cables.each_ref().map(settings), before);
}

#[test]
fn where_none_of_several_cables_has_a_meter_or_nobody_listens_it_asks_which() {
    let (receiver, other) = (Pty::new(), Pty::new());
    let root = with_cables(&[&receiver, &other]);
    let setup = set_up_with(root.path(), &[]);
    for pty in [&receiver, &other] {
        pty.was_opened();
        pty.send(&POSITION.repeat(2));
    }
    let finished = setup.finish();
    assert_eq!(finished.code, Some(1));
    assert!(
        finished.stderr.contains("received no telegram on any of them; choose one:\n  --device /dev/ttyUSB0 "),
        "{}",
        finished.stderr
    );
    let unheard = set_up_with(root.path(), &["--no-probe"]).finish();
    assert_eq!((unheard.code, unheard.stdout.as_str()), (Some(1), ""));
    assert!(
        unheard.stderr.contains("found several devices; choose one:\n  --device /dev/ttyUSB0 "),
        "{}",
        unheard.stderr
    );
}

#[test]
fn a_single_cable_is_taken_without_listening_where_that_is_not_wanted() {
    let pty = Pty::new();
    let root = with_cables(&[&pty]);
    let finished = set_up_with(root.path(), &["--no-probe"]).finish();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(finished.stdout.contains("device: \"/dev/ttyUSB0\"\n"), "{}", finished.stdout);
    assert!(!finished.stdout.contains("nothing is received"), "{}", finished.stdout);
}

#[test]
fn a_signal_ends_it_while_it_listens_and_nothing_is_written() {
    let pty = Pty::new();
    let folder = with_config(INCLUDE);
    let mut command = sermux();
    command.env("XDG_RUNTIME_DIR", folder.path()).arg("--config").arg(folder.path().join("sermux.yaml"));
    let mut setup = Process::start(command.args(["setup", "p1", "--yes", "--device"]).arg(pty.path()));
    pty.was_opened();
    setup.signal(Signal::SIGINT);
    let finished = setup.finish();
    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains("interrupted"), "{}", finished.stderr);
    assert!(!folder.path().join("ports.d").exists());
}

#[test]
fn once_it_has_listened_a_signal_ends_it_as_any_program() {
    let daemon = Daemon::start(INCLUDE);
    daemon.log().wait_for("the control socket", |line| is_event(line, "control.listening"));
    let silent = ["setup", "p1", "--yes", "--device", "sim:dsmr-p1?inverted", "--address", "127.0.0.1:0"];
    let mut setup = Process::start(&mut daemon.command(&silent));
    setup.stderr.wait_for("it waits", |line| line.contains("waiting up to 30 s for a telegram"));
    setup.signal(Signal::SIGINT);
    let status = setup.wait(Duration::from_secs(5)).unwrap();
    assert_eq!(status.signal(), Some(Signal::SIGINT as i32));
}
