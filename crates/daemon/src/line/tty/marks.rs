//! Separates the bytes of a tty with PARMRK and INPCK from the marks that it puts among them.
//!
//! termios(3): a character with a framing or parity error arrives as `FF 00 x`, a break as `FF 00 00`, and a character
//! 0xFF as `FF FF`.

/// Takes the marks out. A read may end at any byte: what is missing comes with the next one.
#[derive(Debug, Default)]
pub(super) struct MarkDecoder {
    /// This number of bytes are from before the tty marked anything.
    unmarked: usize,
    state: MarkState,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum MarkState {
    #[default]
    Byte,
    /// After FF.
    Escape,
    /// After FF 00.
    Error,
}

/// What the marks said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marked {
    /// A break; or a zero with an error, which looks the same.
    pub(super) breaks: bool,
    /// A byte with a framing or parity error: which of the two is not said.
    pub(super) errors: bool,
}

impl MarkDecoder {
    /// The first `unmarked` bytes are as they came.
    pub(super) fn new(unmarked: usize) -> Self {
        Self { unmarked, state: MarkState::Byte }
    }

    /// Leaves what the far end sent at the beginning of `bytes`, and says how much that is. A byte with an error is
    /// handed on, and a break as a zero: as without marks.
    pub(super) fn decode(&mut self, bytes: &mut [u8]) -> (usize, Marked) {
        let mut marked = Marked::default();
        let unmarked = self.unmarked.min(bytes.len());
        self.unmarked -= unmarked;
        let mut to = unmarked;
        for from in unmarked..bytes.len() {
            let byte = bytes[from];
            self.state = match (self.state, byte) {
                (MarkState::Byte, ESCAPE) => MarkState::Escape,
                (MarkState::Escape, 0) => MarkState::Error,
                (MarkState::Error, _) => {
                    marked.breaks |= byte == 0;
                    marked.errors |= byte != 0;
                    MarkState::Byte
                }
                // FF FF is FF; and FF in front of anything else is one whose other half was purged.
                (MarkState::Byte | MarkState::Escape, _) => MarkState::Byte,
            };
            if self.state == MarkState::Byte {
                bytes[to] = byte;
                to += 1;
            }
        }
        (to, marked)
    }
}

const ESCAPE: u8 = 0xFF;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum MarkedByte {
        Good(u8),
        Bad(u8),
        Break,
    }

    fn any_received() -> impl Strategy<Value = MarkedByte> {
        prop_oneof![
            4 => prop::sample::select(vec![0, 1, b'a', 0xFE, 0xFF]).prop_map(MarkedByte::Good),
            1 => prop::sample::select(vec![1, b'a', 0xFE, 0xFF]).prop_map(MarkedByte::Bad),
            1 => Just(MarkedByte::Break),
        ]
    }

    /// As the kernel does it (drivers/tty/n_tty.c).
    fn as_marked(received: &[MarkedByte]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for one in received {
            match *one {
                MarkedByte::Good(0xFF) => bytes.extend([0xFF, 0xFF]),
                MarkedByte::Good(byte) => bytes.push(byte),
                MarkedByte::Bad(byte) => bytes.extend([0xFF, 0, byte]),
                MarkedByte::Break => bytes.extend([0xFF, 0, 0]),
            }
        }
        bytes
    }

    fn as_sent(received: &[MarkedByte]) -> Vec<u8> {
        let byte = |one: &MarkedByte| match *one {
            MarkedByte::Good(byte) | MarkedByte::Bad(byte) => byte,
            MarkedByte::Break => 0,
        };
        received.iter().map(byte).collect()
    }

    proptest! {
        #[test]
        fn what_was_sent_comes_out_wherever_reads_are_cut(
            received in prop::collection::vec(any_received(), 0..40),
            cuts in prop::collection::vec(1..5usize, 1..8),
            before in prop::collection::vec(any::<u8>(), 0..6),
        ) {
            let mut decoder = MarkDecoder::new(before.len());
            let wire = [before.clone(), as_marked(&received)].concat();
            let (mut sent, mut told) = (Vec::new(), Marked::default());
            let mut rest = &wire[..];
            for size in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (read, after) = rest.split_at(rest.len().min(*size));
                let mut read = read.to_vec();
                let (n, marked) = decoder.decode(&mut read);
                sent.extend_from_slice(&read[..n]);
                told.breaks |= marked.breaks;
                told.errors |= marked.errors;
                rest = after;
            }
            prop_assert_eq!(sent, [before, as_sent(&received)].concat());
            prop_assert_eq!(told.breaks, received.iter().any(|one| matches!(one, MarkedByte::Break)));
            prop_assert_eq!(told.errors, received.iter().any(|one| matches!(one, MarkedByte::Bad(_))));
        }

        #[test]
        fn nothing_that_arrives_does_harm(bytes in prop::collection::vec(prop::sample::select(vec![0, 0xFF, 7]), 0..40)) {
            let mut decoder = MarkDecoder::default();
            let (n, _) = decoder.decode(&mut bytes.clone());
            prop_assert!(n <= bytes.len());
        }
    }

    #[test]
    fn marks_are_told_as_what_they_are() {
        let decode = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            let (n, marked) = MarkDecoder::default().decode(&mut bytes);
            bytes.truncate(n);
            (bytes, marked)
        };
        let (nothing, errors) = (Marked::default(), Marked { errors: true, breaks: false });
        let breaks = Marked { breaks: true, errors: false };
        assert_eq!(decode(b"a\xFF\xFFb"), (b"a\xFFb".to_vec(), nothing));
        assert_eq!(decode(b"a\xFF\x00xb"), (b"axb".to_vec(), errors));
        assert_eq!(decode(b"\xFF\x00\xFF"), (b"\xFF".to_vec(), errors));
        assert_eq!(decode(b"a\xFF\x00\x00b"), (b"a\0b".to_vec(), breaks));
        assert_eq!(decode(b"a\xFF"), (b"a".to_vec(), nothing), "the rest is yet to come");
    }
}
