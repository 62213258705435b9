//! What a telegram says of its meter: which version it speaks, and its number.

use std::time::Duration;

use crate::frame::{Check, OtherCrc};

/// A meter by its telegrams.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MeterModel {
    /// `DSMR 5.0`, `DSMR 4.2`, `DSMR 2.2 or 3.0`, `eMUCS-P1 50217 (Belgium)`, or in words that it does not tell.
    pub version: String,
    /// The number of the meter, as text.
    pub id: Option<String>,
    /// Whole telegrams.
    pub telegrams: u64,
    /// Those with a right CRC.
    pub crc_good: u64,
    /// Those with a wrong one.
    pub crc_bad: u64,
    /// By which other rule some of the right ones are right.
    pub other_crc: Option<OtherCrc>,
    /// From one telegram to a later one, as they came from the line: how many steps, and how long they took. Telegrams that
    /// had waited in a queue when the reading began do not count. `None` where that is unknown.
    pub spread: Option<(u32, Duration)>,
    /// What stands before the `/` of every telegram, a break (NUL) for example. Empty: nothing, as it should be.
    pub before_each: Vec<u8>,
}

impl MeterModel {
    /// How many telegrams come in a second, by the time from one to the next.
    #[must_use]
    pub fn per_second(&self) -> Option<f64> {
        let (steps, time) = self.spread.filter(|(steps, time)| *steps > 0 && !time.is_zero())?;
        Some(f64::from(steps) / time.as_secs_f64())
    }

    /// Takes what this telegram says.
    pub(super) fn read(&mut self, telegram: &[u8], check: Check) {
        if check != Check::Bad || self.version.is_empty() {
            self.version = version(telegram, check);
            self.id = number(telegram).or(self.id.take());
        }
    }
}

fn version(telegram: &[u8], check: Check) -> String {
    let dotted = |digits: String| match digits.split_at_checked(1) {
        Some((major, minor)) if !minor.is_empty() => format!("{major}.{minor}"),
        _ => digits,
    };
    let number = |obis| value(telegram, obis).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let has = |codes: &[&str]| codes.iter().any(|code| value(telegram, code).is_some());
    if let Some(digits) = number("1-3:0.2.8") {
        return format!("DSMR {}", dotted(digits));
    }
    if let Some(digits) = number("0-0:96.1.4") {
        // Others use that code too. Fluvius is the operator of Flanders, and the other codes are in no other country's list.
        let is_belgian = telegram.starts_with(b"/FLU") || has(&["0-0:98.1.0", "1-0:1.4.0", "0-0:96.1.2"]);
        return if is_belgian && digits.len() == 5 && digits.starts_with("50") {
            format!("eMUCS-P1 {digits} (Belgium)")
        } else {
            format!("{digits}, of which standard it does not tell")
        };
    }
    match check {
        // Threshold, switch and the gas meter as versions 2.2 and 3.0 have them.
        Check::Absent if has(&["0-0:17.0.0", "0-0:96.3.10", "0-1:24.3.0", "0-2:24.3.0"]) => {
            "DSMR 2.2 or 3.0".to_owned()
        }
        Check::Absent => "P1 without CRC, of a version that it does not tell".to_owned(),
        _ => "P1 with CRC, of a version that it does not tell".to_owned(),
    }
}

/// The number of the meter (COSEM device ID, or logical device name), as one knows it from its front.
fn number(telegram: &[u8]) -> Option<String> {
    let coded = ["0-0:96.1.1", "0-0:96.1.0", "0-0:42.0.0"].into_iter().filter_map(|obis| value(telegram, obis));
    let plain = value(telegram, "1-0:0.0.0").and_then(printable);
    coded.filter_map(|text| from_hex(&text).or_else(|| printable(text))).next().or(plain)
}

/// What stands in the parentheses behind a code; some meters write all six groups of it.
fn value(telegram: &[u8], obis: &str) -> Option<String> {
    let text = String::from_utf8_lossy(telegram);
    let line = text.lines().find_map(|line| {
        let rest = line.strip_prefix(obis)?;
        rest.strip_prefix(".255").or(rest.strip_prefix("*255")).unwrap_or(rest).strip_prefix('(')
    })?;
    Some(line.split(')').next()?.to_owned())
}

/// Two digits for each character; only letters, digits and what stands between them.
fn from_hex(digits: &str) -> Option<String> {
    let pairs: Option<Vec<u8>> =
        digits.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect();
    // Two or three would be found in any number.
    pairs.filter(|text| text.len() >= 4).and_then(|text| String::from_utf8(text).ok()).and_then(printable)
}

/// Without the spaces that fill it up.
fn printable(text: String) -> Option<String> {
    let trimmed = text.trim();
    (!trimmed.is_empty() && text.bytes().all(|byte| (0x20..0x7F).contains(&byte))).then(|| trimmed.to_owned())
}
