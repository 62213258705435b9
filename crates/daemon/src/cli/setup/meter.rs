//! Which device the meter is on and how it is to be read, by what is heard on it.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use sermux_port_config::config::Device;

use super::super::probe::{self, ProgressLine};
use super::super::{held, print, Arguments};
use super::{say, Options};
use crate::device::Root;
use crate::doctor::Machine;
use crate::probe::session::Session;
use crate::probe::{Failure, Heard, Search, Stop};
use crate::setup::choice::{candidates, choose, Candidate};
use crate::setup::Reading;
use sermux_protocol::verdict::Cause;

/// For each device: an old meter is heard at both speeds within this time.
const SEARCH: Search = Search { time: Duration::from_secs(30), telegrams: 1 };

/// Where the meter is, and how it is read.
#[derive(Debug)]
pub(super) struct Meter {
    pub(super) device: String,
    pub(super) reading: Reading,
}

/// The device that was asked for, or the one that the meter is on.
pub(super) fn find(arguments: &Arguments, options: &Options) -> Result<Meter, ExitCode> {
    let root = options.root.as_ref().map_or_else(Root::default, Root::at);
    let of = |device: &str, reading| Ok(Meter { device: device.to_owned(), reading });
    if let Some(device) = &options.device {
        let reading = if options.no_probe { None } else { Ears::new(arguments, &root)?.hear(device)? };
        return of(device, reading.unwrap_or_default());
    }
    let found = candidates(&root, &Machine::of(&root));
    let chosen = choose(&found);
    if let Some(chosen) = chosen {
        print(&format!("the meter's device: {}, {}\n", chosen.device, chosen.what));
    }
    match chosen {
        Some(chosen) if options.no_probe => of(&chosen.device, Reading::default()),
        Some(chosen) => of(&chosen.device, Ears::new(arguments, &root)?.hear(&chosen.device)?.unwrap_or_default()),
        None if found.is_empty() => {
            say("no serial port was found that a meter could be on: is its cable plugged in? On a Raspberry Pi\n`sermux doctor` says how to put the UART on its pins");
            Err(ExitCode::FAILURE)
        }
        None if options.no_probe => Err(undecided("there are several", &found)),
        None => {
            let mut ears = Ears::new(arguments, &root)?;
            for Candidate { device, what, .. } in &found {
                if let Some(reading) = ears.hear(device)?.filter(|reading| reading.is_meter) {
                    print(&format!("the meter's device: {device}, {what}\n"));
                    return of(device, reading);
                }
            }
            Err(undecided("there are several, and no telegram came on any of them", &found))
        }
    }
}

fn undecided(why: &str, found: &[Candidate]) -> ExitCode {
    let mut text = format!("{why}; say which one:");
    for candidate in found {
        let _ = write!(text, "\n  --device {}   {}", candidate.device, candidate.what);
    }
    say(&text);
    ExitCode::FAILURE
}

/// Listens on one device after the other.
struct Ears<'a> {
    arguments: &'a Arguments,
    root: &'a Root,
    session: Session,
}

impl<'a> Ears<'a> {
    fn new(arguments: &'a Arguments, root: &'a Root) -> Result<Self, ExitCode> {
        match Session::start() {
            Ok(session) => Ok(Ears { arguments, root, session }),
            Err(error) => {
                say(&format!("cannot start: {error}"));
                Err(ExitCode::FAILURE)
            }
        }
    }

    /// Says what is heard, or why nothing could be. `None`: nobody knows how it is to be read.
    fn hear(&mut self, device: &str) -> Result<Option<Reading>, ExitCode> {
        let Ok(device) = device.parse::<Device>() else {
            // The check of the configuration says what is wrong with it.
            return Ok(None);
        };
        let here = match &device {
            Device::Path(path) => Device::Path(self.root.path(path)),
            other => other.clone(),
        };
        let mut line = ProgressLine::of(&device);
        let heard = match held::port_with(self.arguments, &here) {
            Some(port) => {
                let (_tell, stop) = Stop::new();
                let heard = held::hear(self.arguments, &port, SEARCH, &stop, |progress| line.show(progress));
                heard.map(|(heard, held)| (heard, Some(held)))
            }
            None => self.session.probe(&here, SEARCH, |progress| line.show(progress)).map(|heard| (heard, None)),
        };
        drop(line);
        match heard {
            Ok((heard, held)) => {
                print(&probe::text(&device, &heard, held.as_ref()));
                Ok(reading(&heard, held.is_some()))
            }
            Err(failure @ Failure::Stopped) => {
                say(&failure.to_string());
                Err(ExitCode::FAILURE)
            }
            Err(failure) => {
                say(&format!("nothing could be heard: {failure}"));
                Ok(None)
            }
        }
    }
}

/// How it is to be read. The settings of a port that runs stay where nothing better was heard.
fn reading(heard: &Heard, is_held: bool) -> Option<Reading> {
    match heard.best.verdict.cause {
        Cause::P1(_) => Some(Reading { is_meter: true, ..Reading::with(heard.best.settings) }),
        Cause::SevenBitParity => Some(Reading { is_meter: true, ..Reading::of_old_meter() }),
        _ => is_held.then(|| Reading::with(heard.best.settings)),
    }
}
