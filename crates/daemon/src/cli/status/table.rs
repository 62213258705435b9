//! The status for a person: what the program is, and the details of a port in 80 columns; `!` stands before ports that are not well.

use std::fmt::Write as _;

use super::rows::rows;
use crate::cli::line::wires;
use crate::cli::terminal::{Colour, Style, USUAL};
use crate::cli::text::{bytes, count, duration, fill, printable, wrap};
use crate::control::status::{
    CaptureShape, ClientShape, CountersShape, ErrorsShape, FaultShape, FramesShape, HistoryShape, ListenerShape,
    LogShape, PortShape, StateShape, StatusShape,
};

/// The details of a port are as wide.
const WIDTH: usize = USUAL;

/// Where the values of a port stand.
const VALUES: usize = 15;

/// The program and all ports; `hints` are next steps that are known. `width`: of the terminal, if there is one.
pub(super) fn all(status: &StatusShape, hints: &[String], look: Style, width: Option<usize>) -> String {
    let program = &status.program;
    let mut text = format!("sermux {}, pid {}, up {}", program.version, program.pid, duration(program.uptime_seconds));
    if let Some(config) = &program.config {
        let _ = write!(text, ", {}", printable(config));
    }
    text.push('\n');
    text += &summary(&status.ports);
    text.push('\n');
    let unwell: Vec<&str> = status.ports.iter().filter(|port| !port.well).map(|port| port.name.as_str()).collect();
    if !unwell.is_empty() {
        for line in wrap(&format!("not well: {}", unwell.join(", ")), WIDTH) {
            text += &look.paint(&line, Colour::Red);
            text.push('\n');
        }
    }
    if let Some(log) = log(&program.log) {
        for line in wrap(&log, WIDTH) {
            text += &look.paint(&line, if program.log.fault.is_some() { Colour::Red } else { Colour::Yellow });
            text.push('\n');
        }
    }
    for defect in &program.defects {
        for line in wrap(&self::defect(defect), WIDTH) {
            text += &look.paint(&line, if defect.over { Colour::Yellow } else { Colour::Red });
            text.push('\n');
        }
    }
    for hint in hints {
        for line in wrap(hint, WIDTH) {
            text += &look.paint(&line, Colour::Yellow);
            text.push('\n');
        }
    }
    if !status.ports.is_empty() {
        text.push('\n');
        text += &rows(&status.ports, look, width);
    }
    text
}

/// `log: 3 records lost; no space left on device`
fn log(log: &LogShape) -> Option<String> {
    let lost = (log.lost_records > 0)
        .then(|| format!("{} lost", count(usize::try_from(log.lost_records).unwrap_or(usize::MAX), "record")));
    let facts: Vec<String> = lost.into_iter().chain(log.fault.as_deref().map(printable)).collect();
    (!facts.is_empty()).then(|| format!("log: {}", facts.join("; ")))
}

/// `defect (3 s ago): a defect of sermux ended …`
fn defect(defect: &FaultShape) -> String {
    let what = printable(&defect.what);
    if defect.over {
        format!("last defect {}: {what}", resolved(defect))
    } else {
        format!("defect ({} ago): {what}", duration(defect.at_seconds))
    }
}

/// `(resolved 2 s ago)`; an older program does not say when it was resolved.
fn resolved(fault: &FaultShape) -> String {
    match fault.over_seconds {
        Some(ago) => format!("(resolved {} ago)", duration(ago)),
        None => format!("(resolved; it was {} ago)", duration(fault.at_seconds)),
    }
}

/// `3 ports: 2 open, 1 waiting; 3 clients`
fn summary(ports: &[PortShape]) -> String {
    let mut text = count(ports.len(), "port");
    let states = [
        StateShape::Open,
        StateShape::Stuck,
        StateShape::Quiet,
        StateShape::Garbage,
        StateShape::Idle,
        StateShape::Opening,
        StateShape::Closing,
        StateShape::Waiting,
        StateShape::Faulted,
        StateShape::Paused,
        StateShape::Disabled,
        StateShape::Unknown,
    ];
    let counts = states.iter().map(|state| (state, ports.iter().filter(|port| port.state == *state).count()));
    let counts: Vec<String> =
        counts.filter(|(_, n)| *n > 0).map(|(state, n)| format!("{n} {}", state.name())).collect();
    if !counts.is_empty() {
        let _ = write!(text, ": {}", counts.join(", "));
    }
    let clients: usize = ports.iter().map(|port| port.clients.len()).sum();
    format!("{text}; {}", count(clients, "client"))
}

/// One port.
pub(super) fn one(port: &PortShape, look: Style) -> String {
    let mark = if port.well { "  ".to_owned() } else { look.paint("! ", Colour::Red) };
    let mut block = format!("{mark}{}  {}\n", look.paint(&port.name, Colour::Bold), state(port, look));
    push_lines(&mut block, "device", fill(device(port).iter().map(String::as_str), WIDTH - VALUES), None, look);
    let mut row = |name: &str, value: &str| push_row(&mut block, name, value, None, look);

    row("line", &line(port));
    for difference in &port.line.differences {
        row("differs", &printable(difference));
    }
    if let Some(modem) = &port.modem {
        if !port.line.not_carried.iter().any(|what| what == "dtr and rts") {
            row("modem", &wires(modem));
        }
    }
    if port.break_on {
        row("break", "sending a break");
    }
    if port.state != StateShape::Disabled {
        row("traffic", &traffic(port));
    }
    if let Some(held) = &port.history {
        row(
            "history",
            &format!("{} for the next client, the oldest {} ago", amount(held), duration(held.since_seconds)),
        );
    }
    if let Some(frames) = &port.frames {
        row("telegrams", &telegrams(frames));
    }
    let counters = counters(&port.counters);
    if !counters.is_empty() {
        row("counters", &counters);
    }
    let errors = port.errors.as_ref().map(errors).unwrap_or_default();
    if !errors.is_empty() {
        row("errors", &errors);
    }
    for listener in &port.listeners {
        push_listener(&mut block, listener, &port.clients, look);
    }
    if let Some(capture) = &port.capture {
        push_capture(&mut block, capture, look);
    }
    if let Some(advice) = &port.advice {
        push_row(&mut block, "advice", &printable(advice), Some(Colour::Yellow), look);
    }
    if let Some(fault) = &port.fault {
        // The device stands above.
        let prefix = format!("{}: ", port.device.configured);
        let what = printable(fault.what.strip_prefix(&prefix).unwrap_or(&fault.what));
        match fault.over {
            true => push_row(&mut block, "last fault", &format!("{}: {what}", resolved(fault)), None, look),
            false => push_row(&mut block, "fault", &what, Some(Colour::Red), look),
        }
    }
    block
}

fn state(port: &PortShape, look: Style) -> String {
    let name = coloured_state(port.state, port.state.name(), look);
    match port.since {
        Some(_) => format!("{name} for {}", duration(port.since_seconds)),
        None => name,
    }
}

/// The state's name in its colour.
pub(super) fn coloured_state(state: StateShape, name: &str, look: Style) -> String {
    let colour = match state {
        StateShape::Open | StateShape::Idle => Some(Colour::Green),
        StateShape::Faulted => Some(Colour::Red),
        StateShape::Disabled | StateShape::Unknown => None,
        StateShape::Opening
        | StateShape::Closing
        | StateShape::Waiting
        | StateShape::Paused
        | StateShape::Stuck
        | StateShape::Quiet
        | StateShape::Garbage => Some(Colour::Yellow),
    };
    colour.map_or_else(|| name.to_owned(), |colour| look.paint(name, colour))
}

fn device(port: &PortShape) -> Vec<String> {
    let mut pieces = vec![printable(&port.device.configured)];
    pieces.extend(
        port.device
            .path
            .iter()
            .filter(|path| **path != port.device.configured)
            .map(|path| format!("-> {}", printable(path))),
    );
    pieces
}

/// What the line has, or in brackets what it will have.
pub(super) fn line_now(port: &PortShape) -> String {
    port.line.actual.clone().unwrap_or_else(|| format!("({})", port.line.configured))
}

fn line(port: &PortShape) -> String {
    let line = &port.line;
    let mut text = line_now(port);
    if line.actual.as_ref().is_some_and(|actual| *actual != line.configured) {
        let _ = write!(text, " (configured: {})", line.configured);
    }
    if !line.not_carried.is_empty() {
        let _ = write!(text, "; no wire for {}", line.not_carried.join(", "));
    }
    text
}

/// `rx 12.4 MiB, tx 0 B; last byte 3 s ago`
fn traffic(port: &PortShape) -> String {
    let ago = port.last_rx_seconds.map(|ago| format!("; last byte {} ago", duration(ago))).unwrap_or_default();
    format!("rx {}, tx {}{ago}", bytes(port.counters.rx_bytes), bytes(port.counters.tx_bytes))
}

/// `16.0 KiB`, `1 frame`
fn amount(history: &HistoryShape) -> String {
    match history.frames {
        Some(frames) => count(usize::try_from(frames).unwrap_or(usize::MAX), "frame"),
        None => bytes(history.bytes.unwrap_or_default()),
    }
}

fn telegrams(frames: &FramesShape) -> String {
    let mut text = frames.telegrams.to_string();
    let counted = [
        (frames.crc_failures - frames.crc_missing.min(frames.crc_failures), "with a wrong CRC"),
        (frames.crc_missing, "without their CRC"),
        (frames.crc_x25, "right by CRC-16/X-25"),
        (frames.crc_over_cr_lf, "with a CRC for CR LF"),
        (frames.oversized, "too long"),
        (frames.abandoned, "cut off"),
    ];
    for (n, what) in counted {
        if n > 0 {
            let _ = write!(text, ", {n} {what}");
        }
    }
    if frames.stray_bytes > 0 {
        let _ = write!(text, ", {} between them", bytes(frames.stray_bytes));
    }
    text
}

/// Those that are not zero.
fn counters(counters: &CountersShape) -> String {
    let sizes = [
        (counters.tx_lost_bytes, "tx lost"),
        (counters.tx_refused_bytes, "tx refused"),
        (counters.tx_purged_bytes, "tx purged"),
        (counters.tx_discarded_bytes, "tx discarded"),
        (counters.gap_bytes, "missed by clients"),
    ];
    let sizes = sizes.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{what} {}", bytes(*n)));
    let counts = [
        (counters.skipped_frames, "telegrams skipped by clients"),
        (counters.cut_frames, "frames cut (over a quarter of the backlog)"),
        (counters.tx_cut_frames, "half frames sent to the line"),
        (counters.clients_refused, "clients refused"),
        (counters.dropped_subnegotiations, "telnet subnegotiations discarded"),
        (counters.unknown_commands, "unknown telnet commands"),
        (counters.control_late, "late changes"),
        (counters.control_failed, "failed operations"),
        (counters.control_dropped, "requests dropped"),
    ];
    let counts = counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}"));
    sizes.chain(counts).collect::<Vec<_>>().join(", ")
}

/// Those that are not zero.
fn errors(errors: &ErrorsShape) -> String {
    let counts = [
        (errors.framing, "framing"),
        (errors.parity, "parity"),
        (errors.overrun, "overrun"),
        (errors.buffer_overrun, "buffer overrun"),
        (errors.breaks, "break"),
    ];
    let counts = counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}"));
    counts.collect::<Vec<_>>().join(", ")
}

fn push_capture(block: &mut String, capture: &CaptureShape, look: Style) {
    let mut text = format!("{}, {}", printable(&capture.file), bytes(capture.captured_bytes));
    if capture.lost_bytes > 0 {
        let _ = write!(text, ", {} missing", bytes(capture.lost_bytes));
    }
    push_row(block, "capture", &text, None, look);
    if let Some(fault) = &capture.fault {
        // The file stands above.
        let what = fault.strip_prefix(&format!("{} ", capture.file)).unwrap_or(fault);
        push_row(block, "", &printable(what), Some(Colour::Red), look);
    }
}

fn push_listener(block: &mut String, listener: &ListenerShape, clients: &[ClientShape], look: Style) {
    let name = if listener.rfc2217 { "rfc2217" } else { &listener.protocol };
    let ListenerShape { access, clients: n, max_clients, .. } = listener;
    let plural = if *max_clients == 1 { "" } else { "s" };
    match (&listener.address, &listener.fault) {
        (Some(address), _) => {
            let address = if listener.addresses.len() > 1 { &listener.addresses.join(" and ") } else { address };
            push_row(block, name, &format!("{address}, {access}, {n} of {max_clients} client{plural}"), None, look);
            for (n, what) in [(listener.turned_away, "allow and deny"), (listener.limited, "limits")] {
                if n > 0 {
                    let connections = count(usize::try_from(n).unwrap_or(usize::MAX), "connection");
                    push_row(block, "", &format!("{connections} refused by {what}"), None, look);
                }
            }
            if let Some(mistaken) = wrong_protocol(listener) {
                push_row(block, "", &mistaken, None, look);
            }
        }
        (None, fault) => {
            let why = fault.as_deref().map_or("not bound yet".to_owned(), printable);
            push_row(block, name, &format!("{}: {why}", listener.configured), Some(Colour::Red), look);
        }
    }
    let own = |client: &&ClientShape| client.listener == listener.configured && client.protocol == listener.protocol;
    let own: Vec<&ClientShape> = clients.iter().filter(own).collect();
    let name = |client: &ClientShape| format!("#{} {}", client.id, client.address);
    let width = own.iter().map(|client| name(client).len()).max().unwrap_or(0);
    for client in own {
        let mut pieces = vec![format!("{:width$} ", name(client))];
        pieces.extend(state_of(client));
        for (index, line) in fill(pieces.iter().map(String::as_str), WIDTH - VALUES - 2).into_iter().enumerate() {
            let indent = if index == 0 { VALUES } else { VALUES + 2 };
            let _ = writeln!(block, "{:indent$}{line}", "");
        }
    }
}

/// Clients that speak another protocol than the listener they came to.
pub(super) fn wrong_protocol(listener: &ListenerShape) -> Option<String> {
    match listener.wrong_protocol {
        0 => None,
        1 => Some("1 client seems to speak another protocol; see the log".to_owned()),
        n => Some(format!("{n} clients seem to speak another protocol; see the log")),
    }
}

/// `3 h,` `sent 12.4 MiB,` `received 12 B,` `lag 3.1 KiB (4 s),` `history 16.0 KiB (3 min old)`
fn state_of(client: &ClientShape) -> Vec<String> {
    let mut facts = vec![duration(client.since_seconds), format!("sent {}", bytes(client.sent_bytes))];
    let sizes = [
        (client.received_bytes, "received"),
        (client.refused_bytes, "refused"),
        (client.gap_bytes, "gap"),
        (client.purged_bytes, "purged"),
    ];
    facts.extend(sizes.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{what} {}", bytes(*n))));
    if client.lag_bytes > 0 {
        let age = client.lag_seconds.map(|seconds| format!(" ({})", duration(seconds))).unwrap_or_default();
        facts.push(format!("lag {}{age}", bytes(client.lag_bytes)));
    }
    if let Some(history) = &client.history {
        facts.push(format!("history {} ({} old)", amount(history), duration(history.since_seconds)));
    }
    if client.skipped_frames > 0 {
        facts.push(format!("skipped {}", client.skipped_frames));
    }
    for (n, what) in
        [(client.dropped_subnegotiations, "subnegotiation"), (client.unknown_commands, "unknown telnet command")]
    {
        if n > 0 {
            facts.push(format!("{} discarded", count(usize::try_from(n).unwrap_or(usize::MAX), what)));
        }
    }
    let states =
        [(client.has_pen, "has the pen"), (client.suspended, "suspended"), (client.half_closed, "sends no more")];
    facts.extend(states.iter().filter(|(is_so, _)| *is_so).map(|(_, what)| (*what).to_owned()));
    facts.extend(client.signature.as_deref().map(printable));
    let last = facts.len() - 1;
    facts[..last].iter_mut().for_each(|fact| fact.push(','));
    facts
}

/// A name and a value, which goes on below itself.
fn push_row(block: &mut String, name: &str, value: &str, colour: Option<Colour>, look: Style) {
    push_lines(block, name, wrap(value, WIDTH - VALUES), colour, look);
}

fn push_lines(block: &mut String, name: &str, lines: Vec<String>, colour: Option<Colour>, look: Style) {
    for (index, line) in lines.into_iter().enumerate() {
        let name = if index == 0 { name } else { "" };
        let line = colour.map_or_else(|| line.clone(), |colour| look.paint(&line, colour));
        let _ = writeln!(block, "    {name:width$}{line}", width = VALUES - 4);
    }
}

#[cfg(test)]
mod tests;
