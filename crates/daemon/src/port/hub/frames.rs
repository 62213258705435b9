//! The frames of a framed port: which of them the ring holds, and their numbers.

use std::collections::VecDeque;
use std::time::Instant;

use sermux_port_config::config::Crc;
use sermux_protocol::frame::held::Held;
use sermux_protocol::frame::p1::{P1Counters, P1Framer};
use sermux_protocol::frame::{Check, Frame, OtherCrc};

use super::event::Event;
use super::garbage::{self, Garbage, GarbageChange};
use super::missing::Missing;
use super::ring::Ring;
use super::telegram::{Latest, Telegram};

/// Complete frames by number, oldest first.
#[derive(Debug)]
pub(super) struct Frames {
    framer: P1Framer,
    /// The line was read empty since its last byte: until then a silence is that of our reader, not of the line.
    is_read_empty: bool,
    /// When silence may have ended what is only partly here: no later than that is. Not moved by each byte, since nearly always
    /// the rest comes before.
    alarm: Option<Instant>,
    garbage: Garbage,
    known: KnownFrame,
}

/// What there was of them, and what is held.
#[derive(Debug)]
struct KnownFrame {
    crc: Crc,
    held: VecDeque<Frame>,
    seen: u64,
    /// Telegrams with a wrong CRC since the last right one.
    bad_row: u64,
    /// By which other CRC some were right, which is logged once each.
    by_other: [bool; 2],
    latest: Latest,
    /// When the last bytes came.
    came: Option<Instant>,
}

impl Frames {
    pub(super) fn new(crc: Crc) -> Self {
        let known = KnownFrame {
            crc,
            held: VecDeque::new(),
            seen: 0,
            bad_row: 0,
            by_other: [false; 2],
            latest: Latest::default(),
            came: None,
        };
        Self { framer: P1Framer::new(), is_read_empty: false, alarm: None, garbage: Garbage::default(), known }
    }

    /// What happens to telegrams with a wrong CRC from now on.
    pub(super) fn set_crc(&mut self, crc: Crc) {
        self.known.crc = crc;
    }

    /// How many there were so far, and so the number of the next one.
    pub(super) fn seen(&self) -> u64 {
        self.known.seen
    }

    /// The number of the oldest one held.
    pub(super) fn first_held(&self) -> u64 {
        self.known.seen - self.known.held.len() as u64
    }

    /// Where the frame with this number lies, if it is held.
    pub(super) fn held(&self, number: u64) -> Option<Frame> {
        let index = usize::try_from(number.checked_sub(self.first_held())?).ok()?;
        self.known.held.get(index).copied()
    }

    /// How many are held.
    pub(super) fn count_held(&self) -> usize {
        self.known.held.len()
    }

    /// Gives up the frames before this number.
    pub(super) fn forget_before(&mut self, number: u64) {
        while self.first_held() < number && self.known.held.pop_front().is_some() {}
    }

    /// Gives up the oldest frame.
    pub(super) fn forget_oldest(&mut self) {
        self.known.held.pop_front();
    }

    /// From where on bytes belong to a frame that is held, or that may become one; `head` if none do.
    pub(super) fn tail(&self, head: u64) -> u64 {
        self.known.held.front().map(|frame| frame.start).or(self.framer.partial()).unwrap_or(head)
    }

    /// Bytes came from the line and are in the ring; `at` is the offset of the first.
    pub(super) fn push(&mut self, ring: &Ring, at: u64, now: Instant, events: &mut VecDeque<Event>) {
        let held = self.shown(ring, at);
        let Self { framer, known, .. } = self;
        known.came = Some(now);
        framer.push(held, at, now, |frame| known.take(frame, held, events));
        self.is_read_empty = false;
        self.look_for_garbage(held.end() - at, held.end(), now, events);
    }

    /// The line was read empty: until more comes it is silent.
    pub(super) fn read_empty(&mut self) {
        self.is_read_empty = true;
        self.alarm = self.framer.deadline().map(|at| self.alarm.map_or(at, |alarm| alarm.min(at)));
    }

    /// When to look whether silence has ended a frame that is only partly here, or when it is time to say that no good one
    /// comes.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.alarm.filter(|_| self.is_read_empty).into_iter().chain(self.garbage.due()).min()
    }

    pub(super) fn handle_timeout(&mut self, ring: &Ring, now: Instant, events: &mut VecDeque<Event>) {
        if self.deadline().is_none_or(|deadline| deadline > now) {
            return;
        }
        if self.is_read_empty {
            let held = self.shown(ring, ring.head());
            let Self { framer, known, .. } = self;
            framer.handle_timeout(held, now, |frame| known.take(frame, held, events));
            self.alarm = self.framer.deadline();
        }
        self.look_for_garbage(0, ring.head(), now, events);
    }

    /// The line is disconnected: what is only partly here stays so. A frame that lacks nothing but its line end is one.
    pub(super) fn reset(&mut self, ring: &Ring, events: &mut VecDeque<Event>) {
        let held = self.shown(ring, ring.head());
        let Self { framer, known, .. } = self;
        framer.reset(held, |frame| known.take(frame, held, events));
        self.alarm = None;
        self.garbage.reset(self.framer.counters());
    }

    /// What the framer may look at: what is only partly here, and what came from `at` on.
    fn shown<'a>(&self, ring: &'a Ring, at: u64) -> Held<'a> {
        let begin = self.framer.partial().unwrap_or(at);
        Held::new(begin, ring.slices(begin, ring.head()))
    }

    /// This number of bytes came, up to the offset `head`; or only time has passed.
    fn look_for_garbage(&mut self, bytes: u64, head: u64, now: Instant, events: &mut VecDeque<Event>) {
        let partial = self.framer.partial().map_or(0, |from| head - from);
        events.extend(self.garbage.took(bytes, self.framer.counters(), partial, now).map(|change| match change {
            GarbageChange::Began => Event::Garbage,
            GarbageChange::Ended => Event::GoodAgain,
        }));
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

    /// The latest one whose CRC is not wrong.
    pub(super) fn latest(&self) -> Option<&Telegram> {
        self.known.latest.get()
    }
}

impl KnownFrame {
    /// A frame is whole.
    fn take(&mut self, frame: Frame, held: Held<'_>, events: &mut VecDeque<Event>) {
        if let Check::GoodBy(crc) = frame.check {
            let was_said = &mut self.by_other[usize::from(crc == OtherCrc::X25)];
            if !std::mem::replace(was_said, true) {
                events.push_back(Event::CrcBy(crc));
            }
        }
        let bad = frame.check == Check::Bad;
        match (bad, self.bad_row) {
            (true, 0) => events.push_back(Event::CrcBad),
            (false, 1..) => events.push_back(Event::CrcGoodAgain(self.bad_row)),
            _ => {}
        }
        self.bad_row = if bad { self.bad_row + 1 } else { 0 };
        if let (false, Some(came)) = (bad, self.came) {
            self.latest.keep(held.slices(frame.start, frame.end), frame.check, came);
        }
        if !bad || self.crc == Crc::Pass {
            self.held.push_back(frame);
            self.seen += 1;
        }
    }
}
