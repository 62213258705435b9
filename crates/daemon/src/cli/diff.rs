//! `sermux diff`: what a reload would do, without doing it.

use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;
use serde_yaml::{Mapping, Value};
use sermux_port_config::config::diff::{ChangeClass, Diff, PortDiff};
use sermux_port_config::config::{Config, Listener, Port};

use super::in_force::InForce;
use super::remote::NotDone;
use super::terminal::{Colour, Style};
use super::text::printable;
use super::{port, remote, Arguments};
use crate::control::status::{ClientShape, StatusShape};
use crate::supervisor::ConfigSource;

/// From what runs to `file`, or to the file that the running program has read. Where nothing runs, from `--config` to `file`.
pub(super) fn run(arguments: &Arguments, file: Option<&Path>) -> ExitCode {
    let done = match (InForce::ask(arguments), file) {
        // Two files are named, and what runs has to do with neither of them.
        (Ok(running), Some(file)) if arguments.names_config && !running.is_of(&arguments.config) => {
            between_files(&arguments.config, file)
        }
        (Ok(running), file) => report_from(running, arguments, file),
        (Err(NotDone::Unreachable(why)), Some(file)) if why.is_not_running() || arguments.names_config => {
            let config = &arguments.config;
            if file == config && !arguments.names_config {
                note!("{why}");
                return ExitCode::from(why.code());
            }
            // Two files that are both named need no word about it.
            if !arguments.names_config {
                note!("note: found no running sermux; comparing {} with {}", named(file), named(config));
            }
            between_files(config, file)
        }
        (Err(why), _) => return why.complain(),
    };
    done.map_or_else(|code| code, |report| super::print(&coloured(&report, Style::of_stdout())))
}

/// From one file to another.
pub(super) fn files(old: &Path, new: &Path) -> ExitCode {
    between_files(old, new).map_or_else(|code| code, |report| super::print(&coloured(&report, Style::of_stdout())))
}

fn between_files(old: &Path, new: &Path) -> Result<String, ExitCode> {
    if [old, new].iter().all(|path| path.as_os_str() == ConfigSource::STDIN) {
        note!("standard input can be only one of the two configurations: name a file for the other");
        return Err(ExitCode::from(super::USAGE));
    }
    let source = super::open_source(old)?;
    let old = source.load_blocking().map_err(|faults| super::complain(Path::new(&source.name()), &faults));
    let new = super::load_or_complain(new);
    Ok(report(&old?.config, &new?.config, &ConnectedClients(None)))
}

fn named(path: &Path) -> String {
    if path.as_os_str() == ConfigSource::STDIN {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    }
}

/// From what runs to this file, or to its own.
fn report_from(running: InForce, arguments: &Arguments, file: Option<&Path>) -> Result<String, ExitCode> {
    let source = match file.or(running.file.as_deref()) {
        Some(file) => super::open_source(file)?,
        None => {
            note!("the running sermux has no configuration file to compare with: name one");
            return Err(ExitCode::from(super::USAGE));
        }
    };
    let new = super::load_source_or_complain(&source.with(port::texts_or_complain(&running.command_line)?))?;
    Ok(report(&running.config, &new.config, &ConnectedClients::ask(arguments)))
}

/// The clients of the running program, if there is one that answers.
struct ConnectedClients(Option<StatusShape>);

impl ConnectedClients {
    fn ask(arguments: &Arguments) -> Self {
        Self(remote::get(arguments, "/v1/status").and_then(|body| remote::understand(&body)).ok())
    }

    /// ` (3 now)`: how many there are on a port, or on one listener of it; nothing when nobody knows.
    fn now(&self, port: &str, listener: Option<&Listener>) -> String {
        let port = self.0.iter().flat_map(|status| &status.ports).find(|known| known.name == port);
        let address = listener.map(|listener| listener.address.to_string());
        port.map_or_else(String::new, |port| {
            let of_listener =
                |client: &&ClientShape| address.as_ref().is_none_or(|address| client.listener == *address);
            format!(" ({} now)", port.clients.iter().filter(of_listener).count())
        })
    }
}

/// What starts in green, what ends in red, what changes in yellow.
fn coloured(report: &str, style: Style) -> String {
    let colour = |line: &str| match line.get(..2) {
        Some("+ ") => Some(Colour::Green),
        Some("- ") => Some(Colour::Red),
        Some("~ ") => Some(Colour::Yellow),
        _ => None,
    };
    let lines =
        report.lines().map(|line| colour(line).map_or_else(|| line.to_owned(), |colour| style.paint(line, colour)));
    lines.map(|line| line + "\n").collect()
}

/// Port by port, for a person.
fn report(old: &Config, new: &Config, clients: &ConnectedClients) -> String {
    let diff = Diff::between(old, new);
    let mut report = String::new();
    for name in &diff.removed {
        let end = old.ports.get(name).map_or_else(String::new, |port| format!(": {}", offer(port)));
        let _ = writeln!(report, "- {name}{end}: ended, its clients are disconnected{}", clients.now(name, None));
    }
    for (name, change) in &diff.changed {
        if let (Some(before), Some(after)) = (old.ports.get(name), new.ports.get(name)) {
            let _ = writeln!(report, "~ {name}: {}", consequence(change.class));
            describe(change, before, after, |listener| clients.now(name, Some(listener)), &mut report);
        }
    }
    for name in &diff.added {
        let start = new.ports.get(name).map_or_else(String::new, |port| format!(": {}", offer(port)));
        let _ = writeln!(report, "+ {name}{start}: started");
    }
    differences("", &without("ports", old), &without("ports", new), &mut |line| {
        let change = line.split(':').next().and_then(ChangeClass::of_key);
        let when = if change == Some(ChangeClass::NextStart) { " (at the next start)" } else { "" };
        let _ = writeln!(report, "~ {line}{when}");
    });
    let unchanged = new.ports.values().filter(|port| port.enable).count() - diff.changed.len() - diff.added.len();
    let (removed, changed, added) = (diff.removed.len(), diff.changed.len(), diff.added.len());
    let _ = writeln!(report, "{removed} removed, {changed} changed, {added} added, {unchanged} untouched");
    report
}

/// `/dev/ttyUSB0, raw localhost:4001`
fn offer(port: &Port) -> String {
    port.listen.iter().fold(printable(&port.device.to_string()), |text, listener| format!("{text}, {}", name(listener)))
}

/// `telnet *:4002`
fn name(listener: &Listener) -> String {
    let rfc2217 = if listener.protocol.has_rfc2217() { " with rfc2217" } else { "" };
    format!("{}{rfc2217} {}", listener.protocol.name(), listener.address)
}

fn consequence(class: ChangeClass) -> &'static str {
    match class {
        ChangeClass::Live => "changed in place; device and clients stay",
        ChangeClass::Relisten => "the device stays open, clients of other listeners stay",
        ChangeClass::Reopen => "the device is opened again; clients stay where their listener does",
        ChangeClass::NextStart => "changed at the next start",
    }
}

/// What is different, a line each.
fn describe(diff: &PortDiff, old: &Port, new: &Port, now: impl Fn(&Listener) -> String, report: &mut String) {
    let mut say = |line: String| {
        let _ = writeln!(report, "    {line}");
    };
    differences("", &without("listen", old), &without("listen", new), &mut say);
    for index in &diff.listeners.removed {
        let listener = &old.listen[*index];
        say(format!("listener {}: closed, its clients are disconnected{}", name(listener), now(listener)));
    }
    for (from, to) in &diff.listeners.changed {
        let listener = format!("listener {}", name(&new.listen[*to]));
        let (before, after) = (tree(&old.listen[*from]), tree(&new.listen[*to]));
        differences("", &before, &after, &mut |line| say(format!("{listener}: {line}")));
    }
    for index in &diff.listeners.added {
        say(format!("listener {}: opened", name(&new.listen[*index])));
    }
}

/// The tree of a part without one of its keys.
fn without(key: &str, part: &impl Serialize) -> Value {
    let mut tree = tree(part);
    if let Value::Mapping(mapping) = &mut tree {
        mapping.remove(key);
    }
    tree
}

/// As `show --resolved` would write it.
fn tree(part: &impl Serialize) -> Value {
    serde_yaml::to_value(part).unwrap_or_default()
}

/// `line.baud: 9600 → 115200` for each value that is different, mappings gone into.
fn differences(path: &str, old: &Value, new: &Value, say: &mut impl FnMut(String)) {
    match (old, new) {
        (Value::Mapping(old), Value::Mapping(new)) => {
            let added = new.keys().filter(|key| !old.contains_key(*key));
            for key in old.keys().chain(added) {
                let name = key.as_str().unwrap_or_default();
                let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
                let of = |mapping: &Mapping| mapping.get(key).cloned().unwrap_or_default();
                differences(&path, &of(old), &of(new), say);
            }
        }
        _ if old == new => {}
        _ => say(format!("{path}: {} → {}", shown(old), shown(new))),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "not set".to_owned(),
        Value::String(text) if text.is_empty() => "\"\"".to_owned(),
        Value::String(text) => printable(text),
        Value::Sequence(values) => {
            format!("[{}]", values.iter().map(shown).collect::<Vec<_>>().join(", "))
        }
        Value::Mapping(entries) => {
            let entry = |(key, value): (&Value, &Value)| format!("{}: {}", shown(key), shown(value));
            format!("{{ {} }}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        other => serde_yaml::to_string(other).unwrap_or_default().trim_end().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_marks_what_starts_ends_and_changes_and_adds_nothing_else() {
        let report = "- a: ended\n~ b: changed\n    line.baud: 1 → 2\n+ c: started\n1 removed\n";
        assert_eq!(coloured(report, Style::Plain), report);
        let shown = "\x1b[31m- a: ended\x1b[0m\n\x1b[33m~ b: changed\x1b[0m\n    line.baud: 1 → 2\n\x1b[32m+ c: started\x1b[0m\n1 removed\n";
        assert_eq!(coloured(report, Style::Colour), shown);
    }
}
