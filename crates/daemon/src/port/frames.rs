//! The frames of a framed port: which of them the ring holds, and by what number they go.

use std::collections::VecDeque;
use std::time::Instant;

use sermux_port_config::config::Crc;
use sermux_protocol::frame::p1::{P1Counters, P1Framer};
use sermux_protocol::frame::{Check, Frame};

use super::event::Event;

/// Complete frames by number, oldest first.
#[derive(Debug)]
pub(super) struct Frames {
    framer: P1Framer,
    crc: Crc,
    held: VecDeque<Frame>,
    seen: u64,
    /// Telegrams with a wrong CRC since the last right one.
    bad_row: u64,
}

impl Frames {
    pub(super) fn new(crc: Crc) -> Self {
        Self { framer: P1Framer::new(), crc, held: VecDeque::new(), seen: 0, bad_row: 0 }
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
        let Self { framer, crc, held, seen, bad_row } = self;
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
    }

    /// When a frame that is only partly here is given up, if the line stays silent.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.framer.deadline()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.framer.handle_timeout(now);
    }

    /// The line is gone: what is only partly here stays so.
    pub(super) fn reset(&mut self) {
        self.framer.reset();
    }

    pub(super) fn counters(&self) -> P1Counters {
        self.framer.counters()
    }
}
