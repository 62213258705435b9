//! Clients that leave: what happens to their place, to what they still receive, and to the bytes they sent.
//!
//! | a client | its place | it receives | its bytes |
//! |---|---|---|---|
//! | has closed its sending side, and had sent nothing or may not | is free as soon as another client needs it | until it disconnects | |
//! | has closed its sending side after it had sent something | the same | for `half-close` after the line took its bytes; on a unix socket until it disconnects | go to the line |
//! | disconnected after it had closed its sending side | is free | | go to the line |
//! | reset its connection, was disconnected, or made room as `when-full` says | is free | | are discarded |
//! | has closed its sending side, with `half-close: off` | is free | while the line takes its bytes | go to the line |
//!
//! The bytes of a disconnected client are discarded once the line has taken nothing for `half-close`. Discarded bytes are
//! counted. A client that made room, and from which there is still something to read, keeps its connection until that is
//! done (it is *parting*), but has no place and receives nothing.
//!
//! TCP does not distinguish a client that has closed from one that has only finished sending; hence the table. The socket's error
//! or hang-up shows that a client has disconnected. No event reports this behind bytes that are not read because the line takes
//! nothing: such clients are checked once a second, and when a new client finds its listener full. A reset after the client's
//! end is EPIPE, and one without is ECONNRESET.

use std::time::{Duration, Instant};

use sermux_port_config::config::HalfClose;

use super::client::{Leave, LAST_BYTES, LAST_CHARS};
use super::{earlier, Asker, ClientId, CloseReason, Event, Hub, Input};

/// A port has at most this number of parting clients; of more, the one that closed the longest ago is closed and its bytes discarded.
const MOST_PARTING: usize = 16;

/// The number of the owner of what no client has sent.
const OF_THE_PORT: u64 = 0;

/// A client that has disconnected and whose bytes are still queued.
#[derive(Debug)]
pub(super) struct Departed {
    number: u64,
    since: Instant,
    half_close: Duration,
    /// The offset behind its last byte.
    after: u64,
}

impl Hub {
    /// The client has closed its sending side, of which it is not known whether everything has been read.
    pub fn ends(&mut self, id: ClientId, now: Instant) {
        let Some(client) = self.clients.get_mut(id).filter(|client| client.input == Input::Open) else { return };
        client.input = Input::Ending { since: now };
        self.leaving += 1;
        self.see_off(now);
    }

    /// Everything that the client sent has been read: it shut down that direction, or closed. TCP does not tell them apart.
    pub fn half_closed(&mut self, id: ClientId, now: Instant) {
        let Some(client) = self.clients.get(id) else { return };
        let is_silent = client.counters.received == 0 || !self.is_writer(client);
        let stays = is_silent && client.terms.half_close != HalfClose::Off;
        let client = &mut self.clients[id];
        let since = match client.input {
            Input::Open => now,
            Input::Ending { since } => since,
            Input::Closed { .. } | Input::Leaving { .. } => return,
        };
        self.leaving -= usize::from(client.input != Input::Open);
        self.cut_half(id);
        let client = &mut self.clients[id];
        if client.parting {
            client.input = Input::Closed { since };
            self.close(id, CloseReason::Gone);
            return;
        }
        if stays {
            client.input = Input::Closed { since };
            if client.may_control() && !self.draining {
                self.release(now);
            }
            self.end_loan(now);
            return;
        }
        client.input = Input::Leaving { since, done: None };
        self.leaving += 1;
        self.pen.release(id);
        self.see_off(now);
    }

    /// The client has disconnected, and had closed its sending side before: it receives nothing more.
    pub fn gone(&mut self, id: ClientId, now: Instant) {
        self.ends(id, now);
        let Some(client) = self.clients.get_mut(id) else { return };
        if let Input::Ending { .. } = client.input {
            client.parting = true;
        } else {
            self.close(id, CloseReason::Gone);
        }
    }

    /// The client reset its connection, or somebody disconnects it: what is queued of it is not for the line any more.
    pub fn discard(&mut self, id: ClientId) {
        let half = self.drop_half(id);
        let Some(client) = self.clients.get_mut(id) else { return };
        client.own_end = 0;
        let discarded = self.tx.discard(client.number) + half;
        client.counters.discarded += discarded;
        self.counters.tx_discarded += discarded;
    }

    /// Whether the client has closed its sending side and all that it sent has been read.
    #[must_use]
    pub fn only_receives(&self, id: ClientId) -> bool {
        self.clients.get(id).is_some_and(|client| matches!(client.input, Input::Closed { .. } | Input::Leaving { .. }))
    }

    /// A text of the port itself, for the line behind all that clients have sent. Where it finds no room it is discarded and
    /// counted.
    pub fn send_text(&mut self, text: &[u8], now: Instant) {
        if text.is_empty() {
            return;
        }
        if self.is_line_gone() || !self.tx.is_half_free() {
            self.counters.tx_lost += text.len() as u64;
            return;
        }
        self.tx.push(OF_THE_PORT, |queue| queue.extend_from_slice(text));
        let (number, half_close, after) = (OF_THE_PORT, self.last_bytes(), self.tx.end());
        self.departed.push(Departed { number, since: now, half_close, after });
        self.watch_line(now);
        self.see_off(now);
    }

    /// Whether there are clients, and none of them sends any more.
    #[must_use]
    pub fn is_deserted(&self) -> bool {
        !self.clients.is_empty()
            && self.clients.iter().all(|(_, client)| client.is_deaf() || client.input != Input::Open)
    }

    /// Whether bytes are queued of a client that has disconnected.
    #[must_use]
    pub fn has_departed(&self) -> bool {
        !self.departed.is_empty()
    }

    /// A client of this listener that has closed its sending side makes room for a new one, if there is such a client.
    pub fn make_room(&mut self, listener: usize, now: Instant) {
        self.displace(listener, now);
    }

    /// The client of this listener makes room that closed its sending side the longest ago. False: there is none.
    pub(super) fn displace(&mut self, listener: usize, now: Instant) -> bool {
        let theirs = self.clients.iter().filter(|(_, c)| c.listener == listener && !c.is_deaf());
        let Some((_, id)) = theirs.filter_map(|(id, c)| Some((c.half_closed_since()?, id))).min() else { return false };
        self.part(id, now);
        true
    }

    /// A client that has closed its sending side makes room.
    pub(super) fn part(&mut self, id: ClientId, now: Instant) {
        if !matches!(self.clients[id].input, Input::Ending { .. }) {
            self.close(id, CloseReason::Displaced);
            return;
        }
        self.clients[id].parting = true;
        self.events.push_back(Event::Parts(id));
        let parting = || self.clients.iter().filter(|(_, c)| c.parting && !c.closing);
        if parting().count() > MOST_PARTING {
            if let Some((_, oldest)) = parting().filter_map(|(id, c)| Some((c.half_closed_since()?, id))).min() {
                self.close(oldest, CloseReason::Unsent);
            }
        }
        self.see_off(now);
    }

    /// How long the line may take nothing of what clients have sent that have left, at least.
    fn last_bytes(&self) -> Duration {
        LAST_BYTES.max(self.requests.view().settings.char_time() * LAST_CHARS)
    }

    /// The client's connection is closed.
    pub(super) fn depart(&mut self, id: ClientId, unread: usize, now: Instant) {
        let Some(client) = self.clients.get(id) else { return };
        let (is_writer, last_bytes) = (self.is_writer(client), self.last_bytes());
        self.cut_half(id);
        let client = &mut self.clients[id];
        self.leaving -= usize::from(matches!(client.input, Input::Ending { .. } | Input::Leaving { .. }));
        if is_writer {
            client.counters.discarded += unread as u64;
            self.counters.tx_discarded += unread as u64;
        }
        if client.own_end > self.tx.taken() {
            let half_close = client.terms.half_close.time().max(last_bytes);
            self.departed.push(Departed { number: client.number, since: now, half_close, after: client.own_end });
            self.see_off(now);
        }
    }

    /// The line took something.
    #[inline]
    pub(super) fn moved(&mut self, now: Instant) {
        if self.leaving > 0 || !self.departed.is_empty() {
            self.moved_at = Some(now);
            self.see_off(now);
        }
    }

    /// Closes the clients that have sent no more for long enough, and discards what the line does not take of those that
    /// have disconnected.
    pub(super) fn see_off(&mut self, now: Instant) {
        if self.leaving == 0 && self.departed.is_empty() {
            return;
        }
        let taken = (self.tx.taken(), self.moved_at);
        let (requests, last_bytes) = (&self.requests, self.last_bytes());
        let (mut due, mut finished) = (Vec::new(), false);
        for (id, client) in self.clients.iter_mut().filter(|(_, client)| !client.closing) {
            let had_finished = client.has_finished();
            let leave = client.leaves(taken, last_bytes, requests.waiting(Asker::Client(id)) > 0, now);
            finished |= client.may_control() && client.has_finished() && !had_finished;
            let Some(leave) = leave else { continue };
            match leave {
                Leave::Heard(at) if at <= now => due.push((id, CloseReason::Left)),
                Leave::Unsent(at) if at <= now => due.push((id, CloseReason::Unsent)),
                Leave::Heard(at) | Leave::Unsent(at) => self.wake_at = earlier(self.wake_at, at),
            }
        }
        for (id, reason) in due {
            self.close(id, reason);
        }
        if finished && !self.draining {
            self.release(now);
        }
        self.end_loan(now);
        self.see_off_departed(now);
    }

    fn see_off_departed(&mut self, now: Instant) {
        let mut departed = std::mem::take(&mut self.departed);
        departed.retain(|gone| {
            if gone.after <= self.tx.taken() {
                return false;
            }
            let due = self.moved_at.map_or(gone.since, |at| at.max(gone.since)) + gone.half_close;
            if due > now {
                self.wake_at = earlier(self.wake_at, due);
                return true;
            }
            let discarded = self.tx.discard(gone.number);
            self.requests.forget(Asker::Departed(gone.number), now);
            self.counters.tx_discarded += discarded;
            self.events.push_back(Event::Discarded(discarded));
            false
        });
        self.departed = departed;
    }
}
