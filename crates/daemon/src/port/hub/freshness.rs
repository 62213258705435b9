//! Whether a reader's socket still holds an old frame.
//!
//! A socket takes bytes long before they reach the reader. A reader of telegrams would rather have the newest one next
//! than everything that piled up, so a frame is only handed to a socket that has got rid of the one before.
//!
//! SIOCOUTQ alone counts bytes that are merely under way, and delayed acknowledgements (up to 200 ms) would make a healthy reader
//! skip telegrams. So a socket is clear when nothing is unsent (SIOCOUTQNSD) and what was sent has been acknowledged for long
//! enough. Nothing is under way on a unix socket: there SIOCOUTQ counts what the reader has not read.

use std::time::{Duration, Instant};

/// What a socket still holds of what was written to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketQueue {
    /// Bytes not sent yet (SIOCOUTQNSD): the peer's window is full, or the network's.
    pub unsent: usize,
    /// Bytes not acknowledged yet, the unsent among them (SIOCOUTQ). On a unix socket: what its reader has not read, a
    /// little more than that.
    pub unacknowledged: usize,
}

/// Acknowledgements take a round trip and up to 200 ms of the peer's patience; a peer that has not acknowledged for
/// longer is out of reach, and what is sent to it now arrives stale.
const OUT_OF_REACH: Duration = Duration::from_millis(500);

/// A socket that holds something is looked at again after this time, then after twice as long …
const FIRST_LOOK: Duration = Duration::from_millis(25);
/// … up to this. Nothing tells when a socket's queue has become empty.
const LAST_LOOK: Duration = Duration::from_secs(1);

/// Follows the acknowledgements of one socket.
#[derive(Debug)]
pub(super) struct Freshness {
    /// Bytes the socket took so far.
    written: u64,
    /// Everything up to here was written by `marked_at`.
    mark: u64,
    marked_at: Instant,
    look_after: Duration,
    look_at: Option<Instant>,
}

impl Freshness {
    pub(super) fn new(now: Instant) -> Self {
        Self { written: 0, mark: 0, marked_at: now, look_after: FIRST_LOOK, look_at: None }
    }

    pub(super) fn wrote(&mut self, n: usize) {
        self.written += n as u64;
    }

    /// Whether the socket has got rid of what it was given; if not, [`Freshness::look_at`] says when to ask again.
    pub(super) fn is_clear(&mut self, queue: SocketQueue, now: Instant) -> bool {
        if queue.unsent == 0 && self.acknowledges(queue, now) {
            self.look_after = FIRST_LOOK;
            self.look_at = None;
            return true;
        }
        if self.look_at.is_none_or(|at| at <= now) {
            self.look_at = Some(now + self.look_after);
            self.look_after = (self.look_after * 2).min(LAST_LOOK);
        }
        false
    }

    pub(super) fn look_at(&self) -> Option<Instant> {
        self.look_at
    }

    fn acknowledges(&mut self, queue: SocketQueue, now: Instant) -> bool {
        if self.written.saturating_sub(queue.unacknowledged as u64) >= self.mark {
            self.mark = self.written;
            self.marked_at = now;
        }
        now.duration_since(self.marked_at) < OUT_OF_REACH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_socket_with_unsent_bytes_is_not_clear_and_is_looked_at_ever_less_often() {
        let mut now = Instant::now();
        let mut freshness = Freshness::new(now);
        freshness.wrote(1000);
        let full = SocketQueue { unsent: 1, unacknowledged: 1000 };
        let mut waits = Vec::new();
        for _ in 0..8 {
            assert!(!freshness.is_clear(full, now));
            let at = freshness.look_at().unwrap();
            waits.push((at - now).as_millis());
            now = at;
        }
        assert_eq!(waits, [25, 50, 100, 200, 400, 800, 1000, 1000]);
        assert!(freshness.is_clear(SocketQueue::default(), now));
        assert_eq!(freshness.look_at(), None);
    }

    #[test]
    fn bytes_on_the_way_are_no_obstacle_while_acknowledgements_come() {
        let mut now = Instant::now();
        let mut freshness = Freshness::new(now);
        for _ in 0..1000 {
            // One telegram is always on the way: the one before is acknowledged when the next is written.
            let in_flight = SocketQueue { unsent: 0, unacknowledged: 700 };
            assert!(freshness.is_clear(in_flight, now));
            freshness.wrote(700);
            now += 10 * MS;
        }
    }

    #[test]
    fn a_peer_that_stopped_acknowledging_is_not_clear() {
        let start = Instant::now();
        let mut freshness = Freshness::new(start);
        freshness.wrote(700);
        let lost = SocketQueue { unsent: 0, unacknowledged: 700 };
        assert!(freshness.is_clear(lost, start + 100 * MS));
        assert!(!freshness.is_clear(lost, start + 1000 * MS));
    }
}
