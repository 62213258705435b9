//! For the tests of the hub's parts: a hub whose line is open, and clients of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sermux_port_config::config::load::load_str;
use sermux_port_config::config::{Access, OnGone, OnLag, Port, Replay, WhenFull};
use sermux_protocol::session::Session;
use sermux_protocol::telnet::Offer;

use super::{Admission, ClientId, Hub};
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

pub(super) fn admission() -> Admission {
    Admission {
        listener: 0,
        access: Access::Control,
        max_clients: 9,
        when_full: WhenFull::Refuse,
        half_close: Duration::from_secs(10),
        tells_close: false,
        on_lag: OnLag::Disconnect,
        on_gone: OnGone::Hold,
        idle_timeout: Duration::ZERO,
        write_hold: Duration::from_secs(30),
        replay: Replay::default(),
        notify: false,
    }
}

pub(super) fn connect(hub: &mut Hub, now: Instant) -> ClientId {
    hub.connect(admission(), Session::raw(), b"", now).unwrap()
}

pub(super) fn telnet(hub: &mut Hub, now: Instant) -> ClientId {
    let offer = Offer { rfc2217: true, signature: String::new(), enter_is_cr: false, break_on_sync: false };
    hub.connect(admission(), Session::telnet(offer), b"", now).unwrap()
}
