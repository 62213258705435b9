//! CRC-16/ARC, the check of a P1 telegram (DSMR P1 companion standard, 5.2 "Telegram format"): polynomial
//! x^16 + x^15 + x^2 + 1, least significant bit first, start value 0, no final inversion.

/// The CRC of `bytes`.
///
/// ```
/// assert_eq!(sermux_protocol::frame::crc16::checksum(b"123456789"), 0xBB3D);
/// ```
pub fn checksum(bytes: &[u8]) -> u16 {
    update(0, bytes)
}

/// The CRC of what `crc` is the CRC of, followed by `bytes`; 0 is the CRC of nothing.
pub fn update(mut crc: u16, bytes: &[u8]) -> u16 {
    let mut groups = bytes.chunks_exact(GROUP);
    for group in &mut groups {
        // Each table says what its byte does to the CRC when that many more bytes follow it; the CRC so far is one with
        // the first two.
        let [low, high] = crc.to_le_bytes();
        crc = TABLES[7][usize::from(group[0] ^ low)]
            ^ TABLES[6][usize::from(group[1] ^ high)]
            ^ TABLES[5][usize::from(group[2])]
            ^ TABLES[4][usize::from(group[3])]
            ^ TABLES[3][usize::from(group[4])]
            ^ TABLES[2][usize::from(group[5])]
            ^ TABLES[1][usize::from(group[6])]
            ^ TABLES[0][usize::from(group[7])];
    }
    for byte in groups.remainder() {
        let [low, high] = crc.to_le_bytes();
        crc = u16::from(high) ^ TABLES[0][usize::from(byte ^ low)];
    }
    crc
}

/// The polynomial, reflected.
const POLYNOMIAL: u16 = 0xA001;

/// Bytes that are taken in one step.
const GROUP: usize = 8;

/// `TABLES[n][byte]`: the CRC of `byte` followed by `n` zero bytes.
static TABLES: [[u16; 256]; GROUP] = tables();

const fn tables() -> [[u16; 256]; GROUP] {
    let mut tables = [[0; 256]; GROUP];
    let mut byte = 0;
    let mut value = 0u16;
    while byte < 256 {
        let mut crc = value;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
        value += 1;
    }
    let mut zeros = 1;
    while zeros < GROUP {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[zeros - 1][byte];
            tables[zeros][byte] = (before >> 8) ^ tables[0][(before & 0xFF) as usize];
            byte += 1;
        }
        zeros += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, bit by bit.
    fn by_definition(bytes: &[u8]) -> u16 {
        bytes.iter().fold(0, |crc, byte| {
            (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 })
        })
    }

    #[test]
    fn the_check_value_of_the_catalogue_comes_out() {
        assert_eq!(checksum(b"123456789"), 0xBB3D);
        assert_eq!(checksum(b""), 0);
    }

    proptest! {
        #[test]
        fn tables_and_definition_agree(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(checksum(&bytes), by_definition(&bytes));
        }

        #[test]
        fn a_crc_can_be_taken_in_pieces(bytes in prop::collection::vec(any::<u8>(), 0..300), cut in any::<prop::sample::Index>()) {
            let (left, right) = bytes.split_at(cut.index(bytes.len() + 1));
            prop_assert_eq!(update(checksum(left), right), checksum(&bytes));
        }
    }
}
