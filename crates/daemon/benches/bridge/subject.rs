//! The programs under comparison. A further one is one more entry of [`subjects`].

use std::ffi::OsString;
use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::protocol::Protocol;
use crate::trouble::Outcome;

pub(crate) struct Subject {
    pub(crate) name: &'static str,
    program: OsString,
    command: fn(&Path, &Setup<'_>) -> Outcome<Command>,
    protocols: &'static [Protocol],
}

/// What a subject has to serve.
pub(crate) struct Setup<'a> {
    pub(crate) ports: &'a [(PathBuf, SocketAddr)],
    pub(crate) framing: Framing,
    pub(crate) protocol: Protocol,
    /// An empty folder for its configuration.
    pub(crate) folder: &'a Path,
}

/// How the bytes of the line are cut, where a subject can do that.
#[derive(Clone, Copy)]
pub(crate) enum Framing {
    None,
    Dsmr,
}

impl Subject {
    pub(crate) fn command(&self, setup: &Setup<'_>) -> Outcome<Command> {
        (self.command)(self.program.as_ref(), setup)
    }

    /// What its clients speak where `wanted` is to be measured: raw with a program that does not have it.
    pub(crate) fn protocol(&self, wanted: Protocol) -> Protocol {
        if self.protocols.contains(&wanted) {
            wanted
        } else {
            Protocol::Raw
        }
    }
}

/// The reference first, then sermux, to which the goals apply, then whatever else is to be compared.
pub(crate) fn subjects(sermux: OsString) -> Outcome<Vec<Subject>> {
    Ok(vec![
        Subject {
            name: "floor",
            program: std::env::current_exe()?.into(),
            command: floor,
            protocols: &[Protocol::Raw],
        },
        Subject {
            name: "sermux",
            program: sermux,
            command: self::sermux,
            protocols: &[Protocol::Raw, Protocol::Telnet],
        },
    ])
}

fn floor(program: &Path, setup: &Setup<'_>) -> Outcome<Command> {
    let mut command = Command::new(program);
    command.arg("floor");
    for (tty, address) in setup.ports {
        command.arg("--tty").arg(tty).arg("--port").arg(address.port().to_string());
    }
    Ok(command)
}

fn sermux(program: &Path, setup: &Setup<'_>) -> Outcome<Command> {
    let frame = match setup.framing {
        Framing::None => "none",
        Framing::Dsmr => "dsmr",
    };
    let protocol = match setup.protocol {
        Protocol::Raw => "raw",
        Protocol::Telnet => "telnet, rfc2217: true",
    };
    let mut config = "log: { level: warn }\ncontrol: off\nports:\n".to_owned();
    for (index, (tty, address)) in setup.ports.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = write!(
            config,
            "  p{index}:\n    device: {}\n    line: 115200 8N1\n    frame: {frame}\n    backlog: 256 KiB\n    \
             listen: [ {{ protocol: {protocol}, address: \"{address}\", max-clients: 2000 }} ]\n",
            tty.display()
        );
    }
    let file = setup.folder.join("sermux.yaml");
    fs::write(&file, config)?;
    let mut command = Command::new(program);
    command.arg("serve").arg("--config").arg(file);
    Ok(command)
}
