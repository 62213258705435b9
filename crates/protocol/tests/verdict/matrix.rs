//! Every cause on a wire that the rules do not know, over idle bits, clocks, phases, jitter, receivers and telegrams.

use std::time::{Duration, Instant};

use sermux_protocol::verdict::{judge, Cause, Certainty, Reading, Verdict};

use crate::bench::{carry, noise, telegram, Frame, Read, Reader, Recovery, Sender, P1, P1_V2};
use crate::random::Random;

fn settings(frame: Frame) -> String {
    format!("{} {}{}1", frame.baud, frame.data_bits, if frame.parity { 'E' } else { 'N' })
}

pub(crate) fn verdict(read: &Read, frame: Frame, counts: bool) -> Verdict {
    judge(&Reading {
        settings: settings(frame).parse().expect("settings"),
        bytes: &read.bytes,
        arrivals: &[],
        framing_errors: counts.then_some(read.framing_errors),
        breaks: counts.then_some(read.breaks),
        spent: Duration::from_secs(25),
        at: Instant::now(),
    })
}

/// Some telegrams of a version, from somewhere in the first one on.
fn telegrams(version: u32, count: usize, dice: &mut Random) -> Vec<u8> {
    let all: Vec<u8> = (0..count).flat_map(|_| telegram(version, dice)).collect();
    all[dice.below(300)..].to_vec()
}

fn reader(frame: Frame, recovery: Recovery, keeps_errors: bool, dice: &mut Random) -> Reader {
    Reader { frame, drift: (dice.part() - 0.5) * 0.03, phase: dice.part(), recovery, keeps_errors }
}

fn sender(frame: Frame, idle_bits: f64, inverted: bool, dice: &mut Random) -> Sender {
    Sender { frame, idle_bits, inverted, jitter: dice.part() * 0.12 }
}

const VERSIONS: [(u32, Frame); 5] = [(22, P1_V2), (30, P1_V2), (42, P1), (50, P1), (502, P1)];

const EIGHT: Frame = Frame { baud: 9600.0, data_bits: 8, parity: false };

fn at(baud: f64) -> Frame {
    Frame { baud, data_bits: 8, parity: false }
}

#[test]
fn telegrams_are_told_wherever_one_begins_to_listen() {
    for (version, frame) in VERSIONS {
        for idle in [0.0, 0.7, 2.0, 11.3] {
            let mut dice = Random::new(u64::from(version));
            let (from, to) = (sender(frame, idle, false, &mut dice), reader(frame, Recovery::Waits, true, &mut dice));
            let read = carry(&telegrams(version, 3, &mut dice), from, to, &mut dice);
            let verdict = verdict(&read, frame, true);
            let Cause::P1(meter) = &verdict.cause else { panic!("{version} {idle}: {verdict:?}") };
            assert_eq!((meter.telegrams, meter.crc_bad, verdict.certainty), (2, 0, Certainty::Certain), "{version}");
            assert_eq!(meter.crc_good, if version < 42 { 0 } else { 2 });
            if frame.parity {
                let to = reader(EIGHT, Recovery::Waits, true, &mut dice);
                let read = carry(&telegrams(version, 3, &mut dice), from, to, &mut dice);
                let eight = super::matrix::verdict(&read, EIGHT, true);
                assert_eq!((eight.cause, eight.certainty), (Cause::SevenBitParity, Certainty::Certain), "{version}");
            }
        }
    }
}

#[test]
fn a_turned_over_line_is_named_whatever_lies_between_its_characters() {
    for (version, frame) in VERSIONS {
        for (number, idle) in [0.0, 1.0, 2.0, 3.0, 4.0, 7.0, 10.0, 12.0].into_iter().enumerate() {
            for recovery in [Recovery::Waits, Recovery::Resumes] {
                let mut dice = Random::new(u64::from(version) * 100 + number as u64);
                let reads = if frame.parity && number % 2 == 1 { EIGHT } else { frame };
                let (from, to) = (sender(frame, idle, true, &mut dice), reader(reads, recovery, true, &mut dice));
                let read = carry(&telegrams(version, 3, &mut dice), from, to, &mut dice);
                for counts in [true, false] {
                    let verdict = verdict(&read, reads, counts);
                    assert_eq!(verdict.cause, Cause::Inverted, "{version}, {idle} bits, {recovery:?}: {verdict:?}");
                    assert!(
                        verdict.certainty >= Certainty::Likely,
                        "{version}, {idle} bits, {recovery:?}: {verdict:?}"
                    );
                }
            }
        }
    }
}

/// Some drivers do so whatever they are asked.
#[test]
fn where_characters_with_errors_are_not_delivered_no_wrong_cause_is_likely() {
    for (version, frame) in [(22, P1_V2), (50, P1)] {
        for idle in [0.0, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0] {
            for recovery in [Recovery::Waits, Recovery::Resumes] {
                let mut dice = Random::new(u64::from(version));
                let (from, to) = (sender(frame, idle, true, &mut dice), reader(frame, recovery, false, &mut dice));
                let read = carry(&telegrams(version, 3, &mut dice), from, to, &mut dice);
                let verdict = verdict(&read, frame, true);
                assert!(
                    verdict.cause == Cause::Inverted || verdict.certainty == Certainty::Possible,
                    "{version}, {idle} bits, {recovery:?}: {verdict:?}"
                );
            }
        }
    }
}

#[test]
fn a_line_that_is_slower_than_it_is_read_is_told_by_other_receivers_too() {
    for (slow, fast, sure) in [
        (P1_V2, P1, Certainty::Possible),
        (at(19_200.0), P1, Certainty::Possible),
        (at(57_600.0), P1, Certainty::Likely),
        (at(4800.0), EIGHT, Certainty::Likely),
        (P1_V2, at(19_200.0), Certainty::Likely),
        (at(4800.0), at(38_400.0), Certainty::Possible),
    ] {
        for recovery in [Recovery::Waits, Recovery::Resumes] {
            let mut dice = Random::new(7);
            let from = Sender { jitter: 0.03, ..sender(slow, 1.0, false, &mut dice) };
            let to = reader(fast, recovery, true, &mut dice);
            let verdict = verdict(&carry(&telegrams(42, 3, &mut dice), from, to, &mut dice), fast, true);
            assert_eq!(verdict.cause, Cause::SpeedTooHigh, "{slow:?} as {fast:?}: {verdict:?}");
            assert!(verdict.certainty >= sure, "{slow:?} as {fast:?}: {verdict:?}");
        }
    }
}

#[test]
fn of_a_line_that_is_faster_than_it_is_read_nothing_else_is_said() {
    let mut named = 0;
    let mut count = 0;
    for (fast, slow) in
        [(P1, at(38_400.0)), (P1, at(57_600.0)), (P1, at(19_200.0)), (at(230_400.0), P1), (EIGHT, at(4800.0))]
    {
        for (recovery, idle) in [(Recovery::Waits, 0.0), (Recovery::Resumes, 1.0), (Recovery::Waits, 3.0)] {
            let mut dice = Random::new(11);
            let (from, to) = (sender(fast, idle, false, &mut dice), reader(slow, recovery, true, &mut dice));
            let verdict = verdict(&carry(&telegrams(50, 6, &mut dice), from, to, &mut dice), slow, true);
            assert!(matches!(verdict.cause, Cause::SpeedTooLow | Cause::Unknown), "{fast:?} as {slow:?}: {verdict:?}");
            named += usize::from(verdict.cause == Cause::SpeedTooLow);
            count += 1;
        }
    }
    assert!(named * 3 >= count * 2, "{named} of {count}");
}

#[test]
fn no_cause_is_named_for_random_bytes() {
    let mut dice = Random::new(1);
    // The length that is handed on in the end is the most that a probe keeps.
    let lengths = (1..200).chain([300, 500, 1000, 2000, 4000, 8000, 65_536]);
    for length in lengths.flat_map(|length: usize| [length; 8]) {
        let bytes: Vec<u8> = (0..length).map(|_| dice.byte()).collect();
        for errors in [0, length / 10, length / 4, length / 2, length, length * 3] {
            let read = Read { bytes: bytes.clone(), framing_errors: errors as u64, breaks: errors as u64 / 7 };
            for frame in [P1, P1_V2, EIGHT] {
                let verdict = verdict(&read, frame, errors > 0);
                assert_eq!(verdict.cause, Cause::Unknown, "{length} bytes, {errors} errors: {verdict:?}");
            }
        }
    }
}

#[test]
fn no_cause_is_named_for_a_wire_that_nothing_is_connected_to() {
    for (number, run) in [0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 12.0, 20.0, 50.0].into_iter().enumerate() {
        for (recovery, keeps_errors) in [(Recovery::Waits, true), (Recovery::Resumes, true), (Recovery::Waits, false)] {
            for frame in [P1, P1_V2] {
                let mut dice = Random::new(number as u64);
                let to = reader(frame, recovery, keeps_errors, &mut dice);
                let read = noise(run, 20_000.0 / frame.baud, to, &mut dice);
                let verdict = verdict(&read, frame, true);
                assert_eq!(
                    verdict.cause,
                    Cause::Unknown,
                    "{run} bits, {recovery:?}, {} bytes: {verdict:?}",
                    read.bytes.len()
                );
            }
        }
    }
}
