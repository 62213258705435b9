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
    // The share is spread by a fixed pattern, so that a run can be repeated: multiples of the golden ratio, whose fractions
    // are as even as can be.
    let fraction = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    if (fraction * 1_000_000) >> 32 < u64::from(meter.crc_errors) {
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
        SimVersion::V2_2 => {
            (body.replace("1-3:0.2.8(50)\r\n", "") + "0-0:17.0.0(0999.00*kW)\r\n0-0:96.3.10(1)\r\n!\r\n").into_bytes()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use sermux_port_config::signal::ModemControl;
    use sermux_protocol::frame::held::Held;
    use sermux_protocol::frame::p1::P1Framer;
    use sermux_protocol::frame::Check;

    use super::super::meter::Meter;
    use super::*;

    fn meter(text: &str) -> SimMeter {
        text.parse().unwrap()
    }

    /// What is read of this number of telegrams, and the receiver's errors.
    fn read(parameters: &str, settings: &str, telegrams: u64) -> (Vec<Vec<u8>>, Wires) {
        let wires = Wires::new(settings.parse().unwrap(), ModemControl::default());
        let (mut meter_itself, wire) = (Meter::new(1), meter(parameters));
        let of = |number| carried(&meter_itself.telegram(1_515_013_402 + number), &wire, 7 + number, &wires);
        ((0..telegrams).map(of).collect(), wires)
    }

    /// The checks of the telegrams.
    fn checks(read: &[Vec<u8>]) -> Vec<Check> {
        let (mut framer, mut checks, mut at) = (P1Framer::new(), Vec::new(), 0);
        for bytes in read {
            framer.push(Held::whole(at, bytes), at, Instant::now(), |frame| checks.push(frame.check));
            at += bytes.len() as u64;
        }
        checks
    }

    #[test]
    fn of_so_many_telegrams_such_a_share_is_damaged_and_all_stay_whole() {
        for (share, count, least, most) in
            [("0", 200, 0, 0), ("0.01", 2000, 10, 30), ("0.25", 400, 80, 120), ("1", 200, 200, 200)]
        {
            let (telegrams, wires) = read(&format!("crc-errors={share}"), "115200 8N1", count);
            let checks = checks(&telegrams);
            assert_eq!(checks.len() as u64, count, "{share}");
            let bad = checks.iter().filter(|check| **check == Check::Bad).count();
            assert!((least..=most).contains(&bad), "{bad} of {count} for {share}");
            assert_eq!(wires.snapshot().counters.map_or(0, |counters| counters.framing), 0);
        }
        let again = || read("crc-errors=0.25", "115200 8N1", 100).0;
        assert_eq!(again(), again());
    }

    #[test]
    fn each_version_is_read_with_its_own_settings_alone() {
        for (version, settings, check) in
            [("5.0", "115200 8N1", Check::Good), ("4.2", "115200 8N1", Check::Good), ("2.2", "9600 7E1", Check::Absent)]
        {
            let (telegrams, _) = read(&format!("version={version}"), settings, 3);
            assert_eq!(checks(&telegrams), [check; 3], "{version}");
        }
        let (too_fast, wires) = read("version=2.2", "115200 8N1", 1);
        assert!(checks(&too_fast).is_empty());
        assert!(wires.snapshot().counters.unwrap().breaks > 100, "its zeros are breaks");
        let (with_parity, _) = read("version=2.2", "9600 8N1", 1);
        let text: Vec<u8> = with_parity[0].iter().map(|byte| byte & 0x7F).collect();
        assert_ne!(with_parity[0], text, "the parity bit is on top");
        assert_eq!(checks(&[text]), [Check::Absent]);
    }

    #[test]
    fn an_inverted_one_is_read_wrong_and_idle_bits_make_it_errors() {
        let errors = |parameters: &str| {
            let (telegrams, wires) = read(parameters, "115200 8N1", 1);
            assert!(checks(&telegrams).is_empty());
            let counters = wires.snapshot().counters.unwrap();
            (telegrams[0].len(), usize::try_from(counters.framing).unwrap())
        };
        let (bytes, framing) = errors("inverted");
        assert!(framing * 20 < bytes, "{framing} of {bytes}");
        let (bytes, framing) = errors("inverted&gap=10");
        assert!(framing * 2 > bytes, "{framing} of {bytes}");
        let (telegrams, _) = read("gap=10", "115200 8N1", 1);
        assert_eq!(checks(&telegrams), [Check::Good], "idle bits alone do no harm");
    }
}
