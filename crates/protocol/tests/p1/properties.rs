//! What holds for any input, in any pieces, at any time.

use std::time::Duration;

use proptest::prelude::*;
use sermux_protocol::frame::p1::{MAX_TELEGRAM, SILENCE};
use sermux_protocol::frame::{crc16, Check, OtherCrc};

use crate::Line;

proptest! {
    #[test]
    fn any_split_of_the_input_gives_the_same_frames(input in stream(), cuts in cuts()) {
        let whole = Line::that_received(&input);
        let mut pieces = Line::new();
        for piece in split(&input, &cuts) {
            pieces.receive(piece);
        }
        prop_assert_eq!(&pieces.frames, &whole.frames);
        prop_assert_eq!(pieces.counters(), whole.counters());
        prop_assert_eq!(pieces.framer.partial(), whole.framer.partial());
    }

    /// One with a CRC anywhere, and the end of any other if its `/` is the first byte of a line.
    #[test]
    fn a_whole_telegram_is_found_whatever_surrounds_it(
        parts in prop::collection::vec((garbage(), telegram()), 1..4),
        after in garbage(),
        cuts in cuts(),
    ) {
        let mut line = Line::new();
        let mut expected = Vec::new();
        let mut input = Vec::new();
        for (garbage, (telegram, check)) in &parts {
            input.extend_from_slice(garbage);
            if !garbage.is_empty() && *check != Check::Good {
                input.push(b'\n');
            }
            let start = line.head() + input.len() as u64;
            input.extend_from_slice(telegram);
            expected.push((start, start + telegram.len() as u64, *check));
        }
        input.extend_from_slice(&after);

        for piece in split(&input, &cuts) {
            line.receive(piece);
        }
        for (start, end, check) in expected {
            let found = line.frames.iter().find(|frame| frame.end == end);
            prop_assert!(found.is_some());
            // Where no CRC tells it, a line in the middle may look like the begin.
            prop_assert!(check != Check::Good || found.map(|frame| (frame.start, frame.check)) == Some((start, check)));
        }
    }

    #[test]
    fn every_byte_is_accounted_for_at_every_moment(events in prop::collection::vec(event(), 0..12)) {
        let mut line = Line::new();
        let mut received = 0;
        for event in events {
            match event {
                Event::Bytes(bytes) => {
                    received += bytes.len() as u64;
                    line.receive(&bytes);
                }
                Event::Silence(time) => {
                    let due = line.framer.deadline().is_some_and(|deadline| deadline <= line.now + time);
                    line.be_silent(time);
                    prop_assert!(!due || line.framer.partial().is_none());
                }
                Event::Loss(bytes) => line.lose(bytes),
            }
            let counters = line.counters();
            prop_assert_eq!(line.framed_len() + counters.stray_bytes + line.partial_len(), received);
            prop_assert_eq!(counters.telegrams, line.frames.len() as u64);
            prop_assert_eq!(line.framer.partial().is_some(), line.framer.deadline().is_some());
            prop_assert!(line.partial_len() < MAX_TELEGRAM as u64, "what must be kept is bounded");
        }
    }

    #[test]
    fn every_frame_is_what_it_says(input in stream()) {
        let line = Line::that_received(&input);
        let mut behind = 0;
        for frame in &line.frames {
            prop_assert!(behind <= frame.start, "in order, and none inside another");
            behind = frame.end;
            let telegram = line.bytes(frame);
            prop_assert!(telegram.len() <= MAX_TELEGRAM);
            prop_assert_eq!(telegram.first(), Some(&b'/'));
            prop_assert!(is_so(telegram, frame.check), "{:?}: {}", frame.check, telegram.escape_ascii());
        }
    }

    /// Noise of any bytes; and noise that is full of telegrams, but has no digits to write a CRC with.
    #[test]
    fn noise_is_never_good(input in prop_oneof![
        prop::collection::vec(any::<u8>(), 0..3 * MAX_TELEGRAM),
        "([/!\\r\\n]?[G-Z]{0,6}\\r?\\n?){0,200}".prop_map(String::into_bytes),
    ]) {
        prop_assert!(Line::that_received(&input).frames.iter().all(|frame| frame.check != Check::Good));
    }
}

#[derive(Debug, Clone)]
enum Event {
    Bytes(Vec<u8>),
    Silence(Duration),
    Loss(usize),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => stream().prop_map(Event::Bytes),
        1 => (0..=4_u32).prop_map(|halves| Event::Silence(SILENCE * halves / 2)),
        1 => (0..2000_usize).prop_map(Event::Loss),
    ]
}

/// Whole telegrams and all kinds of dirt, next to each other as it happens.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![telegram().prop_map(|(bytes, _)| bytes), garbage()];
    prop::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}

/// A whole telegram, and what its trailer says.
fn telegram() -> impl Strategy<Value = (Vec<u8>, Check)> {
    let identification = "[A-Za-z0-9]{3}[A-Za-z0-9\\\\/! -]{1,20}";
    let lines = prop::collection::vec("([0-9(][0-9A-Z():.*/! -]{0,40})?", 0..8);
    let line_end = prop_oneof![3 => Just("\r\n"), 1 => Just("\n")];
    let trailer = prop_oneof![Just(Trailer::Right), Just(Trailer::Lower), Just(Trailer::Wrong), Just(Trailer::None)];
    (identification, lines, line_end, trailer).prop_map(|(identification, lines, line_end, trailer)| {
        let mut text = format!("/{identification}{line_end}");
        for line in lines {
            text += &line;
            text += line_end;
        }
        // Without a CRC this is what makes it a telegram.
        text += "1-0:1.8.0(000123.456*kWh)";
        text += line_end;
        text.push('!');
        let crc = crc16::checksum(text.as_bytes());
        let (trailer, check) = match trailer {
            Trailer::Right => (format!("{crc:04X}"), Check::Good),
            Trailer::Lower => (format!("{crc:04x}"), Check::Good),
            Trailer::Wrong => (format!("{:04X}", crc ^ 0x0100), Check::Bad),
            Trailer::None => (String::new(), Check::Absent),
        };
        (format!("{text}{trailer}{line_end}").into_bytes(), check)
    })
}

#[derive(Debug, Clone, Copy)]
enum Trailer {
    Right,
    Lower,
    Wrong,
    None,
}

/// Noise; noise made of the characters that matter; telegrams that are cut; and what grows to the limit.
fn garbage() -> impl Strategy<Value = Vec<u8>> {
    let cut = (telegram(), any::<prop::sample::Index>()).prop_map(|((mut bytes, _), end)| {
        bytes.truncate(end.index(bytes.len()));
        bytes
    });
    let endless = (MAX_TELEGRAM - 40..MAX_TELEGRAM + 40, "[/!\r\n0x]{0,8}")
        .prop_map(|(len, end)| [b"\n/", &vec![b'x'; len][..], end.as_bytes()].concat());
    prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..60),
        8 => "[/!\r\n0-9A-F]{0,60}".prop_map(String::into_bytes),
        8 => "([/!]{0,2}[0-9A-F]{0,17}\r?\n?){0,8}".prop_map(String::into_bytes),
        8 => cut,
        1 => endless,
    ]
}

/// Sizes of reads, taken in turn.
fn cuts() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![2 => 1..4_usize, 2 => 4..100_usize, 1 => 100..5000_usize], 1..20)
}

fn split<'a>(mut input: &'a [u8], cuts: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    cuts.iter().cycle().map_while(move |cut| {
        let (piece, rest) = input.split_at((*cut).min(input.len()));
        input = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Whether this check is right for this telegram, by its bytes alone.
fn is_so(telegram: &[u8], check: Check) -> bool {
    let marks = (0..telegram.len()).filter(|at| telegram[*at] == b'!').map(|at| telegram.split_at(at + 1));
    let mut crcs = marks.map(|(text, trailer)| {
        let digits = trailer.iter().take(4).take_while(|byte| byte.is_ascii_hexdigit()).count();
        (
            text,
            u16::from_str_radix(std::str::from_utf8(&trailer[..digits]).unwrap_or_default(), 16).ok(),
            &trailer[digits..],
        )
    });
    match check {
        Check::Good => crcs.any(|(text, crc, _)| crc == Some(crc16::checksum(text))),
        Check::GoodBy(OtherCrc::X25) => crcs.any(|(text, crc, _)| crc == Some(crc16::x25(text))),
        Check::GoodBy(OtherCrc::OverCrLf) => crcs.any(|(text, crc, _)| crc.is_some() && crc == crc16::over_cr_lf(text)),
        Check::Bad => {
            let digits = telegram.trim_ascii_end().iter().rev().take_while(|byte| byte.is_ascii_hexdigit()).count();
            (telegram.last() == Some(&b'\n') || digits >= 4)
                && crcs.all(|(text, crc, _)| crc != Some(crc16::checksum(text)))
        }
        Check::Absent => crcs.any(|(_, crc, rest)| crc.is_none() && rest.iter().all(|byte| b"\r\n\0 ".contains(byte))),
    }
}
