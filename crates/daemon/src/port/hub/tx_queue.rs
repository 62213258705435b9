//! What clients have sent and the line has not taken yet: one queue per port, first come, first out.
//!
//! A block that one read of one client returned is pushed whole, so that two writers never tear each other's writes.
//! Offsets are absolute, like the ring's: a task that waits until certain bytes have left remembers an offset. So bytes that
//! are taken out in the middle, because their client has disconnected, leave a hole that keeps its offsets.
//!
//! It holds what the line takes in 250 ms: what its speed says, or what it has taken in that time if that is more, since a pty
//! knows no speed, and a USB device that is none of a UART minds none; at least 16 KiB, at most 64.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

use sermux_port_config::line::LineSettings;

/// The most that one read of a client takes while others wait for their turn.
pub const BLOCK: usize = 4096;

/// The most that one read takes of a client that is alone.
pub(super) const LARGE_BLOCK: usize = AT_MOST;

/// The queue holds what the line sends in this time …
const LINE_TIME: Duration = Duration::from_millis(250);
/// … but at least so much, or a fast client would be read a few bytes at a time …
const AT_LEAST: usize = 16 * 1024;
/// … and at most so much.
const AT_MOST: usize = 64 * 1024;

/// Blocks of different clients in turn that the queue holds at most, however small they are: each costs a [`Span`].
const MOST_SPANS: usize = 1024;

/// Bytes on their way to the line.
#[derive(Debug)]
pub(super) struct TxQueue {
    /// What the line sends in [`LINE_TIME`] at the speed that is set.
    nominal: usize,
    /// How much it holds: `nominal`, or what the line has taken in that time if that is more. A pseudo-terminal knows no
    /// speed, nor does a USB device that is none of a UART.
    limit: usize,
    /// When the line's pace was last taken, and what it has taken since.
    pace: Option<(Instant, usize)>,
    /// Those before `head` have left.
    bytes: Vec<u8>,
    head: usize,
    /// The offset of the first byte that is queued; `taken + len` is that of the next one pushed.
    taken: u64,
    /// Whose they are, in order. Together they are all that is queued.
    spans: VecDeque<Span>,
    /// Offsets of bytes that were taken out, in order; none is at the front, and no two touch.
    holes: VecDeque<Range<u64>>,
    /// How long they are together.
    in_holes: u64,
}

/// Bytes of one client in a row.
#[derive(Clone, Debug)]
struct Span {
    owner: u64,
    offsets: Range<u64>,
}

impl TxQueue {
    /// A queue that fits the speed of the line.
    #[must_use]
    pub(super) fn new(settings: &LineSettings) -> Self {
        let mut queue = Self {
            nominal: AT_LEAST,
            limit: AT_LEAST,
            pace: None,
            bytes: Vec::new(),
            head: 0,
            taken: 0,
            spans: VecDeque::new(),
            holes: VecDeque::new(),
            in_holes: 0,
        };
        queue.set_line(settings);
        queue
    }

    /// The line has other settings now.
    pub(super) fn set_line(&mut self, settings: &LineSettings) {
        let in_line_time = LINE_TIME.as_nanos() / settings.char_time().as_nanos().max(1);
        self.nominal = usize::try_from(in_line_time).unwrap_or(AT_MOST).clamp(AT_LEAST, AT_MOST);
        (self.limit, self.pace) = (self.nominal, None);
    }

    /// How many bytes are queued.
    fn len(&self) -> usize {
        self.bytes.len() - self.head
    }

    /// Whether half of it is free: reads are then few and large, and the line still has as much to send.
    #[must_use]
    pub(super) fn is_half_free(&self) -> bool {
        self.len() <= self.limit / 2 && self.spans.len() < MOST_SPANS
    }

    /// Whether a client may be read whose next request may lie behind its bytes: while a block of [`BLOCK`] fits into the
    /// smallest queue, in which seconds of a slow line may be before it, or half of it is free.
    #[must_use]
    pub(super) fn lets_requests_in(&self) -> bool {
        (self.len() + BLOCK <= AT_LEAST && self.spans.len() < MOST_SPANS) || self.is_half_free()
    }

    /// How much fits; not less than one block, which is let in beyond the limit where it must be.
    #[must_use]
    pub(super) fn room(&self) -> usize {
        self.limit.saturating_sub(self.len()).max(BLOCK)
    }

    /// Whether nothing is queued.
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The offset behind the last byte pushed.
    #[must_use]
    pub(super) fn end(&self) -> u64 {
        self.taken + self.len() as u64 + self.in_holes
    }

    /// The offset behind the last byte that the line took (or that was thrown away).
    #[must_use]
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Queues what `append` appends, which is of this client; returns what that returns, and how many bytes those were.
    /// A caller that checks whether there is room, and by [`TxQueue::room`] how much, keeps the bound, or exceeds it by that
    /// room at most.
    pub(super) fn push<R>(&mut self, owner: u64, append: impl FnOnce(&mut Vec<u8>) -> R) -> (R, usize) {
        // Not before it is the smaller part that is moved: each byte at most once, on the average.
        if self.head >= self.len() {
            self.bytes.drain(..self.head);
            self.head = 0;
        }
        let (before, room) = (self.bytes.len(), self.room());
        let result = append(&mut self.bytes);
        let len = self.bytes.len() - before;
        debug_assert!(len <= 2 * room);
        if len > 0 {
            let end = self.end();
            let begin = end - len as u64;
            match self.spans.back_mut() {
                Some(last) if last.owner == owner && last.offsets.end == begin => last.offsets.end = end,
                _ => self.spans.push_back(Span { owner, offsets: begin..end }),
            }
        }
        (result, len)
    }

    /// The next bytes for the line before the offset `hold`; empty when there are none.
    #[must_use]
    pub(super) fn front_until(&self, hold: Option<u64>) -> &[u8] {
        let front = &self.bytes[self.head..];
        let hole = self.holes.front().map(|hole| hole.start);
        let hold = match (hold, hole) {
            (Some(hold), Some(hole)) => Some(hold.min(hole)),
            (hold, hole) => hold.or(hole),
        };
        match hold.map(|hold| usize::try_from(hold.saturating_sub(self.taken))) {
            Some(Ok(free)) => &front[..front.len().min(free)],
            _ => front,
        }
    }

    /// The line took the first `n` bytes of [`TxQueue::front_until`].
    pub(super) fn advance(&mut self, n: usize, now: Instant) {
        let (since, took) = self.pace.get_or_insert((now, 0));
        *took += n;
        let (span, took) = (now.saturating_duration_since(*since), *took);
        if span < LINE_TIME {
            self.limit = self.limit.max(took.min(AT_MOST));
        } else {
            let in_line_time = took as u128 * LINE_TIME.as_nanos() / span.as_nanos();
            self.limit = usize::try_from(in_line_time).unwrap_or(AT_MOST).clamp(self.nominal, AT_MOST);
            self.pace = Some((now, 0));
        }
        self.remove(n);
    }

    /// The first `n` bytes are not queued any more; all are before the first hole.
    fn remove(&mut self, n: usize) {
        let n = n.min(self.len());
        self.head += n;
        self.taken += n as u64;
        if self.is_empty() {
            // Start at the first page again: little memory is touched, and what a faster line had needed is given back.
            self.bytes.clear();
            self.head = 0;
            self.bytes.shrink_to(2 * self.limit);
        }
        self.skip_hole();
        while self.spans.front().is_some_and(|span| span.offsets.end <= self.taken) {
            self.spans.pop_front();
        }
    }

    /// A hole that has come to the front is behind everything that has left.
    fn skip_hole(&mut self) {
        if let Some(hole) = self.holes.front().filter(|hole| hole.start == self.taken) {
            self.taken = hole.end;
            self.in_holes -= hole.end - hole.start;
            self.holes.pop_front();
        }
    }

    /// Throws away what is before this offset; says how much that was.
    pub(super) fn purge_before(&mut self, offset: u64) -> u64 {
        let offset = offset.min(self.end());
        let mut purged = 0;
        while self.taken < offset {
            let run = self.holes.front().map_or(offset, |hole| hole.start.min(offset)) - self.taken;
            purged += run;
            self.remove(usize::try_from(run).unwrap_or(usize::MAX));
        }
        purged
    }

    /// Throws everything away; says how much that was.
    pub(super) fn purge(&mut self) -> usize {
        let n = self.len();
        self.purge_before(self.end());
        n
    }

    /// Takes out what is of this client; says how much that was.
    pub(super) fn discard(&mut self, owner: u64) -> u64 {
        if !self.spans.iter().any(|span| span.owner == owner) {
            return 0;
        }
        let mut kept = Vec::with_capacity(self.len());
        let mut holes: Vec<Range<u64>> = self.holes.drain(..).collect();
        let (mut at, taken, before) = (self.head, self.taken, self.in_holes);
        self.spans.retain(|span| {
            let offsets = span.offsets.start.max(taken)..span.offsets.end;
            let from = at;
            at += usize::try_from(offsets.end - offsets.start).unwrap_or(usize::MAX);
            if span.owner == owner {
                holes.push(offsets);
                return false;
            }
            kept.extend_from_slice(&self.bytes[from..at]);
            true
        });
        (self.bytes, self.head) = (kept, 0);
        holes.sort_by_key(|hole| hole.start);
        for hole in holes {
            match self.holes.back_mut() {
                Some(last) if last.end == hole.start => last.end = hole.end,
                _ => self.holes.push_back(hole),
            }
        }
        self.in_holes = self.holes.iter().map(|hole| hole.end - hole.start).sum();
        let discarded = self.in_holes - before;
        self.skip_hole();
        discarded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(settings: &str) -> TxQueue {
        TxQueue::new(&settings.parse().unwrap())
    }

    fn push(queue: &mut TxQueue, block: &[u8]) {
        push_of(queue, 1, block);
    }

    fn push_of(queue: &mut TxQueue, owner: u64, block: &[u8]) {
        queue.push(owner, |bytes| bytes.extend_from_slice(block));
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
        push(&mut queue, b"abc");
        push(&mut queue, b"de");
        assert_eq!(queue.front_until(None), b"abcde");
        queue.advance(4, Instant::now());
        assert_eq!((queue.front_until(None), queue.taken(), queue.end()), (&b"e"[..], 4, 5));
        assert_eq!(queue.purge(), 1);
        assert_eq!((queue.front_until(None), queue.taken()), (&b""[..], 5));
    }

    #[test]
    fn is_full_before_a_block_would_not_fit() {
        let mut queue = queue("9600 8N1");
        let mut blocks = 0;
        while queue.lets_requests_in() {
            push(&mut queue, &[0; BLOCK]);
            blocks += 1;
        }
        assert_eq!(blocks * BLOCK, AT_LEAST);
    }

    #[test]
    fn takes_at_once_what_fits() {
        let mut queue = queue("9600 8N1");
        assert_eq!(queue.room(), AT_LEAST);
        push(&mut queue, &[0; 5000]);
        assert_eq!(queue.room(), AT_LEAST - 5000);
        assert!(queue.lets_requests_in() && queue.is_half_free());
        push(&mut queue, &[0; 5000]);
        assert!(queue.lets_requests_in() && !queue.is_half_free(), "seconds of a slow line");
        push(&mut queue, &[0; AT_LEAST - 10_000]);
        assert!(!queue.lets_requests_in() && !queue.is_half_free());
    }

    #[test]
    fn requests_of_a_fast_line_wait_until_half_of_it_is_free() {
        let mut queue = queue("4000000 8N1");
        push(&mut queue, &[0; AT_MOST / 2]);
        assert!(queue.lets_requests_in() && queue.is_half_free());
        push(&mut queue, &[0]);
        assert!(!queue.lets_requests_in() && !queue.is_half_free());
    }

    #[test]
    fn holds_more_while_the_line_takes_more_than_its_speed_says() {
        let (mut queue, mut now) = (queue("9600 8N1"), Instant::now());
        let mut take = |n, after| {
            push(&mut queue, &vec![0; n]);
            now += after;
            queue.advance(n, now);
            queue.limit
        };
        let (at_once, soon) = (Duration::ZERO, Duration::from_millis(100));
        assert_eq!(take(AT_LEAST, at_once), AT_LEAST);
        assert_eq!(take(4000, soon), AT_LEAST + 4000);
        assert_eq!(take(2 * AT_LEAST, soon), 3 * AT_LEAST + 4000);
        assert_eq!(take(2 * AT_LEAST, at_once), AT_MOST);
        // What it took in all that time, once it is over.
        assert_eq!(take(4000, LINE_TIME), (5 * AT_LEAST + 8000) * 250 / 450);
        // Nobody sent for a while.
        assert_eq!(take(4000, Duration::from_secs(10)), AT_LEAST);
        assert_eq!(take(4000, LINE_TIME), AT_LEAST);
        assert!(queue.bytes.capacity() <= 2 * AT_LEAST);
    }

    #[test]
    fn what_is_taken_out_keeps_its_offsets_and_gives_its_room_back() {
        let mut queue = queue("9600 8N1");
        for (owner, block) in [(1, "aaa"), (2, "bb"), (1, "a"), (3, "ccc"), (2, "b")] {
            push_of(&mut queue, owner, block.as_bytes());
        }
        queue.advance(1, Instant::now());
        assert_eq!(queue.discard(2), 3);
        assert_eq!((queue.discard(2), queue.discard(4)), (0, 0));
        assert_eq!((queue.taken(), queue.end(), queue.room()), (1, 10, AT_LEAST - 6));
        assert_eq!((queue.front_until(None), queue.front_until(Some(2))), (&b"aa"[..], &b"a"[..]));
        queue.advance(2, Instant::now());
        assert_eq!((queue.front_until(None), queue.taken()), (&b"accc"[..], 5), "past the hole");
        assert_eq!(queue.discard(1), 1);
        assert_eq!((queue.front_until(None), queue.taken()), (&b"ccc"[..], 6));
        push_of(&mut queue, 4, b"d");
        assert_eq!(queue.purge_before(8), 2);
        assert_eq!((queue.front_until(None), queue.taken(), queue.end()), (&b"c"[..], 8, 11));
        queue.advance(1, Instant::now());
        assert_eq!((queue.front_until(None), queue.taken()), (&b"d"[..], 10));
        assert_eq!((queue.discard(4), queue.is_empty(), queue.taken(), queue.end()), (1, true, 11, 11));
        assert!(queue.spans.is_empty() && queue.holes.is_empty());
    }

    #[test]
    fn clients_that_send_single_bytes_in_turn_wait_before_their_spans_are_too_many() {
        let mut queue = queue("9600 8N1");
        for owner in 0..MOST_SPANS as u64 {
            assert!(queue.is_half_free() && queue.lets_requests_in());
            push_of(&mut queue, owner, b"x");
        }
        assert!(!queue.is_half_free() && !queue.lets_requests_in());
        queue.advance(1, Instant::now());
        assert!(queue.is_half_free() && queue.lets_requests_in());
    }

    #[test]
    fn what_is_left_moves_to_the_front_once_it_is_the_smaller_part() {
        let mut queue = queue("9600 8N1");
        push(&mut queue, &[1; 100]);
        queue.advance(49, Instant::now());
        push(&mut queue, &[2; 10]);
        assert_eq!((queue.head, queue.front_until(None)), (49, &[&[1; 51][..], &[2; 10]].concat()[..]));
        queue.advance(31, Instant::now());
        push(&mut queue, &[3]);
        assert_eq!((queue.head, queue.front_until(None)), (0, &[&[1; 20][..], &[2; 10], &[3]].concat()[..]));
        assert_eq!((queue.taken(), queue.end()), (80, 111));
    }
}
