//! `capture`: what passes is in a file, whichever clients are connected, and whatever happens to the disk.

use std::fs;
use std::path::Path;

use nix::sys::signal::Signal;

use crate::rig::{eventually, is_event, noise, run, Client, Daemon, PortYaml, Pty};

/// A port whose capture goes into this folder.
fn port(pty: &Pty, folder: &Path, keys: &str) -> PortYaml {
    let file = folder.join("p.log");
    PortYaml::new("p", pty.path())
        .key(&format!("capture: {{ file: {}, {keys} }}", file.display()))
        .listen("half-close: 0s")
}

fn text(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap_or_default()
}

/// Waits until the capture has a line that is like this.
#[track_caller]
fn captured(folder: &Path, what: &str) {
    eventually(what, || text(folder, "p.log").contains(what));
}

fn read_again(daemon: &Daemon, n: usize) {
    daemon.log().wait_for_nth(n, "the reload", |line| is_event(line, "config.reloaded"));
}

/// The bytes of one direction in a capture of JSON.
fn bytes_of(text: &str, direction: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in text.lines() {
        let object: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        if object["direction"] == direction {
            assert_eq!(object["offset"], bytes.len(), "{line}");
            let hex = object["hex"].as_str().unwrap().as_bytes();
            let digits = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
            bytes.extend(hex.chunks(2).map(digits));
        }
    }
    bytes
}

#[test]
fn text_is_captured_with_nobody_there_and_clients_and_settings_have_lines_of_their_own() {
    let (pty, folder) = (Pty::new(), tempfile::tempdir().unwrap());
    let mut daemon = Daemon::start(port(&pty, folder.path(), ""));
    daemon.opened("p", 1);
    pty.send(b"U-Boot 2025.01\r\nlogin: ");
    captured(folder.path(), " rx U-Boot 2025.01\n");
    // There is no more of the line for a second.
    captured(folder.path(), " rx login: \\\n");
    let client = daemon.connect("p");
    client.send(b"root\r");
    captured(folder.path(), " tx root\n");
    daemon.done(&["set", "p", "115200 8N1"]);
    captured(folder.path(), " -- line set to 115200 8N1\n");
    let address = client.again();
    drop((client, address));
    captured(folder.path(), "disconnected");
    let written = text(folder.path(), "p.log");
    let first = written.lines().next().unwrap();
    assert!(first.ends_with(" -- capture of port p begins"), "{first}");
    let stamp = first.split(' ').next().unwrap();
    assert!(stamp.len() == "2026-01-31T07:05:09.000123Z".len() && stamp.ends_with('Z'), "{stamp}");
    for what in [" opened at 9600 8N1\n", " -- client 127.0.0.1:", " connected\n"] {
        assert!(written.contains(what), "{what}: {written}");
    }
    let shown = daemon.done(&["status", "p"]);
    assert!(shown.contains("capture") && shown.contains("last byte "), "{shown}");
    daemon.process.signal(Signal::SIGTERM);
    let finished = daemon.finish();
    assert_eq!(finished.code, Some(0));
    assert!(text(folder.path(), "p.log").ends_with(" -- capture ends\n"));
}

#[test]
fn json_has_every_byte_of_both_directions_also_when_the_program_ends() {
    let (pty, folder) = (Pty::new(), tempfile::tempdir().unwrap());
    let mut daemon = Daemon::start(port(&pty, folder.path(), "format: json, timestamp: no"));
    daemon.opened("p", 1);
    let client = daemon.connect("p");
    let (rx, tx) = (noise(1, 300_000), noise(2, 50_000));
    std::thread::scope(|scope| {
        scope.spawn(|| pty.send(&rx));
        scope.spawn(|| client.send(&tx));
        scope.spawn(|| client.receive(rx.len()));
        assert!(pty.receive(tx.len()) == tx);
    });
    daemon.process.signal(Signal::SIGTERM);
    assert_eq!(daemon.finish().code, Some(0));
    let written = text(folder.path(), "p.log");
    assert!(bytes_of(&written, "rx") == rx && bytes_of(&written, "tx") == tx);
    assert!(written.contains("\"event\":\"client-connected\"") && written.contains("\"event\":\"capture-ended\""));
}

#[test]
fn one_direction_in_numbers_is_that_direction_alone() {
    let (pty, folder) = (Pty::new(), tempfile::tempdir().unwrap());
    let daemon = Daemon::start(port(&pty, folder.path(), "format: hex, direction: tx, timestamp: no"));
    daemon.opened("p", 1);
    let client = daemon.connect("p");
    pty.send(b"not this");
    assert_eq!(client.receive(8), b"not this");
    client.send(b"AT+GMR\r\n");
    captured(folder.path(), "tx 00000000  41 54 2b 47 4d 52 0d 0a                           |AT+GMR..|\n");
    assert!(!text(folder.path(), "p.log").contains("rx "));
}

#[test]
fn a_reload_opens_a_renamed_file_again_and_changes_the_rest() {
    let (pty, folder) = (Pty::new(), tempfile::tempdir().unwrap());
    let mut daemon = Daemon::start(port(&pty, folder.path(), "timestamp: no"));
    daemon.opened("p", 1);
    pty.send(b"before\n");
    captured(folder.path(), "rx before\n");
    // As logrotate does it.
    fs::rename(folder.path().join("p.log"), folder.path().join("rotated")).unwrap();
    daemon.reload(port(&pty, folder.path(), "timestamp: no"));
    read_again(&daemon, 1);
    pty.send(b"after\n");
    captured(folder.path(), "rx after\n");
    assert!(!text(folder.path(), "rotated").contains("after"));
    daemon.reload(port(&pty, folder.path(), "timestamp: no, format: hex"));
    read_again(&daemon, 2);
    pty.send(b"x");
    captured(folder.path(), "|x|\n");
    daemon.reload(PortYaml::new("p", pty.path()).key("capture: off").listen(""));
    captured(folder.path(), "-- capture ends\n");
    daemon.reload(port(&pty, folder.path(), "timestamp: no, format: hex"));
    read_again(&daemon, 4);
    pty.send(b"y");
    // Counted from when the port was started.
    captured(folder.path(), "rx 0000000e  79 ");
}

#[test]
fn files_are_turned_over_by_size_and_so_many_are_kept() {
    let (pty, folder) = (Pty::new(), tempfile::tempdir().unwrap());
    let daemon = Daemon::start(port(&pty, folder.path(), "timestamp: no, max-size: 4 KiB, keep: 2"));
    daemon.opened("p", 1);
    let lines: String = (0..2000).map(|n| format!("line {n:04}\n")).collect();
    pty.send(lines.as_bytes());
    captured(folder.path(), "rx line 1999\n");
    drop(daemon);
    let names = ["p.log.2", "p.log.1", "p.log"];
    let files: Vec<String> = names.iter().map(|name| text(folder.path(), name)).collect();
    assert!(files.iter().all(|file| !file.is_empty() && file.len() <= 4096), "{files:?}");
    assert!(!folder.path().join("p.log.3").exists());
    let numbers: Vec<usize> =
        files.concat().lines().filter_map(|line| line.strip_prefix("rx line ")?.parse().ok()).collect();
    assert!(numbers.len() > 300 && numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
}

#[test]
fn a_full_disk_is_said_once_and_holds_up_nobody() {
    if !nix::unistd::Uid::effective().is_root() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "a small disk takes root");
        eprintln!("skipped: a small disk takes root");
        return;
    }
    let (pty, disk) = (Pty::new(), tempfile::tempdir().unwrap());
    // A disk that is full from the beginning, which nobody else sees.
    let mount = "mount -t tmpfs -o size=4k full \"$0\" && head -c 4096 /dev/zero > \"$0/rest\" && exec \"$@\"";
    let mut command = std::process::Command::new("unshare");
    command.args(["--mount", "sh", "-ec", mount]).arg(disk.path()).arg(env!("CARGO_BIN_EXE_sermux"));
    let daemon = Daemon::start_as(port(&pty, disk.path(), ""), command);
    daemon.opened("p", 1);
    let client = daemon.connect("p");
    let sent = noise(3, 500_000);
    std::thread::scope(|scope| {
        scope.spawn(|| pty.send(&sent));
        assert!(client.receive(sent.len()) == sent);
    });
    let is_fault = |line: &str| is_event(line, "capture.failed") && line.contains("No space left");
    daemon.log().wait_for("the fault", is_fault);
    let json =
        || -> serde_json::Value { serde_json::from_str(&daemon.run(&["status", "p", "--json"]).stdout).unwrap() };
    let lost = |value: &serde_json::Value| value["capture"]["lost-bytes"].as_u64();
    eventually("every byte is counted", || lost(&json()) == Some(sent.len() as u64));
    let status = json();
    assert_eq!(status["well"], false, "{status}");
    assert!(status["capture"]["fault"].as_str().unwrap().contains("No space left"), "{status}");
    assert_eq!(daemon.run(&["status", "p"]).code, Some(1));
    assert_eq!(daemon.log().count(is_fault), 1);
}

#[test]
fn a_folder_that_is_not_there_is_said_with_what_to_do_and_found_when_it_is() {
    let (pty, folder) = (Pty::new(), tempfile::tempdir().unwrap());
    let later = folder.path().join("later");
    let mut daemon = Daemon::start(port(&pty, &later, "timestamp: no"));
    daemon.opened("p", 1);
    let line = daemon.log().wait_for("the fault", |line| is_event(line, "capture.failed"));
    assert!(line.contains("make the folder") && line.contains("port=p"), "{line}");
    let client: Client = daemon.connect("p");
    pty.send(b"lost\n");
    assert_eq!(client.receive(5), b"lost\n");
    let json =
        || -> serde_json::Value { serde_json::from_str(&daemon.run(&["status", "p", "--json"]).stdout).unwrap() };
    eventually("the bytes are lost", || json()["capture"]["lost-bytes"] == 5);
    fs::create_dir(&later).unwrap();
    daemon.reload(port(&pty, &later, "timestamp: no"));
    daemon.log().wait_for("it is well again", |line| is_event(line, "capture.resumed"));
    pty.send(b"kept\n");
    captured(&later, "rx kept\n");
    let written = text(&later, "p.log");
    assert!(written.contains("-- 5 bytes are missing here"), "{written}");
    eventually("the port is well", || daemon.run(&["status", "p"]).code == Some(0));
}

#[test]
fn two_captures_in_one_file_are_a_fault_of_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.yaml");
    let port = |name: &str, tcp: u16| {
        format!(
            "  {name}:\n    device: sim:echo\n    capture: {{ file: /tmp/x }}\n    listen: [{{ protocol: raw, address: {tcp} }}]\n"
        )
    };
    fs::write(&file, format!("ports:\n{}{}", port("a", 4001), port("b", 4002))).unwrap();
    let checked = run(&["check".as_ref(), file.as_os_str()]);
    assert_eq!(checked.code, Some(78));
    assert!(checked.stderr.contains("the capture of the port `a` has this file: /tmp/x"), "{}", checked.stderr);
}

#[test]
fn no_file_is_larger_than_its_limit_in_any_format() {
    for format in ["text", "hex", "json"] {
        let (pty, folder) = (Pty::new(), tempfile::TempDir::new().unwrap());
        let daemon =
            Daemon::start(port(&pty, folder.path(), &format!("format: {format}, max-size: 4 KiB, keep: 1000")));
        daemon.opened("p", 1);
        let client = daemon.connect("p");
        let bytes = noise(5, 30_000);
        pty.send(&bytes);
        assert_eq!(client.receive(bytes.len()), bytes);
        drop(daemon);
        let files = fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap());
        let sizes: Vec<u64> = files.map(|file| file.metadata().unwrap().len()).collect();
        assert!(sizes.len() > 4 && sizes.iter().all(|size| *size <= 4096), "{format}: {sizes:?}");
    }
}

#[test]
fn what_turns_the_direction_of_writing_round_is_escaped() {
    let (pty, folder) = (Pty::new(), tempfile::TempDir::new().unwrap());
    let daemon = Daemon::start(port(&pty, folder.path(), "timestamp: false"));
    daemon.opened("p", 1);
    pty.send("a\u{202e}b\u{2066}c\u{200f}d\u{61c}e \u{e9}\n".as_bytes());
    captured(folder.path(), "rx a\\xe2\\x80\\xaeb\\xe2\\x81\\xa6c\\xe2\\x80\\x8fd\\xd8\\x9ce \u{e9}\n");
}

#[test]
fn a_link_is_not_followed() {
    let (pty, folder) = (Pty::new(), tempfile::tempdir().unwrap());
    let secret = folder.path().join("secret");
    fs::write(&secret, "mine").unwrap();
    let file = folder.path().join("p.log");
    std::os::unix::fs::symlink(&secret, &file).unwrap();
    let mut daemon = Daemon::start(port(&pty, folder.path(), "timestamp: no"));
    daemon.opened("p", 1);
    let said = daemon.log().wait_for("the fault", |line| is_event(line, "capture.failed"));
    assert!(said.contains("it is a link, which is not followed"), "{said}");
    pty.send(b"lost\n");
    fs::remove_file(&file).unwrap();
    fs::hard_link(&secret, &file).unwrap();
    daemon.process.signal(Signal::SIGHUP);
    let said = daemon.log().wait_for_nth(2, "the other fault", |line| is_event(line, "capture.failed"));
    assert!(said.contains("the file has another name as well"), "{said}");
    fs::remove_file(&file).unwrap();
    daemon.process.signal(Signal::SIGHUP);
    daemon.log().wait_for("it is well again", |line| is_event(line, "capture.resumed"));
    pty.send(b"kept\n");
    captured(folder.path(), "rx kept\n");
    assert_eq!(fs::read_to_string(&secret).unwrap(), "mine");
}

#[test]
fn a_capture_on_a_device_or_on_the_configuration_is_a_fault() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.yaml");
    let check = |capture: &str| {
        let listen = "listen: [{ protocol: raw, address: 0 }]";
        let text = format!("ports:\n  p: {{ device: sim:echo, capture: {{ file: '{capture}' }}, {listen} }}\n");
        fs::write(&file, text).unwrap();
        run(&["check".as_ref(), file.as_os_str()])
    };
    let on_device = check("/dev/null");
    assert_eq!(on_device.code, Some(78));
    assert!(on_device.stderr.contains("/dev/null is a device"), "{}", on_device.stderr);
    let on_itself = check(&format!("{}/y/../x.yaml", folder.path().display()));
    assert_eq!(on_itself.code, Some(78));
    assert!(on_itself.stderr.contains("would overwrite the configuration"), "{}", on_itself.stderr);
}

#[test]
fn a_raw_capture_has_the_bytes_of_its_direction_and_nothing_else() {
    let (pty, folder) = (Pty::new(), tempfile::tempdir().unwrap());
    let mut daemon = Daemon::start(port(&pty, folder.path(), "format: raw, direction: rx"));
    daemon.opened("p", 1);
    let client = daemon.connect("p");
    let bytes = noise(7, 20_000);
    std::thread::scope(|scope| {
        scope.spawn(|| pty.send(&bytes));
        assert_eq!(client.receive(bytes.len()), bytes);
    });
    client.send(b"to the device");
    assert_eq!(pty.receive(13), b"to the device");
    let file = folder.path().join("p.log");
    eventually("all of it is in the file", || fs::metadata(&file).is_ok_and(|file| file.len() >= 20_000));
    // Half a line is not held back.
    pty.send(b"login: ");
    eventually("the rest is in the file", || fs::metadata(&file).is_ok_and(|file| file.len() >= 20_007));
    daemon.process.signal(Signal::SIGTERM);
    assert_eq!(daemon.finish().code, Some(0));
    assert_eq!(fs::read(&file).unwrap(), [&bytes[..], b"login: "].concat());
}
