//! The bytes that the framer's caller still holds, and that the framer may read.

use std::borrow::Cow;

/// Received bytes by their absolute offset, in at most two pieces, as a ring has them.
#[derive(Debug, Clone, Copy)]
pub struct Held<'a> {
    begin: u64,
    pieces: [&'a [u8]; 2],
}

impl<'a> Held<'a> {
    /// The bytes from the offset `begin` on.
    pub fn new(begin: u64, pieces: [&'a [u8]; 2]) -> Self {
        Self { begin, pieces }
    }

    /// The bytes from the offset `begin` on, in one piece.
    pub fn whole(begin: u64, bytes: &'a [u8]) -> Self {
        Self::new(begin, [bytes, &[]])
    }

    /// The offset of the first byte.
    pub fn begin(&self) -> u64 {
        self.begin
    }

    /// The offset behind the last byte.
    pub fn end(&self) -> u64 {
        self.begin + (self.pieces[0].len() + self.pieces[1].len()) as u64
    }

    /// What there is of `from..to`, in two pieces, the second of which is often empty.
    pub fn slices(&self, from: u64, to: u64) -> [&'a [u8]; 2] {
        let [first, second] = self.pieces;
        let middle = self.begin + first.len() as u64;
        [part(first, self.begin, from, to), part(second, middle, from, to)]
    }

    /// The bytes from the offset `from` on, which is one of them: in two pieces, the second of which is often empty.
    pub fn since(&self, from: u64) -> [&'a [u8]; 2] {
        let [first, second] = self.pieces;
        let skipped = usize::try_from(from - self.begin).unwrap_or(usize::MAX);
        match skipped.checked_sub(first.len()) {
            None => [&first[skipped..], second],
            Some(skipped) => [&second[skipped..], &[]],
        }
    }

    /// What there is of `from..to`; copied only where it lies in two pieces.
    pub fn bytes(&self, from: u64, to: u64) -> Cow<'a, [u8]> {
        match self.slices(from, to) {
            [bytes, []] | [[], bytes] => Cow::Borrowed(bytes),
            pieces => Cow::Owned(pieces.concat()),
        }
    }
}

/// What of `piece`, which begins at the offset `at`, is in `from..to`.
fn part(piece: &[u8], at: u64, from: u64, to: u64) -> &[u8] {
    let place = |offset: u64| usize::try_from(offset.saturating_sub(at)).map_or(piece.len(), |n| n.min(piece.len()));
    let (from, to) = (place(from), place(to));
    &piece[from.min(to)..to]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_part_can_be_had_across_the_seam_and_no_more_than_there_is() {
        let held = Held::new(100, [b"abc", b"defg"]);
        assert_eq!((held.begin(), held.end()), (100, 107));
        assert_eq!(held.slices(101, 105), [&b"bc"[..], b"de"]);
        assert_eq!(&*held.bytes(101, 105), b"bcde");
        assert_eq!(held.since(102), [&b"c"[..], b"defg"]);
        assert_eq!(held.since(103), [&b"defg"[..], b""]);
        assert_eq!(held.since(106), [&b"g"[..], b""]);
        assert!(matches!(held.bytes(100, 103), Cow::Borrowed(b"abc")));
        assert!(matches!(held.bytes(103, 106), Cow::Borrowed(b"def")));
        assert_eq!(&*held.bytes(0, 1000), b"abcdefg");
        assert_eq!(&*held.bytes(105, 103), b"");
    }
}
