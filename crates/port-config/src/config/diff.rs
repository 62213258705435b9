//! What a new configuration changes about an old one, port by port: a pure function.
//!
//! Start-up is the difference from an empty configuration. A port that is not enabled does not exist here.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Address, Config, Line, Listener, Modem, Port, SocketRights};

/// What to do to get from one configuration to another: stop what is removed, then change, then start what is added.
/// Each list is in the order of the names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// Ports that are gone or no longer enabled.
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
    pub class: PortChange,
    /// Its own keys that have another value, in the order of the file.
    pub settings: Vec<Setting>,
    /// Its listeners.
    pub listeners: ListenerDiff,
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

/// A key of a port; those of its listeners are in [`ListenerDiff`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names are those of `Port`")]
pub enum Setting {
    Device,
    /// Baud rate, data bits, parity, stop bits, flow control.
    Line,
    /// What is asked of the driver when a device is opened: `clocal`, `low-latency`, `rs485`.
    LineDriver,
    Modem,
    /// `on-release`
    OnRelease,
    HangupOnClose,
    Reset,
    Open,
    Exclusive,
    LockFile,
    Write,
    Frame,
    TxFrame,
    Crc,
    Gather,
    Backlog,
    /// `expect`
    Expect,
    /// `capture`
    Capture,
    /// `limits`
    Limits,
}

impl Setting {
    /// What a change of it touches.
    pub fn class(self) -> PortChange {
        match self {
            Setting::Device | Setting::Exclusive | Setting::LockFile | Setting::LineDriver | Setting::HangupOnClose => {
                PortChange::Reopen
            }
            Setting::Line
            | Setting::Reset
            | Setting::Open
            | Setting::Modem
            | Setting::OnRelease
            | Setting::Write
            | Setting::Frame
            | Setting::TxFrame
            | Setting::Crc
            | Setting::Gather
            | Setting::Backlog
            | Setting::Expect
            | Setting::Capture
            | Setting::Limits => PortChange::Live,
        }
    }
}

/// Which listener of the old port is which of the new one, by their indices; each index of either is in one list.
///
/// A listener is the same as long as its address and its protocol are (with or without RFC 2217), and the rights of its
/// file on a unix socket, wherever it stands in the file; two that are alike in that are told apart by their order.
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
        let (settings, listeners) = (settings(old, new), ListenerDiff::between(&old.listen, &new.listen));
        let class = settings.iter().map(|setting| setting.class()).chain([listeners.class()]).max();
        Some(PortDiff { class: class.unwrap_or(PortChange::Live), settings, listeners })
    }
}

fn settings(old: &Port, new: &Port) -> Vec<Setting> {
    // by name, so that a key that is new here is not forgotten
    let Port {
        device,
        enable: _,
        line,
        modem,
        on_release,
        reset,
        open,
        linger,
        exclusive,
        lock_file,
        write,
        frame,
        tx_frame,
        crc,
        gather,
        backlog,
        expect,
        capture,
        limits,
        listen: _,
    } = old;
    let Line { settings, clocal, low_latency, rs485 } = line;
    let Modem { dtr, rts, hangup_on_close, on_connect, on_disconnect, hangup } = modem;
    let line_driver = (clocal, low_latency, rs485) != (&new.line.clocal, &new.line.low_latency, &new.line.rs485);
    let by_clients =
        (on_connect, on_disconnect, hangup) != (&new.modem.on_connect, &new.modem.on_disconnect, &new.modem.hangup);
    let is_different = [
        (Setting::Device, *device != new.device),
        (Setting::Line, *settings != new.line.settings),
        (Setting::LineDriver, line_driver),
        (Setting::Modem, (dtr, rts) != (&new.modem.dtr, &new.modem.rts) || by_clients),
        (Setting::OnRelease, *on_release != new.on_release),
        (Setting::HangupOnClose, *hangup_on_close != new.modem.hangup_on_close),
        (Setting::Reset, *reset != new.reset),
        (Setting::Open, (open, linger) != (&new.open, &new.linger)),
        (Setting::Exclusive, *exclusive != new.exclusive),
        (Setting::LockFile, *lock_file != new.lock_file),
        (Setting::Write, *write != new.write),
        (Setting::Frame, *frame != new.frame),
        (Setting::TxFrame, *tx_frame != new.tx_frame),
        (Setting::Crc, *crc != new.crc),
        (Setting::Gather, *gather != new.gather),
        (Setting::Backlog, *backlog != new.backlog),
        (Setting::Expect, *expect != new.expect),
        (Setting::Capture, *capture != new.capture),
        (Setting::Limits, *limits != new.limits),
    ];
    is_different.into_iter().filter_map(|(setting, is_different)| is_different.then_some(setting)).collect()
}

impl ListenerDiff {
    /// From the listeners of one port to those of another.
    pub fn between(old: &[Arc<Listener>], new: &[Arc<Listener>]) -> ListenerDiff {
        let mut diff = ListenerDiff::default();
        let mut left: BTreeMap<Identity<'_>, Vec<usize>> = BTreeMap::new();
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

    fn class(&self) -> PortChange {
        if self.removed.is_empty() && self.added.is_empty() {
            PortChange::Live
        } else {
            PortChange::Relisten
        }
    }
}

/// Address, protocol, whether with RFC 2217: what a client that has connected relies on; and the rights of a socket's file,
/// which are given to it before anybody can connect.
type Identity<'a> = (&'a Address, Option<&'a SocketRights>, &'static str, bool);

fn identity(listener: &Listener) -> Identity<'_> {
    (&listener.address, listener.file.as_ref(), listener.protocol.name(), listener.protocol.has_rfc2217())
}
