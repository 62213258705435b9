//! `sermux probe` names what a device sends or why it cannot be opened, and leaves the device as it was.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::termios::{cfsetspeed, tcgetattr, tcsetattr, BaudRate, InputFlags, LocalFlags, SetArg, Termios};
use nix::unistd::geteuid;
use serde_json::Value;
use tempfile::TempDir;

use crate::rig::p1::{encrypted, telegram, telegram_with_wrong_crc, telegram_without_crc};
use crate::rig::{as_nobody, field, is_event, run, sermux, Clock, Daemon, Finished, PortYaml, Process, Pty, GUIDES};

/// With nobody to be asked.
fn probing(mut command: Command, device: impl AsRef<Path>, more: &[&str]) -> Process {
    command.args(["--control", "/nonexistent", "probe"]).arg(device.as_ref()).args(more);
    Process::start(&mut command)
}

fn json(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"))
}

/// A device that somebody has left at 1200 baud, cooked.
fn left_cooked() -> (Pty, Termios) {
    let pty = Pty::new();
    let mut settings = tcgetattr(pty.device()).unwrap();
    cfsetspeed(&mut settings, BaudRate::B1200).unwrap();
    settings.input_flags |= InputFlags::ICRNL | InputFlags::IXON;
    settings.local_flags |= LocalFlags::ICANON | LocalFlags::ISIG;
    tcsetattr(pty.device(), SetArg::TCSANOW, &settings).unwrap();
    let settings = tcgetattr(pty.device()).unwrap();
    (pty, settings)
}

#[test]
fn telegrams_are_told_with_their_meter_and_the_rate_from_one_to_the_next() {
    let clock = Clock::start();
    let (pty, before) = left_cooked();
    let probe = probing(sermux(), pty.path(), &["--json"]);
    pty.was_opened();
    pty.send(&telegram(1));
    clock.seconds(1);
    pty.send(&telegram(2));
    let finished = probe.finish();
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    let said = json(&finished);
    assert_eq!((said["cause"].as_str(), said["certainty"].as_str()), (Some("p1"), Some("certain")), "{said}");
    assert_eq!((said["settings"].as_str(), said["held-by-port"].as_str()), (Some("115200 8N1"), None), "{said}");
    let meter = &said["meter"];
    assert_eq!((meter["version"].as_str(), meter["id"].as_str()), (Some("DSMR 5.0"), Some("E0031003212345678")));
    assert_eq!(
        (meter["telegrams"].as_u64(), meter["crc-good"].as_u64(), meter["crc-bad"].as_u64()),
        (Some(2), Some(2), Some(0))
    );
    let rate = said["per-second"].as_f64().unwrap();
    assert!((0.2..1.2).contains(&rate), "at least a second was between them: {said}");
    assert_eq!(tcgetattr(pty.device()).unwrap(), before);
}

#[test]
fn every_field_is_there_whatever_is_heard() {
    let fields = [
        "advice",
        "breaks",
        "bytes",
        "cause",
        "certainty",
        "device",
        "evidence",
        "framing-errors",
        "held-by-port",
        "meter",
        "per-second",
        "seconds",
        "settings",
        "tried",
        "what",
    ];
    let pty = Pty::new();
    let silent = json(&probing(sermux(), pty.path(), &["--json", "--time", "1"]).finish());
    let inverted = json(&probing(sermux(), "sim:dsmr-p1?inverted", &["--json"]).finish());
    for said in [&silent, &inverted] {
        let names: Vec<&String> = said.as_object().unwrap().keys().collect();
        assert_eq!(names, fields);
        let tried = said["tried"].as_array().unwrap();
        let names: Vec<&String> = tried[0].as_object().unwrap().keys().collect();
        assert_eq!(names, ["bytes", "cause", "seconds", "settings"]);
    }
    assert_eq!(silent["tried"].as_array().unwrap().len(), 9, "{silent}");
    assert!(silent["tried"].as_array().unwrap().iter().any(|tried| tried["settings"] == "115200 8E1"), "{silent}");
    // The manual is made from this.
    let help = run(&["probe", "--help"]).stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for name in fields.into_iter().chain(["version", "id", "telegrams", "crc-good", "crc-bad", "crc-by", "before-each"])
    {
        assert!(help.contains(name), "{name} is not in the help");
    }
}

#[test]
fn the_guides_show_what_it_prints() {
    let said = probing(sermux(), "sim:dsmr-p1?inverted", &[]).finish().stdout;
    let shown: String = said.lines().map(|line| format!("    {line}\n")).collect();
    for guide in GUIDES {
        assert!(guide.contains(&shown), "{shown}");
    }
}

#[test]
fn an_inverted_meter_is_named_for_programs() {
    let probed = probing(sermux(), "sim:dsmr-p1?inverted", &["--json"]).finish();
    let said = json(&probed);
    assert_eq!(
        (probed.code, said["cause"].as_str(), said["certainty"].as_str()),
        (Some(1), Some("inverted"), Some("certain"))
    );
}

#[test]
fn silence_is_no_good_data_and_not_sure_after_a_short_time() {
    let (pty, before) = left_cooked();
    let finished = probing(sermux(), pty.path(), &["--time", "1"]).finish();
    assert_eq!(finished.code, Some(1));
    let told = format!("{}: nothing is received (possible)\n  listen for longer", pty.path().display());
    assert!(finished.stdout.starts_with(&told), "{}", finished.stdout);
    assert_eq!(tcgetattr(pty.device()).unwrap(), before);
}

#[test]
fn of_an_old_meter_that_was_heard_once_too_fast_no_more_is_said_than_that() {
    let probed = probing(sermux(), "sim:dsmr-p1?version=2.2", &["--json", "--time", "5"]).finish();
    let said = json(&probed);
    assert_eq!((probed.code, said["cause"].as_str()), (Some(1), Some("speed-too-high")), "{said}");
    assert_eq!(said["what"].as_str(), Some("received a signal slower than 115200 baud, and nothing since then"));
    assert!(said["advice"].as_str().unwrap().contains("listen for longer"), "{said}");
    let old = &said["tried"][1];
    assert_eq!((old["settings"].as_str(), old["bytes"].as_u64()), (Some("9600 7E1"), Some(0)), "{said}");
}

#[test]
fn an_old_meter_is_found_with_its_second_telegram() {
    let probed = probing(sermux(), "sim:dsmr-p1?version=2.2", &["--json", "--time", "13"]).finish();
    let said = json(&probed);
    assert_eq!(
        (probed.code, said["cause"].as_str(), said["settings"].as_str()),
        (Some(0), Some("p1"), Some("9600 7E1")),
        "{said}"
    );
    assert_eq!(said["meter"]["version"].as_str(), Some("DSMR 2.2 or 3.0"));
}

#[test]
fn telegrams_that_all_have_a_wrong_crc_are_no_good_data() {
    let probed = probing(sermux(), "sim:dsmr-p1?crc-errors=1", &["--json", "--time", "3"]).finish();
    let said = json(&probed);
    assert_eq!((probed.code, said["cause"].as_str()), (Some(1), Some("p1")), "{said}");
    assert_eq!((said["meter"]["crc-good"].as_u64(), &said["meter"]["crc-bad"]), (Some(0), &said["meter"]["telegrams"]));
    assert!(said["advice"].as_str().unwrap().contains("CRC"), "{said}");
}

#[test]
fn what_cannot_be_opened_is_said() {
    let folder = TempDir::new().unwrap();
    let missing = folder.path().join("ttyUSB7");
    for (device, why) in
        [(Path::new("/dev/null"), "not a serial port"), (folder.path(), "a directory"), (&missing, "not there")]
    {
        let probed = probing(sermux(), device, &[]).finish();
        assert_eq!((probed.code, probed.stdout.as_str()), (Some(1), ""));
        assert!(
            probed.stderr.contains(why) && probed.stderr.contains(&device.display().to_string()),
            "{}",
            probed.stderr
        );
    }
    for (unnamed, help) in
        [("ttyUSB0", "did you mean `/dev/ttyUSB0`?"), ("sim:dsmr-p1?invert", "did you mean `inverted`?")]
    {
        let probed = run(&["probe", unnamed]);
        assert!(probed.code == Some(2) && probed.stderr.contains(help), "{}", probed.stderr);
    }
}

#[test]
fn a_user_without_rights_is_told_what_would_help() {
    let (pty, before) = left_cooked();
    let folder = TempDir::new().unwrap();
    // Root may open everything. Where we are somebody else, the pty is ours and closed to ourselves.
    let (command, mode) = if geteuid().is_root() { (as_nobody(&folder), 0o660) } else { (sermux(), 0o000) };
    fs::set_permissions(pty.path(), fs::Permissions::from_mode(mode)).unwrap();
    let probed = probing(command, pty.path(), &[]).finish();
    assert_eq!(probed.code, Some(1));
    assert!(probed.stderr.contains("permission denied; "), "{}", probed.stderr);
    if mode == 0o660 {
        assert!(probed.stderr.contains("group"), "{}", probed.stderr);
    }
    assert_eq!(tcgetattr(pty.device()).unwrap(), before);
}

#[test]
fn a_device_that_another_program_has_is_left_alone() {
    let (pty, before) = left_cooked();
    let _held = nix::fcntl::Flock::lock(pty.device(), nix::fcntl::FlockArg::LockExclusiveNonblock).unwrap();
    let probed = probing(sermux(), pty.path(), &[]).finish();
    assert!(probed.code == Some(1) && probed.stderr.contains("busy"), "{}", probed.stderr);
    assert_eq!(tcgetattr(pty.device()).unwrap(), before);
}

#[test]
fn a_signal_ends_it_at_once_and_the_settings_are_as_they_were() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let (pty, before) = left_cooked();
        let mut probe = probing(sermux(), pty.path(), &[]);
        pty.was_opened();
        probe.signal(signal);
        assert!(probe.wait(Duration::from_secs(4)).is_some(), "{signal} does not end it");
        let ended = probe.finish();
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{signal}");
        assert!(ended.stderr.contains("interrupted; the device is as it was"), "{}", ended.stderr);
        assert_eq!(tcgetattr(pty.device()).unwrap(), before, "{signal}");
    }
}

#[test]
fn a_device_that_goes_away_ends_it_with_what_it_had_said() {
    let pty = Pty::new();
    let probe = probing(sermux(), pty.path(), &["--json"]);
    pty.was_opened();
    drop(pty);
    let gone = probe.finish();
    assert_eq!((gone.code, gone.stderr.as_str()), (Some(1), "the device went away\n"));

    let pty = Pty::new();
    let probe = probing(sermux(), pty.path(), &["--json"]);
    pty.was_opened();
    pty.send(&telegram(1));
    pty.was_read();
    drop(pty);
    let gone = probe.finish();
    assert_eq!((gone.code, json(&gone)["cause"].as_str()), (Some(0), Some("p1")));
}

/// Telegrams come until the command has ended.
fn while_it_comes(daemon: &Daemon, pty: &Pty, arguments: &[&str], next: impl FnMut(u32) -> Vec<u8>) -> Finished {
    pty.send_while(Process::start(&mut daemon.command(arguments)), next)
}

fn served(pty: &Pty, keys: &[&str]) -> Daemon {
    let port = keys.iter().fold(PortYaml::new("meter", pty.path()), |port, key| port.key(key));
    let daemon = Daemon::start(port.listen(""));
    daemon.opened("meter", 1);
    daemon.log().wait_for("the control socket", |line| is_event(line, "control.listening"));
    daemon
}

#[test]
fn a_device_that_the_running_program_holds_is_asked_of_it() {
    let pty = Pty::new();
    let device = pty.path().to_str().unwrap();
    let daemon = served(&pty, &["profile: dsmr-p1"]);
    let reader = daemon.connect("meter");
    let probed = while_it_comes(&daemon, &pty, &["probe", device, "--json"], telegram);
    let said = json(&probed);
    assert_eq!(
        (probed.code, said["cause"].as_str(), said["held-by-port"].as_str()),
        (Some(0), Some("p1"), Some("meter"))
    );
    assert_eq!(said["meter"]["version"].as_str(), Some("DSMR 5.0"), "{said}");
    assert_eq!(said["settings"].as_str(), Some("115200 8N1"));
    // It went on all the time.
    assert!(reader.receive_once().starts_with(b"/XMX5"));

    let text = while_it_comes(&daemon, &pty, &["probe", device], telegram);
    assert_eq!(text.code, Some(0));
    assert!(text.stdout.contains("  held by    the running sermux, as port meter\n"), "{}", text.stdout);

    let bad = while_it_comes(&daemon, &pty, &["probe", device, "--time", "1"], telegram_with_wrong_crc);
    assert_eq!(bad.code, Some(1), "{}", bad.stdout);
    let others = format!("sermux pause meter; sermux probe {device}; sermux resume meter\n");
    assert!(bad.stdout.contains(&others), "{}", bad.stdout);
}

#[test]
fn of_a_port_that_is_quiet_now_earlier_telegrams_count_for_nothing() {
    let pty = Pty::new();
    let device = pty.path().to_str().unwrap();
    let daemon = served(&pty, &["profile: dsmr-p1", "expect: { frame: 1s }"]);
    pty.send(&telegram(1));
    pty.was_read();
    daemon.log().wait_for("it is quiet", |line| is_event(line, "line.quiet"));
    let probed = daemon.run(&["probe", device, "--time", "1"]);
    assert_eq!(probed.code, Some(1), "{}", probed.stdout);
    assert!(
        probed.stdout.contains("nothing is received") && probed.stdout.contains("as port meter"),
        "{}",
        probed.stdout
    );
}

#[test]
fn of_a_port_without_frames_bytes_are_enough() {
    let pty = Pty::new();
    let device = pty.path().to_str().unwrap();
    let daemon = served(&pty, &[]);
    let probed = while_it_comes(&daemon, &pty, &["probe", device, "--json", "--time", "1"], |_| vec![0xF3, 0x07, 0x99]);
    assert_eq!(probed.code, Some(0), "{}", probed.stdout);
    assert!(json(&probed)["bytes"].as_u64() > Some(0), "{}", probed.stdout);
    let silent = daemon.run(&["probe", device, "--time", "1"]);
    assert_eq!(silent.code, Some(1), "{}", silent.stdout);
}

#[test]
fn whoever_may_not_ask_the_running_program_is_told_that_it_may_have_the_device() {
    let pty = Pty::new();
    let daemon = served(&pty, &[]);
    let folder = TempDir::new().unwrap();
    // Who is not root is the owner of both here, and shuts himself out of the socket.
    let socket = daemon.control_socket();
    let mut command = if geteuid().is_root() {
        fs::set_permissions(pty.path(), fs::Permissions::from_mode(0o666)).unwrap();
        fs::set_permissions(socket.parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
        as_nobody(&folder)
    } else {
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o000)).unwrap();
        sermux()
    };
    let probed = Process::start(command.arg("--control").arg(&socket).arg("probe").arg(pty.path())).finish();
    assert_eq!((probed.code, probed.stdout.as_str()), (Some(1), ""));
    for part in
        ["busy", "perhaps the running sermux has it open, but it does not answer", "permission denied", "use sudo"]
    {
        assert!(probed.stderr.contains(part), "{part}: {}", probed.stderr);
    }
}

/// The same with even parity in the eighth bit, as seven bits look that are read as eight.
fn with_parity(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| if byte.count_ones() % 2 == 1 { byte | 0x80 } else { *byte }).collect()
}

#[test]
fn of_a_port_without_frames_or_clients_all_that_comes_is_judged() {
    let sim = Daemon::start(PortYaml::new("sim", "sim:dsmr-p1?inverted").key("line: 115200 8N1").listen(""));
    let inverted = sim.connect("sim").receive(1200);
    let nmea = b"$GPGLL,4916.45,N,12311.12,W,225444,A,*1D\r\n";
    let console = b"\r\nRaspbian GNU/Linux 12 meter ttyAMA0\r\n\r\nmeter login: ";
    for (line, bytes, code, cause, certainty) in [
        ("115200 8N1", &telegram(7)[..], 0, "p1", "certain"),
        ("9600 8N1", &with_parity(&telegram_without_crc(7)), 1, "seven-bit-parity", "certain"),
        ("115200 8N1", &inverted, 1, "inverted", "certain"),
        ("4800 8N1", nmea, 0, "nmea", "certain"),
        ("115200 8N1", console, 0, "console", "certain"),
    ] {
        let pty = Pty::new();
        let device = pty.path().to_str().unwrap();
        let daemon = served(&pty, &[&format!("line: {line}")]);
        let probed = while_it_comes(&daemon, &pty, &["probe", device, "--json"], |_| bytes.to_vec());
        let said = json(&probed);
        assert_eq!(
            (probed.code, said["cause"].as_str(), said["certainty"].as_str(), said["settings"].as_str()),
            (Some(code), Some(cause), Some(certainty), Some(line)),
            "{said}"
        );
        assert_eq!(said["held-by-port"].as_str(), Some("meter"), "{said}");
    }
}

#[test]
fn a_device_that_the_running_program_lets_go_of_meanwhile_is_said() {
    let pty = Pty::new();
    let daemon = served(&pty, &[]);
    let probe = Process::start(&mut daemon.command(&["probe", pty.path().to_str().unwrap()]));
    daemon.log().wait_for("it is followed", |line| {
        is_event(line, "control.requested") && field(line, "request") == Some("follow")
    });
    daemon.done(&["pause", "meter"]);
    let ended = probe.finish();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{}", ended.stderr);
    assert!(ended.stderr.contains("port meter has let go of the device"), "{}", ended.stderr);
}

#[test]
fn telegrams_without_a_crc_are_told() {
    let pty = Pty::new();
    let probe = probing(sermux(), pty.path(), &["--json", "--time", "3"]);
    pty.was_opened();
    pty.send(&telegram_without_crc(1));
    let finished = probe.finish();
    let said = json(&finished);
    assert_eq!((finished.code, said["per-second"].as_f64()), (Some(0), None), "one has no rate: {said}");
    assert_eq!(said["meter"]["crc-good"].as_u64(), Some(0));
}

/// What a probe that runs on a pty says, while this is sent each second.
fn probed(bytes: &[u8], more: &[&str]) -> Finished {
    let pty = Pty::new();
    let probe = probing(sermux(), pty.path(), more);
    pty.was_opened();
    pty.send_while(probe, |_| bytes.to_vec())
}

#[test]
fn telegrams_with_something_before_each_slash_are_telegrams() {
    for before in ["\0", "\u{7f}", " "] {
        let bytes = [before.as_bytes(), &telegram(1)].concat();
        let finished = probed(&bytes, &["--json"]);
        let said = json(&finished);
        assert_eq!((finished.code, said["cause"].as_str()), (Some(0), Some("p1")), "{said}");
        assert_eq!(said["meter"]["before-each"].as_str(), Some(&*format!("{:02X}", before.as_bytes()[0])), "{said}");
        assert_eq!(said["settings"].as_str(), Some("115200 8N1"), "{said}");
        assert!(said["tried"].as_array().unwrap().len() == 1, "it took longer than it needs: {said}");
    }
    let text = probed(&[b"\0", &telegram(1)[..]].concat(), &[]).stdout;
    assert!(text.contains("\n  before /   00 before each telegram"), "{text}");
}

#[test]
fn lines_of_a_meter_without_a_whole_telegram_are_named_and_no_good_data() {
    let whole = telegram(1);
    let finished = probed(&whole[..whole.len() - 40], &["--json", "--time", "30"]);
    let said = json(&finished);
    assert_eq!((finished.code, said["cause"].as_str()), (Some(1), Some("p1-fragments")), "{said}");
    assert!(said["what"].as_str().unwrap().contains("no whole P1 telegram"), "{said}");
    assert!(said["tried"].as_array().unwrap().len() <= 2, "it took longer than it needs: {said}");
}

#[test]
fn encrypted_telegrams_are_named_with_their_profile_and_where_the_key_comes_from() {
    for bytes in [encrypted(), [b"/SAG5SAG-METER\r\n\r\n", &encrypted()[20..]].concat()] {
        let finished = probed(&bytes, &[]);
        assert_eq!(finished.code, Some(0), "{}", finished.stdout);
        for part in ["encrypted P1 telegrams", "115200 8N1", "`profile: p1-luxembourg`", "grid operator"] {
            assert!(finished.stdout.contains(part), "{part}: {}", finished.stdout);
        }
    }
}

#[test]
fn where_telegrams_have_no_crc_none_is_counted_and_no_version_is_guessed() {
    let finished = probed(&telegram_without_crc(1), &[]);
    assert!(!finished.stdout.contains("0 good, 0 bad"), "{}", finished.stdout);
    assert!(finished.stdout.contains("CRC        the telegrams have no CRC"), "{}", finished.stdout);
}

#[test]
fn telegrams_that_had_waited_in_a_queue_do_not_count_for_the_rate() {
    let clock = Clock::start();
    let pty = Pty::new();
    pty.send(&(1..=5).flat_map(telegram).collect::<Vec<_>>());
    let probe = probing(sermux(), pty.path(), &["--json"]);
    pty.was_opened();
    pty.was_read();
    for number in 6..8 {
        clock.seconds(1);
        pty.send(&telegram(number));
    }
    let said = json(&probe.finish());
    let rate = said["per-second"].as_f64().unwrap();
    assert!(rate < 2.0, "a second was between those that came: {said}");
}
