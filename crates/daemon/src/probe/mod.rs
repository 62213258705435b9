//! Finds out what a device sends: opens it, tries the likely settings, judges the received bytes, and leaves the device as it
//! was. It prints nothing; the commands do.
//!
//! [`stop`] ends a probe, [`session`] runs it in a program without a runtime, [`attempt`] tries one kind of settings, [`words`]
//! describes the result.

mod attempt;
mod came;
pub(crate) mod session;
mod stop;
pub(crate) mod words;

use std::sync::Arc;
use std::time::{Duration, Instant};

use sermux_port_config::config::{Device, Port};
use sermux_port_config::line::{DataBits, LineSettings};
use sermux_protocol::verdict::{judge, Cause, Certainty, Reading, Verdict};

use self::attempt::{attempt, has_format_errors};
use self::stop::{blocking, briefly};
use crate::line::{self, Line, OpenError, Saved};

pub(crate) use self::attempt::{next_after, Next};
pub(crate) use self::came::Came;
pub(crate) use self::stop::Stop;

/// The likely settings, and how many seconds each deserves: DSMR 2 to 4 send every 10 s, receivers of positions each second.
pub(crate) const TRIES: [(&str, u32); 9] = [
    ("115200 8N1", 25),
    (EVEN_PARITY, 2),
    ("9600 7E1", 25),
    ("9600 8N1", 4),
    ("4800 8N1", 3),
    ("19200 8N1", 2),
    ("38400 8N1", 2),
    ("57600 8N1", 2),
    // Consoles of boards with Rockchip processors.
    ("1500000 8N1", 3),
];

/// Some meters (Denmark) have a parity bit; read without it, half of their characters have no stop bit.
const EVEN_PARITY: &str = "115200 8E1";

/// As long as a meter of DSMR 2 to 4 needs to be heard.
const SLOW_METER: Duration = Duration::from_secs(11);

/// How much is to be found out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Search {
    /// How long at most.
    pub(crate) time: Duration,
    /// This number of telegrams is enough: one says what it is, two how often they come.
    pub(crate) telegrams: u64,
}

/// What was found with one kind of settings.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) settings: LineSettings,
    pub(crate) bytes: usize,
    pub(crate) framing_errors: Option<u64>,
    pub(crate) breaks: Option<u64>,
    pub(crate) spent: Duration,
    pub(crate) verdict: Verdict,
}

/// What was found with all of them.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    /// What tells most.
    pub(crate) best: Found,
    /// All, in the order in which they were tried.
    pub(crate) tried: Vec<Found>,
}

impl Heard {
    fn of(tried: Vec<Found>) -> Option<Heard> {
        let best = tried.iter().rev().max_by_key(|found| worth(found))?;
        let mut best = best.clone();
        if best.verdict.cause == Cause::Silence {
            // With whatever settings: something would have come as garbage.
            best.spent = tried.iter().map(|found| found.spent).sum();
            best.verdict = judge(&best.reading(&[], &[]));
        }
        Some(Heard { best, tried })
    }

    /// Something slower than it was read, and then nothing: it was silent while slower settings were tried.
    pub(crate) fn is_unfinished(&self) -> bool {
        let mut slower = self.tried.iter().filter(|found| found.settings.baud < self.best.settings.baud).peekable();
        let was_tried = slower.peek().is_some();
        self.best.verdict.cause == Cause::SpeedTooHigh && was_tried && slower.all(|found| found.bytes == 0)
    }
}

impl Found {
    /// Judges what came. `errors`: characters without a stop bit, and breaks; `None` where the driver does not count.
    pub(crate) fn of(settings: LineSettings, came: &Came, errors: Option<(u64, u64)>, spent: Duration) -> Found {
        let mut found = Found {
            settings,
            bytes: came.count,
            framing_errors: errors.map(|(framing, _)| framing),
            breaks: errors.map(|(_, breaks)| breaks),
            spent,
            verdict: Verdict { cause: Cause::Silence, certainty: Certainty::Possible, evidence: 0 },
        };
        found.verdict = judge(&found.reading(&came.bytes, &came.arrivals));
        found
    }

    fn reading<'a>(&self, bytes: &'a [u8], arrivals: &'a [(usize, Duration)]) -> Reading<'a> {
        Reading {
            settings: self.settings,
            bytes,
            arrivals,
            framing_errors: self.framing_errors,
            breaks: self.breaks,
            spent: self.spent,
            at: Instant::now(),
        }
    }
}

/// How far a probe is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Progress<'a> {
    /// The device is open.
    Opened,
    /// So much has come with these settings.
    Found(&'a Found),
}

/// Why nothing was found out.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The probe was stopped. The device is as it was.
    Stopped,
    /// It cannot be opened.
    Open(OpenError),
    /// A call into the driver does not come back. What it does to the device when it comes back nobody knows.
    Hangs,
    /// Something else.
    Other(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Stopped => f.write_str("interrupted; the device is as it was"),
            Failure::Open(error) => error.fmt(f),
            Failure::Hangs => f.write_str("the driver of the device does not answer; its settings may have changed"),
            Failure::Other(what) => f.write_str(what),
        }
    }
}

/// Opens a device, tries everything within the time, and puts back what it found; calls `progress` now and then.
pub(crate) async fn probe(
    device: Device,
    search: Search,
    mut stop: Stop,
    mut progress: impl FnMut(Progress<'_>),
) -> Result<Heard, Failure> {
    let stop = &mut stop;
    let port = Port::new(device.clone(), TRIES[0].0.parse().unwrap_or_default());
    let saved = blocking(stop, move || Saved::of_blocking(&device)).await?.map(Arc::new);
    let opened = blocking(stop, move || line::open_blocking(&port)).await;
    let mut line = match opened {
        Ok(Ok(opened)) => opened.line,
        Ok(Err(error)) => {
            // Every other error comes before anything was changed.
            if let OpenError::Other { .. } = error {
                restore(saved).await?;
            }
            return Err(Failure::Open(error));
        }
        Err(failure) => {
            if !matches!(failure, Failure::Stopped) {
                restore(saved).await?;
            }
            return Err(failure);
        }
    };
    progress(Progress::Opened);
    let heard = listen(&mut *line, search, stop, &mut progress).await;
    // While nobody else can have the device.
    let restored = restore(saved).await;
    let closed = briefly(line::close(line)).await;
    restored.and(closed)?;
    heard
}

async fn restore(saved: Option<Arc<Saved>>) -> Result<(), Failure> {
    let Some(saved) = saved else { return Ok(()) };
    let restored = briefly(tokio::task::spawn_blocking(move || saved.restore_blocking())).await?;
    restored.map_err(|error| Failure::Other(error.to_string()))
}

async fn listen(
    line: &mut dyn Line,
    search: Search,
    stop: &mut Stop,
    progress: &mut impl FnMut(Progress<'_>),
) -> Result<Heard, Failure> {
    let end = Instant::now() + search.time;
    let mut tried: Vec<Found> = Vec::new();
    for (at, (settings, _)) in TRIES.iter().enumerate() {
        let Ok(settings) = settings.parse::<LineSettings>() else { continue };
        let left = end.saturating_duration_since(Instant::now());
        let time = share(at, left, &tried);
        if time.is_zero() && !tried.is_empty() {
            continue;
        }
        let (found, next) = attempt(line, settings, Search { time, ..search }, end, stop, progress).await?;
        if next == Next::Gone && tried.iter().all(|found| found.bytes == 0) && found.bytes == 0 {
            return Err(Failure::Other("the device went away".to_owned()));
        }
        tried.push(found);
        if matches!(next, Next::Done | Next::Gone) {
            break;
        }
    }
    Heard::of(tried).ok_or_else(|| Failure::Other("nothing was tried".to_owned()))
}

/// How much of the time that is left a try gets: its part of what those that are left deserve. Once something is known to
/// be slower, an old meter gets the time that it needs, as long as there is any; once something came that may have parity, so
/// does a meter that has.
fn share(at: usize, left: Duration, tried: &[Found]) -> Duration {
    let (settings, seconds) = TRIES[at];
    let all: u32 = TRIES[at..].iter().map(|(_, seconds)| seconds).sum();
    let part = left * seconds / all.max(1);
    let is_slower = tried.iter().any(|found| found.verdict.cause == Cause::SpeedTooHigh);
    if is_slower && settings == "9600 7E1" {
        return part.max(SLOW_METER.min(left));
    }
    match settings {
        EVEN_PARITY if is_slower => Duration::ZERO,
        EVEN_PARITY if tried.iter().any(|found| found.bytes > 0) => part.max(SLOW_METER.min(left)),
        _ => part,
    }
}

/// What comes in eight bits can mostly be read in seven as well, and not the other way round.
fn worth(found: &Found) -> (u8, Certainty, bool, bool) {
    let kind = match found.verdict.cause {
        Cause::Silence => 0,
        Cause::Unknown => 1,
        Cause::SpeedTooHigh | Cause::SpeedTooLow => 2,
        Cause::Text => 3,
        Cause::P1(_) | Cause::EncryptedP1 => 5,
        _ => 4,
    };
    (kind, found.verdict.certainty, !has_format_errors(found), found.settings.data_bits == DataBits::Eight)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(settings: &str, bytes: usize, cause: Cause) -> Found {
        Found {
            settings: settings.parse().unwrap(),
            bytes,
            framing_errors: None,
            breaks: None,
            spent: Duration::from_secs(4),
            verdict: Verdict { cause, certainty: Certainty::Likely, evidence: 1 },
        }
    }

    #[test]
    fn all_the_time_is_given_out_and_an_old_meter_gets_what_it_needs() {
        let seconds = Duration::from_secs;
        assert_eq!(share(0, seconds(68), &[]), seconds(25));
        assert_eq!(share(8, seconds(3), &[]), seconds(3));
        assert_eq!(share(2, seconds(41), &[]), seconds(25));
        let slower = [found("115200 8N1", 100, Cause::SpeedTooHigh)];
        assert_eq!(share(2, seconds(65), &slower), seconds(65) * 25 / 41);
        assert_eq!(share(2, seconds(15), &slower), SLOW_METER);
        assert_eq!(share(2, seconds(8), &slower), seconds(8));
    }

    #[test]
    fn a_meter_with_parity_gets_the_time_that_it_needs_where_something_came_and_is_not_slower() {
        let seconds = Duration::from_secs;
        let silent = [found("115200 8N1", 0, Cause::Silence)];
        assert_eq!(share(1, seconds(43), &silent), seconds(2));
        let came = [found("115200 8N1", 900, Cause::P1Fragments)];
        assert_eq!(share(1, seconds(43), &came), SLOW_METER);
        let slower = [found("115200 8N1", 100, Cause::SpeedTooHigh)];
        assert_eq!(share(1, seconds(43), &slower), Duration::ZERO);
    }

    #[test]
    fn what_tells_most_is_the_result_and_of_equals_the_one_that_was_first() {
        let slower = || found("115200 8N1", 100, Cause::SpeedTooHigh);
        let silent = || found("9600 7E1", 0, Cause::Silence);
        let heard = Heard::of(vec![slower(), silent()]).unwrap();
        assert!(heard.best.verdict.cause == Cause::SpeedTooHigh && heard.is_unfinished());
        let heard = Heard::of(vec![slower(), found("9600 7E1", 9, Cause::Unknown)]).unwrap();
        assert!(heard.best.verdict.cause == Cause::SpeedTooHigh && !heard.is_unfinished());
        // Asked of the running program, which has one kind of settings.
        assert!(!Heard::of(vec![slower()]).unwrap().is_unfinished());
        let text = |settings| found(settings, 100, Cause::Text);
        let heard = Heard::of(vec![text("9600 7E1"), text("9600 8N1"), text("4800 8N1")]).unwrap();
        assert_eq!(heard.best.settings.to_string(), "9600 8N1");
        let heard = Heard::of(vec![silent(), silent(), silent()]).unwrap();
        assert_eq!((heard.best.spent, heard.best.verdict.certainty), (Duration::from_secs(12), Certainty::Certain));
        assert_eq!(Heard::of(vec![silent()]).unwrap().best.verdict.certainty, Certainty::Possible);
    }
}
