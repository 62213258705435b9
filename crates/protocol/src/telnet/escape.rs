//! Data on its way to a telnet peer: each 0xFF goes out as two (RFC 854: IAC IAC).

use memchr::{memchr, memchr_iter};

use super::code::IAC;

/// Whether `data` must go through [`escape`]; else it can be sent as it is.
#[inline]
pub fn is_needed(data: &[u8]) -> bool {
    memchr(IAC, data).is_some()
}

/// Copies `data` to `out` with each 0xFF doubled, as far as there is room. Returns how many bytes of `data` were taken,
/// and how many of `out` were written.
///
/// A pair is never cut: it goes in whole or not at all. So the two bytes that one takes are always room enough to go on.
///
/// ```
/// use sermux_protocol::telnet::escape::escape;
///
/// let mut out = [0; 4];
/// assert_eq!(escape(b"a\xFFbc", &mut out), (3, 4));
/// assert_eq!(out, *b"a\xFF\xFFb");
/// ```
pub fn escape(data: &[u8], out: &mut [u8]) -> (usize, usize) {
    // More than that cannot fit; looking at it each time would make many small steps quadratic.
    let data = &data[..data.len().min(out.len())];
    let (mut taken, mut written) = (0, 0);
    loop {
        let rest = &data[taken..];
        let text = memchr(IAC, rest).unwrap_or(rest.len());
        let fits = text.min(out.len() - written);
        out[written..written + fits].copy_from_slice(&rest[..fits]);
        taken += fits;
        written += fits;
        if fits < text {
            return (taken, written);
        }
        let run = leading_iacs(&rest[fits..]);
        let fits = run.min((out.len() - written) / 2);
        out[written..written + 2 * fits].fill(IAC);
        taken += fits;
        written += 2 * fits;
        if fits < run || taken == data.len() {
            return (taken, written);
        }
    }
}

/// What a connection took of a buffer that [`escape`] wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The number of bytes of data. A pair that was cut counts: its byte is on its way.
    pub data: usize,
    /// The last one was cut: one 0xFF is owed and must go out before anything else. See
    /// [`TelnetSession::owe_ff`](super::TelnetSession::owe_ff).
    pub owes_ff: bool,
}

/// What `sent` is in terms of the data: the first bytes, as many as the connection took, of a buffer that [`escape`]
/// wrote.
#[inline]
pub fn taken(sent: &[u8]) -> Taken {
    // Every 0xFF in there is half of a pair.
    let halves = memchr_iter(IAC, sent).count();
    Taken { data: sent.len() - halves / 2, owes_ff: halves % 2 == 1 }
}

/// How many bytes 0xFF `bytes` begins with.
pub(crate) fn leading_iacs(bytes: &[u8]) -> usize {
    const WORD: [u8; 16] = [IAC; 16];
    let words = WORD.len() * bytes.chunks_exact(WORD.len()).take_while(|word| **word == WORD).count();
    words + bytes[words..].iter().take_while(|byte| **byte == IAC).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Data with many 0xFF, alone and in runs.
    fn data() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            prop::collection::vec(any::<u8>(), 0..20),
            (0..70_usize).prop_map(|len| vec![IAC; len]),
            Just(vec![IAC, 0]),
        ];
        prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
    }

    fn doubled(data: &[u8]) -> Vec<u8> {
        data.iter().flat_map(|byte| std::iter::repeat_n(*byte, 1 + usize::from(*byte == IAC))).collect()
    }

    #[test]
    fn only_0xff_is_doubled() {
        let every_byte: Vec<u8> = (0..=255).collect();
        let mut out = [0; 300];
        assert_eq!(escape(&every_byte, &mut out), (256, 257));
        assert_eq!(out[..257], [&every_byte[..], &[IAC]].concat());
        assert_eq!(escape(&[], &mut out), (0, 0));
        assert_eq!(escape(&every_byte, &mut []), (0, 0));
    }

    #[test]
    fn a_pair_is_not_cut_for_want_of_room() {
        let mut out = [0; 3];
        assert_eq!(escape(&[1, 2, IAC, 3], &mut out), (2, 2));
        assert_eq!(escape(&[IAC, IAC], &mut out), (1, 2));
        assert_eq!(escape(&[IAC], &mut out[..1]), (0, 0));
    }

    #[test]
    fn the_need_to_escape_is_seen() {
        assert!(!is_needed(b"text"));
        assert!(is_needed(b"te\xFFt"));
        assert!(!is_needed(b""));
    }

    proptest! {
        #[test]
        fn small_steps_write_what_one_large_one_writes(data in data(), room in 2..40_usize) {
            let mut rest = &data[..];
            let mut sent = Vec::new();
            while !rest.is_empty() {
                let mut out = vec![0; room];
                let (taken, written) = escape(rest, &mut out);
                prop_assert!(taken > 0);
                sent.extend_from_slice(&out[..written]);
                rest = &rest[taken..];
            }
            prop_assert_eq!(sent, doubled(&data));
        }

        #[test]
        fn what_was_sent_says_how_much_data_that_was(data in data(), end in any::<prop::sample::Index>()) {
            let escaped = doubled(&data);
            let sent = &escaped[..end.index(escaped.len() + 1)];
            let Taken { data: count, owes_ff } = taken(sent);
            let mut whole = sent.to_vec();
            whole.extend(owes_ff.then_some(IAC));
            prop_assert_eq!(whole, doubled(&data[..count]));
        }
    }
}
