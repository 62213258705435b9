//! Inputs for fuzz-stable: a seed, changed by chance.

use std::iter::repeat_n;

use crate::random::Random;
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
    fn byte(self, chance: &mut Random) -> u8 {
        match self {
            Self::Bytes => chance.byte(),
            Self::Text => b' ' + chance.below(95) as u8,
        }
    }

    fn word(self, chance: &mut Random) -> &'static [u8] {
        match self {
            Self::Bytes => chance.pick(BYTES),
            Self::Text => chance.pick(TEXT).as_bytes(),
        }
    }
}

/// Inputs that are seeds with up to seven changes each.
pub struct Inputs {
    seeds: Vec<Vec<u8>>,
    alphabet: Alphabet,
    chance: Random,
}

impl Inputs {
    /// The same `seed` makes the same inputs.
    pub fn new(seeds: Vec<Vec<u8>>, alphabet: Alphabet, seed: u64) -> Self {
        Self { seeds, alphabet, chance: Random::new(seed) }
    }

    pub fn make(&mut self) -> Vec<u8> {
        changed(&self.seeds, self.alphabet, &mut self.chance)
    }
}

fn changed(seeds: &[Vec<u8>], alphabet: Alphabet, chance: &mut Random) -> Vec<u8> {
    let mut input = seeds[chance.below(seeds.len())].clone();
    for _ in 0..chance.below(8) {
        let at = chance.below(input.len() + 1);
        match chance.below(8) {
            0 if at < input.len() => input[at] ^= 1 << chance.below(8),
            1 if at < input.len() => input[at] = alphabet.byte(chance),
            2 => input.truncate(at),
            3 => {
                let end = (at + chance.below(24)).min(input.len());
                input.drain(at..end);
            }
            4 => {
                let noise: Vec<u8> = (0..chance.below(24)).map(|_| alphabet.byte(chance)).collect();
                input.splice(at..at, noise);
            }
            5 => {
                let other = &seeds[chance.below(seeds.len())];
                let from = chance.below(other.len() + 1);
                let to = (from + chance.below(80)).min(other.len());
                input.splice(at..at, other[from..to].iter().copied());
            }
            6 => {
                let byte = [alphabet.byte(chance)];
                let repeated = if chance.one_in(2) { alphabet.word(chance) } else { &byte };
                input.splice(at..at, repeat_n(repeated, chance.below(300)).flatten().copied());
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
