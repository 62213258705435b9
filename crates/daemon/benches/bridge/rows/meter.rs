//! A P1 meter at 115200 with 50 readers: sermux with `frame: dsmr` has a whole telegram to send where the floor sends
//! each chunk as it comes.

use std::time::Duration;

use super::{Effort, Goal, Group, Measure, Meter, Round, Rounds, Row};
use crate::flow::{expect_no_more, feed, read_all, readers, Pace, Witness};
use crate::pattern::Pattern;
use crate::rig::Rig;
use crate::subject::{Framing, Habit, Needs, Subject};
use crate::telegram;
use crate::trouble::Outcome;

pub(super) static GROUPS: &[Group] = &[Group {
    name: "p1",
    rows: &[
        Row { name: "P1, 50 readers: CPU per telegram", unit: "µs", goal: Goal::RatioAtMost(0.5) },
        Row { name: "P1, 50 readers: telegrams whole in one read", unit: "%", goal: Goal::AtLeast(100.0) },
    ],
    needs: Needs::raw(1, READERS),
    rounds: Rounds { quick: 1, full: 5 },
    measure: Measure::InTurn(measure),
}];

fn measure(subject: &Subject, needs: &Needs, effort: Effort) -> Outcome<Round> {
    let rig = Rig::start(subject, needs, Habit::Stay, Framing::Dsmr)?;
    let telegrams = effort.pick(12, 50);
    let chunks = telegram::LENGTH / CHUNK;
    let period = Duration::from_secs_f64(CHUNK as f64 / 11_520.0);
    let pace = Pace { chunk: CHUNK, chunks: chunks * telegrams, period };
    let patterns = [Pattern::repeat((0..telegrams).flat_map(telegram::full).collect())];
    let mut readers = readers(rig.connect(READERS)?, &patterns);
    let mut whole = Whole { seen: 0 };

    let deadline = pace.deadline();
    let meter = Meter::start(&rig.processes)?;
    deadline.both(
        || feed(&rig.lines, &patterns, &pace, None, &deadline),
        || read_all(&mut readers, pace.bytes(), &deadline, &mut whole),
    )?;
    expect_no_more(&readers, pace.bytes())?;
    let spent = meter.spent()?;
    let cpu = spent.cpu.as_secs_f64() * 1e6 / telegrams as f64;
    let share = whole.seen as f64 / (telegrams * READERS) as f64 * 100.0;
    let remarks = vec![format!("{} bytes each, in {chunks} chunks of {CHUNK}", telegram::LENGTH), spent.disturbance()];
    Ok(Round { values: vec![cpu, share], remarks })
}

/// Counts the reads that returned exactly one telegram.
struct Whole {
    seen: usize,
}

impl Witness for Whole {
    fn saw(&mut self, _: usize, from: u64, to: u64) {
        if from % telegram::LENGTH as u64 == 0 && to == from + telegram::LENGTH as u64 {
            self.seen += 1;
        }
    }
}

const READERS: usize = 50;

/// What a UART hands over each 8 ms at that speed.
const CHUNK: usize = 96;
