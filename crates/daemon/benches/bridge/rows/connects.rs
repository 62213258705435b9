//! Clients that come, send a byte, see it come back from the line, and go: how many per second, one after the other.

use std::io::Write;
use std::time::{Duration, Instant};

use super::{Effort, Goal, Group, Measure, Meter, Round, Rounds, Row};
use crate::pause;
use crate::protocol::Protocol;
use crate::rig::{Client, Rig};
use crate::subject::{Framing, Subject};
use crate::trouble::{Deadline, Outcome, Trouble};

pub(super) static GROUPS: &[Group] = &[Group {
    name: "connects",
    rows: &[Row { name: "connect, first byte, disconnect", unit: "1/s", goal: Goal::RatioAtLeast(0.75) }],
    rounds: Rounds { quick: 4, full: 10 },
    measure: Measure::SideBySide(measure),
}];

struct Bench {
    rig: Rig,
    cpu: Duration,
    elapsed: Duration,
    clients: u32,
}

/// In turn and a few at a time, for the reason given at the row of latencies.
fn measure(subjects: &[Subject], effort: Effort) -> Outcome<Vec<Round>> {
    let mut benches = Vec::new();
    for subject in subjects {
        benches.push(Bench::start(subject).map_err(|trouble| trouble.at(subject.name))?);
    }
    for slice in 0..effort.pick(20, 50) {
        for turn in 0..subjects.len() {
            let index = (slice + turn) % subjects.len();
            benches[index].run().map_err(|trouble| trouble.at(subjects[index].name))?;
        }
    }
    pause(LINGER);
    Ok(benches.into_iter().map(Bench::round).collect())
}

impl Bench {
    fn start(subject: &Subject) -> Outcome<Self> {
        let rig = Rig::start(subject, 1, Framing::None, Protocol::Raw)?;
        drop(rig.connect(1)?);
        Ok(Self { rig, cpu: Duration::ZERO, elapsed: Duration::ZERO, clients: 0 })
    }

    fn run(&mut self) -> Outcome<()> {
        let deadline = Deadline::after(Duration::from_secs(20));
        let meter = Meter::start(&self.rig.process)?;
        let start = Instant::now();
        for byte in 0..SLICE {
            self.come_and_go(byte, &deadline)?;
        }
        self.elapsed += start.elapsed();
        self.cpu += meter.cpu()?;
        self.clients += u32::from(SLICE);
        Ok(())
    }

    fn come_and_go(&self, byte: u8, deadline: &Deadline) -> Outcome<()> {
        let line = &self.rig.lines[0];
        let mut client = Client::connect(0, &self.rig.addresses[0])?;
        client.stream.write_all(&[byte])?;
        let mut got = [0; 8];
        let count = line.read(&mut got, deadline)?;
        expect(byte, &got[..count], "at the line")?;
        line.write_whole(&[byte], deadline)?;
        let count = client.read(&mut got)?;
        expect(byte, &got[..count], "at the client")
    }

    fn round(self) -> Round {
        let cpu = self.cpu.as_secs_f64() * 1e6 / f64::from(self.clients);
        let left = self.rig.process.open_sockets();
        let remarks =
            vec![format!("{cpu:.0} µs of CPU each"), format!("{left} sockets open {LINGER:?} after the last")];
        Round { values: vec![f64::from(self.clients) / self.elapsed.as_secs_f64()], remarks }
    }
}

fn expect(byte: u8, got: &[u8], place: &str) -> Outcome<()> {
    if got == [byte] {
        return Ok(());
    }
    Err(Trouble::Lost(format!("{place}: sent {byte:#04x}, received {got:02x?}")))
}

/// Clients of a slice.
const SLICE: u8 = 100;

/// After this time all that have gone should be forgotten.
const LINGER: Duration = Duration::from_millis(1_500);
