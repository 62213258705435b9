//! Applies another configuration while clients stay connected.

use std::sync::Arc;
use std::time::Instant;

use sermux_port_config::config::{Access, Hangup, Listener, Port, Replay};

use super::client::FrameFeed;
use super::{ClientId, CloseReason, Feed, History, Hub};

impl Hub {
    /// The port has another configuration. `terms` gives what a listener, by its key, grants now; `None`: it was
    /// removed, and its clients are disconnected. The line's settings are the line queue's business ([`Hub::ask`]).
    pub fn reconfigure(&mut self, port: &Port, terms: impl Fn(usize) -> Option<Arc<Listener>>, now: Instant) {
        self.history = History::of(port);
        self.ring.set_capacity(port.backlog);
        self.requests.configure(port);
        self.hangs_up = port.modem.hangup == Hangup::Disconnect;
        self.watch_changed = true;
        self.set_framing(port, now);
        self.set_tx_frames(port);
        self.set_expected(port.expect.frame, now);
        let ids: Vec<ClientId> = self.clients.iter().map(|(id, _)| id).collect();
        for id in ids {
            match terms(self.clients[id].listener) {
                Some(terms) => {
                    let before = std::mem::replace(&mut self.clients[id].terms, terms);
                    self.review_feed(id, &before, now);
                }
                None => self.close(id, CloseReason::ListenerGone),
            }
        }
        self.mistaken.retain(|listener, _| terms(*listener).is_some());
        self.review_line(now);
        self.release(now);
        self.review_pen(port.write, now);
        self.refuse_halves();
        for (id, client) in &self.clients {
            self.requests.review(id, client.terms.access, self.is_writer(client));
        }
        self.close_idle(now);
    }

    /// The client may read now, or may not any more, or something else has it disconnected.
    fn review_feed(&mut self, id: ClientId, before: &Listener, now: Instant) {
        let terms = &self.clients[id].terms;
        if terms.close_on != before.close_on {
            self.clients[id].look_for_end();
            self.review_ends();
        }
        let reads = self.clients[id].terms.access != Access::WriteOnly;
        let has_feed = !matches!(self.clients[id].feed, Feed::Nothing);
        if reads == has_feed {
            return;
        }
        let feed = if reads { self.feed(self.begin(Replay::None), now) } else { Feed::Nothing };
        let client = &mut self.clients[id];
        if let Feed::Frames(before) = std::mem::replace(&mut client.feed, feed) {
            // A frame that it has in part is finished first.
            client.session.say(before.rest());
        }
        if let Feed::Bytes { cursor } = client.feed {
            client.whole_at = cursor;
        }
    }

    fn set_framing(&mut self, port: &Port, now: Instant) {
        let settings = self.requests.view().settings;
        self.release.configure(port, &settings, self.history.frames, self.ring.head());
        let released = self.release.released();
        for (_, client) in &mut self.clients {
            match (&client.feed, self.release.telegrams()) {
                (Feed::Bytes { cursor }, Some(frames)) => {
                    // What it has not had of the bytes is cut off, and counted.
                    client.counters.gap += released - cursor;
                    client.feed = Feed::Frames(Box::new(FrameFeed::new(frames.seen(), now)));
                }
                (Feed::Frames(feed), None) => {
                    // A frame that it has in part is finished first.
                    let rest = feed.rest().to_vec();
                    client.session.say(&rest);
                    client.feed = Feed::Bytes { cursor: released };
                }
                (Feed::Bytes { .. }, None) | (Feed::Frames(_), Some(_)) | (Feed::Nothing, _) => {}
            }
        }
    }

    /// Nobody needs the device for now, so it is closed; what the next client sends waits for it.
    pub fn line_at_rest(&mut self, now: Instant) {
        self.line_gone(now);
        self.requests.line_expected();
    }
}
