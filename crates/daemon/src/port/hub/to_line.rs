//! The hub's way from the clients to the line.

use std::time::Instant;

use sermux_port_config::config::{Access, Write};

use super::{earlier, Client, ClientId, CloseReason, Event, Hub, Input, LineState, LEAVING_LIMIT};

impl Hub {
    /// Whether this client should be read now.
    #[must_use]
    pub fn wants_input(&self, id: ClientId) -> bool {
        let Some(client) = self.clients.get(id) else {
            return false;
        };
        let takes = self.line == LineState::Gone || !self.may_write(client) || self.tx.has_room();
        client.input == Input::Open && !client.closing && !self.draining && takes
    }

    fn may_write(&self, client: &Client) -> bool {
        self.write == Write::Any && client.admission.access >= Access::ReadWrite
    }

    /// One read of this client returned `bytes`: at most [`BLOCK`], and only after [`Hub::wants_input`].
    pub fn input(&mut self, id: ClientId, bytes: &[u8]) {
        let Some(client) = self.clients.get(id) else { return };
        let may_write = self.may_write(client);
        let client = &mut self.clients[id];
        let first_refused = client.counters.refused == 0;
        client.counters.received += bytes.len() as u64;
        let data = client.session.decode(bytes);
        if !may_write {
            client.counters.refused += data.len() as u64;
            if first_refused && !data.is_empty() {
                self.events.push_back(Event::WriteRefused(id));
            }
        } else if self.line == LineState::Gone {
            client.counters.refused += data.len() as u64;
            self.counters.tx_lost += data.len() as u64;
        } else {
            self.tx.push(data);
        }
    }

    /// The client sends no more (it shut down that direction, or closed: TCP does not tell them apart).
    pub fn half_closed(&mut self, id: ClientId, now: Instant) {
        let Some(client) = self.clients.get(id) else { return };
        let stays = client.counters.received == 0 || !self.may_write(client);
        let client = &mut self.clients[id];
        if client.input != Input::Open {
            return;
        }
        if stays {
            client.input = Input::Closed { since: now };
            return;
        }
        client.input = Input::Leaving { after: self.tx.end(), at: None, deadline: now + LEAVING_LIMIT };
        self.leaving += 1;
        self.see_off(now);
    }

    /// What goes to the line next; empty when there is nothing.
    #[must_use]
    pub fn tx_front(&self) -> &[u8] {
        self.tx.front()
    }

    /// The line took the first `n` bytes of [`Hub::tx_front`].
    pub fn tx_written(&mut self, n: usize, now: Instant) {
        self.tx.advance(n);
        self.counters.tx += n as u64;
        self.see_off(now);
    }

    /// The line is open. `waits`: its far end waits without loss while nobody reads.
    pub fn line_opened(&mut self, waits: bool) {
        self.line = LineState::Open { waits };
    }

    /// The line is not there, or is gone: what was on its way is lost in both directions, and counted.
    pub fn line_gone(&mut self, now: Instant) {
        self.line = LineState::Gone;
        self.counters.tx_lost += self.tx.purge() as u64;
        if let Some(frames) = self.frames.as_mut() {
            frames.reset();
        }
        if self.gather_due.is_some() {
            self.release_gathered();
        }
        self.see_off(now);
    }

    /// Closes the leaving clients whose bytes the line took a while ago.
    pub(super) fn see_off(&mut self, now: Instant) {
        if self.leaving == 0 {
            return;
        }
        let taken = self.tx.taken();
        let mut due = Vec::new();
        for (id, client) in &mut self.clients {
            if let Some(at) = client.leaves_at(taken, now) {
                if at <= now {
                    due.push(id);
                } else {
                    self.wake_at = earlier(self.wake_at, at);
                }
            }
        }
        for id in due {
            self.close(id, CloseReason::Left);
        }
    }
}
