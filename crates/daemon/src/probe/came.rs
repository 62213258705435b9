//! What came from a device with one kind of settings, and when.

use std::time::Duration;

/// What is kept of it; with more, it is judged for the last time.
const MOST_BYTES: usize = 64 * 1024;

/// Bytes and their times.
#[derive(Debug, Default)]
pub(crate) struct Came {
    pub(super) bytes: Vec<u8>,
    pub(super) arrivals: Vec<(usize, Duration)>,
    /// All that came, also what is not kept.
    pub(super) count: usize,
}

impl Came {
    /// These came now, at this time after the beginning.
    pub(crate) fn take(&mut self, bytes: &[u8], at: Duration) {
        self.arrivals.push((self.bytes.len(), at));
        self.bytes.extend_from_slice(bytes);
        self.count += bytes.len();
    }

    /// This number of bytes were lost: what came before them is no longer judged, so that nothing is joined that does not
    /// belong together.
    pub(crate) fn miss(&mut self, count: usize) {
        self.bytes.clear();
        self.arrivals.clear();
        self.count += count;
    }

    /// Nothing at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// More would change nothing.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() >= MOST_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_is_put_together_and_never_over_a_gap() {
        let at = Duration::from_secs;
        let mut came = Came::default();
        came.take(b"AB", at(1));
        came.take(b"C", at(2));
        assert_eq!((&came.bytes[..], &came.arrivals[..]), (&b"ABC"[..], &[(0, at(1)), (2, at(2))][..]));
        came.miss(5);
        came.take(b"X", at(4));
        assert_eq!((&came.bytes[..], &came.arrivals[..], came.count), (&b"X"[..], &[(0, at(4))][..], 9));
    }
}
