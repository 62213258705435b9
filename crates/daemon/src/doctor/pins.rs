//! Whether a device is the UART that the pins of a Raspberry Pi lead to, and whether it is set up well.

use std::path::{Path, PathBuf};

use sermux_port_config::line::Parity;

use super::board::{Board, Family};
use super::boot::{Boot, BootLine, Standing, BLUETOOTH_ON_MINI, WITHOUT_BLUETOOTH};
use super::{read, shown, Finding, Machine, WantedDevice};
use crate::device::Root;

const RESTART: &str = "sudo reboot";

/// What is on the pins by what config.txt says.
pub(super) fn expected(root: &Root, board: &Board, boot: &Boot) -> &'static str {
    match board.family {
        Family::Plain | Family::Five => "/dev/ttyAMA0",
        Family::Bluetooth if is_free(root, boot) => "/dev/ttyAMA0",
        Family::Bluetooth => "/dev/ttyS0",
    }
}

/// Whether Bluetooth is off the PL011. Where that hangs on a filter that cannot be judged, by what the firmware has made of it.
fn is_free(root: &Root, boot: &Boot) -> bool {
    let line = boot.overlay(&[WITHOUT_BLUETOOTH, BLUETOOTH_ON_MINI].concat());
    match line.map(|line| &line.standing) {
        Some(Standing::InForce) => true,
        Some(Standing::Depends(_)) => serial0(root).is_some_and(|node| node == Path::new("/dev/ttyAMA0")),
        _ => false,
    }
}

/// What udev has made the first UART by the device tree that the firmware made.
fn serial0(root: &Root) -> Option<PathBuf> {
    let link = Path::new("/dev/serial0");
    read::is_there(root, link).then(|| read::node(root, link))
}

/// What concerns the UARTs and hangs on what cannot be known here.
fn in_doubt(boot: &Boot) -> impl Iterator<Item = Finding> + '_ {
    let concerns = |text: &str| {
        let overlay =
            text.strip_prefix("dtoverlay=").map(|value| value.split([',', ':', ' ']).next().unwrap_or_default());
        let is_overlay = overlay.is_some_and(|name| {
            name.ends_with("disable-bt") || name.ends_with("miniuart-bt") || name.starts_with("uart0")
        });
        is_overlay || text.starts_with("enable_uart=") || (text.starts_with("dtparam=") && text.contains("uart0"))
    };
    boot.lines.iter().filter(move |line| concerns(&line.text)).filter_map(|line| {
        let Standing::Depends(filter) = &line.standing else { return None };
        let text = read::shown(&line.text);
        let what = format!("`{text}` counts only where {filter} applies, which the firmware decided at the start of the machine and doctor cannot see");
        let finding = Finding::warning(what).at(&line.file, Some(line.number));
        Some(finding.so("to apply the line always, write it at the end of config.txt, below a line [all]"))
    })
}

pub(super) fn check(machine: &Machine<'_>, wanted: &WantedDevice, node: &Path) -> Vec<Finding> {
    let Some(board) = &machine.board else { return Vec::new() };
    let name = read::name(node);
    // A USB adapter, or a UART that somebody put elsewhere, is not about these pins.
    if !["ttyAMA0", "ttyAMA10", "ttyS0", "serial0", "serial1"].contains(&name.as_str()) {
        return Vec::new();
    }
    let asked =
        PinQuestion { root: machine.root, boot: &machine.boot, board, name: &name, wanted, shown: shown(wanted, node) };
    let mut found = Vec::new();
    if machine.boot.config.is_none() {
        found.push(
            Finding::warning("config.txt is neither in /boot/firmware nor in /boot, so doctor cannot check it")
                .so("check that the boot partition is mounted: findmnt /boot/firmware"),
        );
    }
    for line in
        machine.boot.lost.iter().filter(|line| matches!(line.standing, Standing::InForce | Standing::Depends(_)))
    {
        found.push(
            Finding::warning(format!(
                "`{}`: this file does not exist, so its settings are unknown",
                read::shown(&line.text)
            ))
            .at(&line.file, Some(line.number))
            .so("create the file, or remove the line"),
        );
    }
    found.extend(in_doubt(&machine.boot));
    found.extend(match board.family {
        Family::Plain => asked.plain(),
        Family::Bluetooth => asked.bluetooth(),
        Family::Five => asked.five(),
    });
    found
}

struct PinQuestion<'a> {
    root: &'a Root,
    boot: &'a Boot,
    board: &'a Board,
    name: &'a str,
    wanted: &'a WantedDevice,
    shown: String,
}

impl PinQuestion<'_> {
    fn plain(&self) -> Vec<Finding> {
        let mut found: Vec<Finding> = self.switched_off().into_iter().collect();
        if self.name == "ttyS0" {
            found.push(self.other_device("there is no mini UART on the pins of this Raspberry Pi", "/dev/ttyAMA0"));
        }
        found
    }

    fn bluetooth(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        let is_free = is_free(self.root, self.boot);
        match (self.name, is_free) {
            ("ttyAMA0" | "serial1", false) => {
                let what = format!(
                    "{}: Bluetooth has this UART on a {}; the pins lead to the mini UART, /dev/ttyS0",
                    self.shown, self.board.model
                );
                found.push(self.without_bluetooth(Finding::bad(what)));
            }
            ("ttyS0" | "serial0", false) => found.extend(self.mini_uart()),
            ("ttyS0", true) => {
                let why = "Bluetooth was taken off the PL011, so the pins lead to that and not to the mini UART";
                found.push(self.other_device(why, "/dev/ttyAMA0"));
            }
            (_, true) => {
                found.extend(self.switched_off());
                found.extend(self.not_restarted());
            }
            _ => {}
        }
        // Where Bluetooth is off altogether this service only fails, and holds the port while it tries.
        let wants = "/etc/systemd/system/multi-user.target.wants/hciuart.service";
        if self.boot.has_overlay(&WITHOUT_BLUETOOTH) && read::is_there(self.root, wants) {
            found.push(
                Finding::warning(
                    "hciuart, which attaches Bluetooth to the UART, is still started though Bluetooth is off",
                )
                .at(wants, None)
                .so("sudo systemctl disable --now hciuart"),
            );
        }
        found
    }

    fn mini_uart(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        match self.boot.setting("enable_uart") {
            Some((_, "1")) => {}
            Some((line, _)) => found.push(self.change(
                Finding::bad(format!("{}: the mini UART is switched off", self.shown)),
                Some(line),
                "enable_uart=1",
            )),
            None if self.boot.config.is_some() => found.push(self.change(
                Finding::bad(format!("{}: the mini UART is off unless config.txt switches it on", self.shown)),
                None,
                "enable_uart=1",
            )),
            None => {}
        }
        let finding = if matches!(self.wanted.parity, Parity::None) {
            Finding::warning(format!(
                "{}: this is the mini UART: it has no parity (which DSMR 2 and 3 need), reports no framing errors, and its \
                 speed follows the clock of the core",
                self.shown
            ))
        } else {
            Finding::bad(format!(
                "{}: this is the mini UART, which has no parity, but the port needs parity",
                self.shown
            ))
        };
        found.push(self.without_bluetooth(finding).so("then use: device: /dev/ttyAMA0"));
        found
    }

    fn five(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        // Firmware since February 2025 takes enable_uart=1 for that as well where no debug connector is plugged in, and then
        // makes it serial0 (raspberrypi/rpi-eeprom, issue 673).
        let is_serial0 = serial0(self.root).is_some_and(|node| node == Path::new("/dev/ttyAMA0"));
        let is_on = self.boot.has_parameter("uart0")
            || self.boot.has_parameter("uart0_console")
            || self.boot.has_overlay(&["uart0", "uart0-pi5"])
            || is_serial0;
        if matches!(self.name, "ttyAMA10" | "serial0") {
            found.push(self.other_device("this is the debug connector between the HDMI sockets", "/dev/ttyAMA0"));
        }
        let is_there = read::is_there(self.root, "/dev/ttyAMA0");
        if is_on && !is_there {
            found.push(Finding::bad("config.txt puts /dev/ttyAMA0 on the pins, but it is not there").so(RESTART));
        }
        if !is_on && self.boot.config.is_some() {
            let finding = if is_there {
                Finding::warning(
                    "/dev/ttyAMA0 is there, but config.txt does not put it on the pins of a Raspberry Pi 5",
                )
            } else {
                Finding::bad("the UART on the pins of a Raspberry Pi 5 is off unless config.txt switches it on")
            };
            found.push(self.change(finding, self.boot.parameter("uart0"), "dtparam=uart0=on"));
        }
        if self.name == "ttyAMA0" && uses_dma(self.root) {
            // raspberrypi/linux, "Disable DMA for Pi 5's UART0", merged 2025-03-26, after reports of lost data with 6.6.44 to
            // 6.6.51 and 6.12.18.
            found.push(
                Finding::warning(
                    "this kernel receives on the UART of the pins by DMA, with which received bytes were lost; those of \
                     Raspberry Pi do without since the end of March 2025",
                )
                .so("sudo apt update && sudo apt full-upgrade")
                .so(RESTART),
            );
        }
        found
    }

    fn switched_off(&self) -> Option<Finding> {
        let (line, value) = self.boot.setting("enable_uart")?;
        let finding = Finding::bad(format!("{}: the UART on the pins is switched off", self.shown));
        (value == "0").then(|| self.change(finding, Some(line), "enable_uart=1"))
    }

    /// What runs is what config.txt said when the machine started.
    fn not_restarted(&self) -> Option<Finding> {
        if !read::is_there(self.root, "/dev/ttyAMA0") {
            return Some(Finding::bad("config.txt puts /dev/ttyAMA0 on the pins, but it is not there").so(RESTART));
        }
        let is_other = serial0(self.root).is_some_and(|node| node == Path::new("/dev/ttyS0"));
        is_other.then(|| {
            Finding::bad("config.txt puts /dev/ttyAMA0 on the pins, but /dev/serial0 still is the mini UART")
                .at("/dev/serial0", None)
                .so(RESTART)
        })
    }

    fn other_device(&self, why: &str, device: &str) -> Finding {
        Finding::bad(format!("{}: {why}", self.shown)).so(format!("use: device: {device}"))
    }

    fn without_bluetooth(&self, finding: Finding) -> Finding {
        let names: Vec<&str> = WITHOUT_BLUETOOTH.into_iter().chain(BLUETOOTH_ON_MINI).collect();
        let line = self.boot.overlay(&names);
        let overlay = line.map_or("dtoverlay=disable-bt", |line| line.text.as_str()).to_owned();
        let finding = self.change(finding, line, &overlay);
        let has_service = read::is_there(self.root, "/etc/systemd/system/multi-user.target.wants/hciuart.service");
        if has_service && overlay.contains("disable-bt") {
            return finding.so("sudo systemctl disable hciuart");
        }
        finding
    }

    /// What config.txt should say, where something like it stands, or at its end.
    fn change(&self, finding: Finding, line: Option<&BootLine>, wanted: &str) -> Finding {
        let config = self.boot.config.as_deref().unwrap_or(Path::new("/boot/firmware/config.txt"));
        let finding = finding.at(line.map_or(config, |line| &line.file), line.map(|line| line.number));
        // Another file than the one with the line.
        let elsewhere = line.filter(|line| line.file != config).map(|_| format!(" of {}", config.display()));
        let at_end = format!("write at the end{}, below a line [all]: {wanted}", elsewhere.unwrap_or_default());
        let finding = match line.map(|line| (&line.standing, line.number)) {
            Some((Standing::Remark, n)) => {
                finding.so(format!("remove the # from line {n}, if `[all]` is above it: {wanted}"))
            }
            Some((Standing::Elsewhere, n)) => finding.so(format!("line {n} applies to other boards; {at_end}")),
            Some((Standing::Depends(filter), n)) => {
                finding.so(format!("doctor cannot tell whether line {n} counts, because of {filter}; {at_end}"))
            }
            Some((Standing::InForce, n)) => finding.so(format!("write in line {n}: {wanted}")),
            None => finding.so(at_end),
        };
        finding.so(RESTART)
    }
}

/// Whether the device tree gives the UART on the pins of a Raspberry Pi 5 DMA channels.
fn uses_dma(root: &Root) -> bool {
    let alias = read::text(root, "/proc/device-tree/aliases/uart0").unwrap_or_default();
    let alias = alias.trim_matches(|c: char| c == '\0' || c.is_whitespace());
    let by_alias = !alias.is_empty()
        && !alias.contains("..")
        && read::is_there(root, format!("/proc/device-tree/{}/dmas", alias.trim_start_matches('/')));
    by_alias || read::is_there(root, "/sys/class/tty/ttyAMA0/device/of_node/dmas")
}
