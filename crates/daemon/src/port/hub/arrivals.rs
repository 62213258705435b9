//! When the bytes in the ring were received: one time for each read, by the ring's offsets.
//!
//! Bounded: when there are many, neighbours become one as long as that is a small part of the backlog, and it keeps the
//! earlier time. So a byte came when this says, or later, but not later than the last byte of its part.

use std::collections::VecDeque;
use std::time::Instant;

/// At most this number of times are kept. At least twice [`PARTS`] and one more.
const MOST: usize = 128;

/// What becomes one is at most such a part of the backlog.
const PARTS: usize = 32;

/// Of what has no lag, this is plenty.
const FEW: usize = 16;

/// The times.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    /// All but the newest, oldest first: none as long as clients keep up.
    before: VecDeque<Arrival>,
    newest: Option<Arrival>,
}

#[derive(Clone, Copy, Debug)]
struct Arrival {
    /// The offset behind its last byte; it begins where the one before it ends.
    end: u64,
    at: Instant,
}

impl Arrivals {
    /// Bytes up to `head` came `now`. What lies before `tail` is not held any more; a ring holds at most `capacity` bytes.
    pub(super) fn push(&mut self, tail: u64, head: u64, capacity: usize, now: Instant) {
        while self.before.front().is_some_and(|arrival| arrival.end <= tail) {
            self.before.pop_front();
        }
        if self.before.is_empty() && self.before.capacity() > FEW {
            self.before = VecDeque::new();
        }
        if self.before.len() >= MOST {
            // More than that may be held for a while after a reload.
            let held = (head - tail).max(capacity as u64);
            self.thin_out(tail, held / PARTS as u64);
        }
        let newest = self.newest.replace(Arrival { end: head, at: now });
        self.before.extend(newest.filter(|arrival| arrival.end > tail));
    }

    /// Joins neighbours that are not longer than `part` together. No two that stay are, so at most 2 × [`PARTS`] + 1 stay.
    fn thin_out(&mut self, tail: u64, part: u64) {
        let (mut kept, mut start) = (0, tail);
        let times = &mut self.before;
        for index in 1..times.len() {
            let next = times[index];
            if next.end - start <= part {
                times[kept].end = next.end;
            } else {
                start = times[kept].end;
                kept += 1;
                times[kept] = next;
            }
        }
        times.truncate(kept + 1);
    }

    /// When the byte at `offset` came, if it has come and is held.
    pub(super) fn came(&self, offset: u64) -> Option<Instant> {
        let index = self.before.partition_point(|arrival| arrival.end <= offset);
        let newest = self.newest.as_ref().filter(|arrival| arrival.end > offset);
        self.before.get(index).or(newest).map(|arrival| arrival.at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_read_has_its_time() {
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        let mut arrivals = Arrivals::default();
        arrivals.push(0, 10, 1000, at(1));
        arrivals.push(0, 11, 1000, at(2));
        assert_eq!([9, 10, 11].map(|offset| arrivals.came(offset)), [Some(at(1)), Some(at(2)), None]);
        arrivals.push(11, 20, 1000, at(3));
        assert_eq!(arrivals.came(11), Some(at(3)));
        assert!(arrivals.before.is_empty(), "what is not held any more has no time");
    }

    proptest! {
        /// Reads of any size, and a tail that follows at will.
        #[test]
        fn a_byte_came_when_it_is_said_or_within_a_part_of_the_backlog_behind_that(
            steps in prop::collection::vec((1..3000_u64, 0..4000_u64), 1..2000),
        ) {
            const CAPACITY: usize = 64 * 1024;
            let start = Instant::now();
            let mut arrivals = Arrivals::default();
            // Where each read began, and in which second it came.
            let mut reads: Vec<u64> = Vec::new();
            let (mut tail, mut head) = (0, 0);
            for (second, (read, released)) in steps.into_iter().enumerate() {
                reads.push(head);
                tail = (tail + released).min(head).max((head + read).saturating_sub(CAPACITY as u64));
                head += read;
                let now = start + Duration::from_secs(second as u64);
                arrivals.push(tail, head, CAPACITY, now);
                prop_assert!(arrivals.before.len() <= MOST);

                let second_of = |offset: u64| reads.partition_point(|begin| *begin <= offset) as u64 - 1;
                for offset in [tail, (tail + head) / 2, head - 1] {
                    let said = arrivals.came(offset).expect("it is held");
                    let said = (said - start).as_secs();
                    prop_assert!(said <= second_of(offset), "{said} s: before {offset} came");
                    let far = offset.saturating_sub((CAPACITY / PARTS) as u64);
                    prop_assert!(said >= second_of(far), "{said} s: long before {offset} came");
                }
            }
            prop_assert_eq!(arrivals.came(head), None);
        }
    }
}
