//! Mappings of the file as layers: every written value, parsed and with its place. No default is applied yet.
//!
//! A port's own mapping, its profile and the file's `defaults` are one layer each; `resolve` lays them over each other.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::capture::{capture, CaptureLayer};
use super::cut;
use super::gather::gather;
use super::half_close::half_close;
use super::keys::{find, meant_by, Role, Section};
use super::limits::{limits, LimitsLayer};
use super::marker::marker;
use super::modem::{modem, ModemLayer};
use super::network::networks;
use super::replay::{replay, Replay};
use super::reset;
use super::rs485::{rs485, Rs485Layer};
use super::socket_file;
use super::source::{Place, Problem};
use super::telnet::{banner, signature, ProtocolWord};
use super::tree::{join, Entry, Node, Scalar, Style, Value};
use super::values::{
    boolean, duration, number, one_of, parsed, read, size, text, visible, word, ValueAt, Wrong, FALSE, TRUE,
};
use super::{
    profile, Access, Address, AddressError, Banner, Crc, Delimiter, Device, DeviceError, Enter, Framing, Gather,
    HalfClose, Marker, Network, OnGone, OnLag, OnRelease, Open, Usb, WhenFull, Write,
};
use crate::error::shown;
use crate::line::{BaudRate, DataBits, FlowControl, LineSettings, Parity, StopBits};
use crate::signal::Step;

/// Bytes of history: below a page nothing is gained, and 64 MiB is an hour and a half at 115200 baud.
pub(super) const BACKLOG: std::ops::RangeInclusive<usize> = 4 * 1024..=64 * 1024 * 1024;

/// A port's keys.
#[derive(Debug, Default)]
pub(super) struct PortLayer {
    pub(super) device: Option<ValueAt<Device>>,
    /// Vendor and product.
    pub(super) usb: Option<ValueAt<(u16, u16)>>,
    pub(super) usb_serial: Option<ValueAt<String>>,
    pub(super) enable: Option<ValueAt<bool>>,
    pub(super) profile: Option<ValueAt<&'static str>>,
    pub(super) line: LineLayer,
    pub(super) modem: ModemLayer,
    pub(super) on_release: Option<ValueAt<OnRelease>>,
    pub(super) reset: BTreeMap<String, Vec<Step>>,
    pub(super) open: Option<ValueAt<Open>>,
    pub(super) linger: Option<ValueAt<Duration>>,
    pub(super) expect_frame: Option<ValueAt<Duration>>,
    pub(super) capture: CaptureLayer,
    pub(super) limits: LimitsLayer,
    pub(super) exclusive: Option<ValueAt<bool>>,
    pub(super) lock_file: Option<ValueAt<Option<PathBuf>>>,
    pub(super) write: Option<ValueAt<Write>>,
    pub(super) frame: Option<ValueAt<Framing>>,
    pub(super) tx_frame: Option<ValueAt<Option<Delimiter>>>,
    pub(super) crc: Option<ValueAt<Crc>>,
    pub(super) gather: Option<ValueAt<Gather>>,
    pub(super) backlog: Option<ValueAt<usize>>,
    pub(super) client: ClientLayer,
    pub(super) listen: Option<Vec<ListenerLayer>>,
    /// Keys that were written, right, wrong or misspelt: what is there need not be asked for.
    pub(super) written: Vec<String>,
}

/// `line:`
#[derive(Debug, Default)]
pub(super) struct LineLayer {
    pub(super) baud: Option<ValueAt<BaudRate>>,
    pub(super) data_bits: Option<ValueAt<DataBits>>,
    pub(super) parity: Option<ValueAt<Parity>>,
    pub(super) stop_bits: Option<ValueAt<StopBits>>,
    pub(super) flow_control: Option<ValueAt<FlowControl>>,
    pub(super) clocal: Option<ValueAt<bool>>,
    pub(super) low_latency: Option<ValueAt<bool>>,
    pub(super) ignore_break: Option<ValueAt<bool>>,
    pub(super) rs485: Rs485Layer,
}

/// An entry of `listen:`
#[derive(Debug, Default)]
pub(super) struct ListenerLayer {
    pub(super) protocol: Option<ValueAt<ProtocolWord>>,
    pub(super) address: Option<ValueAt<Address>>,
    pub(super) line: Option<ValueAt<LineSettings>>,
    pub(super) rfc2217: Option<ValueAt<bool>>,
    pub(super) notify: Option<ValueAt<bool>>,
    pub(super) mode: Option<ValueAt<u32>>,
    pub(super) owner: Option<ValueAt<String>>,
    pub(super) group: Option<ValueAt<String>>,
    pub(super) client: ClientLayer,
}

/// What may stand on a port or on a listener.
#[derive(Debug, Default)]
pub(super) struct ClientLayer {
    pub(super) access: Option<ValueAt<Access>>,
    pub(super) allow: Option<ValueAt<Vec<Network>>>,
    pub(super) deny: Option<ValueAt<Vec<Network>>>,
    pub(super) max_clients: Option<ValueAt<usize>>,
    pub(super) when_full: Option<ValueAt<WhenFull>>,
    pub(super) on_lag: Option<ValueAt<OnLag>>,
    pub(super) on_gone: Option<ValueAt<OnGone>>,
    pub(super) idle_timeout: Option<ValueAt<Duration>>,
    pub(super) half_close: Option<ValueAt<HalfClose>>,
    pub(super) close_on: Option<ValueAt<Marker>>,
    pub(super) write_hold: Option<ValueAt<Duration>>,
    pub(super) replay: Option<ValueAt<Replay>>,
    pub(super) keepalive: Option<ValueAt<KeepaliveLayer>>,
    pub(super) banner: Option<ValueAt<Banner>>,
    pub(super) busy_text: Option<ValueAt<Banner>>,
    pub(super) signature: Option<ValueAt<String>>,
    pub(super) break_on_sync: Option<ValueAt<bool>>,
    pub(super) enter: Option<ValueAt<Enter>>,
}

/// `keepalive:`
#[derive(Debug)]
pub(super) enum KeepaliveLayer {
    Off,
    On { idle: Option<Duration>, interval: Option<Duration>, count: Option<u32>, user_timeout: Option<Duration> },
}

/// The entries of a mapping; nothing at all is an empty one.
pub(super) fn entries<'n>(node: &'n Node, path: &str, example: &str, problems: &mut Vec<Problem>) -> &'n [Entry] {
    match &node.value {
        Value::Map(entries) => entries,
        Value::Null => &[],
        _ => {
            let message = format!("a mapping is needed here, not {}", node.kind());
            problems.push(Problem::new(node.place, path, message).help(format!("write {example}")));
            &[]
        }
    }
}

/// Goes through the keys of a mapping that are built; [`find`] reports the rest.
pub(super) fn each_key(
    entries: &[Entry],
    role: Role,
    path: &str,
    problems: &mut Vec<Problem>,
    mut take: impl FnMut(&str, &Node, &str, &mut Vec<Problem>),
) {
    for entry in entries {
        let path = join(path, &entry.key.text);
        if let Some(key) = find(role, entry, &path, problems) {
            take(key.name, &entry.value, &path, problems);
        }
    }
}

/// A port, `defaults:` or a profile.
pub(super) fn port(node: &Node, role: Role, path: &str, problems: &mut Vec<Problem>) -> PortLayer {
    let mut layer = PortLayer::default();
    let entries = entries(node, path, "the keys of a port, one a line, indented", problems);
    layer.written = meant_by(role, entries);
    each_key(entries, role, path, problems, |key, value, path, problems| match key {
        "device" => layer.device = read(value, path, problems, device),
        "usb" => layer.usb = read(value, path, problems, usb),
        "usb-serial" => layer.usb_serial = read(value, path, problems, usb_serial),
        "enable" => layer.enable = read(value, path, problems, boolean),
        "profile" => layer.profile = read(value, path, problems, profile_name),
        "line" => layer.line = line(value, path, problems),
        "modem" => layer.modem = modem(value, path, problems),
        "on-release" => {
            let words = [("restore", OnRelease::Restore), ("keep", OnRelease::Keep)];
            layer.on_release = read(value, path, problems, |node| word(node, &words, &[]));
        }
        "reset" => layer.reset = reset::macros(value, path, problems),
        "open" => {
            let words = [("always", Open::Always), ("on-demand", Open::OnDemand)];
            layer.open = read(value, path, problems, |node| word(node, &words, &[]));
        }
        "linger" => {
            let range = Duration::ZERO..=Duration::from_secs(24 * 60 * 60);
            layer.linger = read(value, path, problems, |node| duration(node, range));
        }
        "expect" => layer.expect_frame = expect(value, path, problems),
        "capture" => layer.capture = capture(value, path, problems),
        "limits" => layer.limits = limits(value, path, problems),
        "exclusive" => layer.exclusive = read(value, path, problems, boolean),
        "lock-file" => layer.lock_file = read(value, path, problems, lock_file),
        "write" => {
            let words = [("any", Write::Any), ("first", Write::First), ("last", Write::Last), ("none", Write::None)];
            layer.write = read(value, path, problems, |node| word(node, &words, &[]));
        }
        "frame" => layer.frame = read(value, path, problems, cut::frame),
        "tx-frame" => layer.tx_frame = read(value, path, problems, cut::tx_frame),
        "crc" => {
            let words = [("pass", Crc::Pass), ("drop", Crc::Drop)];
            layer.crc = read(value, path, problems, |node| word(node, &words, &[]));
        }
        "gather" => layer.gather = gather(value, path, problems),
        "backlog" => layer.backlog = read(value, path, problems, |node| size(node, BACKLOG)),
        "listen" => layer.listen = listen(value, path, problems),
        _ => client_key(&mut layer.client, key, value, path, problems),
    });
    layer
}

fn listen(node: &Node, path: &str, problems: &mut Vec<Problem>) -> Option<Vec<ListenerLayer>> {
    match &node.value {
        Value::Null => Some(Vec::new()),
        Value::Seq(nodes) => {
            let listener = |(index, node)| listener(node, &format!("{path}[{index}]"), problems);
            Some(nodes.iter().enumerate().map(listener).collect())
        }
        // The short form: one raw listener.
        Value::Scalar(_) => {
            let protocol = ValueAt { value: ProtocolWord::Raw, place: node.place, path: path.to_owned() };
            let address = read(node, path, problems, address);
            Some(vec![ListenerLayer { protocol: Some(protocol), address, ..ListenerLayer::default() }])
        }
        Value::Map(_) => {
            let message = format!("a list is needed here, not {}", node.kind());
            problems.push(Problem::new(node.place, path, message).help(format!("write `listen: [{LISTENER}]`")));
            None
        }
    }
}

const LISTENER: &str = "{ protocol: raw, address: \"*:4001\" }";

fn listener(node: &Node, path: &str, problems: &mut Vec<Problem>) -> ListenerLayer {
    let mut layer = ListenerLayer::default();
    let before = problems.len();
    let entries = entries(node, path, LISTENER, problems);
    if problems.len() > before {
        return layer;
    }
    each_key(entries, Role::Listener, path, problems, |key, value, path, problems| match key {
        "protocol" => {
            let words = [("raw", ProtocolWord::Raw), ("telnet", ProtocolWord::Telnet)];
            layer.protocol = read(value, path, problems, |node| {
                protocol_of_others(node).map_or_else(|| word(node, &words, &[]), Err)
            });
        }
        "line" => layer.line = read(value, path, problems, |node| parsed(node, "115200 8N1")),
        "rfc2217" => layer.rfc2217 = read(value, path, problems, boolean),
        "notify" => layer.notify = read(value, path, problems, boolean),
        "address" => layer.address = read(value, path, problems, address),
        "mode" => layer.mode = read(value, path, problems, socket_file::mode),
        "owner" => layer.owner = read(value, path, problems, socket_file::owner),
        "group" => layer.group = read(value, path, problems, socket_file::group),
        _ => client_key(&mut layer.client, key, value, path, problems),
    });
    // words that stand for both, or for the address, have been talked about
    let written = meant_by(Role::Listener, entries);
    let tried = |words: &[&str]| written.iter().any(|key| words.contains(&key.as_str()));
    for (key, example, others) in [
        ("protocol", "protocol: raw", ["protocol", "raw", "telnet", "tcp", "unix", "accepter", "type"].as_slice()),
        (
            "address",
            "address: \"*:4001\"",
            &["address", "raw", "telnet", "tcp", "unix", "accepter", "port", "host", "bind", "listen"],
        ),
    ] {
        if !tried(others) {
            let message = format!("the listener has no `{key}`");
            problems.push(Problem::new(node.place, path, message).help(format!("add `{example}`")));
        }
    }
    layer
}

/// Other programs' words for what a listener speaks.
fn protocol_of_others(node: &Node) -> Option<Wrong> {
    let text = node.text()?;
    let lower = text.to_ascii_lowercase();
    let right = match lower.as_str() {
        "tcp" => "write `protocol: raw`",
        _ if lower.contains("2217") => "write `protocol: telnet` and `rfc2217: true`",
        _ => return None,
    };
    Some(Wrong::new(format!("`{}` is not possible here", shown(text)), right))
}

fn client_key(layer: &mut ClientLayer, key: &str, value: &Node, path: &str, problems: &mut Vec<Problem>) {
    match key {
        "access" => {
            let all = [Access::ReadOnly, Access::WriteOnly, Access::ReadWrite, Access::Control];
            let words = all.map(|access| (access.name(), access));
            layer.access = read(value, path, problems, |node| word(node, &words, &[]));
        }
        "allow" => layer.allow = networks(value, path, problems),
        "deny" => layer.deny = networks(value, path, problems),
        "max-clients" => layer.max_clients = read(value, path, problems, |node| number(node, 1..=100_000)),
        "when-full" => {
            let words = [
                ("refuse", WhenFull::Refuse),
                ("kick-oldest", WhenFull::KickOldest),
                ("kick-idle", WhenFull::KickIdle),
            ];
            layer.when_full = read(value, path, problems, |node| word(node, &words, &[]));
        }
        "on-lag" => {
            let words = [("disconnect", OnLag::Disconnect), ("skip", OnLag::Skip), ("hold", OnLag::Hold)];
            layer.on_lag = read(value, path, problems, |node| word(node, &words, &[]));
        }
        "on-gone" => {
            let words = [("hold", OnGone::Hold), ("disconnect", OnGone::Disconnect)];
            layer.on_gone = read(value, path, problems, |node| word(node, &words, &[]));
        }
        "replay" => layer.replay = read(value, path, problems, replay),
        "idle-timeout" => {
            let range = Duration::ZERO..=Duration::from_secs(24 * 60 * 60);
            layer.idle_timeout = read(value, path, problems, |node| duration(node, range));
        }
        "half-close" => layer.half_close = read(value, path, problems, half_close),
        "close-on" => layer.close_on = read(value, path, problems, marker),
        "write-hold" => {
            // less is not a hold but a race between two clients
            let range = Duration::from_millis(100)..=Duration::from_secs(24 * 60 * 60);
            layer.write_hold = read(value, path, problems, |node| duration(node, range));
        }
        "keepalive" => {
            let (place, path) = (value.place, path.to_owned());
            layer.keepalive = Some(ValueAt { value: keepalive(value, &path, problems), place, path });
        }
        "banner" => layer.banner = read(value, path, problems, banner),
        "busy-text" => layer.busy_text = read(value, path, problems, banner),
        "signature" => layer.signature = read(value, path, problems, signature),
        "break-on-sync" => layer.break_on_sync = read(value, path, problems, boolean),
        "enter" => {
            let words = [("as-is", Enter::AsIs), ("cr", Enter::Cr)];
            layer.enter = read(value, path, problems, |node| word(node, &words, &[]));
        }
        _ => debug_assert!(false, "the table of keys says that `{key}` is built"),
    }
}

fn keepalive(node: &Node, path: &str, problems: &mut Vec<Problem>) -> KeepaliveLayer {
    if node.is_word(FALSE) {
        return KeepaliveLayer::Off;
    }
    let (mut idle, mut interval, mut count, mut user_timeout) = (None, None, None, None);
    if !node.is_word(TRUE) {
        let example = "`off`, or { idle: 30s, interval: 10s, count: 3, user-timeout: 60s }";
        let entries = entries(node, path, example, problems);
        let role = Role::Inside(Section::Keepalive);
        each_key(entries, role, path, problems, |key, node, path, problems| match key {
            "idle" => idle = read(node, path, problems, whole_seconds),
            "interval" => interval = read(node, path, problems, whole_seconds),
            // MAX_TCP_KEEPCNT (include/net/tcp.h)
            "count" => count = read(node, path, problems, |node| number(node, 1..=127)),
            _ => {
                let range = Duration::ZERO..=Duration::from_secs(24 * 60 * 60);
                user_timeout = read(node, path, problems, |node| duration(node, range));
            }
        });
    }
    KeepaliveLayer::On {
        idle: idle.map(|set| set.value),
        interval: interval.map(|set| set.value),
        count: count.map(|set| set.value),
        user_timeout: user_timeout.map(|set| set.value),
    }
}

/// What TCP_KEEPIDLE and TCP_KEEPINTVL take: MAX_TCP_KEEPIDLE, MAX_TCP_KEEPINTVL (include/net/tcp.h).
fn whole_seconds(node: &Node) -> Result<Duration, Wrong> {
    let time = duration(node, Duration::from_secs(1)..=Duration::from_secs(32_767))?;
    if time.subsec_nanos() == 0 {
        return Ok(time);
    }
    Err(Wrong::new("the system takes whole seconds here", format!("write {}s", time.as_secs())))
}

/// `9600 8N1` says all that it can say: what is left out of it is as in 8N1, whatever the layers below have.
fn line(node: &Node, path: &str, problems: &mut Vec<Problem>) -> LineLayer {
    let mut layer = LineLayer::default();
    if let Value::Scalar(_) = node.value {
        let short = |node: &Node| parsed::<LineSettings>(node, "9600 8N1");
        let Some(ValueAt { value, place, path }) = read(node, path, problems, short) else {
            return layer;
        };
        layer.baud = Some(ValueAt { value: value.baud, place, path: path.clone() });
        layer.data_bits = Some(ValueAt { value: value.data_bits, place, path: path.clone() });
        layer.parity = Some(ValueAt { value: value.parity, place, path: path.clone() });
        layer.stop_bits = Some(ValueAt { value: value.stop_bits, place, path: path.clone() });
        layer.flow_control = Some(ValueAt { value: value.flow_control, place, path });
        return layer;
    }
    let entries =
        entries(node, path, "`line: 9600 8N1`, or a mapping with baud, data-bits, parity, stop-bits", problems);
    each_key(entries, Role::Inside(Section::Line), path, problems, |key, value, path, problems| match key {
        "baud" => layer.baud = read(value, path, problems, |node| parsed(node, "9600 or 115200")),
        "data-bits" => layer.data_bits = read(value, path, problems, |node| parsed(node, "5, 6, 7 or 8")),
        "parity" => layer.parity = read(value, path, problems, |node| parsed(node, "none, even, odd, mark or space")),
        "stop-bits" => layer.stop_bits = read(value, path, problems, |node| parsed(node, "1, 1.5 or 2")),
        "flow-control" => {
            layer.flow_control = read(value, path, problems, |node| parsed(node, "none, rts-cts, xon-xoff or dtr-dsr"));
        }
        "clocal" => layer.clocal = read(value, path, problems, boolean),
        "low-latency" => layer.low_latency = read(value, path, problems, boolean),
        "ignore-break" => layer.ignore_break = read(value, path, problems, boolean),
        _ => layer.rs485 = rs485(value, path, problems),
    });
    layer
}

fn expect(node: &Node, path: &str, problems: &mut Vec<Problem>) -> Option<ValueAt<Duration>> {
    let mut frame = None;
    let entries = entries(node, path, "{ frame: 60s }", problems);
    each_key(entries, Role::Inside(Section::Expect), path, problems, |_, value, path, problems| {
        let range = Duration::ZERO..=Duration::from_secs(24 * 60 * 60);
        frame = read(value, path, problems, |node| duration(node, range));
    });
    frame
}

fn device(node: &Node) -> Result<Device, Wrong> {
    let text = visible(node, "`device: /dev/…`")?;
    text.parse().map_err(|error: DeviceError| Wrong::new(error.to_string(), error.help()))
}

/// What `lock-file: true` means: where the File Hierarchy Standard (3.0, 5.9) has them. On many systems it is a link to
/// /run/lock.
const LOCK_FOLDER: &str = "/var/lock";

fn lock_file(node: &Node) -> Result<Option<PathBuf>, Wrong> {
    let text = visible(node, "true, false or a folder such as /run/lock")?;
    if node.is_word(FALSE) {
        Ok(None)
    } else if node.is_word(TRUE) {
        Ok(Some(LOCK_FOLDER.into()))
    } else if text.starts_with('/') {
        Ok(Some(text.into()))
    } else {
        let message = format!("`{}` is neither true, false nor the full path of a folder", shown(text));
        Err(Wrong::new(message, "write true (which is /var/lock), false, or a folder such as /run/lock"))
    }
}

fn usb(node: &Node) -> Result<(u16, u16), Wrong> {
    let text = text(node, "`usb: \"0403:6001\"`")?;
    if is_plain(node) && text.contains(':') && text.chars().all(|c| c.is_ascii_digit() || c == ':') {
        let help = format!("write `usb: \"{0}\"`: without quotes {0} is one number in YAML 1.1", shown(text));
        return Err(Wrong::new(format!("`{}` is a number here, not a text", shown(text)), help));
    }
    Usb::ids(text).map_err(|error| {
        let example = "write `usb: \"0403:6001\"`, as `sermux devices` and lsusb show it";
        let help = match text.split_once(',') {
            Some((ids, _)) if Usb::ids(ids).is_ok() => "the serial number is a key of its own: `usb-serial`",
            _ => example,
        };
        Wrong::new(error.to_string(), help)
    })
}

fn usb_serial(node: &Node) -> Result<String, Wrong> {
    let text = visible(node, "`usb-serial: \"A1B2C3D4\"`")?;
    let is_number = text.parse::<f64>().is_ok() || text.starts_with("0x") || text.starts_with("0o");
    if is_plain(node) && is_number {
        let message = format!("`{}` is a number here, not a text", shown(text));
        return Err(Wrong::new(message, format!("write `usb-serial: \"{}\"`", shown(text))));
    }
    Usb::serial(text).map_err(|error| Wrong::new(error.to_string(), error.help()))
}

fn is_plain(node: &Node) -> bool {
    matches!(&node.value, Value::Scalar(Scalar { style: Style::Plain, .. }))
}

pub(super) fn address(node: &Node) -> Result<Address, Wrong> {
    visible(node, "4001 or \"*:4001\"")?.parse().map_err(|error| match error {
        AddressError::Wrong { what, help } => Wrong::new(what, help),
        AddressError::NotBuilt(_) => Wrong::new(error.to_string(), "write a TCP address such as \"*:4001\""),
    })
}

fn profile_name(node: &Node) -> Result<&'static str, Wrong> {
    let name = text(node, "the name of a profile")?;
    profile::find(name).map(|profile| profile.name).ok_or_else(|| {
        let help = match profile::nearest(name) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the profiles are {}", one_of(profile::names()).replace(" or ", " and ")),
        };
        Wrong::new(format!("there is no profile `{}`", shown(name)), help)
    })
}

/// A port of a file, before it is resolved.
#[derive(Debug)]
pub(super) struct NamedPort {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) path: String,
    pub(super) layer: PortLayer,
}
