//! `sermux doctor`: what makes a serial set-up fail, where it stands, and what to do.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nix::unistd::{geteuid, getuid, User};
use serde::Serialize;
use sermux_port_config::config::load::load;

use super::terminal::{Colour, Paper};
use super::text::count;
use super::Arguments;
use crate::device::Root;
use crate::doctor::{self, Finding, Machine, Severity, WantedDevice};
use crate::hex::json_for_terminals;

pub(super) fn run(arguments: &Arguments, device: Option<&Path>, json: bool, root: Option<&Path>) -> ExitCode {
    let found = findings(arguments, device, root);
    if root.is_none() && !geteuid().is_root() {
        note!("Programs of other users are not seen, so one of them may hold a device: sudo sermux doctor");
    }
    let printed = super::print(&if json { document(&found) } else { text(&found, Paper::of_stdout()) });
    if found.iter().any(|finding| finding.severity == Severity::Bad) {
        return ExitCode::FAILURE;
    }
    printed
}

/// Looks at the devices of the configuration, or at this one.
pub(super) fn findings(arguments: &Arguments, device: Option<&Path>, folder: Option<&Path>) -> Vec<Finding> {
    let root = folder.map_or_else(Root::default, Root::at);
    // Who calls on this machine is nobody on the one that was captured.
    let caller = if folder.is_some() { None } else { caller() };
    let machine = Machine::of(&root);
    if let Some(device) = device {
        let device = if device.is_relative() { Path::new("/dev").join(device) } else { device.to_owned() };
        return machine.examine(&[WantedDevice::path(device)], &[], &arguments.config, caller.as_deref());
    }
    // A captured tree has its own configuration, unless another is named.
    let inside: PathBuf = root.path(&arguments.config);
    let file = if folder.is_some() && inside.exists() { inside } else { arguments.config.clone() };
    let loaded = if file.exists() { Some(load(&file)) } else { None };
    let (config, fault) = match loaded {
        Some(Ok(loaded)) => (Some(loaded.config), None),
        Some(Err(faults)) => {
            let first = faults.to_string();
            let first = first.lines().next().unwrap_or_default().to_owned();
            (None, Some(doctor::no_configuration(&file, &first)))
        }
        None => (None, None),
    };
    let ports: Vec<_> = config
        .iter()
        .flat_map(|config| &config.ports)
        .filter(|(_, port)| port.enable)
        .map(|(name, port)| (name.as_str(), &**port))
        .collect();
    let mut wanted: Vec<WantedDevice> = Vec::new();
    let mut missing: Vec<Finding> = Vec::new();
    for (name, port) in &ports {
        match WantedDevice::of_port(&root, name, port) {
            Ok(one) => wanted.extend(one),
            Err(finding) => missing.push(finding),
        }
    }
    if wanted.is_empty() && ports.is_empty() {
        wanted = machine.usual();
    }
    let mut found = machine.examine(&wanted, &ports, &arguments.config, caller.as_deref());
    if wanted.is_empty() && ports.is_empty() {
        found.insert(0, doctor::no_device());
    }
    found.extend(missing);
    found.extend(fault);
    found.sort_by_key(|finding| finding.severity);
    found
}

/// The user who runs the command, by name; with sudo, the user who called sudo.
fn caller() -> Option<String> {
    let user = User::from_uid(getuid()).ok().flatten()?;
    let behind = std::env::var("SUDO_USER").ok().filter(|name| !name.is_empty());
    match behind {
        Some(name) if user.uid.is_root() => Some(name),
        _ => Some(user.name),
    }
}

/// A paragraph for each, the worst first.
pub(super) fn text(found: &[Finding], paper: Paper) -> String {
    let mut text = String::new();
    for finding in found {
        let (word, colour) = match finding.severity {
            Severity::Bad => ("bad", Colour::Red),
            Severity::Warning => ("warning", Colour::Yellow),
            Severity::Good => ("good", Colour::Green),
        };
        let what = paper.fit(&format!("{word}: {}", finding.what), 2);
        text.push_str(&what.replacen(word, &paper.paint(word, colour), 1));
        match (&finding.file, finding.line) {
            (Some(file), Some(line)) => {
                let _ = writeln!(text, "  in {file}:{line}");
            }
            (Some(file), None) => {
                let _ = writeln!(text, "  in {file}");
            }
            _ => {}
        }
        for step in &finding.to_do {
            text.push_str(&paper.fit(&format!("  - {step}"), 4));
        }
    }
    let of = |severity| found.iter().filter(|finding| finding.severity == severity).count();
    let (bad, warnings) = (of(Severity::Bad), of(Severity::Warning));
    let (summary, colour) = match (bad, warnings) {
        (0, 0) => ("no problems found".to_owned(), Colour::Green),
        (0, _) => (count(warnings, "warning"), Colour::Yellow),
        (_, 0) => (count(bad, "problem"), Colour::Red),
        _ => (format!("{}, {}", count(bad, "problem"), count(warnings, "warning")), Colour::Red),
    };
    text.push_str(&paper.paint(&summary, colour));
    text.push('\n');
    text
}

/// What `--json` prints. Programs read it: keys are added, and none is renamed or taken away.
#[derive(Serialize)]
struct DoctorJson<'a> {
    well: bool,
    findings: &'a [Finding],
}

fn document(found: &[Finding]) -> String {
    let well = found.iter().all(|finding| finding.severity != Severity::Bad);
    // Nothing of these can fail: keys are texts, and no value is a map or NaN.
    json_for_terminals(serde_json::to_string_pretty(&DoctorJson { well, findings: found }).unwrap_or_default() + "\n")
}
