//! Listeners with line settings of their own (`line` on a listener): which clients use the line.
//!
//! All clients connected at one time use listeners with the same settings. sermux sets the line for the first of them, and
//! restores the port's settings after the last one (`on-release`).

use std::sync::Arc;
use std::time::Instant;

use sermux_port_config::config::Listener;
use sermux_port_config::line::LineSettings;

use super::client::{Client, Input};
use super::{ClientId, CloseReason, Hub};

impl Hub {
    /// The client in whose favour a new client of a listener with these terms is refused: it is connected through a listener
    /// with other line settings. A client that has closed its sending side, and of which everything was read, is in nobody's
    /// way.
    #[must_use]
    pub fn line_holder(&self, terms: &Listener) -> Option<ClientId> {
        let wanted = self.line_of(terms);
        let others =
            self.clients.iter().filter(|(_, client)| holds_line(client) && self.line_of(&client.terms) != wanted);
        others.min_by_key(|(_, client)| client.number).map(|(id, _)| id)
    }

    /// The settings that a new client of a listener with these terms finds.
    #[must_use]
    pub fn settings_for(&self, terms: &Listener) -> LineSettings {
        let now = self.view().settings;
        if self.clients.iter().any(|(_, client)| holds_line(client)) {
            return now;
        }
        self.requests.lends(terms.line).unwrap_or(now)
    }

    /// What clients of a listener with these terms have the line set to.
    #[must_use]
    pub fn line_of(&self, terms: &Listener) -> LineSettings {
        terms.line.unwrap_or_else(|| self.requests.configured())
    }

    /// Whether the line has a listener's settings, and not the port's.
    #[must_use]
    pub fn is_lent(&self) -> bool {
        self.requests.is_lent()
    }

    /// This client has just connected: if nobody else has the line, it gets the settings of its listener.
    pub(super) fn lend_line(&mut self, id: ClientId, now: Instant) {
        let terms = Arc::clone(&self.clients[id].terms);
        let wanted = self.line_of(&terms);
        let others = || self.clients.iter().filter(|(other, client)| *other != id && !client.is_deaf());
        if others().any(|(_, client)| holds_line(client)) {
            return;
        }
        let in_the_way = others().filter(|(_, client)| self.line_of(&client.terms) != wanted);
        let in_the_way: Vec<ClientId> = in_the_way.map(|(id, _)| id).collect();
        for other in in_the_way {
            self.part(other, now);
        }
        if self.requests.lend(terms.line, id, self.tx.end(), now) {
            self.wake(now);
        }
    }

    /// A client has left, or has finished what it had for the line: after the last one the line goes back to what it had.
    pub(super) fn end_loan(&mut self, now: Instant) {
        let is_used = |client: &Client| !client.closing && !client.has_finished();
        if !self.requests.is_lent() || self.draining || self.clients.iter().any(|(_, client)| is_used(client)) {
            return;
        }
        if self.requests.end_loan(self.tx.end(), now) {
            self.wake(now);
        }
    }

    /// The configuration has changed: the line is set for the client that was connected first. Those whose listeners have
    /// other settings now are disconnected.
    pub(super) fn review_line(&mut self, now: Instant) {
        let holders = self.clients.iter().filter(|(_, client)| holds_line(client));
        let Some((first, client)) = holders.min_by_key(|(_, client)| client.number) else { return };
        let (line, wanted) = (client.terms.line, self.line_of(&client.terms));
        let others = self.clients.iter().filter(|(_, client)| self.line_of(&client.terms) != wanted);
        let others: Vec<ClientId> = others.map(|(id, _)| id).collect();
        for id in others {
            self.close(id, CloseReason::OtherLine);
        }
        if self.requests.lend(line, first, self.tx.end(), now) {
            self.wake(now);
        }
    }
}

/// Whether nobody may set the line to something else because of this client.
fn holds_line(client: &Client) -> bool {
    !client.is_deaf() && matches!(client.input, Input::Open | Input::Ending { .. })
}
