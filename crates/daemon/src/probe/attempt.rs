//! One kind of settings: applied, listened with, judged.

use std::future::poll_fn;
use std::io;
use std::time::{Duration, Instant};

use sermux_port_config::line::{DataBits, LineSettings};
use sermux_protocol::verdict::{Cause, Certainty, Verdict};

use super::stop::{unless_told, Stop};
use super::{Came, Failure, Found, Progress, Search, SLOW_METER};
use crate::line::{carry_out, Line, Operation, Snapshot};

/// Enough bytes to recognise anything that the rules know: the longest telegram and a part of the one before it.
const ENOUGH: usize = 4 * 1024;

/// How often what came is judged.
const LOOK_EACH: Duration = Duration::from_millis(250);

/// What is to be done after a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Look for longer.
    Stay,
    /// Try the next settings.
    Other,
    /// More time would change nothing.
    Done,
    /// There is no device any more.
    Gone,
}

/// Looks with these settings for the time of the search; once a telegram has come, until `end`.
pub(super) async fn attempt(
    line: &mut dyn Line,
    settings: LineSettings,
    search: Search,
    end: Instant,
    stop: &mut Stop,
    progress: &mut impl FnMut(Progress<'_>),
) -> Result<(Found, Next), Failure> {
    let before = match ask(stop, line, Operation::Configure(settings)).await? {
        Ok(before) => before,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            return Ok((Found::of(settings, &Came::default(), None, Duration::ZERO), Next::Gone));
        }
        Err(error) => return Err(Failure::Other(format!("its settings cannot be changed: {error}"))),
    };
    if before.settings.baud != settings.baud {
        // The device cannot do that.
        return Ok((Found::of(settings, &Came::default(), None, Duration::ZERO), Next::Other));
    }
    let start = Instant::now();
    let mut came = Came::default();
    let mut first_telegram = None;
    loop {
        let until = if first_telegram.is_some() { end } else { start + search.time };
        let left = until.saturating_duration_since(Instant::now());
        let gone = read(line, &mut came, start, Instant::now() + LOOK_EACH.min(left), stop).await?;
        let now = ask(stop, line, Operation::Look).await?.ok().and_then(|now| now.counters);
        let was = before.counters.unwrap_or_default();
        let errors = now.map(|now| (now.framing.saturating_sub(was.framing), now.breaks.saturating_sub(was.breaks)));
        let found = Found::of(settings, &came, errors, start.elapsed());
        progress(Progress::Found(&found));
        if matches!(found.verdict.cause, Cause::P1(_) | Cause::P1Fragments) {
            first_telegram.get_or_insert(found.spent);
        }
        let waited = first_telegram.map_or(Duration::ZERO, |first| found.spent.saturating_sub(first));
        let next = match next_after(&found, search.telegrams, waited) {
            _ if gone => Next::Gone,
            Next::Stay if !came.is_full() && Instant::now() < until => Next::Stay,
            Next::Stay if first_telegram.is_some() => Next::Done,
            Next::Stay => Next::Other,
            next => next,
        };
        if next != Next::Stay {
            return Ok((found, next));
        }
    }
}

/// Reads until then; whether the device went away.
async fn read(
    line: &mut dyn Line,
    came: &mut Came,
    start: Instant,
    until: Instant,
    stop: &mut Stop,
) -> Result<bool, Failure> {
    let mut buffer = vec![0; 4096];
    while !came.is_full() {
        let wait = until.saturating_duration_since(Instant::now());
        let read = tokio::time::timeout(wait, poll_fn(|cx| line.poll_read(cx, &mut buffer)));
        let read = tokio::select! {
            biased;
            () = stop.told() => return Err(Failure::Stopped),
            read = read => read,
        };
        match read {
            Err(_) => break,
            Ok(Ok(0)) => return Ok(true),
            Ok(Ok(n)) => came.take(&buffer[..n], start.elapsed()),
            Ok(Err(error)) => return Err(Failure::Other(format!("cannot be read: {error}"))),
        }
    }
    Ok(false)
}

/// It may wait for the driver.
async fn ask(stop: &mut Stop, line: &mut dyn Line, operation: Operation) -> Result<io::Result<Snapshot>, Failure> {
    unless_told(stop, carry_out(line, operation)).await
}

/// What follows from what was found; `waited` is how long ago the first telegram was there.
pub(crate) fn next_after(found: &Found, telegrams: u64, waited: Duration) -> Next {
    let Verdict { cause, certainty, .. } = &found.verdict;
    // Eight bits read as seven look the same.
    let is_half_read = found.settings.data_bits == DataBits::Seven;
    match cause {
        Cause::SpeedTooHigh => Next::Other,
        Cause::Unknown if found.bytes >= ENOUGH => Next::Other,
        // The rest of a telegram is still to come, unless far more has.
        Cause::P1Fragments if has_format_errors(found) => Next::Other,
        // Not every driver counts what would show a parity bit.
        Cause::P1Fragments if found.bytes >= ENOUGH || waited >= SLOW_METER => {
            match found.settings.to_string().as_str() {
                "115200 8N1" => Next::Other,
                _ => Next::Done,
            }
        }
        Cause::P1Fragments => Next::Stay,
        _ if *certainty < Certainty::Certain => Next::Stay,
        // Its driver delivers characters that have no stop bit: what is read is right, and the parity is not.
        Cause::P1(_) if has_format_errors(found) && found.settings.to_string() == "115200 8N1" => Next::Other,
        Cause::P1(_) if waited >= SLOW_METER => Next::Done,
        // One says what it is. More of them, all from a queue, would not say how often they come.
        Cause::P1(meter) if meter.telegrams >= telegrams && (telegrams < 2 || meter.per_second().is_some()) => {
            Next::Done
        }
        Cause::EncryptedP1 => Next::Done,
        Cause::Console | Cause::Nmea if is_half_read => Next::Other,
        Cause::Inverted | Cause::SevenBitParity | Cause::Console | Cause::Nmea => Next::Done,
        _ => Next::Stay,
    }
}

/// One of twenty characters has no stop bit: what can be read is read with the wrong parity.
pub(super) fn has_format_errors(found: &Found) -> bool {
    let errors = usize::try_from(found.framing_errors.unwrap_or(0)).unwrap_or(usize::MAX);
    found.bytes >= 256 && errors.saturating_mul(20) >= found.bytes
}

#[cfg(test)]
mod tests {
    use sermux_protocol::verdict::MeterModel;

    use super::*;

    fn next(settings: &str, bytes: usize, cause: Cause, certainty: Certainty) -> Next {
        let mut found = Found::of(settings.parse().unwrap(), &Came::default(), None, Duration::from_secs(2));
        found.bytes = bytes;
        found.verdict = Verdict { cause, certainty, evidence: 1 };
        next_after(&found, 2, Duration::ZERO)
    }

    #[test]
    fn it_goes_on_as_soon_as_more_time_would_change_nothing() {
        use Certainty::{Certain, Likely, Possible};
        assert_eq!(next("115200 8N1", 0, Cause::Silence, Certain), Next::Stay, "it may be about to send");
        assert_eq!(next("115200 8N1", 900, Cause::Inverted, Likely), Next::Stay);
        assert_eq!(next("115200 8N1", 900, Cause::Inverted, Certain), Next::Done);
        for certainty in [Possible, Likely] {
            assert_eq!(next("115200 8N1", 64, Cause::SpeedTooHigh, certainty), Next::Other);
        }
        assert_eq!(next("9600 7E1", 1000, Cause::Unknown, Possible), Next::Stay);
        assert_eq!(next("9600 7E1", 4096, Cause::Unknown, Possible), Next::Other);
        assert_eq!(next("9600 8N1", 100, Cause::Nmea, Certain), Next::Done);
        assert_eq!(next("9600 7E1", 100, Cause::Nmea, Certain), Next::Other, "eight bits look the same");
    }

    #[test]
    fn fragments_of_telegrams_are_waited_on_and_then_tried_with_parity() {
        let next = |settings: &str, bytes, errors, waited| {
            let settings = settings.parse().unwrap();
            let mut found = Found::of(settings, &Came::default(), Some((errors, 0)), Duration::from_secs(2));
            found.bytes = bytes;
            found.verdict = Verdict { cause: Cause::P1Fragments, certainty: Certainty::Likely, evidence: 9 };
            next_after(&found, 2, waited)
        };
        assert_eq!(next("115200 8N1", 900, 3, Duration::ZERO), Next::Stay, "the rest is to come");
        assert_eq!(next("115200 8N1", 900, 200, Duration::ZERO), Next::Other);
        assert_eq!(next("115200 8N1", 900, 3, SLOW_METER), Next::Other);
        assert_eq!(next("115200 8E1", 5000, 0, Duration::ZERO), Next::Done);
    }

    #[test]
    fn a_second_telegram_is_waited_for_as_long_as_a_slow_meter_needs() {
        let mut found = Found::of("115200 8N1".parse().unwrap(), &Came::default(), None, Duration::from_secs(2));
        let second = Some((1, Duration::from_secs(1)));
        let of = |telegrams| Cause::P1(MeterModel { telegrams, spread: second, ..MeterModel::default() });
        found.verdict = Verdict { cause: of(1), certainty: Certainty::Certain, evidence: 1 };
        assert_eq!(next_after(&found, 1, Duration::ZERO), Next::Done);
        assert_eq!(next_after(&found, 2, Duration::from_secs(10)), Next::Stay);
        assert_eq!(next_after(&found, 2, SLOW_METER), Next::Done);
        found.verdict.cause = of(2);
        assert_eq!(next_after(&found, 2, Duration::ZERO), Next::Done);
        found.verdict.cause = Cause::P1(MeterModel { telegrams: 5, ..MeterModel::default() });
        assert_eq!(next_after(&found, 2, Duration::ZERO), Next::Stay, "all came from a queue");
        assert_eq!(next_after(&found, 1, Duration::ZERO), Next::Done);
    }
}
