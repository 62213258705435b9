//! Bytes and characters as digits, for people and terminals.

use std::fmt::Write as _;

use sermux_port_config::is_unprintable;

/// `0d0a`
pub(crate) fn digits(bytes: &[u8]) -> String {
    let mut digits = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

/// The bytes; of another text as many as it has at its beginning.
pub(crate) fn bytes(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks_exact(2);
    pairs.map_while(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// JSON with the same meaning, in which no character steers a terminal or turns the direction of writing round: outside of
/// texts JSON has none, and in a text `\u202e` is the character.
pub(crate) fn json_for_terminals(json: String) -> String {
    if !json.contains(is_meant) {
        return json;
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if is_meant(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
                // Writing to a string does not fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            });
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Line ends between the parts stay.
fn is_meant(c: char) -> bool {
    is_unprintable(c) && !matches!(c, '\n' | '\r' | '\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bytes_come_back_and_what_is_none_ends_them() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(bytes(&digits(&all)), all);
        assert_eq!(digits(b"\r\n"), "0d0a");
        assert_eq!(bytes("0d0x41"), b"\r");
    }

    #[test]
    fn json_means_the_same_and_steers_nothing() {
        let value = serde_json::json!({ "signature": "a\u{202e}b\u{61c}\u{7f}é", "n": 1 });
        let json = json_for_terminals(serde_json::to_string_pretty(&value).unwrap());
        assert!(!json.contains(is_meant) && json.contains("\\u202e") && json.contains('é'), "{json}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap(), value);
    }
}
