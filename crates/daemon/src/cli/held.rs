//! Reads the bytes of a device that the running program has open from that program, without touching the device.

use std::time::{Duration, Instant};

use sermux_port_config::config::Device;
use sermux_port_config::line::LineSettings;
use sermux_protocol::verdict::Cause;

use super::remote::{follow, get, of_port, understand, NotDone};
use super::Arguments;
use crate::control::client::{AnswerLines, NextLine as Line};
use crate::control::request::PieceShape;
use crate::control::status::{PortShape, StatusShape};
use crate::device::{usb, Root};
use crate::line::OpenError;
use crate::probe::{next_after, Came, Failure, Found, Heard, Next, Progress, Search, Stop};

/// How often what came is judged.
const LOOK_EACH: Duration = Duration::from_millis(250);

/// No longer: its settings are one kind, and what sends each 10 s has sent twice by then.
const LONGEST: Duration = Duration::from_secs(25);

/// What the running program reports about the port, in addition to the bytes.
#[derive(Clone, Debug)]
pub(super) struct HeldPort {
    /// The name of its port.
    pub(super) port: String,
    /// Whether the port is for whole telegrams.
    framed: bool,
}

impl HeldPort {
    /// Whether what came may well be what the port is for: it does not look for telegrams, and nothing shows a mistake.
    pub(super) fn is_served(&self, heard: &Heard) -> bool {
        !self.framed && heard.best.verdict.cause == Cause::Unknown
    }
}

/// The port that has this device open now.
pub(super) fn port_with(arguments: &Arguments, device: &Device) -> Option<PortShape> {
    let path = match device {
        Device::Path(path) => path.clone(),
        Device::Usb(adapter) => usb::find(&Root::default(), adapter).ok()?,
        // Each simulated device is one of its own.
        Device::Sim(_) => return None,
    };
    let node = path.canonicalize().ok()?.display().to_string();
    let status: StatusShape = understand(&get(arguments, "/v1/status").ok()?).ok()?;
    let mut ports = status.ports.into_iter();
    ports.find(|port| is_open(port) && port.device.path.as_ref() == Some(&node))
}

/// Why the running program could not be asked whether it has a busy device, if this user may not.
pub(super) fn is_secret(arguments: &Arguments, failure: &Failure) -> Option<String> {
    let Failure::Open(OpenError::Busy { .. }) = failure else { return None };
    match get(arguments, "/v1/status") {
        Err(NotDone::Unreachable(why)) if why.is_forbidden() => {
            Some(format!("perhaps the running sermux has it open, but it does not answer: {why}"))
        }
        _ => None,
    }
}

fn is_open(port: &PortShape) -> bool {
    port.state.is_open()
}

/// What comes from now on.
pub(super) fn hear(
    arguments: &Arguments,
    port: &PortShape,
    search: Search,
    stop: &Stop,
    mut progress: impl FnMut(Progress<'_>),
) -> Result<(Heard, HeldPort), Failure> {
    let settings: LineSettings = port.line.actual.as_ref().unwrap_or(&port.line.configured).parse().unwrap_or_default();
    let time = search.time.min(LONGEST);
    let held = HeldPort { port: port.name.clone(), framed: port.frames.is_some() };
    // It is hung up on before.
    let path = of_port(&port.name, &format!("follow?seconds={}", LONGEST.as_secs() + 5));
    let mut lines = follow(arguments, &path).map_err(failure)?;
    progress(Progress::Opened);
    let before = now(arguments, port)?;
    let start = Instant::now();
    let mut came = Came::default();
    let mut first_telegram = None;
    loop {
        let has_ended = take(&mut lines, &mut came, (start + time).min(Instant::now() + LOOK_EACH))?;
        if stop.is_told() {
            return Err(Failure::Stopped);
        }
        let now = now(arguments, port)?;
        let errors = before.errors.zip(now.errors);
        let spent = start.elapsed();
        let errors =
            errors.map(|(was, now)| (now.framing.saturating_sub(was.framing), now.breaks.saturating_sub(was.breaks)));
        let found = Found::of(settings, &came, errors, spent);
        progress(Progress::Found(&found));
        if matches!(found.verdict.cause, Cause::P1(_) | Cause::P1Fragments) {
            first_telegram.get_or_insert(spent);
        }
        let waited = first_telegram.map_or(Duration::ZERO, |first| spent.saturating_sub(first));
        let is_gone = has_ended || !is_open(&now);
        if is_gone && came.is_empty() && spent < time {
            return Err(Failure::Other(format!("port {} has let go of the device", port.name)));
        }
        let is_enough = spent >= time || came.is_full();
        if is_gone || is_enough || next_after(&found, search.telegrams, waited) != Next::Stay {
            return Ok((Heard { best: found.clone(), tried: vec![found] }, held));
        }
    }
}

/// Takes what comes until then; whether there will be no more.
fn take(lines: &mut AnswerLines, came: &mut Came, until: Instant) -> Result<bool, Failure> {
    while !came.is_full() {
        let wait = until.saturating_duration_since(Instant::now());
        if wait.is_zero() {
            break;
        }
        match lines.next(wait).map_err(NotDone::Broken).map_err(failure)? {
            Line::Line(line) => {
                let piece: PieceShape = understand(&line).map_err(failure)?;
                if piece.lost > 0 {
                    came.miss(usize::try_from(piece.lost).unwrap_or(usize::MAX));
                }
                let bytes = piece.bytes();
                if !bytes.is_empty() {
                    came.take(&bytes, Duration::try_from_secs_f64(piece.seconds).unwrap_or_default());
                }
            }
            Line::NotYet => return Ok(false),
            Line::End => return Ok(true),
        }
    }
    Ok(false)
}

/// The port as it is now.
fn now(arguments: &Arguments, port: &PortShape) -> Result<PortShape, Failure> {
    get(arguments, &of_port(&port.name, "")).and_then(|body| understand(&body)).map_err(failure)
}

fn failure(why: NotDone) -> Failure {
    Failure::Other(why.text())
}
