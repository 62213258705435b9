//! A port without frames.

use std::time::{Duration, Instant};

use sermux::port::hub::CloseReason;
use sermux_port_config::config::{OnLag, Replay};

use crate::model::World;
use crate::random::Random;

const STEPS: usize = 1500;

struct Bytes {
    world: World,
    backlog: usize,
    /// Everything that the line ever sent.
    sent: Vec<u8>,
    /// Where each read began, and when it came.
    reads: Vec<(u64, Instant)>,
    max_clients: usize,
}

pub(crate) fn run(seed: u64) {
    let mut random = Random::new(!seed);
    let backlog = 4096 << random.below(4);
    let write = random.pick(&["any", "first", "last"]);
    let gather = random.pick(&["0ms", "0ms", "20ms"]);
    let yaml = format!(
        "ports: {{ p: {{ device: sim:echo, backlog: {backlog}, gather: {gather}, write: {write}, line: 115200 8N1, \
         listen: [ {{ protocol: raw, address: 0, replay: {} }} ] }} }}",
        backlog / 2
    );
    let mut port = Bytes {
        world: World::new(seed, &yaml),
        backlog,
        sent: Vec::new(),
        reads: Vec::new(),
        max_clients: 1 + random.below(12),
    };
    for _ in 0..STEPS {
        port.step();
    }
    port.settle();
}

impl Bytes {
    fn step(&mut self) {
        let world = &mut self.world;
        match world.random.below(40) {
            0 => {
                let on_lag = world.random.pick(&[OnLag::Disconnect, OnLag::Skip, OnLag::Hold]);
                // More than half of the backlog is not to be had.
                let replay = world.random.pick(&[Replay::None, Replay::Bytes(self.backlog / 2), Replay::Bytes(100)]);
                let at = self.sent.len() as u64;
                let came = world.connect(at, on_lag, self.max_clients, replay);
                let Some(replayed) = came else { return self.take_events() };
                let wanted = if let Replay::Bytes(bytes) = replay { at.min(bytes as u64) } else { 0 };
                assert_eq!(replayed, wanted, "another history than was asked for");
            }
            1 if world.random.one_in(4) => {
                if world.line_open {
                    world.line_goes();
                } else {
                    world.line_opens();
                }
            }
            2 if world.random.one_in(3) => {
                if let Some(id) = world.any_client() {
                    world.client_half_closes(id);
                }
            }
            3 if world.random.one_in(3) => {
                if let Some(id) = world.any_client() {
                    match world.random.below(4) {
                        0 => world.client_ends(id),
                        1 => world.client_is_gone(id),
                        2 => world.client_resets(id),
                        _ => world.client_goes(id),
                    }
                }
            }
            4..=8 => {
                if let Some(id) = world.any_client() {
                    world.client_writes(id);
                }
            }
            9..=13 => world.line_takes(),
            14 => world.time_passes(Duration::from_secs(2)),
            15..=24 => {
                if let Some(id) = world.any_client() {
                    world.client_reads(id, 30_000);
                    self.serve(id);
                }
            }
            _ => self.line_sends(),
        }
        self.take_events();
        self.check_ages();
    }

    /// What a client waits for has been there for as long as the hub says, or was preceded at that time by a little.
    fn check_ages(&self) {
        let came = |offset: u64| self.reads[self.reads.partition_point(|(begin, _)| *begin <= offset) - 1].1;
        for id in self.world.clients.keys() {
            let Some(client) = self.world.hub.client_state(*id) else { continue };
            assert_eq!(client.lag_since.is_some(), client.lag > 0, "a lag without an age, or an age without a lag");
            let Some(since) = client.lag_since else { continue };
            let cursor = self.sent.len() as u64 - client.lag;
            let before = cursor.saturating_sub(self.backlog as u64 / 32);
            assert!((came(before)..=came(cursor)).contains(&since), "the byte at {cursor} came at another time");
        }
    }

    fn line_sends(&mut self) {
        if !self.world.line_open {
            return;
        }
        let Some(space) = self.world.hub.rx_space() else {
            self.check_that_somebody_holds_the_line();
            return;
        };
        assert!(!space.is_empty(), "room without room would spin");
        let room = space.len();
        let n = 1 + self.world.random.below(room.min(4096));
        let bytes = self.world.random.bytes(n);
        let space = self.world.hub.rx_space().expect("there was room a moment ago");
        space[..n].copy_from_slice(&bytes);
        self.world.hub.received(n, self.world.now);
        self.world.hub.rx_drained();
        self.reads.push((self.sent.len() as u64, self.world.now));
        self.sent.extend(bytes);
        if self.world.random.one_in(3) {
            let ids: Vec<_> = self.world.clients.keys().copied().collect();
            for id in ids {
                self.serve(id);
            }
        }
    }

    /// A line that is not read has a reason: a client with `hold`, or a line that waits and a fastest client far
    /// behind.
    fn check_that_somebody_holds_the_line(&self) {
        let head = self.sent.len() as u64;
        let receiving = self.world.clients.iter().filter(|(_, reader)| !reader.parting);
        let lags = receiving.map(|(id, reader)| {
            let counters = self.world.hub.client_counters(*id).unwrap();
            (reader.on_lag, head - (reader.since + counters.sent + counters.gap))
        });
        let lags: Vec<_> = lags.collect();
        let held = lags.iter().any(|(on_lag, lag)| *on_lag == OnLag::Hold && *lag > self.backlog as u64 / 2);
        let all_behind = lags.iter().all(|(_, lag)| *lag > self.backlog as u64 / 2);
        assert!(held || (all_behind && !lags.is_empty()), "the line waits for nobody: {lags:?}");
    }

    fn serve(&mut self, id: usize) {
        let sent = &self.sent;
        self.world.serve(id, |reader, so_far, piece| {
            let at = (reader.since + so_far) as usize;
            assert!(at + piece.len() <= sent.len(), "a client is given more than the line sent");
            assert_eq!(piece, &sent[at..at + piece.len()], "a client is given other bytes than the line sent");
        });
        let Some(counters) = self.world.hub.client_counters(id) else {
            return;
        };
        if self.world.clients[&id].on_lag != OnLag::Skip {
            assert_eq!(counters.gap, 0, "bytes were skipped for a client that did not ask for it");
        }
    }

    fn take_events(&mut self) {
        let (head, backlog) = (self.sent.len() as u64, self.backlog as u64);
        self.world.events(|hub, id, reader, reason| {
            if reason == CloseReason::Lagged {
                let counters = hub.client_counters(id).unwrap();
                let lag = head - (reader.since + counters.sent + counters.gap);
                assert!(lag + 4096 > backlog * 3 / 4, "cut off at a lag of {lag} with a backlog of {backlog}");
            }
        });
    }

    /// Everybody reads: everybody gets everything.
    fn settle(&mut self) {
        self.world.time_passes(Duration::from_secs(1));
        self.world.now += Duration::from_secs(1);
        self.world.time_passes(Duration::ZERO);
        self.take_events();
        let receiving = self.world.clients.iter().filter(|(_, reader)| !reader.parting).map(|(id, _)| *id);
        for id in receiving.collect::<Vec<_>>() {
            for _ in 0..self.backlog / 64 {
                self.world.client_reads_all(id);
                self.serve(id);
            }
            let counters = self.world.hub.client_counters(id).unwrap();
            let reader = &self.world.clients[&id];
            assert_eq!(reader.since + counters.sent + counters.gap, self.sent.len() as u64, "bytes were kept back");
            assert_eq!(reader.got.len() as u64, counters.sent);
        }
    }
}
