//! All serial ports of this machine with what there is to know about each.

use std::io;
use std::path::PathBuf;

use super::access::DeviceAccess;
use super::console::Console;
use super::holder::{Holders, Process};
use super::lock_file::Seen;
use super::tty::Tty;
use super::{links, Root};

/// The serial ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inventory {
    /// By name.
    pub entries: Vec<InventoryEntry>,
    /// Whether the open files of every process could be seen.
    pub complete: bool,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InventoryEntry {
    /// What it is.
    pub tty: Tty,
    /// Its other names, those that stay with the adapter first.
    pub links: Vec<PathBuf>,
    /// Whether this user may open it.
    pub access: DeviceAccess,
    /// Who has it open.
    pub processes: Vec<Process>,
    /// Consoles on it.
    pub console: Console,
    /// Lock files for it.
    pub lock_files: Vec<Seen>,
}

/// Whether a serial port can be used, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usability {
    /// There is no node.
    NoNode,
    /// Somebody uses it.
    Held,
    /// There is a login prompt on it.
    Login,
    /// This user may not open it.
    Forbidden,
    /// The kernel writes its messages to it.
    Console,
    /// Nobody is in the way.
    Free,
}

impl Inventory {
    /// Looks everything up. Opens no device.
    ///
    /// # Errors
    ///
    /// /sys/class/tty cannot be read.
    pub fn of(root: &Root) -> io::Result<Inventory> {
        let ttys = Tty::all(root)?;
        let nodes: Vec<PathBuf> = ttys.iter().map(Tty::path).collect();
        let holders = Holders::of(root, &nodes);
        let mut links = links::all(root);
        let entries = ttys.into_iter().zip(nodes).map(|(tty, node)| {
            let processes: Vec<Process> = holders.processes(&node).cloned().collect();
            InventoryEntry {
                links: links.remove(&node).unwrap_or_default(),
                access: DeviceAccess::of(&root.path(&node)),
                console: Console::of(root, &node, &processes.iter().collect::<Vec<_>>()),
                lock_files: Seen::on(root, &node),
                processes,
                tty,
            }
        });
        Ok(Inventory { entries: entries.collect(), complete: holders.complete })
    }
}

impl InventoryEntry {
    /// What matters most.
    pub fn state(&self) -> Usability {
        let is_held = self.processes.iter().any(|process| !self.console.is(process))
            || self.lock_files.iter().any(|lock| lock.alive);
        if self.access == DeviceAccess::NoNode {
            Usability::NoNode
        } else if is_held {
            Usability::Held
        } else if self.console.login.is_some() {
            Usability::Login
        } else if matches!(self.access, DeviceAccess::Forbidden(_)) {
            Usability::Forbidden
        } else if self.console.kernel {
            Usability::Console
        } else {
            Usability::Free
        }
    }

    /// What a person should know before using it, a sentence each.
    pub fn notes(&self) -> Vec<String> {
        let mut notes: Vec<String> = Vec::new();
        let others = self.processes.iter().filter(|process| !self.console.is(process));
        let names: Vec<String> = others.map(ToString::to_string).collect();
        if !names.is_empty() {
            notes.push(format!("held by {}", names.join(", ")));
        }
        // A living process that is named already need not be named again.
        let is_named =
            |lock: &&Seen| lock.alive && self.processes.iter().any(|process| lock.process.as_ref() == Some(process));
        notes.extend(self.lock_files.iter().filter(|lock| !is_named(lock)).map(ToString::to_string));
        notes.extend(self.console.login_text());
        notes.extend(self.console.kernel_text());
        match &self.access {
            DeviceAccess::Forbidden(hint) => notes.push(hint.clone()),
            DeviceAccess::NoNode => {
                notes.push(format!("there is no {}: is it passed on to this container?", self.tty.path().display()));
            }
            DeviceAccess::Allowed => {}
        }
        notes
    }
}
