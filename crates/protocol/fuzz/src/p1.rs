//! Any bytes from a P1 line, in any pieces, with silence and losses: every byte is accounted for.

use std::time::{Duration, Instant};

use sermux_protocol::frame::p1::{P1Counters, P1Framer, MAX_TELEGRAM, SILENCE};
use sermux_protocol::frame::{crc16, Check, Frame};

use crate::input::Input;

/// Not 0, as nothing may rely on that.
const BASE: u64 = 1_000_000;

pub fn run(input: &[u8]) {
    let mut input = Input(input);
    let cut = 1 + usize::from(input.byte());
    let with_events = input.flag();
    let bytes = input.0;

    let whole = framed(bytes, bytes.len().max(1));
    assert_eq!(whole, framed(bytes, 1));
    assert_eq!(whole, framed(bytes, cut));
    let (frames, counters, partial) = whole;
    accounted(&frames, counters, partial, bytes.len() as u64, BASE + bytes.len() as u64);
    let mut behind = BASE;
    for frame in &frames {
        assert!(behind <= frame.start);
        behind = frame.end;
        let telegram = &bytes[place(frame.start)..place(frame.end)];
        assert!(telegram.starts_with(b"/") && telegram.ends_with(b"\n"));
        if frame.check == Check::Good {
            let mark = telegram.iter().rposition(|byte| *byte == b'!').expect("a frame has an end");
            let crc = format!("{:04X}", crc16::checksum(&telegram[..=mark]));
            assert!(telegram[mark + 1..].to_ascii_uppercase().starts_with(crc.as_bytes()));
        }
    }
    if with_events {
        events(input);
    }
}

fn place(offset: u64) -> usize {
    usize::try_from(offset - BASE).expect("an input is not that long")
}

fn framed(bytes: &[u8], piece: usize) -> (Vec<Frame>, P1Counters, Option<u64>) {
    let (mut framer, mut frames, mut at) = (P1Framer::new(), Vec::new(), BASE);
    let now = Instant::now();
    for piece in bytes.chunks(piece) {
        framer.push(piece, at, now, |frame| frames.push(frame));
        at += piece.len() as u64;
    }
    (frames, framer.counters(), framer.partial())
}

/// Pieces, silence and losses in turn.
fn events(mut input: Input) {
    let (mut framer, mut frames) = (P1Framer::new(), Vec::new());
    let (mut now, mut at, mut received) = (Instant::now(), BASE, 0);
    while !input.is_empty() {
        match input.byte() % 4 {
            0 | 1 => {
                let piece = input.bytes();
                framer.push(piece, at, now, |frame| frames.push(frame));
                at += piece.len() as u64;
                received += piece.len() as u64;
            }
            2 => {
                now += Duration::from_millis(20 * u64::from(input.byte()));
                let due = framer.deadline().is_some_and(|deadline| deadline <= now);
                framer.handle_timeout(now);
                assert!(!due || framer.partial().is_none());
            }
            _ => {
                framer.reset();
                at += u64::from(input.byte());
            }
        }
        assert_eq!(framer.partial().is_some(), framer.deadline().is_some());
        assert!(framer.deadline().is_none_or(|deadline| deadline <= now + SILENCE));
        accounted(&frames, framer.counters(), framer.partial(), received, at);
    }
}

fn accounted(frames: &[Frame], counters: P1Counters, partial: Option<u64>, received: u64, head: u64) {
    let framed: u64 = frames.iter().map(|frame| frame.end - frame.start).sum();
    let partial = partial.map_or(0, |start| head - start);
    assert_eq!(framed + counters.stray_bytes + partial, received);
    assert_eq!(counters.telegrams, frames.len() as u64);
    assert_eq!(counters.crc_bad, frames.iter().filter(|frame| frame.check == Check::Bad).count() as u64);
    assert!(partial < MAX_TELEGRAM as u64);
}
