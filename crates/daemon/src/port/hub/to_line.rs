//! The hub's way from the clients to the line.
//!
//! A client's input is read in blocks of 4 KiB while others wait for their turn, so that no client fills the queue before them; of a
//! client that is alone as much is read as the queue has room for. No client is read before half of the queue is free, except a
//! telnet client on a slow line, whose requests may lie behind its bytes.

use std::time::Instant;

use sermux_protocol::session::{Session, Speaks};

use super::client::Undecoded;
use super::tx_queue::{BLOCK, LARGE_BLOCK};
use super::{Client, ClientId, Hub, Input, Presence};
use crate::line::Snapshot;

/// A client is not read while it has not taken so much of what it was answered.
const MOST_OUTBOX: usize = 4096;

impl Hub {
    /// Whether this client should be read now.
    #[must_use]
    pub fn wants_input(&self, id: ClientId) -> bool {
        self.clients.get(id).is_some_and(|client| client.undecoded.is_empty() && self.takes_input(id, client))
    }

    fn takes_input(&self, id: ClientId, client: &Client) -> bool {
        let sends = matches!(client.input, Input::Open | Input::Ending { .. });
        if !sends || client.closing || self.draining || self.input_waits {
            return false;
        }
        let takes = |has_room| self.is_line_gone() || !self.may_write(id, client) || has_room;
        if client.session.is_raw() {
            return takes(self.tx.is_half_free());
        }
        // What it asks for gets through although others have filled the queue: it may be what empties it.
        (takes(self.tx.lets_requests_in()) || client.own_end <= self.tx.taken())
            && client.session.outbox().len() <= MOST_OUTBOX
            && !self.requests.is_full_for(id)
    }

    /// Clients are not read before [`Hub::admit_input`], if the line is about to be opened.
    pub fn defer_input(&mut self) {
        self.input_waits = self.requests.presence() == Presence::Expected;
    }

    /// Clients are read again.
    pub fn admit_input(&mut self) {
        self.input_waits = false;
    }

    /// How much one read may take of a client that is wanted, while no other waits for its turn. A block each
    /// ([`BLOCK`]) when others do, lest one fills the queue before them.
    ///
    /// Of a telnet client that sends 0xFF, and so two bytes for each of the line, twice as much. Should it stop that in this
    /// very read, the queue is longer than its limit once, by as much as had room. Without that, and without other tuning that was
    /// taken out with it, 0xFF from a client cost 1.63 to 1.81 times the floor's processor time in the benchmark (goal 1.5),
    /// instead of 1.16 to 1.43; alone it was not measured.
    #[must_use]
    pub fn input_room(&self, id: ClientId) -> usize {
        // Not where half a frame may come on top.
        let sends_pairs = self.tx_frames.is_none() && self.clients.get(id).is_some_and(|client| client.sends_pairs);
        (self.tx.room() * if sends_pairs { 2 } else { 1 }).min(LARGE_BLOCK)
    }

    /// One read of this client returned `bytes`: at most [`Hub::input_room`], and only after [`Hub::wants_input`].
    pub fn input(&mut self, id: ClientId, bytes: &[u8], now: Instant) {
        let Some(client) = self.clients.get_mut(id) else { return };
        client.counters.received += bytes.len() as u64;
        client.active = now;
        if client.session.is_raw() {
            if client.counters.received == bytes.len() as u64 {
                if let Some(speaks) = Speaks::of_first_bytes(bytes) {
                    self.is_mistaken(id, speaks);
                }
            }
            self.take_data(id, now, |_, data| data.extend_from_slice(bytes));
            return;
        }
        let decoded = self.decode(id, bytes, now);
        if let Some(client) = self.clients.get_mut(id).filter(|_| decoded < bytes.len()) {
            client.undecoded = Undecoded { bytes: bytes[decoded..].to_vec(), from: 0 };
        }
    }

    /// Goes on with what was read of a client and not decoded, if there is such and it may. True: something was decoded.
    pub fn resume_input(&mut self, id: ClientId, now: Instant) -> bool {
        let Some(client) = self.clients.get(id).filter(|client| !client.undecoded.is_empty()) else { return false };
        if !self.takes_input(id, client) || !self.requests.is_half_free_for(id) {
            return false;
        }
        let Undecoded { bytes, from } = std::mem::take(&mut self.clients[id].undecoded);
        // No more at once than if it were read now.
        let to = bytes.len().min(from + self.input_room(id));
        let from = from + self.decode(id, &bytes[from..to], now);
        if let Some(client) = self.clients.get_mut(id).filter(|_| from < bytes.len()) {
            client.undecoded = Undecoded { bytes, from };
        }
        true
    }

    /// Takes data and requests out of what a client has sent, until so much waits that the rest is left for later;
    /// how much was taken.
    fn decode(&mut self, id: ClientId, bytes: &[u8], now: Instant) -> usize {
        let commands = self.commands_of(id);
        let mut input = bytes;
        let mut decoded = 0;
        loop {
            if !input.is_empty() && self.requests.is_full_for(id) {
                break;
            }
            let decode = |session: &mut Session, data: &mut Vec<u8>| session.decode(&mut input, data);
            let Some((request, len)) = self.take_data(id, now, decode) else { break };
            decoded += len;
            let Some(request) = request else { break };
            self.take_request(id, request, now);
        }
        if let Some(client) = self.clients.get_mut(id) {
            // One more when the first of them is the second half of a pair.
            client.sends_pairs = bytes.len() >= BLOCK && 2 * decoded <= bytes.len() + 1;
            if client.parting {
                // It does not take the answers any more.
                client.session.outbox_taken(client.session.outbox().len());
            }
        }
        self.commands += self.commands_of(id).saturating_sub(commands);
        self.count_unusable(id);
        self.addressed.push(id);
        self.watch_changed = true;
        bytes.len() - input.len()
    }

    /// How many telnet commands clients have sent so far: requests, negotiations, and those that have no effect.
    #[must_use]
    pub fn commands(&self) -> u64 {
        self.commands
    }

    fn commands_of(&self, id: ClientId) -> u64 {
        match self.clients.get(id).map(|client| &client.session) {
            Some(Session::Telnet(telnet)) => telnet.commands(),
            _ => 0,
        }
    }

    /// Data for the line, as `decode` appends it: queued, or counted where it may not or cannot go there. Returns what
    /// `decode` did, and how much data it was; nothing when the client is disconnected.
    fn take_data<R>(
        &mut self,
        id: ClientId,
        now: Instant,
        decode: impl FnOnce(&mut Session, &mut Vec<u8>) -> R,
    ) -> Option<(R, usize)> {
        let may_write = self.may_write(id, self.clients.get(id)?);
        let discards = !may_write || self.is_line_gone();
        let client = &mut self.clients[id];
        if discards {
            let mut data = Vec::new();
            let result = decode(&mut client.session, &mut data);
            if !may_write && !data.is_empty() {
                self.refuse_data(id, data.len());
            } else {
                client.counters.refused += data.len() as u64;
                self.counters.tx_lost += data.len() as u64;
            }
            return Some((result, data.len()));
        }
        if self.tx_frames.is_some() {
            return self.take_framed(id, now, decode);
        }
        let (result, len) = self.tx.push(client.number, |data| decode(&mut client.session, data));
        if len > 0 {
            client.own_end = self.tx.end();
            self.watch_line(now);
            self.take_pen(id, now);
        }
        Some((result, len))
    }

    /// What goes to the line next; empty when there is nothing, or when something is to be done before it.
    #[must_use]
    #[inline]
    pub fn tx_front(&self) -> &[u8] {
        if self.tx.is_empty() {
            return &[];
        }
        self.tx.front_until(self.requests.hold(self.tx.taken()))
    }

    /// Whether nothing is queued for the line, not even behind something that is to be done before it.
    #[must_use]
    pub fn tx_is_empty(&self) -> bool {
        self.tx.is_empty()
    }

    /// The line took the first `n` bytes of [`Hub::tx_front`].
    pub fn tx_written(&mut self, n: usize, now: Instant) {
        self.tx.advance(n, now);
        self.counters.tx += n as u64;
        self.line_moves();
        self.requests.tx_written();
        self.requests.moved(now);
        self.moved(now);
    }

    /// The line is open. `waits`: its far end waits without loss while nobody reads.
    pub fn line_opened(&mut self, waits: bool, snapshot: &Snapshot, now: Instant) {
        self.expect_something(now);
        self.line_waits = waits;
        self.requests.line_opened(snapshot, self.tx.end(), now);
        self.tx.set_line(&snapshot.settings);
        self.release.set_line(&snapshot.settings);
        self.tell_modem_state(false);
        self.carrier = snapshot.inputs.dcd;
        if !self.tx.is_empty() {
            self.watch_line(now);
        }
    }

    /// The line is not there, or is gone: what was on its way is lost in both directions, and counted.
    pub fn line_gone(&mut self, now: Instant) {
        (self.line_waits, self.input_waits) = (false, false);
        self.expect_nothing();
        self.counters.tx_lost += self.tx.purge() as u64 + self.drop_halves();
        self.requests.line_gone();
        self.carrier = false;
        self.watch_no_line();
        self.tell_modem_state(false);
        if self.release_unfinished() {
            // The clients get it.
            self.wake(now);
        }
        self.see_off(now);
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_hub::{hub, telnet};
    use super::*;

    #[test]
    fn a_client_that_sends_0xff_alone_is_read_twice_as_much_until_it_stops() {
        let (mut hub, now) = hub("line: 9600 8N1");
        let id = telnet(&mut hub, now);
        let room = hub.input_room(id);
        hub.input(id, &vec![0xFF; room / 2], now);
        assert_eq!(hub.input_room(id), 2 * (room - room / 4));
        // Half of a pair is left from the block before.
        hub.input(id, &[0xFF; 3], now);
        assert_eq!(hub.input_room(id), room - room / 4 - 1, "too little to tell");
        hub.input(id, &vec![0xFF; BLOCK], now);
        let most = hub.input_room(id);
        assert_eq!(most, 2 * (room - room / 4 - 1 - BLOCK / 2));
        hub.input(id, &[&[0xFF][..], &vec![b'a'; most - 1]].concat(), now);
        assert!(!hub.wants_input(id));
        assert!(hub.input_room(id) < most);
        let mut written = 0;
        while !hub.tx_front().is_empty() {
            let len = hub.tx_front().len();
            hub.tx_written(len, now);
            written += len;
        }
        assert_eq!(written, room / 4 + 1 + BLOCK / 2 + most);
        assert!(hub.wants_input(id));
        assert_eq!(hub.input_room(id), written, "what the line took at once");
    }
}
