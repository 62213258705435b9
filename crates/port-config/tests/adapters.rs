//! Faults of `usb` and `usb-serial`.
#![allow(clippy::unwrap_used, reason = "in a test it says where")]

#[path = "common/one.rs"]
mod one;

use one::one;

/// The port `p`, not enabled, with these keys from 1:15 on.
fn disabled(keys: &str) -> String {
    format!("ports: {{ p: {{ {keys}, enable: no }} }}")
}

#[test]
fn an_adapter_is_named_by_texts_in_quotes() {
    for (keys, message, help) in [
        ("usb: 0403:6001", "20: ports.p.usb: `0403:6001` is a number here, not a text", "`usb: \"0403:6001\"`"),
        ("usb: 4036001", "20: ports.p.usb: `4036001` is not vendor and product of a USB adapter", "\"0403:6001\""),
        ("usb: '0403'", "20: ports.p.usb: `0403` is not vendor and product of a USB adapter", "\"0403:6001\""),
        ("usb: 403:600g", "20: ports.p.usb: `403:600g` is not vendor and product of a USB adapter", "lsusb"),
        (
            "usb: '0403:6001,A1'",
            "20: ports.p.usb: `0403:6001,A1` is not vendor and product of a USB adapter",
            "`usb-serial`",
        ),
        (
            "usb: 10c4:ea60, usb-serial: 0001",
            "43: ports.p.usb-serial: `0001` is a number here, not a text",
            "`usb-serial: \"0001\"`",
        ),
        (
            "usb: 10c4:ea60, usb-serial: 12E45678",
            "43: ports.p.usb-serial: `12E45678` is a number here, not a text",
            "`usb-serial: \"12E45678\"`",
        ),
        (
            "usb: 10c4:ea60, usb-serial: '\u{feff}1'",
            "43: ports.p.usb-serial: the character U+FEFF cannot stand here",
            "remove",
        ),
        ("usb: 10c4:ea60, usb-serial: ''", "43: ports.p.usb-serial: `` is no serial number", "leave `usb-serial` out"),
        ("usb-serial: A1", "27: ports.p.usb-serial: `usb-serial` tells adapters apart that `usb` names", "add `usb: "),
        (
            "device: /nonexistent, usb: '0403:6001'",
            "42: ports.p.usb: a port has one device: `usb` stands instead of `device`",
            "remove one of the two",
        ),
    ] {
        one(&disabled(keys), &format!("1:{message}"), help);
    }
}
