//! Lines at the speed of a UART: many ports with a few clients each, one port with very many clients.

use std::time::Duration;

use super::{percentile, Goal, Group, Measure, Meter, Round, Rounds, Row};
use crate::flow::{feed, read_all, readers, Ages, Pace, Stamps};
use crate::pattern::Pattern;
use crate::rig::Rig;
use crate::subject::{Framing, Habit, Needs, Subject};
use crate::trouble::Outcome;

pub(super) static GROUPS: &[Group] = &[
    Group {
        name: "64x4",
        rows: &[Row {
            name: "64 ports × 4 clients at 115200: CPU",
            unit: "% of a core",
            goal: Goal::RatioAtMost(1.15),
        }],
        needs: Needs::raw(64, 4),
        rounds: Rounds { quick: 2, full: 5 },
        measure: Measure::InTurn(|subject, needs, effort| {
            let pace = Pace::of(UART_115200, 64, effort.pick(Duration::from_millis(1_500), Duration::from_secs(4)));
            let (share, _, remarks) = measure(subject, needs, &pace, 0)?;
            Ok(Round { values: vec![share.of_a_core], remarks })
        }),
    },
    Group {
        name: "256x1",
        rows: &[
            Row { name: "256 ports × 1 client at 115200: CPU", unit: "% of a core", goal: Goal::RatioAtMost(1.2) },
            Row { name: "256 ports × 1 client at 115200: p99", unit: "µs", goal: Goal::RatioAtMost(2.0) },
        ],
        needs: Needs::raw(256, 1),
        rounds: Rounds { quick: 2, full: 5 },
        measure: Measure::InTurn(|subject, needs, effort| {
            let pace = Pace::of(UART_115200, 96, effort.pick(Duration::from_millis(1_500), Duration::from_secs(4)));
            let (share, mut ages, remarks) = measure(subject, needs, &pace, 0)?;
            Ok(Round { values: vec![share.of_a_core, percentile(&mut ages, 0.99) / 1e3], remarks })
        }),
    },
    Group {
        name: "1x1000",
        rows: &[
            Row { name: "1 port × 1,000 clients: CPU per GB delivered", unit: "s", goal: Goal::RatioAtMost(1.3) },
            Row {
                name: "beside a stopped one of 1,000: p99 over that without it",
                unit: "×",
                // What two equal runs differ by.
                goal: Goal::AtMost(1.2),
            },
        ],
        needs: Needs::raw(1, 1_000),
        rounds: Rounds { quick: 1, full: 5 },
        measure: Measure::InTurn(|subject, needs, effort| {
            let pace = Pace::of(200e3, 4_000, effort.pick(Duration::from_secs(1), Duration::from_secs(4)));
            let (share, mut alone, remarks) = measure(subject, needs, &pace, 0)?;
            let (_, mut beside, _) = measure(subject, needs, &pace, 1)?;
            let p99 = |ages: &mut [u64]| percentile(ages, 0.99);
            Ok(Round { values: vec![share.per_gigabyte, p99(&mut beside) / p99(&mut alone)], remarks })
        }),
    },
];

struct Share {
    of_a_core: f64,
    per_gigabyte: f64,
}

/// Feeds all ports at a pace, while so many clients read nothing; returns the processor time taken and how long each chunk
/// took to each of the others.
fn measure(subject: &Subject, needs: &Needs, pace: &Pace, stopped: usize) -> Outcome<(Share, Vec<u64>, Vec<String>)> {
    let Needs { ports, clients: each, .. } = *needs;
    let rig = Rig::start(subject, needs, Habit::Stay, Framing::None)?;
    let patterns: Vec<_> = (0..ports).map(Pattern::noise).collect();
    let mut readers = readers(rig.connect(each)?, &patterns);
    let stopped = readers.split_off(readers.len() - stopped);
    for reader in &stopped {
        // So that it is behind soon.
        socket2::SockRef::from(&reader.client.stream).set_recv_buffer_size(4096)?;
    }
    let stamps = Stamps::new(ports, pace);
    let mut ages = Ages { stamps: &stamps, chunk: pace.chunk, nanoseconds: Vec::new() };
    let deadline = pace.deadline();

    let meter = Meter::start(&rig.processes)?;
    deadline.both(
        || feed(&rig.lines, &patterns, pace, Some(&stamps), &deadline),
        || read_all(&mut readers, pace.bytes(), &deadline, &mut ages),
    )?;
    let cpu = meter.cpu()?.as_secs_f64();
    let gigabytes = (pace.bytes() * readers.len() as u64) as f64 / 1e9;
    let share = Share { of_a_core: cpu / pace.span().as_secs_f64() * 100.0, per_gigabyte: cpu / gigabytes };
    Ok((share, ages.nanoseconds, vec![meter.disturbance()?]))
}

/// Bytes per second of 115200 8N1.
const UART_115200: f64 = 11_520.0;
