//! Encrypted P1 telegrams: nothing can be read in them without the key, but their frame shows what they are.

use super::telegrams::is_identification;
use super::{obis_codes, Cause, Certainty, Reading, Verdict};

/// Encrypted telegrams, if there are any.
pub(super) fn judge(reading: &Reading<'_>) -> Option<Verdict> {
    let bytes = reading.bytes;
    let seen = |certainty, evidence| Some(Verdict { cause: Cause::EncryptedP1, certainty, evidence });
    let headers = (0..bytes.len()).filter(|at| is_header(&bytes[*at..])).count();
    if headers > 0 {
        return seen(Certainty::Certain, headers);
    }
    if obis_codes(bytes, |byte| byte) > 0 {
        return None;
    }
    let identified = (0..bytes.len()).filter(|at| has_binary_behind_its_identification(&bytes[*at..])).count();
    match identified {
        0 => None,
        1 => seen(Certainty::Likely, 1),
        _ => seen(Certainty::Certain, identified),
    }
}

/// General-glo-ciphering as Luxembourg has it (E-Meter P1 Specification, "Encryption"): 0xDB, the length of the system title
/// and the title, the length of the rest in two bytes, and the security control byte: encrypted, authenticated, or both.
fn is_header(bytes: &[u8]) -> bool {
    let Some(&[0xDB, 0x08, _, _, _, _, _, _, _, _, 0x82, high, low, security]) = bytes.get(..14) else { return false };
    let len = u16::from_be_bytes([high, low]);
    (SHORTEST..=LONGEST).contains(&len) && matches!(security & 0xF0, 0x10 | 0x20 | 0x30)
}

/// Security control, frame counter, tag, and a few lines.
const SHORTEST: u16 = 64;
const LONGEST: u16 = 16 * 1024;

/// `/XXX5…` CR LF and an empty line, and what follows is no text. Without the empty line, noise has such a beginning by chance.
fn has_binary_behind_its_identification(bytes: &[u8]) -> bool {
    const LONGEST_LINE: usize = 64;
    if !is_identification(bytes) {
        return false;
    }
    let Some(end) = bytes.iter().take(LONGEST_LINE).position(|byte| *byte == b'\r') else { return false };
    let is_line = bytes[..end].iter().all(|byte| matches!(byte, 0x20..=0x7E));
    let Some(rest) = bytes[end..].strip_prefix(b"\r\n\r\n") else { return false };
    let rest = &rest[..rest.len().min(256)];
    let binary = rest.iter().filter(|byte| !matches!(byte, 0x20..=0x7E | b'\r' | b'\n')).count();
    is_line && rest.len() >= 64 && binary * 2 >= rest.len()
}
