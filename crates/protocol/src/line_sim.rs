//! A serial wire, bit by bit: a transmitter at one speed and format, a receiver at another, and what the receiver makes
//! of it. For simulated devices and for tests; it must not know what the bytes mean.
//!
//! The receiver works as a UART does: it begins at a falling edge, looks again in the middle of the start bit, samples the
//! middle of each bit, and waits for the line to rise after a stop bit that is none.

use sermux_port_config::line::{LineSettings, Parity, StopBits};

/// The sending end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmitter {
    /// Its speed and format.
    pub settings: LineSettings,
    /// Bit times of silence between two characters, in addition to the stop bits.
    pub idle_bits: u8,
    /// Every level is turned over, as an open collector output without its inverter does it.
    pub inverted: bool,
}

/// What a receiver reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Every character, also those with errors; a break is one 0x00.
    pub bytes: Vec<u8>,
    /// Characters without a stop bit that are no break.
    pub framing_errors: u64,
    /// Characters whose parity bit is wrong.
    pub parity_errors: u64,
    /// Characters that are low from the start bit to the stop bit.
    pub breaks: u64,
}

/// Sends `bytes` after a moment of silence and before another one, and gives what a receiver with `reader` makes of it.
#[must_use]
pub fn carry(bytes: &[u8], sender: Transmitter, reader: LineSettings) -> Received {
    Wire { levels: levels(bytes, sender), sender, reader }.receive()
}

/// The levels of the line, one for each bit time of the sender; high is idle.
fn levels(bytes: &[u8], sender: Transmitter) -> Vec<bool> {
    let format = sender.settings;
    let stop_bits = if format.stop_bits == StopBits::One { 1 } else { 2 };
    let mut levels = vec![true; MARGIN];
    for byte in bytes {
        levels.push(false);
        levels.extend((0..format.data_bits.bits()).map(|bit| byte >> bit & 1 == 1));
        levels.extend(parity_bit(*byte, format));
        levels.extend(std::iter::repeat_n(true, stop_bits + usize::from(sender.idle_bits)));
    }
    levels.resize(levels.len() + MARGIN, true);
    if sender.inverted {
        levels.iter_mut().for_each(|level| *level = !*level);
    }
    levels
}

fn parity_bit(byte: u8, format: LineSettings) -> Option<bool> {
    let data = u16::from(byte) & ((1 << format.data_bits.bits()) - 1);
    let odd = data.count_ones() % 2 == 1;
    match format.parity {
        Parity::None => None,
        Parity::Even => Some(odd),
        Parity::Odd => Some(!odd),
        Parity::Mark => Some(true),
        Parity::Space => Some(false),
    }
}

/// Silence around what is sent, in bit times.
const MARGIN: usize = 12;

struct Wire {
    levels: Vec<bool>,
    sender: Transmitter,
    reader: LineSettings,
}

impl Wire {
    /// Time is counted so that both ends' bits are whole: a bit of the sender lasts as many units as the reader has baud.
    fn receive(&self) -> Received {
        let sent_bit = u64::from(self.reader.baud.get());
        let bit = u64::from(self.sender.settings.baud.get());
        let data_bits = self.reader.data_bits.bits();
        let mut received = Received::default();
        let mut from = 1;
        while let Some(edge) = self.falling_edge(from) {
            let start = edge as u64 * sent_bit;
            let sample = |n: u64| self.level((start + n * bit + bit / 2) / sent_bit);
            if sample(0) {
                from = edge + 1;
                continue;
            }
            let byte = (0..data_bits).fold(0u8, |byte, n| byte | u8::from(sample(u64::from(n) + 1)) << n);
            let mut next = u64::from(data_bits) + 1;
            let mut low = byte == 0;
            if let Some(expected) = parity_bit(byte, self.reader) {
                let parity = sample(next);
                received.parity_errors += u64::from(parity != expected);
                low &= !parity;
                next += 1;
            }
            if !sample(next) {
                if low {
                    received.breaks += 1;
                } else {
                    received.framing_errors += 1;
                }
            }
            received.bytes.push(byte);
            let end = (start + next * bit + bit / 2) / sent_bit;
            from = usize::try_from(end).map_or(self.levels.len(), |end| end + 1);
        }
        received
    }

    /// The first bit time from `from` on that is low after a high one.
    fn falling_edge(&self, from: usize) -> Option<usize> {
        (from..self.levels.len()).find(|at| self.levels[at - 1] && !self.levels[*at])
    }

    fn level(&self, at: u64) -> bool {
        usize::try_from(at).ok().and_then(|at| self.levels.get(at)).copied().unwrap_or(!self.sender.inverted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(settings: &str, idle_bits: u8, inverted: bool) -> Transmitter {
        Transmitter { settings: settings.parse().unwrap(), idle_bits, inverted }
    }

    #[test]
    fn equal_ends_carry_every_byte() {
        let all: Vec<u8> = (0..=255).collect();
        for settings in ["115200 8N1", "9600 8E1", "300 8O2", "1200 8M1"] {
            for idle in [0, 1, 3, 10] {
                let received = carry(&all, from(settings, idle, false), settings.parse().unwrap());
                assert_eq!(received, Received { bytes: all.clone(), ..Received::default() }, "{settings}");
            }
        }
    }

    #[test]
    fn seven_bits_with_even_parity_read_as_eight_have_it_as_their_top_bit() {
        let received = carry(b"01", from("9600 7E1", 0, false), "9600 8N1".parse().unwrap());
        assert_eq!(received, Received { bytes: vec![0x30, 0xB1], ..Received::default() });
    }

    #[test]
    fn an_inverted_line_shifts_each_character_by_one_bit() {
        let reader = "115200 8N1".parse().unwrap();
        let received = carry(&b"0\r\n".repeat(8), from("115200 8N1", 0, true), reader);
        assert!(
            received.bytes.ends_with(&[0x9F, 0xE5, 0xEB][..2]) || received.bytes.windows(2).any(|b| b == [0xE5, 0xEB])
        );
        assert!(received.bytes.contains(&0x9F));
    }

    #[test]
    fn a_slow_line_read_fast_is_all_breaks() {
        let received = carry(b"Hello", from("9600 8N1", 0, false), "115200 8N1".parse().unwrap());
        assert!(received.bytes.iter().all(|byte| *byte == 0) && !received.bytes.is_empty());
        assert_eq!(received.breaks, received.bytes.len() as u64);
    }
}
