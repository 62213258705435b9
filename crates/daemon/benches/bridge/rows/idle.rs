//! 256 ports with nothing to do: how soon they listen, the memory they take, and how often the subject wakes up.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{Effort, Goal, Group, Measure, Round, Rounds, Row};
use crate::pause;
use crate::rig::{Client, Rig};
use crate::subject::{Framing, Habit, Needs, Subject};
use crate::trouble::{Deadline, Outcome, Trouble};

pub(super) static GROUPS: &[Group] = &[
    Group {
        name: "start",
        rows: &[Row { name: "256 ports: exec to all listening", unit: "ms", goal: Goal::AtMost(25.0) }],
        needs: Needs::raw(PORTS, 1),
        rounds: Rounds { quick: 5, full: 15 },
        measure: Measure::InTurn(start),
    },
    Group {
        name: "memory",
        rows: &[
            Row { name: "256 idle ports: resident memory", unit: "MB", goal: Goal::AtMost(10.0) },
            Row { name: "256 idle ports: of it not backed by files", unit: "MB", goal: Goal::AtMost(3.0) },
        ],
        needs: Needs::raw(PORTS, 1),
        rounds: Rounds { quick: 1, full: 5 },
        measure: Measure::SideBySide(memory),
    },
    Group {
        name: "memory-each",
        rows: &[
            Row { name: "one more port, after its first byte: memory", unit: "KiB", goal: Goal::None },
            Row { name: "one more quiet client: memory", unit: "KiB", goal: Goal::None },
        ],
        needs: Needs::raw(1, MANY),
        rounds: Rounds { quick: 1, full: 3 },
        measure: Measure::InTurn(memory_each),
    },
    Group {
        name: "wake-ups",
        rows: &[Row { name: "256 quiet clients: wake-ups per second", unit: "1/s", goal: Goal::AtMost(0.0) }],
        needs: Needs::raw(PORTS / 4, 4),
        rounds: Rounds { quick: 1, full: 1 },
        measure: Measure::SideBySide(wake_ups),
    },
];

/// The moment from which no port refused a connection any more.
///
/// The port that is configured last is tried first; once it accepts, the others are found listening, or waited for.
fn start(subject: &Subject, needs: &Needs, _: Effort) -> Outcome<Round> {
    let mut rig = Rig::launch(subject, needs, Habit::Stay, Framing::None)?;
    let launched = rig.launched;
    let deadline = Deadline::after(Duration::from_secs(10));
    let mut connections = Vec::new();
    let mut all_listening = launched;
    for address in rig.addresses.iter().rev() {
        let mut refused = false;
        loop {
            match TcpStream::connect(address) {
                Ok(connection) => {
                    if refused || connections.is_empty() {
                        all_listening = Instant::now();
                    }
                    connections.push(connection);
                    break;
                }
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => refused = true,
                Err(error) => return Err(error.into()),
            }
            if deadline.is_over() || rig.processes.have_ended() {
                return Err(Trouble::Failed(format!("not all ports listen: {}", rig.processes.last_words())));
            }
            pause(Duration::from_micros(100));
        }
    }
    let swept = launched.elapsed().as_secs_f64() * 1e3;
    let milliseconds = all_listening.duration_since(launched).as_secs_f64() * 1e3;
    Ok(Round { values: vec![milliseconds], remarks: vec![format!("all connected to after {swept:.1} ms")] })
}

fn memory(subjects: &[&Subject], needs: &Needs, _: Effort) -> Vec<Outcome<Round>> {
    let rigs: Vec<_> = subjects.iter().map(|subject| Rig::start(subject, needs, Habit::Stay, Framing::None)).collect();
    pause(SETTLED);
    let round = |rig: Outcome<Rig>| {
        let memory = rig?.processes.memory()?;
        Ok(Round { values: vec![megabytes(memory.all), megabytes(memory.anonymous)], remarks: Vec::new() })
    };
    rigs.into_iter().map(round).collect()
}

/// What one more port or client takes, from the difference that many make.
fn memory_each(subject: &Subject, _: &Needs, _: Effort) -> Outcome<Round> {
    let memory = |ports: usize, clients: usize| -> Outcome<f64> {
        let rig = Rig::start(subject, &Needs::raw(ports, clients.max(1)), Habit::Stay, Framing::None)?;
        let connected = rig.connect(clients)?;
        pause(Duration::from_millis(300));
        let memory = rig.processes.memory()?.anonymous as f64;
        drop(connected);
        Ok(memory)
    };
    let (one_port, many_ports, many_clients) = (memory(1, 0)?, memory(MANY, 0)?, memory(1, MANY)?);
    let each = |many: f64| (many - one_port) / (MANY - 1) as f64;
    Ok(Round { values: vec![each(many_ports), each(many_clients)], remarks: Vec::new() })
}

fn megabytes(kibibytes: u64) -> f64 {
    kibibytes as f64 * 1024.0 / 1e6
}

fn wake_ups(subjects: &[&Subject], needs: &Needs, effort: Effort) -> Vec<Outcome<Round>> {
    let start = |subject: &&Subject| -> Outcome<_> {
        let rig = Rig::start(subject, needs, Habit::Stay, Framing::None)?;
        let clients = rig.connect(needs.clients)?;
        Ok((rig, clients, HashMap::new()))
    };
    let mut benches: Vec<_> = subjects.iter().map(start).collect();
    // Threads that only the start needed have ended by then as well.
    pause(effort.pick(2 * SETTLED, Duration::from_secs(12)));
    for (rig, _, before) in benches.iter_mut().flatten() {
        *before = rig.processes.sleeps();
    }
    let span = effort.pick(Duration::from_secs(2), Duration::from_secs(10));
    pause(span);
    let round = |bench: Outcome<(Rig, Vec<Client>, HashMap<_, _>)>| {
        let (rig, _clients, before) = bench?;
        let after = rig.processes.sleeps();
        let remarks = vec![format!("{} threads", after.len())];
        Ok(Round { values: vec![wakes(&before, &after) as f64 / span.as_secs_f64()], remarks })
    };
    benches.into_iter().map(round).collect()
}

/// How often threads woke up; one that has ended meanwhile did so at least once.
fn wakes(before: &HashMap<u32, u64>, after: &HashMap<u32, u64>) -> u64 {
    let ended = before.keys().filter(|tid| !after.contains_key(tid)).count() as u64;
    let slept = after.iter().map(|(tid, count)| count - before.get(tid).copied().unwrap_or(0));
    ended + slept.sum::<u64>()
}

/// By then whatever only the start needed has been given back.
const SETTLED: Duration = Duration::from_millis(2500);

const PORTS: usize = 256;

const MANY: usize = 201;
