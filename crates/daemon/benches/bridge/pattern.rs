//! What is sent, and the check that it arrived: a long cycle of known bytes, compared at the offset it should have.
//!
//! A byte that is lost, doubled or out of place shifts all that follows, so the comparison fails at once; the report
//! then looks for where the bytes that did come belong. Loss of exactly one whole cycle would pass the comparison: the
//! rows therefore count bytes as well.

use std::sync::{Arc, OnceLock};

use crate::random::Random;
use crate::telegram;
use crate::trouble::Trouble;

/// A cycle of bytes, entered at a phase of its own for each port so that bytes of another port are noticed.
#[derive(Clone)]
pub(crate) struct Pattern {
    cycle: Arc<[u8]>,
    phase: u64,
}

impl Pattern {
    /// Bytes of every value, in no order; the same in each run.
    pub(crate) fn noise(port: usize) -> Self {
        static CYCLE: OnceLock<Arc<[u8]>> = OnceLock::new();
        let cycle = CYCLE.get_or_init(|| Random::new(0x5e71_a10f).bytes(CYCLE_LENGTH).into());
        Self { cycle: Arc::clone(cycle), phase: port as u64 * 7919 }
    }

    /// P1 telegrams: lines of ASCII text that end in CR LF.
    pub(crate) fn text() -> Self {
        Self::repeat((0..CYCLE_LENGTH / telegram::LENGTH).flat_map(telegram::full).collect())
    }

    /// One byte, over and over.
    pub(crate) fn all(byte: u8) -> Self {
        Self::repeat(vec![byte; CYCLE_LENGTH])
    }

    /// The given bytes, over and over.
    pub(crate) fn repeat(bytes: Vec<u8>) -> Self {
        Self { cycle: bytes.into(), phase: 0 }
    }

    /// What its first `bytes` bytes are with each `twice` doubled: the pattern, and how many.
    pub(crate) fn doubled(&self, twice: u8, bytes: u64) -> (Self, u64) {
        let start = (self.phase % self.cycle.len() as u64) as usize;
        let cycle = [&self.cycle[start..], &self.cycle[..start]].concat();
        let doubled = |bytes: &[u8]| -> Vec<u8> {
            bytes.iter().flat_map(|&byte| std::iter::repeat_n(byte, 1 + usize::from(byte == twice))).collect()
        };
        let (turns, rest) = (bytes / cycle.len() as u64, (bytes % cycle.len() as u64) as usize);
        let last = doubled(&cycle[..rest]).len() as u64;
        let pattern = Self::repeat(doubled(&cycle));
        let count = turns * pattern.cycle.len() as u64 + last;
        (pattern, count)
    }

    /// The bytes from `offset` on: at most `limit`, fewer where the cycle turns.
    pub(crate) fn at(&self, offset: u64, limit: usize) -> &[u8] {
        let start = ((self.phase + offset) % self.cycle.len() as u64) as usize;
        &self.cycle[start..self.cycle.len().min(start + limit)]
    }

    fn byte(&self, offset: u64) -> u8 {
        self.at(offset, 1)[0]
    }
}

/// Follows one stream of received bytes.
pub(crate) struct Checker {
    pattern: Pattern,
    received: u64,
}

impl Checker {
    pub(crate) fn new(pattern: Pattern) -> Self {
        Self { pattern, received: 0 }
    }

    /// How many bytes have come, all of them right.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// Takes what was received next.
    pub(crate) fn take(&mut self, mut bytes: &[u8]) -> Result<(), Trouble> {
        while !bytes.is_empty() {
            let expected = self.pattern.at(self.received, bytes.len());
            let (now, later) = bytes.split_at(expected.len());
            if now != expected {
                let right = now.iter().zip(expected).take_while(|(a, b)| a == b).count();
                return Err(self.explain(self.received + right as u64, &bytes[right..]));
            }
            self.received += now.len() as u64;
            bytes = later;
        }
        Ok(())
    }

    /// Says where `bytes`, found at `offset`, belong.
    fn explain(&self, offset: u64, bytes: &[u8]) -> Trouble {
        let sample = &bytes[..bytes.len().min(32)];
        let length = self.pattern.cycle.len() as u64;
        let fits =
            |distance: &u64| (0_u64..).zip(sample).all(|(i, &byte)| self.pattern.byte(offset + distance + i) == byte);
        let what = match (1..length).find(fits) {
            _ if sample.len() < 8 => "too few bytes to say how".to_owned(),
            None => "bytes that were not sent, or other bytes missing near by".to_owned(),
            Some(ahead) if ahead <= length / 2 => format!("{ahead} bytes lost"),
            Some(ahead) => format!("{} bytes came twice or out of order", length - ahead),
        };
        Trouble::Lost(format!("wrong from byte {offset} on: {what}"))
    }
}

/// A prime, so that it is no multiple of any buffer's length.
const CYCLE_LENGTH: usize = 1_000_003;
