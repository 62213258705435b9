//! The rounds of one group of rows. Each round runs every subject once, beginning with another one each time. A subject that
//! fails is left out of later rounds. Peers take part in fewer rounds, and for a limited time.

use std::time::{Duration, Instant};

use crate::machine::Clocks;
use crate::process;
use crate::results::{End, Results, Series};
use crate::rows::{Effort, Group, Measure, Round};
use crate::subject::{Role, Subject};
use crate::trouble::Outcome;

/// `rounds` instead of the group's own number.
pub(crate) fn compare(group: &'static Group, subjects: &[Subject], effort: Effort, rounds: Option<usize>) -> Results {
    let rounds = rounds.unwrap_or(effort.pick(group.rounds.quick, group.rounds.full));
    let (clocks, start) = (Clocks::now(), Instant::now());
    let mut all: Vec<_> = subjects.iter().map(|subject| series(group, subject)).collect();
    let mut spent = vec![Duration::ZERO; subjects.len()];
    for round in 0..rounds {
        eprintln!("{}: round {} of {rounds}", group.name, round + 1);
        let order = (0..subjects.len()).map(|turn| (round + turn) % subjects.len());
        let (taking_part, absent): (Vec<_>, Vec<_>) = order.partition(|&index| {
            let turn = subjects[index].role != Role::Peer || is_turn_of_peers(round, rounds, effort);
            turn && matches!(all[index].end, End::Measured)
        });
        absent.into_iter().for_each(|index| all[index].skip());
        let mut note = |index: usize, outcome: Outcome<Round>| take(&mut all[index], &subjects[index], outcome);
        match group.measure {
            Measure::InTurn(measure) => {
                for index in taking_part {
                    let since = Instant::now();
                    note(index, measure(&subjects[index], &group.needs, effort));
                    spent[index] += since.elapsed();
                }
            }
            Measure::SideBySide(measure) => {
                let which: Vec<_> = taking_part.iter().map(|&index| &subjects[index]).collect();
                let outcomes = measure(&which, &group.needs, effort);
                taking_part.into_iter().zip(outcomes).for_each(|(index, outcome)| note(index, outcome));
            }
        }
        for ((series, subject), spent) in all.iter_mut().zip(subjects).zip(&spent) {
            let over = *spent > effort.pick(PATIENCE_WHEN_QUICK, PATIENCE);
            if subject.role == Role::Peer && over && matches!(series.end, End::Measured) {
                series.end = End::Slow(series.rounds());
            }
        }
    }
    Results { group, subjects: all, seconds: start.elapsed().as_secs_f64(), noise: clocks.noise_since() }
}

fn series(group: &Group, subject: &Subject) -> Series {
    let mut series = Series::new(group);
    if !subject.can(&group.needs) {
        series.end = End::Unable;
    }
    series
}

fn take(series: &mut Series, subject: &Subject, outcome: Outcome<Round>) {
    let obituary = process::take_obituary();
    match outcome {
        Ok(round) => series.add(round),
        Err(trouble) => {
            let trouble = match obituary {
                Some(words) => trouble.and(words),
                None => trouble,
            };
            eprintln!("{}: {trouble}", subject.name);
            series.skip();
            series.end = End::InTrouble(trouble);
        }
    }
}

/// Once when it has to be quick, otherwise some times, evenly.
fn is_turn_of_peers(round: usize, rounds: usize, effort: Effort) -> bool {
    let wanted = effort.pick(1, PEER_ROUNDS).min(rounds);
    (round + 1) * wanted / rounds > round * wanted / rounds
}

/// In how many rounds of a group peers take part.
const PEER_ROUNDS: usize = 3;

/// How long a peer may take for all its rounds of one group.
const PATIENCE: Duration = Duration::from_secs(60);
const PATIENCE_WHEN_QUICK: Duration = Duration::from_secs(10);
