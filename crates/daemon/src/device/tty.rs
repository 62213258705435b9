//! The serial ports of this machine, as /sys/class/tty describes them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::usb_port::UsbPort;
use super::{link_name, text, Root};

/// Where the kernel lists its ttys.
const CLASS: &str = "/sys/class/tty";

/// A serial port: a UART, or a port of a USB adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tty {
    /// The kernel's name, and that of its node in /dev: `ttyUSB0`.
    pub name: String,
    /// The driver, such as `ftdi_sio`; `None` for what has no hardware of its own.
    pub driver: Option<String>,
    /// Where the hardware sits, as its bus names it: `1-1.2:1.0` on USB, `fe201000.serial`, `00:05`.
    pub location: Option<String>,
    /// What the adapter says of itself.
    pub usb: Option<UsbPort>,
    /// The kernel's number for the kind of UART (PORT_… of linux/serial_core.h).
    uart: Option<u32>,
}

impl Tty {
    /// All of them, `ttyUSB2` before `ttyUSB10`. No list at all is an empty one: a kernel without ttys.
    pub fn all(root: &Root) -> io::Result<Vec<Tty>> {
        let entries = match fs::read_dir(root.path(CLASS)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut ttys: Vec<Tty> = names.filter_map(|name| Tty::named(root, &name)).collect();
        ttys.sort_by(|a, b| sort_key(&a.name).cmp(&sort_key(&b.name)));
        Ok(ttys)
    }

    /// The one of that name; `None` for virtual consoles and ptys, and for a ttyS without hardware behind it.
    pub fn named(root: &Root, name: &str) -> Option<Tty> {
        let class = root.path(CLASS).join(name);
        let uart = text(&class.join("type")).and_then(|number| number.parse().ok());
        // PORT_UNKNOWN: an 8250 that was reserved, and found nothing (CONFIG_SERIAL_8250_NR_UARTS).
        if uart == Some(0) {
            return None;
        }
        let Ok(device) = fs::canonicalize(class.join("device")) else {
            let is_serial = name.starts_with("ttyGS") || name.starts_with("rfcomm");
            return (is_serial && class.exists()).then(|| Tty {
                name: name.to_owned(),
                driver: None,
                location: None,
                usb: None,
                uart: None,
            });
        };
        let hardware = hardware_of(&device);
        let bus = link_name(&hardware.join("subsystem"));
        let usb = match bus.as_deref() {
            Some("usb" | "usb-serial") => UsbPort::of(hardware),
            _ => None,
        };
        let location = match &usb {
            Some(usb) => Some(usb.location.clone()),
            None => hardware.file_name().map(|name| name.to_string_lossy().into_owned()),
        };
        Some(Tty { name: name.to_owned(), driver: link_name(&hardware.join("driver")), location, usb, uart })
    }

    /// Its node.
    pub fn path(&self) -> PathBuf {
        Path::new("/dev").join(&self.name)
    }

    /// What it is, for a person: `FTDI FT232R USB UART`, `PL011 UART`.
    pub fn description(&self) -> String {
        if let Some(usb) = &self.usb {
            return usb.description();
        }
        match self.driver.as_deref() {
            Some("uart-pl011" | "sbsa-uart") => "PL011 UART".to_owned(),
            Some("bcm2835-aux-uart") => "mini UART".to_owned(),
            _ if self.name.starts_with("ttyGS") => "USB gadget, this machine being the adapter".to_owned(),
            _ if self.name.starts_with("rfcomm") => "Bluetooth serial port".to_owned(),
            _ => match self.uart.and_then(uart_name) {
                Some(name) => format!("{name} UART"),
                None => "UART".to_owned(),
            },
        }
    }
}

/// Since 6.5 a UART's tty sits on two devices that only manage it (drivers/tty/serial/serial_base_bus.c); below them is
/// the hardware.
fn hardware_of(device: &Path) -> &Path {
    let managed = |device: &&Path| link_name(&device.join("subsystem")).as_deref() == Some("serial-base");
    device.ancestors().find(|device| !managed(device)).unwrap_or(device)
}

/// Letters, then the number.
fn sort_key(name: &str) -> (&str, u64, &str) {
    let letters = name.trim_end_matches(|c: char| c.is_ascii_digit());
    (letters, name[letters.len()..].parse().unwrap_or(0), name)
}

/// Those that are met (linux/serial_core.h; names as in drivers/tty/serial/8250/8250_port.c).
fn uart_name(number: u32) -> Option<&'static str> {
    Some(match number {
        1 => "8250",
        2 => "16450",
        3 => "16550",
        4 => "16550A",
        6 => "16650",
        7 => "16650V2",
        8 => "16750",
        10 => "16C950",
        11 => "16654",
        12 => "16850",
        14 => "NS16550A",
        15 => "XScale",
        19 => "AR7",
        22 => "Tegra",
        24 => "XR17D15x",
        32 => "PL011",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tree::{debian_pc, raspberry_pi_4};
    use super::*;

    fn described(root: &Root) -> Vec<(String, String, String, String)> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let ttys = Tty::all(root).unwrap();
        ttys.iter().map(|tty| (tty.name.clone(), tty.description(), text(&tty.driver), text(&tty.location))).collect()
    }

    fn row(name: &str, description: &str, driver: &str, location: &str) -> (String, String, String, String) {
        (name.to_owned(), description.to_owned(), driver.to_owned(), location.to_owned())
    }

    #[test]
    fn the_ports_of_a_pc_are_those_with_hardware_behind_them() {
        let pc = debian_pc();
        assert_eq!(
            described(&pc.root()),
            [
                row("ttyACM0", "Raspberry Pi Pico", "cdc_acm", "1-3:1.0"),
                row("ttyS0", "16550A UART", "serial", "00:05"),
                row("ttyUSB0", "FTDI FT232R USB UART", "ftdi_sio", "1-1:1.0"),
                row("ttyUSB1", "Silicon Labs CP2102 USB to UART Bridge Controller", "cp210x", "1-2.1:1.0"),
                row("ttyUSB2", "USB Serial", "ch341-uart", "1-2.2:1.0"),
                row("ttyUSB3", "HUAWEI Mobile", "option1", "1-4:1.0"),
                row("ttyUSB10", "HUAWEI Mobile", "option1", "1-4:1.1"),
            ]
        );
    }

    #[test]
    fn the_two_kinds_of_uart_of_a_raspberry_pi_are_told_apart() {
        let pi = raspberry_pi_4();
        assert_eq!(
            described(&pi.root()),
            [
                row("ttyAMA0", "PL011 UART", "uart-pl011", "fe201000.serial"),
                row("ttyS0", "mini UART", "bcm2835-aux-uart", "fe215040.serial"),
            ]
        );
    }

    #[test]
    fn a_machine_without_any_has_none() {
        let empty = tempfile::tempdir().unwrap();
        assert_eq!(Tty::all(&Root::at(empty.path())).unwrap(), []);
        assert_eq!(Tty::named(&Root::at(empty.path()), "ttyGS0"), None);
    }
}
