//! `sermux doctor` on captured trees, as its user sees it.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::rig::run;

/// A Raspberry Pi 4 with Bluetooth off its PL011.
fn pi() -> TempDir {
    let root = TempDir::new().unwrap();
    for (file, text) in [
        ("proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0"),
        ("boot/firmware/config.txt", "[all]\nenable_uart=1\ndtoverlay=disable-bt\n"),
        ("boot/firmware/cmdline.txt", "console=tty1 root=PARTUUID=1-02\n"),
        ("etc/group", "dialout:x:20:sermux\n"),
        ("etc/passwd", "sermux:x:990:990::/:/sbin/nologin\n"),
        ("dev/ttyAMA0", ""),
        (
            "etc/sermux/sermux.yaml",
            "ports:\n  p1:\n    device: /dev/ttyAMA0\n    profile: dsmr-p1\n    listen:\n      - { protocol: raw, address: \"*:9000\" }\n",
        ),
    ] {
        write(root.path(), file, text);
    }
    root
}

fn write(root: &Path, file: &str, text: &str) {
    let path = root.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn doctor(root: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut all = vec!["doctor", "--root", root.to_str().unwrap()];
    all.extend(arguments);
    let finished = run(&all);
    assert_eq!(finished.stderr, "");
    (finished.code, finished.stdout)
}

#[test]
fn a_good_machine_gets_no_complaint_and_a_bad_one_the_line_to_change() {
    let pi = pi();
    let (code, text) = doctor(pi.path(), &[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.ends_with("no problems found\n") && text.contains("the header is /dev/ttyAMA0"), "{text}");

    write(pi.path(), "boot/firmware/cmdline.txt", "console=serial0,115200 console=tty1 root=x\n");
    let (code, text) = doctor(pi.path(), &[]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.starts_with("bad: /dev/ttyAMA0: the kernel writes its messages to the device"), "{text}");
    assert!(text.contains("  in /boot/firmware/cmdline.txt:1\n"), "{text}");
    assert!(text.contains("so that line 1 is: console=tty1 root=x\n"), "{text}");
    assert!(text.ends_with("\n1 problem\n"), "{text}");
}

#[test]
fn programs_get_the_same_as_json_and_a_device_may_be_named() {
    let pi = pi();
    let (code, text) = doctor(pi.path(), &["--json", "ttyUSB0"]);
    assert_eq!(code, Some(1));
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["well"], false);
    let finding = &json["findings"][0];
    assert_eq!((&finding["severity"], &finding["line"]), (&Value::from("bad"), &Value::Null));
    assert_eq!(finding["what"], "/dev/ttyUSB0: there is no such device");
    assert!(finding["to-do"].is_array());
}

#[test]
fn a_configuration_with_faults_is_a_finding() {
    let pi = pi();
    write(pi.path(), "etc/sermux/sermux.yaml", "ports:\n  p1:\n    devise: /dev/ttyAMA0\n");
    let (code, text) = doctor(pi.path(), &[]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.starts_with("bad: the configuration has faults") && text.contains("sermux check"), "{text}");
}
