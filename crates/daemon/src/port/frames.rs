//! The frames of a framed port: which of them the ring holds, and by what number they go.

use std::collections::VecDeque;
use std::time::Instant;

use sermux_port_config::config::Crc;
use sermux_protocol::frame::p1::{P1Counters, P1Framer};
use sermux_protocol::frame::{Check, Frame};

use super::event::Event;
use super::garbage::{self, Change, Garbage};
use super::missing::Missing;

/// Complete frames by number, oldest first.
#[derive(Debug)]
pub(super) struct Frames {
    framer: P1Framer,
    crc: Crc,
    held: VecDeque<Frame>,
    seen: u64,
    /// Telegrams with a wrong CRC since the last right one.
    bad_row: u64,
    garbage: Garbage,
}

impl Frames {
    pub(super) fn new(crc: Crc) -> Self {
        Self { framer: P1Framer::new(), crc, held: VecDeque::new(), seen: 0, bad_row: 0, garbage: Garbage::default() }
    }

    /// What happens to telegrams with a wrong CRC from now on.
    pub(super) fn set_crc(&mut self, crc: Crc) {
        self.crc = crc;
    }

    /// How many there were so far, and so the number of the next one.
    pub(super) fn seen(&self) -> u64 {
        self.seen
    }

    /// The number of the oldest one held.
    pub(super) fn first_held(&self) -> u64 {
        self.seen - self.held.len() as u64
    }

    /// Where the frame with this number lies, if it is held.
    pub(super) fn held(&self, number: u64) -> Option<Frame> {
        let index = usize::try_from(number.checked_sub(self.first_held())?).ok()?;
        self.held.get(index).copied()
    }

    /// How many are held.
    pub(super) fn count_held(&self) -> usize {
        self.held.len()
    }

    /// Gives up the frames before this number.
    pub(super) fn forget_before(&mut self, number: u64) {
        while self.first_held() < number && self.held.pop_front().is_some() {}
    }

    /// Gives up the oldest frame.
    pub(super) fn forget_oldest(&mut self) {
        self.held.pop_front();
    }

    /// From where on bytes belong to a frame that is held, or that may become one; `head` if none do.
    pub(super) fn tail(&self, head: u64) -> u64 {
        self.held.front().map(|frame| frame.start).or(self.framer.partial()).unwrap_or(head)
    }

    /// Bytes came from the line; `at` is the offset of the first.
    pub(super) fn push(&mut self, chunk: &[u8], at: u64, now: Instant, events: &mut VecDeque<Event>) {
        let Self { framer, crc, held, seen, bad_row, garbage } = self;
        framer.push(chunk, at, now, |frame: Frame| {
            let bad = frame.check == Check::Bad;
            match (bad, *bad_row) {
                (true, 0) => events.push_back(Event::CrcBad),
                (false, 1..) => events.push_back(Event::CrcGoodAgain(*bad_row)),
                _ => {}
            }
            *bad_row = if bad { *bad_row + 1 } else { 0 };
            if !bad || *crc == Crc::Pass {
                held.push_back(frame);
                *seen += 1;
            }
        });
        let partial = framer.partial().map_or(0, |from| at + chunk.len() as u64 - from);
        say(garbage.took(chunk.len(), framer.counters(), partial, now), events);
    }

    /// When a frame that is only partly here is given up, if the line stays silent, or when it is time to say that no good
    /// one comes.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.framer.deadline().into_iter().chain(self.garbage.due()).min()
    }

    /// `head` is the offset of the next byte.
    pub(super) fn handle_timeout(&mut self, head: u64, now: Instant, events: &mut VecDeque<Event>) {
        self.framer.handle_timeout(now);
        let partial = self.framer.partial().map_or(0, |from| head - from);
        say(self.garbage.waited(partial, now), events);
    }

    /// The line is gone: what is only partly here stays so.
    pub(super) fn reset(&mut self) {
        self.framer.reset();
        self.garbage.reset(self.framer.counters());
    }

    /// Telegrams whose CRC is not wrong.
    pub(super) fn good(&self) -> u64 {
        garbage::good(self.framer.counters())
    }

    /// Whether bytes come and no good frame.
    pub(super) fn is_garbage(&self) -> bool {
        self.garbage.is_garbage()
    }

    /// What came since the latest good frame.
    pub(super) fn missing(&self) -> Missing {
        match (self.garbage.bad_telegrams(self.framer.counters()), self.garbage.bytes()) {
            (0, 0) => Missing::Everything,
            (0, bytes) => Missing::Telegrams(bytes),
            (bad, _) => Missing::GoodTelegrams(bad),
        }
    }

    pub(super) fn counters(&self) -> P1Counters {
        self.framer.counters()
    }
}

fn say(change: Option<Change>, events: &mut VecDeque<Event>) {
    events.extend(change.map(|change| match change {
        Change::Began => Event::Garbage,
        Change::Ended => Event::GoodAgain,
    }));
}
