//! What telegrams of every kind say.

mod telegrams;

use proptest::prelude::*;
use sermux_protocol::frame::crc16;
use sermux_protocol::reading::{
    decode, Flow, MeterReading, NotDecoded, ObisObject, ObjectValue, Phase, Quantity, MOST_BYTES,
};

use self::telegrams::{ALL, BELGIUM, DSMR_2, DSMR_3, DSMR_4, DSMR_5, LUXEMBOURG, SWEDEN};

/// As the meter sends it.
fn sent(lines: &str) -> Vec<u8> {
    let text = lines.replace('\n', "\r\n") + "!";
    format!("{text}{:04X}\r\n", crc16::checksum(text.as_bytes())).into_bytes()
}

fn read(lines: &str) -> MeterReading {
    let reading = decode(&sent(lines)).expect("a telegram");
    assert_eq!(reading.unread, [""; 0], "{lines}");
    reading
}

/// The value of this quantity: by its name, with its unit, and with its time.
fn shown(reading: &MeterReading, name: &str) -> String {
    let named = |object: &&ObisObject| object.quantity.is_some_and(|quantity| quantity.to_string() == name);
    let object = reading.objects.iter().find(named).unwrap_or_else(|| panic!("no {name}"));
    let value = match &object.value {
        ObjectValue::Empty => String::new(),
        ObjectValue::Measure(measure) => measure.to_string(),
        ObjectValue::Time(time) => format!("{time} {:?}", time.dst),
        ObjectValue::Text(text) => text.clone(),
        ObjectValue::Log(entries) => {
            let entries = entries.iter().map(|entry| match entry.period {
                Some(period) => format!("{} in {period}: {}", entry.at, entry.number),
                None => format!("{}: {}", entry.at, entry.number),
            });
            entries.collect::<Vec<_>>().join("; ")
        }
    };
    object.at.map_or(value.clone(), |at| format!("{value} at {at}"))
}

fn says(reading: &MeterReading, told: &[(&str, &str)]) {
    for (name, value) in told {
        assert_eq!(shown(reading, name), *value, "{name}");
    }
}

fn meters(reading: &MeterReading) -> Vec<String> {
    let meters = reading.meters().into_iter().map(|meter| {
        let kind = meter.kind.map(|kind| kind.to_string()).unwrap_or_default();
        let value = meter.value.map(|value| value.to_string()).unwrap_or_default();
        let at = meter.at.map(|at| at.to_string()).unwrap_or_default();
        format!("{} {kind} {} {value} {at}", meter.channel, meter.equipment.unwrap_or("-"))
    });
    meters.collect()
}

#[test]
fn dsmr_2() {
    let reading = read(DSMR_2);
    assert_eq!(reading.identification, "ISk5\\2MT382-1000");
    assert_eq!((reading.tariff(), reading.time()), (Some(2), None));
    says(
        &reading,
        &[
            ("equipment", "K8EG004046395507"),
            ("energy-import-tariff-1", "12345.678 kWh"),
            ("energy-export-tariff-1", "45.012 kWh"),
            ("power-import", "1.19 kW"),
            ("power-limit", "16 A"),
            ("breaker", "1"),
            ("message-code", "012345678"),
            ("message", "Hallo"),
        ],
    );
    assert_eq!(meters(&reading), ["1 gas 2222ABCD123456789 1.001 m3 2009-02-12T16:00:00"]);
    assert_eq!(reading.meters()[0].at.and_then(|at| at.dst), None);
    assert_eq!(reading.meters()[0].valve, Some(1));
}

#[test]
fn dsmr_3() {
    let reading = read(DSMR_3);
    says(&reading, &[("power-limit", "999.00 kW"), ("message", ""), ("message-code", "")]);
    let at = "2012-10-30T14:00:00";
    // The numbers of the first two are octets, and no text.
    assert_eq!(
        meters(&reading),
        [
            format!("1 gas 3238313031453631373038389930337131 24.123 m3 {at}"),
            format!("2 heat 3238313031453631373038389930337132 12.345 GJ {at}"),
            format!("3 water - 104.990 m3 {at}"),
        ]
    );
}

#[test]
fn dsmr_4() {
    let reading = read(DSMR_4);
    says(
        &reading,
        &[
            ("version", "40"),
            ("time", "2015-01-17T18:09:30 Some(false)"),
            ("failures", "8"),
            ("long-failures", "7"),
            ("failure-log", "2014-04-12T17:20:00: 240 s; 2014-12-30T09:05:01: 7500 s"),
            ("sags-l1", "2"),
            ("sags-l2", "1"),
            ("swells-l2", "3"),
            ("current-l3", "2 A"),
            ("power-import-l1", "0.233 kW"),
            ("power-export-l3", "0.000 kW"),
        ],
    );
    // Not read yet: its time cannot be, and its number has no unit.
    assert_eq!(meters(&reading), ["1 gas G0031610026292312 0.000 "]);
}

#[test]
fn dsmr_5() {
    let reading = read(DSMR_5);
    let time = reading.time().expect("a time");
    assert_eq!((time.to_string().as_str(), time.dst), ("2020-07-26T11:30:09", Some(true)));
    says(&reading, &[("voltage-l1", "229.0 V"), ("failure-log", ""), ("message", "Onderneming: ménu")]);
    assert_eq!(
        meters(&reading),
        [
            "1 gas G0058530031648619 11.345 m3 2020-07-26T11:30:05",
            "2 heat H0012000000000001 4.125 GJ 2020-07-26T11:30:00",
            "3 water - 872.234 m3 2020-07-26T11:30:00",
            "4 electricity - 99.001 kWh 2020-07-26T11:30:00",
        ]
    );
}

#[test]
fn belgium() {
    let reading = read(BELGIUM);
    says(
        &reading,
        &[
            ("version", "50217"),
            ("equipment", "1SAG1100000231"),
            ("connection-point", "541448820001234567"),
            ("demand-import", "2.351 kW"),
            ("peak-demand-import", "2.589 kW at 2023-07-01T13:45:58"),
            (
                "peak-log",
                "2023-05-23T19:25:38 in 2023-06-01T00:00:00: 3.695 kW; \
                 2023-06-12T12:21:39 in 2023-07-01T00:00:00: 5.980 kW",
            ),
            ("current-l1", "2.56 A"),
            ("current-limit", "999 A"),
            ("meter-1-connection-point", "541448820007654321"),
        ],
    );
    assert_eq!(
        meters(&reading),
        [
            "1 gas 7FLO2123007654 112.384 m3 2023-07-03T12:00:00",
            "2 water 8SET0000002718 872.234 m3 2023-07-03T11:55:12",
        ]
    );
}

#[test]
fn luxembourg() {
    let reading = read(LUXEMBOURG);
    says(
        &reading,
        &[
            ("version", "42"),
            ("equipment", "SAG1030700004103"),
            ("energy-import", "45.000 kWh"),
            ("energy-reactive-export", "0.141 kvarh"),
            ("power-limit", "77.4 kVA"),
            ("power-apparent-import", "0.046 kVA"),
            ("current-limit", "-200 A"),
            ("breaker", "1"),
            ("relay-1", "0"),
            ("relay-2", "1"),
            ("message-2", "Zone"),
            ("voltage-l3", "229.9 V"),
            ("power-reactive-export-l1", "0.045 kvar"),
        ],
    );
    assert_eq!(meters(&reading), ["1 gas SAG1030700004104 7.100 m3 2018-01-26T15:00:00"]);
}

#[test]
fn sweden() {
    let reading = read(SWEDEN);
    assert_eq!(reading.tariff(), None);
    assert!(reading.meters().is_empty());
    says(
        &reading,
        &[
            ("time", "2021-02-17T18:40:19 Some(false)"),
            ("energy-import", "6678.394 kWh"),
            ("energy-reactive-export", "1020.971 kvarh"),
            ("power-reactive-export", "0.309 kvar"),
            ("power-reactive-export-l2", "0.161 kvar"),
            ("current-l1", "4.2 A"),
        ],
    );
    for (phase, volts) in Phase::ALL.into_iter().zip(["240.3 V", "240.1 V", "241.3 V"]) {
        let voltage = reading.measure(Quantity::Voltage(phase)).expect("a voltage");
        assert_eq!(voltage.to_string(), volts);
    }
}

#[test]
fn every_code_of_these_telegrams_is_known_and_every_object_keeps_its_text() {
    for lines in ALL {
        let reading = read(lines);
        for object in &reading.objects {
            assert!(object.quantity.is_some(), "{}", object.code);
            let line = format!("{}{}", object.code, object.raw);
            assert!(lines.contains(&line.replace("\r\n", "\n")), "{line}");
        }
    }
}

#[test]
fn what_is_not_known_keeps_its_text() {
    let reading = read(
        "/XYZ5METER\n\n0-0:94.32.1(0400)\n1-0:88.8.0(0001*kWh)\n0-0:94.1.0(180103220322W)\n0-0:94.2.0(a)(b)\n0-0:94.3.0()\n",
    );
    let values: Vec<&ObjectValue> = reading.objects.iter().map(|object| &object.value).collect();
    assert_eq!(values[0], &ObjectValue::Text("0400".to_owned()));
    assert!(matches!(values[1], ObjectValue::Measure(measure) if measure.to_string() == "1 kWh"));
    assert!(matches!(values[2], ObjectValue::Time(time) if time.dst == Some(false)));
    assert_eq!(values[3], &ObjectValue::Text("(a)(b)".to_owned()));
    assert_eq!(values[4], &ObjectValue::Empty);
}

#[test]
fn what_is_not_as_its_code_promises_keeps_its_text_and_the_rest_is_read() {
    let telegram = b"/XYZ5METER\r\n(1)\r\nnoise\r\n0-0:1.0.0(yesterday)\r\n1-0:1.7.0(much*kW)\r\n1-0:2.7.0\r\n\
        1-0:32.7.0(230.0*V\r\n0-0:96.14.0(0002)\r\n0-0:96.13.0(\xE9t\xE9)\r\n!\r\n";
    let reading = decode(telegram).expect("a telegram");
    assert_eq!(reading.unread, ["(1)", "noise", "1-0:2.7.0"]);
    assert_eq!(reading.value(Quantity::Time), Some(&ObjectValue::Text("yesterday".to_owned())));
    assert_eq!(reading.measure(Quantity::Power(Flow::Import, None)), None);
    assert_eq!(reading.tariff(), Some(2));
    assert_eq!(reading.text(Quantity::Message(0)), Some("été"));
    // The bracket that lacks ends with the line.
    assert_eq!(shown(&reading, "voltage-l1"), "230.0 V");
}

#[test]
fn lines_may_have_lost_their_cr() {
    for lines in ALL {
        assert_eq!(
            decode(format!("{lines}!\n").as_bytes()).map(|reading| reading.objects.len()),
            Ok(read(lines).objects.len())
        );
    }
}

#[test]
fn what_is_no_whole_telegram_is_an_error() {
    let whole = sent(DSMR_5);
    assert_eq!(decode(b""), Err(NotDecoded::NoBegin));
    assert_eq!(decode(&whole[1..]), Err(NotDecoded::NoBegin));
    let end = whole.iter().rposition(|byte| *byte == b'!').expect("an end");
    assert_eq!(decode(&whole[..end]), Err(NotDecoded::NoEnd));
    assert!(decode(&whole[..=end]).is_ok(), "what stands behind the `!` is the framer's");
    let long = [b"/".repeat(MOST_BYTES), b"\r\n!\r\n".to_vec()].concat();
    assert_eq!(decode(&long), Err(NotDecoded::TooLong(MOST_BYTES + 5)));
}

proptest! {
    #[test]
    fn no_damage_is_a_panic_and_what_comes_back_is_no_more_than_there_was(
        which in 0..ALL.len(), damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..40),
    ) {
        let mut telegram = sent(ALL[which]);
        for (at, byte) in damage {
            let at = at.index(telegram.len());
            telegram[at] = byte;
        }
        if let Ok(reading) = decode(&telegram) {
            let objects: usize = reading.objects.iter().map(|object| object.raw.chars().count()).sum();
            let unread: usize = reading.unread.iter().map(|line| line.chars().count()).sum();
            prop_assert!(reading.identification.chars().count() + objects + unread <= telegram.len());
        }
    }
}
