//! The configuration changes under the clients.

use std::sync::Arc;
use std::time::Instant;

use sermux_port_config::config::{Frame as Framing, Hangup, Listener, Port};

use super::client::FrameFeed;
use super::{ClientId, CloseReason, Cutter, Feed, Frames, History, Hub};

impl Hub {
    /// The port has another configuration. `terms` gives what a listener, by its key, grants now; `None`: it is gone, and
    /// its clients with it. The line's settings are the line queue's business ([`Hub::ask`]).
    pub fn reconfigure(&mut self, port: &Port, terms: impl Fn(usize) -> Option<Arc<Listener>>, now: Instant) {
        self.history = History::of(port);
        self.gather = port.gather;
        if self.gather.is_zero() && self.gather_due.is_some() {
            self.release_gathered();
        }
        self.ring.set_capacity(port.backlog);
        self.requests.configure(port);
        self.hangs_up = port.modem.hangup == Hangup::Disconnect;
        self.watch_changed = true;
        self.set_framing(port, now);
        self.set_cutter(port);
        self.set_tx_frames(port);
        self.set_expected(port.expect.frame, now);
        let ids: Vec<ClientId> = self.clients.iter().map(|(id, _)| id).collect();
        for id in ids {
            match terms(self.clients[id].listener) {
                Some(terms) => self.clients[id].terms = terms,
                None => self.close(id, CloseReason::ListenerGone),
            }
        }
        self.mistaken.retain(|listener, _| terms(*listener).is_some());
        self.release(now);
        self.review_pen(port.write, now);
        self.refuse_halves();
        for (id, client) in &self.clients {
            self.requests.review(id, client.terms.access, self.is_writer(client));
        }
        self.close_idle(now);
    }

    fn set_framing(&mut self, port: &Port, now: Instant) {
        match (&mut self.frames, port.frame) {
            (Some(frames), Framing::Dsmr) => frames.set_crc(port.crc),
            (None, Framing::None | Framing::Line | Framing::Delimiter(_) | Framing::Gap(_)) => {}
            (None, Framing::Dsmr) => {
                let frames = Frames::new(port.crc);
                self.release_gathered();
                for (_, client) in &mut self.clients {
                    // What it has not had of the bytes is cut off, and counted.
                    if let Feed::Bytes { cursor } = client.feed {
                        client.counters.gap += self.released - cursor;
                    }
                    client.feed = Feed::Frames(Box::new(FrameFeed::new(frames.seen(), now)));
                }
                self.frames = Some(Box::new(frames));
            }
            (Some(_), Framing::None | Framing::Line | Framing::Delimiter(_) | Framing::Gap(_)) => {
                self.frames = None;
                self.released = self.ring.head();
                for (_, client) in &mut self.clients {
                    // A frame that it has in part is finished first.
                    if let Feed::Frames(feed) = &client.feed {
                        let rest = feed.rest().to_vec();
                        client.say(&rest);
                    }
                    client.feed = Feed::Bytes { cursor: self.released };
                }
            }
        }
    }

    fn set_cutter(&mut self, port: &Port) {
        match self.cutter.as_mut() {
            Some(cutter) if cutter.is_for(port) => cutter.set_sizes(port.backlog, self.history.frames),
            before => {
                if let Some(before) = before {
                    self.counters.cut_frames += before.cut_frames();
                    self.cut_now();
                }
                let settings = self.requests.view().settings;
                self.cutter = Cutter::of(port, &settings, self.history.frames, self.ring.head()).map(Box::new);
                if self.cutter.is_some() {
                    self.release_gathered();
                }
            }
        }
    }

    /// Nobody needs the device for now, so it is closed; what the next client sends waits for it.
    pub fn line_at_rest(&mut self, now: Instant) {
        self.line_gone(now);
        self.requests.line_expected();
    }
}
