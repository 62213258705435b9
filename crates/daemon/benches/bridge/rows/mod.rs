//! What is measured: groups of rows, each measured in rounds, one subject after the other in each round.

mod connects;
mod idle;
mod latency;
mod meter;
mod paced;
mod stopped;
mod telnet;
mod throughput;

use std::time::Duration;

use crate::process::Process;
use crate::subject::Subject;
use crate::trouble::Outcome;

/// Rows that one measurement yields together.
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) rows: &'static [Row],
    pub(crate) rounds: Rounds,
    pub(crate) measure: Measure,
}

/// How a round is measured.
pub(crate) enum Measure {
    /// One subject after the other.
    InTurn(fn(&Subject, Effort) -> Outcome<Round>),
    /// All at the same time, changing from one to the other many times a second; a round for each, in their order.
    SideBySide(fn(&[Subject], Effort) -> Outcome<Vec<Round>>),
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
    fn pick<T>(self, quick: T, full: T) -> T {
        match self {
            Self::Quick => quick,
            Self::Full => full,
        }
    }
}

/// Processor time that a subject takes from now on.
struct Meter<'a> {
    process: &'a Process,
    cpu: Duration,
    waited: Duration,
}

impl<'a> Meter<'a> {
    fn start(process: &'a Process) -> Outcome<Self> {
        Ok(Self { process, cpu: process.cpu()?, waited: process.waited_for_core() })
    }

    fn cpu(&self) -> Outcome<Duration> {
        Ok(self.process.cpu()?.saturating_sub(self.cpu))
    }

    /// A remark on how much of its ready time the subject had to wait for a core.
    fn disturbance(&self) -> Outcome<String> {
        let (cpu, waited) = (self.cpu()?.as_secs_f64(), self.process.waited_for_core().saturating_sub(self.waited));
        let share = waited.as_secs_f64() / (cpu + waited.as_secs_f64()).max(f64::MIN_POSITIVE);
        Ok(format!("waited for a core {:.0} % of the time it could have run", share * 100.0))
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
