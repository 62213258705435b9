//! What the tests stand on: the program, ptys, clients, telegrams.

mod client;
mod clock;
mod daemon;
mod lines;
pub(crate) mod p1;
mod process;
mod procfs;
mod pty;
mod unix_client;
pub(crate) mod web;
mod yaml;

use std::time::{Duration, Instant};

pub(crate) use client::{Client, End};
pub(crate) use clock::Clock;
pub(crate) use daemon::Daemon;
pub(crate) use lines::{field, is_event, Lines};
pub(crate) use process::{as_nobody, run, sermux, Finished, Process};
pub(crate) use procfs::{anonymous_kib, cpu_ticks, end_was_read, is_stopped, is_zombie, unread_by_peer, wake_ups};
pub(crate) use pty::Pty;
pub(crate) use unix_client::UnixClient;
pub(crate) use yaml::PortYaml;

use crate::random::Random;

/// From the meter to its readers, in English and in Dutch.
pub(crate) const GUIDES: [&str; 2] =
    [include_str!("../../../examples/guides/p1-meter.md"), include_str!("../../../examples/guides/p1-meter.nl.md")];

/// How long anything that must happen may take. Only a test that fails waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// How long the program may take to end after its signal, and what a busy machine may add.
pub(crate) const SHUTDOWN: Duration = Duration::from_millis(2000 + 500);

/// Looks again and again until `condition` holds.
#[track_caller]
pub(crate) fn eventually(what: &str, condition: impl FnMut() -> bool) {
    eventually_within(PATIENCE, what, condition);
}

/// … for what takes much CPU time, on a machine that has little to spare.
#[track_caller]
pub(crate) fn eventually_within(patience: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {patience:?}: {what}");
        look_again();
    }
}

/// Between two looks at something that cannot be waited for.
pub(crate) fn look_again() {
    std::thread::park_timeout(Duration::from_millis(5));
}

/// Bytes in which every stretch of 16 is found once only, so that the place of any piece is known.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    Random::new(seed).bytes(len)
}

/// Where `needle` begins in `haystack`.
pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// Compares without printing megabytes.
#[track_caller]
pub(crate) fn assert_same(got: &[u8], expected: &[u8], what: &str) {
    if got == expected {
        return;
    }
    let differs = got.iter().zip(expected).position(|(a, b)| a != b).unwrap_or(got.len().min(expected.len()));
    let around = |bytes: &[u8]| {
        let from = differs.saturating_sub(8).min(bytes.len());
        bytes[from..bytes.len().min(differs + 24)].escape_ascii().to_string()
    };
    panic!(
        "{what}: {} bytes instead of {}, other from byte {differs}: got …{}… instead of …{}…",
        got.len(),
        expected.len(),
        around(got),
        around(expected)
    );
}
