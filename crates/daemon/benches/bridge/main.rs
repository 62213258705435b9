//! sermux beside the floor and its peers, on pseudo-terminals and loopback: `cargo bench --bench bridge [-- OPTIONS] [FILTER]…`
//!
//! The floor ([`floor`]) is the least a forwarder can do; this program started once more with the argument `floor`. The
//! [`peers`] are ser2net as it comes and tuned, socat, pyserial's tcp_serial_redirect and gensiot, each where it is
//! installed. All subjects are given the same lines and clients, in rounds: in each, one after the other is measured as
//! fresh processes on fresh pseudo-terminals, the first of a round changing from round to round. Where the kernel's choices
//! make more of a difference than any subject (which core, how deep it sleeps: latency, transfers, lines at a pace,
//! connects), all run side by side and take turns many times in each round, and where nothing is to happen (memory,
//! wake-ups) they wait side by side. Peers take part in some of the rounds. One that is missing, hangs, dies or loses bytes is
//! an entry in the table, and the others go on.
//!
//! What counts is the **ratio**: the median over the rounds of (subject / floor in the same round). Absolute figures
//! depend on the machine, and noise that lasts hits all alike. The notes under the table show least … median … most
//! for each, the same for the ratio, and the ratio of the best rounds; where they lie far apart, the machine was busy:
//! look at what others took of it, and at how long the subject waited for a core.
//!
//! * **Processor time** is the subject's own (its processes' CPU clocks: all threads, ended ones too, user and system);
//!   what feeders and clients take is not in it. Work that the kernel does elsewhere on its behalf (pty flushes in
//!   kworkers) is in no figure.
//! * **Every byte is checked** against a known pattern: loss, doubling and order. If any is wrong the row says LOST.
//! * **Latency** is one byte under way at a time, from just before the write to just after the read in one thread.
//! * **Telnet** rows measure listeners with RFC 2217 and clients that answer nothing, against the floor
//!   forwarding the same bytes raw. Gigabytes are those of the line: the second 0xFF of each pair does not count. Rows of
//!   one transfer over another compare two of the same subject in the same round; the floor, raw in both, shows how much
//!   of such a figure is noise.
//! * **Wake-ups** are voluntary context switches of all threads.
//! * **Memory** is resident memory; of a subject that takes a process for each port, what they share counts once.
//! * Before a measurement probes run until every client hears its line, so that connecting is not in it.
//!
//! `--quick` takes two minutes, all of it a quarter of an hour. FILTER picks groups by a part of the name of the
//! group or of one of its rows. `--peers LIST` takes those whose names have a part in the list, or `none`. `--sermux FILE`
//! measures another build: under `cargo bench` the features of the dev-dependencies are on. All values of all rounds go
//! into a JSON file in the target folder, or where `--json FILE` says. SERMUX_BENCH_PYTHON and SERMUX_BENCH_REDIRECT name a
//! Python with pyserial and its example, which are otherwise those that the tests have made in the target folder. The exit
//! code is 0 also when goals are missed, 1 when sermux lost data or could not be measured, 2 on wrong usage.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a program whose output is a table of figures; no count in it comes near a limit"
)]

mod comparison;
mod floor;
mod flow;
mod json;
mod machine;
mod pattern;
mod peers;
mod process;
mod protocol;
#[path = "../../../../tests/random.rs"]
mod random;
mod results;
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

use crate::machine::Noise;
use crate::results::{End, Results};
use crate::rows::{Effort, Group};
use crate::subject::{subjects, Role, Subject};
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
    /// Parts of the names of those that are wanted.
    peers: Vec<String>,
    json: PathBuf,
}

/// Under what a run was made.
struct Circumstances {
    machine: String,
    load_before: String,
    load_after: String,
    noise_before: Noise,
    noise_after: Noise,
    seconds: f64,
    /// Peers that are not there, and why.
    missing: Vec<String>,
}

impl Plan {
    fn parse(arguments: Vec<String>) -> Result<Self, String> {
        let mut plan = Self {
            effort: Effort::Full,
            groups: Vec::new(),
            rounds: None,
            sermux: env!("CARGO_BIN_EXE_sermux").into(),
            peers: vec![String::new()],
            json: peers::target_folder().unwrap_or_default().join("bench-bridge.json"),
        };
        let mut filters = Vec::new();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value\n{USAGE}"));
            match argument.as_str() {
                "--bench" => {} // cargo's
                "--quick" => plan.effort = Effort::Quick,
                "--rounds" => plan.rounds = Some(value()?.parse().map_err(|_| USAGE)?),
                "--sermux" => plan.sermux = from_workspace(&value()?).into(),
                "--peers" => plan.peers = value()?.split(',').map(str::to_owned).collect(),
                "--json" => plan.json = value()?.into(),
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
    let (subjects, missing) = subjects(plan.sermux.clone(), &plan.peers)?;
    let (load_before, noise_before) = (machine::load(), Noise::of_the_machine_alone());
    let start = Instant::now();
    let compare = |group: &&'static Group| comparison::compare(group, &subjects, plan.effort, plan.rounds);
    let results: Vec<_> = plan.groups.iter().map(compare).collect();
    let circumstances = Circumstances {
        machine: machine::description(),
        load_before,
        load_after: machine::load(),
        noise_before,
        noise_after: Noise::of_the_machine_alone(),
        seconds: start.elapsed().as_secs_f64(),
        missing,
    };
    print(&subjects, &results, &circumstances);
    fs::write(&plan.json, json::render(&subjects, &results, &circumstances))?;
    println!("all values of all rounds: {}", plan.json.display());

    let own = |result: &Results| -> bool {
        let mut own = subjects.iter().zip(&result.subjects).filter(|(subject, _)| subject.role != Role::Peer);
        own.all(|(_, series)| matches!(series.end, End::Measured))
    };
    Ok(if results.iter().all(own) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(subjects: &[Subject], results: &[Results], circumstances: &Circumstances) {
    println!("\n{}", table::render(subjects, results));
    println!("medians; ratios to the floor; of peers the ratio where the goal is one; – cannot do that");
    println!("LOST: bytes were lost, doubled or late; FAILED: could not be measured; the notes say why\n");
    println!("least … median … most of the rounds; the ratio is the median of the rounds' ratios\n");
    println!("{}", table::notes(subjects, results));
    for subject in subjects {
        println!("{}: {}", subject.name, subject.version);
    }
    circumstances.missing.iter().for_each(|reason| println!("{reason}"));
    println!("{}", circumstances.machine);
    println!("before, for 2 s: {}, load {}", circumstances.noise_before, circumstances.load_before);
    println!("after, for 2 s: {}, load {}", circumstances.noise_after, circumstances.load_after);
    println!("{:.0} s", circumstances.seconds);
}

/// Waits without doing anything, to keep a pace or to look again later.
#[allow(clippy::disallowed_methods, reason = "no runtime here, and no hub: threads that pace themselves")]
fn pause(span: Duration) {
    std::thread::sleep(span);
}

const USAGE: &str =
    "cargo bench --bench bridge -- [--quick] [--rounds N] [--peers LIST] [--sermux FILE] [--json FILE] [FILTER]…";

/// A path as it was typed: cargo starts a benchmark in the folder of its package.
fn from_workspace(path: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}
