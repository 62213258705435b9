//! What a new configuration changes about an old one, port by port: a pure function.
//!
//! Start-up is the difference from an empty configuration. A port that is not enabled does not exist here.
//!
//! How much a change touches stands in the table of keys. Ports and listeners are compared key by key, as
//! `sermux show --resolved` writes them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

use super::keys::{self, rows, Role};
use super::{Config, Listener, Port};

/// What to do to get from one configuration to another: stop what is removed, then change, then start what is added.
/// Each list is in the order of the names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// Ports that were removed or disabled.
    pub removed: Vec<String>,
    /// Ports that go on, with all that is different about them.
    pub changed: Vec<(String, PortDiff)>,
    /// Ports that are new or newly enabled.
    pub added: Vec<String>,
}

/// What is different about a port that goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortDiff {
    /// The smallest class of change that suffices.
    pub class: ChangeClass,
    /// Its listeners.
    pub listeners: ListenerDiff,
}

/// How much the change of a key touches. Each class includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeClass {
    /// Settings, limits, policy: the device stays open and the clients stay.
    Live,
    /// Addresses or protocols of listeners: only the listeners that were removed or changed are closed, with their clients. The
    /// control socket in the same way.
    Relisten,
    /// The device is closed and the new one opened. Clients stay where their listener does.
    Reopen,
    /// A reload does not apply it, only the next start of the program. No key of a port is of this class.
    NextStart,
}

impl ChangeClass {
    /// The word for it in answers of the control socket.
    pub fn name(self) -> &'static str {
        match self {
            ChangeClass::Live => "live",
            ChangeClass::Relisten => "relisten",
            ChangeClass::Reopen => "reopen",
            ChangeClass::NextStart => "next-start",
        }
    }

    /// Of a key of the whole program by its path, such as `log.level`. `None`: there is no such key.
    pub fn of_key(path: &str) -> Option<ChangeClass> {
        keys::at(path).map(|key| key.change)
    }
}

/// Which listener of the old port is which of the new one, by their indices; each index of either is in one list.
///
/// A listener is the same as long as its address and its protocol are (with or without RFC 2217), and the rights of its
/// file on a unix socket, wherever it stands in the file. Of two that are alike in that the first is the first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListenerDiff {
    /// The same in all: old and new index.
    pub kept: Vec<(usize, usize)>,
    /// The same with other rights, limits or texts, for which no client need go: old and new index.
    pub changed: Vec<(usize, usize)>,
    /// Closed, with their clients: old index.
    pub removed: Vec<usize>,
    /// Bound: new index.
    pub added: Vec<usize>,
}

impl Diff {
    /// From `old` to `new`.
    pub fn between(old: &Config, new: &Config) -> Diff {
        let (old, new) = (enabled(old), enabled(new));
        let mut diff = Diff::default();
        for (&name, &port) in &old {
            match new.get(name) {
                None => diff.removed.push(name.to_owned()),
                Some(&after) => diff.changed.extend(PortDiff::between(port, after).map(|diff| (name.to_owned(), diff))),
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
    config.ports.iter().filter(|(_, port)| port.enable).map(|(name, port)| (name.as_str(), &**port)).collect()
}

impl PortDiff {
    /// `None` when nothing is different.
    pub fn between(old: &Port, new: &Port) -> Option<PortDiff> {
        if old == new {
            return None;
        }
        let listeners = ListenerDiff::between(&old.listen, &new.listen);
        let (mut before, mut after) = (written(old), written(new));
        for port in [&mut before, &mut after] {
            port.remove("listen");
        }
        let class = class(Role::Port, &before, &after).max(listeners.class());
        Some(PortDiff { class, listeners })
    }
}

/// The keys and values of a port or a listener.
fn written(part: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(part) {
        Ok(Value::Object(keys)) => keys,
        other => {
            debug_assert!(false, "a port and a listener are mappings, not {other:?}");
            Map::new()
        }
    }
}

/// The largest class of the keys that are different.
fn class(role: Role, old: &Map<String, Value>, new: &Map<String, Value>) -> ChangeClass {
    let changes = rows(role).filter(|key| old.get(key.name) != new.get(key.name)).map(|key| {
        match (old.get(key.name), new.get(key.name), key.shape.section()) {
            (Some(Value::Object(old)), Some(Value::Object(new)), Some(section)) => {
                class(Role::Inside(section), old, new)
            }
            _ => key.change,
        }
    });
    changes.max().unwrap_or(ChangeClass::Live)
}

impl ListenerDiff {
    /// From the listeners of one port to those of another.
    pub fn between(old: &[Arc<Listener>], new: &[Arc<Listener>]) -> ListenerDiff {
        let mut diff = ListenerDiff::default();
        let mut left: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, listener) in old.iter().enumerate().rev() {
            left.entry(identity(listener)).or_default().push(index);
        }
        for (index, listener) in new.iter().enumerate() {
            match left.get_mut(&identity(listener)).and_then(Vec::pop) {
                None => diff.added.push(index),
                Some(before) if old[before] == *listener => diff.kept.push((before, index)),
                Some(before) => diff.changed.push((before, index)),
            }
        }
        diff.removed = left.into_values().flatten().collect();
        diff.removed.sort_unstable();
        diff
    }

    fn class(&self) -> ChangeClass {
        if self.removed.is_empty() && self.added.is_empty() {
            ChangeClass::Live
        } else {
            ChangeClass::Relisten
        }
    }
}

/// What a client that has connected relies on, and the rights of a socket's file, which are given to it before anybody can
/// connect: the keys that a listener cannot change.
fn identity(listener: &Listener) -> String {
    let keys = written(listener);
    let fixed = rows(Role::Listener).filter(|key| key.change == ChangeClass::Relisten);
    let fixed: Vec<_> = fixed.map(|key| (key.name, keys.get(key.name))).collect();
    format!("{fixed:?}")
}
