//! All ports in a table: one row each, and below it what to do where something is wrong.

use std::fmt::Write as _;

use super::table::{coloured_state, line_now, wrong_protocol};
use crate::cli::names::natural;
use crate::cli::terminal::{Colour, Style, USUAL};
use crate::cli::text::{duration, printable, wrap};
use crate::control::status::{PortShape, StateShape};

const HEADS: [&str; COLUMNS] = ["STATE", "PORT", "DEVICE", "LINE", "CLIENTS", "LAST BYTE"];
const COLUMNS: usize = 6;

const STATE: usize = 0;
const PORT: usize = 1;
const DEVICE: usize = 2;

/// Left out in this order where the terminal is too narrow, once the devices are as short as they may be.
const FIRST_TO_GO: [usize; 3] = [3, 5, 4];

/// Not shorter.
const SHORTEST_DEVICE: usize = 12;

/// Between columns.
const SPACE: usize = 2;

/// Before the first one: `!` of a port that is not well.
const MARK: usize = 2;

/// `width`: of the terminal; without one nothing is shortened, for programs and files.
pub(super) fn rows(ports: &[PortShape], style: Style, width: Option<usize>) -> String {
    let mut ports: Vec<&PortShape> = ports.iter().collect();
    ports.sort_by(|a, b| natural(&a.name, &b.name));
    let cells: Vec<[String; COLUMNS]> = ports.iter().map(|port| cells(port)).collect();
    let (widths, shown) = fit(&cells, width);
    let mut text = String::new();
    row(&mut text, "  ", &HEADS.map(str::to_owned), (&widths, &shown), |_, head| style.paint(head, Colour::Bold));
    for (port, cells) in ports.iter().zip(&cells) {
        let mark = if port.well { "  ".to_owned() } else { style.paint("! ", Colour::Red) };
        row(&mut text, &mark, cells, (&widths, &shown), |column, cell| match column {
            STATE => coloured_state(port.state, cell, style),
            PORT => style.paint(cell, Colour::Bold),
            _ => cell.to_owned(),
        });
        for (note, colour) in notes(port) {
            for line in wrap(&note, width.unwrap_or(USUAL).saturating_sub(4).max(20)) {
                let _ = writeln!(text, "    {}", style.paint(&line, colour));
            }
        }
    }
    text
}

fn cells(port: &PortShape) -> [String; COLUMNS] {
    [
        port.state.name().to_owned(),
        printable(&port.name),
        printable(&port.device.configured),
        line_now(port),
        port.clients.len().to_string(),
        port.last_rx_seconds.map_or_else(|| "-".to_owned(), |ago| format!("{} ago", duration(ago))),
    ]
}

/// How wide each column is, and which are shown.
fn fit(cells: &[[String; COLUMNS]], width: Option<usize>) -> ([usize; COLUMNS], Vec<usize>) {
    let mut widths = HEADS.map(str::len);
    for cells in cells {
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut shown: Vec<usize> = (0..COLUMNS).collect();
    let Some(width) = width else { return (widths, shown) };
    let total = |widths: &[usize; COLUMNS], shown: &[usize]| {
        MARK + shown.iter().map(|column| widths[*column]).sum::<usize>() + SPACE * (shown.len() - 1)
    };
    let full = widths[DEVICE];
    let mut to_go = FIRST_TO_GO.iter();
    loop {
        widths[DEVICE] = full;
        let too_much = total(&widths, &shown).saturating_sub(width);
        widths[DEVICE] = full.saturating_sub(too_much).max(SHORTEST_DEVICE.min(full));
        if total(&widths, &shown) <= width {
            return (widths, shown);
        }
        match to_go.next() {
            Some(column) => shown.retain(|known| known != column),
            None => return (widths, shown),
        }
    }
}

fn row(
    text: &mut String,
    mark: &str,
    cells: &[String; COLUMNS],
    (widths, shown): (&[usize; COLUMNS], &[usize]),
    paint: impl Fn(usize, &str) -> String,
) {
    let mut line = mark.to_owned();
    for (at, column) in shown.iter().enumerate() {
        let cell = &cells[*column];
        let cell = if *column == DEVICE { shortened(cell, widths[DEVICE]) } else { cell.clone() };
        line += &paint(*column, &cell);
        if at + 1 < shown.len() {
            // Beside the colours, which are no characters on the screen.
            let missing = widths[*column].saturating_sub(cell.chars().count());
            line += &" ".repeat(missing + SPACE);
        }
    }
    text.push_str(line.trim_end());
    text.push('\n');
}

/// The beginning and the end of a device: by-id names differ at the end, and the kind of adapter is before it.
fn shortened(device: &str, width: usize) -> String {
    if device.chars().count() <= width {
        return device.to_owned();
    }
    let name: Vec<char> = device.rsplit('/').next().unwrap_or(device).chars().collect();
    if name.len() <= width {
        return name.into_iter().collect();
    }
    let head = (width - 1) / 2;
    let tail = width - 1 - head;
    name[..head].iter().chain(['…'].iter()).chain(&name[name.len() - tail..]).collect()
}

/// What is wrong, and what to do.
fn notes(port: &PortShape) -> Vec<(String, Colour)> {
    let mut notes = Vec::new();
    if let Some(fault) = port.fault.as_ref().filter(|fault| !fault.over) {
        // The device stands above.
        let prefix = format!("{}: ", port.device.configured);
        notes.push((printable(fault.what.strip_prefix(&prefix).unwrap_or(&fault.what)), Colour::Red));
    }
    for listener in &port.listeners {
        if let Some(fault) = &listener.fault {
            let name = if listener.rfc2217 { "rfc2217" } else { &listener.protocol };
            notes.push((format!("{name} {}: {}", listener.configured, printable(fault)), Colour::Red));
        }
    }
    for listener in &port.listeners {
        if let Some(mistaken) = wrong_protocol(listener) {
            notes.push((mistaken, Colour::Yellow));
        }
    }
    if let Some(fault) = port.capture.as_ref().and_then(|capture| capture.fault.as_ref()) {
        notes.push((format!("capture: {}", printable(fault)), Colour::Red));
    }
    if let Some(advice) = &port.advice {
        notes.push((printable(advice), Colour::Yellow));
    }
    if port.state == StateShape::Paused {
        notes.push((format!("`sermux resume {}` opens the device again", port.name), Colour::Yellow));
    }
    notes
}

#[cfg(test)]
mod tests;
