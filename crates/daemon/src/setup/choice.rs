//! Chooses the devices that the meter may be on, without opening them.

use std::path::Path;

use crate::device::inventory::Inventory;
use crate::device::Root;
use crate::doctor::Machine;

/// A device that the meter may be on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// What would stand in the configuration.
    pub(crate) device: String,
    /// Where it is, in words.
    pub(crate) what: String,
    /// Whether it is a cable: somebody plugged that in for something.
    pub(crate) is_cable: bool,
}

/// What there is: USB adapters by their lasting names, then the UART on the pins of a Raspberry Pi.
pub(crate) fn candidates(root: &Root, machine: &Machine<'_>) -> Vec<Candidate> {
    let inventory = Inventory::of(root).map(|inventory| inventory.entries).unwrap_or_default();
    let cables = inventory.iter().filter(|entry| entry.tty.usb.is_some()).map(|entry| {
        let lasting = entry.links.iter().find(|link| link.starts_with("/dev/serial/by-id"));
        let device = lasting.or(entry.links.first()).cloned().unwrap_or_else(|| entry.tty.path());
        Candidate { device: device.display().to_string(), what: entry.tty.description(), is_cable: true }
    });
    let pins = machine.on_pins().filter(|pins| root.path(Path::new(pins)).exists()).map(|pins| Candidate {
        device: pins.to_owned(),
        what: "the UART on the pins of this Raspberry Pi".to_owned(),
        is_cable: false,
    });
    cables.chain(pins).collect()
}

/// The one to take: the only cable, else the pins. `None`: there is none, or nobody can tell which.
pub(crate) fn choose(candidates: &[Candidate]) -> Option<&Candidate> {
    let mut cables = candidates.iter().filter(|candidate| candidate.is_cable);
    match (cables.next(), cables.next()) {
        (Some(cable), None) => Some(cable),
        (None, _) => candidates.first(),
        (Some(_), Some(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::tree::{debian_pc, raspberry_pi_4};

    fn found(root: &Root) -> Vec<Candidate> {
        candidates(root, &Machine::of(root))
    }

    #[test]
    fn the_only_cable_is_taken_else_the_pins_and_of_several_cables_none() {
        let pi = raspberry_pi_4();
        pi.file("/proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4");
        assert_eq!(choose(&found(&pi.root())).unwrap().device, "/dev/ttyS0");
        pi.usb_adapter("1-1", "0403", "6001", &[("product", "P1 cable")]);
        pi.usb_serial("1-1", 0, "ttyUSB0", "ftdi_sio");
        pi.by_id("usb-FTDI_P1_cable_A1-if00-port0", "ttyUSB0");
        let both = found(&pi.root());
        assert_eq!(
            (both.len(), &*choose(&both).unwrap().device),
            (2, "/dev/serial/by-id/usb-FTDI_P1_cable_A1-if00-port0")
        );
        let several = found(&debian_pc().root());
        assert!(several.len() > 2);
        assert_eq!(choose(&several), None);
        assert_eq!(choose(&[]), None);
    }
}
