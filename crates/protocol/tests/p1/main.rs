//! P1 framing, from outside: what a driver of [`P1Framer`](sermux_protocol::frame::p1::P1Framer) sees.

mod damage;
mod properties;
#[path = "../../../../tests/random.rs"]
mod random;
mod rules;
mod samples;

use std::time::{Duration, Instant};

use sermux_protocol::frame::held::Held;
use sermux_protocol::frame::p1::{P1Counters, P1Framer};
use sermux_protocol::frame::{crc16, Check, Frame};

/// A framer, a clock, and all that was received: what the driver's buffer would hold if it forgot nothing.
pub(crate) struct Line {
    pub(crate) framer: P1Framer,
    pub(crate) now: Instant,
    /// Offset of the first byte; not 0, as nothing may rely on that.
    base: u64,
    received: Vec<u8>,
    pub(crate) frames: Vec<Frame>,
}

impl Line {
    pub(crate) fn new() -> Self {
        Line { framer: P1Framer::new(), now: Instant::now(), base: 1_000_000, received: Vec::new(), frames: Vec::new() }
    }

    /// A line that received `input` in one read.
    pub(crate) fn that_received(input: &[u8]) -> Self {
        let mut line = Self::new();
        line.receive(input);
        line
    }

    pub(crate) fn receive(&mut self, chunk: &[u8]) {
        let at = self.head();
        self.received.extend_from_slice(chunk);
        // As a ring shows it: no more than must be kept, in two pieces that meet anywhere.
        let begin = self.framer.partial().unwrap_or(at);
        let (_, held) = self.received.split_at(place(begin - self.base));
        let (first, second) = held.split_at(self.received.len() * 31 % (held.len() + 1));
        let held = Held::new(begin, [first, second]);
        self.framer.push(held, at, self.now, |frame| self.frames.push(frame));
    }

    /// Time passes, in which the line is read empty.
    pub(crate) fn be_silent(&mut self, time: Duration) {
        self.now += time;
        let held = Held::whole(self.base, &self.received);
        self.framer.handle_timeout(held, self.now, |frame| self.frames.push(frame));
    }

    /// Bytes are lost: the offset jumps over them.
    pub(crate) fn lose(&mut self, bytes: usize) {
        self.end();
        self.received.resize(self.received.len() + bytes, 0);
    }

    /// The line is closed.
    pub(crate) fn end(&mut self) {
        let held = Held::whole(self.base, &self.received);
        self.framer.reset(held, |frame| self.frames.push(frame));
    }

    pub(crate) fn head(&self) -> u64 {
        self.base + self.received.len() as u64
    }

    pub(crate) fn bytes(&self, frame: &Frame) -> &[u8] {
        &self.received[place(frame.start - self.base)..place(frame.end - self.base)]
    }

    pub(crate) fn telegrams(&self) -> Vec<(&[u8], Check)> {
        self.frames.iter().map(|frame| (self.bytes(frame), frame.check)).collect()
    }

    pub(crate) fn checks(&self) -> Vec<Check> {
        self.frames.iter().map(|frame| frame.check).collect()
    }

    pub(crate) fn counters(&self) -> P1Counters {
        self.framer.counters()
    }

    pub(crate) fn partial_len(&self) -> u64 {
        self.framer.partial().map_or(0, |start| self.head() - start)
    }

    pub(crate) fn framed_len(&self) -> u64 {
        self.frames.iter().map(|frame| frame.end - frame.start).sum()
    }
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).expect("a test is not that long")
}

/// `text` up to and with its `!`, then the right CRC and CR LF.
pub(crate) fn with_crc(text: &str) -> Vec<u8> {
    let crc = crc16::checksum(text.as_bytes());
    format!("{text}{crc:04X}\r\n").into_bytes()
}
