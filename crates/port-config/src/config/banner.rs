//! Banners: the text that a new client gets, with escapes for facts of the port, of the client and of the time.
//!
//! The escapes are those of ser2net's banners (ser2net.yaml(5)), so that what its users have goes on to mean the same:
//!
//! | escape | gives |
//! |---|---|
//! | `\N` `\o` | the port's name |
//! | `\d` | the device |
//! | `\s` | the line settings as `9600 8N1` |
//! | `\B` | the line settings as ser2net writes them, `9600N81` |
//! | `\p` | the listener's TCP port, or the path of its unix socket |
//! | `\I` | the client's address, or the process and user of a client on a unix socket |
//! | `\Y` `\m` `\M` `\D` | year, month as a number from 1, month as `Jan`, day of the month |
//! | `\y` `\A` | days since the first of January, day of the week as `Mon` |
//! | `\H` `\h` `\i` `\S` `\T` | hour of 24, hour of 12, minute, second, `hour:minute:second` of 24 |
//! | `\q` `\P` | `am` or `pm`, `AM` or `PM` |
//! | `\e` `\U` | seconds since 1970, microseconds of the second |
//! | `\a \b \f \n \r \t \v \\ \? \' \"` | as in C |
//! | `\377` `\xFF` | the byte of that number, in one to three octal or one or two hexadecimal digits |
//!
//! ser2net counts the months of `\m` from 0 and prints an escape that it does not know without its backslash; here
//! they count from 1, and such an escape is a fault.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::error::shown;
use crate::line::LineSettings;

/// `banner:`, as it is written and known to be well-formed. Empty: nothing is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Banner(String);

/// What the escapes stand for.
#[derive(Clone, Copy, Debug)]
pub struct BannerFacts<'a> {
    /// The port's name.
    pub port: &'a str,
    /// What the port opens.
    pub device: &'a str,
    /// As they are when the client comes.
    pub line: LineSettings,
    /// The number that the listener is bound to, not the 0 of its configuration; the path of a unix socket.
    pub listener: &'a str,
    /// The client's address without its port, or what else it is known by.
    pub remote: &'a str,
    /// When the client came.
    pub time: BannerTime,
}

/// A time in its parts, in the zone of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BannerTime {
    /// Such as 2026.
    pub year: i32,
    /// From 1 to 12.
    pub month: u8,
    /// From 1 to 31.
    pub day: u8,
    /// Days since Sunday, 0 to 6.
    pub weekday: u8,
    /// Days since the first of January, 0 to 365.
    pub day_of_year: u16,
    /// From 0 to 23.
    pub hour: u8,
    /// From 0 to 59.
    pub minute: u8,
    /// From 0 to 60.
    pub second: u8,
    /// From 0 to 999,999.
    pub microsecond: u32,
    /// Seconds since the first of January 1970 in UTC.
    pub epoch: i64,
}

impl Banner {
    /// The longest, in bytes as it is written.
    pub const MAX: usize = 1024;

    /// Whether nothing is sent.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is sent: bytes, since `\xFF` is one.
    pub fn render(&self, facts: &BannerFacts<'_>) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(2 * self.0.len());
        // it has been read once without a fault
        for piece in Pieces(&self.0).flatten() {
            match piece {
                BannerPiece::Text(text) => bytes.extend_from_slice(text.as_bytes()),
                BannerPiece::Byte(byte) => bytes.push(byte),
                BannerPiece::Fact(letter) => bytes.extend_from_slice(facts.fact(letter).as_bytes()),
            }
        }
        bytes
    }
}

impl FromStr for Banner {
    type Err = BannerError;

    fn from_str(text: &str) -> Result<Self, BannerError> {
        if text.len() > Self::MAX {
            return Err(BannerError::TooLong);
        }
        // what YAML makes of "\N", "\L" and "\P" between double quotes; nobody has them on the keyboard
        if let Some(c) = text.chars().find(|c| matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}')) {
            return Err(BannerError::OnceEscaped(match c {
                '\u{85}' => 'N',
                '\u{2028}' => 'L',
                _ => 'P',
            }));
        }
        Pieces(text).try_for_each(|piece| piece.map(drop))?;
        Ok(Banner(text.to_owned()))
    }
}

/// What a text stands for that has no facts in it.
pub(crate) fn plain(text: &str) -> Result<Vec<u8>, BannerError> {
    let mut bytes = Vec::new();
    for piece in Pieces(text) {
        match piece? {
            BannerPiece::Text(text) => bytes.extend_from_slice(text.as_bytes()),
            BannerPiece::Byte(byte) => bytes.push(byte),
            BannerPiece::Fact(letter) => return Err(BannerError::Unknown(letter.into())),
        }
    }
    Ok(bytes)
}

impl BannerFacts<'_> {
    fn fact(&self, letter: char) -> String {
        let BannerTime { year, month, day, weekday, day_of_year, hour, minute, second, microsecond, epoch } = self.time;
        let hour_of_12 = if hour % 12 == 0 { 12 } else { hour % 12 };
        let name_of = |names: &[&'static str], index: usize| names.get(index).copied().unwrap_or("?").to_owned();
        match letter {
            'N' | 'o' => self.port.to_owned(),
            'd' => self.device.to_owned(),
            's' => self.line.to_string(),
            'B' => {
                let LineSettings { baud, data_bits, parity, stop_bits, .. } = self.line;
                format!("{baud}{}{data_bits}{stop_bits}", parity.letter())
            }
            'p' => self.listener.to_owned(),
            'I' => self.remote.to_owned(),
            'Y' => year.to_string(),
            'm' => month.to_string(),
            'M' => name_of(&MONTHS, usize::from(month).wrapping_sub(1)),
            'D' => day.to_string(),
            'y' => day_of_year.to_string(),
            'A' => name_of(&WEEKDAYS, usize::from(weekday)),
            'H' => format!("{hour:02}"),
            'h' => format!("{hour_of_12:02}"),
            'i' => format!("{minute:02}"),
            'S' => format!("{second:02}"),
            'T' => format!("{hour:02}:{minute:02}:{second:02}"),
            'q' => if hour < 12 { "am" } else { "pm" }.to_owned(),
            'P' => if hour < 12 { "AM" } else { "PM" }.to_owned(),
            'e' => epoch.to_string(),
            _ => format!("{microsecond:06}"),
        }
    }
}

/// The letters that stand for a fact, in the order of the table above.
const FACTS: &str = "NodsBpIYmMDyAHhiSTqPeU";

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

#[derive(Debug)]
enum BannerPiece<'a> {
    Text(&'a str),
    Byte(u8),
    Fact(char),
}

/// What is left of a template.
struct Pieces<'a>(&'a str);

impl<'a> Iterator for Pieces<'a> {
    type Item = Result<BannerPiece<'a>, BannerError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let (text, rest) = self.0.split_at(self.0.find('\\').unwrap_or(self.0.len()));
        if !text.is_empty() {
            self.0 = rest;
            return Some(Ok(BannerPiece::Text(text)));
        }
        let escape = rest.strip_prefix('\\').unwrap_or(rest);
        Some(self.escape(escape))
    }
}

impl<'a> Pieces<'a> {
    /// `escape` is what stands behind the backslash.
    fn escape(&mut self, escape: &'a str) -> Result<BannerPiece<'a>, BannerError> {
        let Some(letter) = escape.chars().next() else {
            self.0 = "";
            return Err(BannerError::Unknown(String::new()));
        };
        self.0 = &escape[letter.len_utf8()..];
        if FACTS.contains(letter) {
            return Ok(BannerPiece::Fact(letter));
        }
        Ok(BannerPiece::Byte(match letter {
            'a' => 0x07,
            'b' => 0x08,
            'f' => 0x0c,
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            'v' => 0x0b,
            '\\' => b'\\',
            '?' => b'?',
            '\'' => b'\'',
            '"' => b'"',
            '0'..='7' => self.number(escape, 3, 8)?,
            'x' => self.number(&escape[1..], 2, 16)?,
            _ => return Err(BannerError::Unknown(letter.to_string())),
        }))
    }

    /// The digits at the beginning of `text`, at most `most`.
    fn number(&mut self, text: &'a str, most: usize, radix: u32) -> Result<u8, BannerError> {
        let digits = text.chars().take(most).take_while(|c| c.is_digit(radix)).count();
        let (digits, rest) = text.split_at(digits);
        self.0 = rest;
        let shown = if radix == 16 { format!("x{digits}") } else { digits.to_owned() };
        u8::from_str_radix(digits, radix).map_err(|_| BannerError::Unknown(shown))
    }
}

/// Text that is not a banner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BannerError {
    /// What stands behind the backslash means nothing; empty at the end of the text.
    Unknown(String),
    /// YAML has made another character of the escape with this letter.
    OnceEscaped(char),
    /// It has more than [`Banner::MAX`] bytes.
    TooLong,
}

impl BannerError {
    /// What would be right.
    pub fn help(&self) -> &'static str {
        match self {
            BannerError::Unknown(_) => {
                "the escapes are \\N (port), \\d (device), \\s (line settings), \\p (TCP port), \\I (client's address), \
                 \\r \\n \\t and others of C, parts of the time such as \\Y-\\m-\\D \\T, and \\\\ for a backslash"
            }
            BannerError::OnceEscaped(_) => {
                "write the backslash twice between double quotes (\"\\\\N\"), or use single quotes ('\\N')"
            }
            BannerError::TooLong => "write at most 1024 characters",
        }
    }
}

impl fmt::Display for BannerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BannerError::Unknown(escape) if escape.is_empty() => f.write_str("the banner ends with a single backslash"),
            BannerError::Unknown(escape) => write!(f, "`\\{}` is not an escape of a banner", shown(escape)),
            BannerError::OnceEscaped(letter) => {
                write!(
                    f,
                    "between double quotes `\\{letter}` is a special character of YAML, not an escape of the banner"
                )
            }
            BannerError::TooLong => f.write_str("the banner is longer than 1024 characters"),
        }
    }
}

impl std::error::Error for BannerError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn facts() -> BannerFacts<'static> {
        BannerFacts {
            port: "router",
            device: "/dev/ttyUSB0",
            line: "9600 7E1 rts-cts".parse().unwrap(),
            listener: "4002",
            remote: "fd00::7",
            time: BannerTime {
                year: 2026,
                month: 3,
                day: 9,
                weekday: 1,
                day_of_year: 67,
                hour: 15,
                minute: 4,
                second: 5,
                microsecond: 678,
                epoch: 1_773_068_645,
            },
        }
    }

    fn rendered(template: &str) -> Vec<u8> {
        template.parse::<Banner>().unwrap().render(&facts())
    }

    #[test]
    fn every_escape_gives_its_fact() {
        for (template, text) in [
            ("", ""),
            ("plain, é", "plain, é"),
            ("\\N \\o \\d", "router router /dev/ttyUSB0"),
            ("\\s|\\B", "9600 7E1 rts-cts|9600E71"),
            ("\\I on \\p", "fd00::7 on 4002"),
            ("\\Y-\\m-\\D, \\A \\M \\y", "2026-3-9, Mon Mar 67"),
            ("\\H:\\i:\\S \\T", "15:04:05 15:04:05"),
            ("\\h\\q \\h\\P", "03pm 03PM"),
            ("\\e.\\U", "1773068645.000678"),
            ("\\a\\b\\f\\n\\r\\t\\v\\\\\\?\\'\\\"", "\x07\x08\x0c\n\r\t\x0b\\?'\""),
            ("\\0\\101\\1018\\x41\\x4\\x41B", "\0AA8A\x04AB"),
            ("\\\\N", "\\N"),
        ] {
            assert_eq!(String::from_utf8(rendered(template)).unwrap(), text, "{template:?}");
        }
        assert_eq!(rendered("\\xff\\377"), [0xff, 0xff]);
        for letter in FACTS.chars() {
            assert!(!rendered(&format!("\\{letter}")).is_empty());
        }
    }

    #[test]
    fn midnight_and_noon_are_twelve() {
        for (hour, text) in [(0, "12am"), (11, "11am"), (12, "12pm"), (23, "11pm")] {
            let mut facts = facts();
            facts.time.hour = hour;
            let banner: Banner = "\\h\\q".parse().unwrap();
            assert_eq!(banner.render(&facts), text.as_bytes());
        }
    }

    #[test]
    fn what_is_not_an_escape_is_refused() {
        let unknown = |escape: &str| Err(BannerError::Unknown(escape.into()));
        for (template, error) in [
            ("\\", unknown("")),
            ("x\\z", unknown("z")),
            ("\\é", unknown("é")),
            ("\\8", unknown("8")),
            ("\\400", unknown("400")),
            ("\\x", unknown("x")),
            ("\\xg", unknown("x")),
            ("\u{85} \\d", Err(BannerError::OnceEscaped('N'))),
        ] {
            assert_eq!(template.parse::<Banner>(), error, "{template:?}");
        }
        assert_eq!("x".repeat(1025).parse::<Banner>(), Err(BannerError::TooLong));
        assert!("x".repeat(1024).parse::<Banner>().is_ok());
    }

    proptest! {
        #[test]
        fn any_text_is_a_banner_or_refused(text in "(\\PC|\\\\|\\\\[0-9xNdA-z]|\n){0,40}") {
            if let Ok(banner) = text.parse::<Banner>() {
                prop_assert_eq!(banner.as_str(), &text);
                let rendered = banner.render(&facts());
                prop_assert!(text.contains('\\') || rendered == text.as_bytes());
            }
        }
    }
}
