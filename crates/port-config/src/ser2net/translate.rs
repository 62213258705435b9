//! Connections to ports: those on one device become the listeners of one port.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::accepter::TelnetAccepter;
use super::connection::Connection;
use super::connector::{Ser2netLine, Ser2netRs485};
use super::native::{self, NativeKeys, NativeListener, NativePort, NativeValue};
use super::options::{self, Gathering, OptionTerms, TraceFile, TraceWay};
use super::reader::Ser2netReader;
use super::remark::{ImportRefusal, Remark, Remarks};
use super::{ImportNote, Imported};
use crate::config::file::is_plain_name;
use crate::config::keys::{is_built, Section};
use crate::config::source::{Place, Problem};
use crate::config::Address;
use crate::error::shown;
use crate::line::{DataBits, FlowControl, Parity, StopBits};
use crate::units::format_duration;

/// A connection with what its options say.
struct ConnectionOffer {
    connection: Connection,
    terms: OptionTerms,
}

/// What is read, as ports with notes.
pub(super) fn finish(mut reader: Ser2netReader<'_>) -> Imported {
    let connections = std::mem::take(&mut reader.connections);
    let all = connections.len() + reader.left_out;
    let offers = offers(connections, &mut reader);
    let groups = groups(offers, &reader);
    let mut names = HashSet::new();
    let mut captures = HashSet::new();
    let mut imported = 0;
    let mut ports = Vec::new();
    for group in groups {
        let (port, remarks) = port(group, &mut names, &mut captures, &mut imported);
        reader.remarks.extend(remarks);
        ports.extend(port);
    }
    general(&ports, &mut reader.remarks);
    let yaml = native::write(&ports);
    Imported {
        yaml,
        notes: notes(std::mem::take(&mut reader.remarks), &reader),
        faults: reader.sources.faults(reader.faults),
        connections: (imported, all),
    }
}

/// What is different for all of them, once.
fn general(ports: &[NativePort], remarks: &mut Vec<Remark>) {
    let Some(first) = ports.iter().map(|port| port.place).min() else { return };
    let mut all = Remarks::about("all ports");
    all.better(
        first,
        "a client that falls behind is disconnected and no longer holds up the device and everybody else (on-lag: disconnect, \
         the default); ser2net's way is `on-lag: hold`",
    );
    all.better(
        first,
        "the device stays open, and clients stay connected when it is unplugged; ser2net's way is `open: on-demand`",
    );
    if ports.iter().any(|port| port.keys.value("gather").is_none()) {
        all.better(
            first,
            "received bytes are sent at once; ser2net waits for more (chardelay), which is `gather` here",
        );
    }
    if ports.iter().any(|port| port.keys.value("lock-file").is_none()) {
        all.better(
            first,
            "the device is locked by flock and TIOCEXCL; for other programs that look for UUCP lock files there is \
             `lock-file: true`",
        );
    }
    remarks.append(&mut all.list);
}

fn notes(mut remarks: Vec<Remark>, reader: &Ser2netReader<'_>) -> Vec<ImportNote> {
    remarks.sort_by_key(|remark| remark.place);
    remarks.dedup_by(|a, b| a.place == b.place && a.kind == b.kind && a.text == b.text);
    let note = |remark: Remark| {
        let (file, line, column) = reader.sources.shown(remark.place);
        ImportNote { file, line, column, kind: remark.kind, subject: remark.subject, text: remark.text }
    };
    remarks.into_iter().map(note).collect()
}

/// Those whose options have a meaning and whose address is free.
fn offers(connections: Vec<Connection>, reader: &mut Ser2netReader<'_>) -> Vec<ConnectionOffer> {
    let mut taken: HashMap<Option<u16>, Vec<(Address, Place)>> = HashMap::new();
    let mut offers = Vec::new();
    for mut connection in connections {
        let mut remarks = std::mem::take(&mut connection.remarks);
        let terms = match options::read(&connection.options, &mut remarks) {
            Ok(terms) => terms,
            Err(refusal) => {
                reader.refuse(&connection.name, refusal);
                continue;
            }
        };
        let address = &connection.accepter.address;
        let others = taken.entry(address.port()).or_default();
        if connection.is_enabled {
            if let Some((other, place)) = others.iter().find(|(other, _)| other.overlaps(address)) {
                let message = format!("`{other}` is taken by another connection");
                reader.faults.push(
                    Problem::new(connection.accepter.place, "", message)
                        .note("it is at", *place)
                        .help("give each connection a TCP port of its own"),
                );
                continue;
            }
            others.push((address.clone(), connection.accepter.place));
        }
        connection.remarks = remarks;
        offers.push(ConnectionOffer { connection, terms });
    }
    offers
}

/// Those on one device together, in the order of their first ones.
fn groups(offers: Vec<ConnectionOffer>, reader: &Ser2netReader<'_>) -> Vec<Vec<ConnectionOffer>> {
    let mut groups: Vec<Vec<ConnectionOffer>> = Vec::new();
    let mut by_device: HashMap<PathBuf, usize> = HashMap::new();
    for offer in offers {
        let device = Path::new(&offer.connection.connector.device);
        // A simulated device is another one for each port.
        if !device.has_root() {
            groups.push(vec![offer]);
            continue;
        }
        let real = reader.files.real(device);
        let known = by_device.get(device).or_else(|| real.as_ref().and_then(|real| by_device.get(real))).copied();
        let index = known.unwrap_or(groups.len());
        by_device.insert(device.to_owned(), index);
        by_device.extend(real.map(|real| (real, index)));
        match groups.get_mut(index) {
            Some(group) => group.push(offer),
            None => groups.push(vec![offer]),
        }
    }
    groups
}

/// One port with all listeners that can be its.
fn port(
    group: Vec<ConnectionOffer>,
    names: &mut HashSet<String>,
    captures: &mut HashSet<String>,
    imported: &mut usize,
) -> (Option<NativePort>, Vec<Remark>) {
    let is_enabled = group.iter().any(|offer| offer.connection.is_enabled);
    let mut all = Vec::new();
    let mut port: Option<(NativePort, Connection)> = None;
    for ConnectionOffer { mut connection, terms } in group {
        let mut remarks = std::mem::take(&mut connection.remarks);
        let place = connection.place;
        if is_enabled && !connection.is_enabled {
            remarks.no_equivalent(
                place,
                "left out: it is switched off (enable: off), and other connections on its device are not",
            );
            all.append(&mut remarks.list);
            continue;
        }
        match &mut port {
            None => {
                let name = name(&connection.name, names);
                if name != connection.name {
                    remarks
                        .translated(place, format!("the port is called {name}: {}", crate::config::file::PLAIN_NAME));
                }
                let mut first = NativePort {
                    name,
                    place,
                    comments: std::mem::take(&mut connection.comments),
                    keys: NativeKeys::default(),
                    listeners: Vec::new(),
                };
                if !is_enabled {
                    first.keys.add("enable", NativeValue::plain("false"));
                    remarks.translated(place, "enable: off → enable: false");
                }
                let comments = Vec::new();
                port_keys(&mut first.keys, &connection, &terms, captures, &mut remarks);
                first.listeners.push(listener(&connection, &terms, comments, None, &mut remarks));
                port = Some((first, connection));
                *imported += 1;
            }
            Some((port, first)) => match other_line(first, &connection) {
                Ok(line) => {
                    let message = format!("it is a second listener of the port {}, on the same device", port.name);
                    remarks.better(place, message);
                    same_device(port, &first.connector.line, &connection, &terms, captures, &mut remarks);
                    let comments = std::mem::take(&mut connection.comments);
                    port.listeners.push(listener(&connection, &terms, comments, line, &mut remarks));
                    *imported += 1;
                }
                Err(ImportRefusal::LeftOut(place, why)) => remarks.no_equivalent(place, format!("left out: {why}")),
                Err(ImportRefusal::Fault(_)) => {}
            },
        }
        all.append(&mut remarks.list);
    }
    (port.map(|(port, _)| port), all)
}

/// The settings that a second connection on a device has for itself.
fn other_line(first: &Connection, other: &Connection) -> Result<Option<String>, ImportRefusal> {
    let (one, two) = (&first.connector.line, &other.connector.line);
    if one.settings == two.settings {
        return Ok(None);
    }
    if is_built(Section::Listener, "line") {
        return Ok(Some(two.settings.to_string()));
    }
    let message = format!(
        "the connection {} has the same device at {}, and a listener cannot have settings of its own yet ({})",
        shown(&first.name),
        one.settings,
        two.settings
    );
    Err(ImportRefusal::LeftOut(other.connector.place, message))
}

/// What a second connection says about the device, where it is something else.
fn same_device(
    port: &mut NativePort,
    first: &Ser2netLine,
    other: &Connection,
    terms: &OptionTerms,
    captures: &mut HashSet<String>,
    remarks: &mut Remarks,
) {
    let (one, two) = (first, &other.connector.line);
    if one.local != two.local || one.rs485 != two.rs485 {
        let message = format!("local, rs485: they are as the port {} has them, for all its listeners", port.name);
        remarks.no_equivalent(other.connector.place, message);
    }
    let mut keys = NativeKeys::default();
    port_keys(&mut keys, other, terms, captures, &mut Remarks::default());
    for (key, value) in keys.0 {
        if matches!(key, "device" | "line" | "enable") {
            continue;
        }
        match port.keys.value(key) {
            None => {
                remarks.translated(other.place, format!("{key} holds for all listeners of the port {}", port.name));
                port.keys.add(key, value);
            }
            Some(known) if *known == value => {}
            Some(_) => {
                let message =
                    format!("{key}: the port {} has another value, which holds for all its listeners", port.name);
                remarks.no_equivalent(other.place, message);
            }
        }
    }
}

/// What concerns the device.
fn port_keys(
    keys: &mut NativeKeys,
    connection: &Connection,
    terms: &OptionTerms,
    captures: &mut HashSet<String>,
    remarks: &mut Remarks,
) {
    let line = &connection.connector.line;
    keys.add("device", NativeValue::text(&connection.connector.device));
    keys.add("line", line_value(line));
    let mut modem = NativeKeys::default();
    for (key, output) in [("dtr", line.dtr), ("rts", line.rts)] {
        // Both are on without a word.
        if let Some(false) = output {
            modem.add(key, NativeValue::plain("off"));
        }
    }
    if line.hangup_when_done {
        keys.add("open", NativeValue::plain("on-demand"));
        keys.add("linger", NativeValue::plain("0s"));
        modem.add("hangup-on-close", NativeValue::plain("true"));
        remarks.translated(
            connection.connector.place,
            "hangup-when-done → open: on-demand, linger: 0s, modem: { hangup-on-close: true }",
        );
    }
    for (key, text) in [("on-connect", &terms.open_text), ("on-disconnect", &terms.close_text)] {
        if let Some(text) = text {
            let mut send = NativeKeys::default();
            send.add("send", NativeValue::text(text.as_str()));
            modem.add(key, NativeValue::Map(send));
        }
    }
    if !modem.0.is_empty() {
        keys.add("modem", NativeValue::Map(modem));
    }
    if line.lock_file {
        keys.add("lock-file", NativeValue::plain("true"));
    }
    if line.read_only {
        keys.add("write", NativeValue::plain("none"));
        remarks.translated(connection.connector.place, "rdonly → write: none");
    }
    if let Some((place, gathering)) = terms.delay.gather() {
        let gather = gather_value(&gathering);
        remarks.translated(place, format!("chardelay, sendon → gather: {}", native::inline(&gather)));
        keys.add("gather", gather);
    }
    if let Some(capture) = capture(&terms.traces, captures, remarks) {
        keys.add("capture", NativeValue::Map(capture));
    }
}

/// What differs from the defaults, which are those of ser2net.
fn gather_value(gathering: &Gathering) -> NativeValue {
    let mut keys = NativeKeys::default();
    let (whole, tenth) = (gathering.tenths / 10, gathering.tenths % 10);
    let chars = if tenth == 0 { whole.to_string() } else { format!("{whole}.{tenth}") };
    keys.add("chars", NativeValue::plain(chars));
    if gathering.least != 1 {
        keys.add("min", NativeValue::plain(format!("{}ms", gathering.least)));
    }
    if gathering.most != 20 {
        keys.add("max", NativeValue::plain(format!("{}ms", gathering.most)));
    }
    if let Some(until) = &gathering.until {
        keys.add("until", NativeValue::text(until));
    }
    NativeValue::Map(keys)
}

/// `9600 8N1`, or a mapping where there is more to say.
fn line_value(line: &Ser2netLine) -> NativeValue {
    if line.local && line.rs485.is_none() {
        return NativeValue::plain(line.settings.to_string());
    }
    let mut keys = NativeKeys::default();
    let settings = &line.settings;
    keys.add("baud", NativeValue::plain(settings.baud.to_string()));
    if settings.data_bits != DataBits::default() {
        keys.add("data-bits", NativeValue::plain(settings.data_bits.to_string()));
    }
    if settings.parity != Parity::default() {
        keys.add("parity", NativeValue::plain(settings.parity.to_string()));
    }
    if settings.stop_bits != StopBits::default() {
        keys.add("stop-bits", NativeValue::plain(settings.stop_bits.to_string()));
    }
    if settings.flow_control != FlowControl::default() {
        keys.add("flow-control", NativeValue::plain(settings.flow_control.to_string()));
    }
    if !line.local {
        keys.add("clocal", NativeValue::plain("false"));
    }
    if let Some(rs485) = &line.rs485 {
        keys.add("rs485", rs485_value(rs485));
    }
    NativeValue::Map(keys)
}

fn rs485_value(rs485: &Ser2netRs485) -> NativeValue {
    let mut keys = NativeKeys::default();
    keys.add("enabled", NativeValue::plain("true"));
    if !rs485.rts_on_send {
        keys.add("rts-on-send", NativeValue::plain("false"));
        keys.add("rts-after-send", NativeValue::plain("true"));
    }
    for (key, delay) in [("delay-before-send", rs485.before), ("delay-after-send", rs485.after)] {
        if !delay.is_zero() {
            keys.add(key, NativeValue::plain(format_duration(delay)));
        }
    }
    if rs485.rx_during_tx {
        keys.add("rx-during-tx", NativeValue::plain("true"));
    }
    NativeValue::Map(keys)
}

/// One file for a port: that with both directions, or the first.
fn capture(traces: &[TraceFile], captures: &mut HashSet<String>, remarks: &mut Remarks) -> Option<NativeKeys> {
    let usable = |trace: &&TraceFile| {
        let file = &trace.file.text;
        is_full_path(file) && !file.contains('\\')
    };
    let chosen = traces.iter().filter(usable).find(|trace| trace.way == TraceWay::Both).or(traces.iter().find(usable));
    let chosen = chosen.filter(|trace| captures.insert(trace.file.text.clone()));
    for trace in traces {
        let file = shown(&trace.file.text);
        let name = trace.way.name();
        if chosen.is_some_and(|chosen| chosen.way == trace.way) {
            let text = "a line begins with > or < for its direction, bytes that cannot be printed are escaped, and a new file \
                        begins at 10 MiB or after 7 days";
            remarks.better(trace.file.place, format!("{name} → capture: {text}"));
        } else if trace.file.text.contains('\\') {
            remarks.no_equivalent(
                trace.file.place,
                format!("{name}: a capture has one file yet, without \\d, \\Y and the like: {file}"),
            );
        } else if !is_full_path(&trace.file.text) {
            remarks.no_equivalent(
                trace.file.place,
                format!("{name}: a capture needs the full path of a file, not {file}"),
            );
        } else {
            remarks.no_equivalent(
                trace.file.place,
                format!("{name}: a port has one capture, in a file of its own: {file} is left out"),
            );
        }
    }
    let chosen = chosen?;
    let mut keys = NativeKeys::default();
    keys.add("file", NativeValue::text(&chosen.file.text));
    match chosen.way {
        TraceWay::Read => keys.add("direction", NativeValue::plain("rx")),
        TraceWay::Write => keys.add("direction", NativeValue::plain("tx")),
        TraceWay::Both => {}
    }
    if chosen.is_hexdump {
        keys.add("format", NativeValue::plain("hex"));
    }
    if !chosen.has_timestamp {
        keys.add("timestamp", NativeValue::plain("false"));
    }
    Some(keys)
}

/// What a capture takes for a file.
fn is_full_path(text: &str) -> bool {
    text.starts_with('/') && !text.ends_with('/') && !text.contains(crate::is_unprintable)
}

impl TraceWay {
    fn name(self) -> &'static str {
        match self {
            TraceWay::Read => "trace-read",
            TraceWay::Write => "trace-write",
            TraceWay::Both => "trace-both",
        }
    }
}

/// Longer than any time that a listener may have.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// What concerns clients.
fn listener(
    connection: &Connection,
    terms: &OptionTerms,
    comments: Vec<String>,
    line: Option<String>,
    remarks: &mut Remarks,
) -> NativeListener {
    let mut keys = NativeKeys::default();
    let telnet = connection.accepter.telnet;
    keys.add("protocol", NativeValue::plain(if telnet.is_some() { "telnet" } else { "raw" }));
    keys.add("address", address(&connection.accepter.address));
    if telnet == Some(TelnetAccepter::Rfc2217) {
        keys.add("rfc2217", NativeValue::plain("true"));
    }
    if let Some(line) = line {
        keys.add("line", NativeValue::plain(line));
    }
    match terms.access {
        Some("read-only") if connection.connector.line.read_only => {}
        Some(access) => keys.add("access", NativeValue::plain(access)),
        None => {}
    }
    clients(&mut keys, connection, terms, remarks);
    timeout(&mut keys, connection, terms, remarks);
    if !terms.allow.is_empty() {
        keys.add("allow", NativeValue::List(terms.allow.iter().map(NativeValue::text).collect()));
    }
    if let Some(banner) = &terms.banner {
        keys.add("banner", NativeValue::text(banner.as_str()));
    }
    if let Some(text) = &terms.close_on {
        keys.add("close-on", NativeValue::text(text));
    }
    match (&terms.signature, telnet) {
        (Some(signature), Some(_)) => keys.add("signature", NativeValue::text(signature)),
        (Some(_), None) => remarks.translated(connection.place, "signature: a raw listener has none"),
        (None, _) => {}
    }
    match (terms.break_on_sync, telnet) {
        (Some(place), Some(_)) => {
            keys.add("break-on-sync", NativeValue::plain("true"));
            remarks.translated(place, "telnet-brk-on-sync → break-on-sync: true");
        }
        (Some(place), None) => {
            remarks.translated(place, "telnet-brk-on-sync: nothing to write, the listener speaks no telnet")
        }
        (None, _) => {}
    }
    remarks.translated(connection.place, format!("{} → {}", connection.connector.device, offer(connection)));
    NativeListener { comments, keys }
}

/// `raw at *:2001`
fn offer(connection: &Connection) -> String {
    let protocol = match connection.accepter.telnet {
        None => "raw",
        Some(TelnetAccepter::Plain) => "telnet",
        Some(TelnetAccepter::Rfc2217) => "telnet with rfc2217",
    };
    format!("{protocol} at {}", connection.accepter.address)
}

/// One client at a time is ser2net's default.
fn clients(keys: &mut NativeKeys, connection: &Connection, terms: &OptionTerms, remarks: &mut Remarks) {
    let most = terms.max_connections.map_or(1, |(most, _)| most);
    if most != 64 {
        keys.add("max-clients", NativeValue::plain(most.to_string()));
    }
    match terms.max_connections {
        Some((most, place)) => remarks.translated(place, format!("max-connections → max-clients: {most}")),
        None => remarks.translated(
            connection.place,
            "one client at a time, as ser2net has it → max-clients: 1; without it 64 clients share the port",
        ),
    }
    if let Some(place) = terms.kick_old_user {
        keys.add("when-full", NativeValue::plain("kick-oldest"));
        remarks.translated(place, "kickolduser → when-full: kick-oldest");
    }
}

fn timeout(keys: &mut NativeKeys, connection: &Connection, terms: &OptionTerms, remarks: &mut Remarks) {
    let Some((seconds, place)) = connection.timeout.filter(|(seconds, _)| *seconds > 0) else { return };
    let time = Duration::from_secs(seconds);
    if time > LONGEST_TIMEOUT {
        let message =
            "timeout: a client that is silent for longer than a day stays connected; `keepalive` finds vanished clients \
                       within a minute";
        remarks.better(place, message);
        return;
    }
    let time = format_duration(time);
    remarks.translated(place, format!("timeout → idle-timeout: {time}"));
    if terms.access == Some("read-only") || connection.connector.line.read_only {
        let message = format!(
            "idle-timeout: {time} disconnects clients that may not write whenever the device is silent for that time"
        );
        remarks.translated(place, message);
    }
    keys.add("idle-timeout", NativeValue::plain(time));
}

/// A bare number for this machine alone.
fn address(address: &Address) -> NativeValue {
    match address {
        Address::Localhost { port } => NativeValue::plain(port.to_string()),
        other => NativeValue::text(other.to_string()),
    }
}

/// A legal name that no other port has.
fn name(name: &str, names: &mut HashSet<String>) -> String {
    let legal: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' }).collect();
    let legal: String = legal.trim_matches(['-', '.']).chars().take(60).collect();
    let plain = if is_plain_name(name) {
        name.to_owned()
    } else if is_plain_name(&legal) {
        legal
    } else {
        "port".to_owned()
    };
    let numbered = |number: usize| format!("{}-{number}", plain.chars().take(56).collect::<String>());
    let free = std::iter::once(plain.clone()).chain((2..).map(numbered)).find(|name| !names.contains(name));
    let free = free.unwrap_or(plain);
    names.insert(free.clone());
    free
}
