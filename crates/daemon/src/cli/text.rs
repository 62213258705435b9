//! Numbers, times and texts as people read them.

use std::io;

use sermux_port_config::is_unprintable;

/// `1 port`, `2 ports`
pub(super) fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// `512 B`, `12.4 MiB`
pub(super) fn bytes(n: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if n < 1024 {
        return format!("{n} B");
    }
    // In tenths, so that 1023.96 KiB becomes 1.0 MiB and not 1024.0 KiB.
    let (mut tenths, mut unit) = (u128::from(n) * 10 / 1024, 0);
    let mut divisor = 1024_u128;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        divisor *= 1024;
        unit += 1;
        tenths = u128::from(n) * 10 / divisor;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// `12 s`, `5 min`, `3 h 12 min`, `3 d 4 h`
pub(super) fn duration(seconds: u64) -> String {
    let two = |large: u64, large_unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{large} {large_unit}"),
        small => format!("{large} {large_unit} {small} {small_unit}"),
    };
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=3599 => format!("{} min", seconds / 60),
        3600..=86_399 => two(seconds / 3600, "h", seconds / 60 % 60, "min"),
        _ => two(seconds / 86_400, "d", seconds / 3600 % 24, "h"),
    }
}

/// What the system says is wrong, without the number that Rust appends: `permission denied`
pub(super) fn meaning(error: &io::Error) -> String {
    let text = error.to_string();
    let words = text.rfind(" (os error ").map_or(&*text, |number| &text[..number]);
    words.to_lowercase()
}

/// In one line, and nothing in it steers the terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars().flat_map(|c| if is_unprintable(c) { c.escape_default().collect() } else { vec![c] }).collect()
}

/// Broken between words into lines of at most `width` characters. A word that is longer has a line of its own.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    fill(text.split(' '), width)
}

/// … between pieces that stay whole.
pub(super) fn fill<'a>(pieces: impl IntoIterator<Item = &'a str>, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for piece in pieces {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + piece.chars().count() <= width => {
                line.push(' ');
                line.push_str(piece);
            }
            _ => lines.push(piece.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_one_decimal_and_the_unit_that_fits() {
        for (n, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_048_575, "1023.9 KiB"),
            (1_048_576, "1.0 MiB"),
            (13_002_400, "12.4 MiB"),
            (u64::MAX, "16383.9 PiB"),
        ] {
            assert_eq!(bytes(n), text);
        }
    }

    #[test]
    fn times_have_the_two_units_that_matter() {
        for (seconds, text) in
            [(0, "0 s"), (119, "119 s"), (120, "2 min"), (3600, "1 h"), (11_520, "3 h 12 min"), (273_600, "3 d 4 h")]
        {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn words_are_not_broken() {
        assert_eq!(wrap("not there (yet); plug it in", 12), ["not there", "(yet); plug", "it in"]);
        assert_eq!(wrap("/dev/serial/by-id/usb is gone", 10), ["/dev/serial/by-id/usb", "is gone"]);
    }

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(printable("a\u{1b}[31m\nb\u{202e}é"), "a\\u{1b}[31m\\nb\\u{202e}é");
        assert_eq!(printable("\u{200e}\u{200f}\u{61c}\u{2067}"), "\\u{200e}\\u{200f}\\u{61c}\\u{2067}");
    }
}
