//! Finds why a serial setup fails, without opening a device: it only reads files below a [`Root`].
//!
//! [`board`] knows which UART of a Raspberry Pi is on its pins. [`boot`] reads its config.txt and cmdline.txt, and [`filters`]
//! decides which lines apply. [`pins`] judges both for one device, [`console`] finds consoles on it, [`rights`] which users may
//! open it, [`node`] whether it exists and is free, [`reach`] whether readers can reach the listeners.
//!
//! Nothing here changes anything, and every file is read up to a limit.

mod board;
mod boot;
mod console;
mod filters;
mod node;
mod pins;
mod reach;
mod read;
mod rights;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod trees;

use std::path::{Path, PathBuf};

use serde::Serialize;
use sermux_port_config::config::{Device, Framing, Port};
use sermux_port_config::line::Parity;

pub(crate) use board::Board;
use boot::Boot;

use crate::device::Root;

/// What turns an inverted signal over.
pub(crate) const INVERTERS: &str = "put an inverter (a transistor and two resistors) or a P1 cable with one in between; the UART of a Pi cannot invert a signal. These adapters can: a genuine FT232R (set in its EEPROM; clones lose the setting), ESP8266 and ESP32";

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Severity {
    /// It does not work like this.
    Bad,
    /// It may not work, or not for long.
    Warning,
    /// As it should be.
    Good,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Finding {
    /// How much it matters.
    pub(crate) severity: Severity,
    /// What it is.
    pub(crate) what: String,
    /// The file, perhaps.
    pub(crate) file: Option<String>,
    /// The line in it, from 1.
    pub(crate) line: Option<usize>,
    /// What to write or to run, a step each.
    pub(crate) to_do: Vec<String>,
}

impl Finding {
    fn new(severity: Severity, what: impl Into<String>) -> Self {
        Self { severity, what: what.into(), file: None, line: None, to_do: Vec::new() }
    }

    fn bad(what: impl Into<String>) -> Self {
        Self::new(Severity::Bad, what)
    }

    fn warning(what: impl Into<String>) -> Self {
        Self::new(Severity::Warning, what)
    }

    fn good(what: impl Into<String>) -> Self {
        Self::new(Severity::Good, what)
    }

    fn at(mut self, file: impl AsRef<Path>, line: Option<usize>) -> Self {
        self.file = Some(file.as_ref().display().to_string());
        self.line = line;
        self
    }

    fn so(mut self, step: impl Into<String>) -> Self {
        self.to_do.push(step.into());
        self
    }
}

/// A device that somebody wants to use.
#[derive(Clone, Debug)]
pub(crate) struct WantedDevice {
    /// The port of the configuration, or none.
    pub(crate) port: Option<String>,
    /// The path as it was written.
    pub(crate) path: PathBuf,
    /// Whether a parity bit is wanted: DSMR 2 and 3 send 7E1.
    pub(crate) parity: Parity,
}

impl WantedDevice {
    /// A device of no port, without a parity bit.
    pub(crate) fn path(path: impl Into<PathBuf>) -> Self {
        Self { port: None, path: path.into(), parity: Parity::None }
    }

    /// What a port of the configuration opens; nothing where there is no path to look at.
    ///
    /// # Errors
    ///
    /// The USB adapter that the port names is not there, or several are.
    pub(crate) fn of_port(root: &Root, name: &str, port: &Port) -> Result<Option<Self>, Finding> {
        let path = match &port.device {
            Device::Path(path) => path.clone(),
            Device::Usb(usb) => match crate::device::usb::find(root, usb) {
                // As the machine itself calls it.
                Ok(path) => Path::new("/").join(path.strip_prefix(root.path("/")).unwrap_or(&path)),
                Err(why) => {
                    return Err(Finding::bad(format!("port {name}: {}", read::shown(&why.to_string())))
                        .so("`sermux devices` lists the devices of this machine"))
                }
            },
            Device::Sim(_) => return Ok(None),
        };
        Ok(Some(Self { port: Some(name.to_owned()), path, parity: port.line.settings.parity }))
    }
}

/// A machine, as far as it matters here.
#[derive(Debug)]
pub(crate) struct Machine<'a> {
    root: &'a Root,
    /// A Raspberry Pi, and which.
    pub(crate) board: Option<Board>,
    boot: Boot,
}

impl<'a> Machine<'a> {
    /// Reads what does not depend on a device.
    pub(crate) fn of(root: &'a Root) -> Self {
        let board = Board::of(root);
        let boot = Boot::of(root, board.as_ref());
        Self { root, board, boot }
    }

    /// The device on the pins of the header, as config.txt has it. `None`: no Raspberry Pi.
    pub(crate) fn on_pins(&self) -> Option<&'static str> {
        Some(pins::expected(self.root, self.board.as_ref()?, &self.boot))
    }

    /// All findings, the worst first. `caller` is the user who runs the command, if that matters.
    pub(crate) fn examine(
        &self,
        wanted: &[WantedDevice],
        ports: &[(&str, &Port)],
        config: &Path,
        caller: Option<&str>,
    ) -> Vec<Finding> {
        let mut found = Vec::new();
        if let (Some(board), Some(on_pins)) = (&self.board, self.on_pins()) {
            found.push(Finding::good(format!("{}: the UART on the pins of the header is {on_pins}", board.model)));
        }
        for wanted in wanted {
            let mut of_it = Vec::new();
            let node = read::node(self.root, &wanted.path);
            of_it.extend(pins::check(self, wanted, &node));
            // That it is not there is a consequence of what is wrong with the pins.
            let is_explained = of_it.iter().any(|finding| finding.severity == Severity::Bad);
            if !is_explained || read::is_there(self.root, &node) {
                of_it.extend(node::check(self.root, wanted, &node));
            }
            of_it.extend(console::check(self, &node));
            if self.is_on_pins(&node) && is_for_p1(wanted, ports) {
                of_it.push(Finding::good(format!(
                    "{}: the P1 signal of a meter is inverted: {INVERTERS}",
                    shown(wanted, &node)
                )));
            }
            of_it.extend(rights::check(self.root, &node, caller));
            if of_it.iter().all(|finding| finding.severity == Severity::Good) {
                of_it.push(Finding::good(format!(
                    "{}: ready to use; no other program has it open",
                    shown(wanted, &node)
                )));
            }
            found.extend(of_it);
        }
        for (name, port) in ports {
            found.extend(reach::check(self.root, name, port, config));
        }
        let mut once: Vec<Finding> = Vec::new();
        for finding in found {
            if !once.contains(&finding) {
                once.push(finding);
            }
        }
        once.sort_by_key(|finding| finding.severity);
        once
    }

    fn is_on_pins(&self, node: &Path) -> bool {
        self.on_pins().is_some_and(|pins| read::node(self.root, Path::new(pins)) == node)
    }

    /// The devices to look at if nobody names one: what is on the pins.
    pub(crate) fn usual(&self) -> Vec<WantedDevice> {
        self.on_pins().map(WantedDevice::path).into_iter().collect()
    }
}

/// Whether a meter may be on it: its port is one for telegrams, or it has no port yet.
fn is_for_p1(wanted: &WantedDevice, ports: &[(&str, &Port)]) -> bool {
    let Some(name) = &wanted.port else { return true };
    ports.iter().any(|(other, port)| other == name && port.frame == Framing::Dsmr)
}

/// What cannot be read of the configuration is a finding, too.
pub(crate) fn no_configuration(file: &Path, why: &str) -> Finding {
    Finding::bad(format!("the configuration has faults: {why}"))
        .at(file, None)
        .so(format!("sermux check {}", file.display()))
}

/// There is nothing to look at.
pub(crate) fn no_device() -> Finding {
    Finding::warning("the configuration has no port with a serial device, and you named no device")
        .so("sermux devices        # lists the devices of this machine")
        .so("sermux doctor DEVICE  # examines one of them")
}

/// A device with the port that it is for and with what its name leads to.
fn shown(wanted: &WantedDevice, node: &Path) -> String {
    let port = wanted.port.as_ref().map(|port| format!("port {port}: ")).unwrap_or_default();
    if wanted.path == node {
        format!("{port}{}", node.display())
    } else {
        format!("{port}{} ({})", wanted.path.display(), node.display())
    }
}
