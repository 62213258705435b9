//! One port, one client, as fast as it goes: processor time per gigabyte in each direction, every byte checked.

use std::io::Write;
use std::time::{Duration, Instant};

use super::{Effort, Goal, Group, Measure, Meter, Round, Rounds, Row};
use crate::flow::{feed_at_once, read_all, readers};
use crate::pattern::{Checker, Pattern};
use crate::rig::{Client, Pty, Rig};
use crate::subject::{Framing, Habit, Needs, Subject};
use crate::trouble::{Deadline, Outcome, Trouble};

pub(super) static GROUPS: &[Group] = &[
    Group {
        name: "throughput-down",
        rows: &[Row { name: "CPU per GB, line → client", unit: "s", goal: Goal::RatioAtMost(1.2) }],
        needs: Needs::raw(1, 1),
        rounds: Rounds { quick: 5, full: 9 },
        measure: Measure::InTurn(|subject, needs, effort| {
            Ok(line_to_client(subject, needs, effort, &Pattern::noise(0))?.round())
        }),
    },
    Group {
        name: "throughput-up",
        rows: &[Row { name: "CPU per GB, client → line", unit: "s", goal: Goal::RatioAtMost(1.2) }],
        needs: Needs::raw(1, 1),
        rounds: Rounds { quick: 5, full: 9 },
        measure: Measure::InTurn(|subject, needs, effort| {
            Ok(client_to_line(subject, needs, effort, &Pattern::noise(0))?.round())
        }),
    },
];

/// One transfer, as a way through the subject takes it; the bytes are those of the line.
pub(super) type Transfer = fn(&Subject, &Needs, Effort, &Pattern) -> Outcome<Cost>;

/// What a transfer took.
pub(super) struct Cost {
    /// Seconds of processor time for each gigabyte.
    pub(super) cpu: f64,
    /// Megabytes per second.
    pub(super) rate: f64,
    pub(super) disturbance: String,
}

impl Cost {
    fn of(bytes: u64, meter: &Meter<'_>, start: Instant) -> Outcome<Self> {
        let megabytes = bytes as f64 / 1e6;
        let rate = megabytes / start.elapsed().as_secs_f64();
        Ok(Self { cpu: meter.cpu()?.as_secs_f64() / megabytes * 1e3, rate, disturbance: meter.disturbance()? })
    }

    fn round(self) -> Round {
        Round { values: vec![self.cpu], remarks: vec![format!("{:.0} MB/s", self.rate), self.disturbance] }
    }
}

pub(super) fn line_to_client(subject: &Subject, needs: &Needs, effort: Effort, pattern: &Pattern) -> Outcome<Cost> {
    let rig = Rig::start(subject, needs, Habit::Stay, Framing::None)?;
    let bytes = effort.pick(20_000_000, 50_000_000);
    let (sent, count) = rig.protocol.on_the_wire(pattern, bytes);
    let mut readers = readers(rig.connect(1)?, &[sent]);

    let deadline = Deadline::after(LIMIT);
    let meter = Meter::start(&rig.processes)?;
    let start = Instant::now();
    deadline.both(
        || feed_at_once(&rig.lines[0], pattern, bytes, &deadline),
        || read_all(&mut readers, count, &deadline, &mut ()),
    )?;
    Cost::of(bytes, &meter, start)
}

pub(super) fn client_to_line(subject: &Subject, needs: &Needs, effort: Effort, pattern: &Pattern) -> Outcome<Cost> {
    let rig = Rig::start(subject, needs, Habit::Stay, Framing::None)?;
    let mut client = rig.connect(1)?.remove(0);
    rig.probe_upwards(&mut client)?;
    let bytes = effort.pick(20_000_000, 50_000_000);
    let (sent, count) = rig.protocol.on_the_wire(pattern, bytes);

    let deadline = Deadline::after(LIMIT);
    let meter = Meter::start(&rig.processes)?;
    let start = Instant::now();
    deadline.both(|| send(&mut client, &sent, count), || read_line(&rig.lines[0], pattern, bytes, &deadline))?;
    Cost::of(bytes, &meter, start)
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
    let soon = Deadline::after(Duration::from_millis(5));
    match line.read(&mut buffer, &soon) {
        Ok(count) => Err(Trouble::Lost(format!("the line got {count} bytes more than were sent"))),
        Err(_) => Ok(()),
    }
}

const LIMIT: Duration = Duration::from_secs(60);
