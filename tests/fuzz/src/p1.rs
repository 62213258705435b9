//! Any bytes from a P1 line, in any pieces, with silence and losses: every byte is accounted for.

use std::time::{Duration, Instant};

use sermux_protocol::frame::held::Held;
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
        assert!(telegram.starts_with(b"/"));
        if frame.check == Check::Good {
            let mut marks = (0..telegram.len()).filter(|at| telegram[*at] == b'!');
            assert!(marks.any(|mark| {
                let digits: Vec<u8> =
                    telegram[mark + 1..].iter().take(4).copied().take_while(u8::is_ascii_hexdigit).collect();
                let digits = String::from_utf8(digits).expect("digits are text");
                u16::from_str_radix(&digits, 16) == Ok(crc16::checksum(&telegram[..=mark]))
            }));
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
        let held = Held::whole(BASE, &bytes[..place(at) + piece.len()]);
        framer.push(held, at, now, |frame| frames.push(frame));
        at += piece.len() as u64;
    }
    (frames, framer.counters(), framer.partial())
}

/// Pieces, silence and losses in turn.
fn events(mut input: Input) {
    let (mut framer, mut frames, mut all) = (P1Framer::new(), Vec::new(), Vec::new());
    let (mut now, mut at, mut received) = (Instant::now(), BASE, 0);
    while !input.is_empty() {
        match input.byte() % 4 {
            0 | 1 => {
                let piece = input.bytes();
                all.extend_from_slice(piece);
                framer.push(shown(&all, framer.partial()), at, now, |frame| frames.push(frame));
                at += piece.len() as u64;
                received += piece.len() as u64;
            }
            2 => {
                now += Duration::from_millis(20 * u64::from(input.byte()));
                let due = framer.deadline().is_some_and(|deadline| deadline <= now);
                framer.handle_timeout(shown(&all, framer.partial()), now, |frame| frames.push(frame));
                assert!(!due || framer.partial().is_none());
            }
            _ => {
                framer.reset(shown(&all, framer.partial()), |frame| frames.push(frame));
                at += u64::from(input.byte());
                all.resize(place(at), 0);
            }
        }
        assert_eq!(framer.partial().is_some(), framer.deadline().is_some());
        assert!(framer.deadline().is_none_or(|deadline| deadline <= now + SILENCE));
        accounted(&frames, framer.counters(), framer.partial(), received, at);
    }
}

/// What must be kept of `all`, in two pieces.
fn shown(all: &[u8], partial: Option<u64>) -> Held<'_> {
    let begin = partial.unwrap_or(BASE);
    let held = &all[place(begin)..];
    let (first, second) = held.split_at(held.len() / 3);
    Held::new(begin, [first, second])
}

fn accounted(frames: &[Frame], counters: P1Counters, partial: Option<u64>, received: u64, head: u64) {
    let framed: u64 = frames.iter().map(|frame| frame.end - frame.start).sum();
    let partial = partial.map_or(0, |start| head - start);
    assert_eq!(framed + counters.stray_bytes + partial, received);
    assert_eq!(counters.telegrams, frames.len() as u64);
    assert_eq!(counters.crc_bad, frames.iter().filter(|frame| frame.check == Check::Bad).count() as u64);
    assert!(partial < MAX_TELEGRAM as u64);
}
