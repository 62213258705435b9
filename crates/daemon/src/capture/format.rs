//! How a capture looks: lines of text, of numbers, or of JSON; or the bytes alone.

use std::fmt::Write as _;
use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;
use sermux_port_config::config::{Capture, CaptureFormat};

use super::queue::{ByteWay, CaptureEvent};
use sermux_port_config::is_unprintable;

use crate::hex;
use crate::time::rfc3339_micros;

/// A longer line of text is written in pieces.
const LONGEST: usize = 1024;

/// What else stands on a line of text or in an object, in bytes, without the port's name.
const FRAMING: usize = 160;

/// What a byte of the line takes at most: `\x1b`, or two digits.
const TEXT_BYTE: usize = 4;
const JSON_BYTE: usize = 2;

/// The beginning of a line of text waits this time for the rest of it.
const PATIENCE: Duration = Duration::from_secs(1);

/// Bytes on a line of numbers.
const ON_A_LINE: usize = 16;

/// Bytes in one object.
const IN_AN_OBJECT: usize = 4096;

/// Takes lines, each with its LF, and how many bytes of the line are in each. An empty one has bytes that belong to the one
/// before.
pub(super) trait LineSink {
    fn line(&mut self, line: &[u8], bytes: usize);
}

/// Makes lines of what passed.
#[derive(Debug)]
pub(super) struct Formatter {
    port: String,
    format: CaptureFormat,
    timestamp: bool,
    /// The size of the file that all of a line has to fit into; zero is any.
    max_size: usize,
    /// Lines of text that have begun, of [`ByteWay::Rx`] and [`ByteWay::Tx`].
    begun: [Begun; 2],
    line: String,
}

/// A line of text that has begun.
#[derive(Debug, Default)]
struct Begun {
    /// When its first byte passed, and when it is written although there is more to come.
    at: Option<(SystemTime, Instant)>,
    bytes: Vec<u8>,
    /// The last one ended with CR: an LF now belongs to it.
    after_cr: bool,
}

impl Formatter {
    pub(super) fn new(port: &str, capture: &Capture) -> Self {
        Self {
            port: port.to_owned(),
            format: capture.format,
            timestamp: capture.timestamp,
            max_size: capture.max_size,
            begun: Default::default(),
            line: String::new(),
        }
    }

    /// From here on it is to look otherwise.
    pub(super) fn set(&mut self, capture: &Capture, lines: &mut impl LineSink) {
        self.finish(lines);
        (self.format, self.timestamp, self.max_size) = (capture.format, capture.timestamp, capture.max_size);
    }

    /// How many bytes of the line go onto one of the file, at most `most`, each of which takes up to `each` there.
    fn at_once(&self, most: usize, each: usize) -> usize {
        match self.max_size {
            0 => most,
            size => most.min(size.saturating_sub(FRAMING + self.port.len()) / each).max(1),
        }
    }

    /// When lines that have begun are to be written.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.begun.iter().filter_map(|begun| begun.at.map(|(_, due)| due)).min()
    }

    /// Bytes that passed.
    pub(super) fn bytes(
        &mut self,
        way: ByteWay,
        offset: u64,
        bytes: &[u8],
        at: SystemTime,
        now: Instant,
        lines: &mut impl LineSink,
    ) {
        match self.format {
            CaptureFormat::Text => self.text(way, bytes, at, now, lines),
            CaptureFormat::Hex => {
                for (index, chunk) in bytes.chunks(ON_A_LINE).enumerate() {
                    self.hex(way, offset + (index * ON_A_LINE) as u64, chunk, at, lines);
                }
            }
            CaptureFormat::Raw => {
                let most = self.at_once(IN_AN_OBJECT, 1);
                bytes.chunks(most).for_each(|chunk| lines.line(chunk, chunk.len()));
            }
            CaptureFormat::Json => {
                let most = self.at_once(IN_AN_OBJECT, JSON_BYTE);
                for (index, chunk) in bytes.chunks(most).enumerate() {
                    let hex = hex::digits(chunk);
                    let offset = offset + (index * most) as u64;
                    let time = self.timestamp.then(|| rfc3339_micros(at));
                    self.json(
                        &Passed { time, port: &self.port, direction: way.name(), offset, hex },
                        chunk.len(),
                        lines,
                    );
                }
            }
        }
    }

    /// An event of the port, in addition to the bytes.
    pub(super) fn event(&mut self, event: &CaptureEvent, at: SystemTime, lines: &mut impl LineSink) {
        self.finish(lines);
        if self.format == CaptureFormat::Raw {
            return;
        }
        if self.format == CaptureFormat::Json {
            let time = self.timestamp.then(|| rfc3339_micros(at));
            let happened = Happened { time, port: &self.port, event: event.kind.name(), text: &event.text };
            return self.json(&happened, 0, lines);
        }
        self.begin_line("--", at);
        escape(event.text.as_bytes(), &mut self.line);
        self.end_line(0, lines);
    }

    /// Writes the lines that have begun and have waited for long enough.
    pub(super) fn handle_timeout(&mut self, now: Instant, lines: &mut impl LineSink) {
        for way in [ByteWay::Rx, ByteWay::Tx] {
            if self.begun[way as usize].at.is_some_and(|(_, due)| due <= now) {
                self.cut(way, lines);
            }
        }
    }

    /// Writes the lines that have begun.
    pub(super) fn finish(&mut self, lines: &mut impl LineSink) {
        let mut ways = [ByteWay::Rx, ByteWay::Tx];
        // In the order in which they began.
        ways.sort_by_key(|way| self.begun[*way as usize].at.map(|(at, _)| at));
        for way in ways {
            self.cut(way, lines);
        }
    }

    fn text(&mut self, way: ByteWay, bytes: &[u8], at: SystemTime, now: Instant, lines: &mut impl LineSink) {
        let longest = self.at_once(LONGEST, TEXT_BYTE);
        for byte in bytes {
            let begun = &mut self.begun[way as usize];
            let after_cr = std::mem::take(&mut begun.after_cr);
            if *byte == b'\n' && after_cr {
                lines.line(b"", 1);
                continue;
            }
            let began = *begun.at.get_or_insert((at, now + PATIENCE));
            if *byte == b'\n' || (*byte == b'\r' && way == ByteWay::Tx) {
                begun.after_cr = *byte == b'\r';
                begun.at = None;
                let bytes = std::mem::take(&mut begun.bytes);
                let shown = if way == ByteWay::Rx { bytes.strip_suffix(b"\r").unwrap_or(&bytes) } else { &bytes };
                self.begin_line(way.name(), began.0);
                escape(shown, &mut self.line);
                self.end_line(bytes.len() + 1, lines);
                self.begun[way as usize].bytes = emptied(bytes);
                continue;
            }
            begun.bytes.push(*byte);
            if begun.bytes.len() >= longest {
                self.cut(way, lines);
            }
        }
    }

    /// Writes what there is of a line, which goes on.
    fn cut(&mut self, way: ByteWay, lines: &mut impl LineSink) {
        let begun = &mut self.begun[way as usize];
        let Some((at, _)) = begun.at.take() else { return };
        let bytes = std::mem::take(&mut begun.bytes);
        self.begin_line(way.name(), at);
        escape(&bytes, &mut self.line);
        self.line.push('\\');
        self.end_line(bytes.len(), lines);
        self.begun[way as usize].bytes = emptied(bytes);
    }

    fn hex(&mut self, way: ByteWay, offset: u64, chunk: &[u8], at: SystemTime, lines: &mut impl LineSink) {
        self.begin_line(way.name(), at);
        let _ = write!(self.line, " {offset:08x}  ");
        for index in 0..ON_A_LINE {
            let gap = if index == ON_A_LINE / 2 { " " } else { "" };
            let _ = match chunk.get(index) {
                Some(byte) => write!(self.line, "{gap}{byte:02x} "),
                None => write!(self.line, "{gap}   "),
            };
        }
        self.line.push_str(" |");
        self.line.extend(chunk.iter().map(|byte| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '.' }));
        self.line.push('|');
        self.end_line(chunk.len(), lines);
    }

    fn json(&self, object: &impl Serialize, bytes: usize, lines: &mut impl LineSink) {
        // Texts and numbers always have a shape in JSON.
        if let Ok(line) = serde_json::to_string(object) {
            let mut line = hex::json_for_terminals(line);
            line.push('\n');
            lines.line(line.as_bytes(), bytes);
        }
    }

    fn begin_line(&mut self, word: &str, at: SystemTime) {
        self.line.clear();
        if self.timestamp {
            let _ = write!(self.line, "{} ", rfc3339_micros(at));
        }
        self.line.push_str(word);
    }

    fn end_line(&mut self, bytes: usize, lines: &mut impl LineSink) {
        self.line.push('\n');
        lines.line(self.line.as_bytes(), bytes);
    }
}

fn emptied(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.clear();
    bytes
}

/// A blank, and UTF-8 as it is; backslashes, what is not UTF-8, and characters that would steer the terminal or turn the
/// direction of writing round as escapes.
fn escape(bytes: &[u8], line: &mut String) {
    if !bytes.is_empty() {
        line.push(' ');
    }
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => line.push_str("\\\\"),
                '\t' => line.push_str("\\t"),
                '\r' => line.push_str("\\r"),
                '\n' => line.push_str("\\n"),
                c if is_unprintable(c) => c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| escape_byte(byte, line)),
                c => line.push(c),
            }
        }
        chunk.invalid().iter().for_each(|byte| escape_byte(*byte, line));
    }
}

fn escape_byte(byte: u8, line: &mut String) {
    let _ = write!(line, "\\x{byte:02x}");
}

#[derive(Serialize)]
struct Passed<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    port: &'a str,
    direction: &'a str,
    offset: u64,
    hex: String,
}

#[derive(Serialize)]
struct Happened<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    port: &'a str,
    event: &'a str,
    text: &'a str,
}

#[cfg(test)]
mod tests {
    use super::super::queue::EventKind;
    use super::*;

    #[derive(Default)]
    struct Written(Vec<String>, usize);

    impl LineSink for Written {
        fn line(&mut self, line: &[u8], bytes: usize) {
            let line = std::str::from_utf8(line).unwrap();
            self.0.extend(line.strip_suffix('\n').map(ToOwned::to_owned));
            self.1 += bytes;
        }
    }

    fn formatter(format: CaptureFormat, timestamp: bool, max_size: usize) -> Formatter {
        let capture = Capture {
            file: "/x".into(),
            direction: sermux_port_config::config::Direction::Both,
            format,
            timestamp,
            max_size,
            max_age: Duration::ZERO,
            keep: 1,
        };
        Formatter::new("p", &capture)
    }

    /// What these pieces come to, without times.
    fn lines(format: CaptureFormat, pieces: &[(ByteWay, &[u8])]) -> Vec<String> {
        let mut formatter = formatter(format, false, 0);
        let mut written = Written::default();
        let mut offsets = [0; 2];
        for (way, bytes) in pieces {
            let offset = &mut offsets[*way as usize];
            formatter.bytes(*way, *offset, bytes, SystemTime::UNIX_EPOCH, Instant::now(), &mut written);
            *offset += bytes.len() as u64;
        }
        formatter.finish(&mut written);
        assert_eq!(written.1 as u64, offsets[0] + offsets[1], "each byte is in some line");
        written.0
    }

    #[test]
    fn text_goes_line_by_line_however_it_is_cut() {
        use ByteWay::{Rx, Tx};
        let whole = lines(CaptureFormat::Text, &[(Rx, b"one\r\n\ntwo\xff\x1b[0m\\ \xc3\xa9\n")]);
        assert_eq!(whole, ["rx one", "rx", "rx two\\xff\\x1b[0m\\\\ \u{e9}"]);
        let bytes = b"one\r\n\ntwo\xff\x1b[0m\\ \xc3\xa9\n";
        let cut: Vec<(ByteWay, &[u8])> = bytes.chunks(1).map(|byte| (Rx, byte)).collect();
        assert_eq!(lines(CaptureFormat::Text, &cut), whole);
        // What is sent ends with CR as well.
        assert_eq!(lines(CaptureFormat::Text, &[(Tx, b"a\rb\r\nc\nd")]), ["tx a", "tx b", "tx c", "tx d\\"]);
        assert_eq!(lines(CaptureFormat::Text, &[(Rx, b"login: "), (Tx, b"root\r")]), ["tx root", "rx login: \\"]);
    }

    #[test]
    fn a_long_line_of_text_is_written_in_pieces() {
        let long = [b'x'; LONGEST + 1];
        let written = lines(CaptureFormat::Text, &[(ByteWay::Rx, &long), (ByteWay::Rx, b"\n")]);
        assert_eq!(written, [format!("rx {}\\", "x".repeat(LONGEST)), "rx x".to_owned()]);
    }

    #[test]
    fn no_line_is_longer_than_the_file_may_be() {
        const SIZE: usize = 4096;
        for format in [CaptureFormat::Text, CaptureFormat::Hex, CaptureFormat::Json] {
            let mut formatter = formatter(format, true, SIZE);
            let (mut written, at, now) = (Written::default(), SystemTime::now(), Instant::now());
            formatter.bytes(ByteWay::Rx, u64::from(u32::MAX), &[0; 20_000], at, now, &mut written);
            formatter.finish(&mut written);
            assert_eq!(written.1, 20_000);
            let longest = written.0.iter().map(|line| line.len() + 1).max().unwrap();
            assert!(longest <= SIZE, "{format:?}: {longest}");
        }
    }

    #[test]
    fn characters_that_turn_the_direction_of_writing_round_are_escaped() {
        let turns = ['\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}', '\u{200e}', '\u{200f}', '\u{61c}', '\u{2028}'];
        for c in turns.into_iter().chain(['\u{ad}', '\u{e0041}']) {
            let written = lines(CaptureFormat::Text, &[(ByteWay::Rx, format!("a{c}b\n").as_bytes())]);
            let escaped: String = c.to_string().bytes().map(|byte| format!("\\x{byte:02x}")).collect();
            assert_eq!(written, [format!("rx a{escaped}b")]);
        }
    }

    #[test]
    fn the_beginning_of_a_line_waits_a_second() {
        let mut formatter = formatter(CaptureFormat::Text, true, 0);
        let (mut written, now) = (Written::default(), Instant::now());
        let at = SystemTime::UNIX_EPOCH + Duration::from_micros(5);
        formatter.bytes(ByteWay::Rx, 0, b"login: ", at, now, &mut written);
        let due = formatter.deadline().unwrap();
        formatter.handle_timeout(due - Duration::from_millis(1), &mut written);
        assert!(written.0.is_empty());
        formatter.handle_timeout(due, &mut written);
        assert_eq!(written.0, ["1970-01-01T00:00:00.000005Z rx login: \\"]);
        assert_eq!(formatter.deadline(), None);
    }

    #[test]
    fn numbers_are_sixteen_to_a_line_with_their_offset() {
        let written = lines(CaptureFormat::Hex, &[(ByteWay::Rx, b"/KFM5KAIFA-METER\r\n"), (ByteWay::Rx, b"x")]);
        assert_eq!(
            written,
            [
                "rx 00000000  2f 4b 46 4d 35 4b 41 49  46 41 2d 4d 45 54 45 52  |/KFM5KAIFA-METER|",
                "rx 00000010  0d 0a                                             |..|",
                "rx 00000012  78                                                |x|",
            ]
        );
    }

    #[test]
    fn objects_have_everything_and_events_their_name() {
        let mut formatter = formatter(CaptureFormat::Json, true, 0);
        let mut written = Written::default();
        let at = SystemTime::UNIX_EPOCH;
        formatter.bytes(ByteWay::Tx, 7, b"\x00\xff", at, Instant::now(), &mut written);
        formatter.event(&CaptureEvent { kind: EventKind::Opened, text: "opened".to_owned() }, at, &mut written);
        assert_eq!(
            written.0,
            [
                r#"{"time":"1970-01-01T00:00:00.000000Z","port":"p","direction":"tx","offset":7,"hex":"00ff"}"#,
                r#"{"time":"1970-01-01T00:00:00.000000Z","port":"p","event":"opened","text":"opened"}"#,
            ]
        );
    }

    #[test]
    fn an_event_comes_after_the_lines_that_had_begun() {
        let mut formatter = formatter(CaptureFormat::Text, false, 0);
        let mut written = Written::default();
        formatter.bytes(ByteWay::Rx, 0, b"half", SystemTime::UNIX_EPOCH, Instant::now(), &mut written);
        let event = CaptureEvent { kind: EventKind::Gone, text: "gone: \n".to_owned() };
        formatter.event(&event, SystemTime::UNIX_EPOCH, &mut written);
        assert_eq!(written.0, ["rx half\\", "-- gone: \\n"]);
    }
}
