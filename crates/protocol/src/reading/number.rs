//! Numbers as a meter writes them, with their unit.

use std::fmt;

/// More digits than a binary number keeps exactly are no measurement.
const MOST_DIGITS: usize = 15;

/// A decimal number, exactly as it stands in the telegram apart from zeros in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    digits: i64,
    /// How many of the digits are behind the point.
    places: u8,
}

impl Decimal {
    pub(super) fn parse(text: &[u8]) -> Option<Decimal> {
        let (negative, text) = match text.split_first() {
            Some((b'-', rest)) => (true, rest),
            Some((b'+', rest)) => (false, rest),
            _ => (false, text),
        };
        let (mut digits, mut count, mut places) = (0i64, 0, None);
        for byte in text {
            match byte {
                b'0'..=b'9' if count < MOST_DIGITS => {
                    digits = digits * 10 + i64::from(byte - b'0');
                    count += 1;
                    places = places.map(|places: u8| places + 1);
                }
                b'.' if places.is_none() && count > 0 => places = Some(0),
                _ => return None,
            }
        }
        if count == 0 || places == Some(0) {
            return None;
        }
        Some(Decimal { digits: if negative { -digits } else { digits }, places: places.unwrap_or(0) })
    }

    /// The nearest binary number.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "fifteen digits are exact")]
    pub fn as_f64(self) -> f64 {
        // Both are exact, so their quotient is what the text of the number would be read as.
        self.digits as f64 / 10f64.powi(i32::from(self.places))
    }

    /// The number, if it is whole and not below zero.
    #[must_use]
    pub fn as_u64(self) -> Option<u64> {
        if self.places == 0 {
            u64::try_from(self.digits).ok()
        } else {
            None
        }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.digits < 0 { "-" } else { "" };
        let digits = self.digits.unsigned_abs();
        if self.places == 0 {
            return write!(out, "{sign}{digits}");
        }
        let one = 10u64.pow(u32::from(self.places));
        write!(out, "{sign}{}.{:0width$}", digits / one, digits % one, width = usize::from(self.places))
    }
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// kWh
    KilowattHour,
    /// Wh
    WattHour,
    /// MWh, of heat meters
    MegawattHour,
    /// kvarh
    KilovarHour,
    /// varh
    VarHour,
    /// kVAh
    KilovoltAmpereHour,
    /// kW
    Kilowatt,
    /// W
    Watt,
    /// kvar
    Kilovar,
    /// var
    Var,
    /// kVA
    KilovoltAmpere,
    /// VA
    VoltAmpere,
    /// V
    Volt,
    /// A
    Ampere,
    /// Hz
    Hertz,
    /// m3
    CubicMetre,
    /// dm3
    CubicDecimetre,
    /// GJ
    Gigajoule,
    /// MJ
    Megajoule,
    /// s
    Second,
    /// min
    Minute,
}

impl Unit {
    const ALL: [(Unit, &'static str); 21] = [
        (Unit::KilowattHour, "kWh"),
        (Unit::Kilowatt, "kW"),
        (Unit::Volt, "V"),
        (Unit::Ampere, "A"),
        (Unit::CubicMetre, "m3"),
        (Unit::Second, "s"),
        (Unit::Gigajoule, "GJ"),
        (Unit::KilovarHour, "kvarh"),
        (Unit::Kilovar, "kvar"),
        (Unit::KilovoltAmpere, "kVA"),
        (Unit::KilovoltAmpereHour, "kVAh"),
        (Unit::WattHour, "Wh"),
        (Unit::MegawattHour, "MWh"),
        (Unit::VarHour, "varh"),
        (Unit::Watt, "W"),
        (Unit::Var, "var"),
        (Unit::VoltAmpere, "VA"),
        (Unit::Hertz, "Hz"),
        (Unit::CubicDecimetre, "dm3"),
        (Unit::Megajoule, "MJ"),
        (Unit::Minute, "min"),
    ];

    /// Meters do not agree on the case of `kVArh`; none of these differs from another by its case alone.
    pub(super) fn parse(text: &[u8]) -> Option<Unit> {
        Self::ALL.iter().find(|(_, name)| name.as_bytes().eq_ignore_ascii_case(text)).map(|(unit, _)| *unit)
    }

    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(unit, _)| *unit == self).map_or("", |(_, name)| name)
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// A number and its unit; what is merely counted has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measure {
    /// The number.
    pub number: Decimal,
    /// Its unit.
    pub unit: Option<Unit>,
}

impl Measure {
    /// `000143.422*kWh`, or a number alone.
    pub(super) fn parse(text: &[u8]) -> Option<Measure> {
        match memchr::memchr(b'*', text) {
            Some(at) => {
                let unit = Unit::parse(&text[at + 1..])?;
                Some(Measure { number: Decimal::parse(&text[..at])?, unit: Some(unit) })
            }
            None => Some(Measure { number: Decimal::parse(text)?, unit: None }),
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.unit {
            Some(unit) => write!(out, "{} {unit}", self.number),
            None => self.number.fmt(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_keeps_its_places_and_loses_the_zeros_in_front() {
        for (text, shown, value) in [
            ("000143.422", "143.422", 143.422),
            ("00.520", "0.520", 0.52),
            ("002", "2", 2.0),
            ("-200", "-200", -200.0),
            ("-0.5", "-0.5", -0.5),
            ("123456789012.345", "123456789012.345", 123_456_789_012.345),
            ("0", "0", 0.0),
        ] {
            let number = Decimal::parse(text.as_bytes()).expect(text);
            assert_eq!(number.to_string(), shown);
            assert!((number.as_f64() - value).abs() < f64::EPSILON, "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in ["", "-", ".", "1.", ".5", "1.2.3", "1,2", "0x10", "1 ", "1e3", "1234567890123456"] {
            assert_eq!(Decimal::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn only_whole_numbers_count() {
        let count = |text: &str| Decimal::parse(text.as_bytes()).and_then(Decimal::as_u64);
        assert_eq!((count("00004"), count("4.0"), count("-4")), (Some(4), None, None));
    }

    #[test]
    fn each_unit_is_read_as_it_is_written_in_any_case_and_no_other() {
        for (unit, name) in Unit::ALL {
            assert_eq!(Unit::parse(name.as_bytes()), Some(unit));
            assert_eq!(Unit::parse(name.to_uppercase().as_bytes()), Some(unit));
            assert_eq!(unit.name(), name);
        }
        for text in ["", "k", "kWh ", "furlong"] {
            assert_eq!(Unit::parse(text.as_bytes()), None, "{text}");
        }
    }
}
