//! What is fuzzed. Each target takes any bytes and panics if something does not hold.

pub mod decode;
pub mod input;
pub mod negotiate;
pub mod p1;
pub mod session;

/// A target: its name, and what is done with an input.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 4] =
    [("decode", decode::run), ("negotiate", negotiate::run), ("session", session::run), ("p1", p1::run)];
