//! Characters that a record must not have from outside, whichever field they came in.
//!
//! Names, addresses and bytes of clients are parts of records. What turns the direction of writing round, is not seen or steers
//! a terminal would make a record look like another one. ASCII controls stay: colours, the ends of lines and backtraces are
//! made of them, and those from outside are escaped where the record is made.

use std::borrow::Cow;
use std::fmt::Write as _;

use sermux_port_config::is_unprintable;

/// How a record writes a character by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `\u{202e}`
    Text,
    /// `\u202e`, which is the character itself to who reads the object.
    Json,
}

/// The record without such characters.
pub(super) fn escaped(record: &[u8], form: Form) -> Cow<'_, [u8]> {
    let is_bad = |c: char| !c.is_ascii() && is_unprintable(c);
    let text = match std::str::from_utf8(record) {
        Ok(text) if !record.is_ascii() && text.contains(is_bad) => text,
        _ => return Cow::Borrowed(record),
    };
    let mut written = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match form {
            _ if !is_bad(c) => written.push(c),
            Form::Text => written.extend(c.escape_unicode()),
            Form::Json => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
                // Writing to a string does not fail.
                let _ = write!(written, "\\u{unit:04x}");
            }),
        }
    }
    Cow::Owned(written.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_turns_the_direction_of_writing_round_is_escaped_and_the_rest_stays() {
        let turns = ('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}').chain([
            '\u{200e}',
            '\u{200f}',
            '\u{61c}',
            '\u{9b}',
            '\u{ad}',
            '\u{e0041}',
        ]);
        for c in turns {
            let record = format!("\u{1b}[32m INFO\u{1b}[0m größer {c}x\n");
            let text = format!("\u{1b}[32m INFO\u{1b}[0m größer \\u{{{:x}}}x\n", u32::from(c));
            assert_eq!(String::from_utf8_lossy(&escaped(record.as_bytes(), Form::Text)), text);
            let object = serde_json::json!({ "message": c }).to_string();
            let written = escaped(object.as_bytes(), Form::Json);
            assert!(written.is_ascii());
            assert_eq!(serde_json::from_slice::<serde_json::Value>(&written).unwrap()["message"], c.to_string());
        }
        assert!(matches!(escaped("größer\n".as_bytes(), Form::Text), Cow::Borrowed(_)));
    }
}
