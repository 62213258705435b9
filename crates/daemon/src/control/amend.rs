//! Partial line settings: `set PORT 19200` keeps parity and the other settings.

use sermux_port_config::line::{FlowControl, LineSettings, ParseError};

/// Characters of a wrong word that are repeated in the answer.
const SHOWN: usize = 40;

/// The part of the settings that a word sets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SettingsPart {
    Baud,
    Character,
    FlowControl,
}

/// `current` with the settings in `text`, in any order: a baud rate, `8N1` and the like, flow control.
pub(super) fn amend(current: LineSettings, text: &str) -> Result<LineSettings, String> {
    let mut settings = current;
    let mut said = Vec::new();
    for word in text.split([' ', '\t', ',']).filter(|word| !word.is_empty()) {
        let parts = take(&mut settings, word).map_err(|wrong| explain(&wrong, word))?;
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

/// What is wrong with a word, and what would be right.
fn explain(wrong: &ParseError, word: &str) -> String {
    const HELP: &str =
        "write a baud rate such as 9600, a format such as 8N1, or a flow control: none, rts-cts, xon-xoff or dtr-dsr";
    let name = |word: &str| word.chars().take(SHOWN).flat_map(char::escape_debug).collect::<String>();
    if let Some((_, value)) = word.split_once('=').filter(|(_, value)| !value.is_empty()) {
        return format!("`{}`: settings have no names; did you mean `{}`?", name(word), name(value));
    }
    if word.starts_with(|first: char| first.is_ascii_digit()) || wrong.help().starts_with("did you mean") {
        return format!("{}; {}", wrong.what(), wrong.help());
    }
    format!("`{}` is not a line setting; {HELP}", name(word))
}

fn take(settings: &mut LineSettings, word: &str) -> Result<&'static [SettingsPart], ParseError> {
    let mut letters = word.chars();
    if !letters.next().is_some_and(|first| first.is_ascii_digit()) {
        settings.flow_control = word.parse::<FlowControl>()?;
        return Ok(&[SettingsPart::FlowControl]);
    }
    if word.chars().all(|c| c.is_ascii_digit()) {
        settings.baud = word.parse()?;
        return Ok(&[SettingsPart::Baud]);
    }
    // 8N1 has its letter in the second place, 9600n81 behind the rate.
    let has_rate = letters.next().is_some_and(|second| second.is_ascii_digit());
    let whole = if has_rate { word.to_owned() } else { format!("{} {word}", settings.baud) };
    let whole: LineSettings = whole.parse()?;
    *settings = LineSettings { flow_control: settings.flow_control, ..whole };
    Ok(if has_rate { &[SettingsPart::Baud, SettingsPart::Character] } else { &[SettingsPart::Character] })
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
            ("fast", "`fast` is not a line setting; write a baud rate such as 9600"),
            ("rtscts", "did you mean `rts-cts`?"),
            ("xonxof", "did you mean `xon-xoff`?"),
            ("baud=9600", "did you mean `9600`?"),
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
