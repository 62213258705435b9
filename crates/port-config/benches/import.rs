//! How long it takes to import a file of ser2net with 1,000 connections, and to load what comes out. The import is meant to take
//! 100 ms at most.
//!
//!     cargo bench -p sermux-port-config --bench import

#![allow(clippy::print_stdout, reason = "its results")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use sermux_port_config::ser2net::{read, NoFiles};

fn main() {
    // `cargo test --benches` asks only whether it runs.
    let rounds = if std::env::args().any(|argument| argument == "--bench") { 20 } else { 1 };
    let text = connections(1000);
    let imported = read("ser2net.yaml", &text, &NoFiles);
    println!(
        "import     1000 connections     {:8.1} ms",
        shortest(rounds, || read("ser2net.yaml", black_box(&text), &NoFiles))
    );
    println!("load       what was imported    {:8.1} ms", shortest(rounds, || imported.load()));
}

fn connections(count: usize) -> String {
    let mut text = "%YAML 1.1\n---\ndefine: &banner \\r\\nport \\p device \\d [\\B]\\r\\n\n".to_owned();
    for index in 0..count {
        let _ = write!(
            text,
            "\n# console {index}\nconnection: &con{index}\n  accepter: telnet(rfc2217),tcp,{}\n  enable: on\n  options:\n    \
             banner: *banner\n    kickolduser: true\n    telnet-brk-on-sync: true\n  connector: serialdev,\n    \
             /dev/ttyUSB{index},\n    115200n81,local\n",
            2000 + index
        );
    }
    text
}

fn shortest<T>(rounds: usize, mut work: impl FnMut() -> T) -> f64 {
    let mut best = Duration::MAX;
    for _ in 0..rounds {
        let begin = Instant::now();
        black_box(work());
        best = best.min(begin.elapsed());
    }
    best.as_secs_f64() * 1000.0
}
