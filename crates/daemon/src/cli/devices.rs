//! `sermux devices`: the serial ports of this machine. Opens none of them.

use std::process::ExitCode;

use serde::Serialize;

use super::terminal::{Colour, Paper};
use crate::device::access::DeviceAccess;
use crate::device::console::Login;
use crate::device::inventory::{Inventory, InventoryEntry, Usability};
use crate::device::Root;
use crate::hex::json_for_terminals;

const NOTHING: &str = "No serial ports were found. What to look at:
  a USB adapter      is it plugged in (lsusb), and has a driver taken it (sudo dmesg | tail)?
  a Raspberry Pi     sudo raspi-config, interface options, serial port: login shell no, hardware yes
  a container or VM  is the device passed on to it?
";

pub(super) fn run(json: bool) -> ExitCode {
    let inventory = match Inventory::of(&Root::default()) {
        Ok(inventory) => inventory,
        Err(error) => {
            note!("/sys/class/tty: {error}");
            return ExitCode::FAILURE;
        }
    };
    if json {
        return super::print(&document(&inventory));
    }
    if inventory.entries.is_empty() {
        note_part!("{NOTHING}");
        return ExitCode::SUCCESS;
    }
    let printed = super::print(&table(&inventory, Paper::of_stdout()));
    if !inventory.complete {
        note!("Programs of other users are not seen, so what is free may be held: sudo sermux devices");
    }
    printed
}

/// A line for each, below it its other names and what is to be known.
pub(super) fn table(inventory: &Inventory, paper: Paper) -> String {
    let header = ["DEVICE", "STATE", "USB", "WHAT"].map(str::to_owned);
    let rows = inventory.entries.iter().map(|entry| {
        let row = [
            entry.tty.path().display().to_string(),
            state(entry.state(), inventory.complete).to_owned(),
            entry.tty.usb.as_ref().map_or("-".to_owned(), |usb| format!("{:04x}:{:04x}", usb.vendor, usb.product)),
            what(entry),
        ];
        let links = entry.links.iter().map(|link| link.display().to_string());
        (row, Some(entry.state()), links.chain(entry.notes()).collect::<Vec<_>>())
    });
    let rows: Vec<_> = std::iter::once((header, None, Vec::new())).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|(row, ..)| row[column].chars().count()).max().unwrap_or_default();
    let (device, state, usb) = (width(0), width(1), width(2));
    let mut text = String::new();
    for (row, usability, below) in &rows {
        let line = format!("{:device$}  {:state$}  {:usb$}  {}", row[0], row[1], row[2], row[3]);
        let line = paper.fit(&line, device + state + usb + 6);
        let (head, rest) = line.split_at(device + 2);
        text.push_str(&match usability {
            None => paper.paint(line.trim_end(), Colour::Bold) + "\n",
            Some(usability) => {
                let state = paper.paint(&row[1], colour(*usability));
                format!(
                    "{}{}",
                    head.replacen(&row[0], &paper.paint(&row[0], Colour::Bold), 1),
                    rest.replacen(&row[1], &state, 1)
                )
            }
        });
        for line in below {
            // A long name has more room at the left.
            let longest = line.split(' ').map(|word| word.chars().count()).max().unwrap_or_default();
            let indent = if paper.width.is_some_and(|width| device + 2 + longest > width) { 2 } else { device + 2 };
            text.push_str(&paper.fit(&format!("{:indent$}{line}", ""), indent));
        }
    }
    text
}

fn colour(state: Usability) -> Colour {
    match state {
        Usability::Free => Colour::Green,
        Usability::Held | Usability::Login | Usability::Console => Colour::Yellow,
        Usability::NoNode | Usability::Forbidden => Colour::Red,
    }
}

/// `FTDI FT232R USB UART, serial number A1B2C3D4 (ftdi_sio, 1-1:1.0)`
fn what(entry: &InventoryEntry) -> String {
    let tty = &entry.tty;
    let serial = tty.usb.as_ref().and_then(|usb| usb.serial_text());
    let serial = serial.map_or_else(String::new, |serial| format!(", serial number {serial}"));
    let hardware: Vec<&str> = tty.driver.iter().chain(&tty.location).map(String::as_str).collect();
    let hardware = if hardware.is_empty() { String::new() } else { format!(" ({})", hardware.join(", ")) };
    format!("{}{serial}{hardware}", tty.description())
}

/// In a table, where what cannot be seen is left open.
fn state(state: Usability, complete: bool) -> &'static str {
    match state {
        Usability::Free if !complete => "free?",
        state => state_name(state),
    }
}

fn state_name(state: Usability) -> &'static str {
    match state {
        Usability::NoNode => "no-node",
        Usability::Held => "held",
        Usability::Login => "login",
        Usability::Forbidden => "forbidden",
        Usability::Console => "console",
        Usability::Free => "free",
    }
}

/// What `--json` prints. Programs read it: keys are added, and none is renamed or taken away. What is not known or not there
/// is null.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct DevicesJson<'a> {
    devices: Vec<DeviceJson<'a>>,
    /// Whether the processes of all users could be looked at; if not, a device that is `free` may be held.
    all_processes_seen: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct DeviceJson<'a> {
    path: String,
    /// Other names: in /dev/serial/by-id, in /dev/serial/by-path, others; in this order.
    links: Vec<String>,
    /// no-node, held, login, forbidden, console, free: the first of these that is so.
    state: &'static str,
    /// What to know and to do, for a person.
    notes: Vec<String>,
    description: String,
    driver: Option<&'a str>,
    /// Where it sits on its bus.
    location: Option<&'a str>,
    usb: Option<UsbJson<'a>>,
    /// Whether this user's rights suffice.
    may_open: bool,
    /// Who has it open.
    processes: Vec<ProcessJson<'a>>,
    /// The unit of a login prompt, or the program where there is no unit.
    login: Option<&'a str>,
    /// Whether the kernel writes its messages to it.
    kernel_console: bool,
    lock_files: Vec<LockFileJson<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct UsbJson<'a> {
    /// Four hexadecimal digits.
    vendor: String,
    /// Four hexadecimal digits.
    product: String,
    serial: Option<&'a str>,
    manufacturer: Option<&'a str>,
    product_text: Option<&'a str>,
    interface: Option<u8>,
    /// The adapter's place: bus, and the sockets that lead there.
    adapter: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct ProcessJson<'a> {
    pid: u32,
    program: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct LockFileJson<'a> {
    path: String,
    pid: Option<u32>,
    /// Whether that process is there.
    alive: bool,
    program: Option<&'a str>,
}

fn document(inventory: &Inventory) -> String {
    let devices = inventory.entries.iter().map(device).collect();
    let document = DevicesJson { devices, all_processes_seen: inventory.complete };
    // Nothing of these can fail: keys are texts, and no value is a map or NaN.
    json_for_terminals(serde_json::to_string_pretty(&document).unwrap_or_default() + "\n")
}

fn device(entry: &InventoryEntry) -> DeviceJson<'_> {
    let InventoryEntry { tty, links, access, processes, console, lock_files } = entry;
    DeviceJson {
        path: tty.path().display().to_string(),
        links: links.iter().map(|link| link.display().to_string()).collect(),
        state: state_name(entry.state()),
        notes: entry.notes(),
        description: tty.description(),
        driver: tty.driver.as_deref(),
        location: tty.location.as_deref(),
        usb: tty.usb.as_ref().map(|usb| UsbJson {
            vendor: format!("{:04x}", usb.vendor),
            product: format!("{:04x}", usb.product),
            serial: usb.serial.as_deref(),
            manufacturer: usb.manufacturer.as_deref(),
            product_text: usb.product_text.as_deref(),
            interface: usb.interface,
            adapter: &usb.adapter,
        }),
        may_open: *access == DeviceAccess::Allowed,
        processes: processes.iter().map(process).collect(),
        login: console.login.as_ref().map(|login| match login {
            Login::Unit(unit) => unit.as_str(),
            Login::Process(process) => process.program.as_deref().unwrap_or_default(),
        }),
        kernel_console: console.kernel,
        lock_files: lock_files
            .iter()
            .map(|lock| LockFileJson {
                path: lock.path.display().to_string(),
                pid: lock.process.as_ref().map(|process| process.pid),
                alive: lock.alive,
                program: lock.process.as_ref().and_then(|process| process.program.as_deref()),
            })
            .collect(),
    }
}

fn process(process: &crate::device::holder::Process) -> ProcessJson<'_> {
    ProcessJson { pid: process.pid, program: process.program.as_deref() }
}

#[cfg(test)]
mod tests {
    use serde_json::{json, Value};

    use super::super::terminal::Style;
    use super::*;
    use crate::device::tree::{debian_pc, raspberry_pi_4, Tree};

    fn inventory(tree: &Tree) -> Inventory {
        Inventory::of(&tree.root()).unwrap()
    }

    #[test]
    fn the_table_of_a_pc() {
        let pc = debian_pc();
        pc.process(1, "systemd", &[]);
        pc.process(412, "minicom", &["/dev/ttyUSB0"]);
        pc.file("/run/lock/LCK..ttyUSB1", "       413");
        assert_eq!(
            table(&inventory(&pc), Paper::PLAIN),
            "\
DEVICE         STATE  USB        WHAT
/dev/ttyACM0   free   2e8a:0005  Raspberry Pi Pico, serial number E6614C311B4C8A2F (cdc_acm, 1-3:1.0)
               /dev/serial/by-id/usb-Raspberry_Pi_Pico_E6614C311B4C8A2F-if00
/dev/ttyS0     free   -          16550A UART (serial, 00:05)
/dev/ttyUSB0   held   0403:6001  FTDI FT232R USB UART, serial number A1B2C3D4 (ftdi_sio, 1-1:1.0)
               /dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A1B2C3D4-if00-port0
               /dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0-port0
               held by pid 412 (minicom)
/dev/ttyUSB1   free   10c4:ea60  Silicon Labs CP2102 USB to UART Bridge Controller, serial number 0001 (cp210x, 1-2.1:1.0)
               /dev/serial/by-id/usb-Silicon_Labs_CP2102_USB_to_UART_Bridge_Controller_0001-if00-port0
               /dev/serial/by-path/pci-0000:00:14.0-usb-0:2.1:1.0-port0
               lock file /run/lock/LCK..ttyUSB1 of pid 413, which has ended
/dev/ttyUSB2   free   1a86:7523  USB Serial (ch341-uart, 1-2.2:1.0)
               /dev/serial/by-id/usb-1a86_USB_Serial-if00-port0
               /dev/serial/by-path/pci-0000:00:14.0-usb-0:2.2:1.0-port0
/dev/ttyUSB3   free   12d1:1001  HUAWEI Mobile (option1, 1-4:1.0)
               /dev/serial/by-path/pci-0000:00:14.0-usb-0:4:1.0-port0
/dev/ttyUSB10  free   12d1:1001  HUAWEI Mobile (option1, 1-4:1.1)
               /dev/serial/by-path/pci-0000:00:14.0-usb-0:4:1.1-port0
"
        );
    }

    #[test]
    fn the_table_of_a_raspberry_pi_says_what_is_in_the_way() {
        let pi = raspberry_pi_4();
        pi.file("/sys/fs/cgroup/system.slice/system-serial\\x2dgetty.slice/serial-getty@ttyS0.service/x", "");
        pi.process(500, "hciattach", &["/dev/ttyAMA0"]);
        assert_eq!(
            table(&inventory(&pi), Paper::PLAIN),
            "\
DEVICE        STATE  USB  WHAT
/dev/ttyAMA0  held   -    PL011 UART (uart-pl011, fe201000.serial)
              /dev/serial1
              held by pid 500 (hciattach)
/dev/ttyS0    login  -    mini UART (bcm2835-aux-uart, fe215040.serial)
              /dev/serial0
              a login console (serial-getty@ttyS0) runs on it: sudo systemctl disable --now serial-getty@ttyS0
              the kernel writes its messages to it: sudo raspi-config, interface options, serial port: login shell no, \
             hardware yes
"
        );
    }

    #[test]
    fn what_stands_in_the_way_of_this_user_is_said_with_what_to_do() {
        let pc = debian_pc();
        let mut inventory = inventory(&pc);
        inventory.entries.truncate(2);
        inventory.entries[0].access = DeviceAccess::Forbidden("join the group dialout".to_owned());
        inventory.entries[0].links.clear();
        inventory.entries[1].access = DeviceAccess::NoNode;
        let shown = table(&inventory, Paper::PLAIN);
        assert!(shown.contains("/dev/ttyACM0  forbidden  2e8a:0005"), "{shown}");
        assert!(shown.contains("\n              join the group dialout\n"), "{shown}");
        assert!(shown.contains("/dev/ttyS0    no-node    -"), "{shown}");
        assert!(
            shown.contains("\n              there is no /dev/ttyS0: is it passed on to this container?\n"),
            "{shown}"
        );
        let json: Value = serde_json::from_str(&document(&inventory)).unwrap();
        assert_eq!(json["devices"][0]["may-open"], false);
        assert_eq!(json["devices"][0]["notes"], json!(["join the group dialout"]));
    }

    #[test]
    fn what_is_not_held_by_anybody_who_can_be_seen_may_be_free() {
        let pc = debian_pc();
        assert!(table(&inventory(&pc), Paper::PLAIN).contains("/dev/ttyS0     free?  -"));
        let json: Value = serde_json::from_str(&document(&inventory(&pc))).unwrap();
        assert_eq!(json["all-processes-seen"], false);
        assert_eq!(json["devices"][1]["state"], "free");
    }

    #[test]
    fn a_narrow_terminal_breaks_lines_between_words_and_gives_long_names_the_room() {
        let pc = debian_pc();
        pc.process(1, "systemd", &[]);
        let mut inventory = inventory(&pc);
        inventory.entries.drain(..3);
        inventory.entries.truncate(1);
        let paper = Paper { width: Some(80), ..Paper::PLAIN };
        assert_eq!(
            table(&inventory, paper),
            "\
DEVICE        STATE  USB        WHAT
/dev/ttyUSB1  free   10c4:ea60  Silicon Labs CP2102 USB to UART Bridge
                                Controller, serial number 0001 (cp210x,
                                1-2.1:1.0)
  /dev/serial/by-id/usb-Silicon_Labs_CP2102_USB_to_UART_Bridge_Controller_0001-if00-port0
              /dev/serial/by-path/pci-0000:00:14.0-usb-0:2.1:1.0-port0
"
        );
        let coloured = table(&inventory, Paper { style: Style::Colour, ..paper });
        assert!(coloured.contains("\u{1b}[1m/dev/ttyUSB1\u{1b}[0m  \u{1b}[32mfree\u{1b}[0m   10c4"), "{coloured:?}");
    }

    /// Programs read this. If it fails, do not change what is expected, but add to it.
    #[test]
    fn the_keys_of_the_json_stay() {
        let pc = debian_pc();
        pc.process(1, "systemd", &[]);
        pc.process(412, "minicom", &["/dev/ttyUSB0"]);
        pc.file("/run/lock/LCK..ttyUSB0", "       412");
        let json: Value = serde_json::from_str(&document(&inventory(&pc))).unwrap();
        assert_eq!(json["all-processes-seen"], true);
        assert_eq!(
            json["devices"][2],
            json!({
                "path": "/dev/ttyUSB0",
                "links": [
                    "/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A1B2C3D4-if00-port0",
                    "/dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0-port0"
                ],
                "state": "held",
                "notes": ["held by pid 412 (minicom)"],
                "description": "FTDI FT232R USB UART",
                "driver": "ftdi_sio",
                "location": "1-1:1.0",
                "usb": {
                    "vendor": "0403",
                    "product": "6001",
                    "serial": "A1B2C3D4",
                    "manufacturer": "FTDI",
                    "product-text": "FT232R USB UART",
                    "interface": 0,
                    "adapter": "1-1"
                },
                "may-open": true,
                "processes": [{ "pid": 412, "program": "minicom" }],
                "login": null,
                "kernel-console": false,
                "lock-files": [
                    { "path": "/run/lock/LCK..ttyUSB0", "pid": 412, "alive": true, "program": "minicom" }
                ]
            })
        );
        let s0 = &json["devices"][1];
        assert_eq!((&s0["usb"], &s0["driver"], &s0["lock-files"]), (&Value::Null, &json!("serial"), &json!([])));
    }
}
