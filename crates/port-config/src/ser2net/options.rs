//! The options of a connection: a row each, and what they mean here.

use super::banner;
use super::connection::{Setting, SettingOrigin};
use super::gensio;
use super::reader::number;
use super::remark::{ImportRefusal, NoteKind, Remarks};
use super::switch;
use super::yaml::PlacedText;
use crate::config::source::Place;
use crate::config::{Banner, Network, Telnet};
use crate::error::shown;

/// What a row is about.
#[derive(Clone, Copy, Debug)]
enum OptionMeaning {
    KickOldUser,
    MaxConnections,
    Banner,
    Signature,
    BreakOnSync,
    CharDelay,
    CharDelayScale,
    CharDelayMin,
    CharDelayMax,
    RemoteAddresses,
    ReadOnly,
    WriteOnly,
    OpenText,
    CloseText,
    CloseOn,
    SendOn,
    Trace(TraceWay),
    Hexdump(Option<TraceWay>),
    Timestamp(Option<TraceWay>),
    /// Nothing to write: the note is all there is to it.
    Said(NoteKind, &'static str),
    /// Who may connect depends on it, so nobody gets in without it.
    Guards(&'static str),
}

/// What a trace has: from the line, to the line, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TraceWay {
    Read,
    Write,
    Both,
}

const SIZES: OptionMeaning =
    OptionMeaning::Said(NoteKind::Better, "a port keeps 256 KiB for clients that are behind (`backlog`)");
const RETRY: OptionMeaning =
    OptionMeaning::Said(NoteKind::Better, "what fails is tried again by itself, at longer and longer intervals");
const LED: OptionMeaning = OptionMeaning::Said(NoteKind::NoEquivalent, "sermux switches no LEDs");
const MDNS: OptionMeaning =
    OptionMeaning::Said(NoteKind::NoEquivalent, "sermux does not announce listeners by mDNS yet");
const CONNBACK: OptionMeaning = OptionMeaning::Said(NoteKind::NoEquivalent, "sermux does not connect back yet");

/// By the name in version 2, with `-`.
const OPTIONS: &[(&str, OptionMeaning)] = &[
    ("kickolduser", OptionMeaning::KickOldUser),
    ("max-connections", OptionMeaning::MaxConnections),
    ("banner", OptionMeaning::Banner),
    ("signature", OptionMeaning::Signature),
    ("telnet-brk-on-sync", OptionMeaning::BreakOnSync),
    ("chardelay", OptionMeaning::CharDelay),
    ("chardelay-scale", OptionMeaning::CharDelayScale),
    ("chardelay-min", OptionMeaning::CharDelayMin),
    ("chardelay-max", OptionMeaning::CharDelayMax),
    ("remaddr", OptionMeaning::RemoteAddresses),
    ("no-acc-to-con", OptionMeaning::ReadOnly),
    ("no-con-to-acc", OptionMeaning::WriteOnly),
    ("trace-read", OptionMeaning::Trace(TraceWay::Read)),
    ("trace-write", OptionMeaning::Trace(TraceWay::Write)),
    ("trace-both", OptionMeaning::Trace(TraceWay::Both)),
    ("tr", OptionMeaning::Trace(TraceWay::Read)),
    ("tw", OptionMeaning::Trace(TraceWay::Write)),
    ("tb", OptionMeaning::Trace(TraceWay::Both)),
    ("trace-hexdump", OptionMeaning::Hexdump(None)),
    ("trace-read-hexdump", OptionMeaning::Hexdump(Some(TraceWay::Read))),
    ("trace-write-hexdump", OptionMeaning::Hexdump(Some(TraceWay::Write))),
    ("trace-both-hexdump", OptionMeaning::Hexdump(Some(TraceWay::Both))),
    ("hexdump", OptionMeaning::Hexdump(None)),
    ("tr-hexdump", OptionMeaning::Hexdump(Some(TraceWay::Read))),
    ("tw-hexdump", OptionMeaning::Hexdump(Some(TraceWay::Write))),
    ("tb-hexdump", OptionMeaning::Hexdump(Some(TraceWay::Both))),
    ("trace-timestamp", OptionMeaning::Timestamp(None)),
    ("trace-read-timestamp", OptionMeaning::Timestamp(Some(TraceWay::Read))),
    ("trace-write-timestamp", OptionMeaning::Timestamp(Some(TraceWay::Write))),
    ("trace-both-timestamp", OptionMeaning::Timestamp(Some(TraceWay::Both))),
    ("timestamp", OptionMeaning::Timestamp(None)),
    ("tr-timestamp", OptionMeaning::Timestamp(Some(TraceWay::Read))),
    ("tw-timestamp", OptionMeaning::Timestamp(Some(TraceWay::Write))),
    ("tb-timestamp", OptionMeaning::Timestamp(Some(TraceWay::Both))),
    ("openstr", OptionMeaning::OpenText),
    ("closestr", OptionMeaning::CloseText),
    ("closeon", OptionMeaning::CloseOn),
    ("sendon", OptionMeaning::SendOn),
    ("dev-to-net-bufsize", SIZES),
    ("net-to-dev-bufsize", SIZES),
    ("dev-to-tcp-bufsize", SIZES),
    ("tcp-to-dev-bufsize", SIZES),
    ("accepter-retry-time", RETRY),
    ("connector-retry-time", RETRY),
    ("connback", CONNBACK),
    ("connback-timeout", CONNBACK),
    (
        "timeout-on-os-queue",
        OptionMeaning::Said(
            NoteKind::Better,
            "what waits in the system for a client that takes nothing is timed by `keepalive`",
        ),
    ),
    ("led-rx", LED),
    ("led-tx", LED),
    ("led-conn", LED),
    ("mdns", MDNS),
    ("mdns-interface", MDNS),
    ("mdns-nettype", MDNS),
    ("mdns-name", MDNS),
    ("mdns-type", MDNS),
    ("mdns-domain", MDNS),
    ("mdns-host", MDNS),
    ("mdns-txt", MDNS),
    ("mdns-sysattrs", MDNS),
    (
        "authdir",
        OptionMeaning::Said(
            NoteKind::NoEquivalent,
            "sermux does not ask clients for passwords or certificates, as without `certauth` nor did ser2net",
        ),
    ),
    ("pamauth", OptionMeaning::Guards("sermux does not ask clients for a password")),
    ("allowed-users", OptionMeaning::Guards("sermux knows no users of its own")),
];

/// Whether there is such an option.
pub(super) fn is_option(name: &str) -> bool {
    OPTIONS.iter().any(|(known, _)| *known == name)
}

/// What the options say.
#[derive(Debug, Default)]
pub(super) struct OptionTerms {
    pub(super) kick_old_user: Option<Place>,
    pub(super) max_connections: Option<(u32, Place)>,
    pub(super) banner: Option<Banner>,
    pub(super) signature: Option<String>,
    pub(super) break_on_sync: Option<Place>,
    pub(super) allow: Vec<String>,
    /// `None` is the listener's default.
    pub(super) access: Option<&'static str>,
    pub(super) open_text: Option<Banner>,
    pub(super) close_text: Option<Banner>,
    pub(super) close_on: Option<String>,
    pub(super) delay: CharDelayTimes,
    pub(super) traces: Vec<TraceFile>,
}

/// The chardelay family.
#[derive(Debug)]
pub(super) struct CharDelayTimes {
    is_on: bool,
    /// Tenths of a character.
    scale: u64,
    /// Microseconds.
    least: u64,
    most: u64,
    until: Option<String>,
    /// Where one of these stands.
    place: Option<Place>,
}

impl Default for CharDelayTimes {
    fn default() -> Self {
        CharDelayTimes { is_on: true, scale: 20, least: 1000, most: 20_000, until: None, place: None }
    }
}

impl CharDelayTimes {
    /// Where it is set, and what it is here: a silence of some characters within bounds, and a text that ends the wait.
    pub(super) fn gather(&self) -> Option<(Place, Gathering)> {
        let place = self.place.filter(|_| self.is_on)?;
        let milliseconds = |micros: u64| micros.div_ceil(1000).clamp(1, 10_000);
        let least = milliseconds(self.least);
        let tenths = self.scale.clamp(1, 1000);
        Some((place, Gathering { tenths, least, most: milliseconds(self.most).max(least), until: self.until.clone() }))
    }
}

/// The keys of `gather`, times in milliseconds.
#[derive(Debug)]
pub(super) struct Gathering {
    pub(super) tenths: u64,
    pub(super) least: u64,
    pub(super) most: u64,
    pub(super) until: Option<String>,
}

/// A trace file.
#[derive(Debug)]
pub(super) struct TraceFile {
    pub(super) way: TraceWay,
    pub(super) file: PlacedText,
    pub(super) is_hexdump: bool,
    pub(super) has_timestamp: bool,
}

/// Reads all options of one connection.
pub(super) fn read(settings: &[Setting], remarks: &mut Remarks) -> Result<OptionTerms, ImportRefusal> {
    let mut terms = OptionTerms::default();
    let mut traces: Vec<(TraceWay, PlacedText)> = Vec::new();
    let mut hexdump = TraceFlags::default();
    let mut timestamp = TraceFlags::default();
    for setting in settings {
        let Some((_, meaning)) = OPTIONS.iter().find(|(name, _)| *name == setting.name) else {
            let name = shown(&setting.name);
            remarks.no_equivalent(setting.place, format!("`{name}` is no option that ser2net has: left out"));
            continue;
        };
        let name = &setting.name;
        match *meaning {
            OptionMeaning::KickOldUser => terms.kick_old_user = setting.is_on()?.then_some(setting.place),
            OptionMeaning::MaxConnections => {
                let most = u32::try_from(setting.number(1)?).unwrap_or(u32::MAX).min(100_000);
                terms.max_connections = Some((most, setting.place));
            }
            OptionMeaning::Banner => terms.banner = banner::read(setting, remarks),
            OptionMeaning::Signature => terms.signature = signature(setting, remarks),
            OptionMeaning::BreakOnSync => terms.break_on_sync = setting.is_on()?.then_some(setting.place),
            OptionMeaning::CharDelay => terms.delay.is_on = setting.is_on()?,
            OptionMeaning::CharDelayScale => {
                terms.delay.scale = setting.number(0)?;
                terms.delay.place = Some(setting.place);
            }
            OptionMeaning::CharDelayMin => {
                terms.delay.least = setting.number(0)?;
                terms.delay.place = Some(setting.place);
            }
            OptionMeaning::CharDelayMax => {
                terms.delay.most = setting.number(0)?;
                terms.delay.place = Some(setting.place);
            }
            OptionMeaning::RemoteAddresses => remote_addresses(setting, &mut terms, remarks)?,
            OptionMeaning::ReadOnly => {
                terms.access = setting.is_on()?.then_some("read-only").or(terms.access);
                remarks.translated(setting.place, format!("{name} → access: read-only"));
            }
            OptionMeaning::WriteOnly => {
                terms.access = setting.is_on()?.then_some("write-only").or(terms.access);
                remarks.translated(setting.place, format!("{name} → access: write-only"));
            }
            OptionMeaning::OpenText => {
                terms.open_text = banner::read(setting, remarks);
                remarks.translated(setting.place, format!("{name} → modem: {{ on-connect: {{ send: … }} }}"));
            }
            OptionMeaning::CloseText => {
                terms.close_text = banner::read(setting, remarks);
                remarks.translated(setting.place, format!("{name} → modem: {{ on-disconnect: {{ send: … }} }}"));
            }
            OptionMeaning::CloseOn => {
                terms.close_on = banner::marker(setting, remarks);
                remarks.translated(setting.place, format!("{name} → close-on"));
            }
            OptionMeaning::SendOn => {
                terms.delay.until = banner::marker(setting, remarks);
                terms.delay.place = Some(setting.place);
            }
            OptionMeaning::Trace(way) => {
                traces.retain(|(other, _)| *other != way);
                traces.extend(setting.value.clone().filter(|file| !file.text.is_empty()).map(|file| (way, file)));
            }
            OptionMeaning::Hexdump(way) => hexdump.set(way, setting.is_on()?),
            OptionMeaning::Timestamp(way) => timestamp.set(way, setting.is_on()?),
            OptionMeaning::Said(kind, text) => say(kind, setting, text, remarks),
            OptionMeaning::Guards(why) => {
                return Err(ImportRefusal::LeftOut(
                    setting.place,
                    format!("{name}: {why}, and everybody would get in"),
                ));
            }
        }
    }
    let own = settings.iter().find(|setting| setting.name == "remaddr" && setting.origin == SettingOrigin::Own);
    if let Some(setting) = own.filter(|_| !terms.allow.is_empty()) {
        remarks.translated(setting.place, format!("remaddr → allow: [{}]", terms.allow.join(", ")));
    }
    let trace = |(way, file)| TraceFile { way, file, is_hexdump: hexdump.of(way), has_timestamp: timestamp.of(way) };
    terms.traces = traces.into_iter().map(trace).collect();
    Ok(terms)
}

fn say(kind: NoteKind, setting: &Setting, text: &str, remarks: &mut Remarks) {
    // `mdns: false` takes nothing away.
    if setting.is_on().is_ok_and(|is_on| !is_on) && setting.value.is_some() {
        return;
    }
    let text = format!("{}: {text}", setting.name);
    match kind {
        NoteKind::Translated => remarks.translated(setting.place, text),
        NoteKind::Better => remarks.better(setting.place, text),
        NoteKind::NoEquivalent => remarks.no_equivalent(setting.place, text),
    }
}

/// Of all trace files, or of one.
#[derive(Default)]
struct TraceFlags {
    read: bool,
    write: bool,
    both: bool,
}

impl TraceFlags {
    /// What comes later goes before.
    fn set(&mut self, way: Option<TraceWay>, is_on: bool) {
        match way {
            None => (self.read, self.write, self.both) = (is_on, is_on, is_on),
            Some(TraceWay::Read) => self.read = is_on,
            Some(TraceWay::Write) => self.write = is_on,
            Some(TraceWay::Both) => self.both = is_on,
        }
    }

    fn of(&self, way: TraceWay) -> bool {
        match way {
            TraceWay::Read => self.read,
            TraceWay::Write => self.write,
            TraceWay::Both => self.both,
        }
    }
}

impl Setting {
    /// An option alone is true.
    fn is_on(&self) -> Result<bool, ImportRefusal> {
        let Some(value) = &self.value else { return Ok(true) };
        switch(&value.text).ok_or_else(|| {
            let message = format!("`{}` is neither true nor false", shown(&value.text));
            ImportRefusal::fault(value.place, message, format!("write `{}: true` or `{}: false`", self.name, self.name))
        })
    }

    fn number(&self, least: u64) -> Result<u64, ImportRefusal> {
        let value = self.value.as_ref();
        value.and_then(|value| number(&value.text)).filter(|number| *number >= least).ok_or_else(|| {
            let message =
                format!("`{}` is not a number for `{}`", shown(value.map_or("", |value| &value.text)), self.name);
            ImportRefusal::fault(
                value.map_or(self.place, |value| value.place),
                message,
                format!("write a number from {least} on"),
            )
        })
    }
}

fn signature(setting: &Setting, remarks: &mut Remarks) -> Option<String> {
    let text = &setting.value.as_ref()?.text;
    if text.is_empty() || text.len() > Telnet::MAX_SIGNATURE || text.contains(crate::is_unprintable) {
        let message = "signature: left out, because it must have 1 to 255 printable characters; clients get sermux, its version and the port";
        remarks.no_equivalent(setting.place, message);
        return None;
    }
    Some(text.clone())
}

/// `addr[,port];addr`; with `!` it is one to connect to.
fn remote_addresses(setting: &Setting, terms: &mut OptionTerms, remarks: &mut Remarks) -> Result<(), ImportRefusal> {
    let Some(value) = &setting.value else { return Ok(()) };
    for part in value.text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        if let Some(back) = part.strip_prefix('!') {
            let message = format!("remaddr: sermux does not connect back yet ({})", shown(back));
            remarks.no_equivalent(value.place, message);
            continue;
        }
        let wrong = || {
            let message =
                format!("remaddr: `{}` is not an IP address, and without it everybody would get in", shown(part));
            ImportRefusal::LeftOut(value.place, message)
        };
        let words = gensio::words(part).map_err(|_| wrong())?;
        let mut words: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        words.retain(|word| !matches!(word.to_ascii_lowercase().as_str(), "tcp" | "udp" | "ipv4" | "ipv6" | "ipv6n4"));
        let (host, port) = match words[..] {
            [host] => (host, "0"),
            [host, port] => (host, port),
            _ => return Err(wrong()),
        };
        let host = if host == "localhost" { "127.0.0.1" } else { host };
        let network: Network = host.trim_matches(['[', ']']).parse().map_err(|_| wrong())?;
        if port.parse() != Ok(0_u16) {
            let message = format!("remaddr: {host} may connect from any of its ports, not only from {}", shown(port));
            remarks.no_equivalent(value.place, message);
        }
        terms.allow.push(network.to_string());
    }
    Ok(())
}
