//! Whether a device is the UART that the pins of a Raspberry Pi lead to, and works as one would have it.

use std::path::Path;

use sermux_port_config::line::Parity;

use super::board::{Board, Family};
use super::boot::{Boot, Line, Standing, BLUETOOTH_ON_MINI, WITHOUT_BLUETOOTH};
use super::{read, shown, Finding, Machine, Wanted};
use crate::device::Root;

const RESTART: &str = "sudo reboot";

/// What is on the pins by what config.txt says.
pub(super) fn expected(board: &Board, boot: &Boot) -> &'static str {
    match board.family {
        Family::Plain | Family::Five => "/dev/ttyAMA0",
        Family::Bluetooth if is_free(boot) => "/dev/ttyAMA0",
        Family::Bluetooth => "/dev/ttyS0",
    }
}

/// Whether Bluetooth is off the PL011.
fn is_free(boot: &Boot) -> bool {
    boot.has_overlay(&WITHOUT_BLUETOOTH) || boot.has_overlay(&BLUETOOTH_ON_MINI)
}

pub(super) fn check(machine: &Machine<'_>, wanted: &Wanted, node: &Path) -> Vec<Finding> {
    let Some(board) = &machine.board else { return Vec::new() };
    let name = read::name(node);
    // A USB adapter, or a UART that somebody put elsewhere, is not about these pins.
    if !["ttyAMA0", "ttyAMA10", "ttyS0", "serial0", "serial1"].contains(&name.as_str()) {
        return Vec::new();
    }
    let asked =
        Asked { root: machine.root, boot: &machine.boot, board, name: &name, wanted, shown: shown(wanted, node) };
    let mut found = Vec::new();
    if machine.boot.config.is_none() {
        found.push(
            Finding::warning("config.txt was found neither in /boot/firmware nor in /boot, so it cannot be looked at")
                .so("look whether the boot partition is mounted: findmnt /boot/firmware"),
        );
    }
    found.extend(match board.family {
        Family::Plain => asked.plain(),
        Family::Bluetooth => asked.bluetooth(),
        Family::Five => asked.five(),
    });
    found
}

struct Asked<'a> {
    root: &'a Root,
    boot: &'a Boot,
    board: &'a Board,
    name: &'a str,
    wanted: &'a Wanted,
    shown: String,
}

impl Asked<'_> {
    fn plain(&self) -> Vec<Finding> {
        let mut found: Vec<Finding> = self.switched_off().into_iter().collect();
        if self.name == "ttyS0" {
            found.push(self.other_device("there is no mini UART on the pins of this Raspberry Pi", "/dev/ttyAMA0"));
        }
        found
    }

    fn bluetooth(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        let is_free = is_free(self.boot);
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
                "{}: this is the mini UART: it knows no parity (DSMR 2 and 3 have one), reports no framing errors, and its \
                 speed follows the clock of the core",
                self.shown
            ))
        } else {
            Finding::bad(format!(
                "{}: this is the mini UART, which knows no parity, and the port wants one",
                self.shown
            ))
        };
        found.push(self.without_bluetooth(finding).so("then use: device: /dev/ttyAMA0"));
        found
    }

    fn five(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        let is_on = self.boot.has_parameter("uart0") || self.boot.has_overlay(&["uart0", "uart0-pi5"]);
        if matches!(self.name, "ttyAMA10" | "serial0") {
            found.push(self.other_device("this is the debug connector between the HDMI sockets", "/dev/ttyAMA0"));
        }
        if !is_on && self.boot.config.is_some() {
            let is_there = read::is_there(self.root, "/dev/ttyAMA0");
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
        let serial0 = Path::new("/dev/serial0");
        let is_other = read::is_there(self.root, serial0) && read::node(self.root, serial0) == Path::new("/dev/ttyS0");
        is_other.then(|| {
            Finding::bad("config.txt puts /dev/ttyAMA0 on the pins, but /dev/serial0 still is the mini UART")
                .at(serial0, None)
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
    fn change(&self, finding: Finding, line: Option<&Line>, wanted: &str) -> Finding {
        let file = self.boot.config.as_deref().unwrap_or(Path::new("/boot/firmware/config.txt"));
        let finding = finding.at(file, line.map(|line| line.number));
        let finding = match line.map(|line| (line.standing, line.number)) {
            Some((Standing::Remark, n)) => {
                finding.so(format!("take the # off line {n}, if `[all]` is above it: {wanted}"))
            }
            Some((Standing::Elsewhere, n)) => {
                finding.so(format!("line {n} is for other boards; write at the end, below a line [all]: {wanted}"))
            }
            Some((Standing::InForce, n)) => finding.so(format!("write in line {n}: {wanted}")),
            None => finding.so(format!("write at the end, below a line [all]: {wanted}")),
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
