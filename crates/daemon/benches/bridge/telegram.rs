//! P1 telegrams of a made-up meter: `/` to `!` and a CRC-16/ARC over both and what is between.

use std::fmt::Write;

/// A full telegram of [`LENGTH`] bytes; the number makes it different from its neighbours.
pub(crate) fn full(number: usize) -> Vec<u8> {
    let mut body = String::from("1-3:0.2.8(50)\r\n");
    let seconds = number % 60;
    // Writing to a String cannot fail.
    let _ = write!(body, "0-0:1.0.0(2501011200{seconds:02}W)\r\n0-0:96.1.1(4530303331303033323132333435363738)\r\n");
    for (tariff, register) in ["1.8.1", "1.8.2", "2.8.1", "2.8.2"].iter().enumerate() {
        let _ = write!(body, "1-0:{register}({:06}.{:03}*kWh)\r\n", number % 1_000_000, tariff * 7);
    }
    body.push_str("0-0:96.14.0(0002)\r\n1-0:1.7.0(00.520*kW)\r\n1-0:2.7.0(00.000*kW)\r\n");
    body.push_str("0-0:96.7.21(00003)\r\n0-0:96.7.9(00000)\r\n1-0:99.97.0(0)(0-0:96.7.19)\r\n");
    for (power, rest) in [(2, 3), (4, 5), (6, 7)] {
        let _ = write!(
            body,
            "1-0:{rest}2.32.0(00000)\r\n1-0:{rest}2.36.0(00000)\r\n1-0:{rest}2.7.0(233.0*V)\r\n\
             1-0:{rest}1.7.0(002*A)\r\n1-0:{power}1.7.0(00.173*kW)\r\n1-0:{power}2.7.0(00.000*kW)\r\n"
        );
    }
    body.push_str("0-1:24.1.0(003)\r\n0-1:96.1.0(4730303332353631323736383836373135)\r\n");
    let _ = write!(body, "0-1:24.2.1(250101120000W)({:05}.000*m3)\r\n", number % 100_000);
    // The text message makes it as long as wanted.
    let rest = LENGTH.saturating_sub(sealed(METER, &format!("{body}0-0:96.13.0()\r\n")).len());
    let _ = write!(body, "0-0:96.13.0({:0>rest$})\r\n", "");
    sealed(METER, &body)
}

/// A usual length, and a multiple of the chunks in which a line hands it over.
pub(crate) const LENGTH: usize = 960;

const METER: &str = "XMX5LGBBFG1012345678";

/// The smallest telegram that says `word`.
pub(crate) fn short(word: &str) -> Vec<u8> {
    sealed("XMX5", &format!("0-0:96.13.0({word})\r\n"))
}

fn sealed(meter: &str, body: &str) -> Vec<u8> {
    let mut telegram = format!("/{meter}\r\n\r\n{body}!");
    let crc = crc16_arc(telegram.as_bytes());
    let _ = write!(telegram, "{crc:04X}\r\n");
    telegram.into_bytes()
}

/// Polynomial 0x8005 reflected, start 0, no final xor.
fn crc16_arc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, &byte| {
        (0..8).fold(crc ^ u16::from(byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xA001 } else { crc >> 1 })
    })
}
