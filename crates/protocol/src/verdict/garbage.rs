//! Why the received bytes are unreadable: an inverted signal, another format, another speed.

use super::{inverted, obis_codes, Cause, Certainty, Reading, Verdict};

/// The cause, where there is one that shows.
pub(super) fn judge(reading: &Reading<'_>) -> Option<Verdict> {
    inverted::judge(reading).or_else(|| seven_bits(reading.bytes)).or_else(|| speed(reading))
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
    let errors = usize::try_from(reading.framing_errors.unwrap_or(0)).unwrap_or(usize::MAX);
    // More errors than bytes: most of what came was not delivered, and what was tells nothing.
    if bytes.len() < FEWEST || errors > bytes.len() {
        return None;
    }
    let share = |count: usize, percent: usize| count * 100 >= bytes.len() * percent;
    let seen = |cause, certainty, evidence| Some(Verdict { cause, certainty, evidence });
    let zeros = bytes.iter().filter(|byte| **byte == 0).count();
    if share(zeros, 99) {
        // Or a loose wire that picks up the mains.
        return seen(Cause::SpeedTooHigh, Certainty::Possible, zeros);
    }
    // Each bit is seen at least twice, the start bit too, unless the receiver began in the middle of it.
    let data_bits = reading.settings.data_bits.bits();
    let stretched = bytes.iter().filter(|byte| is_stretched(**byte, data_bits)).count();
    let low = bytes.iter().filter(|byte| **byte & 1 == 0).count();
    if share(stretched, 90) && share(low, 60) {
        if is_something(bytes) {
            return seen(Cause::SpeedTooHigh, Certainty::Likely, stretched);
        }
        if is_in_step(bytes) {
            return seen(Cause::SpeedTooHigh, Certainty::Possible, stretched);
        }
    }
    if share(errors, 20) && is_something(bytes) {
        return seen(Cause::SpeedTooLow, Certainty::Possible, errors);
    }
    None
}

/// Whether no bit stands alone between two others, with the start bit before the first.
fn is_stretched(byte: u8, data_bits: u8) -> bool {
    let bits = u16::from(byte) << 1;
    let changes = (bits ^ (bits >> 1)) & ((1 << data_bits) - 1);
    changes & (changes >> 1) == 0
}

/// Whether the line rises at few places of a character only: after one bit of the sender, or two. Noise rises anywhere.
fn is_in_step(bytes: &[u8]) -> bool {
    let mut rises = [0usize; 8];
    for byte in bytes.iter().filter(|byte| **byte != 0) {
        rises[byte.trailing_zeros() as usize] += 1;
    }
    rises.sort_unstable();
    let all: usize = rises.iter().sum();
    all >= FEWEST && rises[5..].iter().sum::<usize>() * 20 >= all * 17
}

/// Whether the same bytes follow each other again and again, as in what somebody sends: far more often than noise would
/// have it, in which some bytes are more frequent than others and none knows of the one before.
fn is_something(bytes: &[u8]) -> bool {
    const ROW: usize = 4;
    let same = |mut values: Vec<u32>| {
        values.sort_unstable();
        let equal = values.chunk_by(|one, other| one == other).map(|equal| equal.len() as f64);
        equal.map(|count| count * (count - 1.0) / 2.0).sum::<f64>()
    };
    let rows: Vec<u32> =
        bytes.windows(ROW).map(|row| row.iter().fold(0, |all, byte| all << 8 | u32::from(*byte))).collect();
    let pairs = |count: usize| count as f64 * (count as f64 - 1.0) / 2.0;
    let one = same(bytes.iter().map(|byte| u32::from(*byte)).collect()) / pairs(bytes.len());
    let by_chance = pairs(rows.len()) * one.powi(4);
    same(rows) >= 20.0 + 3.0 * by_chance
}

/// With fewer bytes there is no verdict on the speed.
const FEWEST: usize = 32;
