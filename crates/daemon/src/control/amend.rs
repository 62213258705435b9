//! Partial line settings: `set PORT 19200` keeps parity and the other settings.

use sermux_port_config::line::{FlowControl, LineSettings, ParseError};

/// A part of the settings that a word sets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SettingsPart {
    Baud,
    Character,
    FlowControl,
}

/// `current` with what `text` says, in any order: a baud rate, `8N1` and the like, flow control.
pub(super) fn amend(current: LineSettings, text: &str) -> Result<LineSettings, String> {
    let mut settings = current;
    let mut said = Vec::new();
    for word in text.split([' ', '\t', ',']).filter(|word| !word.is_empty()) {
        let parts = take(&mut settings, word)?;
        if parts.iter().any(|part| said.contains(part)) {
            return Err(format!("`{}`: an earlier word sets this already", word.escape_debug()));
        }
        said.extend_from_slice(parts);
    }
    if said.is_empty() {
        return Err("no line settings; write some, such as 9600, 7E1 or rts-cts".to_owned());
    }
    Ok(settings)
}

fn take(settings: &mut LineSettings, word: &str) -> Result<&'static [SettingsPart], String> {
    let mut letters = word.chars();
    if !letters.next().is_some_and(|first| first.is_ascii_digit()) {
        // A word may be meant as anything; the parser of flow control knows of nothing else.
        let unknown = |_| {
            format!(
                "`{}` is no line setting; write a baud rate such as 9600, a format such as 8N1, or a flow \
             control: none, rts-cts, xon-xoff or dtr-dsr",
                word.escape_debug()
            )
        };
        settings.flow_control = word.parse::<FlowControl>().map_err(unknown)?;
        return Ok(&[SettingsPart::FlowControl]);
    }
    if word.chars().all(|c| c.is_ascii_digit()) {
        settings.baud = word.parse().map_err(said_of)?;
        return Ok(&[SettingsPart::Baud]);
    }
    // 8N1 has its letter in the second place, 9600n81 behind the rate.
    let has_rate = letters.next().is_some_and(|second| second.is_ascii_digit());
    let whole = if has_rate { word.to_owned() } else { format!("{} {word}", settings.baud) };
    let whole: LineSettings = whole.parse().map_err(said_of)?;
    *settings = LineSettings { flow_control: settings.flow_control, ..whole };
    Ok(if has_rate { &[SettingsPart::Baud, SettingsPart::Character] } else { &[SettingsPart::Character] })
}

fn said_of(wrong: ParseError) -> String {
    format!("{}; {}", wrong.what(), wrong.help())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amended(text: &str) -> Result<String, String> {
        amend("9600 7E1 xon-xoff".parse().unwrap(), text).map(|settings| settings.to_string())
    }

    #[test]
    fn what_is_not_said_stays() {
        for (text, whole) in [
            ("19200", "19200 7E1 xon-xoff"),
            ("8N1", "9600 8N1 xon-xoff"),
            ("none", "9600 7E1"),
            ("rts-cts 115200", "115200 7E1 rts-cts"),
            ("5N1.5,50", "50 5N1.5 xon-xoff"),
            ("19200n81", "19200 8N1 xon-xoff"),
            ("115200 8N2 none", "115200 8N2"),
        ] {
            assert_eq!(amended(text).as_deref(), Ok(whole), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, part) in [
            ("", "no line settings"),
            ("fast", "fast"),
            ("9N1", "9N1"),
            ("0", "out of range"),
            ("9600 19200", "`19200`: an earlier word sets this already"),
            ("9600n81 8N1", "`8N1`: an earlier word sets this already"),
            ("9600\u{1b}[31m", "9600"),
        ] {
            let wrong = amended(text).expect_err(text);
            assert!(wrong.contains(part) && !wrong.contains('\u{1b}'), "{text}: {wrong}");
        }
    }
}
