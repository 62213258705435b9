//! Bytes that wait for more (`gather`): until the line was silent for some characters, until a text has come, and no longer
//! than `max` after the first of them.

use std::time::{Duration, Instant};

use sermux_port_config::config::Gather;
use sermux_port_config::line::LineSettings;
use sermux_protocol::frame::delimited::DelimitedFramer;

use super::ring::Ring;

/// The rule, and since when what waits.
#[derive(Debug)]
pub(super) struct Gathered {
    rule: Gather,
    /// How much silence is enough, at the speed of the line.
    silence: Option<Duration>,
    until: Option<DelimitedFramer>,
    /// When the first byte came that waits, and the last one.
    waits: Option<(Instant, Instant)>,
    /// When to look: no later than something is due. Not moved by each byte.
    alarm: Option<Instant>,
}

impl Gathered {
    pub(super) fn new(rule: &Gather, settings: &LineSettings) -> Self {
        Self {
            silence: rule.silence.map(|silence| silence.time(settings)),
            until: rule.until.as_ref().map(|marker| DelimitedFramer::new(marker.as_bytes())),
            rule: rule.clone(),
            waits: None,
            alarm: None,
        }
    }

    /// Another rule; what waits goes on to wait, by that.
    pub(super) fn configure(&mut self, rule: &Gather, settings: &LineSettings) {
        if *rule != self.rule {
            *self = Self { waits: self.waits, alarm: self.alarm, ..Self::new(rule, settings) };
            self.alarm = self.due().or(self.alarm);
        }
    }

    /// The line has other settings.
    pub(super) fn set_line(&mut self, settings: &LineSettings) {
        self.silence = self.rule.silence.map(|silence| silence.time(settings));
    }

    /// Bytes came, the first of them at `from`. How far they may go out now.
    pub(super) fn push(&mut self, ring: &Ring, from: u64, released: u64, now: Instant) -> u64 {
        let head = ring.head();
        // Not beyond a quarter of the backlog: what waits must not become what is in the way.
        let mut end = if head - released > ring.capacity() as u64 / 4 { head } else { released };
        if let Some(until) = &mut self.until {
            let mut at = from;
            for chunk in ring.slices(from, head) {
                until.push(chunk, at, |found| end = end.max(found));
                at += chunk.len() as u64;
            }
        }
        if end == head {
            self.clear();
            return end;
        }
        // What waited before has gone if something of this has.
        let first = self.waits.filter(|_| end == released).map_or(now, |(first, _)| first);
        self.waits = Some((first, now));
        let due = self.due();
        self.alarm = match (self.alarm, due) {
            (Some(alarm), Some(due)) => Some(alarm.min(due)),
            (alarm, due) => due.or(alarm),
        };
        end
    }

    fn due(&self) -> Option<Instant> {
        let (first, last) = self.waits?;
        let latest = first + self.rule.max;
        Some(self.silence.map_or(latest, |silence| latest.min(last + silence)))
    }

    /// When to look; it may turn out that nothing was to be done.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.alarm
    }

    /// The deadline may have passed. True: what waits goes out.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> bool {
        self.alarm = self.due();
        let is_due = self.alarm.is_some_and(|due| due <= now);
        if is_due {
            self.clear();
        }
        is_due
    }

    /// Nothing waits any more.
    pub(super) fn clear(&mut self) {
        (self.waits, self.alarm) = (None, None);
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_hub::{connect, hub, port};
    use super::super::{ClientId, Hub, SocketQueue};
    use super::*;

    fn receive(hub: &mut Hub, bytes: &[u8], now: Instant) {
        hub.rx_space().unwrap()[..bytes.len()].copy_from_slice(bytes);
        hub.received(bytes.len(), now);
    }

    fn gets(hub: &mut Hub, id: ClientId, now: Instant) -> Vec<u8> {
        if hub.deadline().is_some_and(|at| at <= now) {
            hub.handle_timeout(now);
        }
        let Some(pieces) = hub.to_send(id, now, SocketQueue::default) else { return Vec::new() };
        let all = pieces.concat();
        hub.sent(id, all.len(), now);
        all
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn bytes_go_out_after_some_characters_of_silence_and_at_the_latest_after_max() {
        // A character takes 10 ms.
        let port = port("line: 1000 8N1, gather: { chars: 2.5, min: 1ms, max: 60ms }");
        let (mut hub, start) = (Hub::new(&port), Instant::now());
        let id = connect(&mut hub, start);
        receive(&mut hub, b"a", start);
        assert_eq!(hub.deadline(), Some(start + ms(25)));
        receive(&mut hub, b"b", start + ms(20));
        assert_eq!(gets(&mut hub, id, start + ms(25)), b"", "there was no silence");
        assert_eq!(hub.deadline(), Some(start + ms(45)));
        assert_eq!(gets(&mut hub, id, start + ms(45)), b"ab");
        assert_eq!(hub.deadline(), None);
        for (at, byte) in [(100, b"c"), (120, b"d"), (140, b"e")] {
            receive(&mut hub, byte, start + ms(at));
            assert_eq!(gets(&mut hub, id, start + ms(at)), b"");
        }
        assert_eq!(gets(&mut hub, id, start + ms(159)), b"");
        assert_eq!(gets(&mut hub, id, start + ms(160)), b"cde");
    }

    #[test]
    fn a_text_lets_them_go_at_once_and_what_follows_waits_anew() {
        let (mut hub, start) = hub("line: 9600 8N1, gather: { max: 100ms, until: '\\r\\n' }");
        let id = connect(&mut hub, start);
        receive(&mut hub, b"one\r", start);
        assert_eq!(gets(&mut hub, id, start), b"");
        receive(&mut hub, b"\ntwo\r\nthr", start + ms(90));
        assert_eq!(gets(&mut hub, id, start + ms(90)), b"one\r\ntwo\r\n");
        assert_eq!(gets(&mut hub, id, start + ms(100)), b"", "its time has just begun");
        assert_eq!(gets(&mut hub, id, start + ms(190)), b"thr");
    }
}
