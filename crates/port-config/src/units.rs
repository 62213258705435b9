//! Sizes and times as they are written in the configuration: one small grammar each, both ways.
//!
//! A size is a whole number of bytes, or of `KiB` or `MiB`; `k` and `M` stand for these. A time is a whole number of `ms`, `s`, `min`
//! or `h`, and `m` stands for `min`; only zero needs no unit. `KB` and `MB` are refused: for some they are powers of ten. A space before the unit is allowed. Larger things are written with a smaller unit, not with a
//! fraction: `1500ms`, not `1.5s`.

use std::time::Duration;

use serde::Serializer;

use crate::error::shown;

/// Reads a size: `65536`, `64 KiB`, `1MiB`.
///
/// # Errors
///
/// What is wrong, and an example of what would be right.
pub fn parse_size(text: &str) -> Result<usize, UnitError> {
    let (number, unit) = split(text);
    let factor: usize = match unit {
        "" => 1,
        "KiB" | "k" | "K" => 1024,
        "MiB" | "m" | "M" => 1024 * 1024,
        _ => return Err(UnitError::new(text, "size", near(number, unit, SIZE_UNITS), SIZE_EXAMPLES)),
    };
    let wrong = || UnitError::new(text, "size", None, SIZE_EXAMPLES);
    whole::<usize>(number).and_then(|number| number.checked_mul(factor)).ok_or_else(wrong)
}

/// Reads a time: `250ms`, `30 s`, `5min`, `12h`, `0`.
///
/// # Errors
///
/// What is wrong, and an example of what would be right.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let (digits, unit) = split(text);
    let wrong = || UnitError::new(text, "time", near(digits, unit, TIME_UNITS), TIME_EXAMPLES);
    let number: u64 = whole(digits).ok_or_else(wrong)?;
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "min" | "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        "" if number == 0 => 1,
        "" => return Err(UnitError { what: format!("`{}` has no unit", shown(text)), help: TIME_EXAMPLES.to_owned() }),
        _ => return Err(wrong()),
    };
    number.checked_mul(milliseconds).map(Duration::from_millis).ok_or_else(wrong)
}

/// Writes a size with the largest unit that needs no fraction; [`parse_size`] reads it back.
pub fn format_size(bytes: usize) -> String {
    const KIB: usize = 1024;
    const MIB: usize = 1024 * KIB;
    match bytes {
        0 => "0".to_owned(),
        _ if bytes % MIB == 0 => format!("{} MiB", bytes / MIB),
        _ if bytes % KIB == 0 => format!("{} KiB", bytes / KIB),
        _ => bytes.to_string(),
    }
}

/// Writes a time, in whole milliseconds, with the largest unit that needs no fraction; [`parse_duration`] reads it back.
pub fn format_duration(time: Duration) -> String {
    let milliseconds = time.as_millis();
    match milliseconds {
        0 => "0s".to_owned(),
        _ if milliseconds % 3_600_000 == 0 => format!("{}h", milliseconds / 3_600_000),
        _ if milliseconds % 60_000 == 0 => format!("{}min", milliseconds / 60_000),
        _ if milliseconds % 1000 == 0 => format!("{}s", milliseconds / 1000),
        _ => format!("{milliseconds}ms"),
    }
}

/// For serde's `serialize_with`.
///
/// # Errors
///
/// Those of the serializer.
pub fn serialize_size<S: Serializer>(bytes: &usize, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_size(*bytes))
}

/// For serde's `serialize_with`.
///
/// # Errors
///
/// Those of the serializer.
pub fn serialize_duration<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_duration(*time))
}

/// Text that is not a size or a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitError {
    what: String,
    help: String,
}

impl UnitError {
    fn new(text: &str, noun: &str, meant: Option<String>, examples: &str) -> UnitError {
        let help = meant.map_or_else(|| examples.to_owned(), |meant| format!("did you mean `{meant}`?"));
        UnitError { what: format!("`{}` is not a {noun}", shown(text)), help }
    }

    /// What is wrong.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What would be right.
    pub fn help(&self) -> &str {
        &self.help
    }
}

impl std::fmt::Display for UnitError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.what, self.help)
    }
}

impl std::error::Error for UnitError {}

/// The number and its unit.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    (number, unit.trim_start())
}

/// `None` for anything but digits, and for what does not fit.
fn whole<N: std::str::FromStr>(digits: &str) -> Option<N> {
    digits.parse().ok()
}

/// The number with the unit that another way of writing it stands for, and a factor where there is no such unit.
fn near(number: &str, unit: &str, units: &[(&str, u64, &str)]) -> Option<String> {
    let unit = unit.to_ascii_lowercase();
    let (_, factor, written) = units.iter().find(|(others, ..)| others.split(' ').any(|other| other == unit))?;
    Some(format!("{}{written}", whole::<u64>(number)?.checked_mul(*factor)?))
}

/// How others write them.
const SIZE_UNITS: &[(&str, u64, &str)] =
    &[("b byte bytes", 1, ""), ("kb ki kib", 1, " KiB"), ("mb mi mib", 1, " MiB"), ("g gb gi gib", 1024, " MiB")];
const TIME_UNITS: &[(&str, u64, &str)] = &[
    ("msec msecs millisecond milliseconds", 1, "ms"),
    ("sec secs second seconds", 1, "s"),
    ("mins minute minutes", 1, "min"),
    ("hr hrs hour hours", 1, "h"),
    ("d day days", 24, "h"),
];

const SIZE_EXAMPLES: &str = "write a whole number of bytes, KiB or MiB: `65536`, `64 KiB` or `1 MiB`";
const TIME_EXAMPLES: &str = "write a whole number with ms, s, min or h: `250ms`, `30s`, `5min` or `12h`";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_are_bytes_kib_or_mib() {
        for (text, bytes) in [
            ("0", 0),
            ("512", 512),
            ("4KiB", 4096),
            ("256 KiB", 262_144),
            (" 2 MiB ", 2_097_152),
            ("16k", 16_384),
            ("1 M", 1_048_576),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text:?}");
        }
        for text in ["", "KiB", "4 KB", "4 kk", "1.5 MiB", "-1", "+1", "4 KiB 2", "99999999999999999999", "0x10"] {
            assert!(parse_size(text).is_err(), "{text:?}");
        }
        assert!(parse_size(&format!("{} MiB", usize::MAX)).is_err());
    }

    #[test]
    fn times_need_a_unit_unless_they_are_zero() {
        let second = Duration::from_secs(1);
        for (text, time) in [
            ("0", Duration::ZERO),
            ("0ms", Duration::ZERO),
            ("1000ms", second),
            ("30 s", 30 * second),
            ("2min", 120 * second),
            ("10m", 600 * second),
        ] {
            assert_eq!(parse_duration(text), Ok(time), "{text:?}");
        }
        assert_eq!(parse_duration("1h"), Ok(3600 * second));
        for text in ["", "30", "s", "1.5s", "10 us", "5M", "1h30min", "-1s", "18446744073709551615h"] {
            assert!(parse_duration(text).is_err(), "{text:?}");
        }
        let no_unit = parse_duration("30").unwrap_err();
        assert_eq!(no_unit.what(), "`30` has no unit");
        assert!(no_unit.help().contains("`30s`"));
    }

    #[test]
    fn units_of_others_are_translated() {
        let size = |text: &str| parse_size(text).unwrap_err().help().to_owned();
        let time = |text: &str| parse_duration(text).unwrap_err().help().to_owned();
        for (text, meant) in
            [("4 Ki", "4 KiB"), ("64 KB", "64 KiB"), ("1MB", "1 MiB"), ("2 GiB", "2048 MiB"), ("9 B", "9")]
        {
            assert_eq!(size(text), format!("did you mean `{meant}`?"));
            assert!(parse_size(meant).is_ok());
        }
        for (text, meant) in
            [("5 mins", "5min"), ("30 sec", "30s"), ("7d", "168h"), ("1 Hour", "1h"), ("9 msec", "9ms")]
        {
            assert_eq!(time(text), format!("did you mean `{meant}`?"));
            assert!(parse_duration(meant).is_ok());
        }
        for text in ["1.5 MiB", "4 x", "99999999999999999999 KB"] {
            assert!(size(text).contains("`64 KiB`"), "{text}");
        }
        assert!(time("1h30min").contains("`30s`"));
    }

    proptest! {
        #[test]
        fn a_written_size_is_read_back(bytes in any::<u32>()) {
            let bytes = bytes as usize;
            prop_assert_eq!(parse_size(&format_size(bytes)), Ok(bytes));
        }

        #[test]
        fn a_written_time_is_read_back(milliseconds in any::<u32>()) {
            let time = Duration::from_millis(milliseconds.into());
            prop_assert_eq!(parse_duration(&format_duration(time)), Ok(time));
        }
    }
}
