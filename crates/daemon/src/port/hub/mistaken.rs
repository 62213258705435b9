//! Detects clients that speak another protocol than their listener.

use sermux_protocol::session::Speaks;

use super::{ClientId, Event, Hub};

impl Hub {
    /// How many clients of this listener seemed to speak something else than it does.
    #[must_use]
    pub fn mistaken(&self, listener: usize) -> u64 {
        self.mistaken.get(&listener).copied().unwrap_or(0)
    }

    /// The client seems to speak this, which its listener does not. It is only said: it may be mistaken for it.
    pub(super) fn is_mistaken(&mut self, id: ClientId, speaks: Speaks) {
        let Some(client) = self.clients.get_mut(id) else { return };
        if std::mem::replace(&mut client.is_mistaken, true) {
            return;
        }
        let count = self.mistaken.entry(client.listener).or_default();
        *count += 1;
        if *count == 1 {
            self.events.push_back(Event::WrongProtocol(id, speaks));
        }
    }

    /// Counts what could not be used of what a client has sent.
    pub(super) fn count_unusable(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(id) else { return };
        let (unusable, speaks) = (client.session.counters(), client.session.seems_to_speak());
        client.counters.unknown_commands = unusable.unknown_commands;
        let before = std::mem::replace(&mut client.counters.dropped_subnegotiations, unusable.dropped_subnegotiations);
        if before == 0 && unusable.dropped_subnegotiations > 0 {
            self.events.push_back(Event::SubnegotiationDropped(id));
        }
        if let Some(speaks) = speaks {
            self.is_mistaken(id, speaks);
        }
    }
}
