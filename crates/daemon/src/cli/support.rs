//! `sermux support`: one text for a forum or an issue, without secrets.

mod mask;

use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::remote::{get, of_port, understand};
use super::terminal::Paper;
use super::{devices, doctor, Arguments};
use crate::control::request::HeldShape;
use crate::device::inventory::Inventory;
use crate::device::Root;
use mask::{masked, without_credentials};

/// The most that is taken over of a file of the configuration.
const LARGEST: u64 = 64 * 1024;

/// Files of the configuration that are taken over.
const FILES: usize = 32;

/// Bytes in a line of data.
const IN_A_LINE: usize = 32;

pub(super) fn run(arguments: &Arguments, port: Option<&str>, data: Option<&str>, output: Option<&Path>) -> ExitCode {
    let text = text(arguments, port, data);
    let Some(output) = output else { return super::print(&text) };
    match fs::write(output, text) {
        Ok(()) => {
            note!("written to {}; look through it before you show it to others", output.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            note!("{}: {error}", output.display());
            ExitCode::FAILURE
        }
    }
}

fn text(arguments: &Arguments, port: Option<&str>, data: Option<&str>) -> String {
    let mut text = format!("sermux {}\n", env!("CARGO_PKG_VERSION"));
    for (what, file) in
        [("kernel", "/proc/version"), ("machine", "/proc/device-tree/model"), ("system", "/etc/os-release")]
    {
        if let Some(line) = read(Path::new(file)) {
            let first = line.lines().next().unwrap_or_default().trim_matches('\0');
            let _ = writeln!(text, "{what}: {}", super::text::printable(first));
        }
    }
    section(&mut text, "doctor", &doctor::text(&doctor::findings(arguments, None, None), Paper::PLAIN));
    for file in files(&arguments.config) {
        let name = format!("configuration {}", file.display());
        match read(&file) {
            Some(content) => section(&mut text, &name, &masked(&content)),
            None => section(&mut text, &name, "cannot be read\n"),
        }
    }
    let path = port.map_or_else(|| "/v1/status".to_owned(), |port| of_port(port, ""));
    match get(arguments, &path) {
        Ok(status) => section(&mut text, "status", &String::from_utf8_lossy(&status)),
        Err(why) => section(&mut text, "status", &format!("{}\n", why.text())),
    }
    match Inventory::of(&Root::default()) {
        Ok(inventory) => section(&mut text, "devices", &devices::table(&inventory, Paper::PLAIN)),
        Err(error) => section(&mut text, "devices", &format!("/sys/class/tty: {error}\n")),
    }
    if let Some(port) = data {
        let body = get(arguments, &of_port(port, &format!("history?bytes={}", HeldShape::MOST)));
        let shown = match body.and_then(|body| understand::<HeldShape>(&body)) {
            Ok(held) => hex(&held),
            Err(why) => format!("{}\n", why.text()),
        };
        section(&mut text, &format!("data of {port}"), &shown);
    }
    text
}

fn section(text: &mut String, name: &str, content: &str) {
    let end = if content.ends_with('\n') || content.is_empty() { "" } else { "\n" };
    let _ = write!(text, "\n== {name}\n{}{end}", readable(&without_credentials(content)));
}

/// Lines, and nothing in them that steers the terminal.
fn readable(text: &str) -> String {
    text.split_inclusive('\n')
        .map(|line| match line.strip_suffix('\n') {
            Some(line) => super::text::printable(line) + "\n",
            None => super::text::printable(line),
        })
        .collect()
}

/// The file, and what stands beside it in ports.d, by name.
fn files(config: &Path) -> Vec<PathBuf> {
    let folder = config.parent().unwrap_or(Path::new("")).join("ports.d");
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    files.sort();
    files.truncate(FILES);
    files.insert(0, config.to_owned());
    files
}

fn read(path: &Path) -> Option<String> {
    if !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(LARGEST).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn hex(held: &HeldShape) -> String {
    let count = held.hex.len() / 2;
    let mut text = format!(
        "the newest {count} bytes that the port still holds, from byte {} on; it holds what `replay` and clients that are \
         behind need\n",
        held.offset
    );
    for line in held.hex.as_bytes().chunks(IN_A_LINE * 2) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text
}
