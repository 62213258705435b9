//! `frame: line | { delimiter: … } | { gap: … }`: where a stream of bytes may be cut; and `tx-frame`.

use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::tree::{Entry, Node, Value};
use super::values::{duration, text, word, Wrong};
use super::Framing;
use crate::line::LineSettings;
use crate::units::format_duration;

/// The bytes that end a frame: 1 to [`Delimiter::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delimiter {
    bytes: [u8; Delimiter::MAX],
    len: usize,
}

impl Delimiter {
    /// The longest, in bytes.
    pub const MAX: usize = 16;

    /// `None` when there are none, or too many.
    pub fn new(text: &[u8]) -> Option<Delimiter> {
        let mut bytes = [0; Delimiter::MAX];
        bytes.get_mut(..text.len()).filter(|_| !text.is_empty())?.copy_from_slice(text);
        Some(Delimiter { bytes, len: text.len() })
    }

    /// The end of a line: LF.
    pub fn line() -> Delimiter {
        let mut bytes = [0; Delimiter::MAX];
        bytes[0] = b'\n';
        Delimiter { bytes, len: 1 }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// The silence that ends a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// A fixed time.
    Time(Duration),
    /// 3.5 characters, above 19200 baud 1.75 ms (MODBUS over Serial Line V1.02, 2.5.1.1).
    Modbus,
}

impl Gap {
    /// How long that is with these settings.
    pub fn time(self, settings: &LineSettings) -> Duration {
        match self {
            Gap::Time(time) => time,
            Gap::Modbus if settings.baud.get() > 19_200 => Duration::from_micros(1750),
            Gap::Modbus => settings.char_time() * 7 / 2,
        }
    }
}

impl Framing {
    /// How a file has it, in short.
    pub(super) fn written(self) -> &'static str {
        match self {
            Framing::None => "frame: none",
            Framing::Line => "frame: line",
            Framing::Delimiter(_) => "frame: { delimiter: … }",
            Framing::Gap(_) => "frame: { gap: … }",
            Framing::Dsmr => "frame: dsmr",
        }
    }

    /// The bytes that end a frame, where some do.
    pub fn delimiter(&self) -> Option<Delimiter> {
        match self {
            Framing::Line => Some(Delimiter::line()),
            Framing::Delimiter(delimiter) => Some(*delimiter),
            Framing::None | Framing::Gap(_) | Framing::Dsmr => None,
        }
    }
}

impl Serialize for Framing {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (key, value) = match self {
            Framing::None => return serializer.serialize_str("none"),
            Framing::Line => return serializer.serialize_str("line"),
            Framing::Dsmr => return serializer.serialize_str("dsmr"),
            Framing::Delimiter(delimiter) => ("delimiter", String::from_utf8_lossy(delimiter.as_bytes()).into_owned()),
            Framing::Gap(Gap::Modbus) => ("gap", "modbus".to_owned()),
            Framing::Gap(Gap::Time(time)) => ("gap", format_duration(*time)),
        };
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(key, &value)?;
        map.end()
    }
}

/// `frame:` as it stands in a file.
pub(super) fn frame(node: &Node) -> Result<Framing, Wrong> {
    match &node.value {
        Value::Map(entries) => match entries.as_slice() {
            [entry] => mapping(entry),
            _ => Err(Wrong::new("a frame ends by one thing", "write { delimiter: \"\\r\\n\" } or { gap: 20ms }")),
        },
        _ => word(node, &[("none", Framing::None), ("line", Framing::Line), ("dsmr", Framing::Dsmr)], &[]),
    }
}

/// `tx-frame:` as it stands in a file.
pub(super) fn tx_frame(node: &Node) -> Result<Option<Delimiter>, Wrong> {
    let Value::Map(entries) = &node.value else {
        return word(node, &[("none", None), ("line", Some(Delimiter::line()))], &[]);
    };
    match entries.as_slice() {
        [entry] if entry.key.text == "delimiter" => Ok(mapping(entry)?.delimiter()),
        [entry] if entry.key.text == "gap" => Err(Wrong::new(
            "what clients send arrives in pieces that the network makes, so a silence ends no frame",
            "write `tx-frame: line` or { delimiter: \"\\r\" }",
        )),
        _ => Err(Wrong::new("`tx-frame` needs a delimiter", "write { delimiter: \"\\r\" }")),
    }
}

/// [`Port::tx_frame`](super::Port::tx_frame) as a file has it.
#[allow(clippy::ref_option, reason = "serde gives it so")]
pub(super) fn tx_frame_or_none<S: Serializer>(delimiter: &Option<Delimiter>, serializer: S) -> Result<S::Ok, S::Error> {
    let frame = match *delimiter {
        None => Framing::None,
        Some(delimiter) if delimiter == Delimiter::line() => Framing::Line,
        Some(delimiter) => Framing::Delimiter(delimiter),
    };
    frame.serialize(serializer)
}

fn mapping(entry: &Entry) -> Result<Framing, Wrong> {
    match entry.key.text.as_str() {
        "delimiter" => {
            let text = text(&entry.value, "{ delimiter: \"\\r\\n\" }")?;
            if text.contains("\\r") || text.contains("\\n") {
                let message = format!("`{text}` has a backslash in it, which no device sends as the end of a line");
                return Err(Wrong::new(message, "use double quotes: there \\r and \\n are bytes"));
            }
            Delimiter::new(text.as_bytes()).map(Framing::Delimiter).ok_or_else(|| {
                Wrong::new(
                    format!("a delimiter has 1 to {} bytes, not {}", Delimiter::MAX, text.len()),
                    "write { delimiter: \"\\r\\n\" }; in double quotes \\r, \\n and \\x03 are bytes",
                )
            })
        }
        "gap" if entry.value.is_word(&["modbus"]) => Ok(Framing::Gap(Gap::Modbus)),
        "gap" => {
            let range = Duration::from_millis(1)..=Duration::from_secs(10);
            duration(&entry.value, range).map(|time| Framing::Gap(Gap::Time(time)))
        }
        other => Err(Wrong::new(
            format!("a frame has no `{}`", other.escape_default()),
            "write { delimiter: \"\\r\\n\" } or { gap: 20ms }",
        )),
    }
}
