//! `limits:` how many clients there may be together, and how fast they may come: of the whole program, or of a port.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::keys::{Role, Section};
use super::layer::{each_key, entries};
use super::resolve::Layers;
use super::source::Problem;
use super::tree::Node;
use super::values::{number, read, text, ValueAt, Wrong, FALSE};
use crate::error::shown;

/// Of any of these.
const MOST: u32 = 100_000;

/// `limits:`. All of them are off unless they are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Limits {
    /// Clients there may be at a time, of all listeners together; zero is any number.
    pub max_clients: u32,
    /// The most of these from one address (IPv6: from one network of 64 bits); zero is any number.
    pub max_per_address: u32,
    /// How fast an address, or such a network, may connect; `None` is `off`.
    #[serde(serialize_with = "rate_or_off")]
    pub connect_rate: Option<ConnectRate>,
}

/// `connect-rate:` the number of connections in a time: all at once if none came before, and then one at a time as time passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectRate {
    /// At least one.
    pub connects: u32,
    /// A second, a minute or an hour.
    pub time: Duration,
}

/// What a rate is written with.
const TIMES: [(&str, u64); 3] = [("s", 1), ("min", 60), ("h", 3600)];

fn rate_or_off<S: Serializer>(rate: &Option<ConnectRate>, serializer: S) -> Result<S::Ok, S::Error> {
    let Some(ConnectRate { connects, time }) = rate else { return serializer.serialize_str("off") };
    let unit = TIMES.iter().find(|(_, seconds)| *seconds == time.as_secs()).map_or("s", |(unit, _)| *unit);
    serializer.collect_str(&format_args!("{connects}/{unit}"))
}

/// The keys that are written.
#[derive(Debug, Default)]
pub(super) struct LimitsLayer {
    max_clients: Option<ValueAt<u32>>,
    max_per_address: Option<ValueAt<u32>>,
    connect_rate: Option<ValueAt<Option<ConnectRate>>>,
}

impl LimitsLayer {
    /// Of the whole program.
    pub(super) fn limits(&self) -> Limits {
        Limits {
            max_clients: self.max_clients.as_ref().map_or(0, |set| set.value),
            max_per_address: self.max_per_address.as_ref().map_or(0, |set| set.value),
            connect_rate: self.connect_rate.as_ref().and_then(|set| set.value),
        }
    }
}

/// `limits:` as it stands in a file.
pub(super) fn limits(node: &Node, path: &str, problems: &mut Vec<Problem>) -> LimitsLayer {
    let mut layer = LimitsLayer::default();
    let entries = entries(node, path, "{ max-clients: 100, max-per-address: 4, connect-rate: 10/s }", problems);
    each_key(entries, Role::Inside(Section::Limits), path, problems, |key, node, path, problems| match key {
        "max-clients" => layer.max_clients = read(node, path, problems, |node| number(node, 0..=MOST)),
        "max-per-address" => layer.max_per_address = read(node, path, problems, |node| number(node, 0..=MOST)),
        _ => layer.connect_rate = read(node, path, problems, connect_rate),
    });
    layer
}

fn connect_rate(node: &Node) -> Result<Option<ConnectRate>, Wrong> {
    if node.is_word(FALSE) {
        return Ok(None);
    }
    let written = text(node, "`10/s`")?;
    let rate = written.split_once('/').and_then(|(connects, unit)| {
        let (_, seconds) = TIMES.iter().find(|(name, _)| *name == unit.trim())?;
        let connects: u32 = connects.trim().parse().ok().filter(|connects| (1..=MOST).contains(connects))?;
        Some(ConnectRate { connects, time: Duration::from_secs(*seconds) })
    });
    rate.map(Some).ok_or_else(|| {
        Wrong::new(
            format!("`{}` is not a rate", shown(written)),
            "write a number per second, minute or hour, as in `10/s`, `30/min` or `100/h`, or off",
        )
    })
}

/// Of a port: key by key its own, its profile's, those of `defaults`.
pub(super) fn resolve(layers: &Layers<'_>) -> Limits {
    Limits {
        max_clients: layers.value(|layer| layer.limits.max_clients.as_ref(), 0),
        max_per_address: layers.value(|layer| layer.limits.max_per_address.as_ref(), 0),
        connect_rate: layers.value(|layer| layer.limits.connect_rate.as_ref(), None),
    }
}
