//! Which Raspberry Pi it is, and what that means for the UART on pins 8 and 10 of its header.

use super::read;
use crate::device::Root;

/// A Raspberry Pi.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Board {
    /// As the firmware calls it.
    pub(crate) model: String,
    /// What its header is wired to.
    pub(crate) family: Family,
    /// Its serial number, where the kernel tells it.
    pub(super) serial: Option<u64>,
    /// The number of its type, out of its revision code.
    pub(super) kind: Option<u32>,
}

/// Boards with the same wiring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// 1, 2, Zero: the PL011 is on the pins.
    Plain,
    /// 3, 4, Zero W, Zero 2 W: the PL011 is Bluetooth's, and the mini UART is on the pins.
    Bluetooth,
    /// 5: UARTs of its own in the RP1, and a debug connector beside the header.
    Five,
}

impl Board {
    /// The machine's; `None`: it is no Raspberry Pi.
    pub(super) fn of(root: &Root) -> Option<Self> {
        let places = ["/proc/device-tree/model", "/sys/firmware/devicetree/base/model"];
        let model = places.into_iter().find_map(|place| read::text(root, place))?;
        let model = read::shown(model.trim_matches(|c: char| c == '\0' || c.is_whitespace()));
        let kind = model.strip_prefix("Raspberry Pi ")?;
        let cpuinfo = read::text(root, "/proc/cpuinfo").unwrap_or_default();
        let number = |key: &str| {
            let lines = cpuinfo.lines().filter_map(|line| line.split_once(':'));
            let mut values = lines.filter(|(known, _)| known.trim() == key).map(|(_, value)| value.trim());
            values.find_map(|value| u64::from_str_radix(value, 16).ok())
        };
        let serial = read::text(root, "/proc/device-tree/serial-number");
        let serial =
            serial.and_then(|text| u64::from_str_radix(text.trim_matches(|c: char| !c.is_alphanumeric()), 16).ok());
        Some(Self {
            family: family(kind),
            serial: serial.or_else(|| number("Serial")),
            kind: number("Revision").and_then(|code| u32::try_from(code).ok()).and_then(board_type),
            model,
        })
    }

    /// Whether lines below `[filter]` of config.txt are for it; `None` where no such model is known.
    pub(super) fn matches(&self, filter: &str) -> Option<bool> {
        let kind = self.model.strip_prefix("Raspberry Pi ").unwrap_or_default();
        let begins = |names: &[&str]| names.iter().any(|name| kind.starts_with(name));
        Some(match filter {
            "none" => false,
            "pi0" => begins(&["Zero"]),
            "pi0w" => begins(&["Zero W", "Zero 2"]),
            "pi02" => begins(&["Zero 2"]),
            "pi1" => begins(&["Model", "Compute Module Rev"]),
            "pi2" => begins(&["2 "]),
            "pi3" => begins(&["3 ", "Compute Module 3"]),
            "pi3+" => begins(&["3 Model A Plus", "3 Model B Plus", "Compute Module 3 Plus"]),
            "pi4" => begins(&["4 ", "400", "Compute Module 4"]),
            "pi400" => begins(&["400"]),
            "cm4" => begins(&["Compute Module 4"]) && !begins(&["Compute Module 4S"]),
            "cm4s" => begins(&["Compute Module 4S"]),
            "pi5" => begins(&["5 ", "500", "Compute Module 5"]),
            "pi500" => begins(&["500"]),
            "cm5" => begins(&["Compute Module 5"]),
            _ => return None,
        })
    }
}

/// Bits 4 to 11 of a revision code of the new style (documentation of Raspberry Pi, "Revision codes").
fn board_type(revision: u32) -> Option<u32> {
    let is_new = revision >> 23 & 1 == 1;
    is_new.then_some(revision >> 4 & 0xFF)
}

fn family(kind: &str) -> Family {
    let begins = |names: &[&str]| names.iter().any(|name| kind.starts_with(name));
    if begins(&["5 ", "500", "Compute Module 5"]) {
        Family::Five
    } else if begins(&["Compute Module 4S"]) {
        Family::Plain
    } else if begins(&["3 ", "4 ", "400", "Compute Module 4", "Zero W", "Zero 2"]) {
        Family::Bluetooth
    } else {
        Family::Plain
    }
}
