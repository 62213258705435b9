//! What `sim:dsmr-p1?…` says of the meter and its wire: `inverted`, `gap=2`, `version=2.2`, `crc-errors=0.01`.

use std::fmt;
use std::str::FromStr;

use super::device::DeviceError;
use super::keys::nearest_or_longer;

/// A simulated meter with a wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimMeter {
    /// Its output has no inverter behind it.
    pub inverted: bool,
    /// Idle bits between two characters.
    pub gap: u8,
    /// What it speaks.
    pub version: SimVersion,
    /// Of a million telegrams, how many arrive with an error.
    pub crc_errors: u32,
}

/// A version of DSMR.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SimVersion {
    /// 9600 7E1, every 10 s, without CRC.
    V2_2,
    /// 115200 8N1, every 10 s.
    V4_2,
    /// 115200 8N1, every second.
    #[default]
    V5_0,
}

const MILLION: f64 = 1e6;

impl fmt::Display for SimMeter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = match self.version {
            SimVersion::V2_2 => "2.2",
            SimVersion::V4_2 => "4.2",
            SimVersion::V5_0 => "5.0",
        };
        write!(f, "version={version}")?;
        if self.inverted {
            f.write_str("&inverted")?;
        }
        if self.gap > 0 {
            write!(f, "&gap={}", self.gap)?;
        }
        if self.crc_errors > 0 {
            write!(f, "&crc-errors={}", f64::from(self.crc_errors) / MILLION)?;
        }
        Ok(())
    }
}

impl FromStr for SimMeter {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        let mut meter = SimMeter::default();
        for parameter in text.split('&') {
            let wrong = |help: &str| DeviceError::SimParameter(parameter.to_owned(), help.to_owned());
            match parameter.split_once('=').unwrap_or((parameter, "")) {
                ("inverted", _) if parameter.contains('=') => return Err(wrong("write inverted, without a value")),
                ("inverted", _) => meter.inverted = true,
                ("version", "2.2") => meter.version = SimVersion::V2_2,
                ("version", "4.2") => meter.version = SimVersion::V4_2,
                ("version", "5.0") => meter.version = SimVersion::V5_0,
                ("version", _) => return Err(wrong("write version=2.2, 4.2 or 5.0")),
                ("gap", bits) => {
                    meter.gap = bits.parse().map_err(|_| wrong("write gap= with 0 to 255 idle bits"))?;
                }
                ("crc-errors", share) => {
                    meter.crc_errors = millionths(share).ok_or_else(|| wrong("write crc-errors= with 0 to 1"))?;
                }
                (name, _) => return Err(wrong(&meant(name))),
            }
        }
        Ok(meter)
    }
}

/// Each with a value that it may have.
const PARAMETERS: [(&str, &str); 4] =
    [("inverted", "inverted"), ("gap", "gap=2"), ("version", "version=2.2"), ("crc-errors", "crc-errors=0.01")];

fn meant(name: &str) -> String {
    let near = nearest_or_longer(name, PARAMETERS.iter().map(|(name, _)| *name));
    match PARAMETERS.iter().find(|(name, _)| Some(*name) == near) {
        Some((_, example)) => format!("did you mean `{example}`?"),
        None => "write inverted, gap=2, version=2.2 or crc-errors=0.01, with & between them".to_owned(),
    }
}

/// A share of at most one with at most six decimals, in whole millionths.
fn millionths(text: &str) -> Option<u32> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 6 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value = format!("{whole}{decimals:0<6}").parse::<u32>().ok()?;
    (value <= 1_000_000).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_and_written_back() {
        for text in ["version=2.2", "version=5.0&inverted", "version=4.2&inverted&gap=2&crc-errors=0.01"] {
            assert_eq!(text.parse::<SimMeter>().unwrap().to_string(), text);
        }
        for text in ["", "invert", "inverted=yes", "gap=x", "gap=256", "version=3", "crc-errors=2", "crc-errors=-1"] {
            assert!(matches!(text.parse::<SimMeter>(), Err(DeviceError::SimParameter(..))), "{text}");
        }
    }

    #[test]
    fn a_slip_of_the_finger_is_told_with_what_was_meant() {
        for (text, help) in [
            ("invert", "did you mean `inverted`?"),
            ("Inverted", "did you mean `inverted`?"),
            ("versoin=2.2", "did you mean `version=2.2`?"),
            ("inverted&crc_errors=0.1", "did you mean `crc-errors=0.01`?"),
            ("inverted=1", "write inverted, without a value"),
            ("version=3.0", "write version=2.2, 4.2 or 5.0"),
            ("colour=red", "write inverted, gap=2, version=2.2 or crc-errors=0.01, with & between them"),
        ] {
            assert_eq!(text.parse::<SimMeter>().unwrap_err().help(), help, "{text}");
        }
    }
}
