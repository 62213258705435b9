//! `gather:`: how long received bytes wait for more, so that they are sent in one piece.

use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::keys::{Role, Section};
use super::layer::each_key;
use super::marker::{marker, Marker};
use super::source::Problem;
use super::tree::{Node, Value};
use super::values::{duration, read, text, ValueAt, Wrong};
use crate::error::shown;
use crate::line::LineSettings;
use crate::units::format_duration;

/// `gather:`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gather {
    /// How long the first byte waits at most; zero: nothing waits.
    pub max: Duration,
    /// They are sent sooner when the line was silent for this time.
    pub silence: Option<Silence>,
    /// They are sent at once up to this text and with it.
    pub until: Option<Marker>,
}

/// A silence of some characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    /// Tenths of a character.
    pub tenths: u32,
    /// But at least this time.
    pub min: Duration,
}

impl Silence {
    /// How long that is with these settings.
    pub fn time(self, settings: &LineSettings) -> Duration {
        self.min.max(settings.char_time() * self.tenths / 10)
    }
}

impl From<Duration> for Gather {
    fn from(max: Duration) -> Gather {
        Gather { max, ..Gather::default() }
    }
}

impl Gather {
    /// Whether bytes are sent as they come.
    pub fn is_off(&self) -> bool {
        self.max.is_zero()
    }
}

impl Serialize for Gather {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if (self.silence, &self.until) == (None, &None) {
            return serializer.serialize_str(&format_duration(self.max));
        }
        let mut map = serializer.serialize_map(None)?;
        if let Some(Silence { tenths, min }) = self.silence {
            let chars =
                if tenths % 10 == 0 { (tenths / 10).to_string() } else { format!("{}.{}", tenths / 10, tenths % 10) };
            map.serialize_entry("chars", &chars)?;
            map.serialize_entry("min", &format_duration(min))?;
        }
        map.serialize_entry("max", &format_duration(self.max))?;
        if let Some(until) = &self.until {
            map.serialize_entry("until", until)?;
        }
        map.end()
    }
}

/// What ser2net does if nothing else is configured: its `chardelay-min` and `chardelay-max`.
const MIN: Duration = Duration::from_millis(1);
const MAX: Duration = Duration::from_millis(20);

/// More than that is no gathering but a hidden outage.
const LONGEST: Duration = Duration::from_secs(10);

pub(super) fn gather(node: &Node, path: &str, problems: &mut Vec<Problem>) -> Option<ValueAt<Gather>> {
    let Value::Map(entries) = &node.value else {
        return read(node, path, problems, |node| duration(node, Duration::ZERO..=LONGEST).map(Gather::from));
    };
    let (mut chars, mut min, mut max, mut until) = (None, None, None, None);
    each_key(entries, Role::Inside(Section::Gather), path, problems, |key, value, path, problems| match key {
        "chars" => chars = read(value, path, problems, tenths),
        "min" => min = read(value, path, problems, |node| duration(node, Duration::ZERO..=LONGEST)),
        "max" => max = read(value, path, problems, |node| duration(node, MIN..=LONGEST)),
        _ => until = read(value, path, problems, marker),
    });
    let (shortest, longest) = (min.as_ref().map_or(MIN, |set| set.value), max.map_or(MAX, |set| set.value));
    if let Some(set) = min.filter(|_| chars.is_none()) {
        let message = "`min` is the least silence of `chars`, and there are none";
        problems.push(Problem::new(set.place, &set.path, message).help("add `chars: 2`, or remove `min`"));
    }
    let silence = chars.map(|set| Silence { tenths: set.value, min: shortest });
    let value = Gather { max: longest, silence, until: until.map(|set| set.value) };
    Some(ValueAt { value, place: node.place, path: path.to_owned() })
}

/// `2` or `2.5`, in tenths.
fn tenths(node: &Node) -> Result<u32, Wrong> {
    let text = text(node, "2 or 2.5")?;
    let (whole, tenth) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str, most: usize| (1..=most).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_digit());
    let number = if digits(whole, 3) && digits(tenth, 1) { format!("{whole}{tenth}").parse().ok() } else { None };
    number.filter(|tenths| (1..=1000).contains(tenths)).ok_or_else(|| {
        Wrong::new(format!("`{}` is not a number of characters from 0.1 to 100", shown(text)), "write 2 or 2.5")
    })
}
