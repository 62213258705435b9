//! What a reload touches.
#![allow(clippy::unwrap_used, reason = "in a test it says where")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::{any_config, named};
use proptest::prelude::*;
use sermux_port_config::config::diff::{ChangeClass, Diff, ListenerDiff, PortDiff};
use sermux_port_config::config::load::load_str;
use sermux_port_config::config::{Config, Listener, Port};

fn port(more: &str) -> Port {
    let text = format!("ports: {{ p: {{ device: /nonexistent, {more} }} }}");
    load_str("x.yaml", &text).unwrap_or_else(|faults| panic!("{faults}")).config.ports["p"].as_ref().clone()
}

const LISTEN: &str = "listen: [{ protocol: raw, address: 4001 }, { protocol: raw, address: 4002 }]";

#[test]
fn a_change_is_as_small_as_it_can_be() {
    use ChangeClass::{Live, Relisten, Reopen};
    let before = port(LISTEN);
    for (change, class) in [
        ("line: 115200", Live),
        ("line: { clocal: no }", Reopen),
        ("modem: { dtr: off }", Live),
        ("write: none", Live),
        ("frame: dsmr", Live),
        ("tx-frame: line", Live),
        ("frame: dsmr, crc: drop", Live),
        ("gather: 5ms", Live),
        ("backlog: 64 KiB", Live),
        ("expect: { frame: 60s }", Live),
        ("capture: { file: /x }", Live),
        ("limits: { max-clients: 9 }", Live),
        ("max-clients: 3", Live),
        ("keepalive: off", Live),
        ("on-lag: skip", Live),
        ("on-gone: disconnect", Live),
        ("access: read-only", Live),
        ("banner: hello", Live),
        ("busy-text: busy", Live),
        ("write: first", Live),
        ("write: last, write-hold: 5s", Live),
        ("idle-timeout: 5min", Live),
        ("half-close: 1min", Live),
        ("when-full: kick-idle", Live),
        ("allow: [10.0.0.7]", Live),
        ("deny: ['fd00::/8']", Live),
        ("modem: { on-connect: { dtr: on } }", Live),
        ("modem: { on-connect: { reset: arduino } }", Live),
        ("modem: { on-disconnect: { dtr: off } }", Live),
        ("modem: { hangup: disconnect }", Live),
        ("on-release: keep", Live),
        ("reset: { x: [dtr=on] }", Live),
        ("open: on-demand", Live),
        ("modem: { hangup-on-close: yes }", Reopen),
        ("line: { rs485: { enabled: true } }", Reopen),
        ("exclusive: false", Reopen),
        ("lock-file: true", Reopen),
    ] {
        let diff = PortDiff::between(&before, &port(&format!("{change}, {LISTEN}"))).unwrap();
        assert_eq!(diff.class, class, "{change}");
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
fn of_the_program_only_the_log_waits_for_the_next_start() {
    for (key, change) in [
        ("log.level", Some(ChangeClass::NextStart)),
        ("log.format", Some(ChangeClass::NextStart)),
        ("control.socket", Some(ChangeClass::Relisten)),
        ("control", Some(ChangeClass::Relisten)),
        ("limits.max-clients", Some(ChangeClass::Live)),
        ("limits.max-clientz", None),
        ("nonsense", None),
        ("", None),
    ] {
        assert_eq!(ChangeClass::of_key(key), change, "{key}");
    }
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
fn ports(config: &Config) -> BTreeMap<&str, &Port> {
    let enabled = config.ports.iter().filter(|(_, port)| port.enable);
    enabled.map(|(name, port)| (name.as_str(), &**port)).collect()
}

/// What a driver is asked for when it opens a device, and the device itself.
fn opened_with(port: &Port) -> impl PartialEq + '_ {
    let Port { device, exclusive, lock_file, line, modem, .. } = port;
    (device, exclusive, lock_file, line.clocal, line.low_latency, line.ignore_break, line.rs485, modem.hangup_on_close)
}

/// The listeners of `old` that are kept, and those of `new` that are changed or added.
fn relistened(diff: &ListenerDiff, old: &Port, new: &Port) -> Vec<Arc<Listener>> {
    let mut listen = vec![None; new.listen.len()];
    for (from, to) in &diff.kept {
        assert!(listen[*to].replace(old.listen[*from].clone()).is_none());
    }
    for to in diff.changed.iter().map(|(_, to)| to).chain(&diff.added) {
        assert!(listen[*to].replace(new.listen[*to].clone()).is_none());
    }
    listen.into_iter().map(|listener| listener.expect("each has its origin")).collect()
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
        let (before, after) = (ports(&old), ports(&new));
        prop_assert_eq!(diff.is_empty(), before == after);
        let removed: Vec<_> = before.keys().filter(|name| !after.contains_key(*name)).collect();
        prop_assert_eq!(diff.removed.iter().collect::<Vec<_>>(), removed);
        let added: Vec<_> = after.keys().filter(|name| !before.contains_key(*name)).collect();
        prop_assert_eq!(diff.added.iter().collect::<Vec<_>>(), added);
        let is_other = |name: &&&str| after.get(**name).is_some_and(|port| *port != before[**name]);
        let changed: Vec<_> = before.keys().filter(is_other).collect();
        prop_assert_eq!(diff.changed.iter().map(|(name, _)| name).collect::<Vec<_>>(), changed);
        for (name, diff) in &diff.changed {
            let (before, after) = (before[name.as_str()], after[name.as_str()]);
            assert_complete(&diff.listeners, before, after);
            prop_assert_eq!(&relistened(&diff.listeners, before, after), &after.listen);
            let reopens = opened_with(before) != opened_with(after);
            let relistens = !(diff.listeners.added.is_empty() && diff.listeners.removed.is_empty());
            let class = if reopens { ChangeClass::Reopen } else if relistens { ChangeClass::Relisten } else { ChangeClass::Live };
            prop_assert_eq!(diff.class, class);
        }
    }

    #[test]
    fn there_is_no_difference_to_itself(config in any_config()) {
        prop_assert!(Diff::between(&config, &config.clone()).is_empty());
    }
}
