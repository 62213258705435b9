//! Where a port with `frame: line`, a delimiter or a gap may be cut: what was received is released up to the end of a
//! frame, so that clients begin with a whole one, and skip whole ones.
//!
//! Telegrams have rules of their own ([`super::frames`]).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sermux_port_config::config::{Framing, Gap, Port};
use sermux_port_config::line::LineSettings;
use sermux_protocol::frame::delimited::DelimitedFramer;

/// How many ends of frames are known of a whole backlog; between two of them may be more.
const KNOWN_ENDS: u64 = 1024;

/// Finds the ends of frames among the bytes of a port.
#[derive(Debug)]
pub(super) struct Cutter {
    framing: Framing,
    rule: CutRule,
    /// A longer frame is cut.
    longest: u64,
    /// So far bytes may be handed out.
    released: u64,
    /// Ends of frames at some distance from each other, as far back as the backlog reaches.
    ends: VecDeque<u64>,
    spacing: u64,
    /// Ends of the latest frames, one behind the other, for clients that are to get some.
    latest: VecDeque<u64>,
    history: usize,
    cut_frames: u64,
}

#[derive(Debug)]
enum CutRule {
    Delimited(DelimitedFramer),
    Silent {
        gap: Gap,
        time: Duration,
        /// When a byte came last.
        heard: Option<Instant>,
        /// The line was read empty since: until then, it is not the line that is silent, but its reader.
        is_read_empty: bool,
        /// When silence may have ended a frame: no later than that is. Not moved by each byte.
        alarm: Option<Instant>,
    },
}

impl Cutter {
    /// `None`: this port has no such frames. `head` is where the first one begins.
    pub(super) fn of(port: &Port, settings: &LineSettings, history: u64, head: u64) -> Option<Self> {
        let rule = match port.frame {
            Framing::None | Framing::Dsmr => return None,
            Framing::Gap(gap) => {
                CutRule::Silent { gap, time: gap.time(settings), heard: None, is_read_empty: false, alarm: None }
            }
            frame => CutRule::Delimited(DelimitedFramer::new(frame.delimiter()?.as_bytes())),
        };
        let backlog = port.backlog as u64;
        Some(Self {
            framing: port.frame,
            rule,
            longest: longest(port.backlog),
            released: head,
            ends: VecDeque::new(),
            spacing: backlog / KNOWN_ENDS,
            latest: VecDeque::new(),
            history: usize::try_from(history).unwrap_or(usize::MAX),
            cut_frames: 0,
        })
    }

    /// Whether it finds the frames that this port has.
    pub(super) fn is_for(&self, port: &Port) -> bool {
        self.framing == port.frame
    }

    /// The same frames, with another backlog, and this number of the latest kept for clients to come.
    pub(super) fn set_sizes(&mut self, backlog: usize, history: u64) {
        (self.longest, self.spacing) = (longest(backlog), backlog as u64 / KNOWN_ENDS);
        self.history = usize::try_from(history).unwrap_or(usize::MAX);
        if self.history == 0 {
            self.latest.clear();
        }
        while self.latest.len() > self.history.saturating_add(1) {
            self.latest.pop_front();
        }
    }

    /// The line is set otherwise.
    pub(super) fn set_line(&mut self, settings: &LineSettings) {
        if let CutRule::Silent { gap, time, heard, alarm, .. } = &mut self.rule {
            *time = gap.time(settings);
            *alarm = alarm.and_then(|_| Some((*heard)? + *time));
        }
    }

    /// So far bytes may be handed out.
    pub(super) fn released(&self) -> u64 {
        self.released
    }

    /// Bytes came from the line, `at` the offset of the first.
    pub(super) fn push(&mut self, chunk: &[u8], at: u64, now: Instant) {
        let head = at + chunk.len() as u64;
        match &mut self.rule {
            CutRule::Delimited(framer) => {
                let mut ends = std::mem::take(&mut self.latest);
                let (spacing, history) = (self.spacing, self.history);
                let (released, known) = (&mut self.released, &mut self.ends);
                framer.push(chunk, at, |end| note(end, released, known, spacing, &mut ends, history));
                self.latest = ends;
            }
            CutRule::Silent { heard, is_read_empty, .. } => (*heard, *is_read_empty) = (Some(now), false),
        }
        // Bytes that wait must never become what is in the way.
        if head - self.released > self.longest {
            self.cut_frames += 1;
            self.cut(head);
        }
    }

    /// The line was read empty.
    pub(super) fn read_empty(&mut self) {
        if let CutRule::Silent { time, heard: Some(heard), is_read_empty, alarm, .. } = &mut self.rule {
            *is_read_empty = true;
            alarm.get_or_insert(*heard + *time);
        }
    }

    /// How many frames were cut because they are too long.
    pub(super) fn cut_frames(&self) -> u64 {
        self.cut_frames
    }

    /// What there is is a frame: it is too long, the line was silent, or is gone.
    pub(super) fn cut(&mut self, head: u64) {
        match &mut self.rule {
            CutRule::Delimited(framer) => framer.reset(),
            CutRule::Silent { heard, alarm, .. } => (*heard, *alarm) = (None, None),
        }
        if head > self.released {
            note(head, &mut self.released, &mut self.ends, self.spacing, &mut self.latest, self.history);
        }
    }

    /// When to look whether silence has ended a frame.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.rule {
            CutRule::Silent { is_read_empty: true, alarm, .. } => *alarm,
            CutRule::Silent { .. } | CutRule::Delimited(_) => None,
        }
    }

    /// The deadline may have passed; `head` is the offset behind what is held.
    pub(super) fn handle_timeout(&mut self, head: u64, now: Instant) {
        let CutRule::Silent { time, heard: Some(heard), is_read_empty: true, alarm, .. } = &mut self.rule else {
            return;
        };
        let due = *heard + *time;
        *alarm = Some(due);
        if due <= now {
            self.cut(head);
        }
    }

    /// The first known end of a frame at or behind this offset: never beyond what is released.
    pub(super) fn end_from(&self, offset: u64) -> u64 {
        let index = self.ends.partition_point(|end| *end < offset);
        self.ends.get(index).copied().unwrap_or(self.released).max(offset)
    }

    /// Where the latest `frames` begin, as far as they are known and held from `tail` on; and how many those are.
    pub(super) fn latest(&self, frames: u64, tail: u64) -> (u64, u64) {
        // The end of a frame is the beginning of the next one.
        let begins = self.latest.iter().rev().skip(1).take(usize::try_from(frames).unwrap_or(usize::MAX));
        begins.take_while(|begin| **begin >= tail).fold((self.released, 0), |(_, count), begin| (*begin, count + 1))
    }

    /// From where on bytes are kept for clients to come.
    pub(super) fn history_from(&self) -> u64 {
        self.latest.front().copied().unwrap_or(self.released).min(self.released)
    }

    /// What lies before this offset is not held any more.
    pub(super) fn forget_before(&mut self, tail: u64) {
        while self.ends.front().is_some_and(|end| *end < tail) {
            self.ends.pop_front();
        }
    }
}

/// A frame that is longer is cut: what waits for its end must not become what is in the way.
fn longest(backlog: usize) -> u64 {
    backlog as u64 / 4
}

/// A frame ends here.
fn note(
    end: u64,
    released: &mut u64,
    known: &mut VecDeque<u64>,
    spacing: u64,
    latest: &mut VecDeque<u64>,
    history: usize,
) {
    let begin = std::mem::replace(released, end);
    if known.back().is_none_or(|last| end - last >= spacing) {
        known.push_back(end);
    }
    if history > 0 {
        if latest.is_empty() {
            latest.push_back(begin);
        }
        latest.push_back(end);
        while latest.len() > history.saturating_add(1) {
            latest.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use sermux_port_config::config::load::load_str;

    use super::*;

    #[test]
    fn what_no_client_to_come_is_to_get_is_not_kept() {
        let yaml = "ports: { p: { device: sim:echo, frame: line, listen: [{ protocol: raw, address: 0 }] } }";
        let port = load_str("x.yaml", yaml).unwrap().config.ports.remove("p").unwrap();
        let mut cutter = Cutter::of(&port, &port.line.settings, 2, 0).unwrap();
        cutter.push(b"a\nb\nc\n", 0, Instant::now());
        assert_eq!(cutter.history_from(), 2);
        cutter.set_sizes(port.backlog, 1);
        assert_eq!(cutter.history_from(), 4);
        cutter.set_sizes(port.backlog, 0);
        assert_eq!(cutter.history_from(), 6);
    }
}
