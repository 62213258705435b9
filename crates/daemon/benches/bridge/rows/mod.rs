//! The measurements: groups of rows, each measured in rounds, one subject after the other in each round.

mod connects;
mod idle;
mod latency;
mod meter;
mod paced;
mod stopped;
mod telnet;
mod throughput;

use std::time::Duration;

use crate::process::Processes;
use crate::subject::{Needs, Subject};
use crate::trouble::Outcome;

/// Rows that one measurement yields together.
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) rows: &'static [Row],
    /// Who cannot do that takes no part.
    pub(crate) needs: Needs,
    pub(crate) rounds: Rounds,
    pub(crate) measure: Measure,
}

/// How a round is measured.
pub(crate) enum Measure {
    /// One subject after the other.
    InTurn(fn(&Subject, &Needs, Effort) -> Outcome<Round>),
    /// All at the same time, those with something to do in turn, many times a second; a round for each, in their order.
    SideBySide(fn(&[&Subject], &Needs, Effort) -> Vec<Outcome<Round>>),
}

pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) goal: Goal,
}

/// What sermux is to reach; a ratio is to the reference.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    RatioAtMost(f64),
    RatioAtLeast(f64),
    AtMost(f64),
    AtLeast(f64),
    None,
}

pub(crate) struct Rounds {
    pub(crate) quick: usize,
    pub(crate) full: usize,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Effort {
    Quick,
    Full,
}

/// What one round gave for one subject.
pub(crate) struct Round {
    /// One for each row, in their order.
    pub(crate) values: Vec<f64>,
    /// What else was seen and explains the values.
    pub(crate) remarks: Vec<String>,
}

/// All groups, in the order of the table.
pub(crate) fn all() -> Vec<&'static Group> {
    let groups = [latency::GROUPS, throughput::GROUPS, telnet::GROUPS, paced::GROUPS, meter::GROUPS];
    groups.into_iter().chain([stopped::GROUPS, idle::GROUPS, connects::GROUPS]).flatten().collect()
}

impl Effort {
    pub(crate) fn pick<T>(self, quick: T, full: T) -> T {
        match self {
            Self::Quick => quick,
            Self::Full => full,
        }
    }
}

/// Starts a bench for each subject, and runs slices of all of them in turn, the first one changing; one that gets into
/// trouble is left out from there on.
fn in_slices<B>(
    subjects: &[&Subject],
    slices: usize,
    start: impl Fn(&Subject) -> Outcome<B>,
    run: impl Fn(&mut B) -> Outcome<()>,
) -> Vec<Outcome<B>> {
    let mut benches: Vec<_> = subjects.iter().map(|subject| start(subject)).collect();
    for slice in 0..slices {
        for turn in 0..benches.len() {
            let index = (slice + turn) % benches.len();
            let outcome = benches[index].as_mut().map_or(Ok(()), &run);
            if let Err(trouble) = outcome {
                benches[index] = Err(trouble);
            }
        }
    }
    benches
}

/// What a subject spends from now on.
struct Meter<'a> {
    processes: &'a Processes,
    before: Spent,
}

impl<'a> Meter<'a> {
    fn start(processes: &'a Processes) -> Outcome<Self> {
        Ok(Self { processes, before: Spent::so_far(processes)? })
    }

    fn spent(&self) -> Outcome<Spent> {
        let Spent { cpu, waited } = Spent::so_far(self.processes)?;
        Ok(Spent { cpu: cpu.saturating_sub(self.before.cpu), waited: waited.saturating_sub(self.before.waited) })
    }
}

/// Processor time, and how long a subject that could have run had to wait for a core.
#[derive(Default)]
struct Spent {
    cpu: Duration,
    waited: Duration,
}

impl Spent {
    fn so_far(processes: &Processes) -> Outcome<Self> {
        Ok(Self { cpu: processes.cpu()?, waited: processes.waited_for_core() })
    }

    fn add(&mut self, other: &Self) {
        self.cpu += other.cpu;
        self.waited += other.waited;
    }

    /// A remark on how much the subject was held up.
    fn disturbance(&self) -> String {
        let share = self.waited.as_secs_f64() / (self.cpu + self.waited).as_secs_f64().max(f64::MIN_POSITIVE);
        format!("waited for a core {:.0} % of the time it could have run", share * 100.0)
    }
}

/// The value below which the given part of the samples lies.
fn percentile(samples: &mut [u64], part: f64) -> f64 {
    if samples.is_empty() {
        return f64::NAN;
    }
    let index = ((samples.len() - 1) as f64 * part).round() as usize;
    *samples.select_nth_unstable(index).1 as f64
}
