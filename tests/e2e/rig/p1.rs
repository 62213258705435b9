//! Telegrams: made with a number inside, and judged without any help of the program.

use super::{find, noise};

/// CRC-16/ARC, bit by bit.
pub(crate) fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, &byte| {
        (0..8).fold(crc ^ u16::from(byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xA001 } else { crc >> 1 })
    })
}

/// A DSMR 5 telegram that carries `number`.
pub(crate) fn telegram(number: u32) -> Vec<u8> {
    let mut text = body(number);
    let crc = crc16(&text);
    text.extend_from_slice(format!("{crc:04X}\r\n").as_bytes());
    text
}

/// The same with a CRC that is not its own.
pub(crate) fn telegram_with_wrong_crc(number: u32) -> Vec<u8> {
    let mut text = body(number);
    let crc = !crc16(&text);
    text.extend_from_slice(format!("{crc:04X}\r\n").as_bytes());
    text
}

/// The same with its CRC in as few digits as can be.
pub(crate) fn telegram_with_short_crc(number: u32) -> Vec<u8> {
    let mut text = body(number);
    let crc = crc16(&text);
    text.extend_from_slice(format!("{crc:X}\r\n").as_bytes());
    text
}

/// The same with a CRC-16/X-25.
pub(crate) fn telegram_with_x25(number: u32) -> Vec<u8> {
    let mut text = body(number);
    let crc = !text.iter().fold(0xFFFF_u16, |crc, &byte| {
        (0..8).fold(crc ^ u16::from(byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0x8408 } else { crc >> 1 })
    });
    text.extend_from_slice(format!("{crc:04X}\r\n").as_bytes());
    text
}

/// The same with more text messages, each of `len` characters.
pub(crate) fn with_messages(number: u32, messages: usize, len: usize) -> Vec<u8> {
    let text = body(number);
    let messages = format!("0-0:96.13.0({})\r\n", "6".repeat(len)).repeat(messages);
    let mut text = [&text[..text.len() - 1], messages.as_bytes(), b"!"].concat();
    let crc = crc16(&text);
    text.extend_from_slice(format!("{crc:04X}\r\n").as_bytes());
    text
}

/// As DSMR 2 and 3 have it: no CRC.
pub(crate) fn telegram_without_crc(number: u32) -> Vec<u8> {
    let version = b"1-3:0.2.8(50)\r\n";
    let text = body(number);
    let at = find(&text, version).expect("a telegram of version 5 says so");
    [&text[..at], &text[at + version.len()..], b"\r\n"].concat()
}

/// As the meters of Luxembourg send it; nobody can read what is in it.
pub(crate) fn encrypted() -> Vec<u8> {
    let mut bytes = b"\xDB\x08SAGgp\x00\x02\xB7\x82\x02\x58\x30".to_vec();
    bytes.extend(noise(1, 599));
    bytes
}

/// From `/` to `!`.
fn body(number: u32) -> Vec<u8> {
    let lines = [
        "/XMX5LGBBFG1012345678".to_owned(),
        String::new(),
        "1-3:0.2.8(50)".to_owned(),
        "0-0:1.0.0(180103220322W)".to_owned(),
        "0-0:96.1.1(4530303331303033323132333435363738)".to_owned(),
        format!("1-0:1.8.1({:06}.{:03}*kWh)", number / 1000, number % 1000),
        "1-0:1.8.2(000078.911*kWh)".to_owned(),
        "1-0:2.8.1(000000.000*kWh)".to_owned(),
        "1-0:2.8.2(000000.000*kWh)".to_owned(),
        "0-0:96.14.0(0002)".to_owned(),
        "1-0:1.7.0(00.520*kW)".to_owned(),
        "1-0:2.7.0(00.000*kW)".to_owned(),
        "0-0:96.7.21(00003)".to_owned(),
        "0-0:96.7.9(00000)".to_owned(),
        "1-0:99.97.0(0)(0-0:96.7.19)".to_owned(),
        "1-0:32.32.0(00000)".to_owned(),
        "1-0:32.36.0(00000)".to_owned(),
        // A slash and an exclamation mark may stand in a text message.
        "0-0:96.13.0(61/62!63)".to_owned(),
        "1-0:32.7.0(233.0*V)".to_owned(),
        "1-0:31.7.0(002*A)".to_owned(),
        "1-0:21.7.0(00.520*kW)".to_owned(),
        "1-0:22.7.0(00.000*kW)".to_owned(),
        "!".to_owned(),
    ];
    lines.join("\r\n").into_bytes()
}

/// The numbers of the telegrams that `bytes` consist of: whole ones with a right CRC, and nothing else between them.
#[track_caller]
pub(crate) fn numbers(bytes: &[u8]) -> Vec<u32> {
    let mut numbers = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (telegram, after) = split_first(rest);
        numbers.push(number(telegram));
        rest = after;
    }
    numbers
}

/// The first telegram, whole and with a right CRC, and what comes after it.
#[track_caller]
pub(crate) fn split_first(bytes: &[u8]) -> (&[u8], &[u8]) {
    assert!(bytes.starts_with(b"/"), "starts with {}", bytes[..bytes.len().min(60)].escape_ascii());
    let end = find(bytes, b"\r\n!").unwrap_or_else(|| panic!("half a telegram: {}", bytes.escape_ascii())) + 3;
    assert!(bytes.len() >= end + 6, "cut in its CRC: {}", bytes.escape_ascii());
    let said = std::str::from_utf8(&bytes[end..end + 4]).unwrap();
    assert_eq!(said, format!("{:04X}", crc16(&bytes[..end])), "CRC of {}", bytes[..end].escape_ascii());
    assert_eq!(&bytes[end + 4..end + 6], b"\r\n");
    bytes.split_at(end + 6)
}

/// The number in a telegram that was made here.
#[track_caller]
pub(crate) fn number(telegram: &[u8]) -> u32 {
    let at = find(telegram, b"1-0:1.8.1(").expect("a telegram has a counter") + 10;
    let digits = telegram[at..].iter().take_while(|&&byte| byte != b'*').filter(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + u32::from(digit - b'0'))
}

#[test]
fn the_check_value_is_right() {
    assert_eq!(crc16(b"123456789"), 0xBB3D);
    assert_eq!(numbers(&[telegram(7), telegram(123_456)].concat()), [7, 123_456]);
}
