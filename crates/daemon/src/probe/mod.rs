//! Finds out what a device sends: opens it, tries the likely settings, and judges what comes. Says nothing to anybody: the
//! command does.

pub(crate) mod words;

use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sermux_port_config::config::Port;
use sermux_port_config::line::LineSettings;
use sermux_protocol::verdict::{judge, Cause, Certainty, Reading, Verdict};

use crate::line::{self, Control, Line, Operation, Snapshot};

/// The likely settings, and how many seconds each deserves: DSMR 2 to 4 send every 10 s.
pub(crate) const TRIES: [(&str, u32); 7] = [
    ("115200 8N1", 25),
    ("9600 7E1", 25),
    ("9600 8N1", 4),
    ("4800 8N1", 3),
    ("19200 8N1", 3),
    ("38400 8N1", 3),
    ("57600 8N1", 3),
];

/// What is kept of one try; with more, the next one begins.
const MOST_BYTES: usize = 64 * 1024;

/// How often what came is judged.
const LOOK_EACH: Duration = Duration::from_millis(250);

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

/// Opens the device of `port` and tries everything within `time`; `progress` is told now and then.
pub(crate) async fn run(port: Port, time: Duration, mut progress: impl FnMut(&Found)) -> Result<Found, String> {
    let opened = tokio::task::spawn_blocking(move || line::open_blocking(&port)).await;
    let opened = opened.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    let mut line = opened.line;
    let total: u32 = TRIES.iter().map(|(_, seconds)| seconds).sum();
    let mut best: Option<Found> = None;
    for (settings, seconds) in TRIES {
        let Ok(settings) = settings.parse::<LineSettings>() else { continue };
        let found = attempt(&mut *line, settings, time * seconds / total, &mut progress).await?;
        let done = is_sure(&found);
        if best.as_ref().is_none_or(|best| worth(&found) > worth(best)) {
            best = Some(found);
        }
        if done {
            break;
        }
    }
    line::close(line).await;
    best.ok_or_else(|| "nothing was tried".to_owned())
}

async fn attempt(
    line: &mut dyn Line,
    settings: LineSettings,
    time: Duration,
    progress: &mut impl FnMut(&Found),
) -> Result<Found, String> {
    let control = line.control();
    let before = ask(&control, Operation::Configure(settings)).await?;
    let start = Instant::now();
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 4096]);
    loop {
        let left = time.saturating_sub(start.elapsed());
        let until = Instant::now() + LOOK_EACH.min(left);
        let mut gone = false;
        while bytes.len() < MOST_BYTES {
            let wait = until.saturating_duration_since(Instant::now());
            match tokio::time::timeout(wait, poll_fn(|cx| line.poll_read(cx, &mut buffer))).await {
                Err(_) => break,
                Ok(Ok(0)) => {
                    gone = true;
                    break;
                }
                Ok(Ok(n)) => bytes.extend_from_slice(&buffer[..n]),
                Ok(Err(error)) => return Err(format!("cannot be read: {error}")),
            }
        }
        let now = ask(&control, Operation::Look).await.ok().and_then(|now| now.counters);
        let was = before.counters.unwrap_or_default();
        let framing_errors = now.map(|now| now.framing.saturating_sub(was.framing));
        let breaks = now.map(|now| now.breaks.saturating_sub(was.breaks));
        let spent = start.elapsed();
        let reading = Reading { settings, bytes: &bytes, framing_errors, breaks, spent, at: Instant::now() };
        let verdict = judge(&reading);
        let found = Found { settings, bytes: bytes.len(), framing_errors, breaks, spent, verdict };
        progress(&found);
        if gone && bytes.is_empty() {
            return Err("the device went away".to_owned());
        }
        if gone || is_sure(&found) || spent >= time || bytes.len() >= MOST_BYTES {
            return Ok(found);
        }
    }
}

/// On the blocking pool, since it may wait for the driver.
async fn ask(control: &Arc<dyn Control>, operation: Operation) -> Result<Snapshot, String> {
    let control = Arc::clone(control);
    let done = tokio::task::spawn_blocking(move || control.carry_out(&operation)).await;
    done.map_err(|error| error.to_string())?.map_err(|error| format!("its settings cannot be changed: {error}"))
}

/// Whether more time would not change it.
fn is_sure(found: &Found) -> bool {
    if found.verdict.certainty != Certainty::Certain {
        return false;
    }
    match &found.verdict.cause {
        // A second telegram comes at once where they come each second.
        Cause::P1(meter) => meter.telegrams >= 2 || found.spent > Duration::from_secs(5),
        Cause::Inverted | Cause::SevenBitParity | Cause::Console | Cause::Nmea => true,
        _ => false,
    }
}

fn worth(found: &Found) -> (u8, Certainty) {
    let kind = match found.verdict.cause {
        Cause::Silence => 0,
        Cause::Unknown => 1,
        Cause::SpeedTooHigh | Cause::SpeedTooLow => 2,
        Cause::Text => 3,
        Cause::P1(_) => 5,
        _ => 4,
    };
    (kind, found.verdict.certainty)
}
