//! A device that the running program has open: what comes is asked of it, and the device is left alone.

use std::time::{Duration, Instant};

use sermux_port_config::config::Device;
use sermux_port_config::line::LineSettings;
use sermux_protocol::verdict::{judge, Cause, Certainty, Meter, Reading, Verdict};

use super::remote::{get, of_port, understand, NotDone};
use super::Arguments;
use crate::control::request::Held as History;
use crate::control::status::{Port, State, Status};
use crate::device::{usb, Root};
use crate::probe::{next_after, Failure, Found, Heard, Next, Search};

/// How often it is asked.
const LOOK_EACH: Duration = Duration::from_millis(100);

/// No longer: its settings are one kind, and what sends each 10 s has sent twice by then.
const LONGEST: Duration = Duration::from_secs(25);

/// What the running program says beside the bytes.
#[derive(Clone, Debug)]
pub(super) struct Held {
    /// The name of its port.
    pub(super) port: String,
    /// Whether the port is for whole telegrams.
    framed: bool,
    /// Whole telegrams with a right CRC, or without one, that came while it was asked.
    telegrams: u64,
}

impl Held {
    /// Whether what came is what the port is for: good telegrams, or bytes where it does not look for telegrams.
    pub(super) fn is_served(&self, heard: &Heard) -> bool {
        if self.framed {
            self.telegrams > 0
        } else {
            heard.best.bytes > 0
        }
    }
}

/// The port that has this device open now.
pub(super) fn port_with(arguments: &Arguments, device: &Device) -> Option<Port> {
    let path = match device {
        Device::Path(path) => path.clone(),
        Device::Usb(adapter) => usb::find(&Root::default(), adapter).ok()?,
        // Each simulated device is one of its own.
        Device::Sim(_) => return None,
    };
    let node = path.canonicalize().ok()?.display().to_string();
    let status: Status = understand(&get(arguments, "/v1/status").ok()?).ok()?;
    let mut ports = status.ports.into_iter();
    ports.find(|port| matches!(port.state, State::Open | State::Quiet) && port.device.path.as_ref() == Some(&node))
}

/// What comes from now on.
pub(super) fn hear(arguments: &Arguments, port: &Port, search: Search) -> Result<(Heard, Held), Failure> {
    let settings: LineSettings = port.line.actual.as_ref().unwrap_or(&port.line.configured).parse().unwrap_or_default();
    let start = Instant::now();
    let time = search.time.min(LONGEST);
    let mut came = Came::after(&history(arguments, &port.name, 1)?);
    let mut first_telegram = None;
    loop {
        std::thread::park_timeout(LOOK_EACH.min(time.saturating_sub(start.elapsed())));
        came.take(&history(arguments, &port.name, History::MOST)?, start.elapsed());
        let now: Port = understand(&asked(get(arguments, &of_port(&port.name, "")))?).map_err(failure)?;
        let errors = port.errors.zip(now.errors);
        let framing_errors = errors.map(|(was, now)| now.framing.saturating_sub(was.framing));
        let breaks = errors.map(|(was, now)| now.breaks.saturating_sub(was.breaks));
        let spent = start.elapsed();
        let (bytes, arrivals) = (&came.bytes, &came.arrivals);
        let reading = Reading { settings, bytes, arrivals, framing_errors, breaks, spent, at: Instant::now() };
        let mut verdict = judge(&reading);
        let bytes = now.counters.rx_bytes.saturating_sub(port.counters.rx_bytes);
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let telegrams = good_telegrams(&now).saturating_sub(good_telegrams(port));
        let bad = crc_failures(&now).saturating_sub(crc_failures(port));
        if telegrams > 0 && !matches!(verdict.cause, Cause::P1(_)) {
            // None of them was held when it was asked for.
            let counted = Meter { telegrams: telegrams + bad, crc_bad: bad, ..Meter::default() };
            verdict = Verdict { cause: Cause::P1(counted), certainty: Certainty::Certain, evidence: 1 };
        } else if bytes > 0 && verdict.cause == Cause::Silence {
            verdict = Verdict { cause: Cause::Unknown, certainty: Certainty::Possible, evidence: bytes };
        }
        let found = Found { settings, bytes, framing_errors, breaks, spent, verdict };
        if telegrams > 0 {
            first_telegram.get_or_insert(spent);
        }
        let waited = first_telegram.map_or(Duration::ZERO, |first| spent.saturating_sub(first));
        if spent >= time || next_after(&found, search.telegrams, waited) != Next::Stay {
            let held = Held { port: port.name.clone(), framed: port.frames.is_some(), telegrams };
            return Ok((Heard { best: found.clone(), tried: vec![found] }, held));
        }
    }
}

fn good_telegrams(port: &Port) -> u64 {
    port.frames.map_or(0, |frames| frames.telegrams.saturating_sub(frames.crc_failures))
}

fn crc_failures(port: &Port) -> u64 {
    port.frames.map_or(0, |frames| frames.crc_failures)
}

/// What came since the beginning, put together from what the port still holds each time.
struct Came {
    bytes: Vec<u8>,
    arrivals: Vec<(usize, Duration)>,
    /// The offset of what comes next.
    next: u64,
}

impl Came {
    /// Nothing of what is there yet.
    fn after(history: &History) -> Came {
        Came { bytes: Vec::new(), arrivals: Vec::new(), next: history.offset + history.bytes().len() as u64 }
    }

    fn take(&mut self, history: &History, at: Duration) {
        let held = history.bytes();
        let end = history.offset + held.len() as u64;
        if end <= self.next {
            return;
        }
        if history.offset > self.next || self.bytes.len() > History::MOST {
            // Bytes are missing between: what was is judged no more, so that nothing is joined that does not belong together.
            self.bytes.clear();
            self.arrivals.clear();
            self.next = self.next.max(history.offset);
        }
        let known = usize::try_from(self.next - history.offset).unwrap_or(usize::MAX).min(held.len());
        self.arrivals.push((self.bytes.len(), at));
        self.bytes.extend_from_slice(&held[known..]);
        self.next = end;
    }
}

fn history(arguments: &Arguments, port: &str, most: usize) -> Result<History, Failure> {
    let body = asked(get(arguments, &of_port(port, &format!("history?bytes={most}"))))?;
    understand(&body).map_err(failure)
}

fn asked(answer: Result<Vec<u8>, NotDone>) -> Result<Vec<u8>, Failure> {
    answer.map_err(failure)
}

fn failure(why: NotDone) -> Failure {
    Failure::Other(why.text())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(offset: u64, hex: &str) -> History {
        History { port: "p".to_owned(), offset, hex: hex.to_owned() }
    }

    #[test]
    fn what_came_is_put_together_and_never_over_a_gap() {
        let at = Duration::from_secs;
        let mut came = Came::after(&held(9, "41"));
        came.take(&held(0, "30313233343536373841"), at(1));
        assert_eq!(came.bytes, b"");
        came.take(&held(8, "38414243"), at(2));
        came.take(&held(10, "42434445"), at(3));
        assert_eq!((came.bytes.as_slice(), came.arrivals.as_slice()), (&b"BCDE"[..], &[(0, at(2)), (2, at(3))][..]));
        came.take(&held(20, "58"), at(4));
        assert_eq!((came.bytes.as_slice(), came.arrivals.as_slice(), came.next), (&b"X"[..], &[(0, at(4))][..], 21));
    }
}
