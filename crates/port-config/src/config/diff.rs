//! What a new configuration changes about an old one, port by port: a pure function.
//!
//! Start-up is the difference from an empty configuration. A port that is not enabled does not exist here.

use std::collections::BTreeMap;

use super::{Address, Config, Port};

/// What to do to get from one configuration to another: stop what is removed, then change, then start what is added.
/// Each list is in the order of the names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// Ports that are gone or no longer enabled.
    pub removed: Vec<String>,
    /// Ports that go on, with the smallest class of change that suffices.
    pub changed: Vec<(String, PortChange)>,
    /// Ports that are new or newly enabled.
    pub added: Vec<String>,
}

/// How much of a port a change touches. Each class includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PortChange {
    /// Settings, limits, policy: the device stays open and the clients stay.
    Live,
    /// Addresses or protocols of listeners: only the listeners that went or changed are closed, with their clients.
    Relisten,
    /// The device is closed and the new one opened. Clients stay where their listener does.
    Reopen,
}

impl Diff {
    /// From `old` to `new`.
    pub fn between(old: &Config, new: &Config) -> Diff {
        let (old, new) = (enabled(old), enabled(new));
        let mut diff = Diff::default();
        for (&name, &port) in &old {
            match new.get(name) {
                None => diff.removed.push(name.to_owned()),
                Some(&after) => diff.changed.extend(change(port, after).map(|change| (name.to_owned(), change))),
            }
        }
        diff.added.extend(new.keys().filter(|name| !old.contains_key(*name)).map(|&name| name.to_owned()));
        diff
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.changed.is_empty() && self.added.is_empty()
    }
}

fn enabled(config: &Config) -> BTreeMap<&str, &Port> {
    config.ports.iter().filter(|(_, port)| port.enable).map(|(name, port)| (name.as_str(), port)).collect()
}

fn change(old: &Port, new: &Port) -> Option<PortChange> {
    if old == new {
        None
    // RS-485 is asked of the driver when a device is opened, and at no other time
    } else if old.device != new.device || old.exclusive != new.exclusive || old.line.rs485 != new.line.rs485 {
        Some(PortChange::Reopen)
    } else if listeners(old) != listeners(new) {
        Some(PortChange::Relisten)
    } else {
        Some(PortChange::Live)
    }
}

/// What is bound, whatever the order in the file.
fn listeners(port: &Port) -> Vec<(&Address, &str, bool)> {
    let mut listeners: Vec<_> = port
        .listen
        .iter()
        .map(|listener| (&listener.address, listener.protocol.name(), listener.protocol.has_rfc2217()))
        .collect();
    listeners.sort();
    listeners
}
