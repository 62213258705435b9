//! What is fuzzed. Each target takes any bytes and panics if something does not hold.

pub mod change;
pub mod decode;
pub mod input;
pub mod load;
pub mod negotiate;
pub mod p1;
#[path = "../../random.rs"]
mod random;
pub mod reading;
pub mod ser2net;
pub mod session;
pub mod values;
pub mod words;

use change::Alphabet;

/// A target: its name, what is done with an input, and what inputs are made of.
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
    pub alphabet: Alphabet,
}

/// All targets.
pub const TARGETS: [Target; 8] = [
    Target { name: "decode", run: decode::run, alphabet: Alphabet::Bytes },
    Target { name: "load", run: load::run, alphabet: Alphabet::Text },
    Target { name: "negotiate", run: negotiate::run, alphabet: Alphabet::Bytes },
    Target { name: "p1", run: p1::run, alphabet: Alphabet::Bytes },
    Target { name: "reading", run: reading::run, alphabet: Alphabet::Bytes },
    Target { name: "ser2net", run: ser2net::run, alphabet: Alphabet::Text },
    Target { name: "session", run: session::run, alphabet: Alphabet::Bytes },
    Target { name: "values", run: values::run, alphabet: Alphabet::Text },
];
