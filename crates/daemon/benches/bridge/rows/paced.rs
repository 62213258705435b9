//! Lines at the speed of a UART: many ports with a few clients each, one port with very many clients.

use std::time::Duration;

use super::{in_slices, percentile, Effort, Goal, Group, Measure, Meter, Round, Rounds, Row, Spent};
use crate::flow::{expect_no_more, feed, read_all, readers, Ages, Pace, Reader, Stamps};
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
        measure: Measure::SideBySide(|subjects, needs, effort| {
            side_by_side(subjects, needs, effort, 64, |bench| vec![bench.share_of_a_core()])
        }),
    },
    Group {
        name: "256x1",
        rows: &[
            Row { name: "256 ports × 1 client at 115200: CPU", unit: "% of a core", goal: Goal::RatioAtMost(1.25) },
            Row { name: "256 ports × 1 client at 115200: p99", unit: "µs", goal: Goal::RatioAtMost(2.0) },
        ],
        needs: Needs::raw(256, 1),
        rounds: Rounds { quick: 2, full: 5 },
        measure: Measure::SideBySide(|subjects, needs, effort| {
            side_by_side(subjects, needs, effort, 96, |bench| vec![bench.share_of_a_core(), bench.p99() / 1e3])
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
            let pace = Pace::of(200e3, 4_000, Duration::from_millis(500));
            let start = |stopped| Bench::start(subject, needs, pace, stopped);
            let (mut alone, mut beside) = (start(0)?, start(1)?);
            for _ in 0..effort.pick(2, 8) {
                alone.run()?;
                beside.run()?;
            }
            let values = vec![alone.cpu_per_gigabyte(), beside.p99() / alone.p99()];
            Ok(Round { values, remarks: alone.remarks() })
        }),
    },
];

/// Chunks of this number of bytes at 115200, half a second for one subject after the other.
fn side_by_side(
    subjects: &[&Subject],
    needs: &Needs,
    effort: Effort,
    chunk: usize,
    values: fn(&mut Bench) -> Vec<f64>,
) -> Vec<Outcome<Round>> {
    let pace = Pace::of(UART_115200, chunk, Duration::from_millis(500));
    let start = |subject: &Subject| Bench::start(subject, needs, pace, 0);
    let benches = in_slices(subjects, effort.pick(3, 8), start, Bench::run);
    let round = |mut bench: Bench| Round { values: values(&mut bench), remarks: bench.remarks() };
    benches.into_iter().map(|bench| bench.map(round)).collect()
}

/// A subject whose ports are all fed at a pace, and what that has taken so far.
struct Bench {
    rig: Rig,
    pace: Pace,
    patterns: Vec<Pattern>,
    readers: Vec<Reader>,
    /// Who reads nothing.
    _stopped: Vec<Reader>,
    /// Of each chunk at each reader, except the first ones of a slice.
    nanoseconds: Vec<u64>,
    spent: Spent,
    slices: u32,
}

impl Bench {
    /// The last `stopped` clients read nothing.
    fn start(subject: &Subject, needs: &Needs, pace: Pace, stopped: usize) -> Outcome<Self> {
        let rig = Rig::start(subject, needs, Habit::Stay, Framing::None)?;
        let patterns: Vec<_> = (0..needs.ports).map(Pattern::noise).collect();
        let mut readers = readers(rig.connect(needs.clients)?, &patterns);
        let stopped = readers.split_off(readers.len() - stopped);
        for reader in &stopped {
            // So that it is behind soon.
            socket2::SockRef::from(&reader.client.stream).set_recv_buffer_size(4096)?;
        }
        let (nanoseconds, spent, slices) = Default::default();
        Ok(Self { rig, pace, patterns, readers, _stopped: stopped, nanoseconds, spent, slices })
    }

    fn run(&mut self) -> Outcome<()> {
        let Self { rig, pace, patterns, readers, .. } = self;
        for reader in readers.iter_mut() {
            reader.begin_anew(&patterns[reader.client.port]);
        }
        let stamps = Stamps::new(patterns.len(), pace);
        let mut ages = Ages {
            stamps: &stamps,
            chunk: pace.chunk,
            first: pace.chunks_in(WARM_UP),
            nanoseconds: &mut self.nanoseconds,
        };
        let deadline = pace.deadline();
        let meter = Meter::start(&rig.processes)?;
        deadline.both(
            || feed(&rig.lines, patterns, pace, Some(&stamps), &deadline),
            || read_all(readers, pace.bytes(), &deadline, &mut ages),
        )?;
        expect_no_more(readers, pace.bytes())?;
        self.spent.add(&meter.spent()?);
        self.slices += 1;
        Ok(())
    }

    /// In percent.
    fn share_of_a_core(&self) -> f64 {
        self.spent.cpu.as_secs_f64() / (self.pace.span() * self.slices).as_secs_f64() * 100.0
    }

    fn cpu_per_gigabyte(&self) -> f64 {
        let bytes = self.pace.bytes() * self.readers.len() as u64 * u64::from(self.slices);
        self.spent.cpu.as_secs_f64() / bytes as f64 * 1e9
    }

    /// Nanoseconds.
    fn p99(&mut self) -> f64 {
        percentile(&mut self.nanoseconds, 0.99)
    }

    fn remarks(&self) -> Vec<String> {
        vec![self.spent.disturbance()]
    }
}

/// At the beginning of a slice nothing of a subject is in the caches, and chunks wait for each other. A line that sends all
/// the time has that once.
const WARM_UP: Duration = Duration::from_millis(50);

/// Bytes per second of 115200 8N1.
const UART_115200: f64 = 11_520.0;
