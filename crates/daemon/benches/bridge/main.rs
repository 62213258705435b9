//! sermux against the floor, on pseudo-terminals and loopback: `cargo bench --bench bridge [-- OPTIONS] [FILTER]…`
//!
//! The floor ([`floor`]) is the least a forwarder can do; this program started once more with the argument `floor`.
//! Both subjects are given the same lines and clients, in rounds: one measures the floor, then sermux, then the floor
//! again, each time as a fresh process on fresh pseudo-terminals, the first of a round changing from round to round.
//! Where the time of wake-ups counts (latency, connects), both run side by side and change places many times a second.
//!
//! What counts is the **ratio**: the median over the rounds of (sermux / floor in the same round). Absolute figures
//! depend on the machine, and noise that lasts hits both alike. The notes under the table show least … median … most
//! for each, the same for the ratio, and the ratio of the best rounds; where they lie far apart, the machine was busy:
//! look at the load, and at how long the subject waited for a core.
//!
//! * **Processor time** is the subject's own (its process's CPU clock: all threads, ended ones too, user and system);
//!   what feeders and clients take is not in it. Work that the kernel does elsewhere on its behalf (pty flushes in
//!   kworkers) is in no figure.
//! * **Every byte is checked** against a known pattern: loss, doubling and order. If any is wrong the row says LOST.
//! * **Latency** is one byte under way at a time, from just before the write to just after the read in one thread.
//! * **Telnet** rows measure sermux through a listener with RFC 2217 and clients that answer nothing, against the floor
//!   forwarding the same bytes raw. Gigabytes are those of the line: the second 0xFF of each pair does not count. Rows of
//!   one transfer over another compare two of the same subject in the same round; the floor, raw in both, shows how much
//!   of such a figure is noise.
//! * **Wake-ups** are voluntary context switches of all threads.
//! * Before a measurement probes run until every client hears its line, so that connecting is not in it.
//!
//! `--quick` takes about two minutes, all of it some minutes. FILTER picks groups by a part of the name of the
//! group or of one of its rows. `--sermux FILE` measures another build: under `cargo bench` the features of the
//! dev-dependencies are on. `--json FILE` writes all values of all rounds. The exit code is 0 also when goals are
//! missed, 1 when data were lost or a row could not be measured, 2 on wrong usage.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a program whose output is a table of figures; no count in it comes near a limit"
)]

mod floor;
mod flow;
mod pattern;
mod process;
mod protocol;
mod rig;
mod rows;
mod subject;
mod table;
mod telegram;
mod trouble;

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::rows::{Effort, Group, Measure};
use crate::subject::{subjects, Subject};
use crate::trouble::Outcome;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(("floor", rest)) = arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return match rig::raise_file_limit().and_then(|()| Ok(floor::run(rest)?)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(trouble) => {
                eprintln!("floor: {trouble}");
                ExitCode::FAILURE
            }
        };
    }
    let plan = match Plan::parse(arguments) {
        Ok(plan) => plan,
        Err(usage) => {
            eprintln!("{usage}");
            return ExitCode::from(2);
        }
    };
    match run(&plan) {
        Ok(exit) => exit,
        Err(trouble) => {
            eprintln!("{trouble}");
            ExitCode::FAILURE
        }
    }
}

struct Plan {
    effort: Effort,
    groups: Vec<&'static Group>,
    /// Instead of each group's own number.
    rounds: Option<usize>,
    sermux: OsString,
    json: Option<PathBuf>,
}

impl Plan {
    fn parse(arguments: Vec<String>) -> Result<Self, String> {
        let mut plan = Self {
            effort: Effort::Full,
            groups: Vec::new(),
            rounds: None,
            sermux: env!("CARGO_BIN_EXE_sermux").into(),
            json: None,
        };
        let mut filters = Vec::new();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value\n{USAGE}"));
            match argument.as_str() {
                "--bench" => {} // cargo's
                "--quick" => plan.effort = Effort::Quick,
                "--rounds" => plan.rounds = Some(value()?.parse().map_err(|_| USAGE)?),
                "--sermux" => plan.sermux = value()?.into(),
                "--json" => plan.json = Some(value()?.into()),
                other if other.starts_with('-') => return Err(format!("{other} is not known\n{USAGE}")),
                filter => filters.push(filter.to_owned()),
            }
        }
        let wanted = |group: &&Group| {
            let named = |filter: &String| {
                group.name.contains(filter) || group.rows.iter().any(|row| row.name.contains(filter.as_str()))
            };
            filters.is_empty() || filters.iter().any(named)
        };
        plan.groups = rows::all().into_iter().filter(wanted).collect();
        if plan.groups.is_empty() {
            let names: Vec<_> = rows::all().iter().map(|group| group.name).collect();
            return Err(format!("no such group; there are: {}", names.join(" ")));
        }
        Ok(plan)
    }
}

fn run(plan: &Plan) -> Outcome<ExitCode> {
    process::end_all_on_signal()?;
    rig::raise_file_limit()?;
    let subjects = subjects(plan.sermux.clone())?;
    let start = Instant::now();
    let load_before = load();
    let results: Vec<_> = plan.groups.iter().map(|group| measure(group, &subjects, plan)).collect();

    println!("\n{}", table::render(&subjects, &results));
    println!("least … median … most of the rounds; the ratio is the median of the rounds' ratios\n");
    println!("{}", table::notes(&subjects, &results));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    println!("Linux {}, {cores} cores, load {load_before} before, {} after", kernel.trim(), load());
    println!("{:.0} s", start.elapsed().as_secs_f64());
    if let Some(file) = &plan.json {
        fs::write(file, table::json(&subjects, &results))?;
    }
    let all_measured = results.iter().all(|result| result.trouble.is_none());
    Ok(if all_measured { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The rounds of one group: all subjects in each, the first one changing, until one is in trouble.
fn measure(group: &'static Group, subjects: &[Subject], plan: &Plan) -> table::Result {
    let rounds = plan.rounds.unwrap_or(match plan.effort {
        Effort::Quick => group.rounds.quick,
        Effort::Full => group.rounds.full,
    });
    let mut result = table::Result {
        group,
        values: vec![vec![Vec::new(); group.rows.len()]; subjects.len()],
        remarks: vec![Vec::new(); subjects.len()],
        seconds: 0.0,
        trouble: None,
    };
    let start = Instant::now();
    for round in 0..rounds {
        eprintln!("{}: round {} of {rounds}", group.name, round + 1);
        let outcome = match group.measure {
            Measure::InTurn(measure) => (0..subjects.len()).try_for_each(|turn| {
                let index = (round + turn) % subjects.len();
                let figures = measure(&subjects[index], plan.effort).map_err(|it| it.at(subjects[index].name))?;
                result.add(index, figures);
                Ok(())
            }),
            Measure::SideBySide(measure) => measure(subjects, plan.effort).map(|all| {
                all.into_iter().enumerate().for_each(|(index, figures)| result.add(index, figures));
            }),
        };
        if let Err(trouble) = outcome {
            eprintln!("{}: {trouble}", group.name);
            result.trouble = Some(trouble);
            break;
        }
    }
    result.seconds = start.elapsed().as_secs_f64();
    result
}

fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("?").to_owned()
}

/// Waits without doing anything, to keep a pace or to look again later.
#[allow(clippy::disallowed_methods, reason = "no runtime here, and no hub: threads that pace themselves")]
fn pause(span: Duration) {
    std::thread::sleep(span);
}

const USAGE: &str = "cargo bench --bench bridge -- [--quick] [--rounds N] [--sermux FILE] [--json FILE] [FILTER]…";
