//! What it is that a line sends, or why it looks like garbage: rules over received bytes and the receiver's errors.
//!
//! Pure: no I/O and no clock; the time that was spent is handed in. No cause is ever named for random bytes.

mod encrypted;
mod garbage;
mod inverted;
mod meter;
mod telegrams;
mod text;

use std::time::{Duration, Instant};

use sermux_port_config::line::LineSettings;

pub use meter::MeterModel;

/// What was read of a line with one kind of settings.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// The settings that it was read with.
    pub settings: LineSettings,
    /// All that came.
    pub bytes: &'a [u8],
    /// Where in `bytes` each piece begins, and how long after the start of the reading it came; in order. What is not
    /// known is left out.
    pub arrivals: &'a [(usize, Duration)],
    /// Characters without a stop bit; `None`: the driver does not count.
    pub framing_errors: Option<u64>,
    /// Breaks; `None`: the driver does not count.
    pub breaks: Option<u64>,
    /// How long the line was read.
    pub spent: Duration,
    /// When it ended.
    pub at: Instant,
}

/// What comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// P1 telegrams, as they should be.
    P1(MeterModel),
    /// P1 telegrams that nobody reads without a key.
    EncryptedP1,
    /// Lines of a meter, and no whole telegram.
    P1Fragments,
    /// A P1 output without its inverter.
    Inverted,
    /// Seven bits and even parity, read as eight bits.
    SevenBitParity,
    /// The line is read faster than it is sent.
    SpeedTooHigh,
    /// The line is read slower than it is sent.
    SpeedTooLow,
    /// A computer's console: its kernel, its login prompt, a shell.
    Console,
    /// Sentences of NMEA 0183 with their checks.
    Nmea,
    /// Printable lines of something else.
    Text,
    /// Nothing at all.
    Silence,
    /// Bytes without a known cause.
    Unknown,
}

/// How sure a verdict is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// It may be something else.
    Possible,
    /// Other causes are rare.
    Likely,
    /// Nothing else looks like it.
    Certain,
}

impl Certainty {
    /// Its word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Certainty::Possible => "possible",
            Certainty::Likely => "likely",
            Certainty::Certain => "certain",
        }
    }
}

/// A cause, how sure it is, and how often that which shows it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What comes.
    pub cause: Cause,
    /// How sure that is.
    pub certainty: Certainty,
    /// How many telegrams, codes, sentences, lines or bytes show it.
    pub evidence: usize,
}

/// Judges a reading.
#[must_use]
pub fn judge(reading: &Reading<'_>) -> Verdict {
    let seen = |cause, certainty, evidence| Verdict { cause, certainty, evidence };
    if reading.bytes.is_empty() && reading.framing_errors.unwrap_or(0) + reading.breaks.unwrap_or(0) == 0 {
        let certainty = if reading.spent >= SLOWEST { Certainty::Certain } else { Certainty::Possible };
        return seen(Cause::Silence, certainty, 0);
    }
    telegrams::judge(reading)
        .or_else(|| encrypted::judge(reading))
        .or_else(|| text::nmea(reading.bytes))
        .or_else(|| telegrams::fragments(reading))
        .or_else(|| garbage::judge(reading))
        .or_else(|| text::judge(reading))
        .unwrap_or(seen(Cause::Unknown, Certainty::Possible, reading.bytes.len()))
}

/// A device that was silent for this time sends nothing by itself: a meter of DSMR 2 to 4 sends each 10 s.
const SLOWEST: Duration = Duration::from_secs(11);

/// How many OBIS codes (`1-0:1.8`) there are in what `decode` makes of the bytes.
fn obis_codes(bytes: &[u8], decode: impl Fn(u8) -> u8) -> usize {
    let text: Vec<u8> = bytes.iter().map(|byte| decode(*byte)).collect();
    let digits = |at: usize| text[at.min(text.len())..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let is = |at: usize, mark: u8| text.get(at) == Some(&mark);
    let begins = |at: usize| {
        if digits(at) == 0 || !is(at + 1, b'-') || digits(at + 2) == 0 || !is(at + 3, b':') {
            return false;
        }
        let group = digits(at + 4);
        (1..=3).contains(&group) && is(at + 4 + group, b'.') && digits(at + 5 + group) > 0
    };
    (0..text.len()).filter(|at| begins(*at)).count()
}
