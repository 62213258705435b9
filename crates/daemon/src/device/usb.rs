//! Finds a serial port of a USB adapter by the adapter's own description.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use sermux_port_config::config::Usb;

use super::tty::Tty;
use super::usb_port::UsbPort;
use super::{printable, OpenError, Root};

/// Adapters that are named in an error.
const NAMED: usize = 8;

/// The node of the one serial port that a configuration means.
///
/// # Errors
///
/// There is none: [`OpenError::NoAdapter`], with what there is instead. There are several: [`OpenError::Other`], with
/// what would tell them apart.
pub fn find(root: &Root, usb: &Usb) -> Result<PathBuf, OpenError> {
    let all = Tty::all(root).map_err(|error| OpenError::Other {
        path: usb.to_string().into(),
        what: format!("cannot be looked for in /sys/class/tty: {error}"),
    })?;
    let ports: Vec<(&Tty, &UsbPort)> = all.iter().filter_map(|tty| Some((tty, tty.usb.as_ref()?))).collect();
    let found: Vec<(&Tty, &UsbPort)> = ports.iter().filter(|(_, port)| matches(port, usb)).copied().collect();
    match found.as_slice() {
        [] => Err(OpenError::NoAdapter { usb: usb.clone(), hint: what_is_there(root, usb, &ports) }),
        [(tty, _)] => Ok(root.path(tty.path())),
        several => Err(OpenError::Other { path: usb.to_string().into(), what: how_to_choose(several) }),
    }
}

fn matches(port: &UsbPort, usb: &Usb) -> bool {
    (port.vendor, port.product) == (usb.vendor, usb.product) && (usb.serial.is_none() || usb.serial == port.serial)
}

fn what_is_there(root: &Root, usb: &Usb, ports: &[(&Tty, &UsbPort)]) -> String {
    if let Some(adapter) = without_port(root, usb) {
        return format!(
            "the adapter is plugged in (at {adapter}), but no driver made a serial port of it: `sudo dmesg` may say why"
        );
    }
    // By name, and each adapter once, whatever its number of ports: the same adapters always give the same text.
    let adapters: BTreeMap<&str, String> = ports.iter().map(|(_, port)| (port.adapter.as_str(), port.name())).collect();
    let mut names: Vec<String> = adapters.into_values().collect();
    names.sort();
    match names.len() {
        0 => "there is no USB serial port at all: plug it in".to_owned(),
        count if count > NAMED => {
            format!("there are {} and {} more", names[..NAMED].join(", "), count - NAMED)
        }
        1 => format!("there is {}", names.concat()),
        _ => format!("there are {}", names.join(", ")),
    }
}

/// Where the adapter is plugged in, though it has no serial port.
fn without_port(root: &Root, usb: &Usb) -> Option<String> {
    let entries = fs::read_dir(root.path("/sys/bus/usb/devices")).ok()?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let port = UsbPort::of(&fs::canonicalize(entry.path()).ok()?)?;
            let is_adapter = entry.file_name().to_str() == Some(port.adapter.as_str());
            (is_adapter && matches(&port, usb)).then_some(port.adapter)
        })
        .collect();
    names.sort();
    names.into_iter().next()
}

fn how_to_choose(found: &[(&Tty, &UsbPort)]) -> String {
    let mut adapters: BTreeMap<&str, (&UsbPort, Vec<String>)> = BTreeMap::new();
    for (tty, port) in found {
        adapters.entry(&port.adapter).or_insert_with(|| (port, Vec::new())).1.push(tty.path().display().to_string());
    }
    if let (1, Some((_, (_, nodes)))) = (adapters.len(), adapters.iter().next()) {
        return format!(
            "the adapter has {} serial ports ({}): write `device: /dev/serial/by-id/…` for one of them, or \
             /dev/serial/by-path/…; `sermux devices` shows these names",
            nodes.len(),
            nodes.join(", "),
        );
    }
    let mut serials: Vec<Option<&String>> = adapters.values().map(|(port, _)| port.serial.as_ref()).collect();
    serials.sort();
    serials.dedup();
    let help = if serials.len() == adapters.len() && serials.iter().all(Option::is_some) {
        "add `usb-serial` with one of these numbers"
    } else {
        "their serial numbers do not tell them apart: write `device: /dev/serial/by-path/…`, which names the socket \
         (`sermux devices` shows it)"
    };
    let list: Vec<String> = adapters
        .values()
        .map(|(port, nodes)| match &port.serial {
            Some(serial) => format!("{} (serial number {})", nodes.join(", "), printable(serial)),
            None => format!("{} (without serial number)", nodes.join(", ")),
        })
        .collect();
    format!("{} adapters match: {}: {help}", adapters.len(), list.join("; "))
}

#[cfg(test)]
mod tests {
    use super::super::tree::{debian_pc, raspberry_pi_4, Tree};
    use super::*;

    fn find_text(tree: &Tree, usb: &str) -> Result<String, String> {
        let sermux_port_config::config::Device::Usb(usb) = usb.parse().unwrap() else { panic!("{usb}") };
        match find(&tree.root(), &usb) {
            Ok(path) => Ok(format!("/{}", path.strip_prefix(tree.root().path("/")).unwrap().display())),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn an_adapter_is_found_by_its_numbers_wherever_it_is_plugged_in() {
        let pc = debian_pc();
        for (usb, path) in [
            ("usb:0403:6001", "/dev/ttyUSB0"),
            ("usb:0403:6001,A1B2C3D4", "/dev/ttyUSB0"),
            ("usb:10c4:ea60,0001", "/dev/ttyUSB1"),
            ("usb:1a86:7523", "/dev/ttyUSB2"),
            ("usb:2e8a:0005", "/dev/ttyACM0"),
        ] {
            assert_eq!(find_text(&pc, usb), Ok(path.to_owned()));
        }
    }

    #[test]
    fn what_is_not_there_is_said_with_what_is() {
        let pc = debian_pc();
        let there = "there are 0403:6001 (serial number A1B2C3D4), 10c4:ea60 (serial number 0001), \
                     12d1:1001 (without serial number), 1a86:7523 (without serial number), \
                     2e8a:0005 (serial number E6614C311B4C8A2F)";
        for usb in ["usb:067b:2303", "usb:0403:6001,a1b2c3d4", "usb:1a86:7523,0001"] {
            assert_eq!(find_text(&pc, usb), Err(format!("{usb}: not there (yet); {there}")));
        }
        let none = "usb:0403:6001: not there (yet); there is no USB serial port at all: plug it in";
        assert_eq!(find_text(&raspberry_pi_4(), "usb:0403:6001"), Err(none.to_owned()));
    }

    #[test]
    fn an_adapter_without_a_driver_is_told_from_one_that_is_not_plugged_in() {
        let pc = debian_pc();
        pc.usb_adapter("1-5", "1a86", "7522", &[("product", "USB Serial")]);
        let error = find_text(&pc, "usb:1a86:7522").unwrap_err();
        assert!(error.contains("plugged in (at 1-5), but no driver made a serial port of it"), "{error}");
    }

    #[test]
    fn adapters_of_one_kind_are_told_apart_by_their_serial_numbers() {
        let pc = debian_pc();
        pc.usb_adapter("1-6", "0403", "6001", &[("serial", "B2")]);
        pc.usb_serial("1-6", 0, "ttyUSB4", "ftdi_sio");
        assert_eq!(
            find_text(&pc, "usb:0403:6001"),
            Err("usb:0403:6001: 2 adapters match: /dev/ttyUSB0 (serial number A1B2C3D4); /dev/ttyUSB4 (serial number \
                 B2): add `usb-serial` with one of these numbers"
                .to_owned())
        );
        assert_eq!(find_text(&pc, "usb:0403:6001,B2"), Ok("/dev/ttyUSB4".to_owned()));
    }

    #[test]
    fn adapters_without_numbers_or_with_the_same_are_told_apart_by_their_sockets() {
        let pc = debian_pc();
        pc.usb_adapter("1-6", "1a86", "7523", &[]);
        pc.usb_serial("1-6", 0, "ttyUSB4", "ch341-uart");
        let error = find_text(&pc, "usb:1a86:7523").unwrap_err();
        assert!(
            error.contains("/dev/ttyUSB2 (without serial number); /dev/ttyUSB4 (without serial number)"),
            "{error}"
        );
        assert!(error.contains("/dev/serial/by-path/"), "{error}");

        pc.usb_adapter("1-7", "10c4", "ea60", &[("serial", "0001")]);
        pc.usb_serial("1-7", 0, "ttyUSB5", "cp210x");
        for usb in ["usb:10c4:ea60", "usb:10c4:ea60,0001"] {
            let error = find_text(&pc, usb).unwrap_err();
            assert!(error.contains("2 adapters match") && error.contains("/dev/serial/by-path/"), "{error}");
        }
    }

    #[test]
    fn one_of_several_ports_of_an_adapter_has_no_name_but_its_own() {
        let pc = debian_pc();
        pc.usb_adapter("1-6", "0403", "6011", &[("serial", "FT4")]);
        for (interface, name) in ["ttyUSB4", "ttyUSB5", "ttyUSB6", "ttyUSB7"].into_iter().enumerate() {
            pc.usb_serial("1-6", interface, name, "ftdi_sio");
        }
        let error = find_text(&pc, "usb:0403:6011,FT4").unwrap_err();
        let start = "usb:0403:6011,FT4: the adapter has 4 serial ports (/dev/ttyUSB4, /dev/ttyUSB5, /dev/ttyUSB6, \
                     /dev/ttyUSB7): write `device: /dev/serial/by-id/…`";
        assert!(error.starts_with(start), "{error}");
    }

    #[test]
    fn what_an_adapter_calls_itself_cannot_steer_a_terminal() {
        let pc = debian_pc();
        pc.usb_adapter("1-6", "0403", "6015", &[("serial", "\u{1b}[2J"), ("product", "evil\u{202e}\u{7}")]);
        pc.usb_serial("1-6", 0, "ttyUSB4", "ftdi_sio");
        let error = find_text(&pc, "usb:067b:2303").unwrap_err();
        assert!(error.contains("0403:6015 (serial number \u{fffd}[2J)"), "{error}");
        assert_eq!(Tty::named(&pc.root(), "ttyUSB4").unwrap().description(), "evil\u{fffd}\u{fffd}");
    }
}
