//! Where the telegram that is being received may begin.
//!
//! A `/` with an identification behind it may be the begin of a telegram, or stand in the text of one, or in noise. Which it
//! is shows when a CRC is right; until then each is remembered, with what the CRC over the bytes was there. From that and
//! the CRC at the end follows the CRC from there to the end, without reading the bytes again.

use crate::frame::crc16;
use crate::frame::held::Held;

/// How many are remembered: those of the telegrams that 16 KiB hold, which have one each and now and then some in a text. When
/// there are more, the oldest that does not look like an identification line is forgotten. Remembering all would let any four
/// digits behind a `!` be the CRC from one of them.
const MOST: usize = 32;

/// The longest identification line that is looked at.
const LONGEST_LINE: u64 = 128;

/// One of them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct TelegramStart {
    /// The offset of its `/`.
    pub(super) at: u64,
    /// The CRC from `base` to here, moved back to `base`: the same number at all places that the same bytes go on from.
    moved: u16,
    /// Nothing stands before it in its line.
    begins_line: bool,
    /// Its line looks like an identification: it begins the line, or an empty one was seen to follow. In texts neither is so.
    is_kept: bool,
}

/// All of them, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Starts {
    /// From where on the CRC is taken.
    base: u64,
    held: [TelegramStart; MOST],
    len: usize,
}

impl Starts {
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn first(&self) -> Option<TelegramStart> {
        self.all().first().copied()
    }

    pub(super) fn all(&self) -> &[TelegramStart] {
        &self.held[..self.len]
    }

    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// From here on the CRC is taken; only while there are none.
    pub(super) fn set_base(&mut self, base: u64) {
        debug_assert!(self.is_empty());
        self.base = base;
    }

    /// A telegram may begin at `at`; `crc` is that of the bytes from the base to there. Whether one had to be forgotten for it that
    /// looks like an identification.
    pub(super) fn push(&mut self, at: u64, crc: u16, begins_line: bool, held: &Held<'_>) -> bool {
        let forgets = self.len == MOST && self.forget_one(held, at);
        let moved = crc16::before_zeros(crc, at - self.base);
        self.held[self.len] = TelegramStart { at, moved, begins_line, is_kept: begins_line };
        self.len += 1;
        forgets
    }

    /// Looks at each once only, since the first one that is not kept is forgotten. Whether all were kept.
    fn forget_one(&mut self, held: &Held<'_>, upto: u64) -> bool {
        let kept = |start: &mut TelegramStart| {
            start.is_kept = start.is_identification(held, upto);
            start.is_kept
        };
        let index = self.held[..self.len].iter_mut().position(|start| !kept(start));
        self.remove(index.unwrap_or(0));
        index.is_none()
    }

    pub(super) fn remove_first(&mut self) {
        self.remove(0);
    }

    fn remove(&mut self, index: usize) {
        self.held.copy_within(index + 1..self.len, index);
        self.len -= 1;
    }

    /// Those from which on the bytes up to `end` have the CRC `wanted`, if those from the base to `end` have `crc`; and
    /// their numbers.
    pub(super) fn with_crc(
        &self,
        wanted: u16,
        crc: u16,
        end: u64,
    ) -> impl DoubleEndedIterator<Item = (usize, TelegramStart)> + '_ {
        let moved = crc16::before_zeros(crc ^ wanted, end - self.base);
        self.all().iter().copied().enumerate().filter(move |(_, start)| start.moved == moved)
    }

    /// Where a telegram begins that no CRC tells the begin of: at the latest that looks like it.
    pub(super) fn likely(&self, held: &Held<'_>, upto: u64) -> Option<(usize, TelegramStart)> {
        let latest = (0..self.len).rev().find(|index| self.is_header(*index, held, upto)).unwrap_or(0);
        Some((latest, self.all().get(latest).copied()?))
    }

    /// How many of the first `before` look like the begin of a telegram.
    pub(super) fn headers(&self, before: usize, held: &Held<'_>, upto: u64) -> u64 {
        (0..before.min(self.len)).filter(|index| self.is_header(*index, held, upto)).count() as u64
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether a telegram seems to begin here by what is known up to `upto`: it begins a line, or is the first in its line and
    /// an empty line follows that.
    fn is_header(&self, index: usize, held: &Held<'_>, upto: u64) -> bool {
        let start = self.held[index];
        let is_first_in_line = || {
            let before = index.checked_sub(1).map(|before| self.held[before].at);
            before.is_none_or(|before| held.slices(before, start.at).iter().any(|piece| piece.contains(&b'\n')))
        };
        start.begins_line || is_first_in_line() && an_empty_line_follows(start.at, held, upto)
    }
}

impl TelegramStart {
    /// Whether its line looks like an identification by what is known up to `upto`.
    pub(super) fn is_identification(&self, held: &Held<'_>, upto: u64) -> bool {
        self.is_kept || an_empty_line_follows(self.at, held, upto)
    }
}

fn an_empty_line_follows(start: u64, held: &Held<'_>, upto: u64) -> bool {
    let mut bytes = held.slices(start, upto.min(start + LONGEST_LINE)).into_iter().flatten().copied();
    bytes.any(|byte| byte == b'\n')
        && match bytes.next() {
            Some(b'\n') => true,
            Some(b'\r') => bytes.next() == Some(b'\n'),
            _ => false,
        }
}
