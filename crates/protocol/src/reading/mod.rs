//! What a P1 telegram says, in typed values: DSMR 2.2 to 5, eMUCS-P1 (Belgium), Smarty P1 (Luxembourg), and the Swedish
//! local interface.
//!
//! [`decode`] takes the bytes of one whole telegram, as [`frame::p1`](crate::frame::p1) finds them, and may be given any
//! others. It judges no CRC: the framer did. An object whose code is not known keeps its text, and so does one whose value is
//! not what its code promises; a line that is no object at all is in [`MeterReading::unread`]. What comes back is bounded by the
//! size of the telegram, and a telegram is no larger than [`MOST_BYTES`].
//!
//! ```
//! use sermux_protocol::reading::{decode, Flow, Quantity};
//!
//! let telegram = b"/ISk5\\2MT382-1000\r\n\r\n0-0:96.14.0(0002)\r\n1-0:1.7.0(001.19*kW)\r\n!\r\n";
//! let reading = decode(telegram)?;
//! assert_eq!(reading.identification, "ISk5\\2MT382-1000");
//! assert_eq!(reading.tariff(), Some(2));
//! let power = reading.measure(Quantity::Power(Flow::Import, None)).expect("there is one");
//! assert_eq!(power.to_string(), "1.19 kW");
//! # Ok::<(), sermux_protocol::reading::NotDecoded>(())
//! ```

mod meter;
mod number;
mod obis;
mod object;
mod quantity;
mod time;

use std::fmt;
use std::ops::Range;

pub use self::meter::{BusMeter, BusMeterKind};
pub use self::number::{Decimal, Measure, Unit};
pub use self::obis::Obis;
use self::object::text;
pub use self::object::{LogEntry, ObisObject, ObjectValue};
pub use self::quantity::{Flow, Phase, Quantity};
pub use self::time::MeterTime;

/// A longer telegram is not decoded. The framer finds none that is longer than half of this.
pub const MOST_BYTES: usize = 16 * 1024;

/// What a telegram says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MeterReading {
    /// The first line, without its `/`: maker, and type or number of the meter.
    pub identification: String,
    /// All objects, in the order of the telegram.
    pub objects: Vec<ObisObject>,
    /// Lines that are no objects.
    pub unread: Vec<String>,
}

/// Why bytes are no telegram that can be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotDecoded {
    /// They do not begin with `/`.
    NoBegin,
    /// No line begins with `!`.
    NoEnd,
    /// The telegram has this number of bytes, too many.
    TooLong(usize),
}

impl fmt::Display for NotDecoded {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotDecoded::NoBegin => out.write_str("not a telegram: the first byte is not `/`"),
            NotDecoded::NoEnd => out.write_str("not a whole telegram: no line begins with `!`"),
            NotDecoded::TooLong(bytes) => {
                write!(out, "not a telegram: {bytes} bytes, and at most {MOST_BYTES} are decoded")
            }
        }
    }
}

impl std::error::Error for NotDecoded {}

/// What this telegram says.
///
/// # Errors
///
/// The bytes do not begin with `/`, have no line that begins with `!`, or are too many.
pub fn decode(telegram: &[u8]) -> Result<MeterReading, NotDecoded> {
    if telegram.len() > MOST_BYTES {
        return Err(NotDecoded::TooLong(telegram.len()));
    }
    let body = telegram.strip_prefix(b"/").ok_or(NotDecoded::NoBegin)?;
    let mut lines = Lines { body, at: 0 };
    let (_, identification) = lines.next().unwrap_or_default();
    let mut reading = MeterReading { identification: text(identification), ..MeterReading::default() };
    // The object that is being read may go on in the next line: its code, and where in the telegram the rest of it stands.
    let mut open: Option<(Obis, Range<usize>)> = None;
    loop {
        let (at, line) = lines.next().ok_or(NotDecoded::NoEnd)?;
        let end = at + line.len();
        match (line.first(), &mut open) {
            (None, _) => {}
            (Some(b'!'), _) => break,
            (Some(b'('), Some((_, raw))) => raw.end = end,
            _ => {
                reading.take(open.take(), body);
                match Obis::begins(line) {
                    Some((code, raw)) if raw.first() == Some(&b'(') => open = Some((code, end - raw.len()..end)),
                    _ => reading.unread.push(text(line)),
                }
            }
        }
    }
    reading.take(open, body);
    Ok(reading)
}

/// Lines without their ends, of which some telegrams have lost the CR, and where they begin.
struct Lines<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Lines<'a> {
    type Item = (usize, &'a [u8]);

    fn next(&mut self) -> Option<(usize, &'a [u8])> {
        let (at, rest) = (self.at, self.body.get(self.at..).filter(|rest| !rest.is_empty())?);
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        self.at += end + 1;
        let line = &rest[..end];
        Some((at, line.strip_suffix(b"\r").unwrap_or(line)))
    }
}

impl MeterReading {
    fn take(&mut self, object: Option<(Obis, Range<usize>)>, body: &[u8]) {
        self.objects.extend(object.map(|(code, raw)| ObisObject::new(code, &body[raw])));
    }

    /// What the first object says that tells this.
    #[must_use]
    pub fn value(&self, quantity: Quantity) -> Option<&ObjectValue> {
        self.objects.iter().find(|object| object.quantity == Some(quantity)).map(|object| &object.value)
    }

    /// … if it is a number.
    #[must_use]
    pub fn measure(&self, quantity: Quantity) -> Option<Measure> {
        match self.value(quantity)? {
            ObjectValue::Measure(measure) => Some(*measure),
            _ => None,
        }
    }

    /// … if it is a text.
    #[must_use]
    pub fn text(&self, quantity: Quantity) -> Option<&str> {
        match self.value(quantity)? {
            ObjectValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// When the telegram was made. DSMR 2 and 3 do not say.
    #[must_use]
    pub fn time(&self) -> Option<MeterTime> {
        match self.value(Quantity::Time)? {
            ObjectValue::Time(time) => Some(*time),
            _ => None,
        }
    }

    /// The tariff in force.
    #[must_use]
    pub fn tariff(&self) -> Option<u64> {
        self.measure(Quantity::Tariff)?.number.as_u64()
    }

    /// The meters on the M-Bus, by their channel.
    #[must_use]
    pub fn meters(&self) -> Vec<BusMeter<'_>> {
        meter::of(&self.objects)
    }
}
