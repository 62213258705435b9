//! Whole frames to the line: with `tx-frame`, a client's frame is never mixed with bytes of another client.
//!
//! What a client has sent of a frame waits here, apart from the queue, until the frame's end has come; whole frames are
//! queued in the order in which they became whole. A half frame is queued as it is (it is *cut*, and counted) when it is
//! longer than [`LONGEST`], when its client sends nothing more for [`LONGEST_WAIT`], asks something of the line behind it,
//! or sends no more at all. It is thrown away with the client's other bytes when that is reset or disconnected, or when the
//! client may not write any more.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sermux_port_config::config::{Delimiter, Port, Write};
use sermux_protocol::frame::delimited::DelimitedFramer;
use sermux_protocol::session::Session;

use super::{ClientId, Hub};

/// More than this does not wait for the end of its frame, in bytes.
pub(super) const LONGEST: usize = 4096;

/// What waits is cut when nothing more comes of its client in this time.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// The half frames of a port's clients.
#[derive(Debug)]
pub(super) struct TxFrames {
    delimiter: Delimiter,
    /// One for each client that has written.
    halves: BTreeMap<ClientId, HalfFrame>,
}

/// What a client has sent of a frame.
#[derive(Debug)]
struct HalfFrame {
    bytes: Vec<u8>,
    framer: DelimitedFramer,
    /// When the client sent something last; or was not read, so that nothing could come.
    heard: Instant,
}

impl HalfFrame {
    /// These bytes were taken as frames, and are not held any more.
    fn forget(&mut self, len: usize) {
        self.bytes.drain(..len);
        // A large read may have been in it.
        self.bytes.shrink_to(2 * LONGEST);
    }
}

impl TxFrames {
    /// `None`: this port has none, and what clients send is queued as it comes.
    pub(super) fn of(port: &Port) -> Option<Box<Self>> {
        port.tx_frame.map(|delimiter| Box::new(Self { delimiter, halves: BTreeMap::new() }))
    }

    fn of_client(&mut self, id: ClientId, now: Instant) -> &mut HalfFrame {
        let delimiter = self.delimiter;
        self.halves.entry(id).or_insert_with(|| HalfFrame {
            bytes: Vec::new(),
            framer: DelimitedFramer::new(delimiter.as_bytes()),
            heard: now,
        })
    }

    /// The clients with half a frame.
    fn ids(&self) -> Vec<ClientId> {
        self.halves.iter().filter(|(_, half)| !half.bytes.is_empty()).map(|(id, _)| *id).collect()
    }

    fn take(&mut self, id: ClientId) -> Vec<u8> {
        self.halves.get_mut(&id).map(|half| std::mem::take(&mut half.bytes)).unwrap_or_default()
    }
}

impl Hub {
    /// Data for the line of a client that may write, as `decode` appends it: up to the end of the last frame it is queued.
    /// Returns what `decode` did, and how much data it was.
    pub(super) fn take_framed<R>(
        &mut self,
        id: ClientId,
        now: Instant,
        decode: impl FnOnce(&mut Session, &mut Vec<u8>) -> R,
    ) -> Option<(R, usize)> {
        let (frames, client) = (self.tx_frames.as_deref_mut()?, self.clients.get_mut(id)?);
        let half = frames.of_client(id, now);
        let before = half.bytes.len();
        let result = decode(&mut client.session, &mut half.bytes);
        let len = half.bytes.len() - before;
        if len == 0 {
            return Some((result, 0));
        }
        let mut whole = 0;
        half.framer.push(&half.bytes[before..], before as u64, |end| whole = end);
        let mut whole = usize::try_from(whole).unwrap_or(usize::MAX);
        if half.bytes.len() - whole > LONGEST {
            whole = half.bytes.len();
            self.counters.tx_cut_frames += 1;
        }
        if whole > 0 {
            self.tx.push(client.number, |queue| queue.extend_from_slice(&half.bytes[..whole]));
            client.own_end = self.tx.end();
            half.forget(whole);
        }
        half.heard = now;
        if !half.bytes.is_empty() {
            self.wake(now + LONGEST_WAIT);
        }
        self.take_pen(id, now);
        if self.write != Write::Any {
            self.refuse_halves();
        }
        Some((result, len))
    }

    /// What waits of this client's frame goes to the line as it is.
    pub(super) fn cut_half(&mut self, id: ClientId) {
        let Some(frames) = self.tx_frames.as_deref_mut() else { return };
        let bytes = frames.take(id);
        let Some(client) = self.clients.get_mut(id).filter(|_| !bytes.is_empty()) else { return };
        self.tx.push(client.number, |queue| queue.extend_from_slice(&bytes));
        client.own_end = self.tx.end();
        self.counters.tx_cut_frames += 1;
    }

    pub(super) fn cut_halves(&mut self) {
        for id in self.tx_frames.as_deref().map(TxFrames::ids).unwrap_or_default() {
            self.cut_half(id);
        }
    }

    /// Cuts what has waited for too long. A client that is not read, because the queue is full, is given the time again.
    pub(super) fn cut_halves_after_silence(&mut self, now: Instant) {
        for id in self.tx_frames.as_deref().map(TxFrames::ids).unwrap_or_default() {
            let is_read = self.wants_input(id);
            let Some(half) = self.tx_frames.as_deref_mut().and_then(|frames| frames.halves.get_mut(&id)) else {
                continue;
            };
            if half.heard + LONGEST_WAIT <= now {
                if is_read {
                    self.cut_half(id);
                    continue;
                }
                half.heard = now;
            }
            let due = half.heard + LONGEST_WAIT;
            self.wake(due);
        }
    }

    /// What waits of this client's frame is thrown away; says how much that was.
    pub(super) fn drop_half(&mut self, id: ClientId) -> u64 {
        self.tx_frames.as_deref_mut().map_or(0, |frames| frames.take(id).len() as u64)
    }

    /// The client is disconnected, and its key may be given out again.
    pub(super) fn forget_half(&mut self, id: ClientId) {
        if let Some(frames) = self.tx_frames.as_deref_mut() {
            frames.halves.remove(&id);
        }
    }

    /// There is no line; says how much was thrown away. The next byte of each client begins a frame.
    pub(super) fn drop_halves(&mut self) -> u64 {
        let Some(frames) = self.tx_frames.as_deref_mut() else { return 0 };
        std::mem::take(&mut frames.halves).values().map(|half| half.bytes.len() as u64).sum()
    }

    /// Throws away the half frames of clients that may not write any more: their rest would be refused.
    pub(super) fn refuse_halves(&mut self) {
        for id in self.tx_frames.as_deref().map(TxFrames::ids).unwrap_or_default() {
            if self.clients.get(id).is_some_and(|client| !self.may_write(id, client)) {
                let refused = self.drop_half(id);
                self.refuse_data(id, usize::try_from(refused).unwrap_or(usize::MAX));
            }
        }
    }

    /// The port has another configuration.
    pub(super) fn set_tx_frames(&mut self, port: &Port) {
        if self.tx_frames.as_deref().map(|frames| frames.delimiter) != port.tx_frame {
            self.cut_halves();
            self.tx_frames = TxFrames::of(port);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_hub::{connect, hub, port, telnet, terms};
    use super::*;
    use crate::line::Snapshot;

    /// Everything that the line may be given now.
    fn line(hub: &mut Hub, now: Instant) -> String {
        let mut line = Vec::new();
        while !hub.tx_front().is_empty() {
            let front = hub.tx_front().to_vec();
            hub.tx_written(front.len(), now);
            line.extend(front);
        }
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn whole_frames_pass_a_half_one_in_the_order_in_which_they_became_whole() {
        let (mut hub, now) = hub("tx-frame: line");
        let (a, b) = (connect(&mut hub, now), connect(&mut hub, now));
        hub.input(a, b"one\ntw", now);
        hub.input(b, b"th", now);
        hub.input(b, b"ree\n", now);
        hub.input(a, b"o\n", now);
        assert_eq!((line(&mut hub, now).as_str(), hub.counters().tx_cut_frames), ("one\nthree\ntwo\n", 0));
    }

    #[test]
    fn half_a_frame_is_cut_after_silence_and_not_while_more_comes() {
        let (mut hub, start) = hub("tx-frame: line");
        let a = connect(&mut hub, start);
        hub.input(a, b"ha", start);
        let later = start + LONGEST_WAIT - Duration::from_millis(1);
        hub.input(a, b"lf", later);
        let due = hub.deadline().unwrap();
        assert_eq!(due, start + LONGEST_WAIT);
        hub.handle_timeout(due);
        assert_eq!(line(&mut hub, due), "");
        let due = hub.deadline().unwrap();
        assert_eq!(due, later + LONGEST_WAIT);
        hub.handle_timeout(due);
        assert_eq!((line(&mut hub, due).as_str(), hub.counters().tx_cut_frames), ("half", 1));
        assert_eq!(hub.deadline(), None, "nobody wakes up for nothing");
    }

    #[test]
    fn a_client_that_is_not_read_has_more_time() {
        let (mut hub, now) = hub("tx-frame: line");
        let (a, b) = (connect(&mut hub, now), connect(&mut hub, now));
        hub.input(a, b"half", now);
        while hub.wants_input(b) {
            hub.input(b, &[b'\n'; 4096], now);
        }
        let due = hub.deadline().unwrap().max(now + LONGEST_WAIT);
        hub.handle_timeout(due);
        assert_eq!(hub.counters().tx_cut_frames, 0);
        line(&mut hub, due);
        hub.input(a, b" and half\n", due);
        assert_eq!(line(&mut hub, due), "half and half\n");
    }

    #[test]
    fn what_is_too_long_is_cut_and_the_end_of_its_frame_found() {
        let (mut hub, now) = hub("tx-frame: { delimiter: \"\\r\\n\" }");
        let (a, b) = (connect(&mut hub, now), connect(&mut hub, now));
        hub.input(a, &[b'a'; LONGEST], now);
        assert_eq!(line(&mut hub, now), "");
        hub.input(a, b"\r", now);
        assert_eq!((line(&mut hub, now).len(), hub.counters().tx_cut_frames), (LONGEST + 1, 1));
        hub.input(b, b"b", now);
        hub.input(a, b"\nc", now);
        assert_eq!(line(&mut hub, now), "\n");
    }

    #[test]
    fn a_request_is_behind_the_bytes_before_it() {
        let (mut hub, now) = hub("tx-frame: line");
        let a = telnet(&mut hub, now);
        // SET-BAUDRATE 19200 between two halves.
        hub.input(a, b"be\xff\xfa\x2c\x01\x00\x00\x4b\x00\xff\xf0hind\n", now);
        hub.drive_requests(now);
        assert_eq!(line(&mut hub, now), "be", "what follows waits for the setting");
        assert_eq!(hub.counters().tx_cut_frames, 1);
        assert!(hub.waiting_requests(a) > 0);
    }

    #[test]
    fn a_client_that_leaves_has_its_half_sent_and_one_that_is_reset_has_not() {
        let (mut hub, now) = hub("tx-frame: line");
        let [a, b, c] = [(); 3].map(|()| connect(&mut hub, now));
        for (id, bytes) in [(a, "left"), (b, "reset"), (c, "closed")] {
            hub.input(id, bytes.as_bytes(), now);
        }
        hub.half_closed(a, now);
        hub.discard(b);
        hub.disconnect(b, 0, now);
        hub.disconnect(c, 0, now);
        assert_eq!(line(&mut hub, now), "leftclosed");
        assert_eq!((hub.counters().tx_cut_frames, hub.counters().tx_discarded), (2, 5));
        // Its key is given out again.
        let d = connect(&mut hub, now);
        hub.input(d, b"new\n", now);
        assert_eq!(line(&mut hub, now), "new\n");
    }

    #[test]
    fn who_loses_the_pen_loses_the_half_that_it_cannot_end() {
        let (mut hub, now) = hub("tx-frame: line, write: last");
        let (a, b) = (connect(&mut hub, now), connect(&mut hub, now));
        hub.input(a, b"half", now);
        assert!(hub.has_pen(a), "half a frame takes the pen");
        hub.input(b, b"whole\n", now);
        hub.input(a, b" and half\n", now);
        assert_eq!(line(&mut hub, now), "whole\n");
        assert_eq!((hub.counters().tx_refused, hub.client_counters(a).unwrap().refused), (14, 14));
    }

    #[test]
    fn what_waits_is_lost_with_the_line_and_sent_at_the_end() {
        let (mut hub, now) = hub("tx-frame: line");
        let a = connect(&mut hub, now);
        hub.input(a, b"lost", now);
        hub.line_gone(now);
        assert_eq!(hub.counters().tx_lost, 4);
        hub.line_opened(true, &Snapshot::default(), now);
        hub.input(a, b"last words", now);
        hub.drain();
        assert_eq!(line(&mut hub, now), "last words");
    }

    #[test]
    fn another_delimiter_is_in_force_at_once() {
        let (mut hub, now) = hub("tx-frame: line");
        let a = connect(&mut hub, now);
        hub.input(a, b"half", now);
        hub.reconfigure(&port("tx-frame: line"), |_| Some(terms()), now);
        assert_eq!(line(&mut hub, now), "", "nothing has changed");
        hub.reconfigure(&port("tx-frame: { delimiter: \";\" }"), |_| Some(terms()), now);
        assert_eq!(line(&mut hub, now), "half");
        hub.input(a, b"a\nb;c", now);
        assert_eq!(line(&mut hub, now), "a\nb;");
        hub.reconfigure(&port("tx-frame: none"), |_| Some(terms()), now);
        hub.input(a, b"d", now);
        assert_eq!((line(&mut hub, now).as_str(), hub.counters().tx_cut_frames), ("cd", 2));
    }
}
