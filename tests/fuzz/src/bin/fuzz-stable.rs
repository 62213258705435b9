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

use sermux_fuzz::change::Inputs;
use sermux_fuzz::{Target, TARGETS};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let target = arguments.first().and_then(|name| TARGETS.iter().find(|target| target.name == name));
    let seconds = arguments.get(1).and_then(|seconds| seconds.parse().ok());
    let (Some(Target { name, run, alphabet }), Some(seconds)) = (target, seconds) else {
        let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        eprintln!("usage: fuzz-stable {} SECONDS [SEED]", names.join("|"));
        return ExitCode::from(2);
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seed = arguments.get(2).and_then(|seed| seed.parse().ok()).unwrap_or(now.as_secs());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut inputs = Inputs::new(seeds(&folder.join("seeds").join(name)), *alphabet, seed);

    let (begin, mut executions) = (Instant::now(), 0_u64);
    while begin.elapsed() < Duration::from_secs(seconds) {
        let input = inputs.make();
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
