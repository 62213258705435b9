//! What listeners grant the clients of the simulation.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use sermux_port_config::config::load::load_str;
use sermux_port_config::config::{Access, Address, Listener};

static BASE: LazyLock<Listener> = LazyLock::new(|| {
    let yaml = "ports: { p: { device: sim:echo, listen: [ { protocol: raw, address: 0 } ] } }";
    let mut base = Listener::clone(&load_str("sim.yaml", yaml).unwrap().config.ports["p"].listen[0]);
    base.access = Access::ReadWrite;
    base.max_clients = 64;
    base.idle_timeout = Duration::ZERO;
    base
});

/// Many clients that may write and are never idle, with these changes.
pub(crate) fn terms(change: impl FnOnce(&mut Listener)) -> Arc<Listener> {
    let mut terms = BASE.clone();
    change(&mut terms);
    Arc::new(terms)
}

/// An address whose connections tell when the other side is gone altogether.
pub(crate) fn telling() -> Address {
    Address::Unix { path: "/nonexistent".into() }
}
