//! The hub under a seeded simulation, beside a shadow model that knows what every client must have seen.
//!
//! Each seed makes a port (bytes or telegrams, some backlog), and then some thousand steps in random order: bytes from
//! the line, clients that come, read slowly, stop, write, half-close and go, a line that takes little, hangs up and
//! comes back, time that passes. After every step the model is asked.
//!
//! A failing seed is printed; `SERMUX_SIM_SEED=n` replays it alone, `SERMUX_SIM_SEEDS=n` runs n seeds.

#![allow(missing_docs, clippy::unwrap_used, clippy::print_stderr, clippy::cast_possible_truncation, reason = "a test")]

mod bytes;
mod frames;
mod model;
mod quiet;
#[path = "../random.rs"]
mod random;
mod requests;
mod telegrams;
mod terms;
mod tx_frames;

use std::panic::{catch_unwind, AssertUnwindSafe};

/// Seeds of an ordinary run; `tests/run` is meant to stay short.
const SEEDS: u64 = 300;

fn each_seed(run: fn(u64)) {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    if let Some(seed) = number("SERMUX_SIM_SEED") {
        return run(seed);
    }
    for seed in 0..number("SERMUX_SIM_SEEDS").unwrap_or(SEEDS) {
        if let Err(failure) = catch_unwind(AssertUnwindSafe(|| run(seed))) {
            eprintln!("the failing seed: SERMUX_SIM_SEED={seed}");
            std::panic::resume_unwind(failure);
        }
    }
}

#[test]
fn every_byte_reaches_each_client_in_order_or_a_gap_of_known_length_is_reported() {
    each_seed(bytes::run);
}

#[test]
fn readers_of_telegrams_get_whole_ones_and_the_newest_when_they_are_behind() {
    each_seed(telegrams::run);
}

#[test]
fn settings_and_bytes_keep_their_order_and_everybody_is_answered() {
    each_seed(requests::run);
}

#[test]
fn readers_of_frames_get_whole_ones_in_order() {
    each_seed(frames::run);
}

#[test]
fn the_line_gets_whole_frames_of_one_client_each_and_counted_half_ones() {
    each_seed(tx_frames::run);
}

#[test]
fn a_port_is_quiet_exactly_when_nothing_good_came_for_so_long() {
    each_seed(quiet::run);
}
