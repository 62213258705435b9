//! Reads one telegram's bytes: which other CRC fits, whether its version has a CRC, and whether it has data.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::frame::crc16;
use crate::frame::OtherCrc;

/// The CRC that these digits are right by, though not by the one of the standard. `text` is all from `/` to `!`.
pub(super) fn other_crc(text: &[u8], digits: u16) -> Option<OtherCrc> {
    if crc16::x25(text) == digits {
        return Some(OtherCrc::X25);
    }
    (crc16::over_cr_lf(text) == Some(digits)).then_some(OtherCrc::OverCrLf)
}

/// Whether it says that it is of a version that has a CRC: DSMR 4 or later, or eMUCS-P1.
pub(super) fn tells_a_version_with_crc(telegram: &[u8]) -> bool {
    let value = |code: &Finder| telegram.get(code.find(telegram)? + code.needle().len()).copied();
    value(&DSMR_VERSION).is_some_and(|major| (b'4'..=b'9').contains(&major))
        || value(&EMUCS_VERSION).is_some_and(|major| major.is_ascii_digit())
}

/// Whether a line of it is the code of an object and a value in parentheses, as in `1-0:1.8.0(000123.456*kWh)` (IEC 62056-21).
pub(super) fn has_data(telegram: &[u8]) -> bool {
    let is_code = |byte: &u8| byte.is_ascii_alphanumeric() || b"-:.*&".contains(byte);
    telegram.split(|byte| *byte == b'\n').any(|line| {
        let code = line.iter().take_while(|byte| is_code(byte)).count();
        code > 0 && line.get(code) == Some(&b'(') && line[code..].contains(&b')')
    })
}

static DSMR_VERSION: LazyLock<Finder> = LazyLock::new(|| Finder::new(b"1-3:0.2.8("));
static EMUCS_VERSION: LazyLock<Finder> = LazyLock::new(|| Finder::new(b"0-0:96.1.4("));
