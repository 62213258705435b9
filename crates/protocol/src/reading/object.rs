//! One object of a telegram: its code, and what stands behind it in brackets.

use super::number::{Measure, Unit};
use super::obis::Obis;
use super::quantity::Quantity;
use super::time::MeterTime;

/// An object.
#[derive(Clone, Debug, PartialEq)]
pub struct ObisObject {
    /// Its code.
    pub code: Obis,
    /// What it tells, if its code is a known one.
    pub quantity: Option<Quantity>,
    /// What it says.
    pub value: ObjectValue,
    /// The time that goes with the value: when a meter on the M-Bus was read, or when a peak was.
    pub at: Option<MeterTime>,
    /// Everything behind the code as it stands in the telegram, brackets included.
    pub raw: String,
}

/// What an object says.
#[derive(Clone, Debug, PartialEq)]
pub enum ObjectValue {
    /// Nothing.
    Empty,
    /// A number.
    Measure(Measure),
    /// A time.
    Time(MeterTime),
    /// A text. Of an object that is not known, or not as it should be: what stands in its brackets.
    Text(String),
    /// Several numbers, each with its time.
    Log(Vec<LogEntry>),
}

/// An entry of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// When: the end of a power failure, or a peak.
    pub at: MeterTime,
    /// The end of the month in which a peak was the highest.
    pub period: Option<MeterTime>,
    /// How long, or how much.
    pub number: Measure,
}

impl ObisObject {
    /// `raw`: what stands behind the code, beginning with a bracket.
    pub(super) fn new(code: Obis, raw: &[u8]) -> ObisObject {
        let quantity = Quantity::of(&code);
        let (value, at) = match quantity {
            None => (unknown(raw), None),
            Some(Quantity::Time) => (only(raw, |group| MeterTime::parse(group).map(ObjectValue::Time)), None),
            Some(Quantity::Version) => (only(raw, |_| None), None),
            Some(Quantity::FailureLog | Quantity::PeakLog) => (ObjectValue::Log(log(raw)), None),
            Some(quantity) if quantity.is_text() => (only(raw, |group| Some(ObjectValue::Text(octets(group)))), None),
            Some(_) => measured(raw),
        };
        ObisObject { code, quantity, value, at, raw: text(raw) }
    }
}

impl Quantity {
    /// Whether it is a text: octets, two hexadecimal digits each.
    fn is_text(self) -> bool {
        matches!(
            self,
            Quantity::Equipment
                | Quantity::ConnectionPoint
                | Quantity::Message(_)
                | Quantity::MessageCode
                | Quantity::MeterEquipment(_)
                | Quantity::MeterConnectionPoint(_)
        )
    }
}

/// What stands between brackets, pair by pair. A line's end may stand between two pairs (DSMR 2 and 3).
fn groups(raw: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = raw;
    std::iter::from_fn(move || {
        let open = memchr::memchr(b'(', rest)?;
        let inside = &rest[open + 1..];
        let close = memchr::memchr(b')', inside).unwrap_or(inside.len());
        rest = inside.get(close + 1..).unwrap_or_default();
        Some(&inside[..close])
    })
}

/// An object with one value, which is read like this.
fn only(raw: &[u8], read: impl FnOnce(&[u8]) -> Option<ObjectValue>) -> ObjectValue {
    match groups(raw).next() {
        None | Some([]) => ObjectValue::Empty,
        Some(group) => read(group).unwrap_or_else(|| ObjectValue::Text(text(group))),
    }
}

/// A number, which may have a time before it.
fn measured(raw: &[u8]) -> (ObjectValue, Option<MeterTime>) {
    let at = || groups(raw).next().and_then(MeterTime::parse);
    let (mut last, mut unit, mut count) = (None, None, 0);
    for group in groups(raw) {
        // DSMR 3 names the unit of a meter on the M-Bus in a pair of its own, before the number.
        unit = unit.or(Unit::parse(group));
        last = Some(group);
        count += 1;
    }
    let measure = last.and_then(Measure::parse).map(|measure| Measure { unit: measure.unit.or(unit), ..measure });
    match measure {
        Some(measure) => (ObjectValue::Measure(measure), if count > 1 { at() } else { None }),
        None => (unknown(raw), None),
    }
}

/// Entries that consist of one or two times and a number; what stands before and between them is passed over.
fn log(raw: &[u8]) -> Vec<LogEntry> {
    let (mut entries, mut times) = (Vec::new(), [None, None]);
    for group in groups(raw) {
        if let Some(time) = MeterTime::parse(group) {
            times = [times[1], Some(time)];
        } else if let (Some(number), [period, Some(at)]) = (Measure::parse(group), times) {
            entries.push(LogEntry { at, period, number });
            times = [None, None];
        } else {
            times = [None, None];
        }
    }
    entries
}

/// Only what cannot be anything else is taken for a number or a time.
fn unknown(raw: &[u8]) -> ObjectValue {
    let mut all = groups(raw);
    match (all.next(), all.next()) {
        (None | Some([]), None) => ObjectValue::Empty,
        (Some(group), None) => match (Measure::parse(group), MeterTime::parse(group)) {
            (Some(measure), _) if measure.unit.is_some() => ObjectValue::Measure(measure),
            (_, Some(time)) if time.dst.is_some() => ObjectValue::Time(time),
            _ => ObjectValue::Text(text(group)),
        },
        (Some(_) | None, _) => ObjectValue::Text(text(raw)),
    }
}

/// Octets as text; what are none, or no text, as it stands.
fn octets(group: &[u8]) -> String {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    if group.len() % 2 != 0 {
        return text(group);
    }
    let octets: Option<Vec<u8>> =
        group.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect();
    let Some(decoded) = octets.map(|octets| text(&octets)) else { return text(group) };
    if decoded.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return text(group);
    }
    decoded
}

/// UTF-8, or else Latin-1: no byte is lost.
pub(super) fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    }
}
