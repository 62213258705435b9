//! What the known OBIS codes mean: those of DSMR 2.2 to 5, eMUCS-P1 (Belgium), Smarty P1 (Luxembourg), and the Swedish
//! recommendation for the local interface, which Finland and Hungary follow.

use std::fmt;

use super::obis::Obis;

/// What an object tells. Shown as a name that is the same for every meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quantity {
    /// The version of the telegram's specification.
    Version,
    /// When the telegram was made.
    Time,
    /// The meter's own number.
    Equipment,
    /// The number of the connection to the grid (EAN).
    ConnectionPoint,
    /// The tariff in force.
    Tariff,
    /// Energy since the meter was installed. Tariff 0 is all of them.
    Energy(Flow, Option<Phase>, u8),
    /// Power at this moment.
    Power(Flow, Option<Phase>),
    /// Voltage at this moment.
    Voltage(Phase),
    /// Current at this moment.
    Current(Phase),
    /// The power factor at this moment.
    PowerFactor(Option<Phase>),
    /// The frequency of the grid.
    Frequency,
    /// How often the voltage was too low.
    Sags(Phase),
    /// How often the voltage was too high.
    Swells(Phase),
    /// Power failures in any phase.
    Failures,
    /// Long power failures in any phase.
    LongFailures,
    /// When long power failures ended, and how long they were.
    FailureLog,
    /// The average power of the quarter of an hour that goes on.
    Demand(Flow),
    /// The highest such average of this month.
    PeakDemand(Flow),
    /// … of the months before.
    PeakLog,
    /// The power at which the meter disconnects.
    PowerLimit,
    /// The current at which the meter disconnects.
    CurrentLimit,
    /// The state of the breaker (0), or of a relay (its channel).
    Breaker(u8),
    /// A text for the customer; Luxembourg has five, of the numbers 0 and 2 to 5.
    Message(u8),
    /// A code for the customer.
    MessageCode,
    /// What kind of meter is on this channel of the M-Bus.
    MeterType(u8),
    /// The number of the meter on this channel.
    MeterEquipment(u8),
    /// The number of the connection of the meter on this channel (EAN).
    MeterConnectionPoint(u8),
    /// What the meter on this channel shows.
    MeterValue(u8),
    /// The state of the valve or breaker of the meter on this channel.
    MeterValve(u8),
}

/// Which way, and of which kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flow {
    /// From the grid to the customer.
    Import,
    /// From the customer to the grid.
    Export,
    /// Import less export.
    Net,
    /// Reactive, import.
    ReactiveImport,
    /// Reactive, export.
    ReactiveExport,
    /// Reactive, of the quadrant 1 to 4.
    ReactiveQuadrant(u8),
    /// Apparent, import.
    ApparentImport,
    /// Apparent, export.
    ApparentExport,
}

/// A phase, 1 to 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phase(u8);

impl Phase {
    /// All of them.
    pub const ALL: [Phase; 3] = [Phase(1), Phase(2), Phase(3)];

    /// 1 to 3.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }
}

impl Quantity {
    /// What an object with this code tells, if that is known.
    #[must_use]
    pub fn of(code: &Obis) -> Option<Quantity> {
        let Obis { a, b, c, d, e, f: _ } = *code;
        match (a, b) {
            (1, 0) => electricity(c, d, e),
            (1, 1) => ((c, d, e) == (31, 4, 0)).then_some(Quantity::CurrentLimit),
            (1, 3) => ((c, d, e) == (0, 2, 8)).then_some(Quantity::Version),
            (0, 0) => general((c, d, e)),
            (0, channel) => on_channel(channel, (c, d, e)),
            _ => None,
        }
    }
}

fn electricity(c: u8, d: u8, e: u8) -> Option<Quantity> {
    // Phases repeat the quantities of the whole, 20, 40 and 60 further on.
    let (c, phase) = match c {
        21..=80 => ((c - 1) % 20 + 1, Some(Phase((c - 1) / 20))),
        _ => (c, None),
    };
    Some(match (c, d, e) {
        (99, 97, 0) => Quantity::FailureLog,
        (14, 7, 0) => Quantity::Frequency,
        (13, 7, 0) => Quantity::PowerFactor(phase),
        (11, 7, 0) => Quantity::Current(phase?),
        (11, 4, 0) if phase.is_some() => Quantity::CurrentLimit,
        (12, 7, 0) => Quantity::Voltage(phase?),
        (12, 32, 0) => Quantity::Sags(phase?),
        (12, 36, 0) => Quantity::Swells(phase?),
        (_, 7, 0) => Quantity::Power(Flow::of(c)?, phase),
        (_, 8, tariff) => Quantity::Energy(Flow::of(c)?, phase, tariff),
        (_, 4, 0) if phase.is_none() => Quantity::Demand(Flow::of(c)?),
        (_, 6, 0) if phase.is_none() => Quantity::PeakDemand(Flow::of(c)?),
        _ => return None,
    })
}

fn general(cde: (u8, u8, u8)) -> Option<Quantity> {
    Some(match cde {
        (1, 0, 0) => Quantity::Time,
        (17, 0, 0) => Quantity::PowerLimit,
        (42, 0, 0) | (96, 1, 0 | 1) => Quantity::Equipment,
        (96, 1, 2) => Quantity::ConnectionPoint,
        (96, 1, 4) => Quantity::Version,
        (96, 3, 10) => Quantity::Breaker(0),
        (96, 7, 9) => Quantity::LongFailures,
        (96, 7, 21) => Quantity::Failures,
        (96, 13, 1) => Quantity::MessageCode,
        (96, 13, number @ (0 | 2..=5)) => Quantity::Message(number),
        (96, 14, 0) => Quantity::Tariff,
        (98, 1, 0) => Quantity::PeakLog,
        _ => return None,
    })
}

fn on_channel(channel: u8, cde: (u8, u8, u8)) -> Option<Quantity> {
    Some(match cde {
        (24, 1, 0) => Quantity::MeterType(channel),
        (24, 2, _) | (24, 3, 0) => Quantity::MeterValue(channel),
        (24, 4, 0) => Quantity::MeterValve(channel),
        (96, 1, 0 | 1) => Quantity::MeterEquipment(channel),
        (96, 1, 2) => Quantity::MeterConnectionPoint(channel),
        (96, 3, 10) => Quantity::Breaker(channel),
        _ => return None,
    })
}

impl Flow {
    fn of(c: u8) -> Option<Flow> {
        Some(match c {
            1 => Flow::Import,
            2 => Flow::Export,
            3 => Flow::ReactiveImport,
            4 => Flow::ReactiveExport,
            5..=8 => Flow::ReactiveQuadrant(c - 4),
            9 => Flow::ApparentImport,
            10 => Flow::ApparentExport,
            16 => Flow::Net,
            _ => return None,
        })
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Flow::Import => "import",
            Flow::Export => "export",
            Flow::Net => "net",
            Flow::ReactiveImport => "reactive-import",
            Flow::ReactiveExport => "reactive-export",
            Flow::ReactiveQuadrant(number) => return write!(out, "reactive-q{number}"),
            Flow::ApparentImport => "apparent-import",
            Flow::ApparentExport => "apparent-export",
        })
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of_phase = |out: &mut fmt::Formatter<'_>, phase: &Option<Phase>| match phase {
            Some(Phase(number)) => write!(out, "-l{number}"),
            None => Ok(()),
        };
        match self {
            Quantity::Version => out.write_str("version"),
            Quantity::Time => out.write_str("time"),
            Quantity::Equipment => out.write_str("equipment"),
            Quantity::ConnectionPoint => out.write_str("connection-point"),
            Quantity::Tariff => out.write_str("tariff"),
            Quantity::Energy(flow, phase, tariff) => {
                write!(out, "energy-{flow}")?;
                of_phase(out, phase)?;
                if *tariff > 0 {
                    write!(out, "-tariff-{tariff}")
                } else {
                    Ok(())
                }
            }
            Quantity::Power(flow, phase) => {
                write!(out, "power-{flow}")?;
                of_phase(out, phase)
            }
            Quantity::Voltage(Phase(number)) => write!(out, "voltage-l{number}"),
            Quantity::Current(Phase(number)) => write!(out, "current-l{number}"),
            Quantity::PowerFactor(phase) => {
                out.write_str("power-factor")?;
                of_phase(out, phase)
            }
            Quantity::Frequency => out.write_str("frequency"),
            Quantity::Sags(Phase(number)) => write!(out, "sags-l{number}"),
            Quantity::Swells(Phase(number)) => write!(out, "swells-l{number}"),
            Quantity::Failures => out.write_str("failures"),
            Quantity::LongFailures => out.write_str("long-failures"),
            Quantity::FailureLog => out.write_str("failure-log"),
            Quantity::Demand(flow) => write!(out, "demand-{flow}"),
            Quantity::PeakDemand(flow) => write!(out, "peak-demand-{flow}"),
            Quantity::PeakLog => out.write_str("peak-log"),
            Quantity::PowerLimit => out.write_str("power-limit"),
            Quantity::CurrentLimit => out.write_str("current-limit"),
            Quantity::Breaker(0) => out.write_str("breaker"),
            Quantity::Breaker(channel) => write!(out, "relay-{channel}"),
            Quantity::Message(0) => out.write_str("message"),
            Quantity::Message(number) => write!(out, "message-{number}"),
            Quantity::MessageCode => out.write_str("message-code"),
            Quantity::MeterType(channel) => write!(out, "meter-{channel}-type"),
            Quantity::MeterEquipment(channel) => write!(out, "meter-{channel}-equipment"),
            Quantity::MeterConnectionPoint(channel) => write!(out, "meter-{channel}-connection-point"),
            Quantity::MeterValue(channel) => write!(out, "meter-{channel}-value"),
            Quantity::MeterValve(channel) => write!(out, "meter-{channel}-valve"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_names() {
        for (code, name) in [
            ("1-0:1.8.0", "energy-import"),
            ("1-0:2.8.2", "energy-export-tariff-2"),
            ("1-0:3.8.0", "energy-reactive-import"),
            ("1-0:5.8.0", "energy-reactive-q1"),
            ("1-0:21.8.0", "energy-import-l1"),
            ("1-0:1.7.0", "power-import"),
            ("1-0:16.7.0", "power-net"),
            ("1-0:62.7.0", "power-export-l3"),
            ("1-0:64.7.0", "power-reactive-export-l3"),
            ("1-0:9.7.0", "power-apparent-import"),
            ("1-0:31.7.0", "current-l1"),
            ("1-0:52.7.0", "voltage-l2"),
            ("1-0:73.7.0", "power-factor-l3"),
            ("1-0:14.7.0", "frequency"),
            ("1-0:72.32.0", "sags-l3"),
            ("1-0:32.36.0", "swells-l1"),
            ("1-0:1.4.0", "demand-import"),
            ("1-0:1.6.0", "peak-demand-import"),
            ("1-0:31.4.0", "current-limit"),
            ("1-1:31.4.0", "current-limit"),
            ("0-0:96.3.10", "breaker"),
            ("0-2:96.3.10", "relay-2"),
            ("0-0:96.13.3", "message-3"),
            ("0-1:24.2.1", "meter-1-value"),
            ("0-4:24.3.0", "meter-4-value"),
            ("0-2:96.1.1", "meter-2-equipment"),
        ] {
            let (code, _) = Obis::begins(code.as_bytes()).expect(code);
            assert_eq!(Quantity::of(&code).map(|quantity| quantity.to_string()).as_deref(), Some(name), "{code}");
        }
    }

    #[test]
    fn other_codes_have_none() {
        for code in [
            "7-0:23.1.0",
            "1-0:81.7.0",
            "1-0:0.0.0",
            "1-0:31.8.0",
            "1-0:11.7.0",
            "1-2:1.8.0",
            "0-0:96.13.6",
            "0-1:24.5.0",
        ] {
            let (code, _) = Obis::begins(code.as_bytes()).expect(code);
            assert_eq!(Quantity::of(&code), None, "{code}");
        }
    }
}
