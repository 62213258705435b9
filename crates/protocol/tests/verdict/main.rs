//! What is said of lines that carry what meters, consoles and receivers send, right and wrong.

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small numbers, and none below nothing")]
mod bench;
mod matrix;

use std::time::{Duration, Instant};

use proptest::prelude::*;
use sermux_protocol::frame::crc16;
use sermux_protocol::line_sim::{carry, Received, Transmitter};
use sermux_protocol::verdict::{judge, Cause, Certainty, Reading, Verdict};

fn telegram(head: &str, with_crc: bool) -> Vec<u8> {
    let mut text = format!("/XMX5LGBBFG1012345678\r\n\r\n{head}");
    for line in [
        "0-0:1.0.0(180103220322W)",
        "0-0:96.1.1(4530303331303033323132333435363738)",
        "1-0:1.8.1(000143.422*kWh)",
        "1-0:1.8.2(000078.911*kWh)",
        "1-0:2.8.1(000000.000*kWh)",
        "0-0:96.14.0(0002)",
        "1-0:1.7.0(00.520*kW)",
        "1-0:99.97.0(0)(0-0:96.7.19)",
        "1-0:32.7.0(233.0*V)",
        "1-0:31.7.0(002*A)",
    ] {
        text += line;
        text += "\r\n";
    }
    text.push('!');
    if with_crc {
        text += &format!("{:04X}", crc16::checksum(text.as_bytes()));
    }
    (text + "\r\n").into_bytes()
}

fn dsmr_5() -> Vec<u8> {
    telegram("1-3:0.2.8(50)\r\n", true)
}

fn sent(settings: &str, idle_bits: u8, inverted: bool) -> Transmitter {
    Transmitter { settings: settings.parse().expect("settings"), idle_bits, inverted }
}

fn verdict(received: &Received, settings: &str) -> Verdict {
    judge(&Reading {
        settings: settings.parse().expect("settings"),
        bytes: &received.bytes,
        arrivals: &[],
        framing_errors: Some(received.framing_errors),
        breaks: Some(received.breaks),
        spent: Duration::from_secs(10),
        at: Instant::now(),
    })
}

fn read(bytes: &[u8], from: Transmitter, settings: &str) -> Verdict {
    verdict(&carry(bytes, from, settings.parse().expect("settings")), settings)
}

#[test]
fn clean_telegrams_of_every_version_are_told() {
    for (head, crc, line, expected) in [
        ("", false, "9600 7E1", "DSMR 2.2 or 3.0"),
        ("1-3:0.2.8(40)\r\n", true, "115200 8N1", "DSMR 4.0"),
        ("1-3:0.2.8(42)\r\n", true, "115200 8N1", "DSMR 4.2"),
        ("1-3:0.2.8(50)\r\n", true, "115200 8N1", "DSMR 5.0"),
        ("0-0:96.1.4(50217)\r\n", true, "115200 8N1", "eMUCS-P1 50217 (Belgium)"),
    ] {
        let verdict = read(&telegram(head, crc).repeat(3), sent(line, 0, false), line);
        let Cause::P1(meter) = verdict.cause else { panic!("{expected}: {verdict:?}") };
        assert_eq!((meter.version.as_str(), verdict.certainty), (expected, Certainty::Certain));
        assert_eq!((meter.telegrams, meter.crc_good, meter.crc_bad), (3, if crc { 3 } else { 0 }, 0));
        assert_eq!(meter.id.as_deref(), Some("E0031003212345678"));
    }
}

#[test]
fn a_wrong_crc_is_counted() {
    let mut bytes = dsmr_5().repeat(3);
    bytes[60] ^= 1;
    let Cause::P1(meter) = read(&bytes, sent("115200 8N1", 0, false), "115200 8N1").cause else { panic!() };
    assert_eq!((meter.telegrams, meter.crc_good, meter.crc_bad), (3, 2, 1));
}

#[test]
fn an_inverted_line_back_to_back_is_certain() {
    let verdict = read(&dsmr_5().repeat(3), sent("115200 8N1", 0, true), "115200 8N1");
    assert_eq!((verdict.cause, verdict.certainty), (Cause::Inverted, Certainty::Certain));
}

#[test]
fn an_inverted_line_with_idle_bits_is_inverted() {
    for idle in [1, 2, 3, 10] {
        let received =
            carry(&dsmr_5().repeat(3), sent("115200 8N1", idle, true), "115200 8N1".parse().expect("settings"));
        let verdict = verdict(&received, "115200 8N1");
        assert_eq!(
            verdict.cause,
            Cause::Inverted,
            "{idle} idle bits: {} of {}, {:X?}",
            received.framing_errors,
            received.bytes.len(),
            &received.bytes[..60]
        );
    }
}

#[test]
fn seven_bits_read_as_eight_are_told() {
    let verdict = read(&telegram("", false).repeat(2), sent("9600 7E1", 0, false), "9600 8N1");
    assert_eq!((verdict.cause, verdict.certainty), (Cause::SevenBitParity, Certainty::Certain));
}

#[test]
fn a_line_that_is_slower_than_it_is_read_is_told() {
    for slow in ["9600 8N1", "9600 7E1", "19200 8N1", "38400 8N1"] {
        assert_eq!(read(&dsmr_5(), sent(slow, 0, false), "115200 8N1").cause, Cause::SpeedTooHigh, "{slow}");
    }
}

#[test]
fn a_line_that_is_faster_than_it_is_read_is_told() {
    for slow in ["9600 8N1", "19200 8N1"] {
        let received = carry(&dsmr_5().repeat(8), sent("115200 8N1", 0, false), slow.parse().expect("settings"));
        let verdict = verdict(&received, slow);
        assert_eq!(
            verdict.cause,
            Cause::SpeedTooLow,
            "{slow}: {} + {} of {}, {:X?}",
            received.framing_errors,
            received.breaks,
            received.bytes.len(),
            &received.bytes[..60]
        );
    }
}

#[test]
fn a_console_positions_and_other_text_are_told() {
    let told = |text: &str| read(text.as_bytes(), sent("115200 8N1", 0, false), "115200 8N1").cause;
    assert_eq!(told("\r\nRaspbian GNU/Linux 12 raspberrypi ttyAMA0\r\n\r\nraspberrypi login: "), Cause::Console);
    assert_eq!(told("[    0.000000] Booting Linux on physical CPU 0x0\r\n[    0.000000] x\r\n"), Cause::Console);
    assert_eq!(
        told("$GPGLL,4916.45,N,12311.12,W,225444,A,*1D\r\n$GPGLL,4916.45,N,12311.12,W,225444,A,*1D\r\n"),
        Cause::Nmea
    );
    assert_eq!(told("temperature 21.5\r\ntemperature 21.6\r\ntemperature 21.6\r\n"), Cause::Text);
}

#[test]
fn the_rate_is_that_from_one_telegram_to_the_next() {
    let telegram = dsmr_5();
    let rate = |telegrams: usize, arrivals: &[(usize, Duration)]| {
        let bytes = telegram.repeat(telegrams);
        let settings = "115200 8N1".parse().expect("settings");
        let spent = Duration::from_secs(20);
        let reading = Reading {
            settings,
            bytes: &bytes,
            arrivals,
            framing_errors: None,
            breaks: None,
            spent,
            at: Instant::now(),
        };
        let Cause::P1(meter) = judge(&reading).cause else { panic!() };
        meter.per_second()
    };
    let at =
        |telegram_number: usize, more: usize, ms| (telegram_number * telegram.len() + more, Duration::from_millis(ms));
    assert_eq!(
        rate(2, &[at(0, 0, 9_000), at(1, 0, 19_000)]),
        Some(0.1),
        "one each 10 s, whenever it was begun to read"
    );
    assert_eq!(
        rate(3, &[at(0, 0, 100), at(0, 300, 150), at(1, 0, 1_100), at(2, 0, 2_100), at(2, 300, 2_150)]),
        Some(1.0)
    );
    assert_eq!(rate(1, &[at(0, 0, 100)]), None, "one has no rate");
    assert_eq!(rate(2, &[at(0, 0, 100)]), None, "they came at once");
    assert_eq!(rate(2, &[]), None);
}

#[test]
fn silence_is_sure_once_a_slow_meter_would_have_sent() {
    let silence = |seconds| {
        let spent = Duration::from_secs(seconds);
        let settings = "115200 8N1".parse().expect("settings");
        let reading = Reading {
            settings,
            bytes: &[],
            arrivals: &[],
            framing_errors: None,
            breaks: None,
            spent,
            at: Instant::now(),
        };
        let verdict = judge(&reading);
        assert_eq!(verdict.cause, Cause::Silence);
        verdict.certainty
    };
    assert_eq!((silence(5), silence(11)), (Certainty::Possible, Certainty::Certain));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn random_bytes_have_no_cause(bytes in prop::collection::vec(any::<u8>(), 1..3000), errors in 0..3000_u64) {
        let received = Received { framing_errors: errors.min(bytes.len() as u64), bytes, ..Received::default() };
        for settings in ["115200 8N1", "9600 8N1"] {
            let verdict = verdict(&received, settings);
            prop_assert!(verdict.cause == Cause::Unknown, "{verdict:?}");
        }
    }
}
