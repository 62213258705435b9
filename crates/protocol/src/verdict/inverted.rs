//! A P1 output without its inverter: what a UART makes of the turned-over line.
//!
//! Back to back each character arrives as `((!d << 1) | 1)` with a valid stop bit. With idle bits between them the receiver
//! takes other bits for its start bit, and what comes out depends on the characters before; so it is compared with what a
//! receiver makes of the lines that every telegram has.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use sermux_port_config::line::{LineSettings, Parity};

use super::{obis_codes, Cause, Certainty, Reading, Verdict};

/// The cause, if it shows.
pub(super) fn judge(reading: &Reading<'_>) -> Option<Verdict> {
    let bytes = reading.bytes;
    let seen = |certainty, evidence| Some(Verdict { cause: Cause::Inverted, certainty, evidence });
    let codes = obis_codes(bytes, |byte| !(byte >> 1) & 0x7F);
    if codes >= 3 {
        return seen(Certainty::Certain, codes);
    }
    // Where far more is wrong than was delivered the driver drops what has no stop bit: of turned-over characters with
    // silence between them that are all, of noise half, at another speed mostly fewer.
    let errors = usize::try_from(reading.framing_errors.unwrap_or(0)).unwrap_or(usize::MAX);
    if errors >= FEWEST_ERRORS && errors / 8 >= bytes.len() {
        return seen(Certainty::Possible, errors);
    }
    let settings = reading.settings;
    let senders = SENDERS.into_iter().filter(|sender| sender.baud == settings.baud.get());
    let found = senders.map(|sender| known(sender, settings).found_in(bytes)).max().unwrap_or(0);
    // A telegram has twenty lines and more.
    match found {
        24.. => seen(Certainty::Certain, found),
        6.. => seen(Certainty::Likely, found),
        3.. => seen(Certainty::Possible, found),
        _ => None,
    }
}

/// With fewer framing errors there is no verdict by them alone.
const FEWEST_ERRORS: usize = 64;

/// How a meter frames its characters.
#[derive(Clone, Copy, Debug)]
struct Sender {
    baud: u32,
    data_bits: u32,
    has_parity: bool,
}

/// DSMR 4 and 5; 2 and 3.
const SENDERS: [Sender; 2] =
    [Sender { baud: 115_200, data_bits: 8, has_parity: false }, Sender { baud: 9600, data_bits: 7, has_parity: true }];

/// Bits between characters; with more nothing comes out that tells.
const MOST_IDLE: usize = 12;

/// This number of bytes in a row are compared: no random ones are like that.
const PIECE: usize = 6;

/// What a UART does where there is no stop bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recovery {
    /// It waits for the line to be high.
    Waits,
    /// It takes it for the next start bit (16550).
    Resumes,
}

/// Lines as every telegram has them.
const LINES: &str = ")\r\n1-0:1.8.1(000143.422*kWh)\r\n1-0:1.8.2(000078.911*kWh)\r\n1-0:2.8.1(000000.000*kWh)\r\n\
    1-0:2.8.2(000000.000*kWh)\r\n0-0:96.14.0(0002)\r\n1-0:1.7.0(00.520*kW)\r\n1-0:2.7.0(00.000*kW)\r\n0-0:96.7.21(00003)\r\n\
    0-0:96.7.9(00000)\r\n1-0:32.32.0(00000)\r\n1-0:32.36.0(00000)\r\n0-0:96.13.1()\r\n0-0:96.13.0()\r\n1-0:32.7.0(233.0*V)\r\n\
    1-0:31.7.0(002*A)\r\n1-0:21.7.0(00.520*kW)\r\n1-0:22.7.0(00.000*kW)\r\n0-1:24.1.0(003)\r\n0-1:96.1.0(4530)\r\n";

/// A way in which those lines come out: bits between characters, and what the receiver does about missing stop bits.
#[derive(Clone, Copy, Debug)]
struct InvertedWay {
    idle: usize,
    recovery: Recovery,
    /// Characters without a stop bit are delivered.
    keeps_errors: bool,
}

/// What comes again and again in the lines as they come out, for every way: in order, with the number of the way.
#[derive(Clone, Debug)]
struct KnownLines {
    pieces: Vec<(u64, usize)>,
    ways: usize,
}

/// Made once for the formats that P1 ports are read with.
fn known(sender: Sender, reader: LineSettings) -> Cow<'static, KnownLines> {
    static USUAL: [OnceLock<KnownLines>; 3] = [const { OnceLock::new() }; 3];
    let place = match (sender.has_parity, reader.to_string().as_str()) {
        (false, "115200 8N1") => 0,
        (true, "9600 8N1") => 1,
        (true, "9600 7E1") => 2,
        _ => return Cow::Owned(KnownLines::of(sender, reader)),
    };
    Cow::Borrowed(USUAL[place].get_or_init(|| KnownLines::of(sender, reader)))
}

impl KnownLines {
    fn of(sender: Sender, reader: LineSettings) -> KnownLines {
        let mut ways = Vec::new();
        for idle in 0..=MOST_IDLE {
            for recovery in [Recovery::Waits, Recovery::Resumes] {
                ways.extend([true, false].map(|keeps_errors| InvertedWay { idle, recovery, keeps_errors }));
            }
        }
        let mut known = KnownLines { pieces: Vec::new(), ways: ways.len() };
        for (number, way) in ways.into_iter().enumerate() {
            let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
            each_piece(&received(sender, way, reader), |piece| *counts.entry(piece).or_default() += 1);
            let again = counts.into_iter().filter(|(piece, count)| *count >= 3 && is_rich(*piece));
            known.pieces.extend(again.map(|(piece, _)| (piece, number)));
        }
        known.pieces.sort_unstable();
        known
    }

    /// How many there are of those of the way of which there are most.
    fn found_in(&self, bytes: &[u8]) -> usize {
        let mut found = vec![0; self.ways];
        each_piece(bytes, |piece| {
            let from = self.pieces.partition_point(|(known, _)| *known < piece);
            for (_, way) in self.pieces[from..].iter().take_while(|(known, _)| *known == piece) {
                found[*way] += 1;
            }
        });
        found.into_iter().max().unwrap_or(0)
    }
}

/// All [`PIECE`] bytes that stand in a row, as a number.
fn each_piece(bytes: &[u8], mut what: impl FnMut(u64)) {
    let mut piece = 0;
    for (at, byte) in bytes.iter().enumerate() {
        piece = (piece << 8 | u64::from(*byte)) & ((1 << (8 * PIECE)) - 1);
        if at + 1 >= PIECE {
            what(piece);
        }
    }
}

/// Not only levels that last.
fn is_rich(piece: u64) -> bool {
    let bytes = piece.to_be_bytes();
    bytes[8 - PIECE..].iter().collect::<BTreeSet<_>>().len() >= 4
}

/// What a UART at the same speed makes of those lines on the turned-over line, one level for each bit.
fn received(sender: Sender, way: InvertedWay, reader: LineSettings) -> Vec<u8> {
    // Idle is low.
    let mut levels = vec![false; 16];
    for byte in LINES.bytes() {
        levels.push(true);
        levels.extend((0..sender.data_bits).map(|bit| byte >> bit & 1 == 0));
        if sender.has_parity {
            levels.push(byte.count_ones() % 2 == 0);
        }
        levels.resize(levels.len() + 1 + way.idle, false);
    }
    levels.resize(levels.len() + 16, false);
    let data_bits = usize::from(reader.data_bits.bits());
    let length = data_bits + usize::from(reader.parity != Parity::None);
    let mut bytes = Vec::new();
    let mut at = 1;
    while at + length + 1 < levels.len() {
        if !levels[at - 1] || levels[at] {
            at += 1;
            continue;
        }
        loop {
            let byte = (0..data_bits).fold(0u8, |byte, bit| byte | u8::from(levels[at + 1 + bit]) << bit);
            let has_stop = levels[at + 1 + length];
            if has_stop || way.keeps_errors {
                bytes.push(byte);
            }
            let is_break = byte == 0 && !has_stop;
            at += 1 + length;
            if has_stop || is_break || way.recovery == Recovery::Waits || at + length + 1 >= levels.len() {
                break;
            }
        }
        at += 1;
    }
    bytes
}
