//! One port, one client, as fast as it goes: processor time per gigabyte in each direction, every byte checked.

use std::io::Write;
use std::time::{Duration, Instant};

use super::{Effort, Goal, Group, Measure, Meter, Round, Rounds, Row};
use crate::flow::{feed_at_once, read_all, readers};
use crate::pattern::{Checker, Pattern};
use crate::rig::{Client, Pty, Rig};
use crate::subject::{Framing, Subject};
use crate::trouble::{Deadline, Outcome, Trouble};

pub(super) static GROUPS: &[Group] = &[
    Group {
        name: "throughput-down",
        rows: &[Row { name: "CPU per GB, line → client", unit: "s", goal: Goal::RatioAtMost(1.5) }],
        rounds: Rounds { quick: 9, full: 15 },
        measure: Measure::InTurn(line_to_client),
    },
    Group {
        name: "throughput-up",
        rows: &[Row { name: "CPU per GB, client → line", unit: "s", goal: Goal::RatioAtMost(1.5) }],
        rounds: Rounds { quick: 9, full: 15 },
        measure: Measure::InTurn(client_to_line),
    },
];

fn line_to_client(subject: &Subject, effort: Effort) -> Outcome<Round> {
    let rig = Rig::start(subject, 1, Framing::None)?;
    let patterns = [Pattern::noise(0)];
    let mut readers = readers(rig.connect(1)?, &patterns);
    let bytes = effort.pick(20_000_000, 50_000_000);

    let deadline = Deadline::after(LIMIT);
    let meter = Meter::start(&rig.process)?;
    let start = Instant::now();
    deadline.both(
        || feed_at_once(&rig.lines[0], &patterns[0], bytes, &deadline),
        || read_all(&mut readers, bytes, &deadline, &mut ()),
    )?;
    round(&meter, bytes, start)
}

fn client_to_line(subject: &Subject, effort: Effort) -> Outcome<Round> {
    let rig = Rig::start(subject, 1, Framing::None)?;
    let mut client = rig.connect(1)?.remove(0);
    rig.probe_upwards(&mut client)?;
    let pattern = Pattern::noise(0);
    let bytes = effort.pick(20_000_000, 50_000_000);

    let deadline = Deadline::after(LIMIT);
    let meter = Meter::start(&rig.process)?;
    let start = Instant::now();
    deadline.both(|| send(&mut client, &pattern, bytes), || read_line(&rig.lines[0], &pattern, bytes, &deadline))?;
    round(&meter, bytes, start)
}

fn round(meter: &Meter<'_>, bytes: u64, start: Instant) -> Outcome<Round> {
    let gigabytes = bytes as f64 / 1e9;
    let rate = bytes as f64 / 1e6 / start.elapsed().as_secs_f64();
    let remarks = vec![format!("{rate:.0} MB/s"), meter.disturbance()?];
    Ok(Round { values: vec![meter.cpu()?.as_secs_f64() / gigabytes], remarks })
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
