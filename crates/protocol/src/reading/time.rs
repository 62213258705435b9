//! Time stamps as a meter writes them: local time, and whether that is summer time.

use std::fmt;

/// A local time. Which zone it is in a telegram does not say: that is the country's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MeterTime {
    /// 2000 to 2099.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// From 1 on.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
    /// Whether daylight saving time is in force (`S`), or is not (`W`). DSMR 2 and 3 do not say.
    pub dst: Option<bool>,
}

impl MeterTime {
    /// `YYMMDDhhmmss`, with `S`, `W` or nothing behind it.
    pub(super) fn parse(text: &[u8]) -> Option<MeterTime> {
        let (digits, dst) = match text {
            [digits @ .., b'S'] => (digits, Some(true)),
            [digits @ .., b'W'] => (digits, Some(false)),
            digits => (digits, None),
        };
        if digits.len() != 12 || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let pair = |at: usize| (digits[at] - b'0') * 10 + (digits[at + 1] - b'0');
        let time = MeterTime {
            year: 2000 + u16::from(pair(0)),
            month: pair(2),
            day: pair(4),
            hour: pair(6),
            minute: pair(8),
            second: pair(10),
            dst,
        };
        time.is_possible().then_some(time)
    }

    fn is_possible(&self) -> bool {
        let days = match self.month {
            2 if self.year % 4 == 0 => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return false,
        };
        (1..=days).contains(&self.day) && self.hour < 24 && self.minute < 60 && self.second < 60
    }
}

/// ISO 8601, without a zone.
impl fmt::Display for MeterTime {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day, hour, minute, second, dst: _ } = self;
        write!(out, "{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_says_whether_it_is_summer_time() {
        for (text, shown, dst) in [
            ("180103220322W", "2018-01-03T22:03:22", Some(false)),
            ("200229000000S", "2020-02-29T00:00:00", Some(true)),
            ("090212160000", "2009-02-12T16:00:00", None),
        ] {
            let time = MeterTime::parse(text.as_bytes()).expect(text);
            assert_eq!((time.to_string().as_str(), time.dst), (shown, dst));
        }
    }

    #[test]
    fn a_time_that_cannot_be_is_none() {
        // The first: what a meter writes for one on its M-Bus that it has not read yet.
        for text in [
            "632525252525W",
            "210229000000W",
            "180100000000W",
            "181301000000W",
            "180103240000W",
            "180103226000W",
            "1801032203",
            "180103220322X",
            "18010322032a",
            "180103220322WW",
            "",
        ] {
            assert_eq!(MeterTime::parse(text.as_bytes()), None, "{text}");
        }
    }
}
