//! Fuzzes one target for some time, without coverage: inputs are the seeds, changed by chance.
//!
//!     fuzz-stable TARGET SECONDS [SEED]
//!
//! An input that fails is kept in artifacts/TARGET; the seed makes the same inputs again.

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sermux_port_config_fuzz::TARGETS;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let target = arguments.first().and_then(|name| TARGETS.iter().find(|target| target.0 == name));
    let seconds = arguments.get(1).and_then(|seconds| seconds.parse().ok());
    let (Some((name, run)), Some(seconds)) = (target, seconds) else {
        eprintln!("usage: fuzz-stable load|values SECONDS [SEED]");
        return ExitCode::from(2);
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seed = arguments.get(2).and_then(|seed| seed.parse().ok()).unwrap_or(now.as_secs());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let seeds = seeds(&folder.join("seeds").join(name));

    let (begin, mut chance, mut executions) = (Instant::now(), Chance(seed | 1), 0_u64);
    while begin.elapsed() < Duration::from_secs(seconds) {
        let input = changed(&seeds, &mut chance);
        executions += 1;
        if catch_unwind(|| run(&input)).is_err() {
            let artifacts = folder.join("artifacts").join(name);
            let path = artifacts.join(format!("seed-{seed}-{executions}"));
            fs::create_dir_all(&artifacts).expect("a folder for what fails");
            fs::write(&path, &input).expect("room for what fails");
            eprintln!("{name} failed with seed {seed}, execution {executions}: see {}", path.display());
            return ExitCode::FAILURE;
        }
    }
    println!("{name}: {executions} executions in {} s, seed {seed}", begin.elapsed().as_secs());
    ExitCode::SUCCESS
}

/// In the order of their names, so that a seed of chance means the same everywhere.
fn seeds(folder: &Path) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder).expect("the seeds").map(|entry| entry.expect("a seed").path());
    let mut paths: Vec<_> = entries.collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("a seed")).collect()
}

/// What means something to YAML or to us.
const WORDS: &[&str] = &[
    "\n",
    "\n  ",
    "\n    ",
    "\n      - ",
    "\r\n",
    "\t",
    " ",
    ": ",
    ", ",
    "- ",
    "? ",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "\\",
    "#",
    " # c",
    "&a ",
    "*a",
    "<<: *a",
    "!!str ",
    "!x ",
    "|\n",
    ">-\n ",
    "---\n",
    "...\n",
    "%YAML 1.1\n",
    "\u{feff}",
    "\u{85}",
    "\u{2028}",
    "\u{202e}",
    "é",
    "😀",
    "~",
    "null",
    "true",
    "off",
    "*",
    "%",
    "@",
    "`",
    "\u{0}",
    "\u{1b}",
    "0",
    "-1",
    "18446744073709551616",
    "ports:",
    "defaults:",
    "include:",
    "control:",
    "log:",
    "device:",
    "profile:",
    "line:",
    "modem:",
    "listen:",
    "keepalive:",
    "frame:",
    "banner:",
    "reset:",
    "rs485:",
    "sim:echo",
    "/dev/null",
    "9600 8N1",
    "115200n81",
    "rts-cts",
    "raw",
    "telnet",
    "dsmr",
    "dsmr-p1",
    "esp32",
    "4001",
    "*:9000",
    "[::1]:9000",
    "unix:/x",
    "256 KiB",
    "30s",
    "\\N",
    "\\x41",
    "dtr=off",
    "wait=100ms",
    "builtin",
];

fn changed(seeds: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
    let mut input = seeds[chance.below(seeds.len())].clone();
    for _ in 0..=chance.below(8) {
        let at = chance.below(input.len() + 1);
        match chance.below(8) {
            0 if at < input.len() => input[at] = chance.printable(),
            1 => input.truncate(at),
            2 => {
                let end = (at + chance.below(24)).min(input.len());
                input.drain(at..end);
            }
            3 => {
                let noise: Vec<u8> = (0..chance.below(12)).map(|_| chance.printable()).collect();
                input.splice(at..at, noise);
            }
            4 => {
                let other = &seeds[chance.below(seeds.len())];
                let from = chance.below(other.len() + 1);
                let to = (from + chance.below(80)).min(other.len());
                input.splice(at..at, other[from..to].iter().copied());
            }
            5 => {
                let word = WORDS[chance.below(WORDS.len())].repeat(1 << chance.below(9));
                input.splice(at..at, word.bytes());
            }
            _ => {
                let word = WORDS[chance.below(WORDS.len())];
                input.splice(at..at, word.bytes());
            }
        }
    }
    input.truncate(16 * 1024);
    // the loader refuses what is not UTF-8 before it looks at anything
    String::from_utf8_lossy(&input).into_owned().into_bytes()
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

    fn below(&mut self, n: usize) -> usize {
        ((self.next() >> 32) % n.max(1) as u64) as usize
    }

    fn printable(&mut self) -> u8 {
        b' ' + self.below(95) as u8
    }
}
