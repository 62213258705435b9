//! What a reload touches.
#![allow(clippy::unwrap_used, reason = "in a test it says where")]

mod common;

use std::collections::BTreeMap;

use common::{any_config, named};
use proptest::prelude::*;
use sermux_port_config::config::diff::{Diff, ListenerDiff, PortChange, PortDiff, Setting};
use sermux_port_config::config::load::load_str;
use sermux_port_config::config::{Config, Line, Modem, Port};

fn port(more: &str) -> Port {
    let text = format!("ports: {{ p: {{ device: /nonexistent, {more} }} }}");
    load_str("x.yaml", &text).unwrap_or_else(|faults| panic!("{faults}")).config.ports["p"].as_ref().clone()
}

const LISTEN: &str = "listen: [{ protocol: raw, address: 4001 }, { protocol: raw, address: 4002 }]";

#[test]
fn a_change_is_as_small_as_it_can_be() {
    use PortChange::{Live, Relisten, Reopen};
    let before = port(LISTEN);
    for (change, class, settings) in [
        ("line: 115200", Live, &[Setting::Line][..]),
        ("line: { clocal: no }", Reopen, &[Setting::LineDriver]),
        ("modem: { dtr: off }", Live, &[Setting::Modem]),
        ("write: none", Live, &[Setting::Write]),
        ("frame: dsmr", Live, &[Setting::Frame]),
        ("tx-frame: line", Live, &[Setting::TxFrame]),
        ("frame: dsmr, crc: drop", Live, &[Setting::Frame, Setting::Crc]),
        ("gather: 5ms", Live, &[Setting::Gather]),
        ("backlog: 64 KiB", Live, &[Setting::Backlog]),
        ("expect: { frame: 60s }", Live, &[Setting::Expect]),
        ("capture: { file: /x }", Live, &[Setting::Capture]),
        ("limits: { max-clients: 9 }", Live, &[Setting::Limits]),
        ("max-clients: 3", Live, &[]),
        ("keepalive: off", Live, &[]),
        ("on-lag: skip", Live, &[]),
        ("on-gone: disconnect", Live, &[]),
        ("access: read-only", Live, &[]),
        ("banner: hello", Live, &[]),
        ("write: first", Live, &[Setting::Write]),
        ("write: last, write-hold: 5s", Live, &[Setting::Write]),
        ("idle-timeout: 5min", Live, &[]),
        ("half-close: 1min", Live, &[]),
        ("when-full: kick-idle", Live, &[]),
        ("allow: [10.0.0.7]", Live, &[]),
        ("deny: ['fd00::/8']", Live, &[]),
        ("modem: { on-connect: { dtr: on } }", Live, &[Setting::Modem]),
        ("modem: { on-connect: { reset: arduino } }", Live, &[Setting::Modem]),
        ("modem: { on-disconnect: { dtr: off } }", Live, &[Setting::Modem]),
        ("modem: { hangup: disconnect }", Live, &[Setting::Modem]),
        ("on-release: keep", Live, &[Setting::OnRelease]),
        ("reset: { x: [dtr=on] }", Live, &[Setting::Reset]),
        ("open: on-demand", Live, &[Setting::Open]),
        ("modem: { hangup-on-close: yes }", Reopen, &[Setting::HangupOnClose]),
        ("line: { rs485: { enabled: true } }", Reopen, &[Setting::LineDriver]),
        ("exclusive: false", Reopen, &[Setting::Exclusive]),
        ("lock-file: true", Reopen, &[Setting::LockFile]),
    ] {
        let diff = PortDiff::between(&before, &port(&format!("{change}, {LISTEN}"))).unwrap();
        assert_eq!((diff.class, diff.settings.as_slice()), (class, settings), "{change}");
        assert!(diff.listeners.added.is_empty() && diff.listeners.removed.is_empty(), "{change}");
    }
    let raw = |first: u16, second: u16| {
        port(&format!("listen: [{{ protocol: raw, address: {first} }}, {{ protocol: raw, address: {second} }}]"))
    };
    let class = |new: &Port| PortDiff::between(&before, new).map(|diff| diff.class);
    assert_eq!(class(&raw(4001, 4003)), Some(Relisten));
    assert_eq!(class(&port("listen: [{ protocol: raw, address: 4001 }]")), Some(Relisten));
    assert_eq!(class(&raw(4002, 4001)), Some(Live), "the order in the file moves no listener");
    assert_eq!(class(&before.clone()), None);

    let unix = |more: &str| port(&format!("listen: [{{ protocol: raw, address: unix:/run/x{more} }}]"));
    let class = |more: &str| PortDiff::between(&unix(""), &unix(more)).map(|diff| diff.class);
    assert_eq!(class(", mode: '0660'"), None);
    assert_eq!(class(", access: read-only"), Some(Live));
    for more in [", mode: '0600'", ", owner: root", ", group: dialout", "y"] {
        assert_eq!(class(more), Some(Relisten), "{more}");
    }

    let class = |new: &Port| PortDiff::between(&before, new).map(|diff| diff.class);
    let mut elsewhere = raw(4001, 4003);
    elsewhere.device = "sim:echo".parse().unwrap();
    assert_eq!(class(&elsewhere), Some(Reopen), "the largest class includes the others");
}

#[test]
fn listeners_are_known_by_address_and_protocol_wherever_they_stand() {
    let old = port(
        "listen: [{ protocol: raw, address: 1 }, { protocol: telnet, address: 2 }, { protocol: telnet, address: 3 }, \
         { protocol: raw, address: 0 }, { protocol: raw, address: 0, max-clients: 9 }]",
    );
    let new = port(
        "listen: [{ protocol: raw, address: 0 }, { protocol: telnet, address: 2, enter: cr }, { protocol: raw, address: 1 }, \
         { protocol: telnet, rfc2217: true, address: 3 }, { protocol: raw, address: 4 }]",
    );
    let diff = ListenerDiff::between(&old.listen, &new.listen);
    assert_eq!(diff.kept, [(3, 0), (0, 2)], "the first of two that are alike is the first");
    assert_eq!(diff.changed, [(1, 1)], "how lines end is no reason to go");
    assert_eq!(diff.removed, [2, 4]);
    assert_eq!(diff.added, [3, 4], "with RFC 2217 something else is spoken");
}

#[test]
fn a_port_that_is_not_enabled_does_not_exist() {
    let (on, off) = (port(LISTEN), port(&format!("enable: no, {LISTEN}")));
    let (on, off, none) = (named([("p", on)]), named([("p", off)]), Config::default());
    let added = Diff { added: vec!["p".into()], ..Diff::default() };
    let removed = Diff { removed: vec!["p".into()], ..Diff::default() };
    for (old, new, diff) in [
        (&none, &on, &added),
        (&off, &on, &added),
        (&on, &off, &removed),
        (&on, &none, &removed),
        (&none, &off, &Diff::default()),
        (&off, &none, &Diff::default()),
        (&off, &off, &Diff::default()),
    ] {
        assert_eq!(&Diff::between(old, new), diff);
    }
}

/// The enabled ports.
fn ports(config: &Config) -> BTreeMap<String, Port> {
    let enabled = config.ports.iter().filter(|(_, port)| port.enable);
    enabled.map(|(name, port)| (name.clone(), Port::clone(port))).collect()
}

/// Does to `old` what the difference says, and nothing else: what it does not name stays.
fn apply(diff: &Diff, old: &Config, new: &Config) -> BTreeMap<String, Port> {
    let mut ports = ports(old);
    for name in &diff.removed {
        assert!(ports.remove(name).is_some(), "only what is there is removed");
    }
    for (name, diff) in &diff.changed {
        let (port, after) = (ports.get_mut(name).expect("only what stays is changed"), &new.ports[name]);
        apply_settings(&diff.settings, port, after);
        let mut listen = vec![None; after.listen.len()];
        for (from, to) in &diff.listeners.kept {
            assert!(listen[*to].replace(port.listen[*from].clone()).is_none());
        }
        for to in diff.listeners.changed.iter().map(|(_, to)| to).chain(&diff.listeners.added) {
            assert!(listen[*to].replace(after.listen[*to].clone()).is_none());
        }
        port.listen = listen.into_iter().map(|listener| listener.expect("each has its origin")).collect();
    }
    for name in &diff.added {
        assert!(ports.insert(name.clone(), Port::clone(&new.ports[name])).is_none(), "only what is new is added");
    }
    ports
}

fn apply_settings(settings: &[Setting], port: &mut Port, after: &Port) {
    for setting in settings {
        match setting {
            Setting::Device => port.device.clone_from(&after.device),
            Setting::Line => port.line.settings = after.line.settings,
            Setting::LineDriver => {
                port.line = Line { settings: port.line.settings, ..after.line };
            }
            Setting::Modem => {
                let hangup_on_close = port.modem.hangup_on_close;
                port.modem = Modem { hangup_on_close, ..after.modem.clone() };
            }
            Setting::OnRelease => port.on_release = after.on_release,
            Setting::HangupOnClose => port.modem.hangup_on_close = after.modem.hangup_on_close,
            Setting::Reset => port.reset.clone_from(&after.reset),
            Setting::Open => (port.open, port.linger) = (after.open, after.linger),
            Setting::Exclusive => port.exclusive = after.exclusive,
            Setting::LockFile => port.lock_file.clone_from(&after.lock_file),
            Setting::Write => port.write = after.write,
            Setting::Frame => port.frame = after.frame,
            Setting::TxFrame => port.tx_frame = after.tx_frame,
            Setting::Crc => port.crc = after.crc,
            Setting::Gather => port.gather = after.gather,
            Setting::Backlog => port.backlog = after.backlog,
            Setting::Expect => port.expect = after.expect,
            Setting::Capture => port.capture.clone_from(&after.capture),
            Setting::Limits => port.limits = after.limits,
        }
    }
}

/// Each listener of both is in one list.
fn assert_complete(diff: &ListenerDiff, old: &Port, new: &Port) {
    let both = || diff.kept.iter().chain(&diff.changed);
    let mut from: Vec<usize> = both().map(|(from, _)| *from).chain(diff.removed.iter().copied()).collect();
    let mut to: Vec<usize> = both().map(|(_, to)| *to).chain(diff.added.iter().copied()).collect();
    from.sort_unstable();
    to.sort_unstable();
    assert_eq!(from, (0..old.listen.len()).collect::<Vec<_>>());
    assert_eq!(to, (0..new.listen.len()).collect::<Vec<_>>());
    for (from, to) in both() {
        let (old, new) = (&old.listen[*from], &new.listen[*to]);
        assert_eq!((&old.address, old.protocol.name()), (&new.address, new.protocol.name()));
    }
}

proptest! {
    #![proptest_config(common::proptest_config())]

    #[test]
    fn what_the_difference_says_leads_from_the_old_to_the_new(old in any_config(), new in any_config()) {
        let diff = Diff::between(&old, &new);
        prop_assert_eq!(apply(&diff, &old, &new), ports(&new));
        prop_assert_eq!(diff.is_empty(), ports(&old) == ports(&new));
        for (name, diff) in &diff.changed {
            assert_complete(&diff.listeners, &old.ports[name], &new.ports[name]);
            let reopens = diff.settings.iter().any(|setting| setting.class() == PortChange::Reopen);
            prop_assert_eq!(reopens, diff.class == PortChange::Reopen);
            let relistens = !(diff.listeners.added.is_empty() && diff.listeners.removed.is_empty());
            prop_assert_eq!(reopens || relistens, diff.class >= PortChange::Relisten);
        }
    }

    #[test]
    fn there_is_no_difference_to_itself(config in any_config()) {
        prop_assert!(Diff::between(&config, &config.clone()).is_empty());
    }
}
