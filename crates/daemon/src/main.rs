//! The `sermux` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    sermux::cli::run()
}
