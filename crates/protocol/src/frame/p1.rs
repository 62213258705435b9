//! P1: the telegrams of Dutch smart meters, and of those built like them (Belgium, Sweden, Finland, Hungary).
//!
//! A telegram (DSMR P1 companion standard, "Telegram format"; NTA 8130 for the versions before it) is text in lines:
//!
//! ```text
//! /ISk5\2MT382-1000         CR LF   identification: a slash begins the telegram
//!                           CR LF
//! 1-0:1.8.1(123456.789*kWh) CR LF   data, one object per line
//! !A1B2                     CR LF   end: CRC-16 of everything from `/` to `!`, both included
//! ```
//!
//! Versions 4 and 5 end with four upper-case hexadecimal digits of CRC; versions 2 and 3 with the bare `!`.
//!
//! # Rules
//!
//! - `/` begins a telegram only as the first character of a line: after LF, or as the first byte that is received at all,
//!   after a reset, or after [`SILENCE`]. Elsewhere it is data.
//! - `/` as the first character of a line *inside* a telegram means that the end of that telegram was lost: it is given up,
//!   and the new one begins.
//! - `!` ends the data only as the first character of a line. What follows up to LF is the trailer: nothing, or the CRC.
//!   Anything else there makes the telegram [`Check::Bad`]; without an LF within [`MAX_TRAILER`] bytes it is given up.
//! - Lower-case digits are taken, though no standard allows them: a CRC that matches is a CRC that matches.
//! - Lines may end with LF alone, as some adapters deliver them. The CRC is taken over the bytes as they came, so
//!   it fails if the adapter dropped characters after the meter had computed it; such telegrams are Bad, not lost.
//! - A telegram that is not complete with its [`MAX_TELEGRAM`]th byte is given up.
//! - A telegram that is partly received when the line falls silent for [`SILENCE`] is given up.
//!
//! What follows from them: **a whole telegram that begins a line is always found**, whatever came before it. Nothing but
//! its own bytes can make it Bad.

use std::time::{Duration, Instant};

use memchr::{memchr, memmem};

use super::{crc16, Check, Frame};

/// The longest telegram, in bytes. Meters send 600 to 1100, and up to 2 kB more with a text message (0-0:96.13.0, 1024
/// characters in two hexadecimal digits each).
pub const MAX_TELEGRAM: usize = 8192;

/// The longest trailer: LF must be among this many bytes behind `!`. Four digits, CR and LF are six.
pub const MAX_TRAILER: usize = 16;

/// How long a line must be silent before a partly received telegram is given up. DSMR 2 and 3 allow pauses of 1.5 s
/// between two characters of one telegram, and a busy reader adds its own.
pub const SILENCE: Duration = Duration::from_secs(2);

/// Finds the telegrams in what a P1 line sends.
///
/// Holds no bytes of a telegram, only the place of its first one: the caller keeps everything from
/// [`partial`](Self::partial) on. The cost is one search per line, and the CRC.
#[derive(Debug)]
pub struct P1Framer {
    state: State,
    /// Absolute offset of the next byte, once there was one.
    next: Option<u64>,
    /// When the latest byte came.
    latest: Option<Instant>,
    counters: P1Counters,
}

/// What a [`P1Framer`] has seen since it was made.
///
/// Every byte is in one place: the lengths of the telegrams, [`stray_bytes`](Self::stray_bytes) and what is
/// [partial](P1Framer::partial) add up to the bytes received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct P1Counters {
    /// Complete telegrams, whatever their check says.
    pub telegrams: u64,
    /// Those of them whose CRC is wrong or unreadable: [`Check::Bad`].
    pub crc_bad: u64,
    /// Begun telegrams that grew to [`MAX_TELEGRAM`] without an end.
    pub oversized: u64,
    /// Begun telegrams given up for any other reason: cut off by the next one, by silence, by a reset, or ended by `!`
    /// and no line end.
    pub abandoned: u64,
    /// Bytes that belong to no complete telegram, those of given up ones included.
    pub stray_bytes: u64,
}

/// Where the next byte falls.
#[derive(Debug, Clone, Copy)]
enum State {
    /// Outside any telegram.
    Outside { place: Place },
    /// In a telegram, up to its `!`. `crc` covers it up to here.
    Data { start: u64, crc: u16, place: Place },
    /// Behind the `!`.
    Trailer { start: u64, crc: u16, seen: Trailer },
}

/// Whether the next byte begins a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    LineStart,
    InLine,
}

/// What came behind the `!` so far.
#[derive(Debug, Clone, Copy)]
struct Trailer {
    bytes: [u8; MAX_TRAILER],
    len: usize,
}

impl P1Framer {
    /// A framer that has seen nothing: a `/` as the first byte begins a telegram.
    pub fn new() -> Self {
        P1Framer {
            state: State::Outside { place: Place::LineStart },
            next: None,
            latest: None,
            counters: P1Counters::default(),
        }
    }

    /// Takes the bytes that were received next, and calls `found` for each telegram that they complete, in order.
    ///
    /// `at` is the absolute offset of `chunk[0]`. It goes on where the last call ended; only after [`reset`](Self::reset)
    /// may it be any other. `now` is when the bytes were read.
    pub fn push(&mut self, chunk: &[u8], at: u64, now: Instant, mut found: impl FnMut(Frame)) {
        if chunk.is_empty() {
            return;
        }
        self.handle_pause(at, now);

        let mut at = at;
        let mut rest = chunk;
        while !rest.is_empty() {
            let taken = match self.state {
                State::Outside { place } => self.skip_stray(rest, at, place),
                State::Data { start, crc, place } => self.read_data(rest, at, start, crc, place),
                State::Trailer { start, crc, seen } => self.read_trailer(rest, at, start, crc, seen, &mut found),
            };
            let (read, unread) = rest.split_at(taken);
            at += taken as u64;
            rest = unread;
            if let Some(start) = self.partial() {
                if at - start >= MAX_TELEGRAM as u64 {
                    self.counters.oversized += 1;
                    self.give_up(start, at, Place::after(read));
                }
            }
        }
        self.next = Some(at);
    }

    /// Absolute offset of the first byte of the telegram that is being received, if there is one. Everything from there
    /// on must be kept; it is less than [`MAX_TELEGRAM`] bytes.
    pub fn partial(&self) -> Option<u64> {
        match self.state {
            State::Outside { .. } => None,
            State::Data { start, .. } | State::Trailer { start, .. } => Some(start),
        }
    }

    /// When the telegram that is being received is given up, unless more of it comes: [`SILENCE`] after the latest byte.
    ///
    /// A reader that was held up finds this in the past with the rest of the telegram waiting to be read. Therefore it
    /// counts only after the line was read empty.
    pub fn deadline(&self) -> Option<Instant> {
        self.partial()?;
        Some(self.latest? + SILENCE)
    }

    /// The line was read empty and it is `now`: gives up the partial telegram if its deadline has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.deadline().is_some_and(|deadline| deadline <= now) {
            self.abandon();
        }
    }

    /// The line was closed, or bytes were lost: gives up the partial telegram. The next byte may have any offset, and
    /// begins a line.
    pub fn reset(&mut self) {
        self.abandon();
        self.next = None;
        self.latest = None;
    }

    /// What was seen since this framer was made; [`reset`](Self::reset) does not clear it.
    pub fn counters(&self) -> P1Counters {
        self.counters
    }

    /// Notes the arrival of bytes, and what the time and place of their arrival alone say.
    fn handle_pause(&mut self, at: u64, now: Instant) {
        debug_assert!(self.next.is_none_or(|next| next == at), "bytes {:?} to {at} were never pushed", self.next);
        if self.next.is_some_and(|next| next != at) {
            self.reset();
        }
        // A pause ends no telegram here: these bytes may have waited for us. A line that belongs to none may be ended
        // by it all the same: should that be wrong, the next line start corrects it.
        if let State::Outside { place } = &mut self.state {
            if self.latest.is_some_and(|latest| latest + SILENCE <= now) {
                *place = Place::LineStart;
            }
        }
        self.latest = Some(now);
    }

    /// Outside a telegram: skips to the `/` of the next one, or all. Returns how many bytes it took.
    fn skip_stray(&mut self, bytes: &[u8], at: u64, place: Place) -> usize {
        let begin = match place {
            Place::LineStart if bytes.first() == Some(&b'/') => Some(0),
            _ => memmem::find(bytes, b"\n/").map(|lf| lf + 1),
        };
        let stray = begin.unwrap_or(bytes.len());
        self.counters.stray_bytes += stray as u64;
        self.state = match begin {
            Some(_) => State::begin(at + stray as u64),
            None => State::Outside { place: Place::after(bytes) },
        };
        stray
    }

    /// In a telegram: goes from line to line up to the `!`. Returns how many bytes it took.
    fn read_data(&mut self, bytes: &[u8], at: u64, start: u64, crc: u16, place: Place) -> usize {
        let bytes = within_telegram(bytes, at, start);
        let mut line = match place {
            Place::LineStart => 0,
            Place::InLine => next_line(bytes, 0),
        };
        while let Some(first) = bytes.get(line) {
            match first {
                b'!' => {
                    let crc = crc16::update(crc, &bytes[..=line]);
                    self.state = State::Trailer { start, crc, seen: Trailer::new() };
                    return line + 1;
                }
                b'/' => {
                    let next = at + line as u64;
                    self.counters.abandoned += 1;
                    self.give_up(start, next, Place::LineStart);
                    self.state = State::begin(next);
                    return line;
                }
                _ => line = next_line(bytes, line),
            }
        }
        self.state = State::Data { start, crc: crc16::update(crc, bytes), place: Place::after(bytes) };
        bytes.len()
    }

    /// Behind the `!`: waits for the line's end. Returns how many bytes it took.
    fn read_trailer(
        &mut self,
        bytes: &[u8],
        at: u64,
        start: u64,
        crc: u16,
        mut seen: Trailer,
        found: &mut impl FnMut(Frame),
    ) -> usize {
        let bytes = within_telegram(bytes, at, start);
        for (taken, byte) in (1..).zip(bytes) {
            let end = at + taken as u64;
            if *byte == b'\n' {
                let check = seen.check(crc);
                self.counters.telegrams += 1;
                self.counters.crc_bad += u64::from(check == Check::Bad);
                self.state = State::Outside { place: Place::LineStart };
                found(Frame { start, end, check });
                return taken;
            }
            seen.push(*byte);
            if seen.is_full() {
                self.counters.abandoned += 1;
                self.give_up(start, end, Place::InLine);
                return taken;
            }
        }
        self.state = State::Trailer { start, crc, seen };
        bytes.len()
    }

    /// Gives up whatever is partial, because of silence or a reset. The next byte begins a line.
    fn abandon(&mut self) {
        match (self.partial(), self.next) {
            (Some(start), Some(end)) => {
                self.counters.abandoned += 1;
                self.give_up(start, end, Place::LineStart);
            }
            _ => self.state = State::Outside { place: Place::LineStart },
        }
    }

    fn give_up(&mut self, start: u64, end: u64, place: Place) {
        self.counters.stray_bytes += end - start;
        self.state = State::Outside { place };
    }
}

impl Default for P1Framer {
    fn default() -> Self {
        Self::new()
    }
}

impl State {
    /// A telegram begins at `start`; its `/` has not been read yet.
    fn begin(start: u64) -> Self {
        State::Data { start, crc: 0, place: Place::InLine }
    }
}

impl Place {
    fn after(bytes: &[u8]) -> Self {
        match bytes.last() {
            Some(b'\n') => Place::LineStart,
            _ => Place::InLine,
        }
    }
}

impl Trailer {
    fn new() -> Self {
        Trailer { bytes: [0; MAX_TRAILER], len: 0 }
    }

    fn push(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    fn is_full(&self) -> bool {
        self.len == MAX_TRAILER
    }

    /// What these bytes, ended by LF, say about a telegram with this CRC.
    fn check(&self, crc: u16) -> Check {
        let text = &self.bytes[..self.len];
        match text.strip_suffix(b"\r").unwrap_or(text) {
            [] => Check::Absent,
            digits if four_hex_digits(digits) == Some(crc) => Check::Good,
            _ => Check::Bad,
        }
    }
}

fn four_hex_digits(digits: &[u8]) -> Option<u16> {
    let digits: &[u8; 4] = digits.try_into().ok()?;
    digits.iter().try_fold(0, |value, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(value << 4 | u16::try_from(digit).ok()?)
    })
}

/// As much of `bytes` as the telegram may still take.
fn within_telegram(bytes: &[u8], at: u64, start: u64) -> &[u8] {
    let room = (start + MAX_TELEGRAM as u64).saturating_sub(at);
    let room = usize::try_from(room).unwrap_or(usize::MAX);
    &bytes[..bytes.len().min(room)]
}

/// Where the line after the one that `from` is in begins: behind its LF, or behind the last byte.
fn next_line(bytes: &[u8], from: usize) -> usize {
    memchr(b'\n', &bytes[from..]).map_or(bytes.len(), |lf| from + lf + 1)
}
