//! The hub's way from the line into the ring: room for what comes, `on-lag`, release.

use std::time::Instant;

use sermux_port_config::config::OnLag;

use super::{Client, ClientId, CloseReason, Event, Feed, Frames, Hub, RX_ROOM};

impl Hub {
    /// Room for what the line has, or `None` if it must wait.
    ///
    /// Here `on-lag` applies to clients that are behind by the whole backlog.
    pub fn rx_space(&mut self) -> Option<&mut [u8]> {
        let ready = !self.draining
            && if self.has_telegrams() { self.make_room_for_frames() } else { self.make_room_for_bytes() };
        if !ready {
            return None;
        }
        self.ring.rewind();
        Some(self.ring.spare())
    }

    fn make_room_for_bytes(&mut self) -> bool {
        let head = self.ring.head();
        let (slowest, fastest) = self.cursors();
        let waits = self.line_waits;
        let half = self.ring.capacity() as u64 / 2;
        if waits && fastest.is_some_and(|cursor| head - cursor > half) {
            return false;
        }
        let room = RX_ROOM.min(self.ring.capacity() / 4) as u64;
        // Clients before this offset stand in the way.
        let needed = (head + room).saturating_sub(self.ring.capacity() as u64);
        let slowest = slowest.unwrap_or(self.release.released().min(head));
        let slowest = if slowest >= needed {
            slowest
        } else {
            return self.settle_lag(needed);
        };
        self.release_to(slowest, needed);
        true
    }

    /// Lets `on-lag` speak for every client before `needed`. False: one of them holds the line.
    fn settle_lag(&mut self, needed: u64) -> bool {
        let behind = |c: &Client| matches!(c.feed, Feed::Bytes { cursor } if cursor < needed) && !c.is_deaf();
        if self.clients.iter().any(|(_, c)| behind(c) && c.terms.on_lag == OnLag::Hold) {
            return false;
        }
        let ids: Vec<ClientId> = self.clients.iter().filter(|(_, c)| behind(c)).map(|(id, _)| id).collect();
        for id in ids {
            match self.clients[id].terms.on_lag {
                OnLag::Disconnect | OnLag::Hold => self.close(id, CloseReason::Lagged),
                OnLag::Skip => self.skip_to_newest(id),
            }
        }
        let slowest = self.cursors().0.unwrap_or(self.release.released());
        self.release_to(slowest, needed);
        true
    }

    /// Gives up what nobody needs: neither the slowest client, nor one to come. Of that only what is not in the way.
    fn release_to(&mut self, slowest: u64, needed: u64) {
        let history = self.ring.head().saturating_sub(self.history.bytes);
        let tail = slowest.min(self.release.released()).min(history);
        let Some(cutter) = self.release.cutter_mut() else { return self.ring.release_to(tail) };
        self.ring.release_to(tail.min(cutter.history_from().max(needed)));
        cutter.forget_before(self.ring.tail());
    }

    fn skip_to_newest(&mut self, id: ClientId) {
        let client = &mut self.clients[id];
        let Feed::Bytes { cursor } = &mut client.feed else {
            return;
        };
        let mut lost_from = *cursor;
        *cursor = self.release.released();
        if let Some(cutter) = self.release.cutter() {
            if client.whole_at != lost_from {
                // A frame that it has in part is finished first.
                let end = cutter.end_from(lost_from);
                client.session.say(&self.ring.slices(lost_from, end).concat());
                client.counters.sent += end - lost_from;
                lost_from = end;
            }
            client.whole_at = self.release.released();
        }
        client.counters.gap += self.release.released() - lost_from;
        if client.ends_at <= self.release.released() {
            return self.close(id, CloseReason::DeviceEnds);
        }
        if !client.in_gap {
            client.in_gap = true;
            self.events.push_back(Event::GapBegan(id));
        }
    }

    /// The cursors of the slowest and of the fastest client.
    fn cursors(&self) -> (Option<u64>, Option<u64>) {
        let cursors = self.clients.iter().filter_map(|(_, c)| match c.feed {
            Feed::Bytes { cursor } if !c.is_deaf() => Some(cursor),
            _ => None,
        });
        cursors.fold((None, None), |(low, high), cursor| {
            (Some(low.map_or(cursor, |low: u64| low.min(cursor))), high.max(Some(cursor)))
        })
    }

    /// A reader of frames never holds the ring: what it got in part is kept beside it, and when it is behind only the
    /// newest frame counts.
    fn make_room_for_frames(&mut self) -> bool {
        let Some(frames) = self.release.telegrams_mut() else {
            return false;
        };
        let seen = frames.seen();
        let needed = self.clients.iter().filter_map(|(_, c)| match &c.feed {
            Feed::Frames(feed) if !c.is_deaf() && feed.next < seen => {
                Some(if feed.behind { seen - 1 } else { feed.next })
            }
            _ => None,
        });
        let history = seen.saturating_sub(self.history.frames);
        frames.forget_before(needed.min().unwrap_or(seen).min(history));
        let head = self.ring.head();
        self.ring.release_to(frames.tail(head));
        // More frames came in one go than the ring holds beside what is on its way.
        while self.ring.free() < RX_ROOM && frames.count_held() > 1 {
            frames.forget_oldest();
            self.ring.release_to(frames.tail(head));
        }
        true
    }

    /// The first `n` bytes of [`Hub::rx_space`] came from the line.
    pub fn received(&mut self, n: usize, now: Instant) {
        let from = self.ring.head();
        self.ring.commit(n);
        self.arrivals.push(self.ring.tail(), self.ring.head(), self.ring.capacity(), now);
        self.counters.rx += n as u64;
        self.last_rx = Some(now);
        self.release.push(&self.ring, from, now, &mut self.events);
        if self.looks_for_ends {
            self.look_for_ends(from);
        }
        self.heard(now);
    }

    /// The line was read empty: from now on silence counts.
    pub fn rx_drained(&mut self) {
        self.release.read_empty();
    }

    /// Releases what has waited for long enough, and ends or gives up a frame that is only partly here, if silence has lasted
    /// long enough.
    pub(super) fn release_after_silence(&mut self, now: Instant) {
        let seen = self.release.telegrams().map(Frames::seen);
        self.release.handle_timeout(&self.ring, now, &mut self.events);
        if self.release.telegrams().map(Frames::seen) > seen {
            self.heard(now);
        }
    }

    /// Releases what there is: no more of what is only partly here comes. Whether clients get something.
    pub(super) fn release_unfinished(&mut self) -> bool {
        self.release.finish(&self.ring, &mut self.events)
    }
}
