//! Whole P1 telegrams in what was received, and what they say of their meter.

use std::time::Duration;

use super::{obis_codes, Cause, Certainty, Reading, Verdict};
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
    /// From the start of the first telegram to that of the last; `None` where that cannot be told.
    pub spread: Option<Duration>,
}

impl Meter {
    /// How many telegrams come in a second, by the time from one to the next.
    #[must_use]
    pub fn per_second(&self) -> Option<f64> {
        let steps = u32::try_from(self.telegrams).ok()?.checked_sub(1)?;
        let spread = self.spread.filter(|spread| !spread.is_zero())?;
        (steps > 0).then(|| f64::from(steps) / spread.as_secs_f64())
    }
}

/// The telegrams, if there are any.
pub(super) fn judge(reading: &Reading<'_>) -> Option<Verdict> {
    let bytes = reading.bytes;
    let mut framer = P1Framer::new();
    let mut found = Vec::new();
    framer.push(bytes, 0, reading.at, |frame| found.push(frame));
    let mut meter = Meter::default();
    let mut codes = 0;
    let (mut first, mut last) = (None, None);
    for frame in &found {
        let place = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let telegram = &bytes[place(frame.start)..place(frame.end)];
        let here = obis_codes(telegram, |byte| byte);
        if here == 0 && frame.check != Check::Good {
            continue;
        }
        codes += here;
        meter.telegrams += 1;
        last = Some(place(frame.start));
        first = first.or(last);
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
    let came = |place: Option<usize>| came(reading.arrivals, place?);
    meter.spread = came(last).zip(came(first)).map(|(last, first)| last.saturating_sub(first));
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

/// When the byte at this place came.
fn came(arrivals: &[(usize, Duration)], place: usize) -> Option<Duration> {
    let after = arrivals.partition_point(|(begin, _)| *begin <= place);
    Some(arrivals.get(after.checked_sub(1)?)?.1)
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
