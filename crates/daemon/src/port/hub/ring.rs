//! The bytes that came from the line, addressed by their absolute offset in everything that ever came.
//!
//! Offsets are `u64` and only grow. The ring holds `[tail, head)`; what lies before `tail` may be overwritten. It
//! knows nothing of clients: the hub moves `tail`.
//!
//! Memory follows how far clients lag and not how large the backlog is: it begins with [`FIRST`], grows up to the
//! capacity while more is held, and is given back after a long time without need. (Taking the whole capacity and
//! touching its first page only would not do: malloc clears memory that it has used before, and with transparent huge
//! pages the kernel backs 2 MiB for one page.)

/// The memory that a ring begins with: two reads of a tty.
const FIRST: usize = 8 * 1024;

/// By how much it grows: in few steps, because malloc keeps what each step leaves behind.
const GROWTH: usize = 8;

/// What is made room for before it is asked: one read of a tty.
const AHEAD: usize = 4 * 1024;

/// A ring that was empty this number of times in a row gives back what it had grown by.
const CALM: u16 = 4096;

/// A byte ring with absolute offsets.
#[derive(Debug)]
pub(super) struct Ring {
    /// The most that may be held.
    capacity: usize,
    bytes: Vec<u8>,
    /// How often it was empty since it grew.
    calm: u16,
    /// The offset that lives at `bytes[0]`, on its first lap.
    origin: u64,
    tail: u64,
    head: u64,
}

impl Ring {
    /// A ring for `capacity` bytes.
    #[must_use]
    pub(super) fn new(capacity: usize) -> Self {
        debug_assert!(capacity > 0);
        Self { capacity, bytes: Vec::new(), calm: 0, origin: 0, tail: 0, head: 0 }
    }

    /// How many bytes it can hold.
    #[must_use]
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Changes how many bytes it can hold. What is held beyond that stays until it is released.
    pub(super) fn set_capacity(&mut self, capacity: usize) {
        debug_assert!(capacity > 0);
        self.capacity = capacity;
    }

    /// The offset of the next byte to come.
    #[must_use]
    pub(super) fn head(&self) -> u64 {
        self.head
    }

    /// The offset of the oldest byte held.
    #[must_use]
    pub(super) fn tail(&self) -> u64 {
        self.tail
    }

    /// How many bytes can come before something held is overwritten.
    #[must_use]
    pub(super) fn free(&self) -> usize {
        // Less than nothing after the capacity shrank.
        self.capacity.saturating_sub(distance(self.tail, self.head))
    }

    /// Gives up everything before `offset`.
    pub(super) fn release_to(&mut self, offset: u64) {
        debug_assert!(offset <= self.head);
        self.tail = self.tail.max(offset.min(self.head));
    }

    /// Starts at the first page again, if nothing is held.
    pub(super) fn rewind(&mut self) {
        if self.tail != self.head {
            return;
        }
        self.origin = self.head;
        self.calm = self.calm.saturating_add(1);
        if self.calm >= CALM && self.bytes.len() > FIRST {
            self.bytes = Vec::new();
        }
    }

    /// The free part that follows `head`, up to the end of the memory; empty only when the ring is full.
    pub(super) fn spare(&mut self) -> &mut [u8] {
        let held = distance(self.tail, self.head);
        let wanted = (held + AHEAD).min(self.capacity);
        if self.bytes.len() < wanted {
            self.grow(wanted);
        }
        let at = self.index(self.head);
        let len = (self.bytes.len() - held).min(self.bytes.len() - at).min(self.free());
        &mut self.bytes[at..at + len]
    }

    fn grow(&mut self, wanted: usize) {
        let grown = (self.bytes.len() * GROWTH).max(FIRST).max(wanted).min(self.capacity);
        let mut bytes = vec![0; grown];
        let [first, second] = self.slices(self.tail, self.head);
        bytes[..first.len()].copy_from_slice(first);
        bytes[first.len()..first.len() + second.len()].copy_from_slice(second);
        self.bytes = bytes;
        self.origin = self.tail;
        self.calm = 0;
    }

    /// Takes the first `n` bytes of [`Ring::spare`] as received.
    pub(super) fn commit(&mut self, n: usize) {
        debug_assert!(n <= self.bytes.len() - distance(self.tail, self.head));
        self.head += n.min(self.free()) as u64;
    }

    /// The bytes `[from, to)`, in at most two pieces. Both ends must be held.
    #[must_use]
    pub(super) fn slices(&self, from: u64, to: u64) -> [&[u8]; 2] {
        debug_assert!(self.tail <= from && from <= to && to <= self.head);
        let len = distance(from, to);
        if len == 0 {
            return [&[], &[]];
        }
        let at = self.index(from);
        let first = len.min(self.bytes.len() - at);
        [&self.bytes[at..at + first], &self.bytes[..len - first]]
    }

    fn index(&self, offset: u64) -> usize {
        let (lap, at) = (self.bytes.len() as u64, offset - self.origin);
        // In u64: the origin of a ring that never empties can lie further back than a 32-bit machine can count. Most are on
        // their first lap, and need no division.
        length(if at < lap { at } else { at % lap })
    }
}

fn distance(from: u64, to: u64) -> usize {
    length(to - from)
}

/// A distance within the ring as a length in memory: never more than the capacity, which is a `usize`.
fn length(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(ring: &mut Ring, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let spare = ring.spare();
            let n = spare.len().min(bytes.len());
            assert!(n > 0, "full");
            spare[..n].copy_from_slice(&bytes[..n]);
            ring.commit(n);
            bytes = &bytes[n..];
        }
    }

    fn held(ring: &Ring) -> Vec<u8> {
        ring.slices(ring.tail, ring.head()).concat()
    }

    #[test]
    fn what_went_in_comes_out_across_the_wrap() {
        let mut ring = Ring::new(10);
        put(&mut ring, b"abcdefg");
        ring.release_to(5);
        put(&mut ring, b"hijklmn");
        assert_eq!(held(&ring), b"fghijklmn");
        assert_eq!(ring.slices(8, 12).concat(), b"ijkl");
        assert_eq!(ring.free(), 1);
    }

    #[test]
    fn a_full_ring_has_no_room_until_something_is_released() {
        let mut ring = Ring::new(4);
        put(&mut ring, b"abcd");
        assert!(ring.spare().is_empty());
        ring.release_to(1);
        assert_eq!(ring.spare().len(), 1);
    }

    #[test]
    fn an_empty_ring_rewinds_to_its_first_byte_and_keeps_its_offsets() {
        let mut ring = Ring::new(8);
        put(&mut ring, b"abcde");
        ring.rewind();
        assert_eq!(ring.spare().len(), 3, "something is held: nothing moves");
        ring.release_to(5);
        ring.rewind();
        assert_eq!(ring.spare().len(), 8);
        put(&mut ring, b"xyz");
        assert_eq!((ring.tail, ring.head()), (5, 8));
        assert_eq!(held(&ring), b"xyz");
    }

    #[test]
    fn memory_follows_what_is_held_and_is_given_back() {
        let mut ring = Ring::new(1 << 20);
        assert_eq!(ring.bytes.len(), 0);
        let sent: Vec<u8> = (0..300_000u32).map(|n| n.to_le_bytes()[n as usize % 3]).collect();
        // Across a wrap first, so that growing has to put two pieces together.
        put(&mut ring, &sent[..6000]);
        ring.release_to(5000);
        put(&mut ring, &sent[6000..10_000]);
        assert_eq!(ring.bytes.len(), FIRST, "two reads' worth at the most was held");
        put(&mut ring, &sent[10_000..]);
        assert_eq!(held(&ring), &sent[5000..]);
        assert!(ring.bytes.len() < 2 * 300_000 + AHEAD);
        for _ in 0..=CALM {
            ring.release_to(ring.head);
            ring.rewind();
            put(&mut ring, b"x");
        }
        assert_eq!(ring.bytes.len(), FIRST);
    }
}
