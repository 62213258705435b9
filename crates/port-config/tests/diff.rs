//! What a reload touches.
#![allow(clippy::unwrap_used, reason = "in a test it says where")]

mod common;

use std::collections::BTreeMap;

use common::{any_config, named};
use proptest::prelude::*;
use sermux_port_config::config::diff::{Diff, PortChange};
use sermux_port_config::config::load::load_str;
use sermux_port_config::config::{Config, Port};

fn port(more: &str) -> Port {
    let text = format!("ports: {{ p: {{ device: /nonexistent, {more} }} }}");
    load_str("x.yaml", &text).unwrap_or_else(|faults| panic!("{faults}")).config.ports["p"].clone()
}

const LISTEN: &str = "listen: [{ protocol: raw, address: 4001 }, { protocol: raw, address: 4002 }]";

#[test]
fn a_change_is_as_small_as_it_can_be() {
    use PortChange::{Live, Relisten, Reopen};
    let before = port(LISTEN);
    for (change, class) in [
        ("line: 115200", Live),
        ("line: { clocal: no }", Live),
        ("modem: { dtr: off }", Live),
        ("write: none", Live),
        ("frame: dsmr", Live),
        ("gather: 5ms", Live),
        ("backlog: 64 KiB", Live),
        ("max-clients: 3", Live),
        ("keepalive: off", Live),
        ("on-lag: skip", Live),
        ("access: read-only", Live),
        ("banner: hello", Live),
        ("modem: { on-connect: { dtr: on } }", Live),
        ("reset: { x: [dtr=on] }", Live),
        ("open: on-demand", Live),
        ("line: { rs485: { enabled: true } }", Reopen),
        ("exclusive: false", Reopen),
    ] {
        assert_eq!(changed(&before, &port(&format!("{change}, {LISTEN}"))), Some(class), "{change}");
    }
    let raw = |first: u16, second: u16| {
        port(&format!("listen: [{{ protocol: raw, address: {first} }}, {{ protocol: raw, address: {second} }}]"))
    };
    assert_eq!(changed(&before, &raw(4001, 4003)), Some(Relisten));
    assert_eq!(changed(&before, &port("listen: [{ protocol: raw, address: 4001 }]")), Some(Relisten));
    assert_eq!(changed(&before, &raw(4002, 4001)), Some(Live), "the order in the file moves no listener");
    assert_eq!(changed(&before, &before.clone()), None);

    let mut elsewhere = raw(4001, 4003);
    elsewhere.device = "sim:echo".parse().unwrap();
    assert_eq!(changed(&before, &elsewhere), Some(Reopen), "the largest class includes the others");
}

fn changed(old: &Port, new: &Port) -> Option<PortChange> {
    let diff = Diff::between(&named([("p", old.clone())]), &named([("p", new.clone())]));
    assert!(diff.removed.is_empty() && diff.added.is_empty());
    diff.changed.first().map(|(_, change)| *change)
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
    config.ports.clone().into_iter().filter(|(_, port)| port.enable).collect()
}

/// Does to `old` what the difference says, and no more than its classes allow.
fn apply(diff: &Diff, old: &Config, new: &Config) -> BTreeMap<String, Port> {
    let mut ports = ports(old);
    for name in &diff.removed {
        assert!(ports.remove(name).is_some(), "only what is there is removed");
    }
    for (name, change) in &diff.changed {
        let (port, after) = (ports.get_mut(name).expect("only what stays is changed"), &new.ports[name]);
        let before = port.clone();
        *port = after.clone();
        if *change < PortChange::Reopen {
            port.device = before.device.clone();
            port.exclusive = before.exclusive;
            port.line.rs485 = before.line.rs485;
        }
        if *change < PortChange::Relisten {
            for listener in &port.listen {
                let here = |other: &&sermux_port_config::config::Listener| {
                    (&other.address, other.protocol.name()) == (&listener.address, listener.protocol.name())
                };
                assert_eq!(before.listen.iter().filter(here).count(), port.listen.iter().filter(here).count());
            }
        }
    }
    for name in &diff.added {
        assert!(ports.insert(name.clone(), new.ports[name].clone()).is_none(), "only what is new is added");
    }
    ports
}

proptest! {
    #![proptest_config(common::proptest_config())]

    #[test]
    fn what_the_difference_says_leads_from_the_old_to_the_new(old in any_config(), new in any_config()) {
        let diff = Diff::between(&old, &new);
        prop_assert_eq!(apply(&diff, &old, &new), ports(&new));
        prop_assert_eq!(diff.is_empty(), ports(&old) == ports(&new));
    }

    #[test]
    fn there_is_no_difference_to_itself(config in any_config()) {
        prop_assert!(Diff::between(&config, &config.clone()).is_empty());
    }
}
