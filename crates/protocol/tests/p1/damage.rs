//! Streams with every kind of damage, from seeds: a telegram that stands whole in one with a right CRC is found, exact.
//!
//! `SERMUX_P1_STREAMS=10000 cargo test -p sermux-protocol --test p1 damage` runs that many; `SERMUX_P1_SEED=n` one of them.

use std::time::Duration;

use sermux_protocol::frame::{crc16, Check};

use crate::random::Random;
use crate::{samples, with_crc, Line};

/// This number of streams is run unless somebody asks for more.
const STREAMS: u64 = 300;

#[test]
fn whole_telegrams_come_through_any_damage_around_them() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seeds = match number("SERMUX_P1_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SERMUX_P1_STREAMS").unwrap_or(STREAMS),
    };
    let (mut whole, mut lost, mut damaged, mut let_in) = (0, 0, 0, 0);
    for seed in seeds {
        let stream = Stream::of(seed);
        let line = stream.carried();
        for telegram in &stream.telegrams {
            whole += 1;
            let found = line.frames.iter().find(|frame| telegram.is(frame.start, frame.end) && frame.check.is_good());
            if found.is_none() {
                lost += 1;
                println!("SERMUX_P1_SEED={seed}: the telegram at {} is lost; {:?}", telegram.start, line.frames);
            }
        }
        damaged += stream.damaged;
        let good = line.frames.iter().filter(|frame| frame.check.is_good()).count() as u64;
        let_in += good.saturating_sub(stream.telegrams.len() as u64);
        assert!(line.frames.windows(2).all(|pair| pair[0].end <= pair[1].start), "SERMUX_P1_SEED={seed}: out of order");
    }
    println!("{whole} whole, {lost} lost; {damaged} damaged, {let_in} of these taken for whole");
    // What a check of 16 bits lets through by chance: two places that a telegram may begin at have the same CRC.
    assert!(lost * 10_000 <= whole, "{lost} of {whole} whole telegrams are lost");
    assert!(let_in * 1000 <= damaged, "{let_in} of {damaged} damaged telegrams count as good");
}

/// What a line sends, and which whole telegrams are in it.
struct Stream {
    random: Random,
    /// Pieces with the time that passes before each.
    pieces: Vec<(Duration, Vec<u8>)>,
    len: u64,
    telegrams: Vec<Whole>,
    damaged: u64,
}

/// A whole telegram by its place in the stream.
struct Whole {
    start: u64,
    /// Behind its CRC.
    crc_end: u64,
    /// Behind its LF, if that is not lost.
    end: Option<u64>,
}

impl Whole {
    /// Exact; where the LF is lost, another one that happens to stand near may be taken for it.
    fn is(&self, start: u64, end: u64) -> bool {
        let base = Line::new().head();
        let (start, end) = (start - base, end - base);
        start == self.start && self.end.map_or((self.crc_end..self.crc_end + 13).contains(&end), |lf| lf == end)
    }
}

impl Stream {
    fn of(seed: u64) -> Self {
        let random = Random::new(seed);
        let mut stream = Self { random, pieces: Vec::new(), len: 0, telegrams: Vec::new(), damaged: 0 };
        let meters: Vec<Vec<u8>> = (0..1 + stream.random.below(3)).map(|_| stream.meter()).collect();
        for _ in 0..4 + stream.random.below(8) {
            let meter = meters[stream.random.below(meters.len())].clone();
            let telegram = stream.telegram(meter);
            stream.part(&telegram);
        }
        stream
    }

    /// Some meter's text, up to and with its `!`.
    fn meter(&mut self) -> Vec<u8> {
        let random = &mut self.random;
        let identification = random.pick(&[
            "XMX5LGBBFG1012345678",
            "Ene5\\T210-D ESMR5.0",
            "KFM5KAIFA-METER",
            "ISk5\\2MT382-1000",
            "FLU5\\253769484_A",
            "HLY5/D545-METER",
            "ADN9 6534",
            "LGF5E360",
            "ELL5\\253833635_A",
            "SAG5SAG-METER",
            "EST5\\253710000_A",
            "kam1D/E/F",
        ]);
        let line_end = if random.one_in(6) { "\n" } else { "\r\n" };
        let mut text = format!("/{identification}{line_end}{line_end}");
        if !random.one_in(3) {
            text += random.pick(&["1-3:0.2.8(50)", "1-3:0.2.8(42)", "0-0:96.1.4(50217)"]);
            text += line_end;
        }
        for _ in 0..random.below(40) {
            let (c, d, value) = (random.below(99), random.below(9), random.below(1_000_000));
            text += &format!("1-0:{c}.{d}.0({value:06}.{d}*k{}){line_end}", random.pick(&["W", "Wh", "var/h", "V!A"]));
        }
        for _ in 0..if random.one_in(8) { 1 + random.below(5) } else { 0 } {
            let message = "68747470733A2F2F".repeat(random.below(128));
            text += &format!("0-0:96.13.0({message}){line_end}");
        }
        if random.one_in(8) {
            text += &format!("0-0:96.13.1(see https://meter/info!1A2B /abc5 !){line_end}");
        }
        text.push('!');
        if random.one_in(10) {
            return samples::DSMR_5.split_inclusive('!').next().unwrap_or_default().into();
        }
        text.into()
    }

    /// One of its telegrams.
    fn telegram(&mut self, mut text: Vec<u8>) -> Vec<u8> {
        // Each has other numbers.
        for byte in text.iter_mut().skip(24).filter(|byte| byte.is_ascii_digit()).take(200) {
            if self.random.one_in(9) {
                *byte = b'0' + u8::try_from(self.random.below(10)).unwrap_or(0);
            }
        }
        let text = String::from_utf8(text).unwrap_or_default();
        match self.random.below(20) {
            0 => format!("{text}{:04X}\r\n", crc16::x25(text.as_bytes())).into(),
            1 => format!("{text}{:X}\r\n", crc16::checksum(text.as_bytes())).into(),
            2 => String::from_utf8(with_crc(&text.replace("\r\n", "\n").replace('\n', "\r\n")))
                .map_or(Vec::new(), |text| text.replace('\r', "").into()),
            _ => with_crc(&text),
        }
    }

    /// It, whole or damaged, with whatever stands before and behind it.
    fn part(&mut self, telegram: &[u8]) {
        let before = self.noise();
        self.put(&before);
        let behind = telegram.iter().rposition(|byte| *byte == b'!').map_or(0, |mark| {
            mark + 1 + telegram[mark + 1..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count()
        });
        let (text, line_end) = telegram.split_at(behind);
        let start = self.len;
        match self.random.below(20) {
            // Whole.
            0..=7 => {
                self.put(telegram);
                self.telegrams.push(Whole { start, crc_end: start + behind as u64, end: Some(self.len) });
            }
            // Its line end, or a part of it, is lost.
            8..=9 => {
                self.put(text);
                if self.random.one_in(2) {
                    self.put(&line_end[..line_end.len() - 1]);
                }
                self.telegrams.push(Whole { start, crc_end: start + behind as u64, end: None });
            }
            // Something stands before its line end.
            10..=11 => {
                let between: Vec<u8> =
                    (0..=self.random.below(3)).map(|_| self.random.pick(b"\0\xFF \x00\x80x")).collect();
                self.put(text);
                self.put(&between);
                self.put(line_end);
                self.telegrams.push(Whole { start, crc_end: start + behind as u64, end: Some(self.len) });
            }
            damage => {
                self.damaged += 1;
                let len = telegram.len();
                let (a, b) = (1 + self.random.below(len - 8), 1 + self.random.below(len - 8));
                match damage {
                    12 => self.put(&telegram[a..]),
                    13 | 14 => self.put(&telegram[..a]),
                    15 => self.put(&[&telegram[..a.min(b)], &telegram[a.max(b) + 1..]].concat()),
                    16 | 17 => {
                        let mut flipped = telegram.to_vec();
                        for _ in 0..=self.random.below(3) {
                            flipped[self.random.below(len - 6)] ^= 1 << self.random.below(8);
                        }
                        self.put(&flipped);
                    }
                    18 => {
                        let inside = self.noise();
                        self.put(&[&telegram[..a], &inside, &telegram[a + 1..]].concat());
                    }
                    _ => {
                        // The digits of the CRC are lost.
                        let digits = text.iter().rev().take_while(|byte| **byte != b'!').count();
                        self.put(&[&text[..text.len() - digits], line_end].concat());
                    }
                }
            }
        }
        if self.random.one_in(2) {
            let pause = self.random.pick(&[100, 900, 900, 1500, 3000]);
            self.pieces.push((Duration::from_millis(pause), Vec::new()));
        }
    }

    fn noise(&mut self) -> Vec<u8> {
        let random = &mut self.random;
        match random.below(16) {
            0..=6 => Vec::new(),
            7 => vec![0],
            8 => vec![0xFF],
            9 => b" ".to_vec(),
            10 => b"\r\n".to_vec(),
            11 => (0..random.below(40)).map(|_| random.byte()).collect(),
            12 => (0..random.below(2000)).map(|_| random.byte()).collect(),
            13 => (0..random.below(60)).map(|_| random.pick(b"/!\r\n09AFxyz")).collect(),
            14 => b"Jan  1 00:00:07 meter init: /usr/sbin/getty /dev/ttyS0 !\r\nlogin: ".to_vec(),
            _ => b"/ABC5".to_vec(),
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        self.len += bytes.len() as u64;
        self.pieces.push((Duration::ZERO, bytes.to_vec()));
    }

    /// What comes of it, in reads of any size.
    fn carried(&self) -> Line {
        let mut line = Line::new();
        let mut random = Random::new(self.len);
        let most = random.pick(&[1, 16, 64, 4096]);
        for (pause, piece) in &self.pieces {
            if !pause.is_zero() {
                line.be_silent(*pause);
            }
            let mut rest = &piece[..];
            while !rest.is_empty() {
                let (read, later) = rest.split_at((1 + random.below(most)).min(rest.len()));
                line.receive(read);
                rest = later;
            }
        }
        line.end();
        line
    }
}

/// A good check is good by every way of asking.
#[test]
fn the_generator_makes_whole_telegrams_that_are_good_by_themselves() {
    let mut stream = Stream::of(1);
    for _ in 0..200 {
        let text = stream.meter();
        let telegram = stream.telegram(text);
        let line = Line::that_received(&telegram);
        assert_eq!(line.frames.len(), 1);
        assert!(line.checks()[0] != Check::Bad && line.checks()[0].is_good(), "{}", telegram.escape_ascii());
    }
}
