//! Line settings: what both ends of a serial line must agree on, and their short form "115200 8N1", both ways.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::config::keys::nearest;
use crate::error::shown;

/// Baud rate, data bits, parity, stop bits and flow control of a line.
///
/// The short form is the baud rate, then `8N1` (data bits, parity letter, stop bits), then the flow control if there is
/// one: `9600`, `9600 7E1`, `115200 8N1 rts-cts`. A comma does as well as a space, and ser2net's `9600n81` is understood.
///
/// ```
/// use sermux_port_config::line::{LineSettings, Parity};
///
/// let settings: LineSettings = "9600 7E1".parse().expect("well-formed");
/// assert_eq!(settings.parity, Parity::Even);
/// assert_eq!(settings.to_string(), "9600 7E1");
/// assert_eq!("9600".parse(), Ok(LineSettings::default()));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LineSettings {
    /// Symbols a second.
    pub baud: BaudRate,
    /// Data bits of a character.
    pub data_bits: DataBits,
    /// The check bit after them.
    pub parity: Parity,
    /// The pause after a character.
    pub stop_bits: StopBits,
    /// How either end stops the other.
    pub flow_control: FlowControl,
}

impl LineSettings {
    /// How long one character takes on the wire: start bit, data bits, parity bit, stop bits.
    pub fn char_time(&self) -> Duration {
        let parity_bits = u64::from(self.parity != Parity::None);
        let half_bits = 2 * (1 + u64::from(self.data_bits.bits()) + parity_bits) + self.stop_bits.half_bits();
        Duration::from_nanos((half_bits * 1_000_000_000).div_ceil(2 * u64::from(self.baud.get())))
    }
}

impl fmt::Display for LineSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}{}", self.baud, self.data_bits, self.parity.letter(), self.stop_bits)?;
        if self.flow_control != FlowControl::None {
            write!(f, " {}", self.flow_control)?;
        }
        Ok(())
    }
}

impl FromStr for LineSettings {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let mut words = text.split([' ', '\t', ',']).filter(|word| !word.is_empty());
        let first = words.next().ok_or(ParseError::EMPTY)?;
        let digits = first.len() - first.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (rate, compact) = first.split_at(digits);
        let mut settings = LineSettings::default();
        let second = if compact.is_empty() {
            settings.baud = first.parse()?;
            words.next()
        } else {
            // ser2net's order: 9600n81 is parity, data bits, stop bits
            let mut letters = compact.chars();
            let reordered = match (letters.next(), letters.next()) {
                (Some(parity), Some(data)) if parity.is_ascii_alphabetic() && !rate.is_empty() => {
                    format!("{data}{parity}{}", letters.as_str())
                }
                _ => return Err(ParseError::baud(first)),
            };
            settings.set_character(&reordered).map_err(|_| ParseError::baud(first))?;
            settings.baud = rate.parse()?;
            None
        };
        if let Some(character) = second {
            settings.set_character(character)?;
        }
        if let Some(flow) = words.next() {
            settings.flow_control = flow.parse()?;
        }
        match words.next() {
            None => Ok(settings),
            Some(extra) => {
                Err(ParseError { what: format!("`{}` after the line settings", shown(extra)), help: SHORT_FORM.into() })
            }
        }
    }
}

impl LineSettings {
    /// `8N1`
    fn set_character(&mut self, text: &str) -> Result<(), ParseError> {
        let wrong = || ParseError {
            what: format!("`{}` is not data bits, parity and stop bits", shown(text)),
            help: "write 8N1, 7E1, 8O2 …: 5 to 8, then N, E, O, M or S, then 1, 1.5 or 2".into(),
        };
        let mut letters = text.chars();
        let (data, parity) = letters.next().zip(letters.next()).ok_or_else(wrong)?;
        self.data_bits = data.to_string().parse().map_err(|_| wrong())?;
        self.parity = Parity::from_letter(parity).ok_or_else(wrong)?;
        self.stop_bits = letters.as_str().parse().map_err(|_| wrong())?;
        Ok(())
    }
}

/// Symbols a second.
///
/// 50 is the slowest speed that termios names. There is no fastest but that of the number itself: what a given device makes
/// of a rate only its driver can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BaudRate(NonZeroU32);

impl BaudRate {
    /// The slowest rate.
    pub const MIN: u32 = 45;
    /// The fastest rate.
    pub const MAX: u32 = u32::MAX;

    /// `None` outside [`MIN`](Self::MIN) to [`MAX`](Self::MAX).
    pub fn new(rate: u32) -> Option<BaudRate> {
        if !(Self::MIN..=Self::MAX).contains(&rate) {
            return None;
        }
        NonZeroU32::new(rate).map(BaudRate)
    }

    /// The number.
    pub fn get(self) -> u32 {
        self.0.get()
    }
}

impl Default for BaudRate {
    /// 9600
    fn default() -> Self {
        const DEFAULT: NonZeroU32 = match NonZeroU32::new(9600) {
            Some(rate) => rate,
            None => NonZeroU32::MIN,
        };
        BaudRate(DEFAULT)
    }
}

impl fmt::Display for BaudRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for BaudRate {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ParseError::baud(text));
        }
        text.parse().ok().and_then(BaudRate::new).ok_or_else(|| ParseError {
            what: format!("a baud rate of {} is out of range", shown(text)),
            help: "baud rates go from 45 to 4294967295".into(),
        })
    }
}

impl Serialize for BaudRate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.get())
    }
}

/// Data bits of a character.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are the documentation")]
pub enum DataBits {
    Five,
    Six,
    Seven,
    #[default]
    Eight,
}

impl DataBits {
    /// 5 to 8.
    pub fn bits(self) -> u8 {
        match self {
            DataBits::Five => 5,
            DataBits::Six => 6,
            DataBits::Seven => 7,
            DataBits::Eight => 8,
        }
    }
}

impl fmt::Display for DataBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bits().fmt(f)
    }
}

impl FromStr for DataBits {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text {
            "5" => Ok(DataBits::Five),
            "6" => Ok(DataBits::Six),
            "7" => Ok(DataBits::Seven),
            "8" => Ok(DataBits::Eight),
            _ => Err(ParseError {
                what: format!("`{}` is not a number of data bits", shown(text)),
                help: "write 5, 6, 7 or 8".into(),
            }),
        }
    }
}

impl Serialize for DataBits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.bits())
    }
}

/// The check bit of a character.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Parity {
    /// No such bit.
    #[default]
    None,
    /// An even number of ones with it.
    Even,
    /// An odd number of ones with it.
    Odd,
    /// Always one.
    Mark,
    /// Always zero.
    Space,
}

impl Parity {
    const ALL: [(Parity, &'static str, char); 5] = [
        (Parity::None, "none", 'N'),
        (Parity::Even, "even", 'E'),
        (Parity::Odd, "odd", 'O'),
        (Parity::Mark, "mark", 'M'),
        (Parity::Space, "space", 'S'),
    ];

    /// `N`, `E`, `O`, `M` or `S`.
    pub fn letter(self) -> char {
        match self {
            Parity::None => 'N',
            Parity::Even => 'E',
            Parity::Odd => 'O',
            Parity::Mark => 'M',
            Parity::Space => 'S',
        }
    }

    fn from_letter(letter: char) -> Option<Parity> {
        let letter = letter.to_ascii_uppercase();
        Self::ALL.iter().find(|entry| entry.2 == letter).map(|entry| entry.0)
    }
}

impl fmt::Display for Parity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Parity::None => "none",
            Parity::Even => "even",
            Parity::Odd => "odd",
            Parity::Mark => "mark",
            Parity::Space => "space",
        })
    }
}

impl FromStr for Parity {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::ALL.iter().find(|entry| entry.1 == text).map(|entry| entry.0).ok_or_else(|| ParseError {
            what: format!("`{}` is not a parity", shown(text)),
            help: "write none, even, odd, mark or space".into(),
        })
    }
}

/// The pause after a character.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are the documentation")]
pub enum StopBits {
    #[default]
    One,
    OnePointFive,
    Two,
}

impl StopBits {
    fn half_bits(self) -> u64 {
        match self {
            StopBits::One => 2,
            StopBits::OnePointFive => 3,
            StopBits::Two => 4,
        }
    }
}

impl fmt::Display for StopBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StopBits::One => "1",
            StopBits::OnePointFive => "1.5",
            StopBits::Two => "2",
        })
    }
}

impl FromStr for StopBits {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text {
            "1" => Ok(StopBits::One),
            "1.5" => Ok(StopBits::OnePointFive),
            "2" => Ok(StopBits::Two),
            _ => Err(ParseError {
                what: format!("`{}` is not a number of stop bits", shown(text)),
                help: "write 1, 1.5 or 2".into(),
            }),
        }
    }
}

impl Serialize for StopBits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            StopBits::One => serializer.serialize_u8(1),
            StopBits::OnePointFive => serializer.serialize_f32(1.5),
            StopBits::Two => serializer.serialize_u8(2),
        }
    }
}

/// How either end of the line stops the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlowControl {
    /// Not at all.
    #[default]
    None,
    /// By the wires RTS and CTS.
    RtsCts,
    /// By the characters XON (0x11) and XOFF (0x13).
    XonXoff,
    /// By the wires DTR and DSR.
    DtrDsr,
    /// By XON and XOFF that are sent, so that the far end waits; what it sends of them is data (IXOFF alone).
    XonXoffIn,
    /// By XON and XOFF that the far end sends; none are sent (IXON alone).
    XonXoffOut,
}

impl FlowControl {
    const ALL: [FlowControl; 6] = [
        FlowControl::None,
        FlowControl::RtsCts,
        FlowControl::XonXoff,
        FlowControl::DtrDsr,
        FlowControl::XonXoffIn,
        FlowControl::XonXoffOut,
    ];

    /// As it is written.
    fn name(self) -> &'static str {
        match self {
            FlowControl::None => "none",
            FlowControl::RtsCts => "rts-cts",
            FlowControl::XonXoff => "xon-xoff",
            FlowControl::DtrDsr => "dtr-dsr",
            FlowControl::XonXoffIn => "xon-xoff-in",
            FlowControl::XonXoffOut => "xon-xoff-out",
        }
    }
}

impl fmt::Display for FlowControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for FlowControl {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        FlowControl::ALL.into_iter().find(|flow| flow.name() == text).ok_or_else(|| ParseError {
            what: format!("`{}` is not a flow control", shown(text)),
            help: nearest(text, FlowControl::ALL.into_iter().map(FlowControl::name)).map_or_else(
                || "write none, rts-cts, xon-xoff or dtr-dsr".into(),
                |near| format!("did you mean `{near}`?").into(),
            ),
        })
    }
}

/// Text that is not what it should be, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    what: String,
    help: Cow<'static, str>,
}

impl ParseError {
    const EMPTY: ParseError = ParseError { what: String::new(), help: Cow::Borrowed(SHORT_FORM) };

    fn baud(text: &str) -> ParseError {
        ParseError {
            what: format!("`{}` is not a baud rate", shown(text)),
            help: "write a number such as 9600 or 115200".into(),
        }
    }

    /// What is wrong.
    pub fn what(&self) -> &str {
        if self.what.is_empty() {
            return "line settings are missing";
        }
        &self.what
    }

    /// What would be right.
    pub fn help(&self) -> &str {
        &self.help
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what(), self.help)
    }
}

impl std::error::Error for ParseError {}

const SHORT_FORM: &str = "write `9600 8N1`, `115200 8N1` or `9600 7E1 rts-cts`";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn settings(baud: u32, data_bits: DataBits, parity: Parity, stop_bits: StopBits) -> LineSettings {
        let baud = BaudRate::new(baud).unwrap();
        LineSettings { baud, data_bits, parity, stop_bits, flow_control: FlowControl::None }
    }

    #[test]
    fn the_default_is_9600_8n1_without_flow_control() {
        assert_eq!(LineSettings::default().to_string(), "9600 8N1");
    }

    #[test]
    fn every_usual_way_of_writing_line_settings_is_understood() {
        let even = settings(9600, DataBits::Seven, Parity::Even, StopBits::One);
        let plain = settings(115_200, DataBits::Eight, Parity::None, StopBits::One);
        let odd = settings(110, DataBits::Five, Parity::Mark, StopBits::OnePointFive);
        for (text, expected) in [
            ("9600 7E1", even),
            ("9600,7e1", even),
            ("9600, 7E1", even),
            ("9600e71", even),
            (" 9600  7E1 none ", even),
            ("115200", plain),
            ("115200 8N1", plain),
            ("115200n81", plain),
            ("110 5M1.5", odd),
            ("9600 7E1 rts-cts", LineSettings { flow_control: FlowControl::RtsCts, ..even }),
            ("9600e71 xon-xoff", LineSettings { flow_control: FlowControl::XonXoff, ..even }),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text:?}");
        }
    }

    #[test]
    fn what_is_wrong_with_line_settings_is_said_with_an_example() {
        for (text, what) in [
            ("", "line settings are missing"),
            ("8N1", "`8N1` is not a baud rate"),
            ("11520O", "`11520O` is not a baud rate"),
            ("fast", "`fast` is not a baud rate"),
            ("-9600", "`-9600` is not a baud rate"),
            ("9600 9N1", "`9N1` is not data bits, parity and stop bits"),
            ("9600 8X1", "`8X1` is not data bits, parity and stop bits"),
            ("9600 8N3", "`8N3` is not data bits, parity and stop bits"),
            ("9600 8", "`8` is not data bits, parity and stop bits"),
            ("9600 8N1 rtscts", "`rtscts` is not a flow control"),
            ("9600 8N1 none twice", "`twice` after the line settings"),
            ("44 8N1", "a baud rate of 44 is out of range"),
            ("99999999999 8N1", "a baud rate of 99999999999 is out of range"),
        ] {
            let error = text.parse::<LineSettings>().unwrap_err();
            assert_eq!(error.what(), what, "{text:?}");
            assert!(error.help().chars().any(|c| c.is_ascii_digit()) || error.help().contains("rts-cts"));
        }
    }

    #[test]
    fn a_character_takes_start_data_parity_and_stop_bits() {
        let micros = |text: &str| text.parse::<LineSettings>().unwrap().char_time().as_nanos() / 100;
        assert_eq!(micros("10000 8N1"), 10_000);
        assert_eq!(micros("10000 7E1"), 10_000);
        assert_eq!(micros("10000 8E2"), 12_000);
        assert_eq!(micros("10000 5N1.5"), 7_500);
        assert_eq!("12000000".parse::<LineSettings>().unwrap().char_time(), Duration::from_nanos(834));
    }

    pub(crate) fn any_settings() -> impl Strategy<Value = LineSettings> {
        use {DataBits::*, FlowControl as F, Parity as P, StopBits as S};
        (
            BaudRate::MIN..=BaudRate::MAX,
            prop::sample::select(vec![Five, Six, Seven, Eight]),
            prop::sample::select(vec![P::None, P::Even, P::Odd, P::Mark, P::Space]),
            prop::sample::select(vec![S::One, S::OnePointFive, S::Two]),
            prop::sample::select(vec![F::None, F::RtsCts, F::XonXoff, F::DtrDsr]),
        )
            .prop_map(|(baud, data_bits, parity, stop_bits, flow_control)| LineSettings {
                baud: BaudRate::new(baud).unwrap(),
                data_bits,
                parity,
                stop_bits,
                flow_control,
            })
    }

    proptest! {
        #[test]
        fn written_line_settings_are_read_back(settings in any_settings()) {
            prop_assert_eq!(settings.to_string().parse(), Ok(settings));
        }

        #[test]
        fn no_text_makes_the_reader_of_line_settings_panic(text in "\\PC{0,20}|[0-9nNeE.81, ]{0,20}") {
            let _ = text.parse::<LineSettings>();
        }
    }
}
