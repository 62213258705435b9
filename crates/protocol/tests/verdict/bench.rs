//! A wire and a UART of their own for these tests: time is continuous, edges shake, the receiver samples sixteen times a bit
//! with a clock of its own. It shares nothing with the simulator of the library, which the rules know.

use crate::random::Random;

/// How characters are framed: data bits, and even parity or none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    pub(crate) baud: f64,
    pub(crate) data_bits: u32,
    pub(crate) parity: bool,
}

pub(crate) const P1: Frame = Frame { baud: 115_200.0, data_bits: 8, parity: false };
pub(crate) const P1_V2: Frame = Frame { baud: 9600.0, data_bits: 7, parity: true };

/// What a meter does to the line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender {
    pub(crate) frame: Frame,
    /// Silence between characters, in bits.
    pub(crate) idle_bits: f64,
    pub(crate) inverted: bool,
    /// By how much of a bit an edge may be early or late.
    pub(crate) jitter: f64,
}

/// What a UART does when there is no stop bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recovery {
    /// Waits for the line to be high.
    Waits,
    /// Takes what should have been the stop bit for the next start bit, unless all was low (16550).
    Resumes,
}

/// How the line is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader {
    pub(crate) frame: Frame,
    /// How much its clock is too fast.
    pub(crate) drift: f64,
    /// When it begins, in bits of its own.
    pub(crate) phase: f64,
    pub(crate) recovery: Recovery,
    /// Whether characters without a stop bit are delivered.
    pub(crate) keeps_errors: bool,
}

/// What comes out of the UART.
#[derive(Clone, Debug, Default)]
pub(crate) struct Read {
    pub(crate) bytes: Vec<u8>,
    pub(crate) framing_errors: u64,
    pub(crate) breaks: u64,
}

/// The line as the times, in seconds, at which it changes. It begins idle.
struct Line {
    idle: bool,
    edges: Vec<f64>,
    end: f64,
}

impl Line {
    fn of(bytes: &[u8], sender: Sender, dice: &mut Random) -> Line {
        let bit = 1.0 / sender.frame.baud;
        let mut line = Line { idle: !sender.inverted, edges: Vec::new(), end: 0.0 };
        let mut time = 40.0 * bit;
        let mut level = true;
        let mut set = |next: bool, time: f64, dice: &mut Random| {
            if next != level {
                level = next;
                line.edges.push(time + (dice.part() * 2.0 - 1.0) * sender.jitter * bit);
            }
        };
        for byte in bytes {
            set(false, time, dice);
            let mut ones = 0;
            for number in 0..sender.frame.data_bits {
                time += bit;
                let one = byte >> number & 1 == 1;
                ones += u32::from(one);
                set(one, time, dice);
            }
            if sender.frame.parity {
                time += bit;
                set(ones % 2 == 1, time, dice);
            }
            time += bit;
            set(true, time, dice);
            time += bit * (1.0 + sender.idle_bits);
        }
        line.end = time + 40.0 * bit;
        line
    }

    fn at(&self, time: f64) -> bool {
        let changes = self.edges.partition_point(|edge| *edge <= time);
        self.idle ^ (changes % 2 == 1)
    }
}

/// Sends `bytes` and reads them.
pub(crate) fn carry(bytes: &[u8], sender: Sender, reader: Reader, dice: &mut Random) -> Read {
    receive(&Line::of(bytes, sender, dice), reader)
}

/// Reads a wire that nothing is connected to: it changes when it likes, `run` bits of the reader apart in the mean.
pub(crate) fn noise(run: f64, seconds: f64, reader: Reader, dice: &mut Random) -> Read {
    let mut line = Line { idle: dice.below(2) == 0, edges: Vec::new(), end: seconds };
    let mut time = 0.0;
    while time < seconds {
        time += -(1.0 - dice.part()).ln() * run / reader.frame.baud;
        line.edges.push(time);
    }
    receive(&line, reader)
}

fn receive(line: &Line, reader: Reader) -> Read {
    let tick = 1.0 / (reader.frame.baud * (1.0 + reader.drift)) / 16.0;
    let at = |ticks: u64| line.at((ticks as f64 + reader.phase * 16.0) * tick);
    let end = (line.end / tick) as u64;
    let mut read = Read::default();
    let mut now = 0;
    let mut starts_here = false;
    while now < end {
        if !starts_here {
            // A high line first, then an edge.
            while now < end && !at(now) {
                now += 1;
            }
            while now < end && at(now) {
                now += 1;
            }
        }
        if now >= end {
            break;
        }
        // Two of three in the middle of each bit.
        let bit = |number: u64| {
            let middle = now + number * 16 + 8;
            u8::from(at(middle - 1)) + u8::from(at(middle)) + u8::from(at(middle + 1)) >= 2
        };
        if !starts_here && bit(0) {
            now += 9;
            continue;
        }
        let mut byte = 0u8;
        for number in 0..reader.frame.data_bits {
            byte |= u8::from(bit(u64::from(number) + 1)) << number;
        }
        let mut number = u64::from(reader.frame.data_bits) + 1;
        let mut is_low = byte == 0;
        if reader.frame.parity {
            is_low &= !bit(number);
            number += 1;
        }
        let has_stop = bit(number);
        let stop_at = now + number * 16;
        if !has_stop {
            if is_low {
                read.breaks += 1;
            } else {
                read.framing_errors += 1;
            }
        }
        if has_stop || reader.keeps_errors {
            read.bytes.push(byte);
        }
        starts_here = !has_stop && !is_low && reader.recovery == Recovery::Resumes;
        now = if starts_here { stop_at } else { stop_at + 9 };
    }
    read
}

/// A telegram of a version (22, 30, 42, 50, or 502 for Belgium), with a meter, values and text of its own.
pub(crate) fn telegram(version: u32, dice: &mut Random) -> Vec<u8> {
    let mut digits = |count: usize| -> String { (0..count).map(|_| char::from(b'0' + dice.below(10) as u8)).collect() };
    let id = format!("4530303{}303{}3{}3", digits(1), digits(1), digits(9));
    let kwh = |digits: &mut dyn FnMut(usize) -> String| match version {
        22 | 30 => format!("{}.{}*kWh", digits(5), digits(3)),
        _ => format!("{}.{}*kWh", digits(6), digits(3)),
    };
    let mut lines = vec!["/KFM5KAIFA-METER".to_owned(), String::new()];
    match version {
        42 | 50 => lines.push(format!("1-3:0.2.8({version})")),
        502 => lines.push(format!("0-0:96.1.4(50{})", digits(3))),
        _ => {}
    }
    if version >= 42 {
        lines.push(format!("0-0:1.0.0({}W)", digits(12)));
    }
    lines.push(format!("0-0:96.1.1({id})"));
    for code in ["1-0:1.8.1", "1-0:1.8.2", "1-0:2.8.1", "1-0:2.8.2"] {
        lines.push(format!("{code}({})", kwh(&mut digits)));
    }
    lines.push(format!("0-0:96.14.0(000{})", digits(1)));
    for code in ["1-0:1.7.0", "1-0:2.7.0"] {
        lines.push(if version < 42 {
            format!("{code}(00{}.{}*kW)", digits(2), digits(2))
        } else {
            format!("{code}({}.{}*kW)", digits(2), digits(3))
        });
    }
    if version < 42 {
        lines.push("0-0:17.0.0(0999.00*kW)".to_owned());
        lines.push("0-0:96.3.10(1)".to_owned());
    } else {
        for code in ["0-0:96.7.21", "0-0:96.7.9"] {
            lines.push(format!("{code}(0{})", digits(4)));
        }
        lines.push(format!("1-0:99.97.0(1)(0-0:96.7.19)({}W)({}*s)", digits(12), digits(10)));
        for phase in ["32", "52", "72"] {
            lines.push(format!("1-0:{phase}.32.0(0{})", digits(4)));
            lines.push(format!("1-0:{phase}.36.0(0{})", digits(4)));
        }
    }
    lines.push("0-0:96.13.1()".to_owned());
    lines.push(format!("0-0:96.13.0({})", if version == 50 { digits(40) } else { String::new() }));
    if version >= 50 {
        for code in ["1-0:32.7.0", "1-0:52.7.0", "1-0:72.7.0"] {
            lines.push(format!("{code}(2{}.{}*V)", digits(2), digits(1)));
        }
    }
    if version >= 42 {
        for code in ["1-0:31.7.0", "1-0:51.7.0", "1-0:71.7.0"] {
            lines.push(format!("{code}(00{}*A)", digits(1)));
        }
        for code in ["1-0:21.7.0", "1-0:41.7.0", "1-0:61.7.0", "1-0:22.7.0", "1-0:42.7.0", "1-0:62.7.0"] {
            lines.push(format!("{code}(0{}.{}*kW)", digits(1), digits(3)));
        }
    }
    lines.push("0-1:24.1.0(003)".to_owned());
    lines.push(format!("0-1:96.1.0({id})"));
    if version < 42 {
        lines.push(format!("0-1:24.3.0({})(00)(60)(1)(0-1:24.2.1)(m3)", digits(12)));
        lines.push(format!("({}.{})", digits(5), digits(3)));
        lines.push("0-1:24.4.0(1)".to_owned());
    } else {
        lines.push(format!("0-1:24.2.1({}W)({}.{}*m3)", digits(12), digits(5), digits(3)));
    }
    let mut text = lines.join("\r\n") + "\r\n!";
    if version >= 42 {
        let crc = text.bytes().fold(0u16, |crc, byte| {
            (0..8).fold(crc ^ u16::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xA001 } else { crc >> 1 })
        });
        text += &format!("{crc:04X}");
    }
    (text + "\r\n").into_bytes()
}
