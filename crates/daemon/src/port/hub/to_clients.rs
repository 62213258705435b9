//! The hub's way from the ring to the clients.

use std::time::Instant;

use super::{earlier, Client, ClientId, Event, Feed, Hub, SocketQueue};

impl Hub {
    /// What goes to this client next, in at most two pieces that belong into one write; `None` when there is nothing.
    ///
    /// `queue` is asked, at most once, only when it matters: before a frame is handed to a socket that had one.
    pub fn to_send(&mut self, id: ClientId, now: Instant, queue: impl FnOnce() -> SocketQueue) -> Option<[&[u8]; 2]> {
        let client = self.clients.get_mut(id)?;
        if client.closing {
            return None;
        }
        let feed = match &mut client.feed {
            Feed::Bytes { cursor } if *cursor < self.released => {
                return Some(self.ring.slices(*cursor, self.released));
            }
            Feed::Bytes { .. } => return None,
            Feed::Frames(feed) => feed,
        };
        if !feed.rest().is_empty() {
            return Some([feed.rest(), &[]]);
        }
        let frames = self.frames.as_ref()?;
        let newest = frames.seen().checked_sub(1).filter(|newest| feed.next <= *newest)?;
        let had_one = client.counters.sent > 0;
        if had_one && !feed.freshness.is_clear(queue(), now) {
            feed.behind = true;
            if let Some(at) = feed.freshness.look_at() {
                self.wake_at = earlier(self.wake_at, at);
            }
            return None;
        }
        let wanted = if feed.behind { newest } else { feed.next.max(frames.first_held()) };
        feed.in_order = wanted == feed.next && !feed.behind;
        if wanted > feed.next {
            client.counters.skipped_frames += wanted - feed.next;
            feed.next = wanted;
            if !client.in_gap {
                client.in_gap = true;
                self.events.push_back(Event::GapBegan(id));
            }
        }
        let frame = frames.held(wanted)?;
        Some(self.ring.slices(frame.start, frame.end))
    }

    /// The socket took the first `n` bytes of [`Hub::to_send`].
    pub fn sent(&mut self, id: ClientId, n: usize) {
        let Some(client) = self.clients.get_mut(id) else { return };
        client.counters.sent += n as u64;
        let caught_up = match &mut client.feed {
            Feed::Bytes { cursor } => {
                *cursor = (*cursor + n as u64).min(self.released);
                *cursor == self.released
            }
            Feed::Frames(feed) => {
                let Some(frames) = &self.frames else { return };
                feed.freshness.wrote(n);
                if feed.rest().is_empty() {
                    let Some(frame) = frames.held(feed.next) else { return };
                    feed.next += 1;
                    if (n as u64) < frame.end - frame.start {
                        feed.keep_rest(self.ring.slices(frame.start + n as u64, frame.end).concat());
                    }
                } else {
                    feed.advance_rest(n);
                }
                let caught_up = feed.rest().is_empty() && feed.next == frames.seen();
                feed.behind &= !caught_up;
                // One frame without a hitch ends a gap: a reader that is always a little too slow has one long gap.
                caught_up && feed.in_order
            }
        };
        if caught_up && client.in_gap {
            client.in_gap = false;
            self.events.push_back(Event::GapEnded(id));
        }
    }

    /// The socket takes nothing for now; the driver comes again when it does.
    pub fn blocked(&mut self, id: ClientId) {
        if let Some(Client { feed: Feed::Frames(feed), .. }) = self.clients.get_mut(id) {
            feed.behind = true;
        }
    }
}
