//! The hub's way from the ring to the clients.

use std::time::Instant;

use sermux_protocol::session::Session;

use super::client::RefusalNotice;
use super::{earlier, Client, ClientId, CloseReason, Event, Feed, Hub, SocketQueue};

/// What is escaped for one write: as much as a tty hands out in a few reads.
const ESCAPED: usize = 16 * 1024;

/// What of the line goes to a client next.
enum NextPiece {
    /// These offsets of the ring.
    Bytes { from: u64, to: u64 },
    /// What is left of a frame that its socket took in part.
    Rest,
}

impl Hub {
    /// What goes to this client next, in pieces that belong into one write: first what did not come from the line.
    /// `None` when there is nothing.
    ///
    /// `queue` is asked, at most once, only when it matters: before a frame is handed to a socket that had one.
    pub fn to_send(&mut self, id: ClientId, now: Instant, queue: impl FnOnce() -> SocketQueue) -> Option<[&[u8]; 3]> {
        self.escaped_len = 0;
        let piece = self.next_piece(id, now, queue);
        let client = self.clients.get(id)?;
        let outbox = client.session.outbox();
        let [first, second] = match piece {
            Some(NextPiece::Bytes { from, to }) => self.ring.slices(from, to),
            Some(NextPiece::Rest) => match &client.feed {
                Feed::Frames(feed) => [feed.rest(), &[]],
                Feed::Bytes { .. } | Feed::Nothing => [&[][..], &[]],
            },
            None if outbox.is_empty() || client.is_deaf() => return None,
            None => return Some([outbox, &[], &[]]),
        };
        if client.session.needs_escape(first) || client.session.needs_escape(second) {
            self.escaped_len = escape_into(&mut self.escaped, &client.session, [first, second]);
            return Some([outbox, &self.escaped[..self.escaped_len], &[]]);
        }
        Some([outbox, first, second])
    }

    /// What of the line goes to this client next.
    fn next_piece(&mut self, id: ClientId, now: Instant, queue: impl FnOnce() -> SocketQueue) -> Option<NextPiece> {
        let client = self.clients.get_mut(id)?;
        if client.is_deaf() || client.session.is_suspended() {
            return None;
        }
        let feed = match &mut client.feed {
            Feed::Bytes { cursor } => {
                let to = self.release.released().min(client.ends_at);
                return (*cursor < to).then_some(NextPiece::Bytes { from: *cursor, to });
            }
            Feed::Nothing => return None,
            Feed::Frames(feed) => feed,
        };
        if !feed.rest().is_empty() {
            return Some(NextPiece::Rest);
        }
        let frames = self.release.telegrams()?;
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
        Some(NextPiece::Bytes { from: frame.start, to: frame.end })
    }

    /// The socket took the first `n` bytes of [`Hub::to_send`].
    pub fn sent(&mut self, id: ClientId, n: usize, now: Instant) {
        let Some(client) = self.clients.get_mut(id) else { return };
        client.active = now;
        let of_outbox = n.min(client.session.outbox().len());
        if of_outbox > 0 {
            client.session.outbox_taken(of_outbox);
        }
        let n = match n - of_outbox {
            0 => return,
            n if self.escaped_len > 0 => client.session.escaped_taken(&self.escaped[..n]),
            n => n,
        };
        client.counters.sent += n as u64;
        let mut ends = false;
        let caught_up = match &mut client.feed {
            Feed::Nothing => true,
            Feed::Bytes { cursor } => {
                *cursor = (*cursor + n as u64).min(self.release.released());
                if *cursor == self.release.released() {
                    client.whole_at = *cursor;
                }
                let caught_up = *cursor == self.release.released();
                ends = *cursor == client.ends_at;
                if n > 0 && client.session.shows_text() {
                    client.mid_line = self.ring.slices(*cursor - 1, *cursor)[0] != b"\n";
                }
                caught_up
            }
            Feed::Frames(feed) => {
                let Some(frames) = self.release.telegrams() else { return };
                feed.freshness.wrote(n);
                if feed.rest().is_empty() {
                    let Some(frame) = frames.held(feed.next) else { return };
                    feed.next += 1;
                    if (n as u64) < frame.end - frame.start {
                        let rest = self.ring.slices(frame.start + n as u64, frame.end).concat();
                        feed.keep_rest(rest, self.arrivals.came(frame.start));
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
        if client.refusal == RefusalNotice::Owed {
            client.tell_of_refusal();
        }
        if ends {
            return self.close(id, CloseReason::DeviceEnds);
        }
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

/// Fills `escaped` with as much of both pieces as fits; returns how much that is.
fn escape_into(escaped: &mut Vec<u8>, session: &Session, pieces: [&[u8]; 2]) -> usize {
    escaped.resize(ESCAPED, 0);
    let mut filled = 0;
    for piece in pieces {
        let (taken, written) = session.escape(piece, &mut escaped[filled..]);
        filled += written;
        if taken < piece.len() {
            break;
        }
    }
    filled
}
