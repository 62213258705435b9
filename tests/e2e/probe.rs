//! `sermux probe`: what a device sends is named, and what cannot be opened is said.

use crate::rig::run;

#[test]
fn an_inverted_meter_is_named_for_programs() {
    let probed = run(&["--control", "/nonexistent", "probe", "sim:dsmr-p1?inverted", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&probed.stdout).unwrap();
    assert_eq!(
        (probed.code, json["cause"].as_str(), json["certainty"].as_str()),
        (Some(1), Some("inverted"), Some("certain"))
    );
}

#[test]
fn what_is_no_serial_port_is_said() {
    let probed = run(&["--control", "/nonexistent", "probe", "/dev/null"]);
    assert!(probed.code == Some(1) && probed.stderr.contains("not a serial port"), "{}", probed.stderr);
}
