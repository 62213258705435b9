//! Fuzzes one target for some time, without coverage: inputs are the seeds, changed by chance.
//!
//!     fuzz-stable TARGET SECONDS [SEED]
//!
//! An input that fails is kept in artifacts/TARGET; the seed makes the same inputs again.

use std::panic::catch_unwind;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sermux_protocol_fuzz::TARGETS;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let target = arguments.first().and_then(|name| TARGETS.iter().find(|target| target.0 == name));
    let seconds = arguments.get(1).and_then(|seconds| seconds.parse().ok());
    let (Some((name, run)), Some(seconds)) = (target, seconds) else {
        eprintln!("usage: fuzz-stable decode|negotiate|session|p1 SECONDS [SEED]");
        return ExitCode::from(2);
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seed = arguments.get(2).and_then(|seed| seed.parse().ok()).unwrap_or(now.as_secs());

    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seeds: Vec<_> = std::fs::read_dir(folder.join("seeds").join(name))
        .expect("the seeds")
        .map(|entry| entry.expect("a seed").path())
        .collect();
    seeds.sort();
    let seeds: Vec<Vec<u8>> = seeds.iter().map(|path| std::fs::read(path).expect("a seed")).collect();

    let begin = Instant::now();
    let mut chance = Chance(seed | 1);
    let mut executions = 0_u64;
    while begin.elapsed() < Duration::from_secs(seconds) {
        for _ in 0..256 {
            let input = changed(&seeds, &mut chance);
            executions += 1;
            if catch_unwind(|| run(&input)).is_err() {
                let artifacts = folder.join("artifacts").join(name);
                let path = artifacts.join(format!("seed-{seed}-{executions}"));
                std::fs::create_dir_all(&artifacts).expect("a folder for what fails");
                std::fs::write(&path, &input).expect("room for what fails");
                eprintln!("{name} failed with seed {seed}, execution {executions}: see {}", path.display());
                return ExitCode::FAILURE;
            }
        }
    }
    println!("{name}: {executions} executions in {} s, seed {seed}", begin.elapsed().as_secs());
    ExitCode::SUCCESS
}

/// What means something somewhere.
const WORDS: [&[u8]; 24] = [
    b"\xFF",
    b"\xFF\xFF",
    b"\xFF\xFA\x2C",
    b"\xFF\xF0",
    b"\xFF\xFA\x2C\x01\x00\x01\xC2\x00\xFF\xF0",
    b"\xFF\xFA\x2C\x08\xFF\xF0",
    b"\xFF\xFA\x2C\x09\xFF\xF0",
    b"\xFF\xFA\x2C\x0A\xFF\xFF\xFF\xF0",
    b"\xFF\xFA\x2C\x65\x00\x01\xC2\x00\xFF\xF0",
    b"\xFF\xFD\x2C",
    b"\xFF\xFB\x2C",
    b"\xFF\xFE\x2C",
    b"\xFF\xFC\x2C",
    b"\xFF\xFB\x00",
    b"\xFF\xFD\x06",
    b"\xFF\xF6",
    b"\r\0",
    b"\r\n",
    b"/",
    b"\r\n/ISk5\\2MT382\r\n\r\n",
    b"\n!",
    b"!A1B2\r\n",
    b"1-0:1.8.1(000123.456*kWh)\r\n",
    b"\0\0\0\0",
];

fn changed(seeds: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
    let mut input = seeds[chance.below(seeds.len())].clone();
    for _ in 0..chance.below(8) {
        let at = chance.below(input.len() + 1);
        match chance.below(8) {
            0 if at < input.len() => input[at] ^= 1 << chance.below(8),
            1 if at < input.len() => input[at] = chance.byte(),
            2 => input.truncate(at),
            3 => {
                let end = (at + chance.below(16)).min(input.len());
                input.drain(at..end);
            }
            4 => {
                let noise: Vec<u8> = (0..chance.below(24)).map(|_| chance.byte()).collect();
                input.splice(at..at, noise);
            }
            5 => {
                let other = &seeds[chance.below(seeds.len())];
                let from = chance.below(other.len() + 1);
                let to = (from + chance.below(64)).min(other.len());
                input.splice(at..at, other[from..to].iter().copied());
            }
            6 => {
                let run = chance.below(300);
                let byte = chance.byte();
                input.splice(at..at, std::iter::repeat_n(byte, run));
            }
            _ => {
                let word = WORDS[chance.below(WORDS.len())];
                input.splice(at..at, word.iter().copied());
            }
        }
    }
    input.truncate(16 * 1024);
    input
}

/// xorshift64* (Vigna 2016): good enough for inputs, and the same for ever.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn byte(&mut self) -> u8 {
        (self.next() >> 56) as u8
    }

    fn below(&mut self, n: usize) -> usize {
        ((self.next() >> 32) % n.max(1) as u64) as usize
    }
}
