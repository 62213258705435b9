//! A port with `frame: dsmr`.

use std::time::Duration;

use sermux_port_config::config::{OnLag, Replay};
use sermux_protocol::frame::crc16;

use crate::model::World;
use crate::random::Random;

const STEPS: usize = 1500;

struct Telegrams {
    world: World,
    /// What is on the wire and not read yet.
    wire: Vec<u8>,
    /// Telegrams whose last byte the hub has, in order.
    complete: Vec<Vec<u8>>,
    /// Telegrams on the wire, with the number of bytes of the wire up to their end.
    coming: Vec<(usize, Vec<u8>)>,
    made: u64,
}

pub(crate) fn run(seed: u64) {
    let mut random = Random::new(!seed);
    let backlog = (32 * 1024) << random.below(3);
    let yaml = format!(
        "ports: {{ p: {{ device: sim:dsmr-p1, backlog: {backlog}, frame: dsmr, line: 115200 8N1, \
         listen: [ {{ protocol: raw, address: 0 }} ] }} }}"
    );
    let mut port = Telegrams {
        world: World::new(seed, &yaml),
        wire: Vec::new(),
        complete: Vec::new(),
        coming: Vec::new(),
        made: 0,
    };
    for _ in 0..STEPS {
        port.step();
    }
    port.settle();
}

impl Telegrams {
    fn step(&mut self) {
        let world = &mut self.world;
        match world.random.below(40) {
            0..=1 => {
                let since = self.complete.len() as u64;
                world.connect(since, OnLag::Skip, 10, Replay::None);
            }
            2 if world.random.one_in(6) => {
                if world.line_open {
                    world.line_goes();
                    self.end_without_lf();
                    // What was under way is lost on the wire, as on a real one.
                    self.wire.clear();
                    self.coming.clear();
                } else {
                    world.line_opens();
                }
            }
            3 if world.random.one_in(3) => {
                if let Some(id) = world.any_client() {
                    world.client_goes(id);
                }
            }
            4 => {
                if let Some(id) = world.any_client() {
                    world.client_writes(id);
                }
            }
            5 => world.line_takes(),
            6 => {
                let stray = world.hub.p1_counters().unwrap().stray_bytes;
                world.time_passes(Duration::from_secs(1));
                let is_given_up = world.hub.p1_counters().unwrap().stray_bytes > stray;
                self.end_without_lf();
                if is_given_up {
                    // Silence in the middle: what comes of it later is no telegram.
                    self.coming.retain(|(end, telegram)| *end >= telegram.len());
                }
            }
            7..=16 => {
                if let Some(id) = world.any_client() {
                    world.client_reads(id, 4000);
                    self.serve(id);
                }
            }
            17..=19 => self.meter_sends(),
            _ => self.line_sends(),
        }
        self.world.events(|_, _, _, _| {});
    }

    fn make(&mut self) -> Vec<u8> {
        let lines = self.world.random.below(40);
        let mut telegram = format!("/XMX5SIM{}\r\n\r\n", self.made).into_bytes();
        for line in 0..lines {
            telegram.extend(format!("1-0:{line}.7.0({:05}*kW)\r\n", self.world.random.below(99_999)).bytes());
        }
        telegram.push(b'!');
        let crc = crc16::checksum(&telegram);
        telegram.extend(format!("{crc:04X}\r\n").bytes());
        self.made += 1;
        telegram
    }

    /// A telegram, or something that is none, is put on the wire.
    fn meter_sends(&mut self) {
        if self.wire.len() > 20_000 {
            return;
        }
        let telegram = self.make();
        match self.world.random.below(10) {
            // Cut off: the next one begins a line of its own all the same.
            0 => {
                let cut = self.world.random.below(telegram.len() - 6);
                self.wire.extend(&telegram[..cut]);
                self.wire.extend(b"\r\n");
            }
            1 => self.wire.extend(b"noise with a /slash or two / there\r\n"),
            // A break, or what some meters send before each telegram.
            2 => self.wire.push(self.world.random.pick(&[0, 0xFF])),
            // Without its line end: the slash of the next one ends it, or silence.
            3 => {
                let text = telegram[..telegram.len() - 2].to_vec();
                self.wire.extend(&text);
                self.coming.push((self.wire.len() + 1, text));
                let next = self.make();
                self.meter_sends_whole(next);
            }
            _ => self.meter_sends_whole(telegram),
        }
    }

    fn meter_sends_whole(&mut self, telegram: Vec<u8>) {
        self.wire.extend(&telegram);
        self.coming.push((self.wire.len(), telegram));
    }

    /// A telegram without its line end has become one because no more came.
    fn end_without_lf(&mut self) {
        if self.world.hub.p1_counters().unwrap().telegrams > self.complete.len() as u64 {
            let (end, mut telegram) = self.coming.remove(0);
            // Nothing lacks but its line end, or the slash that would have told that there is none.
            let missing = if telegram.ends_with(b"\n") { end } else { end - 1 };
            assert!(missing <= 2, "it was not complete");
            telegram.truncate(telegram.len() - missing);
            self.complete.push(telegram);
        }
    }

    fn line_sends(&mut self) {
        if !self.world.line_open || self.wire.is_empty() {
            return;
        }
        let most = self.wire.len().min(4096);
        let n = 1 + self.world.random.below(most);
        let space = self.world.hub.rx_space().expect("the line is never paused for readers of telegrams");
        let n = n.min(space.len());
        space[..n].copy_from_slice(&self.wire[..n]);
        self.world.hub.received(n, self.world.now);
        self.world.hub.rx_drained();
        self.wire.drain(..n);
        let mut rest = Vec::new();
        for (end, telegram) in self.coming.drain(..) {
            if end <= n {
                self.complete.push(telegram);
            } else {
                rest.push((end - n, telegram));
            }
        }
        self.coming = rest;
        assert_eq!(self.world.hub.p1_counters().unwrap().telegrams, self.complete.len() as u64);
        for id in self.world.clients.keys().copied().collect::<Vec<_>>() {
            self.serve(id);
        }
    }

    fn serve(&mut self, id: usize) {
        let complete = &self.complete;
        self.world.serve(id, |reader, _, piece| {
            let begins = reader.got.is_empty() || ends_whole(&reader.got, complete);
            if !begins {
                return;
            }
            let at = complete.iter().rposition(|telegram| telegram == piece);
            let at = at.unwrap_or_else(|| {
                panic!("a piece at the start of a frame is a whole telegram, in one write: {}", piece.escape_ascii())
            }) as u64;
            assert!(at >= reader.since, "a telegram from before the client came, or one that it had already");
            if reader.blocked {
                assert_eq!(at as usize, complete.len() - 1, "a reader that was behind gets the newest");
            }
            reader.skipped += at - reader.since;
            reader.since = at + 1;
        });
        let counted = self.world.hub.client_counters(id).map(|counters| counters.skipped_frames);
        assert_eq!(counted, self.world.clients.get(&id).map(|reader| reader.skipped), "skipped and not counted");
    }

    fn settle(&mut self) {
        for _ in 0..100 {
            self.world.now += Duration::from_secs(1);
            self.world.time_passes(Duration::ZERO);
            self.end_without_lf();
            self.world.events(|_, _, _, _| {});
            for id in self.world.clients.keys().copied().collect::<Vec<_>>() {
                self.world.client_reads_all(id);
                self.serve(id);
            }
        }
        for (id, reader) in &self.world.clients {
            assert!(self.world.hub.is_drained(*id), "a reader that reads is given the newest telegram");
            assert!(reader.got.is_empty() || ends_whole(&reader.got, &self.complete), "a telegram was cut");
        }
    }
}

/// Whether the last thing in `got` is a whole telegram.
fn ends_whole(got: &[u8], complete: &[Vec<u8>]) -> bool {
    complete.iter().rev().any(|telegram| got.ends_with(telegram))
}
