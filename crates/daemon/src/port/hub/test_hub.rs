//! For the tests of the hub's parts: a hub whose line is open, and clients of it.

use std::sync::Arc;
use std::time::Instant;

use sermux_port_config::config::load::load_str;
use sermux_port_config::config::{Access, Listener, Port};
use sermux_protocol::session::Session;
use sermux_protocol::telnet::TelnetOffer;

use super::{ClientId, Hub};
use crate::line::Snapshot;

pub(super) fn port(keys: &str) -> Arc<Port> {
    let yaml = format!("ports: {{ p: {{ device: sim:echo, {keys}, listen: [{{ protocol: raw, address: 0 }}] }} }}");
    load_str("x.yaml", &yaml).unwrap().config.ports.remove("p").unwrap()
}

pub(super) fn hub(keys: &str) -> (Hub, Instant) {
    let (mut hub, now) = (Hub::new(&port(keys)), Instant::now());
    hub.line_opened(true, &Snapshot::default(), now);
    (hub, now)
}

/// What the listener of these clients grants them: everything.
pub(super) fn terms() -> Arc<Listener> {
    let mut terms = Listener::clone(&port("frame: none").listen[0]);
    terms.access = Access::Control;
    Arc::new(terms)
}

pub(super) fn connect(hub: &mut Hub, now: Instant) -> ClientId {
    hub.connect((0, &terms()), Session::raw(), b"", now).unwrap()
}

pub(super) fn telnet(hub: &mut Hub, now: Instant) -> ClientId {
    let offer = TelnetOffer { rfc2217: true, signature: String::new(), enter_is_cr: false, break_on_sync: false };
    hub.connect((0, &terms()), Session::telnet(offer), b"", now).unwrap()
}
