//! One port, one client, as fast as it goes: processor time per gigabyte in each direction, every byte checked.
//!
//! All subjects take turns of a few megabytes: where the kernel puts the subject, the line's other end and the client on
//! two cores makes more of a difference than any subject, and is another one every few turns.

use std::io::Write;
use std::time::{Duration, Instant};

use super::{in_slices, Effort, Goal, Group, Measure, Meter, Round, Rounds, Row, Spent};
use crate::flow::{expect_no_more, feed_at_once, read_all, Reader};
use crate::pattern::{Checker, Pattern};
use crate::rig::{Client, Pty, Rig};
use crate::subject::{Framing, Habit, Needs, Subject};
use crate::trouble::{Deadline, Outcome, Trouble};

pub(super) static GROUPS: &[Group] = &[
    Group {
        name: "throughput-down",
        rows: &[Row { name: "CPU per GB, line → client", unit: "s", goal: Goal::RatioAtMost(1.2) }],
        needs: Needs::raw(1, 1),
        rounds: Rounds { quick: 3, full: 9 },
        measure: Measure::SideBySide(|subjects, needs, effort| measure(subjects, needs, effort, Way::Down)),
    },
    Group {
        name: "throughput-up",
        rows: &[Row { name: "CPU per GB, client → line", unit: "s", goal: Goal::RatioAtMost(1.2) }],
        needs: Needs::raw(1, 1),
        rounds: Rounds { quick: 3, full: 9 },
        measure: Measure::SideBySide(|subjects, needs, effort| measure(subjects, needs, effort, Way::Up)),
    },
];

fn measure(subjects: &[&Subject], needs: &Needs, effort: Effort, way: Way) -> Vec<Outcome<Round>> {
    let pattern = Pattern::noise(0);
    let start = |subject: &Subject| Transfer::start(subject, needs, way, &pattern);
    let transfers = in_slices(subjects, slices(effort), start, Transfer::run);
    let round = |transfer: Transfer| Round { values: vec![transfer.cpu()], remarks: transfer.remarks() };
    transfers.into_iter().map(|transfer| transfer.map(round)).collect()
}

/// How many slices of a [`Transfer`] a round has.
pub(super) fn slices(effort: Effort) -> usize {
    effort.pick(6, 20)
}

#[derive(Clone, Copy)]
pub(super) enum Way {
    /// From the line to the client.
    Down,
    /// From the client to the line.
    Up,
}

/// A transfer in slices, and what they have taken so far.
pub(super) struct Transfer {
    rig: Rig,
    client: Reader,
    way: Way,
    /// What the line sends or gets in a slice.
    at_the_line: Pattern,
    /// The same as the client gets or sends it, and how many bytes that are.
    at_the_client: (Pattern, u64),
    spent: Spent,
    elapsed: Duration,
    /// Of the line.
    bytes: u64,
}

impl Transfer {
    pub(super) fn start(subject: &Subject, needs: &Needs, way: Way, pattern: &Pattern) -> Outcome<Self> {
        let rig = Rig::start(subject, needs, Habit::Stay, Framing::None)?;
        let mut client = rig.connect(1)?.remove(0);
        rig.probe_upwards(&mut client)?;
        let at_the_client = rig.protocol.on_the_wire(pattern, SLICE);
        let client = Reader { client, checker: Checker::new(at_the_client.0.clone()) };
        let (spent, elapsed) = Default::default();
        Ok(Self { rig, client, way, at_the_line: pattern.clone(), at_the_client, spent, elapsed, bytes: 0 })
    }

    /// One slice.
    pub(super) fn run(&mut self) -> Outcome<()> {
        // Who is slow gets fewer, lest the others wait for it.
        if self.elapsed > ENOUGH {
            return Ok(());
        }
        let (line, deadline) = (&self.rig.lines[0], Deadline::after(LIMIT));
        let (pattern, count) = &self.at_the_client;
        self.client.begin_anew(pattern);
        let meter = Meter::start(&self.rig.processes)?;
        let start = Instant::now();
        match self.way {
            Way::Down => deadline.both(
                || feed_at_once(line, &self.at_the_line, SLICE, &deadline),
                || read_all(std::slice::from_mut(&mut self.client), *count, &deadline, &mut ()),
            )?,
            Way::Up => deadline.both(
                || send(&mut self.client.client, pattern, *count),
                || read_line(line, &self.at_the_line, SLICE, &deadline),
            )?,
        }
        self.elapsed += start.elapsed();
        match self.way {
            Way::Down => expect_no_more(std::slice::from_ref(&self.client), *count)?,
            Way::Up => expect_silence(line)?,
        }
        self.spent.add(&meter.spent()?);
        self.bytes += SLICE;
        Ok(())
    }

    /// Seconds of processor time for each gigabyte.
    pub(super) fn cpu(&self) -> f64 {
        self.spent.cpu.as_secs_f64() / self.bytes as f64 * 1e9
    }

    /// Megabytes per second.
    pub(super) fn rate(&self) -> f64 {
        self.bytes as f64 / 1e6 / self.elapsed.as_secs_f64()
    }

    pub(super) fn remarks(&self) -> Vec<String> {
        vec![format!("{:.0} MB/s", self.rate()), self.spent.disturbance()]
    }
}

fn send(client: &mut Client, pattern: &Pattern, bytes: u64) -> Outcome<()> {
    let mut sent = 0;
    while sent < bytes {
        let chunk = pattern.at(sent, (bytes - sent).min(64 * 1024) as usize);
        client.stream.write_all(chunk)?;
        sent += chunk.len() as u64;
    }
    Ok(())
}

fn read_line(line: &Pty, pattern: &Pattern, bytes: u64, deadline: &Deadline) -> Outcome<()> {
    let mut checker = Checker::new(pattern.clone());
    let mut buffer = vec![0; 64 * 1024];
    while checker.received() < bytes {
        let count = line
            .read(&mut buffer, deadline)
            .map_err(|trouble| trouble.at(format!("the line has {} of {bytes} bytes", checker.received())))?;
        checker.take(&buffer[..count]).map_err(|trouble| trouble.at("at the line"))?;
    }
    Ok(())
}

fn expect_silence(line: &Pty) -> Outcome<()> {
    let soon = Deadline::after(Duration::from_millis(5));
    match line.read(&mut [0; 4096], &soon) {
        Ok(count) => Err(Trouble::Lost(format!("the line got {count} bytes more than were sent"))),
        Err(_) => Ok(()),
    }
}

/// Bytes of the line in a slice.
const SLICE: u64 = 2_500_000;

/// How long a slice may take.
const LIMIT: Duration = Duration::from_secs(10);

/// After so much time for its slices a subject has no more of them in that round.
const ENOUGH: Duration = Duration::from_secs(2);
