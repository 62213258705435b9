//! What clients have sent and the line has not taken yet: one queue per port, first come, first out.
//!
//! A block that one read of one client returned is pushed whole, so that two writers never tear each other's writes.
//! Offsets are absolute, like the ring's: whoever must wait until certain bytes have left remembers an offset.

use std::collections::VecDeque;
use std::time::Duration;

use sermux_port_config::line::LineSettings;

/// The most that one read of a client takes while others wait for their turn.
pub const BLOCK: usize = 4096;

/// The most that one read takes of a client that is alone: as much as every queue has room for when it is empty, and twice
/// that while a byte for the line takes two.
pub const LARGE_BLOCK: usize = 2 * AT_LEAST;

/// The queue holds what the line sends in this time …
const LINE_TIME: Duration = Duration::from_millis(250);
/// … but at least so much, or a fast client would be read a few bytes at a time …
const AT_LEAST: usize = 16 * 1024;
/// … and at most so much.
const AT_MOST: usize = 64 * 1024;

/// A client that only sends bytes is read when so much is free: its reads are few and large, and the line still has as
/// much to send.
pub(super) const WORTHWHILE: usize = AT_LEAST / 2;

/// Bytes on their way to the line.
#[derive(Debug)]
pub(super) struct TxQueue {
    limit: usize,
    bytes: VecDeque<u8>,
    /// The offset of the first byte that is queued; `taken + len` is that of the next one pushed.
    taken: u64,
}

impl TxQueue {
    /// A queue that fits the speed of the line.
    #[must_use]
    pub(super) fn new(settings: &LineSettings) -> Self {
        let mut queue = Self { limit: AT_LEAST, bytes: VecDeque::new(), taken: 0 };
        queue.set_line(settings);
        queue
    }

    /// The line has other settings now.
    pub(super) fn set_line(&mut self, settings: &LineSettings) {
        let in_line_time = LINE_TIME.as_nanos() / settings.char_time().as_nanos().max(1);
        self.limit = usize::try_from(in_line_time).unwrap_or(AT_MOST).clamp(AT_LEAST, AT_MOST);
    }

    /// Whether so much still fits: at least a block, [`BLOCK`] or [`WORTHWHILE`].
    #[must_use]
    pub(super) fn has_room(&self, wanted: usize) -> bool {
        self.bytes.len() + wanted <= self.limit
    }

    /// How much fits; not less than one block, which is let in beyond the limit where it must be.
    #[must_use]
    pub(super) fn room(&self) -> usize {
        self.limit.saturating_sub(self.bytes.len()).clamp(BLOCK, AT_LEAST)
    }

    /// Whether nothing is queued.
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The offset behind the last byte pushed.
    #[must_use]
    pub(super) fn end(&self) -> u64 {
        self.taken + self.bytes.len() as u64
    }

    /// The offset behind the last byte that the line took (or that was thrown away).
    #[must_use]
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Queues one block. Whoever asked [`TxQueue::has_room`] and [`TxQueue::room`] first keeps the bound, or exceeds it by
    /// that room at most.
    pub(super) fn push(&mut self, block: &[u8]) {
        debug_assert!(block.len() <= 2 * self.room());
        self.bytes.extend(block);
    }

    /// The next bytes for the line before the offset `hold`, in one piece; empty when there are none.
    #[must_use]
    pub(super) fn front_until(&self, hold: Option<u64>) -> &[u8] {
        let front = self.bytes.as_slices().0;
        match hold.map(|hold| usize::try_from(hold.saturating_sub(self.taken))) {
            Some(Ok(free)) => &front[..front.len().min(free)],
            _ => front,
        }
    }

    /// The line took the first `n` bytes of [`TxQueue::front_until`].
    pub(super) fn advance(&mut self, n: usize) {
        let n = n.min(self.bytes.len());
        self.bytes.drain(..n);
        self.taken += n as u64;
        if self.bytes.is_empty() {
            // Start at the first page again: `front` stays in one piece, and little memory is touched.
            self.bytes.clear();
        }
    }

    /// Throws away what is before this offset; says how much that was.
    pub(super) fn purge_before(&mut self, offset: u64) -> u64 {
        let n = offset.clamp(self.taken, self.end()) - self.taken;
        self.advance(usize::try_from(n).unwrap_or(usize::MAX));
        n
    }

    /// Throws everything away; says how much that was.
    pub(super) fn purge(&mut self) -> usize {
        let n = self.bytes.len();
        self.advance(n);
        n
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(settings: &str) -> TxQueue {
        TxQueue::new(&settings.parse().unwrap())
    }

    #[test]
    fn holds_a_quarter_of_a_second_of_the_line_within_its_bounds() {
        assert_eq!(queue("9600 8N1").limit, AT_LEAST);
        assert_eq!(queue("1000000 8N1").limit, 25_000);
        assert_eq!(queue("4000000 8N1").limit, AT_MOST);
    }

    #[test]
    fn blocks_leave_in_order_and_offsets_count_them() {
        let mut queue = queue("9600 8N1");
        queue.push(b"abc");
        queue.push(b"de");
        assert_eq!(queue.front_until(None), b"abcde");
        queue.advance(4);
        assert_eq!((queue.front_until(None), queue.taken(), queue.end()), (&b"e"[..], 4, 5));
        assert_eq!(queue.purge(), 1);
        assert_eq!((queue.front_until(None), queue.taken()), (&b""[..], 5));
    }

    #[test]
    fn is_full_before_a_block_would_not_fit() {
        let mut queue = queue("9600 8N1");
        let mut blocks = 0;
        while queue.has_room(BLOCK) {
            queue.push(&[0; BLOCK]);
            blocks += 1;
        }
        assert_eq!(blocks * BLOCK, AT_LEAST);
    }

    #[test]
    fn takes_at_once_what_fits() {
        let mut queue = queue("9600 8N1");
        assert_eq!(queue.room(), AT_LEAST);
        queue.push(&[0; 5000]);
        assert_eq!(queue.room(), AT_LEAST - 5000);
        assert!(queue.has_room(BLOCK));
        queue.push(&[0; AT_LEAST - 5000]);
        assert!(!queue.has_room(BLOCK));
    }
}
