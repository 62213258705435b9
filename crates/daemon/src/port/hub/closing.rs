//! The text from a device that disconnects its clients (`close-on`).
//!
//! A client gets all up to there and nothing behind it; then it is closed.

use sermux_protocol::frame::delimited::DelimitedFramer;

use super::{Client, ClientId, CloseReason, Hub};

impl Client {
    /// Looks for what its listener says now, in what comes from here on.
    pub(super) fn look_for_end(&mut self) {
        let wanted = self.terms.close_on.as_ref();
        self.closer = wanted.map(|marker| Box::new(DelimitedFramer::new(marker.as_bytes())));
    }
}

impl Hub {
    /// Bytes came, from this offset on.
    pub(super) fn look_for_ends(&mut self, from: u64) {
        let head = self.ring.head();
        for (_, client) in &mut self.clients {
            let Some(closer) = client.closer.as_mut().filter(|_| client.ends_at == u64::MAX) else { continue };
            let (mut at, mut first) = (from, None);
            for chunk in self.ring.slices(from, head) {
                closer.push(chunk, at, |end| _ = first.get_or_insert(end));
                at += chunk.len() as u64;
            }
            client.ends_at = first.unwrap_or(u64::MAX);
        }
        let reached = |client: &Client| client.ends_at <= head && matches!(client.feed, super::Feed::Nothing);
        let them: Vec<ClientId> = self.clients.iter().filter(|(_, client)| reached(client)).map(|(id, _)| id).collect();
        for id in them {
            self.close(id, CloseReason::DeviceEnds);
        }
    }

    /// Whether there are clients that are disconnected by what the device sends.
    pub(super) fn review_ends(&mut self) {
        self.looks_for_ends = self.clients.iter().any(|(_, client)| client.closer.is_some());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use sermux_port_config::config::load::load_str;
    use sermux_port_config::config::Listener;
    use sermux_protocol::session::Session;

    use super::super::test_hub::hub;
    use super::super::{Event, SocketQueue};
    use super::*;

    fn terms() -> Arc<Listener> {
        let yaml = "ports: { p: { device: sim:echo, listen: [{ protocol: raw, address: 0, close-on: 'bye\\n' }] } }";
        Arc::clone(&load_str("x.yaml", yaml).unwrap().config.ports["p"].listen[0])
    }

    fn receive(hub: &mut Hub, bytes: &[u8], now: Instant) {
        hub.rx_space().unwrap()[..bytes.len()].copy_from_slice(bytes);
        hub.received(bytes.len(), now);
    }

    fn send(hub: &mut Hub, id: ClientId, most: usize, now: Instant) -> Vec<u8> {
        let Some(pieces) = hub.to_send(id, now, SocketQueue::default) else { return Vec::new() };
        let all = pieces.concat();
        let n = all.len().min(most);
        hub.sent(id, n, now);
        all[..n].to_vec()
    }

    #[test]
    fn a_client_gets_all_up_to_the_text_and_is_closed_then_however_both_come_in_parts() {
        for at in 1..7 {
            let (mut hub, now) = hub("line: 9600 8N1");
            let id = hub.connect((0, &terms()), Session::raw(), b"", now).unwrap();
            let (first, rest) = b"babye\nmore".split_at(at);
            receive(&mut hub, first, now);
            let mut got = send(&mut hub, id, 2, now);
            receive(&mut hub, rest, now);
            while hub.poll_event().is_none() {
                got.extend(send(&mut hub, id, 3, now));
                assert!(got.len() < 10);
            }
            assert_eq!(got, b"babye\n");
        }
    }

    #[test]
    fn a_client_that_came_after_the_beginning_of_the_text_stays() {
        let (mut hub, now) = hub("line: 9600 8N1");
        receive(&mut hub, b"by", now);
        let id = hub.connect((0, &terms()), Session::raw(), b"", now).unwrap();
        receive(&mut hub, b"e\nbye\n", now);
        assert_eq!(send(&mut hub, id, 99, now), b"e\nbye\n");
        assert!(matches!(hub.poll_event(), Some(Event::Close(_, CloseReason::DeviceEnds))));
    }
}
