//! The simulated meter's telegrams, as its readers get them.

use std::time::Instant;

use sermux_protocol::frame::held::Held;
use sermux_protocol::frame::p1::P1Framer;
use sermux_protocol::frame::{Check, Frame};

use super::*;

/// Wednesday 3 January 2018, 22:03:22 in the Netherlands.
const WINTER_EVENING: u64 = 1_515_013_402;
/// Wednesday 20 June 2018, 13:40 in the Netherlands.
const SUMMER_NOON: u64 = 1_529_494_800;

/// What stands in the parentheses of the line that begins with `obis`.
fn value(telegram: &[u8], obis: &str) -> String {
    let text = String::from_utf8_lossy(telegram);
    let line = text.split("\r\n").find_map(|line| line.strip_prefix(obis)?.strip_prefix('('));
    line.and_then(|line| line.strip_suffix(')')).unwrap_or_else(|| panic!("no {obis} in {text}")).to_string()
}

/// The digits of the value: a number in the smallest unit that the meter shows.
fn number(telegram: &[u8], obis: &str) -> u64 {
    let value = value(telegram, obis);
    let digits: String = value.split('*').next().unwrap().chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

fn meter_with_phases(phases: usize) -> Meter {
    (0..).map(Meter::new).find(|meter| meter.phases == phases).unwrap()
}

#[test]
fn every_telegram_is_one_good_frame_of_usual_size() {
    for seed in 0..20 {
        let mut meter = Meter::new(seed);
        let mut framer = P1Framer::new();
        let mut at = 0;
        for hour in 0..24 {
            let telegram = meter.telegram(WINTER_EVENING + hour * HOUR);
            assert!((600..1100).contains(&telegram.len()), "{} bytes", telegram.len());
            let mut frames = Vec::new();
            framer.push(Held::whole(at, &telegram), at, Instant::now(), |frame| frames.push(frame));
            let end = at + telegram.len() as u64;
            assert_eq!(frames, [Frame { start: at, end, check: Check::Good }]);
            at = end;
        }
        assert_eq!(framer.counters().stray_bytes, 0);
    }
}

#[test]
fn the_same_seed_says_the_same_and_another_does_not() {
    let said = |seed| {
        let mut meter = Meter::new(seed);
        (0..100).flat_map(|second| meter.telegram(WINTER_EVENING + second)).collect::<Vec<u8>>()
    };
    assert_eq!(said(7), said(7));
    assert_ne!(said(7), said(8));
}

#[test]
fn counters_never_fall_and_grow_by_what_is_consumed() {
    let mut meter = Meter::new(1);
    let obis = ["1-0:1.8.1", "1-0:1.8.2", "1-0:2.8.1", "1-0:2.8.2"];
    let mut before: Option<[u64; 4]> = None;
    let mut gas = 0;
    let mut watt_seconds = 0;
    let mut consumed = 0;
    for second in 0..2 * DAY / 10 {
        let telegram = meter.telegram(SUMMER_NOON + second * 10);
        let now = obis.map(|obis| number(&telegram, obis));
        if let Some(before) = before {
            assert!(before.iter().zip(now).all(|(before, now)| *before <= now));
            watt_seconds += 10 * (number(&telegram, "1-0:1.7.0") + number(&telegram, "1-0:2.7.0"));
            consumed += now.iter().sum::<u64>() - before.iter().sum::<u64>();
        }
        before = Some(now);
        assert!(gas <= meter.gas);
        gas = meter.gas;
    }
    assert!(consumed > 5000, "{consumed} Wh in two days");
    assert!(consumed.abs_diff(watt_seconds / WATT_HOUR) <= 4, "{consumed} Wh, {watt_seconds} Ws");
}

#[test]
fn a_clock_that_is_set_back_or_far_ahead_does_no_harm() {
    let mut meter = Meter::new(1);
    meter.telegram(SUMMER_NOON);
    let before = (meter.delivered, meter.returned, meter.gas);
    meter.telegram(SUMMER_NOON - DAY);
    assert_eq!((meter.delivered, meter.returned, meter.gas), before);
    for at in [0, 1 << 40, u64::MAX - 1, u64::MAX, 1] {
        assert!(meter.telegram(at).len() < 1100);
    }
}

#[test]
fn power_varies_and_flows_both_ways() {
    let mut meter = meter_with_phases(1);
    let mut powers = Vec::new();
    for quarter in 0..96 {
        let telegram = meter.telegram(SUMMER_NOON + quarter * 15 * MINUTE);
        let (delivered, returned) = (number(&telegram, "1-0:1.7.0"), number(&telegram, "1-0:2.7.0"));
        assert!(delivered == 0 || returned == 0, "one direction at a time");
        powers.push((delivered, returned));
    }
    assert!(powers.iter().any(|(_, returned)| *returned > 500), "sun by day");
    assert!(powers.iter().any(|(delivered, _)| *delivered > 200), "none by night");
    powers.sort_unstable();
    powers.dedup();
    assert!(powers.len() > 80, "{} different powers in a day", powers.len());
}

#[test]
fn the_sun_rests_at_night() {
    for seed in 0..10 {
        assert_eq!(Meter::new(seed).solar(WINTER_EVENING), 0);
        assert!(Meter::new(seed).solar(SUMMER_NOON) > 300);
    }
}

#[test]
fn phases_add_up_and_current_fits_power() {
    for phases in [1, 3] {
        let mut meter = meter_with_phases(phases);
        for minute in 0..24 * 60 {
            let telegram = meter.telegram(SUMMER_NOON + minute * MINUTE);
            let obis = |quantity: usize| format!("1-0:{quantity}.7.0");
            let net = |plus: &str, minus: &str| signed(number(&telegram, plus)) - signed(number(&telegram, minus));
            let mut sum = 0;
            for n in 0..phases {
                let line = 20 * (n + 1);
                let watts = net(&obis(line + 1), &obis(line + 2));
                let decivolts = number(&telegram, &obis(line + 12));
                let amperes = number(&telegram, &obis(line + 11));
                assert!((2200..=2400).contains(&decivolts), "{decivolts} decivolts");
                assert!((amperes * decivolts).abs_diff(watts.unsigned_abs() * 10) <= decivolts / 2 + 1);
                sum += watts;
            }
            assert_eq!(sum, net("1-0:1.7.0", "1-0:2.7.0"));
        }
    }
}

#[test]
fn the_tariff_is_low_at_night_and_at_weekends() {
    let mut meter = Meter::new(1);
    let mut tariff = |at| value(&meter.telegram(at), "0-0:96.14.0");
    assert_eq!(tariff(WINTER_EVENING), "0002");
    assert_eq!(tariff(WINTER_EVENING + HOUR), "0001");
    assert_eq!(tariff(SUMMER_NOON), "0002");
    assert_eq!(tariff(SUMMER_NOON + 3 * DAY), "0001", "a Saturday");
}

#[test]
fn gas_is_read_every_five_minutes() {
    let mut meter = Meter::new(1);
    let mut readings = Vec::new();
    for second in 0..HOUR {
        readings.push(value(&meter.telegram(WINTER_EVENING + second), "0-1:24.2.1"));
    }
    readings.dedup();
    assert!(readings[0].starts_with("180103220000W)("), "{}", readings[0]);
    assert!(readings[1].starts_with("180103220500W)("), "{}", readings[1]);
    assert_eq!(readings.len(), 13);
}
