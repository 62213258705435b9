//! `sermux check`: is this configuration good?

use std::path::Path;
use std::process::ExitCode;

pub(super) fn run(path: &Path) -> ExitCode {
    match super::load_or_complain(path) {
        Ok(loaded) => {
            let ports = loaded.config.ports.len();
            let listeners: usize = loaded.config.ports.values().map(|port| port.listen.len()).sum();
            let counts = format!("{}, {}", count(ports, "port"), count(listeners, "listener"));
            super::print(&format!("{}: good ({counts})\n", path.display()))
        }
        Err(code) => code,
    }
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
