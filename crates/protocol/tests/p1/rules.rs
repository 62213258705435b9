//! Each rule of the framing by itself.

use std::time::Duration;

use sermux_protocol::frame::p1::{P1Counters, MAX_TELEGRAM, MAX_TRAILER, SILENCE};
use sermux_protocol::frame::Check::{self, Absent, Bad, Good};

use crate::{with_crc, Line};

const SHORT: &str = "/X5\r\n\r\n1(0)\r\n!\r\n";

/// Where a telegram begins and ends: what comes in, the telegrams in it, telegrams given up, stray bytes, bytes partial.
type Row<'a> = (&'a str, &'a [(&'a str, Check)], u64, u64, u64);

#[test]
fn telegrams_begin_and_end_where_the_standard_says() {
    let rows: &[Row] = &[
        ("", &[], 0, 0, 0),
        // A slash begins a telegram at the start of a line, and only there.
        ("/X5\r\n!\r\n", &[("/X5\r\n!\r\n", Absent)], 0, 0, 0),
        ("x\r\n/X5\r\n!\r\n", &[("/X5\r\n!\r\n", Absent)], 0, 3, 0),
        ("x\n/X5\r\n!\r\n", &[("/X5\r\n!\r\n", Absent)], 0, 2, 0),
        ("x/X5\r\n!\r\n", &[], 0, 9, 0),
        ("x\r/X5\r\n!\r\n", &[], 0, 10, 0),
        ("/X5\r\n!\r\n/Y5\r\n!\r\n", &[("/X5\r\n!\r\n", Absent), ("/Y5\r\n!\r\n", Absent)], 0, 0, 0),
        ("/X5\r\n!\r\nx\r\n/Y5\r\n!\r\n", &[("/X5\r\n!\r\n", Absent), ("/Y5\r\n!\r\n", Absent)], 0, 3, 0),
        // Slash inside text.
        ("/X/5\r\n(a/b)\r\n!\r\n", &[("/X/5\r\n(a/b)\r\n!\r\n", Absent)], 0, 0, 0),
        ("//\r\n!\r\n", &[("//\r\n!\r\n", Absent)], 0, 0, 0),
        ("/X\r/5\r\n!\r\n", &[("/X\r/5\r\n!\r\n", Absent)], 0, 0, 0),
        // Telegram cut and the next one begins.
        ("/X5\r\n1(0)\r\n/Y5\r\n!\r\n", &[("/Y5\r\n!\r\n", Absent)], 1, 11, 0),
        ("/\n/\n/\n!\n", &[("/\n!\n", Absent)], 2, 4, 0),
        // An exclamation mark ends it at the start of a line, and only there.
        ("/!\r\n(!)!\r\n !\r\n!\r\n", &[("/!\r\n(!)!\r\n !\r\n!\r\n", Absent)], 0, 0, 0),
        ("!\r\n!\r\n", &[], 0, 6, 0),
        // Bare LF.
        ("/X5\n\n1(0)\n!\n", &[("/X5\n\n1(0)\n!\n", Absent)], 0, 0, 0),
        // Not there yet.
        ("/", &[], 0, 0, 1),
        ("/X5\r\n!", &[], 0, 0, 6),
        ("/X5\r\n!12", &[], 0, 0, 8),
        ("/X5\r\n!\r", &[], 0, 0, 7),
        ("\r\n/X5\r\n", &[], 0, 2, 5),
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
    // "/X5\r\n!" has the CRC E57E.
    let rows = [
        ("E57E\r\n", Good),
        ("e57e\r\n", Good),
        ("E57E\n", Good),
        ("\r\n", Absent),
        ("\n", Absent),
        ("E57F\r\n", Bad),
        ("7EE5\r\n", Bad),
        ("E57\r\n", Bad),
        ("0E57E\r\n", Bad),
        ("+57E\r\n", Bad),
        ("E57G\r\n", Bad),
        (" \r\n", Bad),
        (" E57E\r\n", Bad),
        ("E57E \r\n", Bad),
        ("E57E\r\r\n", Bad),
        ("\rE57E\n", Bad),
        ("\u{fffd}\r\n", Bad),
    ];
    for (trailer, check) in rows {
        let telegram = format!("/X5\r\n!{trailer}");
        let line = Line::that_received(telegram.as_bytes());
        assert_eq!(line.telegrams(), [(telegram.as_bytes(), check)], "{trailer:?}");
        assert_eq!(line.counters().crc_bad, u64::from(check == Bad), "{trailer:?}");
    }
}

#[test]
fn the_crc_covers_line_ends_as_they_came() {
    let telegram = with_crc("/X5\n\n1(0)\n!");
    assert_eq!(Line::that_received(&telegram).telegrams(), [(&telegram[..], Good)]);

    let meant_for_cr_lf = String::from_utf8(with_crc("/X5\r\n\r\n1(0)\r\n!")).unwrap().replace("\r\n", "\n");
    assert_eq!(Line::that_received(meant_for_cr_lf.as_bytes()).telegrams(), [(meant_for_cr_lf.as_bytes(), Bad)]);
}

#[test]
fn a_trailer_without_line_end_gives_the_telegram_up_and_the_next_one_is_found() {
    let longest = format!("/X5\r\n!{}\n", "0".repeat(MAX_TRAILER - 1));
    assert_eq!(Line::that_received(longest.as_bytes()).telegrams(), [(longest.as_bytes(), Bad)]);

    let endless = format!("/X5\r\n!{}", "0".repeat(MAX_TRAILER));
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
    line.receive(b"/X5\r\n");
    for _ in 0..10_000 {
        line.receive(b"1-0:1.8.1(000000.000*kWh)\r\n");
        assert!(line.partial_len() < MAX_TELEGRAM as u64);
    }
    line.receive(SHORT.as_bytes());
    assert_eq!(line.telegrams(), [(SHORT.as_bytes(), Absent)]);
    let counters = line.counters();
    assert_eq!((counters.oversized, counters.abandoned), (1, 0), "what follows a given up telegram begins none");
    assert_eq!(counters.stray_bytes, 5 + 270_000);
}

#[test]
fn a_telegram_may_have_the_longest_length_and_no_byte_more() {
    let of_length = |len: usize| format!("/{}\n!\r\n", "x".repeat(len - 5)).into_bytes();

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
    assert_eq!((line.counters().oversized, line.counters().abandoned), (0, 1));

    let full = format!("/{}\n", "x".repeat(MAX_TELEGRAM - 2));
    let line = Line::that_received(format!("{full}{SHORT}").as_bytes());
    assert_eq!(line.telegrams(), [(SHORT.as_bytes(), Absent)]);
    assert_eq!((line.counters().oversized, line.counters().abandoned), (1, 0));
}

#[test]
fn silence_gives_a_partial_telegram_up_and_its_rest_is_stray() {
    let mut line = Line::that_received(b"/X5\r\n\r\n1(0");
    assert_eq!(line.framer.deadline(), Some(line.now + SILENCE));
    line.be_silent(SILENCE);
    assert_eq!((line.framer.partial(), line.framer.deadline()), (None, None));

    line.receive(b")\r\n!\r\n");
    assert_eq!(line.telegrams(), []);
    line.receive(SHORT.as_bytes());
    assert_eq!(line.telegrams(), [(SHORT.as_bytes(), Absent)]);
    assert_eq!(line.counters().abandoned, 1);
    assert_eq!(line.counters().stray_bytes, 10 + 6);
}

#[test]
fn after_silence_a_slash_begins_a_telegram_at_once() {
    let mut line = Line::that_received(b"/X5\r\n\r\n1(0");
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
    let mut line = Line::that_received(b"/X5\r\n");
    let deadline = line.framer.deadline();
    line.now += Duration::from_secs(1);
    line.receive(b"");
    assert_eq!(line.framer.deadline(), deadline);
}

#[test]
fn there_is_no_deadline_outside_a_telegram() {
    for input in ["", "noise", SHORT, "/X5\r\n!0123456789abcdef"] {
        assert_eq!(Line::that_received(input.as_bytes()).framer.deadline(), None, "{input:?}");
    }
}

#[test]
fn a_reset_gives_the_partial_telegram_up_and_the_offset_may_jump() {
    let mut line = Line::that_received(b"/X5\r\n1(");
    line.lose(5000);
    assert_eq!((line.framer.partial(), line.framer.deadline()), (None, None));
    assert_eq!((line.counters().abandoned, line.counters().stray_bytes), (1, 7));

    line.receive(SHORT.as_bytes());
    assert_eq!(line.telegrams(), [(SHORT.as_bytes(), Absent)]);
    line.lose(0);
    assert_eq!(line.counters().abandoned, 1, "nothing was partial");
}
