//! Writes sermux(1) and the shell completions into a folder, from the command line as clap knows it.
//!
//!     cargo run --example packaging-files -- FOLDER DATE

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use clap_complete::Shell;
use clap_mangen::roff::{bold, roman, Inline, Roff};
use clap_mangen::Man;

/// One sentence to a line, as man pages have it.
const DESCRIPTION: &[&str] = &[
    "sermux opens serial ports once and shares each of them with many network clients at the same time.",
    "Every client gets every byte; a client that is slow or dead hurts nobody else.",
    "A device that is unplugged comes back under the clients that are connected.",
    "With the profile dsmr-p1 it hands whole telegrams of a smart meter to as many readers as want them.",
];

fn main() -> io::Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [folder, date] = arguments.as_slice() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "usage: packaging-files FOLDER DATE"));
    };
    let folder = Path::new(folder);
    fs::create_dir_all(folder)?;
    manual(&mut File::create(folder.join("sermux.1"))?, date)?;
    for (shell, name) in [(Shell::Bash, "sermux.bash"), (Shell::Zsh, "_sermux"), (Shell::Fish, "sermux.fish")] {
        let mut file = File::create(folder.join(name))?;
        clap_complete::generate(shell, &mut sermux::cli::command(), "sermux", &mut file);
    }
    Ok(())
}

/// One page for the program with all its sub-commands, as there is one program. What clap_mangen makes of a program with
/// sub-commands is a page for each, so only its title is taken.
fn manual(page: &mut impl Write, date: &str) -> io::Result<()> {
    let mut command = sermux::cli::command();
    command.build();
    Man::new(command.clone())
        .title("SERMUX")
        .date(date)
        .source(format!("sermux {}", env!("CARGO_PKG_VERSION")))
        .manual("User Commands")
        .render_title(page)?;
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let mut roff = Roff::default();
    roff.control("SH", ["NAME"]);
    // whatis(1) wants "name \\- what it does", without a capital and a full stop.
    roff.text([roman("sermux - "), roman(lower_first(about.trim_end_matches('.')))]);
    synopsis(&mut roff, &command);
    roff.control("SH", ["DESCRIPTION"]);
    for sentence in DESCRIPTION {
        roff.text([roman(*sentence)]);
    }
    commands(&mut roff, &command);
    roff.control("SH", ["OPTIONS"]);
    for argument in command.get_arguments() {
        option(&mut roff, argument);
    }
    closing(&mut roff);
    roff.to_writer(page)
}

/// One line for each sub-command, with what it takes.
fn synopsis(roff: &mut Roff, command: &clap::Command) {
    roff.control("SH", ["SYNOPSIS"]);
    let mut first = true;
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
        if !first {
            roff.control("br", []);
        }
        first = false;
        let mut words = vec![bold(format!("sermux {}", sub.get_name()))];
        words.extend(usage(sub));
        roff.text(words);
    }
}

/// What stands behind the name of a sub-command: its own arguments, not those of every command.
fn usage(sub: &clap::Command) -> Vec<Inline> {
    let mut words = Vec::new();
    for argument in own_arguments(sub) {
        let text = bare(argument);
        words.push(roman(if argument.is_required_set() { format!(" {text}") } else { format!(" [{text}]") }));
    }
    for nested in sub.get_subcommands().filter(|nested| nested.get_name() != "help") {
        let arguments: String = own_arguments(nested).map(|argument| format!(" {}", bare(argument))).collect();
        words.push(roman(format!(" [{}{arguments}]", nested.get_name())));
    }
    words
}

fn own_arguments(sub: &clap::Command) -> impl Iterator<Item = &clap::Arg> {
    sub.get_arguments().filter(|argument| {
        !argument.is_hide_set()
            && !argument.is_global_set()
            && !matches!(argument.get_id().as_str(), "help" | "version")
    })
}

fn commands(roff: &mut Roff, command: &clap::Command) {
    roff.control("SH", ["COMMANDS"]);
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
        roff.control("TP", []);
        let mut words = vec![bold(sub.get_name())];
        words.extend(usage(sub));
        roff.text(words);
        let about = sub.get_long_about().or_else(|| sub.get_about()).map(ToString::to_string).unwrap_or_default();
        roff.text([roman(sentence(&about))]);
        for argument in own_arguments(sub).filter(|argument| argument.get_help().is_some()) {
            roff.control("RS", []);
            option(roff, argument);
            roff.control("RE", []);
        }
        for nested in sub.get_subcommands().filter(|nested| nested.get_name() != "help") {
            roff.control("RS", []);
            roff.control("TP", []);
            let mut words = vec![bold(nested.get_name())];
            words.extend(usage(nested));
            roff.text(words);
            let about = nested.get_long_about().or_else(|| nested.get_about()).map(ToString::to_string);
            roff.text([roman(sentence(&about.unwrap_or_default()))]);
            for argument in own_arguments(nested).filter(|argument| argument.get_help().is_some()) {
                roff.control("RS", []);
                option(roff, argument);
                roff.control("RE", []);
            }
            roff.control("RE", []);
        }
    }
}

fn option(roff: &mut Roff, argument: &clap::Arg) {
    if argument.is_hide_set() {
        return;
    }
    let mut words = Vec::new();
    if let (Some(short), Some(_)) = (argument.get_short(), argument.get_long()) {
        words.extend([bold(format!("-{short}")), roman(", ")]);
    }
    words.push(bold(bare(argument)));
    roff.control("TP", []);
    roff.text(words);
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    roff.text([roman(sentence(&help))]);
    let values: Vec<_> = argument.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    if !values.is_empty() && argument.get_action().takes_values() {
        roff.text([roman(format!("One of: {}.", values.join(", ")))]);
    }
    if let [default] = argument.get_default_values() {
        if argument.get_action().takes_values() {
            roff.text([roman(format!("Default: {}.", default.to_string_lossy()))]);
        }
    }
}

/// `--config FILE`, `FILE`: what clap writes, without its brackets.
fn bare(argument: &clap::Arg) -> String {
    argument.to_string().replace(['[', ']', '<', '>'], "")
}

/// What clap does not know.
fn closing(roff: &mut Roff) {
    roff.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in [
        ("0", "Done."),
        ("1", "Failed. For status: a port is not well. For probe: the device sent no good data. For doctor: something is bad."),
        ("2", "The arguments are wrong."),
        ("3", "Nothing listens on the control socket: sermux is not running, or listens on another one."),
        ("4", "The running program has no such port."),
        ("70", "The program failed by a defect of its own; systemd starts it again."),
        ("77", "You may not use the control socket, or write the files of setup."),
        ("78", "The configuration is wrong; every fault is listed on standard error."),
    ] {
        roff.control("TP", []);
        roff.text([bold(code)]);
        roff.text([roman(meaning)]);
    }
    roff.control("SH", ["SIGNALS"]);
    for (signal, meaning) in [
        ("SIGHUP", "Reads the configuration again. Only the ports that changed are touched; a file with faults changes nothing."),
        ("SIGTERM, SIGINT", "Hand out what is held and end within 2 seconds. A second one ends at once. A probe puts the device back as it was."),
    ] {
        roff.control("TP", []);
        roff.text([bold(signal)]);
        roff.text([roman(meaning)]);
    }
    roff.control("SH", ["ENVIRONMENT"]);
    for (variable, meaning) in [
        ("SERMUX_CONTROL", "The control socket, as --control names it; the option wins."),
        ("NO_COLOR", "If it is set and not empty, results have no colour."),
    ] {
        roff.control("TP", []);
        roff.text([bold(variable)]);
        roff.text([roman(meaning)]);
    }
    roff.control("SH", ["FILES"]);
    for (file, meaning) in [
        ("/etc/sermux/sermux.yaml", "The configuration, as sermux.yaml(5) describes it."),
        (
            "/run/sermux/control.sock",
            "Where the service is asked and told, as sermux-api(7) describes it. For the user sermux, the group sermux and root.",
        ),
        (
            "/etc/sermux/ports.d/*.yaml",
            "Ports, one file for each or as you like: what the shipped configuration includes.",
        ),
        ("/usr/share/doc/sermux/examples", "Files for real situations, ready to be copied to ports.d."),
    ] {
        roff.control("TP", []);
        roff.text([bold(file)]);
        roff.text([roman(meaning)]);
    }
    roff.control("SH", ["EXAMPLES"]);
    roff.text([roman("The P1 port of a smart meter, for as many readers as you like, as a service:")]);
    roff.control("PP", []);
    roff.control("EX", []);
    roff.text([roman("cp /usr/share/doc/sermux/examples/dsmr-p1.yaml /etc/sermux/ports.d/")]);
    roff.text([roman("sermux check")]);
    roff.text([roman("systemctl reload sermux")]);
    roff.control("EE", []);
    roff.control("PP", []);
    roff.text([roman("How a port of the name p1 is, and what the service said about it:")]);
    roff.control("PP", []);
    roff.control("EX", []);
    roff.text([roman("sermux status p1")]);
    roff.text([roman("journalctl -u sermux PORT=p1")]);
    roff.control("EE", []);
    roff.control("SH", ["SEE ALSO"]);
    roff.text([
        bold("sermux.yaml"),
        roman("(5), "),
        bold("sermux-api"),
        roman("(7), "),
        bold("sermux-log"),
        roman("(7), "),
        bold("systemctl"),
        roman("(1), "),
        bold("journalctl"),
        roman("(1)"),
    ]);
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// clap's texts end without a full stop.
fn sentence(text: &str) -> String {
    let text = text.trim_end_matches('.');
    if text.is_empty() {
        String::new()
    } else {
        format!("{text}.")
    }
}
