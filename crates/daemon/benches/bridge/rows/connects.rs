//! Clients that connect, send a byte, receive it back from the line, and disconnect: how many per second, one at a time.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{poll, PollFd, PollFlags};

use super::{in_slices, Effort, Goal, Group, Measure, Round, Rounds, Row};
use crate::pause;
use crate::rig::{Client, Rig};
use crate::subject::{Framing, Habit, Needs, Subject};
use crate::trouble::{Deadline, Outcome, Trouble};

pub(super) static GROUPS: &[Group] = &[Group {
    name: "connects",
    rows: &[Row { name: "connect, first byte, disconnect", unit: "1/s", goal: Goal::RatioAtLeast(0.75) }],
    needs: Needs::raw(1, 1),
    rounds: Rounds { quick: 1, full: 10 },
    measure: Measure::SideBySide(measure),
}];

struct Bench {
    rig: Rig,
    cpu: Duration,
    elapsed: Duration,
    clients: u32,
    turned_away: u32,
}

/// In turn and a few at a time, for the reason given at the row of latencies.
fn measure(subjects: &[&Subject], needs: &Needs, effort: Effort) -> Vec<Outcome<Round>> {
    let patience = effort.pick(Duration::from_secs(2), Duration::from_secs(5));
    let run = |bench: &mut Bench| bench.run(Deadline::after(patience));
    let benches = in_slices(subjects, effort.pick(6, 50), |subject| Bench::start(subject, needs), run);
    pause(LINGER);
    benches.into_iter().map(|bench| Ok(bench?.round())).collect()
}

impl Bench {
    fn start(subject: &Subject, needs: &Needs) -> Outcome<Self> {
        // One comes while the subject may still be busy with the one before.
        let needs = Needs { clients: 16, ..*needs };
        let rig = Rig::start(subject, &needs, Habit::ComeAndGo, Framing::None)?;
        drop(rig.connect(1)?);
        Ok(Self { rig, cpu: Duration::ZERO, elapsed: Duration::ZERO, clients: 0, turned_away: 0 })
    }

    fn run(&mut self, deadline: Deadline) -> Outcome<()> {
        let before = self.rig.processes.cpu()?;
        let start = Instant::now();
        for byte in 0..SLICE {
            while !self.come_and_go(byte, &deadline)? {
                self.turned_away += 1;
                deadline.milliseconds("a client to be let in")?;
            }
            self.clients += 1;
            // Who is slow gets fewer, lest the others wait for it.
            if start.elapsed() > SLICE_LIMIT {
                break;
            }
        }
        self.elapsed += start.elapsed();
        self.cpu += self.rig.processes.cpu()?.saturating_sub(before);
        Ok(())
    }

    /// False when the client was turned away.
    fn come_and_go(&self, byte: u8, deadline: &Deadline) -> Outcome<bool> {
        let line = &self.rig.lines[0];
        let mut client = Client::connect(0, &self.rig.addresses[0])?;
        if client.stream.write_all(&[byte]).is_err() || hears_before(&mut client, line.master.as_fd(), deadline)? {
            return Ok(false);
        }
        let mut got = [0; 8];
        let count = line.read(&mut got, deadline)?;
        expect(byte, &got[..count], "at the line")?;
        line.write_whole(&[byte], deadline)?;
        let count = client.read(&mut got)?;
        expect(byte, &got[..count], "at the client")?;
        Ok(true)
    }

    fn round(self) -> Round {
        let cpu = self.cpu.as_secs_f64() * 1e6 / f64::from(self.clients);
        let left = self.rig.processes.open_sockets();
        let remarks = vec![
            format!("{cpu:.0} µs of CPU each, without that of child processes"),
            format!("{} of {} were turned away first", self.turned_away, self.clients + self.turned_away),
            format!("{left} sockets open {LINGER:?} after the last"),
        ];
        Round { values: vec![f64::from(self.clients) / self.elapsed.as_secs_f64()], remarks }
    }
}

/// Whether the client hears something, or is disconnected, before the line has its byte.
fn hears_before(client: &mut Client, line: std::os::fd::BorrowedFd<'_>, deadline: &Deadline) -> Outcome<bool> {
    loop {
        let limit = deadline.milliseconds("a client's first byte at the line")?;
        let socket = client.stream.as_fd();
        let mut sources = [PollFd::new(line, PollFlags::POLLIN), PollFd::new(socket, PollFlags::POLLIN)];
        match poll(&mut sources, limit) {
            Ok(0) | Err(Errno::EINTR) => continue,
            other => other?,
        };
        let [at_line, at_client] = sources.map(|source| source.any().unwrap_or(false));
        if at_line {
            return Ok(false);
        }
        if at_client {
            let mut word = [0; 128];
            // "Port already in use", or the end: what was sent is not going to come.
            while matches!(client.stream.read(&mut word), Ok(count) if count > 0) {}
            return Ok(true);
        }
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

/// After this time all disconnected clients should be forgotten.
const LINGER: Duration = Duration::from_millis(1_500);

/// How long a slice may last.
const SLICE_LIMIT: Duration = Duration::from_millis(100);
