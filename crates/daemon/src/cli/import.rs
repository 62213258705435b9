//! `sermux import`: what a file of ser2net would be here.

use std::io::{self, Read as _};
use std::path::Path;
use std::process::ExitCode;

use sermux_port_config::config::load::MAX_FILE;
use sermux_port_config::ser2net::{self, Imported, NoFiles, NoteKind};

use super::text::count;
use crate::supervisor::ConfigSource;

/// Whether an import is good in which something is left out that sermux does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoEquivalent {
    Allowed,
    Refused,
}

pub(super) fn run(file: &Path, no_equivalent: NoEquivalent) -> ExitCode {
    match read_blocking(file) {
        Ok(imported) => report(&imported, no_equivalent),
        Err(why) => {
            note!("{}: {why}", file.display());
            ExitCode::FAILURE
        }
    }
}

fn read_blocking(file: &Path) -> Result<Imported, String> {
    if file.as_os_str() != ConfigSource::STDIN {
        return ser2net::load(file);
    }
    let mut text = String::new();
    let limit = MAX_FILE as u64;
    let read = io::stdin().take(limit + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if read as u64 > limit {
        return Err("the text is larger than 1 MiB".to_owned());
    }
    Ok(ser2net::read("standard input", &text, &NoFiles))
}

fn report(imported: &Imported, no_equivalent: NoEquivalent) -> ExitCode {
    for note in &imported.notes {
        note!("{note}");
    }
    for fault in &imported.faults {
        note!("{fault}");
    }
    let left_out = imported.notes.iter().filter(|note| note.kind == NoteKind::NoEquivalent).count();
    let (good, all) = imported.connections;
    let mut sum = format!("{good} of {}", count(all, "connection"));
    if left_out > 0 {
        sum = format!("{sum}, {left_out} without an equivalent");
    }
    if !imported.faults.is_empty() {
        sum = format!("{sum}, {}", count(imported.faults.len(), "fault"));
    }
    note!("imported: {sum}");
    let printed = super::print(&imported.yaml);
    // Of two names of one device only the disk knows.
    if let Err(faults) = imported.load() {
        note_part!("{faults}");
        return ExitCode::FAILURE;
    }
    let is_refused = no_equivalent == NoEquivalent::Refused && left_out > 0;
    if imported.faults.is_empty() && !is_refused {
        printed
    } else {
        ExitCode::FAILURE
    }
}
