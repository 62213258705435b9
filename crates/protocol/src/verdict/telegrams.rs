//! Whole P1 telegrams in what was received, and what they say of their meter.

use std::time::Instant;

use super::{obis_codes, Cause, Certainty, Verdict};
use crate::frame::p1::P1Framer;
use crate::frame::Check;

/// A meter by its telegrams.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meter {
    /// `5.0`, `4.2`, `2.2 or 3.0`, `eMUCS-P1 5.02`.
    pub version: String,
    /// The number of the meter (0-0:96.1.1), as text.
    pub id: Option<String>,
    /// Whole telegrams.
    pub telegrams: u64,
    /// Those with a right CRC.
    pub crc_good: u64,
    /// Those with a wrong one.
    pub crc_bad: u64,
}

/// The telegrams, if there are any.
pub(super) fn judge(bytes: &[u8], at: Instant) -> Option<Verdict> {
    let mut framer = P1Framer::new();
    let mut found = Vec::new();
    framer.push(bytes, 0, at, |frame| found.push(frame));
    let mut meter = Meter::default();
    let mut codes = 0;
    for frame in &found {
        let place = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let telegram = &bytes[place(frame.start)..place(frame.end)];
        let here = obis_codes(telegram, |byte| byte);
        if here == 0 && frame.check != Check::Good {
            continue;
        }
        codes += here;
        meter.telegrams += 1;
        match frame.check {
            Check::Good => meter.crc_good += 1,
            Check::Bad => meter.crc_bad += 1,
            Check::Absent => {}
        }
        if frame.check != Check::Bad || meter.version.is_empty() {
            meter.version = version(telegram, frame.check);
            meter.id = value(telegram, "0-0:96.1.1").and_then(from_hex).or(meter.id);
        }
    }
    let evidence = usize::try_from(meter.telegrams).unwrap_or(usize::MAX);
    let certainty = match (meter.telegrams, meter.crc_good) {
        (0, _) => return None,
        (_, 1..) => Certainty::Certain,
        _ if meter.crc_bad == 0 && codes >= 3 => Certainty::Certain,
        _ if codes >= 3 => Certainty::Likely,
        _ => Certainty::Possible,
    };
    Some(Verdict { cause: Cause::P1(meter), certainty, evidence })
}

fn version(telegram: &[u8], check: Check) -> String {
    let dotted = |digits: String| match digits.split_at_checked(1) {
        Some((major, minor)) if !minor.is_empty() => format!("{major}.{minor}"),
        _ => digits,
    };
    let number = |obis| value(telegram, obis).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    if let Some(digits) = number("1-3:0.2.8") {
        return format!("DSMR {}", dotted(digits));
    }
    if let Some(digits) = number("0-0:96.1.4") {
        return format!("eMUCS-P1 {digits} (Belgium)");
    }
    match check {
        Check::Absent => "DSMR 2.2 or 3.0".to_owned(),
        _ => "P1 with CRC, of a version that it does not tell".to_owned(),
    }
}

/// What stands in the parentheses behind a code.
fn value(telegram: &[u8], obis: &str) -> Option<String> {
    let text = String::from_utf8_lossy(telegram);
    let line = text.lines().find_map(|line| line.strip_prefix(obis)?.strip_prefix('('))?;
    Some(line.split(')').next()?.to_owned())
}

/// Two digits for each character; only what may be printed.
fn from_hex(digits: String) -> Option<String> {
    let pairs: Option<Vec<u8>> =
        digits.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect();
    let text = String::from_utf8(pairs?).ok()?;
    (!text.is_empty() && text.bytes().all(|byte| (0x20..0x7F).contains(&byte))).then_some(text)
}
