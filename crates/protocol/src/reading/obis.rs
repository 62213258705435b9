//! OBIS codes (IEC 62056-61): what an object of a telegram is about, in six numbers.

use std::fmt;

/// `A-B:C.D.E`, or `A-B:C.D.E*F`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Obis {
    /// The medium: 1 is electricity, 0 is what has none.
    pub a: u8,
    /// The channel: a meter that another one reads by M-Bus has its own.
    pub b: u8,
    /// The physical quantity.
    pub c: u8,
    /// How the quantity is processed.
    pub d: u8,
    /// The tariff, mostly.
    pub e: u8,
    /// The billing period.
    pub f: Option<u8>,
}

impl Obis {
    /// The code with which `text` begins, and what follows it.
    pub(super) fn begins(text: &[u8]) -> Option<(Obis, &[u8])> {
        let (a, text) = number(text, Some(b'-'))?;
        let (b, text) = number(text, Some(b':'))?;
        let (c, text) = number(text, Some(b'.'))?;
        let (d, text) = number(text, Some(b'.'))?;
        let (e, text) = number(text, None)?;
        let (f, text) = match text.split_first() {
            Some((b'*' | b'.', rest)) => {
                let (f, rest) = number(rest, None)?;
                (Some(f), rest)
            }
            _ => (None, text),
        };
        Some((Obis { a, b, c, d, e, f }, text))
    }
}

/// A number up to 255 and the `end` that must follow it.
fn number(text: &[u8], end: Option<u8>) -> Option<(u8, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=3).contains(&digits) {
        return None;
    }
    let number = text[..digits].iter().fold(0u16, |number, digit| number * 10 + u16::from(digit - b'0'));
    let rest = &text[digits..];
    let rest = match end {
        Some(end) => rest.strip_prefix(&[end])?,
        None => rest,
    };
    Some((u8::try_from(number).ok()?, rest))
}

impl fmt::Display for Obis {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { a, b, c, d, e, f } = self;
        write!(out, "{a}-{b}:{c}.{d}.{e}")?;
        f.map_or(Ok(()), |f| write!(out, "*{f}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_and_written_the_same() {
        for text in ["1-0:1.8.1", "0-0:96.13.0", "1-0:99.97.0", "255-255:255.255.255", "1-0:1.8.1*255"] {
            let (code, rest) = Obis::begins(text.as_bytes()).expect(text);
            assert_eq!((code.to_string().as_str(), rest), (text, &b""[..]));
        }
        // Some meters write the billing period behind a point.
        let (code, rest) = Obis::begins(b"1-0:1.8.0.255(1*kWh)").expect("a code");
        assert_eq!((code.f, rest), (Some(255), &b"(1*kWh)"[..]));
    }

    #[test]
    fn what_is_no_code_is_none() {
        for text in [
            "",
            "1",
            "1-",
            "1-0:1.8",
            "1-0:1.8.",
            "1-0.1.8.1",
            "256-0:1.8.1",
            "1-0:1.8.1000",
            "1-0:-1.8.1",
            "1-0:1.8.1*",
        ] {
            assert_eq!(Obis::begins(text.as_bytes()), None, "{text}");
        }
    }
}
