//! Inputs for fuzz-stable: a seed, changed by chance.

use std::iter::repeat_n;

use fastrand::Rng;

use crate::words::{BYTES, TEXT};

/// What an input is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Alphabet {
    /// Any bytes, and what means something to telnet or to a P1 reader.
    Bytes,
    /// UTF-8, and what means something to YAML or to the configuration.
    Text,
}

impl Alphabet {
    fn byte(self, chance: &mut Rng) -> u8 {
        match self {
            Self::Bytes => chance.u8(..),
            Self::Text => chance.u8(b' '..=b'~'),
        }
    }

    fn word(self, chance: &mut Rng) -> &'static [u8] {
        match self {
            Self::Bytes => BYTES[chance.usize(..BYTES.len())],
            Self::Text => TEXT[chance.usize(..TEXT.len())].as_bytes(),
        }
    }
}

/// One of the seeds, with up to seven changes.
pub fn changed(seeds: &[Vec<u8>], alphabet: Alphabet, chance: &mut Rng) -> Vec<u8> {
    let mut input = seeds[chance.usize(..seeds.len())].clone();
    for _ in 0..chance.usize(..8) {
        let at = chance.usize(..=input.len());
        match chance.u8(..8) {
            0 if at < input.len() => input[at] ^= 1 << chance.u8(..8),
            1 if at < input.len() => input[at] = alphabet.byte(chance),
            2 => input.truncate(at),
            3 => {
                let end = (at + chance.usize(..24)).min(input.len());
                input.drain(at..end);
            }
            4 => {
                let noise: Vec<u8> = (0..chance.usize(..24)).map(|_| alphabet.byte(chance)).collect();
                input.splice(at..at, noise);
            }
            5 => {
                let other = &seeds[chance.usize(..seeds.len())];
                let from = chance.usize(..=other.len());
                let to = (from + chance.usize(..80)).min(other.len());
                input.splice(at..at, other[from..to].iter().copied());
            }
            6 => {
                let byte = [alphabet.byte(chance)];
                let repeated = if chance.bool() { alphabet.word(chance) } else { &byte };
                input.splice(at..at, repeat_n(repeated, chance.usize(..300)).flatten().copied());
            }
            _ => {
                input.splice(at..at, alphabet.word(chance).iter().copied());
            }
        }
    }
    input.truncate(MAX_LEN);
    match alphabet {
        Alphabet::Bytes => input,
        // The loader refuses what is not UTF-8 before it looks at anything.
        Alphabet::Text => String::from_utf8_lossy(&input).into_owned().into_bytes(),
    }
}

const MAX_LEN: usize = 16 * 1024;
