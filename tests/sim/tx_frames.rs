//! Clients that write in pieces to a port with `tx-frame`: the line gets whole frames of one client each, in the order in
//! which they became whole, and of half ones exactly those that are to be cut; no byte is lost without being counted.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use sermux::line::Snapshot;
use sermux::port::hub::{ClientId, Hub};
use sermux_port_config::config::{Delimiter, Device, HalfClose, Port, Sim};
use sermux_port_config::line::LineSettings;
use sermux_protocol::session::Session;

use crate::random::Random;
use crate::terms::{telling, terms};

const STEPS: usize = 600;
const LONGEST: usize = 4096;
const LONGEST_WAIT: Duration = Duration::from_secs(2);

struct World {
    random: Random,
    hub: Hub,
    now: Instant,
    line_open: bool,
    delimiter: &'static [u8],
    /// Nothing happens that cuts a frame.
    calm: bool,
    clients: BTreeMap<ClientId, Writer>,
    came: u8,
    /// What the line is to be given, and of which client.
    expected: VecDeque<(u8, u8)>,
    /// The line's frame so far is of this client.
    frame_of: Option<u8>,
    cut: u64,
    lost: u64,
    discarded: u64,
}

/// A client, which is known by the letter that it writes.
struct Writer {
    letter: u8,
    half: Vec<u8>,
    /// The byte before the next one, in the frame that has begun.
    last: Option<u8>,
    heard: Instant,
    half_closed: bool,
}

pub(crate) fn run(seed: u64) {
    let mut world = World::new(seed);
    for _ in 0..STEPS {
        world.step();
        world.check();
    }
    world.line_takes_all();
    world.check();
    assert!(world.expected.is_empty() || !world.line_open);
}

impl World {
    fn new(seed: u64) -> Self {
        let delimiter: &[u8] = if seed % 2 == 0 { b"\n" } else { b"\r\n" };
        let mut port = Port::new(Device::Sim(Sim::Echo), LineSettings::default());
        port.tx_frame = Delimiter::new(delimiter);
        let (mut hub, now) = (Hub::new(&port), Instant::now());
        hub.line_opened(true, &Snapshot::default(), now);
        Self {
            random: Random::new(seed),
            hub,
            now,
            line_open: true,
            delimiter,
            calm: seed % 4 < 2,
            clients: BTreeMap::new(),
            came: 0,
            expected: VecDeque::new(),
            frame_of: None,
            cut: 0,
            lost: 0,
            discarded: 0,
        }
    }

    fn step(&mut self) {
        match self.random.below(30) {
            0 | 1 if self.clients.len() < 6 && self.came < 200 => self.connect(),
            2..=14 => self.with_any(Self::writes),
            15..=20 => self.line_takes(),
            _ if self.calm => {}
            21 => self.with_any(Self::half_closes),
            22 => self.with_any(Self::goes),
            23 => self.with_any(Self::resets),
            24 if self.random.one_in(4) => self.line_goes(),
            25 if !self.line_open => {
                self.line_open = true;
                self.hub.line_opened(true, &Snapshot::default(), self.now);
            }
            _ => self.time_passes(),
        }
    }

    fn with_any(&mut self, act: fn(&mut Self, ClientId)) {
        let ids: Vec<ClientId> = self.clients.keys().copied().collect();
        if !ids.is_empty() {
            let id = self.random.pick(&ids);
            act(self, id);
        }
    }

    fn connect(&mut self) {
        let terms = terms(|terms| {
            terms.address = telling();
            terms.half_close = HalfClose::For(Duration::from_secs(360_000));
            terms.write_hold = Duration::ZERO;
        });
        let id = self.hub.connect((0, &terms), Session::raw(), &[], self.now).unwrap();
        let letter = 32 + self.came;
        self.came += 1;
        let writer = Writer { letter, half: Vec::new(), last: None, heard: self.now, half_closed: false };
        assert!(self.clients.insert(id, writer).is_none());
    }

    /// A piece: the client's letter, ends of frames, and what looks like the beginning of one.
    fn writes(&mut self, id: ClientId) {
        if !self.hub.wants_input(id) {
            return;
        }
        let long = !self.calm && self.clients.keys().next() == Some(&id) && self.random.one_in(3);
        let most = if long { self.hub.input_room(id).min(10_000) } else { 40 };
        let len = 1 + self.random.below(most);
        let ends = self.random.pick(&[4, 20, 10_000]);
        let letter = self.clients[&id].letter;
        let block: Vec<u8> = (0..len)
            .map(|_| if self.random.one_in(ends) { self.random.pick(self.delimiter) } else { letter })
            .collect();
        self.hub.input(id, &block, self.now);
        if !self.line_open {
            self.lost += len as u64;
            return;
        }
        let delimiter = self.delimiter;
        let writer = self.clients.get_mut(&id).unwrap();
        let mut whole = 0;
        for byte in block {
            writer.half.push(byte);
            let pair = [writer.last.unwrap_or(letter), byte];
            writer.last = Some(byte);
            if pair.ends_with(delimiter) {
                (whole, writer.last) = (writer.half.len(), None);
            }
        }
        if writer.half.len() - whole > LONGEST {
            whole = writer.half.len();
            self.cut += 1;
        }
        self.expected.extend(writer.half.drain(..whole).map(|byte| (letter, byte)));
        writer.heard = self.now;
    }

    fn cuts(&mut self, id: ClientId) {
        let writer = self.clients.get_mut(&id).unwrap();
        self.cut += u64::from(!writer.half.is_empty());
        self.expected.extend(writer.half.drain(..).map(|byte| (writer.letter, byte)));
    }

    fn half_closes(&mut self, id: ClientId) {
        self.cuts(id);
        self.clients.get_mut(&id).unwrap().half_closed = true;
        self.hub.half_closed(id, self.now);
    }

    fn goes(&mut self, id: ClientId) {
        self.cuts(id);
        self.clients.remove(&id);
        self.hub.disconnect(id, 0, self.now);
    }

    fn resets(&mut self, id: ClientId) {
        let writer = self.clients.remove(&id).unwrap();
        let before = self.expected.len();
        self.expected.retain(|(letter, _)| *letter != writer.letter);
        self.discarded += (before - self.expected.len() + writer.half.len()) as u64;
        self.hub.discard(id);
        self.hub.disconnect(id, 0, self.now);
    }

    fn line_goes(&mut self) {
        self.line_open = false;
        self.lost += self.expected.len() as u64;
        self.expected.clear();
        for writer in self.clients.values_mut() {
            self.lost += writer.half.len() as u64;
            (writer.half, writer.last) = (Vec::new(), None);
        }
        self.hub.line_gone(self.now);
    }

    fn line_takes_all(&mut self) {
        while self.line_open && !self.hub.tx_front().is_empty() {
            self.line_takes();
        }
    }

    fn line_takes(&mut self) {
        if !self.line_open {
            return;
        }
        let front = self.hub.tx_front();
        if front.is_empty() {
            assert!(self.expected.is_empty(), "whole frames are held");
            return;
        }
        let n = 1 + self.random.below(front.len());
        for byte in &front[..n] {
            let (letter, expected) = self.expected.pop_front().expect("the line gets what is not whole");
            assert_eq!(*byte, expected, "the line gets other bytes, or in another order");
            // A longer delimiter does not show in one byte: there the model alone judges.
            if self.calm && self.delimiter == b"\n" {
                assert_eq!(*self.frame_of.get_or_insert(letter), letter, "a frame is torn by another client's");
                self.frame_of = self.frame_of.filter(|_| *byte != b'\n');
            }
        }
        self.hub.tx_written(n, self.now);
    }

    /// On a line that takes everything: a client that is not read has more time.
    fn time_passes(&mut self) {
        self.line_takes_all();
        self.now += Duration::from_millis(self.random.pick(&[1, 100, 900, 2000, 5000]));
        let due = |writer: &Writer| !writer.half.is_empty() && writer.heard + LONGEST_WAIT <= self.now;
        let due: Vec<ClientId> = self.clients.iter().filter(|(_, writer)| due(writer)).map(|(id, _)| *id).collect();
        assert!(due.is_empty() || self.hub.deadline().is_some_and(|at| at <= self.now), "nobody looks when it is due");
        while let Some(at) = self.hub.deadline().filter(|at| *at <= self.now) {
            self.hub.handle_timeout(self.now);
            assert_ne!(self.hub.deadline(), Some(at), "a deadline that stays would spin");
        }
        due.into_iter().for_each(|id| self.cuts(id));
    }

    fn check(&mut self) {
        while self.hub.poll_event().is_some() {}
        let counters = self.hub.counters();
        assert_eq!(counters.tx_cut_frames, self.cut, "frames that were cut");
        assert_eq!((counters.tx_lost, counters.tx_discarded), (self.lost, self.discarded), "lost, discarded");
        assert!(!self.line_open || self.hub.tx_is_empty() == self.expected.is_empty());
        assert!(self.clients.iter().all(|(id, writer)| !writer.half_closed || !self.hub.wants_input(*id)));
    }
}
