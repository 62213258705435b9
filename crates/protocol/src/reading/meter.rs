//! The meters that the electricity meter reads by M-Bus, each on a channel of its own.

use std::collections::BTreeMap;
use std::fmt;

use super::number::Measure;
use super::object::{ObisObject, ObjectValue};
use super::quantity::Quantity;
use super::time::MeterTime;

/// A meter on the M-Bus.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BusMeter<'a> {
    /// Its channel.
    pub channel: u8,
    /// What it measures.
    pub kind: Option<BusMeterKind>,
    /// Its number.
    pub equipment: Option<&'a str>,
    /// What it shows …
    pub value: Option<Measure>,
    /// … and when it was read.
    pub at: Option<MeterTime>,
    /// The state of its valve or breaker; what the numbers mean is the grid operator's affair.
    pub valve: Option<u64>,
}

/// What a meter measures: its device type (EN 13757-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusMeterKind(pub u8);

impl fmt::Display for BusMeterKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self.0 {
            1 => "oil",
            2 => "electricity",
            3 => "gas",
            4 | 12 => "heat",
            5 => "steam",
            6 | 21 => "warm-water",
            7 | 22 => "water",
            8 => "heat-cost",
            9 => "compressed-air",
            10 | 11 => "cooling",
            13 => "heat-and-cooling",
            other => return write!(out, "type-{other}"),
        })
    }
}

/// The meters of which these objects tell.
pub(super) fn of(objects: &[ObisObject]) -> Vec<BusMeter<'_>> {
    let mut meters = BTreeMap::new();
    for object in objects {
        let Some((channel, quantity)) = object.quantity.and_then(|quantity| Some((quantity.channel()?, quantity)))
        else {
            continue;
        };
        let meter = meters.entry(channel).or_insert(BusMeter { channel, ..BusMeter::default() });
        match (quantity, &object.value) {
            (Quantity::MeterType(_), ObjectValue::Measure(measure)) => {
                meter.kind = measure.number.as_u64().and_then(|kind| u8::try_from(kind).ok()).map(BusMeterKind);
            }
            (Quantity::MeterEquipment(_), ObjectValue::Text(text)) => meter.equipment = Some(text),
            (Quantity::MeterValue(_), ObjectValue::Measure(measure)) => {
                (meter.value, meter.at) = (Some(*measure), object.at)
            }
            (Quantity::MeterValve(_), ObjectValue::Measure(measure)) => meter.valve = measure.number.as_u64(),
            _ => {}
        }
    }
    meters.into_values().collect()
}

impl Quantity {
    /// The channel of the meter that this tells of.
    fn channel(self) -> Option<u8> {
        match self {
            Quantity::MeterType(channel)
            | Quantity::MeterEquipment(channel)
            | Quantity::MeterConnectionPoint(channel)
            | Quantity::MeterValue(channel)
            | Quantity::MeterValve(channel) => Some(channel),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_names_and_others_their_number() {
        let names = [3, 7, 12, 4, 6, 2, 250].map(|kind| BusMeterKind(kind).to_string());
        assert_eq!(names, ["gas", "water", "heat", "heat", "warm-water", "electricity", "type-250"]);
    }
}
