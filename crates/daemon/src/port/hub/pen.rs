//! Decides which client may write when one client writes at a time: `write: first` and `write: last`.
//!
//! A client that writes while the pen is free takes the pen. It holds the pen until it disconnects, closes its sending side, or
//! has sent nothing for its `write-hold`. With `last` the next client that writes takes the pen from the holder, which is then
//! refused until the pen is free. Only data needs the pen; requests to the line do not.

use std::time::Instant;

use sermux_port_config::config::{Access, Write};

use super::client::RefusalNotice;
use super::{earlier, Client, ClientId, Event, Hub};

/// Who holds the pen.
#[derive(Debug, Default)]
pub(super) struct Pen {
    holder: Option<Holder>,
    /// How often it was taken while it was free.
    holds: u64,
}

#[derive(Clone, Copy, Debug)]
struct Holder {
    id: ClientId,
    /// When it last wrote something.
    wrote: Instant,
}

impl Pen {
    /// The client cannot write any more.
    pub(super) fn release(&mut self, id: ClientId) {
        self.holder = self.holder.filter(|holder| holder.id != id);
    }
}

impl Hub {
    /// Whether the client's listener and the port let it write, if it has the pen where there is one.
    pub(super) fn is_writer(&self, client: &Client) -> bool {
        self.write != Write::None && client.terms.access != Access::ReadOnly
    }

    /// Whether bytes of this client may go to the line now.
    pub(super) fn may_write(&self, id: ClientId, client: &Client) -> bool {
        let has_pen = match (self.write, self.pen.holder) {
            (Write::Any | Write::None, _) | (_, None) => true,
            (_, Some(holder)) if holder.id == id => true,
            (Write::First, Some(_)) => false,
            (Write::Last, Some(_)) => client.lost_pen_in != Some(self.pen.holds),
        };
        has_pen && self.is_writer(client)
    }

    /// Whether this client holds the pen.
    pub(super) fn has_pen(&self, id: ClientId) -> bool {
        self.pen.holder.is_some_and(|holder| holder.id == id)
    }

    /// The client, which may, writes.
    pub(super) fn take_pen(&mut self, id: ClientId, now: Instant) {
        if matches!(self.write, Write::Any | Write::None) {
            return;
        }
        let before = self.pen.holder.replace(Holder { id, wrote: now });
        match before.filter(|before| before.id != id).and_then(|before| self.clients.get_mut(before.id)) {
            Some(loser) => loser.lost_pen_in = Some(self.pen.holds),
            None if before.is_none() => self.pen.holds += 1,
            None => return,
        }
        self.free_pen(now);
    }

    /// Takes the pen from a holder that has been silent for too long. Its time is not moved whenever it writes: it is
    /// looked at again when it has passed.
    pub(super) fn free_pen(&mut self, now: Instant) {
        let Some(Holder { id, wrote }) = self.pen.holder else { return };
        let until = self.clients.get(id).map(|client| wrote + client.terms.write_hold);
        match until.filter(|until| *until > now) {
            Some(until) => self.wake_at = earlier(self.wake_at, until),
            None => self.pen.holder = None,
        }
    }

    /// Other rights are in force.
    pub(super) fn review_pen(&mut self, write: Write, now: Instant) {
        let before = std::mem::replace(&mut self.write, write);
        let keeps = |id| self.clients.get(id).is_some_and(|client| self.is_writer(client));
        if before != write || !self.pen.holder.is_some_and(|holder| keeps(holder.id)) {
            self.pen.holder = None;
        }
        self.free_pen(now);
    }

    /// The client sent data that it may not send. It is notified once, if its protocol has room for words, and never in
    /// the middle of a line; the log has it once for each time that a client holds the pen.
    pub(super) fn refuse_data(&mut self, id: ClientId, len: usize) {
        let holder = self.pen.holder.map(|holder| holder.id);
        let Some(client) = self.clients.get(id) else { return };
        let event = match holder {
            Some(holder) if self.is_writer(client) => (Some(self.pen.holds), Event::PenRefused(id, holder)),
            _ => (None, Event::WriteRefused(id)),
        };
        let client = &mut self.clients[id];
        client.counters.refused += len as u64;
        self.counters.tx_refused += len as u64;
        if client.refused_in.replace(event.0) != Some(event.0) {
            self.events.push_back(event.1);
        }
        if client.refusal == RefusalNotice::Untold {
            client.refusal = RefusalNotice::Owed;
            client.tell_of_refusal();
        }
    }
}
