//! One client reads and another has stopped reading, with 4 MB/s on the line: how much the reader gets, and how much memory
//! the subject takes for the stopped client.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{Effort, Goal, Group, Measure, Round, Rounds, Row};
use crate::flow::{readers, Reader};
use crate::pattern::Pattern;
use crate::pause;
use crate::process::Processes;
use crate::rig::{Pty, Rig};
use crate::subject::{Framing, Habit, Needs, Subject};
use crate::trouble::{Outcome, Trouble};

pub(super) static GROUPS: &[Group] = &[Group {
    name: "stopped",
    rows: &[
        Row { name: "beside a stopped client: bytes received", unit: "% of 4 MB/s", goal: Goal::AtLeast(100.0) },
        // The backlog, and a quarter more for what allocators and pages add.
        Row { name: "beside a stopped client: memory growth", unit: "KiB", goal: Goal::AtMost(320.0) },
    ],
    needs: Needs::raw(1, 2),
    rounds: Rounds { quick: 1, full: 1 },
    measure: Measure::InTurn(measure),
}];

fn measure(subject: &Subject, needs: &Needs, effort: Effort) -> Outcome<Round> {
    let rig = Rig::start(subject, needs, Habit::Stay, Framing::None)?;
    let patterns = [Pattern::noise(0)];
    let mut readers = readers(rig.connect(2)?, &patterns);
    let mut stopped = readers.remove(1);
    let mut reader = readers.remove(0);
    let span = effort.pick(Duration::from_millis(1_500), Duration::from_secs(8));
    let offered = (RATE * span.as_secs_f64()) as u64;
    let before = rig.processes.memory()?.anonymous;

    let over = AtomicBool::new(false);
    let most = thread::scope(|scope| {
        let feeding = scope.spawn(|| offer(&rig.lines[0], &patterns[0], offered, span));
        let reading = scope.spawn(|| read_until(&mut reader, offered, &over));
        let watching = scope.spawn(|| peak(&rig.processes, &over));
        let fed = feeding.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        over.store(true, Ordering::Relaxed);
        let read = reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let most = watching.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        fed.and(read).and(most)
    })?;

    let received = reader.checker.received();
    let end = what_is_left(&mut stopped)?;
    let remarks =
        vec![format!("the stopped client was {end} after {} bytes, all in order", stopped.checker.received())];
    let share = received as f64 / offered as f64 * 100.0;
    Ok(Round { values: vec![share, most.saturating_sub(before) as f64], remarks })
}

/// Offers the line its bytes in time; what it has not taken soon after the end is given up.
fn offer(line: &Pty, pattern: &Pattern, bytes: u64, span: Duration) -> Outcome<()> {
    let start = Instant::now();
    let mut sent = 0;
    while sent < bytes && start.elapsed() < span + PATIENCE {
        let due = bytes.min((RATE * start.elapsed().as_secs_f64()) as u64);
        while sent < due {
            let count = line.write_some(pattern.at(sent, (due - sent).min(4096) as usize))?;
            if count == 0 {
                break;
            }
            sent += count as u64;
        }
        pause(Duration::from_millis(1));
    }
    Ok(())
}

/// Reads all of it, or until the feeding is over and nothing more comes.
fn read_until(reader: &mut Reader, bytes: u64, over: &AtomicBool) -> Outcome<()> {
    let mut buffer = vec![0; 64 * 1024];
    reader.client.stream.set_nonblocking(false)?;
    reader.client.stream.set_read_timeout(Some(PATIENCE / 2))?;
    while reader.checker.received() < bytes {
        let last_chance = over.load(Ordering::Relaxed);
        let before = reader.checker.received();
        reader.read(&mut buffer)?;
        if last_chance && reader.checker.received() == before {
            break;
        }
    }
    Ok(())
}

/// The most anonymous memory seen, in KiB.
fn peak(processes: &Processes, over: &AtomicBool) -> Outcome<u64> {
    let mut most = 0;
    while !over.load(Ordering::Relaxed) {
        most = most.max(processes.memory()?.anonymous);
        pause(Duration::from_millis(50));
    }
    Ok(most)
}

/// Reads what the stopped client was sent: it may be cut off, but what it has must be right.
fn what_is_left(stopped: &mut Reader) -> Outcome<&'static str> {
    let mut buffer = vec![0; 64 * 1024];
    stopped.client.stream.set_nonblocking(false)?;
    stopped.client.stream.set_read_timeout(Some(PATIENCE))?;
    loop {
        let before = stopped.checker.received();
        match std::io::Read::read(&mut &stopped.client.stream, &mut buffer) {
            Ok(0) => return Ok("disconnected"),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return Ok("disconnected by reset"),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok("kept"),
            Err(error) => return Err(Trouble::from(error)),
            Ok(count) => stopped
                .checker
                .take(&buffer[..count])
                .map_err(|trouble| trouble.at(format!("the stopped client, which had {before} bytes")))?,
        }
    }
}

/// Bytes per second.
const RATE: f64 = 4e6;

/// How long the line and the reader may be late.
const PATIENCE: Duration = Duration::from_millis(500);
