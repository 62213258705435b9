//! `sermux check`: is this configuration good?

use std::path::Path;
use std::process::ExitCode;

#[expect(clippy::print_stdout, reason = "the result of the command")]
pub(super) fn run(path: &Path) -> ExitCode {
    match super::load_or_complain(path) {
        Ok(loaded) => {
            let ports = loaded.config.ports.len();
            let listeners: usize = loaded.config.ports.values().map(|port| port.listen.len()).sum();
            println!("{}: good ({ports} ports, {listeners} listeners)", path.display());
            ExitCode::SUCCESS
        }
        Err(code) => code,
    }
}
