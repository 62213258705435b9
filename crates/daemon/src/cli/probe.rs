//! `sermux probe`: what a device sends, or why it looks like garbage.

use std::fmt::{Display, Write as _};
use std::io::{stderr, IsTerminal as _};
use std::process::ExitCode;
use std::time::Duration;

use sermux_port_config::config::Device;
use sermux_protocol::frame::OtherCrc;
use sermux_protocol::verdict::Cause;

use super::held::{self, HeldPort};
use super::Arguments;
use crate::probe::session::ProbeSession;
use crate::probe::{words, Found, Heard, Progress, Search, Stop};

/// With the first of two it is known what comes, with the second how often.
const TELEGRAMS: u64 = 2;

pub(super) fn run(arguments: &Arguments, device: &Device, seconds: u32, json: bool) -> ExitCode {
    let search = Search { time: Duration::from_secs(u64::from(seconds)), telegrams: TELEGRAMS };
    let heard = match held::port_with(arguments, device) {
        Some(port) => {
            let mut line = ProgressLine::default();
            // Ctrl-C ends it as it ends any program: the device is not this one's.
            let (_tell, stop) = Stop::new();
            let heard = held::hear(arguments, &port, search, &stop, |progress| line.show_probe(device, progress));
            heard.map(|(heard, held)| (heard, Some(held)))
        }
        None => {
            let mut session = match ProbeSession::start() {
                Ok(session) => session,
                Err(error) => {
                    note!("cannot start: {error}");
                    return ExitCode::FAILURE;
                }
            };
            let mut line = ProgressLine::default();
            session.probe(device, search, |progress| line.show_probe(device, progress)).map(|heard| (heard, None))
        }
    };
    let (heard, held) = match heard {
        Ok(heard) => heard,
        Err(failure) => {
            note!("{failure}");
            if let Some(why) = held::is_secret(arguments, &failure) {
                note!("{why}");
            }
            return ExitCode::FAILURE;
        }
    };
    let shown = if json { document(device, &heard, held.as_ref()) } else { text(device, &heard, held.as_ref()) };
    let printed = super::print(&shown);
    // What an unframed port is for nobody knows: bytes are what it should have.
    let is_well = words::is_good(&heard.best.verdict.cause) || held.is_some_and(|held| held.is_served(&heard));
    if is_well {
        printed
    } else {
        ExitCode::FAILURE
    }
}

/// How far something is: one line, on a terminal only, which ends when this is dropped.
#[derive(Debug, Default)]
pub(super) struct ProgressLine {
    has_begun: bool,
}

impl ProgressLine {
    pub(super) fn show(&mut self, text: impl Display) {
        if stderr().is_terminal() {
            self.has_begun = true;
            note_part!("\r\x1b[K{text}");
        }
    }

    fn show_probe(&mut self, device: &Device, progress: Progress<'_>) {
        match progress {
            Progress::Opened => self.show(format_args!("{device}: open")),
            Progress::Found(Found { settings, bytes, spent, .. }) => {
                self.show(format_args!("{device}: {settings}: {bytes} bytes in {} s", spent.as_secs()));
            }
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if self.has_begun {
            note!("");
        }
    }
}

/// What was heard, in some lines.
pub(super) fn text(device: &Device, heard: &Heard, held: Option<&HeldPort>) -> String {
    let Found { settings, verdict, .. } = &heard.best;
    let mut text = format!("{device}: {} ({})\n", words::what(heard), verdict.certainty.name());
    if let Some(held) = held {
        let _ = writeln!(text, "  held by    the running sermux, as port {}", held.port);
    }
    if verdict.cause != Cause::Silence {
        let _ = writeln!(text, "  settings   {settings}");
    }
    if let Cause::P1(meter) = &verdict.cause {
        let rate = match meter.per_second() {
            Some(rate) if rate >= 0.5 => format!(", {rate:.1} per second"),
            Some(rate) => format!(", one every {:.0} s", 1.0 / rate),
            None => String::new(),
        };
        if !meter.version.is_empty() {
            let _ = writeln!(text, "  version    {}", meter.version);
        }
        let _ = writeln!(text, "  telegrams  {}{rate}", meter.telegrams);
        let _ = match (meter.crc_good, meter.crc_bad) {
            (0, 0) => writeln!(text, "  CRC        the telegrams have no CRC"),
            (good, bad) => writeln!(text, "  CRC        {good} good, {bad} bad"),
        };
        match meter.other_crc {
            Some(OtherCrc::X25) => text.push_str("             computed as CRC-16/X-25; a reader that checks the CRC may refuse the telegrams\n"),
            Some(OtherCrc::OverCrLf) => text.push_str(
                "             computed with CR LF, but something has removed each CR; a reader that checks the CRC may refuse the telegrams\n",
            ),
            None => {}
        }
        if !meter.before_each.is_empty() {
            let bytes = hex(&meter.before_each);
            let _ = writeln!(text, "  before /   {bytes} before each telegram; readers are not sent these bytes");
        }
        let _ = writeln!(text, "  meter      {}", meter.id.as_deref().unwrap_or("no name in the telegram"));
    }
    let _ = writeln!(text, "  {}", words::advice(heard));
    if let Some(held) = held.filter(|_| !words::is_good(&verdict.cause)) {
        let port = &held.port;
        let _ =
            writeln!(text, "  to try other settings: sermux pause {port}; sermux probe {device}; sermux resume {port}");
    }
    text
}

fn document(device: &Device, heard: &Heard, held: Option<&HeldPort>) -> String {
    let Found { settings, bytes, framing_errors, breaks, spent, verdict } = &heard.best;
    let (meter, per_second) = match &verdict.cause {
        Cause::P1(meter) => {
            let document = serde_json::json!({
                "version": meter.version, "id": meter.id, "telegrams": meter.telegrams,
                "crc-good": meter.crc_good, "crc-bad": meter.crc_bad, "crc-by": meter.other_crc.map(words::other_crc), "before-each": hex(&meter.before_each),
            });
            (Some(document), meter.per_second())
        }
        _ => (None, None),
    };
    let tried: Vec<_> = heard
        .tried
        .iter()
        .map(|found| {
            serde_json::json!({
                "settings": found.settings.to_string(), "bytes": found.bytes, "seconds": found.spent.as_secs_f64(),
                "cause": words::name(&found.verdict.cause),
            })
        })
        .collect();
    let document = serde_json::json!({
        "device": device.to_string(), "held-by-port": held.map(|held| held.port.as_str()),
        "cause": words::name(&verdict.cause), "certainty": verdict.certainty.name(), "evidence": verdict.evidence,
        "settings": settings.to_string(), "bytes": bytes, "framing-errors": framing_errors, "breaks": breaks,
        "seconds": spent.as_secs_f64(), "per-second": per_second, "meter": meter, "tried": tried,
        "what": words::what(heard), "advice": words::advice(heard),
    });
    format!("{document:#}\n")
}

/// `00 FF`
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(" ")
}
