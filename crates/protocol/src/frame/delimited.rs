//! Frames that end with certain bytes: lines, messages.
//!
//! Holds no bytes, only how much of the delimiter has been seen. A delimiter is found across any split of the input.

/// Finds the ends of frames.
#[derive(Debug, Clone)]
pub struct DelimitedFramer {
    delimiter: Vec<u8>,
    /// For each length of a match that the next byte breaks: the length of the match that it leaves (Knuth, Morris, Pratt).
    falls_to: Vec<usize>,
    matched: usize,
}

impl DelimitedFramer {
    /// Frames that end with these bytes; without any, frames never end.
    pub fn new(delimiter: &[u8]) -> Self {
        let mut falls_to = vec![0; delimiter.len()];
        let mut matched = 0;
        for at in 1..delimiter.len() {
            while matched > 0 && delimiter[at] != delimiter[matched] {
                matched = falls_to[matched - 1];
            }
            matched += usize::from(delimiter[at] == delimiter[matched]);
            falls_to[at] = matched;
        }
        Self { delimiter: delimiter.to_vec(), falls_to, matched: 0 }
    }

    /// Bytes came; `at` is the offset of the first. `ends` is given the offset behind each frame.
    pub fn push(&mut self, chunk: &[u8], at: u64, mut ends: impl FnMut(u64)) {
        if let [last] = self.delimiter.as_slice() {
            memchr::memchr_iter(*last, chunk).for_each(|index| ends(at + index as u64 + 1));
            return;
        }
        for (index, byte) in chunk.iter().enumerate() {
            while self.matched > 0 && self.delimiter[self.matched] != *byte {
                self.matched = self.falls_to[self.matched - 1];
            }
            self.matched += usize::from(self.delimiter.get(self.matched) == Some(byte));
            if self.matched == self.delimiter.len() && self.matched > 0 {
                self.matched = 0;
                ends(at + index as u64 + 1);
            }
        }
    }

    /// What follows does not belong to what came.
    pub fn reset(&mut self) {
        self.matched = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ends(delimiter: &[u8], chunks: &[&[u8]]) -> Vec<u64> {
        let (mut framer, mut found, mut at) = (DelimitedFramer::new(delimiter), Vec::new(), 0);
        for chunk in chunks {
            framer.push(chunk, at, |end| found.push(end));
            at += chunk.len() as u64;
        }
        found
    }

    /// The obvious way: from the left, one behind the other.
    fn expected(delimiter: &[u8], bytes: &[u8]) -> Vec<u64> {
        let (mut found, mut start) = (Vec::new(), 0);
        for end in 1..=bytes.len() {
            if bytes[start..end].ends_with(delimiter) {
                found.push(end as u64);
                start = end;
            }
        }
        found
    }

    #[test]
    fn lines_end_behind_their_lf() {
        assert_eq!(ends(b"\n", &[b"a\r\nbc", b"\n", b"\n", b"d"]), [3, 6, 7]);
    }

    #[test]
    fn a_broken_match_may_begin_another() {
        assert_eq!(ends(b"aab", &[b"aaab", b"aa", b"b"]), [4, 7]);
        assert_eq!(ends(b"\r\n", &[b"x\r", b"\r\n", b"\n\r\n"]), [4, 7]);
    }

    proptest! {
        #[test]
        fn any_split_of_the_input_gives_the_same_frames(
            delimiter in prop::collection::vec(0..3u8, 1..6),
            bytes in prop::collection::vec(0..3u8, 0..300),
            cuts in prop::collection::vec(0..300usize, 0..20),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut <= bytes.len()).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(ends(&delimiter, &chunks), expected(&delimiter, &bytes));
        }
    }
}
