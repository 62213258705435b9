//! The verdicts on lines that carry what meters, consoles and receivers send, right and wrong.

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small numbers, and none below nothing")]
mod bench;
mod matrix;
#[path = "../../../../tests/random.rs"]
mod random;

use std::time::{Duration, Instant};

use proptest::prelude::*;
use sermux_protocol::frame::crc16;
use sermux_protocol::frame::OtherCrc;
use sermux_protocol::line_sim::{carry, Received, Transmitter};
use sermux_protocol::verdict::{judge, Cause, Certainty, MeterModel, Reading, Verdict};

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
        ("0-0:17.0.0(0999.00*kW)\r\n0-0:96.3.10(1)\r\n", false, "9600 7E1", "DSMR 2.2 or 3.0"),
        ("", false, "9600 7E1", "P1 without CRC, of a version that it does not tell"),
        ("", false, "115200 8N1", "P1 without CRC, of a version that it does not tell"),
        ("1-3:0.2.8(40)\r\n", true, "115200 8N1", "DSMR 4.0"),
        ("1-3:0.2.8(42)\r\n", true, "115200 8N1", "DSMR 4.2"),
        ("1-3:0.2.8(50)\r\n", true, "115200 8N1", "DSMR 5.0"),
        ("0-0:96.1.4(50217)\r\n0-0:98.1.0(0)\r\n", true, "115200 8N1", "eMUCS-P1 50217 (Belgium)"),
        ("0-0:96.1.4(50217)\r\n", true, "115200 8N1", "50217, of which standard it does not tell"),
    ] {
        let verdict = read(&telegram(head, crc).repeat(3), sent(line, 0, false), line);
        let Cause::P1(meter) = verdict.cause else { panic!("{expected}: {verdict:?}") };
        assert_eq!((meter.version.as_str(), verdict.certainty), (expected, Certainty::Certain));
        assert_eq!((meter.telegrams, meter.crc_good, meter.crc_bad), (3, if crc { 3 } else { 0 }, 0));
        assert_eq!(meter.id.as_deref(), Some("E0031003212345678"));
    }
}

/// The meter by its P1 telegrams.
fn meter(bytes: &[u8]) -> MeterModel {
    let verdict = read(bytes, sent("115200 8N1", 0, false), "115200 8N1");
    let Cause::P1(meter) = verdict.cause else { panic!("{verdict:?}") };
    meter
}

/// With a right CRC.
fn of_lines(lines: &[&str]) -> Vec<u8> {
    let text = format!("/XMX5LGBBFG1012345678\r\n\r\n{}\r\n!", lines.join("\r\n"));
    format!("{text}{:04X}\r\n", crc16::checksum(text.as_bytes())).into_bytes()
}

#[test]
fn the_meters_number_is_found_wherever_meters_write_it() {
    for (line, number) in [
        ("0-0:96.1.1(4530303331303033323132333435363738)", Some("E0031003212345678")),
        ("0-0:96.1.1(AUX59992000012345)", Some("AUX59992000012345")),
        ("0-0:96.1.1(12345678)", Some("12345678")),
        ("0-0:96.1.1(2053414731323334353637382020)", Some("SAG12345678")),
        ("0-0:42.0.0( SAG12345678 )", Some("SAG12345678")),
        ("0-0:96.1.0(4B464D3132333435363738)", Some("KFM12345678")),
        ("0-0:96.1.0.255(KFM12345678)", Some("KFM12345678")),
        ("0-0:42.0.0(LGZ1030655933512)", Some("LGZ1030655933512")),
        ("0-0:42.0.0(4C475A31303330363535393333)", Some("LGZ1030655933")),
        ("1-0:0.0.0(30313233)", Some("30313233")),
        ("0-1:96.1.0(4730303332)", None),
        ("0-0:96.1.1()", None),
    ] {
        assert_eq!(meter(&of_lines(&["1-0:1.8.1(000143.422*kWh)", line])).id.as_deref(), number, "{line}");
    }
    let both = of_lines(&["1-0:0.0.0(998)", "0-0:96.1.1(45303033)"]);
    assert_eq!(meter(&both).id.as_deref(), Some("E003"), "its own number goes before the customer's");
}

#[test]
fn telegrams_with_something_before_each_slash_are_told_with_what_that_is() {
    for before in [&b"\0"[..], b"\xFF", b" ", b"\0\xFF"] {
        let bytes = [before, &dsmr_5()].concat().repeat(3);
        let meter = meter(&bytes);
        assert_eq!((meter.telegrams, meter.crc_good, &meter.before_each[..]), (3, 3, before));
        let one = [before, &dsmr_5()].concat();
        assert_eq!(self::meter(&one).before_each, before);
    }
    assert_eq!(meter(&dsmr_5().repeat(3)).before_each, b"");
    let after_a_part = [&dsmr_5()[300..], &dsmr_5()].concat();
    assert_eq!(meter(&after_a_part).before_each, b"", "the end of another one");
    let once = [&dsmr_5()[..], b"\0", &dsmr_5(), &dsmr_5()].concat();
    assert_eq!(meter(&once).before_each, b"");
}

#[test]
fn lines_of_a_meter_without_a_whole_telegram_are_no_text() {
    let telegram = dsmr_5();
    let without_ends: Vec<u8> = telegram.iter().copied().filter(|byte| !matches!(byte, b'/' | b'!')).collect();
    for bytes in [&telegram[..telegram.len() - 40], &telegram[40..telegram.len() - 40], &without_ends] {
        let verdict = read(bytes, sent("115200 8N1", 0, false), "115200 8N1");
        assert_eq!((verdict.cause, verdict.certainty), (Cause::P1Fragments, Certainty::Likely));
    }
}

#[test]
fn a_parity_bit_that_is_not_expected_hides_no_meter() {
    let bytes = dsmr_5().repeat(3);
    for idle in [0, 1, 5] {
        let sender = sent("115200 8E1", idle, false);
        let right = read(&bytes, sender, "115200 8E1");
        assert!(matches!(right.cause, Cause::P1(MeterModel { crc_good: 3, .. })), "{right:?}");
        let received = carry(&bytes, sender, "115200 8N1".parse().expect("settings"));
        let wrong = verdict(&received, "115200 8N1").cause;
        assert!(
            received.framing_errors * 20 >= received.bytes.len() as u64 && wrong != Cause::Text,
            "{idle}: {} of {}: {wrong:?}",
            received.framing_errors,
            received.bytes.len()
        );
    }
}

/// As Luxembourg's meters send it; what is encrypted looks like noise.
fn encrypted(len: u16) -> Vec<u8> {
    let mut bytes = vec![0xDB, 0x08];
    bytes.extend(b"SAGgp\x00\x02\xB7");
    bytes.push(0x82);
    bytes.extend(len.to_be_bytes());
    bytes.push(0x30);
    bytes.extend(noise(usize::from(len) - 1));
    bytes
}

fn noise(len: usize) -> Vec<u8> {
    random::Random::new(5).bytes(len)
}

#[test]
fn encrypted_telegrams_are_named_from_their_first_bytes_on() {
    let told = |bytes: &[u8]| {
        let verdict = read(bytes, sent("115200 8N1", 0, false), "115200 8N1");
        (verdict.cause, verdict.certainty)
    };
    let one = encrypted(600);
    assert_eq!(told(&one), (Cause::EncryptedP1, Certainty::Certain));
    assert_eq!(told(&one[..20]), (Cause::EncryptedP1, Certainty::Certain));
    assert_eq!(told(&[&one[200..], &one].concat()), (Cause::EncryptedP1, Certainty::Certain));
    assert_eq!(told(&one[20..]).0, Cause::Unknown);
    let identified = [b"/SAG5SAG-METER\r\n\r\n", &noise(500)[..]].concat();
    assert_eq!(told(&identified), (Cause::EncryptedP1, Certainty::Likely));
    assert_eq!(told(&identified.repeat(2)), (Cause::EncryptedP1, Certainty::Certain));
    // Damaged, and not encrypted.
    let damaged = [&dsmr_5()[..120], &noise(400)[..]].concat();
    assert_ne!(told(&damaged).0, Cause::EncryptedP1);
    // Noise in which a line happens to begin like a telegram.
    let by_chance = [&noise(500)[..], b"/42q1,{\n", &noise(500)].concat();
    assert_eq!(told(&by_chance).0, Cause::Unknown);
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
    let queue = [at(0, 0, 5), at(5, 0, 700), at(6, 0, 1_700), at(7, 0, 2_700)];
    assert_eq!(rate(8, &queue), Some(1.0), "five had waited in a queue");
    assert_eq!(rate(6, &queue[..2]), None, "nobody knows when the last of the queue was sent");
    let on_the_line = Duration::from_secs(telegram.len() as u64 * 10) / 115_200;
    let handed_over: Vec<_> = (0..5).map(|n| (n as usize * telegram.len(), on_the_line * n * 3 / 5)).collect();
    let most = rate(5, &handed_over).unwrap() * on_the_line.as_secs_f64();
    assert!((0.99..1.01).contains(&most), "no more than the line carries: {most} of it");
}

#[test]
fn a_crc_by_another_rule_is_named() {
    let mut telegram = dsmr_5();
    let end = telegram.iter().rposition(|byte| *byte == b'!').expect("an end");
    telegram.truncate(end + 1);
    let x25 = telegram.iter().fold(0xFFFF_u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0x8408 } else { 0 })
    });
    telegram.extend_from_slice(format!("{:04X}\r\n", !x25).as_bytes());
    let Cause::P1(meter) = read(&telegram, sent("115200 8N1", 0, false), "115200 8N1").cause else { panic!() };
    assert_eq!((meter.crc_good, meter.crc_bad, meter.other_crc), (1, 0, Some(OtherCrc::X25)));
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
