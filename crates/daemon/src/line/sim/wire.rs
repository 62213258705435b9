//! Between a simulated meter and its reader: the version that it speaks, errors, and the wire, bit by bit.

use sermux_port_config::config::{SimMeter, SimVersion};
use sermux_port_config::line::{BaudRate, DataBits, LineSettings, Parity};
use sermux_protocol::frame::crc16;
use sermux_protocol::line_sim::{carry, Transmitter};

use super::wires::Wires;

/// Seconds between two telegrams.
pub(super) fn period(meter: &SimMeter) -> u64 {
    match meter.version {
        SimVersion::V2_2 | SimVersion::V4_2 => 10,
        SimVersion::V5_0 => 1,
    }
}

/// What a UART with the line's present settings reads of a telegram; its errors are counted.
pub(super) fn carried(telegram: &[u8], meter: &SimMeter, number: u64, wires: &Wires) -> Vec<u8> {
    let reader = wires.snapshot().settings;
    let mut sent = in_version(telegram, meter.version);
    // The share is spread by a fixed pattern, so that a run can be repeated.
    let chance = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
    if chance % 1_000_000 < u64::from(meter.crc_errors) {
        let middle = sent.len() / 2;
        sent[middle] ^= 1;
    }
    let mut settings = LineSettings { baud: BaudRate::new(115_200).unwrap_or_default(), ..LineSettings::default() };
    if meter.version == SimVersion::V2_2 {
        settings.baud = BaudRate::new(9600).unwrap_or_default();
        settings.data_bits = DataBits::Seven;
        settings.parity = Parity::Even;
    }
    let received = carry(&sent, Transmitter { settings, idle_bits: meter.gap, inverted: meter.inverted }, reader);
    wires.count(received.framing_errors, received.parity_errors, received.breaks);
    received.bytes
}

/// A telegram of version 5 as an older meter would send it.
fn in_version(telegram: &[u8], version: SimVersion) -> Vec<u8> {
    let text = String::from_utf8_lossy(telegram);
    let body = text.rsplit_once('!').map_or("", |(body, _)| body);
    match version {
        SimVersion::V5_0 => telegram.to_vec(),
        SimVersion::V4_2 => {
            let body = body.replace("1-3:0.2.8(50)", "1-3:0.2.8(42)") + "!";
            format!("{body}{:04X}\r\n", crc16::checksum(body.as_bytes())).into_bytes()
        }
        SimVersion::V2_2 => (body.replace("1-3:0.2.8(50)\r\n", "") + "!\r\n").into_bytes(),
    }
}
