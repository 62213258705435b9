//! `capture:` everything that passes a port, into a file.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::keys::{Role, Section};
use super::layer::{each_key, entries, PortLayer};
use super::resolve::Layers;
use super::source::{Place, Problem};
use super::tree::Node;
use super::values::{boolean, duration, number, read, size, text, visible, word, ValueAt, Wrong, FALSE};
use crate::error::shown;
use crate::units::{format_duration, parse_size};

/// The smallest file: in less there is no room for a few lines.
const LEAST_SIZE: usize = 4 * 1024;

/// The largest, which a 32-bit machine can count as well.
const MOST_SIZE: usize = 1024 * 1024 * 1024;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Ten years.
const MOST_AGE: Duration = Duration::from_secs(3650 * 24 * 60 * 60);

/// Each of them is renamed when a new one begins.
const MOST_KEPT: u32 = 1000;

/// `capture:`
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Capture {
    /// Where it goes. Older files have its name and `.1`, `.2` and so on behind it.
    pub file: PathBuf,
    /// Which bytes.
    pub direction: Direction,
    /// How they are written.
    pub format: CaptureFormat,
    /// Whether each line has its time.
    pub timestamp: bool,
    /// A new file is begun before it has more bytes; zero is never.
    #[serde(serialize_with = "crate::units::serialize_size")]
    pub max_size: usize,
    /// A new file is begun when it is so old; zero is never.
    #[serde(serialize_with = "serialize_days")]
    pub max_age: Duration,
    /// How many older files are kept.
    pub keep: u32,
}

/// `capture: { direction: … }`, as seen from the line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// What came from the line.
    Rx,
    /// What went to the line.
    Tx,
    /// Both.
    #[default]
    Both,
}

/// `capture: { format: … }`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaptureFormat {
    /// A line for each line of text.
    #[default]
    Text,
    /// A line for each 16 bytes, as numbers and as text.
    Hex,
    /// A JSON object for each read or write.
    Json,
    /// The bytes and nothing else.
    Raw,
}

/// As in a file; without one, `off`.
pub(super) fn capture_or_off<S: Serializer>(capture: &Option<Box<Capture>>, serializer: S) -> Result<S::Ok, S::Error> {
    match capture {
        Some(capture) => capture.serialize(serializer),
        None => serializer.serialize_str("off"),
    }
}

fn serialize_days<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    let seconds = time.as_secs();
    if seconds > 0 && time.subsec_nanos() == 0 && seconds % DAY.as_secs() == 0 {
        serializer.collect_str(&format_args!("{}d", seconds / DAY.as_secs()))
    } else {
        serializer.collect_str(&format_duration(*time))
    }
}

/// The keys that are written.
#[derive(Debug, Default)]
pub(super) struct CaptureLayer {
    /// Where the mapping is, or `off`.
    at: Option<ValueAt<On>>,
    pub(super) file: Option<ValueAt<PathBuf>>,
    direction: Option<ValueAt<Direction>>,
    format: Option<ValueAt<CaptureFormat>>,
    timestamp: Option<ValueAt<bool>>,
    max_size: Option<ValueAt<usize>>,
    max_age: Option<ValueAt<Duration>>,
    keep: Option<ValueAt<u32>>,
    /// There was a `file`; if it could not be read, that is reported already.
    tried_file: bool,
}

/// Whether there is a capture at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum On {
    Yes,
    No,
}

/// `capture:` as it stands in a file.
pub(super) fn capture(node: &Node, path: &str, problems: &mut Vec<Problem>) -> CaptureLayer {
    let at = |value, place: Place| Some(ValueAt { value, place, path: path.to_owned() });
    if node.is_word(FALSE) {
        return CaptureLayer { at: at(On::No, node.place), ..CaptureLayer::default() };
    }
    let before = problems.len();
    let entries = entries(node, path, "{ file: /var/log/sermux/router.log }", problems);
    let mut layer = CaptureLayer { tried_file: problems.len() > before, ..CaptureLayer::default() };
    layer.at = at(On::Yes, node.place);
    each_key(entries, Role::Inside(Section::Capture), path, problems, |key, node, path, problems| match key {
        "file" => {
            layer.tried_file = true;
            layer.file = read(node, path, problems, file);
        }
        "direction" => {
            let words = [("rx", Direction::Rx), ("tx", Direction::Tx), ("both", Direction::Both)];
            layer.direction = read(node, path, problems, |node| word(node, &words, &[]));
        }
        "format" => {
            let words = [
                ("text", CaptureFormat::Text),
                ("hex", CaptureFormat::Hex),
                ("json", CaptureFormat::Json),
                ("raw", CaptureFormat::Raw),
            ];
            layer.format = read(node, path, problems, |node| word(node, &words, &[]));
        }
        "timestamp" => layer.timestamp = read(node, path, problems, boolean),
        "max-size" => layer.max_size = read(node, path, problems, max_size),
        "max-age" => layer.max_age = read(node, path, problems, max_age),
        _ => layer.keep = read(node, path, problems, |node| number(node, 0..=MOST_KEPT)),
    });
    layer
}

fn file(node: &Node) -> Result<PathBuf, Wrong> {
    let example = "`file: /var/log/sermux/router.log`";
    let path = visible(node, example)?;
    if !path.starts_with('/') {
        let message = format!("`{}` is not the full path of a file", shown(path));
        return Err(Wrong::new(message, format!("write {example}")));
    }
    if path.ends_with('/') {
        let message = format!("`{}` is a folder; a capture needs a file", shown(path));
        return Err(Wrong::new(message, format!("write {example}")));
    }
    Ok(path.into())
}

fn max_size(node: &Node) -> Result<usize, Wrong> {
    if parse_size(text(node, "a size such as `10 MiB`")?) == Ok(0) {
        return Ok(0);
    }
    size(node, LEAST_SIZE..=MOST_SIZE).map_err(|wrong| wrong.or("0 is never"))
}

fn max_age(node: &Node) -> Result<Duration, Wrong> {
    let days = text(node, "a time such as `7d` or `12h`")?.strip_suffix('d').map(str::trim_end);
    match days.and_then(|days| days.parse::<u32>().ok()) {
        Some(days) if DAY * days.min(4000) <= MOST_AGE => Ok(DAY * days),
        Some(days) => Err(Wrong::new(format!("{days} days are out of range"), "write 3650d or less; 0 is never")),
        None => duration(node, Duration::ZERO..=MOST_AGE).map_err(|wrong| wrong.or("days are written as `7d`")),
    }
}

/// Key by key: the port's own, its profile's, those of `defaults`, those that are built in.
pub(super) fn resolve(layers: &Layers<'_>, problems: &mut Vec<Problem>) -> Option<Box<Capture>> {
    let at = layers.first(|layer| layer.capture.at.as_ref()).filter(|at| at.value == On::Yes)?;
    let Some(file) = layers.first(|layer| layer.capture.file.as_ref()) else {
        let own: Option<&PortLayer> = layers.own();
        // What only `defaults` say is for ports that name a file.
        if own.is_some_and(|own| own.capture.at.is_some() && !own.capture.tried_file) {
            problems.push(
                Problem::new(at.place, &at.path, "`capture` lacks the key `file`")
                    .help("add where to record, such as `file: /var/log/sermux/router.log`, or write `capture: off`"),
            );
        }
        return None;
    };
    Some(Box::new(Capture {
        file: file.value.clone(),
        direction: layers.value(|layer| layer.capture.direction.as_ref(), Direction::default()),
        format: layers.value(|layer| layer.capture.format.as_ref(), CaptureFormat::default()),
        timestamp: layers.value(|layer| layer.capture.timestamp.as_ref(), true),
        max_size: layers.value(|layer| layer.capture.max_size.as_ref(), 10 * 1024 * 1024),
        max_age: layers.value(|layer| layer.capture.max_age.as_ref(), DAY * 7),
        keep: layers.value(|layer| layer.capture.keep.as_ref(), 5),
    }))
}
