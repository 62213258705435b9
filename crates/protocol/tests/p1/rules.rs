//! Each rule of the framing by itself.

use std::time::Duration;

use sermux_protocol::frame::p1::{P1Counters, MAX_TELEGRAM, MAX_TRAILER, SHORT_SILENCE, SILENCE};
use sermux_protocol::frame::Check::{self, Absent, Bad, Good, GoodBy};
use sermux_protocol::frame::{crc16, OtherCrc};

use crate::{with_crc, Line};

const SHORT: &str = "/XMX5\r\n\r\n1(0)\r\n!\r\n";

/// Where a telegram begins and ends: what comes in, the telegrams in it, telegrams given up, stray bytes, bytes partial.
type Row<'a> = (&'a str, &'a [(&'a str, Check)], u64, u64, u64);

#[test]
fn telegrams_begin_and_end_where_the_rules_say() {
    let rows: &[Row] = &[
        ("", &[], 0, 0, 0),
        // A slash and an identification begin a telegram, wherever they stand.
        ("/XMX5\r\n1(0)\r\n!\r\n", &[("/XMX5\r\n1(0)\r\n!\r\n", Absent)], 0, 0, 0),
        ("x\r\n/XMX5\r\n1(0)\r\n!\r\n", &[("/XMX5\r\n1(0)\r\n!\r\n", Absent)], 0, 3, 0),
        ("x\n/XMX5\r\n1(0)\r\n!\r\n", &[("/XMX5\r\n1(0)\r\n!\r\n", Absent)], 0, 2, 0),
        ("x/XMX5\r\n1(0)\r\n!\r\n", &[("/XMX5\r\n1(0)\r\n!\r\n", Absent)], 0, 1, 0),
        ("\0/XMX5\r\n1(0)\r\n!\r\n", &[("/XMX5\r\n1(0)\r\n!\r\n", Absent)], 0, 1, 0),
        ("/a/b//XMX5\r\n1(0)\r\n!\r\n", &[("/XMX5\r\n1(0)\r\n!\r\n", Absent)], 0, 5, 0),
        (
            "/XMX5\r\n1(0)\r\n!\r\n/YMX5\r\n1(0)\r\n!\r\n",
            &[("/XMX5\r\n1(0)\r\n!\r\n", Absent), ("/YMX5\r\n1(0)\r\n!\r\n", Absent)],
            0,
            0,
            0,
        ),
        (
            "/XMX5\r\n1(0)\r\n!\r\nx\r\n/YMX5\r\n1(0)\r\n!\r\n",
            &[("/XMX5\r\n1(0)\r\n!\r\n", Absent), ("/YMX5\r\n1(0)\r\n!\r\n", Absent)],
            0,
            3,
            0,
        ),
        // No identification.
        ("/X5\r\n!\r\n", &[], 0, 8, 0),
        ("//\r\n!\r\n", &[], 0, 7, 0),
        ("/XM-5\r\n!\r\n", &[], 0, 10, 0),
        ("/XMX\r\n!\r\n", &[], 0, 9, 0),
        // Of any make.
        ("/Ene5\\T210-D\r\n1(0)\r\n!\r\n", &[("/Ene5\\T210-D\r\n1(0)\r\n!\r\n", Absent)], 0, 0, 0),
        ("/ADN9 6534\r\n1(0)\r\n!\r\n", &[("/ADN9 6534\r\n1(0)\r\n!\r\n", Absent)], 0, 0, 0),
        ("/0123\r\n1(0)\r\n!\r\n", &[("/0123\r\n1(0)\r\n!\r\n", Absent)], 0, 0, 0),
        // Slash inside text, also where it looks like the begin of another.
        ("/XMX/5\r\n(a/b)\r\n1(0)\r\n!\r\n", &[("/XMX/5\r\n(a/b)\r\n1(0)\r\n!\r\n", Absent)], 0, 0, 0),
        ("/HLY5/D545-METER\r\n\r\n1(0)\r\n!\r\n", &[("/HLY5/D545-METER\r\n\r\n1(0)\r\n!\r\n", Absent)], 0, 0, 0),
        ("/XMX5\r\n(a/bcde)\r\n1(0)\r\n!\r\n", &[("/XMX5\r\n(a/bcde)\r\n1(0)\r\n!\r\n", Absent)], 0, 0, 0),
        // Telegram cut and the next one begins, in a line of its own or not.
        ("/XMX5\r\n1(0)\r\n/YMX5\r\n1(0)\r\n!\r\n", &[("/YMX5\r\n1(0)\r\n!\r\n", Absent)], 1, 13, 0),
        ("/XMX5\r\n1(0/YMX5\r\n\r\n1(0)\r\n!\r\n", &[("/YMX5\r\n\r\n1(0)\r\n!\r\n", Absent)], 1, 10, 0),
        ("/AAAA\n/BBBB\n/CCCC\n1(0)\n!\n", &[("/CCCC\n1(0)\n!\n", Absent)], 2, 12, 0),
        // An exclamation mark ends it at the start of a line, and without a CRC only there.
        ("/XMX!\r\n(!)!\r\n !\r\n1(0)\r\n!\r\n", &[("/XMX!\r\n(!)!\r\n !\r\n1(0)\r\n!\r\n", Absent)], 0, 0, 0),
        ("!\r\n!\r\n", &[], 0, 6, 0),
        // Bare LF.
        ("/XMX5\n\n1(0)\n!\n", &[("/XMX5\n\n1(0)\n!\n", Absent)], 0, 0, 0),
        // What follows ends it where the line end is lost; nothing is added.
        (
            "/XMX5\r\n1(0)\r\n!/YMX5\r\n1(0)\r\n!\r\n",
            &[("/XMX5\r\n1(0)\r\n!", Absent), ("/YMX5\r\n1(0)\r\n!\r\n", Absent)],
            0,
            0,
            0,
        ),
        (
            "/XMX5\r\n1(0)\r\n!\r/YMX5\r\n1(0)\r\n!\r\n",
            &[("/XMX5\r\n1(0)\r\n!\r", Absent), ("/YMX5\r\n1(0)\r\n!\r\n", Absent)],
            0,
            0,
            0,
        ),
        ("/XMX5\r\n1(0)\r\n!12/YMX5\r\n1(0)\r\n!\r\n", &[("/YMX5\r\n1(0)\r\n!\r\n", Absent)], 1, 16, 0),
        // Not there yet.
        ("/", &[], 0, 0, 1),
        ("/XMX", &[], 0, 0, 4),
        ("/XMX5\r\n!", &[], 0, 0, 8),
        ("/XMX5\r\n!12", &[], 0, 0, 10),
        ("/XMX5\r\n!\r", &[], 0, 0, 9),
        ("\r\n/XMX5\r\n", &[], 0, 2, 7),
    ];
    for (input, telegrams, abandoned, stray_bytes, partial) in rows {
        let line = Line::that_received(input.as_bytes());
        let telegrams: Vec<_> = telegrams.iter().map(|(text, check)| (text.as_bytes(), *check)).collect();
        assert_eq!(line.telegrams(), telegrams, "{input:?}");
        assert_eq!(line.partial_len(), *partial, "{input:?}");
        let expected = P1Counters {
            telegrams: telegrams.len() as u64,
            abandoned: *abandoned,
            stray_bytes: *stray_bytes,
            ..P1Counters::default()
        };
        assert_eq!(line.counters(), expected, "{input:?}");
    }
}

#[test]
fn the_trailer_decides_the_check() {
    let text = "/XMX5\r\n1(181)\r\n!";
    assert_eq!(crc16::checksum(text.as_bytes()), 0x349D);
    let rows = [
        ("349D\r\n", Good),
        ("349d\r\n", Good),
        ("349D\n", Good),
        ("\r\n", Absent),
        ("\n", Absent),
        (" \r\n", Absent),
        ("\0\r\n", Absent),
        ("349E\r\n", Bad),
        ("9D34\r\n", Bad),
        ("349\r\n", Bad),
        ("0349D\r\n", Bad),
        ("+49D\r\n", Bad),
        ("349G\r\n", Bad),
        (" 349D\r\n", Bad),
        // Behind a right one anything may stand.
        ("349D \r\n", Good),
        ("349D\0\r\n", Good),
        ("349D\r\r\n", Good),
        ("349D!0!\r\n", Good),
        ("349D0\r\n", Good),
        ("\r349D\n", Bad),
        ("\u{fffd}\r\n", Bad),
    ];
    for (trailer, check) in rows {
        let telegram = format!("{text}{trailer}");
        let line = Line::that_received(telegram.as_bytes());
        assert_eq!(line.telegrams(), [(telegram.as_bytes(), check)], "{trailer:?}");
        assert_eq!(line.counters().crc_bad, u64::from(check == Bad), "{trailer:?}");
    }
}

/// A telegram whose CRC has this number of leading zeros, up to its `!`; and the CRC.
fn with_zeros(zeros: u32) -> (String, u16) {
    let texts = (0..).map(|number| format!("/XMX5\r\n\r\n1({number})\r\n!"));
    let mut with_crc = texts.map(|text| (crc16::checksum(text.as_bytes()), text));
    let (crc, text) =
        with_crc.find(|(crc, _)| *crc > 0 && crc.leading_zeros() / 4 == zeros).expect("there are numbers enough");
    (text, crc)
}

#[test]
fn leading_zeros_of_the_crc_may_be_left_out() {
    for zeros in 1..=3 {
        let (text, crc) = with_zeros(zeros);
        for telegram in [format!("{text}{crc:X}\r\n"), format!("{text}{crc:04x}\r\n"), format!("{text}{crc:X}\0\r\n")] {
            assert_eq!(Line::that_received(telegram.as_bytes()).telegrams(), [(telegram.as_bytes(), Good)]);
        }
        let mut cut = Line::that_received(format!("{text}{crc:X}").as_bytes());
        cut.be_silent(SILENCE);
        assert_eq!(cut.telegrams(), [(format!("{text}{crc:X}").as_bytes(), Good)]);
    }
}

#[test]
fn the_end_need_not_begin_a_line_where_the_crc_is_right() {
    let telegram = with_crc("/XMX5\r\n\r\n1(0!)2(!F)!");
    assert_eq!(Line::that_received(&telegram).telegrams(), [(&telegram[..], Good)]);
    let wrong = String::from_utf8(telegram).unwrap().replace("1(0", "1(1");
    assert_eq!(Line::that_received(wrong.as_bytes()).telegrams(), []);
}

#[test]
fn a_crc_is_right_by_another_rule_than_the_standards_and_that_is_counted() {
    let text = "/HLY5/D545-METER\r\n\r\n1-3:0.2.8(50)\r\n1(0)\r\n!";
    let x25 = format!("{text}{:04X}\r\n", crc16::x25(text.as_bytes()));
    let by_x25 = GoodBy(OtherCrc::X25);
    let line = Line::that_received(format!("/NOI5\r\n\0{x25}").as_bytes());
    assert_eq!(line.telegrams(), [(x25.as_bytes(), by_x25)]);
    assert_eq!((line.counters().crc_x25, line.counters().crc_bad), (1, 0));
    // Without its line end too.
    let cut = x25.trim_end();
    assert_eq!(
        Line::that_received(format!("{cut}{x25}").as_bytes()).telegrams(),
        [(cut.as_bytes(), by_x25), (x25.as_bytes(), by_x25)]
    );

    let over_cr_lf = String::from_utf8(with_crc(text)).unwrap().replace("\r\n", "\n");
    let line = Line::that_received(over_cr_lf.as_bytes());
    assert_eq!(line.telegrams(), [(over_cr_lf.as_bytes(), GoodBy(OtherCrc::OverCrLf))]);
    assert_eq!((line.counters().crc_over_cr_lf, line.counters().crc_bad), (1, 0));

    for wrong in [x25, over_cr_lf].map(|telegram| telegram.replace("1(0)", "1(1)")) {
        assert_eq!(Line::that_received(wrong.as_bytes()).telegrams(), [(wrong.as_bytes(), Bad)]);
    }
}

#[test]
fn another_crc_that_is_right_by_chance_from_noise_on_moves_no_begin() {
    let text = "/XMX5\r\n\r\n1(0)\r\n!";
    let crc = crc16::x25(text.as_bytes());
    let mut noises = (0..).map(|number| format!("/abcd {number}\n"));
    let noise =
        noises.find(|noise| crc16::x25(format!("{noise}{text}").as_bytes()) == crc).expect("one in 65536 is so");
    let telegram = format!("{text}{crc:04X}\r\n");
    let line = Line::that_received(format!("x{noise}{telegram}").as_bytes());
    assert_eq!(line.telegrams(), [(telegram.as_bytes(), GoodBy(OtherCrc::X25))]);
}

#[test]
fn the_crc_covers_line_ends_as_they_came() {
    let telegram = with_crc("/XMX5\n\n1(0)\n!");
    assert_eq!(Line::that_received(&telegram).telegrams(), [(&telegram[..], Good)]);
}

#[test]
fn a_missing_crc_is_a_bad_one_where_there_should_be_one() {
    let good = with_crc("/XMX5\r\n\r\n1(0)\r\n!");
    let mut line = Line::that_received(SHORT.as_bytes());
    line.receive(&good);
    line.receive(SHORT.as_bytes());
    line.lose(10);
    line.receive(SHORT.as_bytes());
    assert_eq!(line.checks(), [Absent, Good, Bad, Bad], "the line has sent a right one");
    assert_eq!((line.counters().crc_bad, line.counters().crc_missing), (2, 2));

    for (object, check) in [
        ("1-3:0.2.8(50)", Bad),
        ("1-3:0.2.8(42)", Bad),
        ("0-0:96.1.4(50217)", Bad),
        ("1-3:0.2.8(30)", Absent),
        ("1-3:0.2.80(50)", Absent),
    ] {
        let telegram = format!("/XMX5\r\n\r\n{object}\r\n!\r\n");
        assert_eq!(Line::that_received(telegram.as_bytes()).telegrams(), [(telegram.as_bytes(), check)], "{object}");
    }
}

#[test]
fn what_has_neither_a_crc_nor_data_is_no_telegram() {
    let text = "/ABC5x\n!\r\n";
    for line in ["", "(0)\n", "1(0\n", "see above (0)\n", "1-0:1.8.0\n(0)\n"] {
        let text = text.replace('!', &format!("{line}!"));
        let mut seen = Line::that_received(format!("{text}{SHORT}{text}").as_bytes());
        assert_eq!(seen.telegrams(), [(SHORT.as_bytes(), Absent)], "{line:?}");
        assert_eq!((seen.counters().abandoned, seen.counters().stray_bytes), (2, 2 * text.len() as u64), "{line:?}");
        // Nor a bad one where there should be a CRC.
        seen.receive(&with_crc("/XMX5\r\n\r\n1(0)\r\n!"));
        seen.receive(text.as_bytes());
        assert_eq!(seen.checks(), [Absent, Good], "{line:?}");
    }
    for line in
        ["1-0:1.8.0(000123.456*kWh)", "0-0:96.13.0()", "1.8.0*00(0012.3)(kWh)", "C.1.0(12345678)", "1(0) see above"]
    {
        let telegram = format!("/ABC5x\n\n{line}\n!\n");
        assert_eq!(Line::that_received(telegram.as_bytes()).telegrams(), [(telegram.as_bytes(), Absent)], "{line:?}");
    }
}

#[test]
fn a_wrong_crc_counts_without_its_line_end_too() {
    let text = "/XMX5\r\n\r\n1(0)\r\n!";
    let good = with_crc(text);
    let wrong = format!("{text}{:04X}", crc16::checksum(text.as_bytes()) ^ 0x100);
    for line_end in ["", "\r"] {
        let cut = format!("{wrong}{line_end}");
        let line = Line::that_received(&[cut.as_bytes(), &good].concat());
        assert_eq!(line.telegrams(), [(cut.as_bytes(), Bad), (&good, Good)], "then the next");
        let mut line = Line::that_received(cut.as_bytes());
        line.be_silent(SILENCE);
        assert_eq!(line.telegrams(), [(cut.as_bytes(), Bad)], "then silence");
        assert_eq!((line.counters().crc_bad, line.counters().crc_missing, line.counters().abandoned), (1, 0, 0));
    }
    // With fewer digits it has broken off.
    let line = Line::that_received(&[&wrong.as_bytes()[..wrong.len() - 1], &good].concat());
    assert_eq!((line.telegrams(), line.counters().abandoned), (vec![(&good[..], Good)], 1));
}

#[test]
fn another_meter_may_be_connected_that_sends_no_crc() {
    let mut line = Line::that_received(&with_crc("/XMX5\r\n\r\n1(0)\r\n!"));
    for _ in 0..12 {
        line.receive(SHORT.as_bytes());
    }
    assert_eq!(line.checks(), [vec![Good], vec![Bad; 8], vec![Absent; 4]].concat());
    line.receive(&SHORT.as_bytes()[..8]);
    assert_eq!(line.framer.deadline(), Some(line.now + SILENCE));
}

#[test]
fn a_right_crc_and_silence_or_the_next_telegram_are_an_end() {
    let good = with_crc("/XMX5\r\n\r\n1(0)\r\n!");
    for lost in 1..=2 {
        let cut = &good[..good.len() - lost];
        let mut line = Line::that_received(cut);
        assert_eq!(line.framer.deadline(), Some(line.now + SHORT_SILENCE));
        line.be_silent(SHORT_SILENCE);
        assert_eq!(line.telegrams(), [(cut, Good)], "{lost} lost, then silence");

        let line = Line::that_received(&[cut, &good].concat());
        assert_eq!(line.telegrams(), [(cut, Good), (&good, Good)], "{lost} lost, then the next");
        let line = Line::that_received(&[cut, b"\0", &good].concat());
        assert_eq!(line.telegrams(), [(cut, Good), (&good, Good)], "{lost} lost, then a break");

        let mut line = Line::that_received(cut);
        line.end();
        assert_eq!(line.telegrams(), [(cut, Good)], "{lost} lost, then the line is closed");
    }
    // A line end that is late is no new telegram, and none is made up.
    let mut line = Line::that_received(&good[..good.len() - 2]);
    line.be_silent(SHORT_SILENCE);
    line.receive(b"\r\n");
    line.receive(&good);
    assert_eq!(line.telegrams(), [(&good[..good.len() - 2], Good), (&good, Good)]);
    assert_eq!(line.counters().stray_bytes, 2);
}

#[test]
fn what_stands_between_a_right_crc_and_its_line_end_is_bounded() {
    let text = "/XMX5\r\n\r\n1(0)\r\n!";
    let crc = format!("{:04X}", crc16::checksum(text.as_bytes()));
    let longest = format!("{text}{crc}{}\n", "x".repeat(MAX_TRAILER - 5));
    assert_eq!(Line::that_received(longest.as_bytes()).telegrams(), [(longest.as_bytes(), Good)]);
    let longer = format!("{text}{crc}\r{}\n", "x".repeat(MAX_TRAILER - 5));
    let line = Line::that_received(longer.as_bytes());
    assert_eq!(line.telegrams(), [(format!("{text}{crc}\r").as_bytes(), Good)]);
    assert_eq!(line.counters().stray_bytes, MAX_TRAILER as u64 - 4);
}

#[test]
fn of_two_telegrams_in_one_the_whole_one_is_found() {
    let good = with_crc("/XMX5\r\n\r\n1-3:0.2.8(50)\r\n1(/abcd)\r\n!");
    for lost in 1..good.len() {
        let cut = &good[..good.len() - lost];
        let line = Line::that_received(&[cut, &good].concat());
        assert_eq!(line.telegrams().last(), Some(&(&good[..], Good)), "without its last {lost}");
        assert!(line.checks().iter().all(|check| *check == Good));
        // The same with noise in front that looks like the begin of one.
        let line = Line::that_received(&[b"ls /usr/lib\n/bin/sh -c '!1A2B'\n", cut, &good].concat());
        assert_eq!(line.telegrams().last(), Some(&(&good[..], Good)), "without its last {lost}, in noise");
    }
}

#[test]
fn what_looks_like_a_begin_pushes_no_telegram_out() {
    let good = with_crc(&format!("/XMX5\r\n\r\n{}!", "1-0:1.8.0(/abcd)\r\n".repeat(40)));
    let line = Line::that_received(&["/abcd".repeat(1000).as_bytes(), b"\n", &good].concat());
    assert_eq!(line.telegrams(), [(&good[..], Good)]);
    assert_eq!(line.counters().oversized, 0);
    // Nor one that begins in the middle of a line: a break stands before it, or noise.
    for before in [&b"\0"[..], b"\xFF\xFF", b" ", "/abcd".repeat(1000).as_bytes()] {
        let line = Line::that_received(&[before, &good, before, &good].concat());
        assert_eq!(line.telegrams(), [(&good[..], Good); 2], "{} bytes before", before.len());
    }
}

#[test]
fn a_text_with_a_slash_and_digits_that_are_right_by_chance_is_no_telegram() {
    let text = "/abcd and so on!";
    let chance = format!("{text}{:04X}", crc16::checksum(text.as_bytes()));
    let good = with_crc(&format!("/XMX5\r\n\r\n0-0:96.13.0({chance})\r\n!"));
    assert_eq!(Line::that_received(&good).telegrams(), [(&good[..], Good)]);
    // With a whole identification it is one.
    let inner = with_crc("/abcd\r\n\r\n1(0!");
    let line = Line::that_received(&[b"/XMX5\r\n\r\n0-0:96.13.0(", &inner[..]].concat());
    assert_eq!(line.telegrams(), [(&inner[..], Good)]);
}

#[test]
fn a_trailer_without_line_end_gives_the_telegram_up_and_the_next_one_is_found() {
    let longest = format!("/XMX5\r\n!{}\n", "0".repeat(MAX_TRAILER - 1));
    assert_eq!(Line::that_received(longest.as_bytes()).telegrams(), [(longest.as_bytes(), Bad)]);

    let endless = format!("/XMX5\r\n!{}", "0".repeat(MAX_TRAILER));
    for after in ["\n", "xyz\r\n", "/\r\n"] {
        let line = Line::that_received(format!("{endless}{after}{SHORT}").as_bytes());
        assert_eq!(line.telegrams(), [(SHORT.as_bytes(), Absent)], "{after:?}");
        assert_eq!(line.counters().abandoned, 1);
        assert_eq!(line.counters().stray_bytes, (endless.len() + after.len()) as u64);
    }
}

#[test]
fn a_never_ending_telegram_is_given_up_and_the_next_one_is_found() {
    let mut line = Line::new();
    line.receive(b"/XMX5\r\n");
    for _ in 0..10_000 {
        line.receive(b"1-0:1.8.1(000000.000*kWh)\r\n");
        assert!(line.partial_len() < MAX_TELEGRAM as u64);
    }
    line.receive(SHORT.as_bytes());
    assert_eq!(line.telegrams(), [(SHORT.as_bytes(), Absent)]);
    let counters = line.counters();
    assert_eq!((counters.oversized, counters.abandoned), (1, 0), "what follows a given up telegram begins none");
    assert_eq!(counters.stray_bytes, 7 + 270_000);
}

#[test]
fn telegrams_that_the_next_one_cuts_off_are_not_too_long() {
    for lines in [1, 30] {
        let cut = format!("/XMX5\r\n\r\n{}", "1-0:1.8.1(000000.000*kWh)\r\n".repeat(lines));
        let mut line = Line::that_received(cut.repeat(200).as_bytes());
        line.be_silent(SILENCE);
        let counters = line.counters();
        assert_eq!((counters.oversized, counters.abandoned), (0, 200), "{lines} lines");
        assert_eq!(counters.stray_bytes, 200 * cut.len() as u64);
    }
}

#[test]
fn a_telegram_may_have_the_longest_length_and_no_byte_more() {
    let of_length = |len: usize| format!("/{}\n1(0)\n!\r\n", "x".repeat(len - 10)).into_bytes();

    let longest = of_length(MAX_TELEGRAM);
    let line = Line::that_received(&longest);
    assert_eq!(line.telegrams(), [(&longest[..], Absent)]);

    // One to six bytes more: the limit falls on each character of the end in turn.
    for more in 1..=6 {
        let line = Line::that_received(&[&of_length(MAX_TELEGRAM + more), SHORT.as_bytes()].concat());
        assert_eq!(line.telegrams(), [(SHORT.as_bytes(), Absent)], "{more} more");
        assert_eq!((line.counters().oversized, line.counters().abandoned), (1, 0), "{more} more");
    }
}

#[test]
fn the_next_telegram_may_begin_with_the_byte_at_the_limit() {
    let cut = format!("/{}\n", "x".repeat(MAX_TELEGRAM - 3));
    let line = Line::that_received(format!("{cut}{SHORT}").as_bytes());
    assert_eq!(line.telegrams(), [(SHORT.as_bytes(), Absent)]);
    assert_eq!((line.counters().oversized, line.counters().abandoned), (1, 0));

    let full = format!("/{}\n", "x".repeat(MAX_TELEGRAM - 2));
    let line = Line::that_received(format!("{full}{SHORT}").as_bytes());
    assert_eq!(line.telegrams(), [(SHORT.as_bytes(), Absent)]);
    assert_eq!((line.counters().oversized, line.counters().abandoned), (1, 0));
}

#[test]
fn silence_gives_a_partial_telegram_up_and_its_rest_is_stray() {
    let mut line = Line::that_received(b"/XMX5\r\n\r\n1(0");
    assert_eq!(line.framer.deadline(), Some(line.now + SILENCE));
    line.be_silent(SILENCE - Duration::from_millis(1));
    assert_eq!(line.partial_len(), 12);
    line.be_silent(Duration::from_millis(1));
    assert_eq!((line.framer.partial(), line.framer.deadline()), (None, None));

    line.receive(b")\r\n!\r\n");
    assert_eq!(line.telegrams(), []);
    line.receive(SHORT.as_bytes());
    assert_eq!(line.telegrams(), [(SHORT.as_bytes(), Absent)]);
    assert_eq!(line.counters().abandoned, 1);
    assert_eq!(line.counters().stray_bytes, 12 + 6);
}

#[test]
fn where_crcs_come_less_silence_gives_a_partial_telegram_up() {
    let mut line = Line::that_received(&with_crc("/XMX5\r\n\r\n1(0)\r\n!"));
    line.receive(b"/XMX5\r\n\r\n1(0");
    assert_eq!(line.framer.deadline(), Some(line.now + SHORT_SILENCE));
    line.be_silent(SHORT_SILENCE);
    assert_eq!((line.framer.partial(), line.counters().abandoned), (None, 1));
}

#[test]
fn after_silence_a_slash_begins_a_telegram_at_once() {
    let mut line = Line::that_received(b"/XMX5\r\n\r\n1(0");
    line.be_silent(SILENCE);
    line.receive(SHORT.as_bytes());
    assert_eq!(line.telegrams(), [(SHORT.as_bytes(), Absent)]);

    // So it does when nothing was partial, and nobody had a deadline to wait for.
    let mut line = Line::that_received(b"noise");
    assert_eq!(line.framer.deadline(), None);
    line.now += SILENCE;
    line.receive(SHORT.as_bytes());
    assert_eq!(line.telegrams(), [(SHORT.as_bytes(), Absent)]);
}

#[test]
fn pauses_below_the_limit_cut_no_telegram() {
    let mut line = Line::new();
    for byte in SHORT.as_bytes().chunks(1) {
        line.receive(byte);
        line.be_silent(Duration::from_millis(1500));
    }
    assert_eq!(line.telegrams(), [(SHORT.as_bytes(), Absent)]);
}

#[test]
fn bytes_that_waited_for_a_late_reader_are_not_judged_by_the_clock() {
    let (first, second) = SHORT.as_bytes().split_at(9);
    let mut line = Line::that_received(first);
    line.now += 10 * SILENCE;
    line.receive(second);
    assert_eq!(line.telegrams(), [(SHORT.as_bytes(), Absent)]);
}

#[test]
fn a_read_of_nothing_does_not_move_the_deadline() {
    let mut line = Line::that_received(b"/XMX5\r\n");
    let deadline = line.framer.deadline();
    line.now += Duration::from_secs(1);
    line.receive(b"");
    assert_eq!(line.framer.deadline(), deadline);
}

#[test]
fn there_is_no_deadline_outside_a_telegram() {
    for input in ["", "noise", SHORT, "/XMX5\r\n!0123456789abcdef"] {
        assert_eq!(Line::that_received(input.as_bytes()).framer.deadline(), None, "{input:?}");
    }
}

#[test]
fn a_reset_gives_the_partial_telegram_up_and_the_offset_may_jump() {
    let mut line = Line::that_received(b"/XMX5\r\n1(");
    line.lose(5000);
    assert_eq!((line.framer.partial(), line.framer.deadline()), (None, None));
    assert_eq!((line.counters().abandoned, line.counters().stray_bytes), (1, 9));

    line.receive(SHORT.as_bytes());
    assert_eq!(line.telegrams(), [(SHORT.as_bytes(), Absent)]);
    line.lose(0);
    assert_eq!(line.counters().abandoned, 1, "nothing was partial");
}
