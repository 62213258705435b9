//! What is counted and not timed: on the way of a byte the hub allocates nothing once its buffers have grown, and takes few
//! instructions; ports and clients take little memory.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

mod instructions;
mod memory;

use std::time::{Duration, Instant};

use sermux::line::Snapshot;
use sermux::port::hub::{ClientId, Hub, SocketQueue};
use sermux_port_config::config::load::load_str;
use sermux_port_config::config::Port;
use sermux_protocol::session::Session;
use sermux_protocol::telnet::TelnetOffer;

const TELEGRAM: &[u8] = b"/XMX5LGBBFG1012345678\r\n\r\n1-3:0.2.8(50)\r\n!7B41\r\n";

fn port(keys: &str) -> Port {
    let yaml = format!(
        "ports: {{ p: {{ device: sim:echo, line: 115200 8N1, {keys} listen: [ {{ protocol: raw, address: 0 }} ] }} }}"
    );
    Port::clone(&load_str("counts", &yaml).unwrap().config.ports["p"])
}

struct World {
    hub: Hub,
    clients: Vec<ClientId>,
    now: Instant,
}

impl World {
    fn new(port: &Port, sessions: impl IntoIterator<Item = Session>) -> Self {
        let now = Instant::now();
        let mut hub = Hub::new(port);
        hub.line_opened(true, &Snapshot::default(), now);
        let clients = sessions.into_iter().map(|session| hub.connect((0, &port.listen[0]), session, b"", now).unwrap());
        let clients = clients.collect();
        Self { hub, clients, now }
    }

    /// A chunk comes from the line and goes to every client, two writes each.
    fn down(&mut self, chunk: &[u8]) {
        self.now += Duration::from_millis(1);
        let space = self.hub.rx_space().unwrap();
        space[..chunk.len()].copy_from_slice(chunk);
        self.hub.received(chunk.len(), self.now);
        self.hub.rx_drained();
        for &id in &self.clients {
            let mut once = true;
            let queue = SocketQueue { unsent: 0, unacknowledged: 0 };
            while let Some(pieces) = self.hub.to_send(id, self.now, || queue) {
                let len: usize = pieces.iter().map(|piece| piece.len()).sum();
                let taken = if std::mem::take(&mut once) { len.div_ceil(2) } else { len };
                self.hub.sent(id, taken, self.now);
            }
            assert!(!once, "a client got nothing");
        }
        while self.hub.poll_event().is_some() {}
    }

    /// Each client sends a chunk and the line takes all of them.
    fn up(&mut self, chunk: &[u8]) {
        self.now += Duration::from_millis(1);
        for &id in &self.clients {
            assert!(self.hub.wants_input(id));
            self.hub.input(id, chunk, self.now);
        }
        assert!(!self.hub.tx_front().is_empty(), "the line got nothing");
        while !self.hub.tx_front().is_empty() {
            let len = self.hub.tx_front().len();
            self.hub.tx_written(len.div_ceil(2), self.now);
        }
        while self.hub.poll_event().is_some() {}
    }
}

fn telnet() -> Session {
    let offer = TelnetOffer { rfc2217: true, signature: "sermux".to_owned(), enter_is_cr: false, break_on_sync: false };
    Session::telnet(offer)
}

#[track_caller]
fn allocates_nothing(world: &mut World, mut step: impl FnMut(&mut World)) {
    (0..5000).for_each(|_| step(world));
    let counted = allocation_counter::measure(|| (0..1000).for_each(|_| step(world)));
    assert_eq!(counted.count_total, 0, "in 1000 chunks");
}

#[test]
fn chunks_from_the_line_to_many_clients() {
    let mut world = World::new(&port(""), (0..4).map(|_| Session::raw()));
    allocates_nothing(&mut world, |world| world.down(b"a chunk of some bytes\r\n"));
    assert_eq!(world.hub.counters().gap, 0);
}

#[test]
fn chunks_full_of_0xff_to_telnet_clients() {
    let mut world = World::new(&port(""), (0..2).map(|_| telnet()));
    allocates_nothing(&mut world, |world| world.down(&[0xFF; 200]));
}

#[test]
fn telegrams_that_readers_take_whole() {
    let mut world = World::new(&port("frame: dsmr, on-lag: skip,"), (0..4).map(|_| Session::raw()));
    let down = |world: &mut World| {
        let space = world.hub.rx_space().unwrap();
        space[..TELEGRAM.len()].copy_from_slice(TELEGRAM);
        world.now += Duration::from_secs(1);
        world.hub.received(TELEGRAM.len(), world.now);
        for &id in &world.clients {
            let queue = SocketQueue { unsent: 0, unacknowledged: 0 };
            let pieces = world.hub.to_send(id, world.now, || queue).expect("a telegram");
            let len = pieces.iter().map(|piece| piece.len()).sum();
            assert_eq!(len, TELEGRAM.len());
            world.hub.sent(id, len, world.now);
        }
        while world.hub.poll_event().is_some() {}
    };
    allocates_nothing(&mut world, down);
}

#[test]
fn what_clients_send_to_the_line() {
    let mut world = World::new(&port(""), [Session::raw(), telnet()]);
    allocates_nothing(&mut world, |world| world.up(b"show version\r\n\xFF\xFF"));
    assert_eq!(world.hub.counters().tx_lost, 0);
}
