//! The programs under comparison: the floor, sermux, and the peers of [`crate::peers`].

use std::ffi::OsString;
use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::peers;
use crate::protocol::Protocol;
use crate::trouble::Outcome;

pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) program: PathBuf,
    /// What it says of itself.
    pub(crate) version: String,
    pub(crate) role: Role,
    pub(crate) abilities: Abilities,
    pub(crate) opening: Opening,
    pub(crate) commands: fn(&Path, &Setup<'_>) -> Outcome<Vec<Command>>,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Role {
    /// What the others are compared with.
    Reference,
    /// What the goals are for.
    Own,
    /// May be missing, hang or die.
    Peer,
}

/// The most that a program can do at all, whatever it costs.
pub(crate) struct Abilities {
    pub(crate) ports: usize,
    /// At the same time, of one port.
    pub(crate) clients: usize,
    pub(crate) telnet: Telnet,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Telnet {
    Speaks,
    /// Is measured all the same, with the bytes as they are: the floor.
    AsRaw,
    No,
}

/// When a program opens its lines.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Opening {
    /// At its start, and listens meanwhile.
    Aside,
    /// Before it listens, or for its clients.
    Otherwise,
}

/// What a group of rows asks of a subject.
#[derive(Clone, Copy)]
pub(crate) struct Needs {
    pub(crate) ports: usize,
    pub(crate) clients: usize,
    pub(crate) protocol: Protocol,
}

impl Needs {
    pub(crate) const fn raw(ports: usize, clients: usize) -> Self {
        Self { ports, clients, protocol: Protocol::Raw }
    }
}

/// What a subject has to serve.
pub(crate) struct Setup<'a> {
    pub(crate) ports: &'a [(PathBuf, SocketAddr)],
    /// At most, of each port.
    pub(crate) clients: usize,
    pub(crate) habit: Habit,
    pub(crate) framing: Framing,
    pub(crate) protocol: Protocol,
    /// An empty folder for its configuration.
    pub(crate) folder: &'a Path,
}

/// How clients come.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Habit {
    /// All before the measurement, and each stays.
    Stay,
    ComeAndGo,
}

/// How the bytes of the line are cut, where a subject can do that.
#[derive(Clone, Copy)]
pub(crate) enum Framing {
    None,
    Dsmr,
}

impl Subject {
    /// One for each process that it takes.
    pub(crate) fn commands(&self, setup: &Setup<'_>) -> Outcome<Vec<Command>> {
        (self.commands)(&self.program, setup)
    }

    pub(crate) fn can(&self, needs: &Needs) -> bool {
        let speaks = needs.protocol == Protocol::Raw || self.abilities.telnet != Telnet::No;
        speaks && needs.ports <= self.abilities.ports && needs.clients <= self.abilities.clients
    }

    /// What its clients speak where `wanted` is to be measured.
    pub(crate) fn protocol(&self, wanted: Protocol) -> Protocol {
        match self.abilities.telnet {
            Telnet::Speaks => wanted,
            Telnet::AsRaw | Telnet::No => Protocol::Raw,
        }
    }
}

/// The reference and sermux.
pub(crate) fn own(sermux: OsString) -> Outcome<Vec<Subject>> {
    let abilities = |telnet| Abilities { ports: usize::MAX, clients: usize::MAX, telnet };
    let sermux = PathBuf::from(sermux);
    let version = first_line(Command::new(&sermux).arg("--version"))
        .ok_or_else(|| format!("{} --version says nothing", sermux.display()))?;
    Ok(vec![
        Subject {
            name: "floor",
            program: std::env::current_exe()?,
            version: "of this benchmark".to_owned(),
            role: Role::Reference,
            abilities: abilities(Telnet::AsRaw),
            opening: Opening::Aside,
            commands: floor,
        },
        Subject {
            name: "sermux",
            program: sermux,
            version,
            role: Role::Own,
            abilities: abilities(Telnet::Speaks),
            opening: Opening::Aside,
            commands: self::sermux,
        },
    ])
}

/// The two of [`own`], and the peers that `wanted` names by a part of their names; what is not there as a reason.
pub(crate) fn subjects(sermux: OsString, wanted: &[String]) -> Outcome<(Vec<Subject>, Vec<String>)> {
    let mut subjects = own(sermux)?;
    let mut missing = Vec::new();
    for (name, find) in peers::all() {
        if !wanted.iter().any(|part| name.contains(part.as_str())) {
            continue;
        }
        match find() {
            Ok(peer) => subjects.push(peer),
            Err(reason) => missing.push(format!("{name} is left out: {reason}")),
        }
    }
    Ok((subjects, missing))
}

/// The first line with anything in it that a command prints, wherever it prints it.
pub(crate) fn first_line(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
}

fn floor(program: &Path, setup: &Setup<'_>) -> Outcome<Vec<Command>> {
    let mut command = Command::new(program);
    command.arg("floor");
    for (tty, address) in setup.ports {
        command.arg("--tty").arg(tty).arg("--port").arg(address.port().to_string());
    }
    Ok(vec![command])
}

fn sermux(program: &Path, setup: &Setup<'_>) -> Outcome<Vec<Command>> {
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
    Ok(vec![command])
}
