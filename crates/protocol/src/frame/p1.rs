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
//! What follows from them: **a telegram that stands whole in the stream with a right CRC is found**, whatever stands before,
//! between or behind it. Nothing but its own bytes can make it Bad, and a damaged one costs itself alone.
//!
//! | what comes | what it means |
//! |---|---|
//! | `/`, three letters or digits, and one more printable character | a telegram may begin here, wherever it stands; inside another one too: which of these places is the begin is decided at the end |
//! | `!` and one to four hexadecimal digits, lower-case ones too | the end, wherever it stands, if they are the CRC from one of these places on: [`Check::Good`]. The latest such place is the begin. What came before it is given up. For a `!` in the middle of a line that place must begin a line too, or an empty line must follow its own |
//! | `!` as the first character of a line, and then anything but that | the end too, with its LF: [`Check::Absent`] if there is nothing before that but CR, NUL and spaces, and [`Check::Bad`] if there is. It begins at the latest place that begins a line, or whose line an empty one follows; else at the first |
//! | digits that are no CRC of the standard | right all the same by CRC-16/X-25, or, where lines end in LF alone, by the CRC that they had with CR LF: [`Check::GoodBy`] |
//! | no CRC, though the line has sent right ones, or the telegram says that it is of DSMR 4 or later | [`Check::Bad`]. Eight telegrams in a row without one mean that there is another meter now |
//! | no CRC, and no line of data `1-0:1.8.0(…)` | no telegram: any text may have a `/` and a `!`. It is given up |
//! | bytes between a right CRC and its LF | belong to the telegram |
//! | a right CRC, and then `/`, silence, or no LF within [`MAX_TRAILER`] bytes | the telegram ends with the CRC, and with its CR if that is there. The same goes for no CRC, where none is missing |
//! | four digits that are no CRC, and then `/` or silence | the telegram ends with them, and is [`Check::Bad`] |
//! | anything else behind `!` that no LF ends | the telegram is given up |
//! | [`MAX_TELEGRAM`] bytes without an end, or [`SILENCE`] | the telegram is given up |
//! | [`SHORT_SILENCE`], and the line has sent right CRCs | the telegram is given up: no meter that computes a CRC pauses in between |

use std::time::{Duration, Instant};

use memchr::{memchr, memchr2};

use self::mark::Mark;
use self::starts::Starts;
use super::held::Held;
use super::{crc16, Check, Frame, OtherCrc};

mod mark;
mod starts;
mod telegram;

/// The longest telegram, in bytes. Meters send 600 to 1100, and up to 2 kB more with each text message (0-0:96.13.0 and the like,
/// 1024 characters in two hexadecimal digits each); some send five.
pub const MAX_TELEGRAM: usize = 16 * 1024;

/// The longest trailer: LF must be among this many bytes behind `!`. Four digits, CR and LF are six.
pub const MAX_TRAILER: usize = 16;

/// How long a line must be silent before a partly received telegram is given up. DSMR 2 and 3 allow pauses of 1.5 s
/// between two characters of one telegram, and a busy reader adds its own.
pub const SILENCE: Duration = Duration::from_secs(2);

/// The same on a line that has sent telegrams with a right CRC: from version 4 on they come in one go.
pub const SHORT_SILENCE: Duration = Duration::from_millis(500);

/// After this number of telegrams in a row without a CRC the line is one that sends none.
const WITHOUT_CRC: u8 = 8;

/// Finds the telegrams in what a P1 line sends.
///
/// Holds no bytes of a telegram, only the places where one may have begun: the caller keeps everything from
/// [`partial`](Self::partial) on, and shows it. The cost is one search for `/` and `!`, and the CRC.
#[derive(Debug)]
pub struct P1Framer {
    tail: Tail,
    /// A `/` whose identification is not complete.
    dawn: Option<Dawn>,
    /// The byte before the next one.
    last: u8,
    /// The CRC from the base of `starts` up to `crc_to`; means something while there is a partial telegram. It was taken up to
    /// the latest place at least that a telegram may begin at.
    crc: u16,
    crc_to: u64,
    starts: Starts,
    /// Absolute offset of the next byte, once there was one.
    next: Option<u64>,
    /// When the latest byte came.
    latest: Option<Instant>,
    /// What came before this offset is in the counters.
    settled: u64,
    /// A CRC was right.
    has_crc: bool,
    /// Telegrams since then that had none, or broke off.
    without_crc: u8,
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
    /// Those of them whose CRC is wrong, unreadable or missing: [`Check::Bad`].
    pub crc_bad: u64,
    /// Those of the bad ones whose CRC is missing.
    pub crc_missing: u64,
    /// Those whose CRC is right by [`OtherCrc::X25`].
    pub crc_x25: u64,
    /// Those whose CRC is right by [`OtherCrc::OverCrLf`].
    pub crc_over_cr_lf: u64,
    /// Begun telegrams that grew to [`MAX_TELEGRAM`] without an end, and without another that begins.
    pub oversized: u64,
    /// Begun telegrams given up for any other reason: cut off by the next one, by silence, by a reset, or ended by `!`
    /// and no line end.
    pub abandoned: u64,
    /// Bytes that belong to no complete telegram, those of given up ones included.
    pub stray_bytes: u64,
}

/// What came behind the latest `!`.
#[derive(Debug, Clone, Copy)]
enum Tail {
    /// It ends nothing, or there is none.
    None,
    /// It may be the end.
    Open(Mark),
    /// It is, and the CRC is right.
    Right(EndedTelegram),
}

/// A telegram whose CRC is right, and whose LF has not come yet.
#[derive(Debug, Clone, Copy)]
struct EndedTelegram {
    start: u64,
    /// Behind the digits.
    end: u64,
    cr: bool,
    /// Bytes behind the `!`.
    seen: usize,
}

/// A `/`, and how many bytes of what makes it the begin of a telegram are there.
#[derive(Debug, Clone, Copy)]
struct Dawn {
    at: u64,
    crc: u16,
    begins_line: bool,
    seen: u8,
}

/// What ended a trailer that has no LF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// The next telegram, silence, or a reset.
    Short,
    /// Too many bytes.
    Long,
}

/// The verdict on a telegram.
#[derive(Debug, Clone, Copy)]
struct TelegramVerdict {
    start: u64,
    /// How many places before it turned out to be none.
    before: usize,
    check: Check,
    /// It is bad because its CRC is missing.
    is_missing: bool,
}

impl P1Framer {
    /// A framer that has seen nothing.
    pub fn new() -> Self {
        P1Framer {
            tail: Tail::None,
            dawn: None,
            last: b'\n',
            crc: 0,
            crc_to: 0,
            starts: Starts::default(),
            next: None,
            latest: None,
            settled: 0,
            has_crc: false,
            without_crc: 0,
            counters: P1Counters::default(),
        }
    }

    /// Takes the bytes that were received next, which are those of `held` from the offset `at` on, and calls `found` for each
    /// telegram that they complete, in order.
    ///
    /// `at` goes on where the last call ended; only after [`reset`](Self::reset) may it be any other. `held` begins at
    /// [`partial`](Self::partial) or before. `now` is when the bytes were read.
    pub fn push(&mut self, held: Held<'_>, at: u64, now: Instant, mut found: impl FnMut(Frame)) {
        let head = held.end();
        if at >= head {
            return;
        }
        let [first, second] = held.since(at);
        if second.is_empty() && self.is_middle(first, at, head) {
            self.last = first.last().copied().unwrap_or(self.last);
            (self.next, self.latest) = (Some(head), Some(now));
            return;
        }
        self.handle_pause(at, now, held, &mut found);
        debug_assert!(held.begin() <= self.partial().unwrap_or(at), "a partial telegram is not held");

        self.read(first, at, held, &mut found);
        self.read(second, at + first.len() as u64, held, &mut found);
        self.expire(head, held);
        self.settle(self.partial().unwrap_or(head));
        self.next = Some(head);
    }

    /// Absolute offset of the first byte of the telegram that is being received, if there is one. Everything from there
    /// on must be kept; it is less than [`MAX_TELEGRAM`] bytes.
    pub fn partial(&self) -> Option<u64> {
        if let Tail::Right(ended) = self.tail {
            return Some(ended.start);
        }
        self.starts.first().map(|start| start.at).or(self.dawn.map(|dawn| dawn.at))
    }

    /// When the telegram that is being received is given up, unless more of it comes: [`SILENCE`] or [`SHORT_SILENCE`] after
    /// the latest byte.
    ///
    /// A reader that was held up finds this in the past with the rest of the telegram waiting to be read. Therefore it
    /// counts only after the line was read empty.
    pub fn deadline(&self) -> Option<Instant> {
        self.partial()?;
        let never_pauses = self.has_crc || matches!(self.tail, Tail::Right(_));
        Some(self.latest? + if never_pauses { SHORT_SILENCE } else { SILENCE })
    }

    /// The line was read empty and it is `now`: ends or gives up the partial telegram if its deadline has come.
    pub fn handle_timeout(&mut self, held: Held<'_>, now: Instant, mut found: impl FnMut(Frame)) {
        if self.deadline().is_some_and(|deadline| deadline <= now) {
            if self.has_crc && matches!(self.tail, Tail::None) {
                self.had_no_crc();
            }
            self.end(held, &mut found);
        }
    }

    /// The line was closed, or bytes were lost: ends or gives up the partial telegram. The next byte may have any offset, and
    /// begins a line.
    pub fn reset(&mut self, held: Held<'_>, mut found: impl FnMut(Frame)) {
        self.end(held, &mut found);
        self.next = None;
        self.latest = None;
    }

    /// What was seen since this framer was made; [`reset`](Self::reset) does not clear it.
    pub fn counters(&self) -> P1Counters {
        self.counters
    }

    /// Whether these bytes are in the middle of a telegram, as most are that a UART hands over, and nothing is to be done.
    fn is_middle(&self, bytes: &[u8], at: u64, head: u64) -> bool {
        self.next == Some(at)
            && matches!(self.tail, Tail::None)
            && self.dawn.is_none()
            && !self.starts.is_empty()
            && !self.is_full(head)
            && memchr2(b'/', b'!', bytes).is_none()
    }

    /// Notes the arrival of bytes, and what the time and place of their arrival alone say.
    fn handle_pause(&mut self, at: u64, now: Instant, held: Held<'_>, found: &mut impl FnMut(Frame)) {
        debug_assert!(self.next.is_none_or(|next| next == at), "bytes {:?} to {at} were never pushed", self.next);
        if self.next.is_some_and(|next| next != at) {
            self.reset(held, found);
        }
        if self.next.is_none() {
            self.settled = at;
        }
        // A pause ends no telegram here: these bytes may have waited for us. A line that belongs to none may be ended by it all
        // the same.
        if self.partial().is_none() && self.latest.is_some_and(|latest| latest + SHORT_SILENCE <= now) {
            self.last = b'\n';
        }
        self.latest = Some(now);
    }

    /// Reads `piece`, the bytes from the offset `from` on: goes from one `/` or `!` to the next, and looks at what follows it.
    fn read(&mut self, piece: &[u8], from: u64, held: Held<'_>, found: &mut impl FnMut(Frame)) {
        let mut next = 0;
        loop {
            if matches!(self.tail, Tail::None) && self.dawn.is_none() {
                let rest = &piece[next..];
                let ahead = if self.starts.is_empty() { memchr(b'/', rest) } else { memchr2(b'/', b'!', rest) };
                let Some(ahead) = ahead else { break };
                next += ahead;
            }
            let Some(byte) = piece.get(next).copied() else { break };
            let at = from + next as u64;
            self.expire(at, held);
            let follows_line = is_line_end(match next.checked_sub(1) {
                Some(before) => piece[before],
                None => self.last,
            });
            let ends_trailer = byte == b'/' && !matches!(self.tail, Tail::None);
            // A `!` behind a `!` that begins a line begins it as well.
            let ends_line = follows_line || matches!(self.tail, Tail::Open(mark) if mark.begins_line);
            self.read_trailer(byte, at, held, found);
            self.read_identification(byte, held);
            match byte {
                b'/' => self.begin(at, follows_line || ends_trailer, held),
                // Behind the digits of another one it is dirt like any other byte.
                b'!' if !self.starts.is_empty() && !matches!(self.tail, Tail::Open(mark) if mark.digits > 0) => {
                    self.tail = Tail::Open(Mark::new(at + 1, ends_line));
                }
                _ => {}
            }
            next += 1;
        }
        if let Some(last) = piece.last() {
            self.last = *last;
        }
    }

    /// A `/`: perhaps a telegram begins.
    fn begin(&mut self, at: u64, begins_line: bool, held: Held<'_>) {
        if self.starts.is_empty() {
            self.starts.set_base(at);
            (self.crc, self.crc_to) = (0, at);
        }
        self.cover(at, held);
        self.dawn = Some(Dawn { at, crc: self.crc, begins_line, seen: 0 });
    }

    /// A byte behind a `/`.
    fn read_identification(&mut self, byte: u8, held: Held<'_>) {
        let Some(dawn) = self.dawn.as_mut() else { return };
        dawn.seen += 1;
        let belongs = if dawn.seen <= 3 { byte.is_ascii_alphanumeric() } else { (b' '..=b'~').contains(&byte) };
        if belongs && dawn.seen <= 3 {
            return;
        }
        if belongs {
            let dawn = *dawn;
            let forgets = self.starts.push(dawn.at, dawn.crc, dawn.begins_line, &held);
            self.counters.abandoned += u64::from(forgets);
        }
        self.dawn = None;
    }

    /// A byte behind a `!`.
    fn read_trailer(&mut self, byte: u8, at: u64, held: Held<'_>, found: &mut impl FnMut(Frame)) {
        match self.tail {
            Tail::None => {}
            Tail::Open(mark) => self.read_open(mark, byte, at, held, found),
            Tail::Right(ended) => self.read_right(ended, byte, at, found),
        }
    }

    fn read_open(&mut self, mut mark: Mark, byte: u8, at: u64, held: Held<'_>, found: &mut impl FnMut(Frame)) {
        if mark.may_go_on {
            let is_digit = mark.read_digit(byte);
            if is_digit && mark.may_go_on {
                self.tail = Tail::Open(mark);
                return;
            }
            mark.may_go_on = false;
            // In the middle of a line that may be any text: there a few digits are too few.
            if !is_digit && !mark.begins_line && !is_line_end(byte) {
                self.tail = Tail::None;
                return;
            }
            match self.right(mark, held) {
                Some(ended) if !is_digit => return self.read_right(ended, byte, at, found),
                Some(ended) => return self.hold_right(ended, at + 1, found),
                None if !mark.begins_line => {
                    self.tail = Tail::None;
                    return;
                }
                None if is_digit => {
                    self.tail = Tail::Open(mark);
                    return;
                }
                None => {}
            }
        }
        match byte {
            b'\n' => self.conclude(mark, at + 1, held, found),
            b'/' => self.cut(mark, Cut::Short, at, held, found),
            _ => {
                mark.read_dirt(byte, at);
                self.tail = Tail::Open(mark);
                if mark.seen >= MAX_TRAILER {
                    self.cut(mark, Cut::Long, at + 1, held, found);
                }
            }
        }
    }

    /// A byte behind a right CRC.
    fn read_right(&mut self, mut ended: EndedTelegram, byte: u8, at: u64, found: &mut impl FnMut(Frame)) {
        match byte {
            b'\n' => self.emit(ended.start, at + 1, Check::Good, found),
            b'/' => self.emit(ended.start, ended.end_without_lf(), Check::Good, found),
            _ => {
                ended.cr |= byte == b'\r' && at == ended.end;
                ended.seen += 1;
                self.hold_right(ended, at + 1, found);
            }
        }
    }

    /// Waits for the LF of a telegram whose CRC is right, if there is room for it.
    fn hold_right(&mut self, ended: EndedTelegram, head: u64, found: &mut impl FnMut(Frame)) {
        self.tail = Tail::Right(ended);
        if ended.seen >= MAX_TRAILER || head - ended.start >= MAX_TELEGRAM as u64 {
            self.emit(ended.start, ended.end_without_lf(), Check::Good, found);
        }
    }

    /// The telegram whose CRC the digits behind this `!` are, if there is one.
    fn right(&mut self, mark: Mark, held: Held<'_>) -> Option<EndedTelegram> {
        if mark.digits == 0 {
            return None;
        }
        self.cover(mark.end, held);
        // In the middle of a line `!` and digits may be any text, and so may the `/` before it be.
        let (index, start) = self
            .starts
            .with_crc(mark.value, self.crc, mark.end)
            .rfind(|(_, start)| mark.begins_line || start.is_identification(&held, mark.end))?;
        self.counters.abandoned += self.starts.headers(index, &held, mark.end);
        self.starts.clear();
        Some(EndedTelegram { start: start.at, end: mark.digits_end(), cr: false, seen: mark.seen })
    }

    /// A trailer that has no right CRC has its LF.
    fn conclude(&mut self, mark: Mark, end: u64, held: Held<'_>, found: &mut impl FnMut(Frame)) {
        self.tail = Tail::None;
        let Some(verdict) = self.judge(mark, end, held) else { return self.give_up(end, held) };
        self.counters.crc_missing += u64::from(verdict.is_missing);
        self.accept(verdict, end, end, held, found);
    }

    /// A trailer that has no right CRC has no LF.
    fn cut(&mut self, mark: Mark, cut: Cut, at: u64, held: Held<'_>, found: &mut impl FnMut(Frame)) {
        self.tail = Tail::None;
        let verdict = self.judge(mark, at, held).filter(|verdict| match verdict.check {
            Check::GoodBy(_) => true,
            Check::Absent => cut == Cut::Short,
            // With fewer digits it has broken off.
            Check::Bad => cut == Cut::Short && mark.digits == 4,
            Check::Good => false,
        });
        match verdict {
            Some(verdict) => self.accept(verdict, mark.end_without_lf(), at, held, found),
            None => self.give_up(at, held),
        }
    }

    /// The verdict on the telegram that this `!` ends, up to `upto`, and that has no CRC of the standard. `None`: it is none.
    fn judge(&self, mark: Mark, upto: u64, held: Held<'_>) -> Option<TelegramVerdict> {
        let (before, start) = self.starts.likely(&held, upto)?;
        // Two more CRCs from each place that may be in a text are right by chance too often.
        let by_other = self
            .starts
            .all()
            .iter()
            .enumerate()
            .filter(|(index, other)| mark.digits > 0 && (*index == before || other.is_identification(&held, upto)));
        for (before, start) in by_other {
            if let Some(other) = telegram::other_crc(&held.bytes(start.at, mark.end), mark.value) {
                return Some(TelegramVerdict {
                    start: start.at,
                    before,
                    check: Check::GoodBy(other),
                    is_missing: false,
                });
            }
        }
        let is_bare = mark.digits == 0 && !mark.is_dirty;
        let text = held.bytes(start.at, mark.end);
        if is_bare && !telegram::has_data(&text) {
            return None;
        }
        let is_missing = is_bare && (self.has_crc || telegram::tells_a_version_with_crc(&text));
        let check = if is_bare && !is_missing { Check::Absent } else { Check::Bad };
        Some(TelegramVerdict { start: start.at, before, check, is_missing })
    }

    fn accept(&mut self, verdict: TelegramVerdict, end: u64, upto: u64, held: Held<'_>, found: &mut impl FnMut(Frame)) {
        self.counters.abandoned += self.starts.headers(verdict.before, &held, upto);
        self.starts.clear();
        if verdict.check == Check::Absent || verdict.is_missing {
            self.had_no_crc();
        } else {
            self.without_crc = 0;
        }
        self.emit(verdict.start, end, verdict.check, found);
    }

    fn emit(&mut self, start: u64, end: u64, check: Check, found: &mut impl FnMut(Frame)) {
        self.tail = Tail::None;
        self.settle(start);
        self.settled = end;
        let counters = &mut self.counters;
        counters.telegrams += 1;
        match check {
            Check::Bad => counters.crc_bad += 1,
            Check::GoodBy(OtherCrc::X25) => counters.crc_x25 += 1,
            Check::GoodBy(OtherCrc::OverCrLf) => counters.crc_over_cr_lf += 1,
            Check::Good | Check::Absent => {}
        }
        if check.is_good() {
            (self.has_crc, self.without_crc) = (true, 0);
        }
        found(Frame { start, end, check });
    }

    /// A telegram had no CRC, or broke off in silence, though the line has sent right ones.
    fn had_no_crc(&mut self) {
        self.without_crc += u8::from(self.has_crc);
        if self.without_crc >= WITHOUT_CRC {
            (self.has_crc, self.without_crc) = (false, 0);
        }
    }

    /// No more comes of what is partial, because of silence or a reset. The next byte begins a line.
    fn end(&mut self, held: Held<'_>, found: &mut impl FnMut(Frame)) {
        let Some(head) = self.next else { return };
        if let Tail::Open(mark) = self.tail {
            match mark.begins_line.then(|| self.right(mark, held)).flatten() {
                Some(ended) => self.tail = Tail::Right(ended),
                None if mark.begins_line => self.cut(mark, Cut::Short, head, held, found),
                None => {}
            }
        }
        if let Tail::Right(ended) = self.tail {
            self.emit(ended.start, ended.end_without_lf(), Check::Good, found);
        }
        self.give_up(head, held);
        self.dawn = None;
        self.settle(head);
        self.last = b'\n';
    }

    /// Gives up all telegrams that have begun.
    fn give_up(&mut self, upto: u64, held: Held<'_>) {
        self.counters.abandoned += self.starts.headers(self.starts.len(), &held, upto);
        self.starts.clear();
        self.tail = Tail::None;
    }

    /// Gives up the telegrams that have become too long with the byte before `head`.
    fn expire(&mut self, head: u64, held: Held<'_>) {
        while self.is_full(head) {
            self.give_up_first(head, held);
        }
    }

    /// Gives up one that is too long. One that another began in was cut off.
    fn give_up_first(&mut self, head: u64, held: Held<'_>) {
        let (first, all) = (self.starts.headers(1, &held, head), self.starts.headers(self.starts.len(), &held, head));
        if all > first {
            self.counters.abandoned += first;
        } else {
            self.counters.oversized += first;
        }
        self.starts.remove_first();
        if self.starts.is_empty() && matches!(self.tail, Tail::Open(_)) {
            self.tail = Tail::None;
        }
    }

    /// Whether a telegram has become too long with the byte before `head`.
    fn is_full(&self, head: u64) -> bool {
        self.starts.first().is_some_and(|start| head - start.at >= MAX_TELEGRAM as u64)
    }

    /// What is not settled before `to` belongs to no telegram.
    fn settle(&mut self, to: u64) {
        self.counters.stray_bytes += to - self.settled;
        self.settled = to;
    }

    /// Takes the CRC up to the offset `to`, which waits until somebody asks for it.
    fn cover(&mut self, to: u64, held: Held<'_>) {
        debug_assert!(held.begin() <= self.crc_to, "no place that a telegram may begin at is behind that");
        self.crc = held.slices(self.crc_to, to).into_iter().fold(self.crc, crc16::update);
        self.crc_to = to;
    }
}

impl Default for P1Framer {
    fn default() -> Self {
        Self::new()
    }
}

impl EndedTelegram {
    fn end_without_lf(&self) -> u64 {
        self.end + u64::from(self.cr)
    }
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}
