//! `sermux --help`: the sub-commands in groups by what a person wants to do, which clap does not do by itself.

use std::fmt::Write as _;

use clap::Command;

use super::terminal;
use super::text::wrap;

/// The heading of the options that every sub-command takes.
pub(super) const GLOBAL: &str = "Global options";

/// Where what a sub-command does begins.
const ABOUT: usize = 15;

const GROUPS: &[(&str, &[&str])] = &[
    ("Everyday", &["serve", "status", "reload", "demo"]),
    ("Set up and configure", &["setup", "check", "diff", "show", "profiles", "import"]),
    ("Change a line or a client", &["set", "modem", "break", "reset", "purge", "pause", "resume", "kick"]),
    ("Find a fault", &["devices", "probe", "doctor", "support"]),
    ("Help", &["help", "completions"]),
];

/// With the help in groups.
pub(super) fn grouped(command: Command) -> Command {
    let groups = groups(&command, terminal::help_width());
    command.help_template(format!(
        "{{about}}\n\n{{usage-heading}} {{usage}}\n\n{groups}{GLOBAL}:\n{{options}}\n\n`sermux help COMMAND` explains one of \
         them. Manual: sermux(1), sermux.yaml(5).\n"
    ))
}

fn groups(command: &Command, width: usize) -> String {
    let mut text = String::new();
    let mut rest: Vec<&str> =
        command.get_subcommands().filter(|sub| !sub.is_hide_set()).map(Command::get_name).collect();
    let mut push = |heading: &str, names: &[&str]| {
        let _ = writeln!(text, "{heading}:");
        for name in names {
            let about = command.find_subcommand(name).and_then(Command::get_about).map(ToString::to_string);
            // The one of clap's own is made when the command is run.
            let about = about.unwrap_or_else(|| "Explain a command".to_owned());
            // Only what it does; what it ends with stands in its own help.
            let about = about.split(". ").next().unwrap_or_default();
            for (index, line) in wrap(about, width.saturating_sub(ABOUT).max(20)).iter().enumerate() {
                let name = if index == 0 { name } else { "" };
                let _ = writeln!(text, "  {name:column$}{line}", column = ABOUT - 2);
            }
        }
        text.push('\n');
    };
    for (heading, names) in GROUPS {
        rest.retain(|name| !names.contains(name));
        let known: Vec<&str> =
            names.iter().copied().filter(|name| *name == "help" || command.find_subcommand(name).is_some()).collect();
        push(heading, &known);
    }
    if !rest.is_empty() {
        push("More", &rest);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_in_a_group() {
        let command = crate::cli::command();
        let text = groups(&command, 80);
        assert!(!text.contains("More:"), "put it into a group: {text}");
        for sub in command.get_subcommands() {
            assert!(text.contains(&format!("\n  {} ", sub.get_name())), "{}: {text}", sub.get_name());
        }
    }

    #[test]
    fn the_groups_fit_a_terminal_of_80_columns() {
        let text = groups(&crate::cli::command(), 80);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(groups(&crate::cli::command(), 40).lines().all(|line| line.chars().count() <= 40));
    }
}
