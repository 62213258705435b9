//! `sermux status`: how the running daemon and its ports are, for a person or as JSON.

mod rows;
mod table;

use std::io::{stdout, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use super::in_force::{FilesNow, InForce};
use super::names::{is_pattern, matches, natural};
use super::remote::{get, of_port, understand, NotDone};
use super::terminal::{self, Style};
use super::Arguments;
use crate::control::status::{PortShape, StatusShape};
use crate::hex::json_for_terminals;

/// How often a status that is watched is shown anew.
const WATCH_EACH: Duration = Duration::from_secs(1);

/// Reading a configuration with more ports takes longer than a status may.
const PORTS_TO_COMPARE: usize = 1000;

/// What is shown, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Show {
    Table,
    Json,
    /// The table, again and again.
    Watch,
}

/// A status, and whether all of it is well.
struct Shown {
    text: String,
    is_well: bool,
}

/// `ports`: names and patterns; all ports without any.
pub(super) fn run(arguments: &Arguments, ports: &[String], show: Show) -> ExitCode {
    if show == Show::Watch {
        return watch(arguments, ports);
    }
    match shown(arguments, ports, show) {
        Ok(shown) => match (super::print(&shown.text), shown.is_well) {
            (printed, true) => printed,
            (_, false) => ExitCode::FAILURE,
        },
        Err(why) => why.complain(),
    }
}

/// Until a signal ends it, or nobody reads it any more. A program that is not running may be started while it is watched.
fn watch(arguments: &Arguments, ports: &[String]) -> ExitCode {
    loop {
        let text = match shown(arguments, ports, Show::Watch) {
            Ok(shown) => shown.text,
            Err(why) if why.may_pass() => format!("{}\n", why.text()),
            Err(why) => return why.complain(),
        };
        let text = match terminal::rows() {
            Some(rows) => on_screen(&text, rows),
            None => format!("{text}\n"),
        };
        let mut out = stdout().lock();
        if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
            return ExitCode::SUCCESS;
        }
        drop(out);
        std::thread::park_timeout(WATCH_EACH);
    }
}

/// In place of what the screen shows: each line is cleared behind its end, and the screen below the last one (ECMA-48, CUP, EL and
/// ED). A screen that is cleared first would flicker.
fn on_screen(text: &str, rows: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut screen = "\x1b[H".to_owned();
    let fits = if lines.len() < rows { lines.len() } else { rows.saturating_sub(2) };
    for line in &lines[..fits] {
        screen += &format!("{line}\x1b[K\n");
    }
    if fits < lines.len() {
        screen += &format!("... {} more lines\x1b[K\n", lines.len() - fits);
    }
    screen + "\x1b[J"
}

fn shown(arguments: &Arguments, ports: &[String], show: Show) -> Result<Shown, NotDone> {
    match ports {
        [] => all(arguments, show),
        [port] if !is_pattern(port) => one(arguments, port, show),
        ports => several(arguments, ports, show),
    }
}

fn all(arguments: &Arguments, show: Show) -> Result<Shown, NotDone> {
    let body = get(arguments, "/v1/status")?;
    let status: StatusShape = understand(&body)?;
    let text = match show {
        Show::Json => as_it_came(&body),
        Show::Table | Show::Watch => {
            let width = terminal::width();
            table::all(&status, &hints(arguments, &status), Style::of_stdout(), width)
        }
    };
    Ok(Shown { text, is_well: status.well })
}

fn one(arguments: &Arguments, port: &str, show: Show) -> Result<Shown, NotDone> {
    let body = get(arguments, &of_port(port, ""))?;
    let port: PortShape = understand(&body)?;
    let text = if show == Show::Json { as_it_came(&body) } else { table::one(&port, Style::of_stdout()) };
    Ok(Shown { text, is_well: port.well })
}

/// The ports that these names and patterns stand for, each once.
fn several(arguments: &Arguments, names: &[String], show: Show) -> Result<Shown, NotDone> {
    let body = get(arguments, "/v1/status")?;
    let StatusShape { mut ports, .. } = understand(&body)?;
    let fits = |name: &str, port: &str| if is_pattern(name) { matches(name, port) } else { name == port };
    if let Some(nothing) = names.iter().find(|name| !ports.iter().any(|port| fits(name, &port.name))) {
        return Err(NotDone::no_port(nothing, ports.iter().map(|port| port.name.as_str())));
    }
    ports.retain(|port| names.iter().any(|name| fits(name, &port.name)));
    ports.sort_by(|a, b| natural(&a.name, &b.name));
    let is_well = ports.iter().all(|port| port.well);
    let text = if show == Show::Json {
        let mut status: serde_json::Value = understand(&body)?;
        let is_wanted = |port: &serde_json::Value| ports.iter().any(|wanted| port["name"] == *wanted.name);
        if let Some(all) = status["ports"].as_array_mut() {
            all.retain(is_wanted);
        }
        status["well"] = is_well.into();
        let text = serde_json::to_vec_pretty(&status).unwrap_or_default();
        as_it_came(&text) + "\n"
    } else {
        let blocks: Vec<String> = ports.iter().map(|port| table::one(port, Style::of_stdout())).collect();
        blocks.join("\n")
    };
    Ok(Shown { text, is_well })
}

/// Next steps that concern no single port.
fn hints(arguments: &Arguments, status: &StatusShape) -> Vec<String> {
    let mut hints = Vec::new();
    let Some(file) = &status.program.config else { return hints };
    let file = super::text::printable(file);
    if status.ports.is_empty() {
        hints.push(format!("write a port into {file}, then `sermux reload`; `sermux setup p1` sets up a smart meter"));
    }
    if status.ports.len() <= PORTS_TO_COMPARE {
        // What cannot be found out is no reason not to show the status.
        match InForce::ask(arguments).map(|in_force| in_force.files_now()) {
            Ok(Some(FilesNow::Changed)) => {
                hints.push(format!(
                    "{file} has changed since it was read: `sermux diff` shows how, `sermux reload` applies it"
                ));
            }
            Ok(Some(FilesNow::Faulty)) => {
                hints.push(format!("{file} has changed since it was read, and has faults: `sermux check {file}`"));
            }
            Ok(Some(FilesNow::Same) | None) | Err(_) => {}
        }
    }
    hints
}

/// Whatever this version knows of it. Clients choose their signatures.
fn as_it_came(body: &[u8]) -> String {
    json_for_terminals(String::from_utf8_lossy(body).into_owned())
}
