//! What a telegram says, in JSON.
//!
//! Names are as stable as those of the [status](super::status).

use std::time::{Instant, SystemTime};

use serde::Serialize;
use sermux_protocol::frame::{Check, OtherCrc};
use sermux_protocol::reading::{self, decode, Flow, Measure, NotDecoded, Quantity};

use crate::port::Telegram;
use crate::time::at;

/// `GET /v1/ports/NAME/reading`
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ReadingShape {
    pub(super) port: String,
    /// How many valid telegrams the port has had, this one included.
    pub(super) number: u64,
    /// When it came.
    pub(super) received: String,
    pub(super) received_seconds: u64,
    /// `good`, `good-by-x25`, `good-over-cr-lf`, or `absent`.
    pub(super) crc: &'static str,
    pub(super) identification: String,
    pub(super) version: Option<String>,
    /// When the meter made it.
    pub(super) time: Option<TimeShape>,
    pub(super) equipment: Option<String>,
    pub(super) tariff: Option<u64>,
    pub(super) message: Option<String>,
    /// Those of which there is something to tell.
    pub(super) phases: Vec<PhaseShape>,
    /// On the M-Bus.
    pub(super) meters: Vec<BusMeterShape>,
    /// All objects of the telegram, in its order.
    pub(super) objects: Vec<ObjectShape>,
    /// Lines that are no objects.
    pub(super) unread: Vec<String>,
}

/// The meter's own clock.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct TimeShape {
    /// As in ISO 8601, without a zone.
    local: String,
    /// Whether that is daylight saving time.
    dst: Option<bool>,
}

/// A phase.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct PhaseShape {
    phase: u8,
    /// In V.
    voltage: Option<f64>,
    /// In A.
    current: Option<f64>,
    /// In kW.
    power_import: Option<f64>,
    /// In kW.
    power_export: Option<f64>,
    sags: Option<u64>,
    swells: Option<u64>,
}

/// A meter on the M-Bus.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct BusMeterShape {
    channel: u8,
    #[serde(rename = "type")]
    kind: Option<String>,
    /// As in EN 13757-3.
    type_number: Option<u8>,
    equipment: Option<String>,
    value: Option<f64>,
    unit: Option<&'static str>,
    /// When it was read.
    time: Option<TimeShape>,
    valve: Option<u64>,
}

/// An object.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ObjectShape {
    code: String,
    /// The same for every meter; none of an object that is not known.
    name: Option<String>,
    value: Option<f64>,
    unit: Option<&'static str>,
    text: Option<String>,
    time: Option<TimeShape>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    log: Vec<LogEntryShape>,
}

/// An entry of a log.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct LogEntryShape {
    time: TimeShape,
    period: Option<TimeShape>,
    value: f64,
    unit: Option<&'static str>,
}

impl ReadingShape {
    /// What this telegram of the port says.
    pub(super) fn of(port: &str, telegram: &Telegram, now: (Instant, SystemTime)) -> Result<ReadingShape, NotDecoded> {
        let said = decode(&telegram.bytes)?;
        let (received, received_seconds) = at(telegram.came, now);
        let text = |quantity| said.text(quantity).map(str::to_owned);
        Ok(ReadingShape {
            port: port.to_owned(),
            number: telegram.number,
            received,
            received_seconds,
            crc: match telegram.check {
                Check::Good => "good",
                Check::GoodBy(OtherCrc::X25) => "good-by-x25",
                Check::GoodBy(OtherCrc::OverCrLf) => "good-over-cr-lf",
                Check::Absent => "absent",
                Check::Bad => "bad",
            },
            version: text(Quantity::Version),
            time: said.time().map(TimeShape::of),
            equipment: text(Quantity::Equipment),
            tariff: said.tariff(),
            message: text(Quantity::Message(0)),
            phases: reading::Phase::ALL.into_iter().filter_map(|phase| PhaseShape::of(&said, phase)).collect(),
            meters: said.meters().into_iter().map(BusMeterShape::of).collect(),
            objects: said.objects.iter().map(ObjectShape::of).collect(),
            identification: said.identification,
            unread: said.unread,
        })
    }
}

impl TimeShape {
    fn of(time: reading::MeterTime) -> TimeShape {
        TimeShape { local: time.to_string(), dst: time.dst }
    }
}

impl PhaseShape {
    fn of(said: &reading::MeterReading, phase: reading::Phase) -> Option<PhaseShape> {
        let number = |quantity| said.measure(quantity).map(|measure| measure.number);
        let value = |quantity| number(quantity).map(|number| number.as_f64());
        let count = |quantity| number(quantity).and_then(|number| number.as_u64());
        let told = PhaseShape {
            phase: phase.number(),
            voltage: value(Quantity::Voltage(phase)),
            current: value(Quantity::Current(phase)),
            power_import: value(Quantity::Power(Flow::Import, Some(phase))),
            power_export: value(Quantity::Power(Flow::Export, Some(phase))),
            sags: count(Quantity::Sags(phase)),
            swells: count(Quantity::Swells(phase)),
        };
        let PhaseShape { phase: _, voltage, current, power_import, power_export, sags, swells } = &told;
        let is_there = voltage.or(*current).or(*power_import).or(*power_export).is_some() || sags.or(*swells).is_some();
        is_there.then_some(told)
    }
}

impl BusMeterShape {
    fn of(meter: reading::BusMeter<'_>) -> BusMeterShape {
        BusMeterShape {
            channel: meter.channel,
            kind: meter.kind.map(|kind| kind.to_string()),
            type_number: meter.kind.map(|kind| kind.0),
            equipment: meter.equipment.map(str::to_owned),
            value: meter.value.map(|value| value.number.as_f64()),
            unit: meter.value.and_then(unit),
            time: meter.at.map(TimeShape::of),
            valve: meter.valve,
        }
    }
}

fn unit(measure: Measure) -> Option<&'static str> {
    measure.unit.map(reading::Unit::name)
}

impl ObjectShape {
    fn of(object: &reading::ObisObject) -> ObjectShape {
        let mut told = ObjectShape {
            code: object.code.to_string(),
            name: object.quantity.map(|quantity| quantity.to_string()),
            value: None,
            unit: None,
            text: None,
            time: object.at.map(TimeShape::of),
            log: Vec::new(),
        };
        match &object.value {
            reading::ObjectValue::Empty => {}
            reading::ObjectValue::Measure(measure) => {
                (told.value, told.unit) = (Some(measure.number.as_f64()), unit(*measure));
            }
            reading::ObjectValue::Time(time) => told.time = Some(TimeShape::of(*time)),
            reading::ObjectValue::Text(text) => told.text = Some(text.clone()),
            reading::ObjectValue::Log(entries) => told.log = entries.iter().map(LogEntryShape::of).collect(),
        }
        told
    }
}

impl LogEntryShape {
    fn of(entry: &reading::LogEntry) -> LogEntryShape {
        LogEntryShape {
            time: TimeShape::of(entry.at),
            period: entry.period.map(TimeShape::of),
            value: entry.number.number.as_f64(),
            unit: unit(entry.number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::openapi::tests::assert_described;
    use super::*;

    #[test]
    fn every_field_is_in_the_description() {
        let text = "/XMX5METER\r\n\r\n0-0:1.0.0(180103220322W)\r\n1-0:32.7.0(233.0*V)\r\n0-1:24.1.0(003)\r\n\
            0-1:24.2.1(180103220000W)(00011.345*m3)\r\n1-0:99.97.0(1)(0-0:96.7.19)(140412172000S)(0000000240*s)\r\n!\r\n";
        let now = (Instant::now(), SystemTime::now());
        let telegram = Telegram { bytes: text.into(), number: 1, check: Check::Absent, came: now.0 };
        let reading = ReadingShape::of("p1", &telegram, now).expect("a reading");
        assert_eq!((reading.phases.len(), reading.meters.len(), reading.objects[4].log.len()), (1, 1, 1));
        assert_described("Reading", &serde_json::to_value(reading).expect("JSON"));
    }
}
