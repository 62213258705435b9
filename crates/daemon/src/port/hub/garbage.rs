//! Detects that a port for telegrams receives bytes but no good telegram.
//!
//! It knows no bytes, only how many came since the latest good telegram. What may still become a telegram does not count,
//! so a healthy meter never comes near the limits, however long its telegrams are.

use std::time::{Duration, Instant};

use sermux_protocol::frame::p1::P1Counters;

/// This number of bytes without a good telegram is garbage: at least two of the longest usual telegrams.
pub(super) const MUCH: u64 = 4096;

/// This number is garbage once [`PATIENCE`] has passed; fewer come when a plug is put in.
pub(super) const SOME: u64 = 256;

/// Two telegrams of a meter that sends each 10 s may be damaged before anything is wrong with the line.
pub(super) const PATIENCE: Duration = Duration::from_secs(25);

/// What came since the latest good telegram, or since the device was opened.
#[derive(Debug, Default)]
pub(super) struct Garbage {
    /// All bytes.
    bytes: u64,
    /// Those of them that may still become a telegram.
    partial: u64,
    /// When the first byte came that belongs to no good telegram.
    begun: Option<Instant>,
    is_garbage: bool,
    /// What the framer had counted.
    good: u64,
    bad: u64,
}

/// What a look found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GarbageChange {
    /// From now on it is garbage.
    Began,
    /// A good telegram came.
    Ended,
}

impl Garbage {
    /// `n` bytes came, or none and time has passed; the framer has these `counters`, and holds `partial` bytes that may become a telegram.
    pub(super) fn took(&mut self, n: u64, counters: P1Counters, partial: u64, now: Instant) -> Option<GarbageChange> {
        let good = good(counters);
        self.partial = partial;
        if good != self.good {
            *self = Garbage { is_garbage: self.is_garbage, good, bad: counters.crc_bad, partial, ..Garbage::default() };
            return std::mem::take(&mut self.is_garbage).then_some(GarbageChange::Ended);
        }
        self.bytes += n;
        self.look(now)
    }

    fn look(&mut self, now: Instant) -> Option<GarbageChange> {
        if self.is_garbage || self.wasted() == 0 {
            return None;
        }
        self.begun.get_or_insert(now);
        self.is_garbage = self.wasted() >= MUCH || self.due().is_some_and(|due| due <= now);
        self.is_garbage.then_some(GarbageChange::Began)
    }

    /// When it is garbage if no good telegram comes.
    pub(super) fn due(&self) -> Option<Instant> {
        let counts = !self.is_garbage && self.wasted() >= SOME;
        self.begun.filter(|_| counts).map(|begun| begun + PATIENCE)
    }

    /// The line was closed: what it brought says nothing of what it will bring.
    pub(super) fn reset(&mut self, counters: P1Counters) {
        *self = Garbage { good: good(counters), bad: counters.crc_bad, ..Garbage::default() };
    }

    /// Whether it is garbage.
    pub(super) fn is_garbage(&self) -> bool {
        self.is_garbage
    }

    /// All bytes since the latest good telegram.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Telegrams with a wrong CRC since then.
    pub(super) fn bad_telegrams(&self, counters: P1Counters) -> u64 {
        counters.crc_bad - self.bad
    }

    fn wasted(&self) -> u64 {
        self.bytes.saturating_sub(self.partial)
    }
}

/// Telegrams whose CRC is not wrong.
pub(super) fn good(counters: P1Counters) -> u64 {
    counters.telegrams - counters.crc_bad
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(good: u64, crc_bad: u64) -> P1Counters {
        P1Counters { telegrams: good + crc_bad, crc_bad, ..P1Counters::default() }
    }

    #[test]
    fn a_healthy_meter_never_comes_near_it_however_long_its_telegrams_are() {
        let now = Instant::now();
        let mut garbage = Garbage::default();
        for telegram in 0..100 {
            for part in 1..=9 {
                assert_eq!(garbage.took(1000, counted(telegram, 0), part * 1000, now), None);
                assert_eq!(garbage.due(), None);
            }
            assert_eq!(garbage.took(100, counted(telegram + 1, 0), 0, now), None);
        }
    }

    #[test]
    fn much_is_garbage_at_once_some_after_a_while_and_a_little_never() {
        let now = Instant::now();
        let mut much = Garbage::default();
        assert_eq!(much.took(4095, counted(0, 0), 0, now), None);
        assert_eq!(much.took(1, counted(0, 0), 0, now), Some(GarbageChange::Began));
        assert_eq!(much.took(1, counted(0, 0), 0, now), None, "once");
        assert_eq!(much.took(1, counted(1, 0), 0, now), Some(GarbageChange::Ended));
        assert!(!much.is_garbage());

        let mut some = Garbage::default();
        assert_eq!(some.took(300, counted(0, 1), 0, now), None);
        let due = some.due().unwrap();
        assert_eq!(some.took(300, counted(0, 2), 0, due - Duration::from_secs(1)), None);
        assert_eq!(some.due(), Some(due), "what comes does not move it");
        assert_eq!(some.took(0, counted(0, 2), 0, due), Some(GarbageChange::Began));
        assert_eq!(some.bad_telegrams(counted(0, 2)), 2);

        let mut little = Garbage::default();
        assert_eq!(little.took(255, counted(0, 0), 0, now), None);
        assert_eq!((little.due(), little.took(0, counted(0, 0), 0, now + 10 * PATIENCE)), (None, None));
    }

    #[test]
    fn what_is_given_up_counts_from_then_on() {
        let now = Instant::now();
        let mut garbage = Garbage::default();
        assert_eq!(garbage.took(5000, counted(0, 0), 5000, now), None);
        assert_eq!(garbage.took(0, counted(0, 0), 0, now), Some(GarbageChange::Began));
        garbage.reset(counted(0, 0));
        assert!(!garbage.is_garbage() && garbage.bytes() == 0);
    }
}
