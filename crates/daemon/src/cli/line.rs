//! `sermux set`, `modem`, `break`, `purge` and `reset`: change the line of a running port, and print its state.

use std::process::ExitCode;
use std::str::FromStr;

use clap::ValueEnum;
use serde::Serialize;

use super::remote::{of_port, post, NotDone};
use super::Arguments;
use crate::control::request::{BreakBody, LineNowShape, ModemBody, PurgeBody, PurgeQueue, ResetBody, SetBody};
use crate::control::status::ModemShape;

/// `dtr=on`, `rts=off`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Assignment {
    Dtr(bool),
    Rts(bool),
}

impl FromStr for Assignment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write dtr=on, dtr=off, rts=on or rts=off".to_owned();
        let (name, value) = text.split_once('=').ok_or_else(wrong)?;
        let on = match value.to_ascii_lowercase().as_str() {
            "on" | "1" | "yes" | "true" => true,
            "off" | "0" | "no" | "false" => false,
            _ => return Err(wrong()),
        };
        match name.to_ascii_lowercase().as_str() {
            "dtr" => Ok(Assignment::Dtr(on)),
            "rts" => Ok(Assignment::Rts(on)),
            _ => Err(wrong()),
        }
    }
}

/// How long a break is, in milliseconds.
pub(super) fn break_length(text: &str) -> Result<u64, String> {
    let longest = BreakBody::LONGEST_MS;
    let wrong = || format!("write the length of the break in milliseconds, from 1 to {longest}");
    let number = text.strip_suffix("ms").unwrap_or(text).trim_end();
    number.parse().ok().filter(|length| (1..=longest).contains(length)).ok_or_else(wrong)
}

/// The direction of the bytes that are discarded.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum QueueArg {
    /// Received bytes that sermux has not read yet
    Rx,
    /// Bytes that the device has not sent yet
    Tx,
}

pub(super) fn set(arguments: &Arguments, port: &str, settings: &[String]) -> ExitCode {
    tell(ask(arguments, port, "set", &SetBody { line: settings.join(" ") }), |now| {
        let missed = now.asked.as_ref().is_some_and(|asked| *asked != now.line);
        let problems = if missed && now.differences.is_empty() {
            vec![format!("asked for {}", now.asked.as_deref().unwrap_or_default())]
        } else {
            now.differences.clone()
        };
        (now.line.clone(), problems)
    })
}

pub(super) fn modem(arguments: &Arguments, port: &str, assignments: &[Assignment]) -> ExitCode {
    let mut wanted = ModemBody::default();
    for assignment in assignments {
        match *assignment {
            Assignment::Dtr(on) => wanted.dtr = Some(on),
            Assignment::Rts(on) => wanted.rts = Some(on),
        }
    }
    tell(ask(arguments, port, "modem", &wanted), |now| {
        let missed = |name: &str, wanted: Option<bool>, is: bool| {
            wanted.filter(|wanted| *wanted != is).map(|_| format!("{name} did not follow"))
        };
        let problems = missed("DTR", wanted.dtr, now.modem.dtr).into_iter();
        (wires(&now.modem), problems.chain(missed("RTS", wanted.rts, now.modem.rts)).collect())
    })
}

pub(super) fn send_break(arguments: &Arguments, port: &str, duration_ms: Option<u64>) -> ExitCode {
    let wanted = duration_ms.map_or_else(BreakBody::default, |duration_ms| BreakBody { duration_ms });
    tell(ask(arguments, port, "break", &wanted), |_| {
        (format!("sending a break of {} ms", wanted.duration_ms), Vec::new())
    })
}

pub(super) fn purge(arguments: &Arguments, port: &str, direction: Option<QueueArg>) -> ExitCode {
    let (queue, words) = match direction {
        Some(QueueArg::Rx) => (PurgeQueue::Rx, "received bytes"),
        Some(QueueArg::Tx) => (PurgeQueue::Tx, "bytes to be sent"),
        None => (PurgeQueue::Both, "received bytes and bytes to be sent"),
    };
    tell(ask(arguments, port, "purge", &PurgeBody { queue }), |_| (format!("{words} were discarded"), Vec::new()))
}

pub(super) fn reset(arguments: &Arguments, port: &str, name: &str) -> ExitCode {
    tell(ask(arguments, port, "reset", &ResetBody { name: name.to_owned() }), |now| {
        (format!("{name} is done; {}", wires(&now.modem)), Vec::new())
    })
}

fn ask(arguments: &Arguments, port: &str, what: &str, body: &impl Serialize) -> Result<LineNowShape, NotDone> {
    post(arguments, &of_port(port, what), body)
}

/// What came of it: the result, and what of it is not as it was asked.
fn tell(now: Result<LineNowShape, NotDone>, words: impl FnOnce(&LineNowShape) -> (String, Vec<String>)) -> ExitCode {
    let now = match now {
        Ok(now) => now,
        Err(why) => return why.complain(),
    };
    let (result, problems) = words(&now);
    let printed = super::print(&format!("{}: {result}\n", now.port));
    for problem in &problems {
        note!("{}: {problem}", now.port);
    }
    if problems.is_empty() {
        printed
    } else {
        ExitCode::FAILURE
    }
}

/// `on: DTR RTS; off: CTS DSR RI DCD`
pub(super) fn wires(modem: &ModemShape) -> String {
    let wires = [
        ("DTR", modem.dtr),
        ("RTS", modem.rts),
        ("CTS", modem.cts),
        ("DSR", modem.dsr),
        ("RI", modem.ri),
        ("DCD", modem.dcd),
    ];
    let those =
        |on: bool| wires.iter().filter(|(_, is)| *is == on).map(|(name, _)| *name).collect::<Vec<_>>().join(" ");
    match (those(true), those(false)) {
        (on, off) if on.is_empty() => format!("off: {off}"),
        (on, off) if off.is_empty() => format!("on: {on}"),
        (on, off) => format!("on: {on}; off: {off}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_are_read_as_people_write_them() {
        for (text, assignment) in [
            ("dtr=on", Ok(Assignment::Dtr(true))),
            ("RTS=OFF", Ok(Assignment::Rts(false))),
            ("rts=1", Ok(Assignment::Rts(true))),
            ("cts=on", Err(())),
            ("dtr", Err(())),
            ("dtr=up", Err(())),
        ] {
            assert_eq!(text.parse::<Assignment>().map_err(|_| ()), assignment, "{text}");
        }
    }

    #[test]
    fn wires_are_named_by_what_is_on_and_what_is_off() {
        let some = ModemShape { dtr: true, cts: true, ..ModemShape::default() };
        assert_eq!(wires(&some), "on: DTR CTS; off: RTS DSR RI DCD");
        assert_eq!(wires(&ModemShape::default()), "off: DTR RTS CTS DSR RI DCD");
    }
}
