//! `sermux check`: is this configuration good?

use std::path::Path;
use std::process::ExitCode;

#[expect(clippy::print_stdout, reason = "the result of the command")]
pub(super) fn run(path: &Path) -> ExitCode {
    match super::load_or_complain(path) {
        Ok(loaded) => {
            let ports = loaded.config.ports.len();
            let listeners: usize = loaded.config.ports.values().map(|port| port.listen.len()).sum();
            println!("{}: good ({}, {})", path.display(), count(ports, "port"), count(listeners, "listener"));
            ExitCode::SUCCESS
        }
        Err(code) => code,
    }
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
