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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sermux_port_config::config::load::load_str;
    use sermux_protocol::session::Session;

    use super::*;
    use crate::line::{Operation, Snapshot};

    const AT_300: &str = "ports: { p: { device: sim:echo, line: 9600 8N1, half-close: 0s, \
                          listen: [{ protocol: raw, address: 0, line: 300 8N1 }] } }";

    /// A client of a listener at 300 baud has sent so much and left; what the line is to do then, with how much it has taken of
    /// that before each of these times, in seconds.
    fn restored_after(sent: usize, takes: &[(u64, usize)]) -> (Option<Operation>, u64) {
        let port = load_str("x.yaml", AT_300).unwrap().config.ports.remove("p").unwrap();
        let (mut hub, start) = (Hub::new(&port), Instant::now());
        let mut snapshot = Snapshot { settings: port.line.settings, ..Snapshot::default() };
        hub.line_opened(true, &snapshot, start);
        let id = hub.connect((0, &port.listen[0]), Session::raw(), b"", start).unwrap();
        hub.drive_requests(start);
        hub.unsent(0, start);
        hub.drive_requests(start + Duration::from_millis(2));
        snapshot.settings = "300 8N1".parse().unwrap();
        assert_eq!(hub.poll_start().unwrap().operation, Operation::Configure(snapshot.settings));
        hub.operation_done(Some((&snapshot, true)), start);
        hub.input(id, &vec![b'x'; sent], start);
        hub.disconnect(id, 0, start);
        for (at, takes) in takes {
            let now = start + Duration::from_secs(*at);
            if hub.deadline().is_some_and(|at| at <= now) {
                hub.handle_timeout(now);
            }
            hub.drive_requests(now);
            if let Some(start) = hub.poll_start() {
                return (Some(start.operation), hub.counters().tx_discarded);
            }
            assert!(hub.tx_front().len() >= *takes, "discarded after {at} s");
            hub.tx_written(*takes, now);
            hub.unsent(0, now);
        }
        (None, hub.counters().tx_discarded)
    }

    #[test]
    fn what_a_client_sent_at_300_baud_goes_out_before_the_line_goes_back_to_its_own_rate() {
        // A driver of 4 KiB takes more when it has sent some hundred characters.
        let slowly: Vec<(u64, usize)> = (1..=20).map(|nth| (16 * nth, 256)).collect();
        assert_eq!(restored_after(256 * 20, &slowly), (None, 0));
        let all = [slowly, vec![(330, 0)]].concat();
        assert_eq!(restored_after(256 * 20, &all), (Some(Operation::Configure("9600 8N1".parse().unwrap())), 0));
    }

    #[test]
    fn a_line_that_takes_nothing_goes_back_in_the_end() {
        let stuck = [(1, 256), (10, 0), (30, 0), (60, 0)];
        let (operation, discarded) = restored_after(512, &stuck);
        assert_eq!((operation.is_some(), discarded), (true, 256));
    }
}
