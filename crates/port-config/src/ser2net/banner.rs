//! Texts with escapes: those of sermux are nearly those of ser2net.

use super::connection::Setting;
use super::remark::Remarks;
use crate::config::banner::plain;
use crate::config::{Banner, Marker};
use crate::error::shown;

/// A text with facts of the port, such as `\d`. `None` when there is nothing to send, and with a remark when it is too long.
pub(super) fn read(setting: &Setting, remarks: &mut Remarks) -> Option<Banner> {
    let text = &setting.value.as_ref()?.text;
    let (banner, changes) = translated(text, FACTS);
    let name = &setting.name;
    match banner.parse::<Banner>() {
        Ok(banner) if banner.is_empty() => None,
        Ok(banner) => {
            if changes.months {
                remarks.better(setting.place, format!("{name}: `\\m` counts months from 1 here, not from 0"));
            }
            if !changes.unknown.is_empty() {
                changes.say(setting, remarks);
            }
            Some(banner)
        }
        Err(error) => {
            remarks.no_equivalent(setting.place, format!("{name}: left out: {error}"));
            None
        }
    }
}

/// A text that is looked for among what the device sends. `None` when there is none, and with a remark when it is too long.
pub(super) fn marker(setting: &Setting, remarks: &mut Remarks) -> Option<String> {
    let (text, changes) = translated(&setting.value.as_ref()?.text, "");
    let bytes = plain(&text).map(|bytes| bytes.len()).unwrap_or(usize::MAX);
    if bytes == 0 {
        return None;
    }
    if bytes > Marker::MAX {
        let message = format!("{}: left out: a text of at most {} bytes is looked for", setting.name, Marker::MAX);
        remarks.no_equivalent(setting.place, message);
        return None;
    }
    if !changes.unknown.is_empty() {
        changes.say(setting, remarks);
    }
    Some(text)
}

/// Letters of escapes that stand for something else at each time.
const FACTS: &str = "NodBpIYmMyADHhiSqPeU";

#[derive(Debug, Default, PartialEq, Eq)]
struct BannerChanges {
    months: bool,
    unknown: Vec<char>,
}

impl BannerChanges {
    fn say(&self, setting: &Setting, remarks: &mut Remarks) {
        let letters: Vec<String> = self.unknown.iter().map(|c| format!("\\{}", shown(&c.to_string()))).collect();
        let letters = letters.join(" ");
        let message = format!("{}: {letters} meant nothing and is written without its backslash", setting.name);
        remarks.translated(setting.place, message);
    }
}

/// ser2net prints an escape that it does not know without its backslash; here that is a fault.
fn translated(text: &str, facts: &str) -> (String, BannerChanges) {
    const SAME: &str = "abfnrtv\\?'\"";
    let mut banner = String::with_capacity(text.len());
    let mut changes = BannerChanges::default();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '\\' {
            // What YAML has made of an escape between double quotes.
            match c {
                '\u{85}' | '\u{2028}' | '\u{2029}' => {}
                '\r' => banner.push_str("\\r"),
                '\n' => banner.push_str("\\n"),
                '\t' => banner.push_str("\\t"),
                c if c.is_ascii_control() => banner.push_str(&format!("\\x{:02x}", u32::from(c))),
                c => banner.push(c),
            }
            continue;
        }
        match rest.next() {
            // Settings as in 9600N81, which is `\B` here.
            Some('s') if !facts.is_empty() => banner.push_str("\\B"),
            Some(letter) if SAME.contains(letter) || facts.contains(letter) => {
                changes.months |= letter == 'm';
                banner.extend(['\\', letter]);
            }
            Some(letter @ ('0'..='7' | 'x')) => {
                let (radix, most) = if letter == 'x' { (16, 2) } else { (8, 2) };
                let mut digits = String::new();
                while digits.len() < most && rest.peek().is_some_and(|c| c.is_digit(radix)) {
                    digits.extend(rest.next());
                }
                let is_empty = letter == 'x' && digits.is_empty();
                let first = if letter == 'x' { 0 } else { letter.to_digit(8).unwrap_or(0) << (3 * digits.len()) };
                let value = first + u32::from_str_radix(&digits, radix).unwrap_or(0);
                if is_empty {
                    changes.unknown.push('x');
                    banner.push('x');
                } else {
                    // Two digits of 16 are no more than a byte; three of 8 can be, of which a byte is left.
                    banner.push_str(&format!("\\x{:02x}", value & 0xff));
                }
            }
            Some(letter) => {
                changes.unknown.push(letter);
                banner.push(letter);
            }
            None => {}
        }
    }
    (banner, changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_mean_the_same_as_before() {
        for (text, banner) in [
            (
                "\\r\\nser2net port \\p device \\d [\\B] (Debian)\\r\\n",
                "\\r\\nser2net port \\p device \\d [\\B] (Debian)\\r\\n",
            ),
            ("\\s", "\\B"),
            ("\\T\\z", "Tz"),
            ("\\0\\12\\377x\\400", "\\x00\\x0a\\xffx\\x00"),
            ("\\x1\\xFFf\\xg", "\\x01\\xfffxg"),
            ("a\\", "a"),
            ("a\r\n\u{7}", "a\\r\\n\\x07"),
            ("\\\\T", "\\\\T"),
        ] {
            let translated = translated(text, FACTS).0;
            assert_eq!(translated, banner, "{text:?}");
            assert!(translated.parse::<Banner>().is_ok(), "{translated}");
        }
    }
}
