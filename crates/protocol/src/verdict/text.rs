//! What can be read as it is: NMEA sentences, a computer's console, other text.

use super::{Cause, Certainty, Reading, Verdict};

/// Sentences whose check is right.
pub(super) fn nmea(bytes: &[u8]) -> Option<Verdict> {
    let good = bytes.split(|byte| *byte == b'\n').filter(|line| is_sentence(line)).count();
    let certainty = match good {
        0 => return None,
        1 => Certainty::Likely,
        _ => Certainty::Certain,
    };
    Some(Verdict { cause: Cause::Nmea, certainty, evidence: good })
}

/// `$GPGGA,…*47` (NMEA 0183, 5.3): the check is the exclusive or of all between `$` and `*`.
fn is_sentence(line: &[u8]) -> bool {
    let Some(start) = line.iter().rposition(|byte| matches!(byte, b'$' | b'!')) else { return false };
    let line = line[start + 1..].strip_suffix(b"\r").unwrap_or(&line[start + 1..]);
    let Some(star) = line.iter().rposition(|byte| *byte == b'*') else { return false };
    let (body, check) = (&line[..star], &line[star + 1..]);
    let plausible = body.len() >= 6 && body.contains(&b',') && body[..5].iter().all(u8::is_ascii_alphanumeric);
    let check = std::str::from_utf8(check).ok().filter(|text| text.len() == 2);
    let check = check.and_then(|text| u8::from_str_radix(text, 16).ok());
    plausible && check == Some(body.iter().fold(0, |sum, byte| sum ^ byte))
}

/// A console or other text, where what can be read is not only an accident.
pub(super) fn judge(reading: &Reading<'_>) -> Option<Verdict> {
    let errors = usize::try_from(reading.framing_errors.unwrap_or(0)).unwrap_or(usize::MAX);
    if errors.saturating_mul(10) > reading.bytes.len() {
        return None;
    }
    console(reading.bytes).or_else(|| other(reading.bytes))
}

/// Words of a kernel, an init, a login prompt or a shell.
fn console(bytes: &[u8]) -> Option<Verdict> {
    if !is_printable(bytes) {
        return None;
    }
    let text = String::from_utf8_lossy(bytes);
    let words = WORDS.iter().map(|word| text.matches(word).count()).sum::<usize>();
    let kernel = text.lines().filter(|line| is_kernel_message(line)).count();
    let prompts = text.lines().filter(|line| line.contains('@') && line.trim_end().ends_with(['$', '#'])).count();
    let evidence = words + kernel + prompts;
    let certainty = match evidence {
        0 => return None,
        1 if words == 0 => Certainty::Possible,
        1 => Certainty::Likely,
        _ => Certainty::Certain,
    };
    Some(Verdict { cause: Cause::Console, certainty, evidence })
}

const WORDS: [&str; 9] = [
    "login:",
    "Password:",
    "Debian GNU/Linux",
    "Raspbian GNU/Linux",
    "systemd[",
    "Linux version ",
    "U-Boot ",
    "Welcome to ",
    "Started ",
];

/// `[    0.000000] Booting Linux`
fn is_kernel_message(line: &str) -> bool {
    let time = line.strip_prefix('[').and_then(|rest| rest.split_once("] ")).map(|(time, _)| time.trim());
    time.and_then(|time| time.split_once('.')).is_some_and(|(seconds, fraction)| {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits(seconds) && digits(fraction) && fraction.len() == 6
    })
}

/// Printable lines.
fn other(bytes: &[u8]) -> Option<Verdict> {
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
    let has_ends = bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n'));
    if bytes.len() < 24 || !has_ends || !is_printable(bytes) {
        return None;
    }
    let certainty = if lines >= 3 { Certainty::Likely } else { Certainty::Possible };
    Some(Verdict { cause: Cause::Text, certainty, evidence: lines })
}

/// Nineteen of twenty characters are.
fn is_printable(bytes: &[u8]) -> bool {
    let printable = |byte: &&u8| matches!(byte, 0x20..=0x7E | b'\r' | b'\n' | b'\t' | 0x08 | 0x1B);
    bytes.len() >= 6 && bytes.iter().filter(printable).count() * 20 >= bytes.len() * 19
}
