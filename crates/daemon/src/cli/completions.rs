//! `sermux completions`: a script that completes sermux's arguments in a shell.

use std::process::ExitCode;

use clap::ValueEnum;
use clap_complete::Shell;

/// The shells that the package has completions for.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum CompletedShell {
    Bash,
    Zsh,
    Fish,
}

pub(super) fn run(shell: CompletedShell) -> ExitCode {
    let shell = match shell {
        CompletedShell::Bash => Shell::Bash,
        CompletedShell::Zsh => Shell::Zsh,
        CompletedShell::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut super::command(), "sermux", &mut script);
    super::print(&String::from_utf8_lossy(&script))
}
