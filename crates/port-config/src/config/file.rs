//! The top of a file: `include`, `defaults`, `control`, `log` and `ports`.

use super::control::control;
use super::http::http;
use super::keys::{find, is_key, Role, Section};
use super::layer::{self, entries, NamedPort, PortLayer};
use super::limits::limits;
use super::source::{Place, Problem};
use super::tree::{join, Entry, Node, Value};
use super::values::{read, text, word, ValueAt};
use super::{Address, Control, Http, Limits, Log, LogFormat, LogLevel};
use crate::error::shown;

/// One file, read and not yet resolved.
#[derive(Debug)]
pub(super) struct FileLayer {
    pub(super) include: Vec<ValueAt<String>>,
    pub(super) defaults: PortLayer,
    /// `None` is `off`.
    pub(super) control: Option<Control>,
    /// Where its socket is written.
    pub(super) control_place: Option<Place>,
    /// `None` is `off`.
    pub(super) http: Option<Http>,
    /// Its addresses, and where they are written.
    pub(super) http_addresses: Vec<ValueAt<Address>>,
    pub(super) log: Log,
    pub(super) limits: Limits,
    pub(super) ports: Vec<NamedPort>,
    /// What is allowed and yet unlikely to be meant.
    pub(super) warnings: Vec<Problem>,
}

/// Reads the tree of one file; `file` is where it is in the sources.
pub(super) fn file(file: usize, root: Option<&Node>, role: Role, problems: &mut Vec<Problem>) -> FileLayer {
    let mut layer = FileLayer {
        include: Vec::new(),
        defaults: PortLayer::default(),
        control: Some(Control::default()),
        control_place: None,
        http: None,
        http_addresses: Vec::new(),
        log: Log::default(),
        limits: Limits::default(),
        ports: Vec::new(),
        warnings: Vec::new(),
    };
    let entries = match root {
        Some(Node { value: Value::Map(entries), .. }) => entries.as_slice(),
        None | Some(Node { value: Value::Null, .. }) => &[],
        Some(node) => {
            let message = format!("a configuration is a mapping, not {}", node.kind());
            problems.push(Problem::new(node.place, "", message).help(SMALLEST));
            return layer;
        }
    };
    for entry in entries {
        let Some(key) = find(role, entry, &join("", &entry.key.text), problems) else {
            continue;
        };
        let path = key.name;
        match path {
            "include" => layer.include = include(&entry.value, path, problems),
            "defaults" => layer.defaults = layer::port(&entry.value, Role::Defaults, path, problems),
            "control" => {
                (layer.control, layer.control_place) = control(&entry.value, path, problems, &mut layer.warnings);
            }
            "http" => {
                let written = http(&entry.value, path, problems, &mut layer.warnings);
                (layer.http, layer.http_addresses) =
                    written.map_or_else(Default::default, |(http, at)| (Some(http), at));
            }
            "log" => layer.log = log(&entry.value, path, problems),
            "limits" => layer.limits = limits(&entry.value, path, problems).limits(),
            _ => layer.ports = ports(&entry.value, path, problems),
        }
    }
    let knows = |entry: &Entry| ["defaults", "control", "http", "log", "limits"].contains(&entry.key.text.as_str());
    // anything else is `ports` or `include`, or an attempt at them that has been talked about
    if role == Role::Main && entries.iter().all(knows) {
        problems.push(Problem::new(Place::start(file), "", "there are no `ports`").help(SMALLEST));
    }
    layer
}

/// More ports than any machine can open: each takes memory before it is known whether it is right.
pub(super) const MAX_PORTS: usize = 50_000;

const SMALLEST: &str = "\
the smallest useful configuration is
ports:
  console:
    device: /dev/ttyUSB0
    line: 115200 8N1
    listen:
      - { protocol: raw, address: 4001 }";

fn include(node: &Node, path: &str, problems: &mut Vec<Problem>) -> Vec<ValueAt<String>> {
    let mut one = |node: &Node, path: &str| {
        read(node, path, problems, |node| text(node, "`include: ports.d/*.yaml`").map(str::to_owned))
    };
    match &node.value {
        Value::Null => Vec::new(),
        Value::Seq(nodes) => {
            nodes.iter().enumerate().filter_map(|(index, node)| one(node, &format!("{path}[{index}]"))).collect()
        }
        _ => one(node, path).into_iter().collect(),
    }
}

fn log(node: &Node, path: &str, problems: &mut Vec<Problem>) -> Log {
    let mut log = Log::default();
    for entry in entries(node, path, "{ level: info, format: auto }", problems) {
        let path = join(path, &entry.key.text);
        let Some(key) = find(Role::Inside(Section::Log), entry, &path, problems) else {
            continue;
        };
        if key.name == "level" {
            let words = [
                ("error", LogLevel::Error),
                ("warn", LogLevel::Warn),
                ("info", LogLevel::Info),
                ("debug", LogLevel::Debug),
                ("trace", LogLevel::Trace),
            ];
            log.level =
                read(&entry.value, &path, problems, |node| word(node, &words, &[])).map_or(log.level, |set| set.value);
        } else {
            let words = [
                ("auto", LogFormat::Auto),
                ("text", LogFormat::Text),
                ("json", LogFormat::Json),
                ("journal", LogFormat::Journal),
            ];
            let format = read(&entry.value, &path, problems, |node| word(node, &words, &[]));
            log.format = format.map_or(log.format, |set| set.value);
        }
    }
    log
}

fn ports(node: &Node, path: &str, problems: &mut Vec<Problem>) -> Vec<NamedPort> {
    let example = "`ports:` and below it, indented, a name for each port";
    let entries = entries(node, path, example, problems);
    if entries.len() > MAX_PORTS {
        let message = format!("there are more than {MAX_PORTS} ports");
        problems.push(Problem::new(node.place, path, message).help("write fewer"));
        return Vec::new();
    }
    let is_key = |entry: &Entry| is_key(Role::Port, &entry.key.text);
    let astray = entries.iter().find(|entry| is_key(entry) && !matches!(entry.value.value, Value::Map(_)));
    let Some(astray) = astray else {
        return entries.iter().filter_map(|entry| port(entry, path, problems)).collect();
    };
    let key = &astray.key.text;
    let message = format!("`{key}` is a key of a port, written where the names of ports belong");
    problems.push(
        Problem::new(astray.key.place, join(path, key), message)
            .help("indent the keys of a port further than its name"),
    );
    let is_port = |entry: &&Entry| !is_key(entry) && !matches!(entry.value.value, Value::Null);
    entries.iter().filter(is_port).filter_map(|entry| port(entry, path, problems)).collect()
}

/// `None`, with a problem, when there are no keys that could be judged.
fn port(entry: &Entry, path: &str, problems: &mut Vec<Problem>) -> Option<NamedPort> {
    let (name, place) = (entry.key.text.clone(), entry.key.place);
    let path = join(path, &name);
    if !is_plain_name(&name) {
        let message = format!("`{}` cannot be the name of a port", shown(&name));
        problems.push(Problem::new(place, &path, message).help(PLAIN_NAME));
    }
    let layer = layer::port(&entry.value, Role::Port, &path, problems);
    let is_judged = matches!(entry.value.value, Value::Map(_) | Value::Null);
    is_judged.then_some(NamedPort { name, place, path, layer })
}

/// What [`is_plain_name`] wants.
pub(crate) const PLAIN_NAME: &str =
    "a name is 1 to 64 of the characters A-Z a-z 0-9 . _ - and begins with none of . and -";

/// What can stand in a command line, a log, a file name and a URL without quotes.
pub(crate) fn is_plain_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && !name.starts_with(['-', '.'])
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}
