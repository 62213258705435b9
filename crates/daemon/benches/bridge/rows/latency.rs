//! One byte at a time through an otherwise idle subject: line to client, client to line, and there and back with an
//! echo at the line. The next byte starts when the one before has arrived.

use std::io::Write;
use std::time::{Duration, Instant};

use super::{in_slices, percentile, Effort, Goal, Group, Measure, Round, Rounds, Row};
use crate::protocol::Protocol;
use crate::rig::{Client, Pty, Rig};
use crate::subject::{Framing, Habit, Needs, Subject};
use crate::trouble::{Deadline, Outcome, Trouble};

pub(super) static GROUPS: &[Group] = &[LATENCY, TELNET];

const LATENCY: Group = Group {
    name: "latency",
    rows: &[
        Row { name: "latency, line → client, p50", unit: "µs", goal: Goal::RatioAtMost(1.15) },
        Row { name: "latency, line → client, p99", unit: "µs", goal: Goal::RatioAtMost(1.25) },
        Row { name: "latency, client → line, p50", unit: "µs", goal: Goal::RatioAtMost(1.15) },
        Row { name: "latency, client → line, p99", unit: "µs", goal: Goal::RatioAtMost(1.25) },
        Row { name: "latency, round trip, p50", unit: "µs", goal: Goal::RatioAtMost(1.15) },
        Row { name: "latency, round trip, p99", unit: "µs", goal: Goal::RatioAtMost(1.25) },
    ],
    needs: Needs::raw(1, 1),
    rounds: Rounds { quick: 5, full: 10 },
    measure: Measure::SideBySide(|subjects, needs, effort| measure(subjects, needs, effort, &[0.50, 0.99])),
};

const TELNET: Group = Group {
    name: "telnet-latency",
    rows: &[
        Row { name: "telnet: latency, line → client, p50", unit: "µs", goal: Goal::RatioAtMost(1.25) },
        Row { name: "telnet: latency, client → line, p50", unit: "µs", goal: Goal::RatioAtMost(1.25) },
        Row { name: "telnet: latency, round trip, p50", unit: "µs", goal: Goal::RatioAtMost(1.25) },
    ],
    needs: Needs { ports: 1, clients: 1, protocol: Protocol::Telnet },
    rounds: Rounds { quick: 5, full: 10 },
    measure: Measure::SideBySide(|subjects, needs, effort| measure(subjects, needs, effort, &[0.50])),
};

struct Bench {
    rig: Rig,
    client: Client,
    /// One list for each way.
    nanoseconds: [Vec<u64>; WAYS.len()],
}

type Way = fn(&Pty, &mut Client, u8, &Deadline) -> Outcome<()>;

const WAYS: [Way; 3] = [line_to_client, client_to_line, there_and_back];

/// All subjects wait for bytes at the same time and get them in turn, [`SLICE`] at a time: whether a wake-up has to
/// rouse a sleeping core depends on what else the machine does, changes every few seconds, and makes more of a
/// difference than any subject.
fn measure(subjects: &[&Subject], needs: &Needs, effort: Effort, parts: &[f64]) -> Vec<Outcome<Round>> {
    let benches = in_slices(subjects, effort.pick(20, 60), |subject| Bench::start(subject, needs), Bench::run);
    benches.into_iter().map(|bench| Ok(bench?.round(parts))).collect()
}

impl Bench {
    fn start(subject: &Subject, needs: &Needs) -> Outcome<Self> {
        let rig = Rig::start(subject, needs, Habit::Stay, Framing::None)?;
        let mut client = rig.connect(1)?.remove(0);
        rig.probe_upwards(&mut client)?;
        client.stream.set_nonblocking(false)?;
        Ok(Self { rig, client, nanoseconds: Default::default() })
    }

    fn run(&mut self) -> Outcome<()> {
        let deadline = Deadline::after(Duration::from_secs(10));
        for (way, nanoseconds) in WAYS.iter().zip(&mut self.nanoseconds) {
            let begin = Instant::now();
            for turn in 0..WARM_UP + SLICE {
                let start = Instant::now();
                way(&self.rig.lines[0], &mut self.client, turn, &deadline)?;
                if turn >= WARM_UP {
                    nanoseconds.push(start.elapsed().as_nanos() as u64);
                    // Who takes milliseconds for each byte gets fewer, lest the others wait for it.
                    if begin.elapsed() > SLICE_LIMIT {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    fn round(mut self, parts: &[f64]) -> Round {
        let mut values = Vec::new();
        for samples in &mut self.nanoseconds {
            values.extend(parts.iter().map(|part| percentile(samples, *part) / 1e3));
        }
        Round { values, remarks: Vec::new() }
    }
}

fn line_to_client(line: &Pty, client: &mut Client, byte: u8, deadline: &Deadline) -> Outcome<()> {
    line.write_whole(&[byte], deadline)?;
    let mut got = [0; 8];
    let count = client.read(&mut got)?;
    expect(byte, &got[..count])
}

fn client_to_line(line: &Pty, client: &mut Client, byte: u8, deadline: &Deadline) -> Outcome<()> {
    client.stream.write_all(&[byte])?;
    let mut got = [0; 8];
    let count = line.read(&mut got, deadline)?;
    expect(byte, &got[..count])
}

fn there_and_back(line: &Pty, client: &mut Client, byte: u8, deadline: &Deadline) -> Outcome<()> {
    client_to_line(line, client, byte, deadline)?;
    line_to_client(line, client, byte, deadline)
}

fn expect(byte: u8, got: &[u8]) -> Outcome<()> {
    if got == [byte] {
        return Ok(());
    }
    Err(Trouble::Lost(format!("sent {byte:#04x}, received {got:02x?}")))
}

/// Bytes before the measured ones of a slice, for the caches.
const WARM_UP: u8 = 5;

/// Measured bytes of a slice.
const SLICE: u8 = 50;

/// How long a slice may last in one way.
const SLICE_LIMIT: Duration = Duration::from_millis(30);
