//! `sermux check`: is this configuration good?

use std::path::Path;
use std::process::ExitCode;

use super::terminal::{Colour, Style};
use super::text::count;
use crate::supervisor::ConfigSource;

pub(super) fn run(path: &Path) -> ExitCode {
    match super::load_or_complain(path) {
        Ok(loaded) if !loaded.faults.is_empty() => {
            note!("{}: {}", path.display(), count(loaded.faults.len(), "fault"));
            ExitCode::from(super::CONFIGURATION)
        }
        Ok(loaded) => {
            let ports = loaded.config.ports.len();
            let listeners: usize = loaded.config.ports.values().map(|port| port.listen.len()).sum();
            let mut counts = format!("{}, {}", count(ports, "port"), count(listeners, "listener"));
            if !loaded.warnings.is_empty() {
                counts = format!("{counts}, {}", count(loaded.warnings.len(), "warning"));
            }
            let name = if path.as_os_str() == ConfigSource::STDIN { Path::new("standard input") } else { path };
            let good = Style::of_stdout().paint("good", Colour::Green);
            super::print(&format!("{}: {good} ({counts})\n", name.display()))
        }
        Err(code) => code,
    }
}
