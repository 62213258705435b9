//! Why what came cannot be read: turned over, another format, another speed.

use super::{obis_codes, Cause, Certainty, Reading, Verdict};

/// The cause, where there is one that shows.
pub(super) fn judge(reading: &Reading<'_>) -> Option<Verdict> {
    inverted(reading).or_else(|| seven_bits(reading.bytes)).or_else(|| speed(reading))
}

/// Of characters back to back each arrives as `((!d << 1) | 1)`: CR LF as E5 EB; with one to three idle bits between them as
/// CA D6.
fn inverted(reading: &Reading<'_>) -> Option<Verdict> {
    let bytes = reading.bytes;
    let pairs = |pair: [u8; 2]| bytes.windows(2).filter(|two| *two == pair).count();
    let codes = obis_codes(bytes, |byte| !(byte >> 1) & 0x7F);
    let shifted = obis_codes(bytes, |byte| !byte & 0x7F).max(obis_codes(bytes, |byte| !(byte >> 2) & 0x3F));
    let back_to_back = pairs([0xE5, 0xEB]);
    let idle = pairs([0xCA, 0xD6]);
    let line_ends = pairs(*b"\r\n");
    let seen = |certainty, evidence| Some(Verdict { cause: Cause::Inverted, certainty, evidence });
    if codes >= 3 {
        return seen(Certainty::Certain, codes);
    }
    if line_ends > 0 {
        return None;
    }
    if back_to_back >= 5 || shifted >= 3 {
        return seen(Certainty::Likely, back_to_back.max(shifted));
    }
    if idle >= 5 {
        return seen(Certainty::Likely, idle);
    }
    None
}

/// OBIS codes under a parity bit.
fn seven_bits(bytes: &[u8]) -> Option<Verdict> {
    let codes = obis_codes(bytes, |byte| byte & 0x7F);
    let as_they_are = obis_codes(bytes, |byte| byte);
    let certain = codes >= 3 && as_they_are * 4 < codes;
    certain.then_some(Verdict { cause: Cause::SevenBitParity, certainty: Certainty::Certain, evidence: codes })
}

fn speed(reading: &Reading<'_>) -> Option<Verdict> {
    let bytes = reading.bytes;
    if bytes.len() < FEWEST {
        return None;
    }
    let share = |count: usize, percent: usize| count * 100 >= bytes.len() * percent;
    let seen = |cause, certainty, evidence| Some(Verdict { cause, certainty, evidence });
    let zeros = bytes.iter().filter(|byte| **byte == 0).count();
    if share(zeros, 99) {
        return seen(Cause::SpeedTooHigh, Certainty::Likely, zeros);
    }
    // Each bit is seen at least twice, the start bit first of all.
    let doubled = bytes.iter().filter(|byte| **byte & 1 == 0).count();
    if share(doubled, 98) && bytes.len() >= 2 * FEWEST {
        return seen(Cause::SpeedTooHigh, Certainty::Possible, doubled);
    }
    // Errors alone may be noise; bytes that repeat are something that is sent.
    let errors = usize::try_from(reading.framing_errors.unwrap_or(0)).unwrap_or(usize::MAX);
    if share(errors, 20) && repeats(bytes) {
        // Nothing that is looked for here is faster than a P1 port.
        let cause = if reading.settings.baud.get() < P1_BAUD { Cause::SpeedTooLow } else { Cause::Inverted };
        return seen(cause, Certainty::Possible, errors);
    }
    None
}

/// Whether two bytes are the same more than twice as often as of random ones.
fn repeats(bytes: &[u8]) -> bool {
    let mut counts = [0u64; 256];
    bytes.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    let same: u64 = counts.iter().map(|count| count * count.saturating_sub(1)).sum();
    let len = bytes.len() as u64;
    len >= 128 && same * 256 > 2 * len * (len - 1)
}

/// DSMR 4 and 5.
const P1_BAUD: u32 = 115_200;

/// With less, nothing is said of the speed.
const FEWEST: usize = 32;
