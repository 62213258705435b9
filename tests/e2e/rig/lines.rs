//! What a program prints, line by line, collected while it runs.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use super::PATIENCE;

/// Lines that are read on a thread of their own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines(Arc<(Mutex<State>, Condvar)>);

#[derive(Debug, Default)]
struct State {
    lines: Vec<String>,
    closed: bool,
}

impl Lines {
    /// Collects what `source` says until it is closed.
    pub(crate) fn collect(source: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let theirs = lines.clone();
        std::thread::spawn(move || {
            let mut source = BufReader::new(source);
            let mut line = Vec::new();
            while matches!(source.read_until(b'\n', &mut line), Ok(1..)) {
                let text = String::from_utf8_lossy(&line).into_owned();
                line.clear();
                theirs.change(|state| state.lines.push(text.trim_end_matches('\n').to_owned()));
            }
            theirs.change(|state| state.closed = true);
        });
        lines
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0 .0.lock().unwrap());
        self.0 .1.notify_all();
    }

    /// All lines so far.
    pub(crate) fn all(&self) -> Vec<String> {
        self.0 .0.lock().unwrap().lines.clone()
    }

    /// All lines so far as one text.
    pub(crate) fn text(&self) -> String {
        self.all().iter().map(|line| format!("{line}\n")).collect()
    }

    /// How many lines are so.
    pub(crate) fn count(&self, is_so: impl Fn(&str) -> bool) -> usize {
        self.all().iter().filter(|line| is_so(line)).count()
    }

    /// The first line that is so, as soon as it is there.
    #[track_caller]
    pub(crate) fn wait_for(&self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        self.wait_for_nth(1, what, is_so)
    }

    /// The n-th line that is so, as soon as it is there.
    #[track_caller]
    pub(crate) fn wait_for_nth(&self, n: usize, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        // Each line is looked at once: some logs have thousands.
        let (mut seen, mut found) = (0, 0);
        self.wait(what, |lines| {
            for line in &lines[seen..] {
                seen += 1;
                found += usize::from(is_so(line));
                if found == n {
                    return Some(line.clone());
                }
            }
            None
        })
    }

    /// What `find` makes of the lines, as soon as it makes something of them.
    #[track_caller]
    pub(crate) fn wait<T>(&self, what: &str, mut find: impl FnMut(&[String]) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.0 .0.lock().unwrap();
        loop {
            if let Some(found) = find(&state.lines) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || state.closed {
                let why = if state.closed { "the program closed it" } else { "the deadline passed" };
                let lines = state.lines.join("\n");
                drop(state);
                panic!("{what}: {why} before this line came; the lines were:\n{lines}");
            }
            state = self.0 .1.wait_timeout(state, left).unwrap().0;
        }
    }

    /// Waits until the program has closed it and gives all of it.
    #[track_caller]
    pub(crate) fn until_closed(&self) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.0 .0.lock().unwrap();
        while !state.closed {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "still open: {:?}", state.lines);
            state = self.0 .1.wait_timeout(state, left).unwrap().0;
        }
        drop(state);
        self.text()
    }
}

/// Whether a line of the log, be it text or JSON, is the record of this event (sermux-log(7)). The words of its message may be any.
pub(crate) fn is_event(line: &str, event: &str) -> bool {
    field(line, "event") == Some(event) || line.contains(&format!(r#""event":"{event}""#))
}

/// The value of `name=value` or `name="value"` in a log line, whatever stands around it.
pub(crate) fn field<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    let mut rest = line;
    let mut before = ' ';
    while let Some(at) = rest.find(name) {
        before = rest[..at].chars().next_back().unwrap_or(before);
        let after = &rest[at + name.len()..];
        let stands_alone = !before.is_alphanumeric() && !matches!(before, '_' | '-' | '.');
        if let (true, Some(value)) = (stands_alone, after.strip_prefix('=')) {
            let (value, ends): (&str, &[char]) = match value.strip_prefix('"') {
                Some(quoted) => (quoted, &['"']),
                None => (value, &[' ', ',', '}', ':', '\t']),
            };
            // A colon ends a span (`port{name=x}: …`, `port=x: …`), but not an address.
            let mut end = value.len();
            for (at, c) in value.char_indices() {
                let inside = c == ':' && value[at + 1..].starts_with(|next: char| !next.is_whitespace());
                if ends.contains(&c) && !inside {
                    end = at;
                    break;
                }
            }
            return Some(&value[..end]);
        }
        before = name.chars().next_back().unwrap_or(before);
        rest = after;
    }
    None
}

#[test]
fn fields_are_found_whatever_stands_around_them() {
    let span = r#"2026 INFO port{port=p1 device="/dev/pts/3"}: sermux: listening address=[::1]:40123, count=3"#;
    assert_eq!(field(span, "port"), Some("p1"));
    assert_eq!(field(span, "device"), Some("/dev/pts/3"));
    assert_eq!(field(span, "address"), Some("[::1]:40123"));
    assert_eq!(field(span, "count"), Some("3"));
    assert_eq!(field(span, "coun"), None);
    assert_eq!(field("listening tcp_port=7 port=p: x", "port"), Some("p"));
    assert_eq!(field("listening port=\"a b\" address=127.0.0.1:1", "port"), Some("a b"));
}
