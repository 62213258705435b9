//! CRC-16/ARC, the check of a P1 telegram (DSMR P1 companion standard, 5.2 "Telegram format"): polynomial
//! x^16 + x^15 + x^2 + 1, least significant bit first, start value 0, no final inversion. Two other checks that meters and
//! adapters bring about stand at the end.

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

/// The CRC of what `crc` is the CRC of, followed by `zeros` bytes of 0.
///
/// A CRC is linear, so that of a part can be had from those of the whole and of what stands before it: `crc(ab) ^
/// after_zeros(crc(a), b.len())` is `crc(b)`.
pub fn after_zeros(crc: u16, zeros: u64) -> u16 {
    let zeros = zeros % ORDER;
    (0..).zip(SHIFTS).filter(|(bit, _)| zeros >> bit & 1 == 1).fold(crc, |crc, (_, shift)| times(shift, crc))
}

/// The CRC that becomes `crc` when `zeros` bytes of 0 follow.
pub fn before_zeros(crc: u16, zeros: u64) -> u16 {
    if crc == 0 {
        return 0;
    }
    after_zeros(crc, ORDER - zeros % ORDER)
}

/// CRC-16/X-25 of `bytes`: polynomial x^16 + x^12 + x^5 + 1, start value 0xFFFF, inverted at the end. Some Hungarian meters send
/// it in the place of the other.
pub fn x25(bytes: &[u8]) -> u16 {
    !bytes.iter().fold(0xFFFF, |crc: u16, byte| {
        let [low, high] = crc.to_le_bytes();
        u16::from(high) ^ X25[usize::from(byte ^ low)]
    })
}

/// The CRC that `bytes`, whose lines end in LF alone, had when they ended in CR LF. `None`: there is a CR in them.
pub fn over_cr_lf(bytes: &[u8]) -> Option<u16> {
    if memchr::memchr(b'\r', bytes).is_some() {
        return None;
    }
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    Some(lines.fold(0, |crc, line| match line.strip_suffix(b"\n") {
        Some(text) => update(update(crc, text), b"\r\n"),
        None => update(crc, line),
    }))
}

/// After this number of bytes of 0 any CRC is itself again: x^15 + x + 1, which is the polynomial divided by x + 1, is primitive.
const ORDER: u64 = 32_767;

/// The polynomial, reflected.
const POLYNOMIAL: u16 = 0xA001;

/// Bytes that are taken in one step.
const GROUP: usize = 8;

/// `TABLES[n][byte]`: the CRC of `byte` followed by `n` zero bytes.
static TABLES: [[u16; 256]; GROUP] = tables();

/// `SHIFTS[n]`: what a CRC is multiplied by when 2^n bytes of 0 follow.
static SHIFTS: [u16; 15] = shifts();

/// The CRC-16/X-25 of one byte, before what is done at both ends.
static X25: [u16; 256] = of_bytes(0x8408);

const fn shifts() -> [u16; 15] {
    // One byte is x^8; x^0 is the highest bit.
    let mut shifts = [0x8000 >> 8; 15];
    let mut n = 1;
    while n < shifts.len() {
        shifts[n] = times(shifts[n - 1], shifts[n - 1]);
        n += 1;
    }
    shifts
}

/// The product of two polynomials, modulo that of the CRC.
const fn times(a: u16, mut b: u16) -> u16 {
    let mut product = 0;
    let mut bit = 0x8000;
    while bit != 0 {
        if a & bit != 0 {
            product ^= b;
        }
        b = one_bit(b, POLYNOMIAL);
        bit >>= 1;
    }
    product
}

const fn one_bit(crc: u16, polynomial: u16) -> u16 {
    if crc & 1 == 1 {
        (crc >> 1) ^ polynomial
    } else {
        crc >> 1
    }
}

const fn of_bytes(polynomial: u16) -> [u16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    let mut value = 0u16;
    while byte < 256 {
        let mut crc = value;
        let mut bit = 0;
        while bit < 8 {
            crc = one_bit(crc, polynomial);
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
        value += 1;
    }
    table
}

const fn tables() -> [[u16; 256]; GROUP] {
    let mut tables = [[0; 256]; GROUP];
    tables[0] = of_bytes(POLYNOMIAL);
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
        assert_eq!(x25(b"123456789"), 0x906E);
    }

    #[test]
    fn lf_counts_as_cr_lf_where_there_is_no_cr() {
        assert_eq!(over_cr_lf(b"/X\n\n1(0)\n!"), Some(checksum(b"/X\r\n\r\n1(0)\r\n!")));
        assert_eq!(over_cr_lf(b"/X\r\n\n!"), None);
    }

    proptest! {
        #[test]
        fn tables_and_definition_agree(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(checksum(&bytes), by_definition(&bytes));
        }

        #[test]
        fn zeros_can_be_added_and_taken_away(crc in any::<u16>(), zeros in 0..100_000_u64) {
            let added = update(crc, &vec![0; usize::try_from(zeros).unwrap()]);
            prop_assert_eq!(after_zeros(crc, zeros), added);
            prop_assert_eq!(before_zeros(added, zeros), crc);
        }

        #[test]
        fn a_crc_can_be_taken_in_pieces(bytes in prop::collection::vec(any::<u8>(), 0..300), cut in any::<prop::sample::Index>()) {
            let (left, right) = bytes.split_at(cut.index(bytes.len() + 1));
            prop_assert_eq!(update(checksum(left), right), checksum(&bytes));
        }
    }
}
