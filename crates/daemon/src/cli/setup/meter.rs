//! Which device the meter is on and how it is to be read, by what is heard on it.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use sermux_port_config::config::Device;

use super::super::{print, probe, Arguments};
use super::{ears, say, SetupOptions};
use crate::device::Root;
use crate::doctor::Machine;
use crate::probe::session::ProbeSession;
use crate::probe::{Failure, Search};
use crate::setup::choice::{candidates, choose, Candidate};
use crate::setup::MeterSetup;

/// For each device: an old meter is heard at both speeds within this time.
const SEARCH: Search = Search { time: Duration::from_secs(30), telegrams: 1 };

/// Where the meter is, and how it is read.
#[derive(Debug)]
pub(super) struct FoundMeter {
    pub(super) device: String,
    pub(super) reading: MeterSetup,
}

/// The device that was asked for, or the one that the meter is on.
pub(super) fn find(arguments: &Arguments, options: &SetupOptions) -> Result<FoundMeter, ExitCode> {
    let root = options.root.as_ref().map_or_else(Root::default, Root::at);
    let of = |device: &str, reading| Ok(FoundMeter { device: device.to_owned(), reading });
    let one = |device: &str| {
        // The check of the configuration says what is wrong with one that is none.
        let known = device.parse::<Device>().ok().filter(|_| !options.no_probe);
        let Some(known) = known else { return of(device, MeterSetup::default()) };
        let heard = hear(arguments, &mut start()?, &root, &[known])?;
        of(device, heard.into_iter().next().flatten().unwrap_or_default())
    };
    if let Some(device) = &options.device {
        return one(device);
    }
    let found = candidates(&root, &Machine::of(&root));
    match choose(&found) {
        Some(chosen) => {
            print(&format!("the meter's device: {}, {}\n", chosen.device, chosen.what));
            one(&chosen.device)
        }
        None if found.is_empty() => {
            say("found no serial port for a meter\n  plug in its cable; on a Raspberry Pi, `sermux doctor` shows how to put the UART on the pins");
            Err(ExitCode::FAILURE)
        }
        None if options.no_probe => Err(undecided("found several devices", &found)),
        None => among(arguments, &root, &found),
    }
}

/// The one of several on which telegrams come.
fn among(arguments: &Arguments, root: &Root, found: &[Candidate]) -> Result<FoundMeter, ExitCode> {
    let mut session = start()?;
    let named = found.iter().filter_map(|candidate| Some((candidate.device.parse().ok()?, candidate)));
    let (devices, found): (Vec<Device>, Vec<&Candidate>) = named.unzip();
    let mut meters: Vec<(&Candidate, MeterSetup)> = Vec::new();
    for (some, candidates) in devices.chunks(ears::AT_ONCE).zip(found.chunks(ears::AT_ONCE)) {
        let mut text = format!("listening on {} devices, {} s at most:\n", some.len(), SEARCH.time.as_secs());
        for Candidate { device, what, .. } in candidates {
            let _ = writeln!(text, "  {device}   {what}");
        }
        say(text.trim_end());
        let heard = hear(arguments, &mut session, root, some)?;
        let readings = candidates.iter().zip(heard).filter_map(|(candidate, reading)| Some((*candidate, reading?)));
        meters.extend(readings.filter(|(_, reading)| reading.is_meter));
        if !meters.is_empty() {
            break;
        }
    }
    match &meters[..] {
        [] => Err(undecided("found several devices, but received no telegram on any of them", found)),
        [(Candidate { device, what, .. }, reading)] => {
            print(&format!("the meter's device: {device}, {what}\n"));
            Ok(FoundMeter { device: device.clone(), reading: *reading })
        }
        several => {
            Err(undecided("received telegrams on several devices", several.iter().map(|(candidate, _)| *candidate)))
        }
    }
}

fn undecided<'a>(why: &str, found: impl IntoIterator<Item = &'a Candidate>) -> ExitCode {
    let mut text = format!("{why}; choose one:");
    for candidate in found {
        let _ = write!(text, "\n  --device {}   {}", candidate.device, candidate.what);
    }
    say(&text);
    ExitCode::FAILURE
}

fn start() -> Result<ProbeSession, ExitCode> {
    ProbeSession::start().map_err(|error| {
        say(&format!("cannot start: {error}"));
        ExitCode::FAILURE
    })
}

/// Says what is heard on each, or why nothing could be. `None`: nobody knows how it is to be read.
fn hear(
    arguments: &Arguments,
    session: &mut ProbeSession,
    root: &Root,
    devices: &[Device],
) -> Result<Vec<Option<MeterSetup>>, ExitCode> {
    let here: Vec<Device> = devices
        .iter()
        .map(|device| match device {
            Device::Path(path) => Device::Path(root.path(path)),
            other => other.clone(),
        })
        .collect();
    let outcomes = ears::hear(arguments, session, &here, SEARCH).map_err(|failure| {
        say(&failure.to_string());
        ExitCode::FAILURE
    })?;
    let readings = devices.iter().zip(outcomes).map(|(device, outcome)| match outcome {
        Ok((heard, held)) => {
            print(&probe::text(device, &heard, held.as_ref()));
            ears::reading(&heard, held.is_some())
        }
        // Nothing that would tell, until a meter was heard on another one.
        Err(Failure::Stopped) => None,
        Err(failure) => {
            say(&format!("could not listen: {failure}"));
            None
        }
    });
    Ok(readings.collect())
}
