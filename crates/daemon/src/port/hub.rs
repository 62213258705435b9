//! The heart of a port: every decision about its bytes, its clients and its timers; no socket, no file, no clock.
//!
//! The driver tells the hub what happened and carries out what the hub gives:
//!
//! 1. The line is readable: [`Hub::rx_space`] gives room or says that the line must wait, the driver reads into it and
//!    calls [`Hub::received`], and [`Hub::rx_drained`] once the line was read empty.
//! 2. Then, and whenever a socket is writable: [`Hub::to_send`] until it gives nothing or the socket takes no more,
//!    with [`Hub::sent`] and [`Hub::blocked`].
//! 3. A socket is readable: while [`Hub::wants_input`], one read of at most [`BLOCK`] bytes into [`Hub::input`].
//! 4. [`Hub::tx_front`] goes to the line, [`Hub::tx_written`] says how much of it went.
//! 5. [`Hub::poll_event`] until it gives nothing: who is to be closed, and what is worth a line in the log.
//! 6. [`Hub::deadline`] is when [`Hub::handle_timeout`] wants to be called.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sermux_port_config::config::{Access, Frame as Framing, OnLag, Port, Write};
use sermux_protocol::frame::p1::P1Counters;
use sermux_protocol::session::Session;
use slab::Slab;

pub use super::client::{Admission, ClientCounters, ClientId};
use super::client::{Client, Feed, FrameFeed, Input};
pub use super::event::{CloseReason, Event, Full, PortCounters};
use super::frames::Frames;
pub use super::freshness::SocketQueue;
use super::ring::Ring;
use super::tx_queue::TxQueue;
pub use super::tx_queue::BLOCK;

/// The line is read only with so much room: what a tty hands out in one go.
const RX_ROOM: usize = 4096;

/// A client that half-closed is closed after this even if the line has not taken its bytes.
const LEAVING_LIMIT: Duration = Duration::from_secs(10);

/// What the hub knows of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LineState {
    /// Not open yet, but about to be: what clients send waits.
    Expected,
    /// Open. `waits`: its far end waits without loss while nobody reads.
    Open { waits: bool },
    /// Not there: what clients send is thrown away and counted.
    Gone,
}

/// One port's decisions.
#[derive(Debug)]
pub struct Hub {
    write: Write,
    gather: Duration,
    ring: Ring,
    /// Bytes before this may go to clients that take bytes.
    released: u64,
    gather_due: Option<Instant>,
    /// The frames among the bytes, on a port that has frames.
    frames: Option<Frames>,
    clients: Slab<Client>,
    leaving: usize,
    tx: TxQueue,
    line: LineState,
    draining: bool,
    wake_at: Option<Instant>,
    events: VecDeque<Event>,
    counters: PortCounters,
}

impl Hub {
    /// The hub of a port that has no clients and whose line is about to be opened.
    #[must_use]
    pub fn new(port: &Port) -> Self {
        Self {
            write: port.write,
            gather: port.gather,
            ring: Ring::new(port.backlog),
            released: 0,
            gather_due: None,
            frames: match port.frame {
                Framing::None => None,
                Framing::Dsmr => Some(Frames::new(port.crc)),
            },
            clients: Slab::new(),
            leaving: 0,
            tx: TxQueue::new(&port.line.settings),
            line: LineState::Expected,
            draining: false,
            wake_at: None,
            events: VecDeque::new(),
            counters: PortCounters::default(),
        }
    }

    /// Whether clients get whole frames.
    #[must_use]
    pub fn is_framed(&self) -> bool {
        self.frames.is_some()
    }

    /// How many clients there are.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// What happened so far.
    #[must_use]
    pub fn counters(&self) -> PortCounters {
        self.counters
    }

    /// What the framer of a port with `frame: dsmr` has counted.
    #[must_use]
    pub fn p1_counters(&self) -> Option<P1Counters> {
        self.frames.as_ref().map(Frames::counters)
    }

    // ---- clients come and go -------------------------------------------------------------------------------------

    /// A new client. It begins with the next byte or frame that comes.
    ///
    /// When its listener is full, the longest-standing half-closed reader makes room: nobody can tell whether it still
    /// listens or is long gone.
    pub fn connect(&mut self, admission: Admission, now: Instant) -> Result<ClientId, Full> {
        let of_listener = |c: &&Client| c.admission.listener == admission.listener && !c.closing;
        let clients = self.clients.iter().map(|(_, c)| c).filter(of_listener).count();
        if clients >= admission.max_clients && !self.displace(admission.listener) {
            return Err(Full { clients, max_clients: admission.max_clients });
        }
        let feed = match &self.frames {
            None => Feed::Bytes { cursor: self.ring.head() },
            Some(frames) => Feed::Frames(FrameFeed::new(frames.seen(), now)),
        };
        self.counters.clients += 1;
        Ok(self.clients.insert(Client::new(admission, feed)))
    }

    /// A client was turned away.
    pub fn refused(&mut self) {
        self.counters.refused += 1;
    }

    fn displace(&mut self, listener: usize) -> bool {
        let oldest = self
            .clients
            .iter()
            .filter(|(_, c)| c.admission.listener == listener && !c.closing)
            .filter_map(|(id, c)| match c.input {
                Input::Closed { since } => Some((since, id)),
                _ => None,
            })
            .min();
        let Some((_, id)) = oldest else { return false };
        self.close(id, CloseReason::Displaced);
        true
    }

    /// The client's connection is closed; its key may be given out again.
    pub fn disconnect(&mut self, id: ClientId) -> Option<ClientCounters> {
        let client = self.clients.try_remove(id)?;
        if matches!(client.input, Input::Leaving { .. }) {
            self.leaving -= 1;
        }
        Some(client.counters)
    }

    /// What happened with one client so far.
    #[must_use]
    pub fn client_counters(&self, id: ClientId) -> Option<ClientCounters> {
        Some(self.clients.get(id)?.counters)
    }

    fn close(&mut self, id: ClientId, reason: CloseReason) {
        if let Some(client) = self.clients.get_mut(id).filter(|c| !c.closing) {
            client.closing = true;
            self.events.push_back(Event::Close(id, reason));
        }
    }

    // ---- from the line -------------------------------------------------------------------------------------------

    /// Room for what the line has, or `None` if it must wait.
    ///
    /// Whoever stands in the way of the newest bytes by the whole backlog meets its `on-lag` here.
    pub fn rx_space(&mut self) -> Option<&mut [u8]> {
        let ready =
            !self.draining && if self.is_framed() { self.make_room_for_frames() } else { self.make_room_for_bytes() };
        if !ready {
            return None;
        }
        self.ring.rewind();
        Some(self.ring.spare())
    }

    fn make_room_for_bytes(&mut self) -> bool {
        let head = self.ring.head();
        let (slowest, fastest) = self.cursors();
        let waits = matches!(self.line, LineState::Open { waits: true });
        let half = self.ring.capacity() as u64 / 2;
        if waits && fastest.is_some_and(|cursor| head - cursor > half) {
            return false;
        }
        let room = RX_ROOM.min(self.ring.capacity() / 4) as u64;
        // Clients before this offset stand in the way.
        let needed = (head + room).saturating_sub(self.ring.capacity() as u64);
        let slowest = slowest.unwrap_or(self.released.min(head));
        let slowest = if slowest >= needed {
            slowest
        } else {
            return self.settle_lag(needed);
        };
        self.ring.release_to(slowest.min(self.released));
        true
    }

    /// Lets `on-lag` speak for every client before `needed`. False: one of them holds the line.
    fn settle_lag(&mut self, needed: u64) -> bool {
        let behind = |c: &Client| matches!(c.feed, Feed::Bytes { cursor } if cursor < needed) && !c.closing;
        if self.clients.iter().any(|(_, c)| behind(c) && c.admission.on_lag == OnLag::Hold) {
            return false;
        }
        let ids: Vec<ClientId> = self.clients.iter().filter(|(_, c)| behind(c)).map(|(id, _)| id).collect();
        for id in ids {
            match self.clients[id].admission.on_lag {
                OnLag::Disconnect | OnLag::Hold => self.close(id, CloseReason::Lagged),
                OnLag::Skip => self.skip_to_newest(id),
            }
        }
        let slowest = self.cursors().0.unwrap_or(self.released);
        self.ring.release_to(slowest.min(self.released));
        true
    }

    fn skip_to_newest(&mut self, id: ClientId) {
        let client = &mut self.clients[id];
        let Feed::Bytes { cursor } = &mut client.feed else {
            return;
        };
        client.counters.gap += self.released - *cursor;
        *cursor = self.released;
        if !client.in_gap {
            client.in_gap = true;
            self.events.push_back(Event::GapBegan(id));
        }
    }

    /// The cursors of the slowest and of the fastest client.
    fn cursors(&self) -> (Option<u64>, Option<u64>) {
        let cursors = self.clients.iter().filter_map(|(_, c)| match c.feed {
            Feed::Bytes { cursor } if !c.closing => Some(cursor),
            _ => None,
        });
        cursors.fold((None, None), |(low, high), cursor| {
            (Some(low.map_or(cursor, |low: u64| low.min(cursor))), high.max(Some(cursor)))
        })
    }

    /// A reader of frames never holds the ring: what it got in part is kept beside it, and when it is behind only the
    /// newest frame counts.
    fn make_room_for_frames(&mut self) -> bool {
        let Some(frames) = self.frames.as_mut() else {
            return false;
        };
        let seen = frames.seen();
        let needed = self.clients.iter().filter_map(|(_, c)| match &c.feed {
            Feed::Frames(feed) if !c.closing && feed.next < seen => {
                Some(if feed.behind { seen - 1 } else { feed.next })
            }
            _ => None,
        });
        frames.forget_before(needed.min().unwrap_or(seen));
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
        let to = self.ring.head();
        self.counters.rx += n as u64;
        match self.frames.as_mut() {
            Some(frames) => {
                let mut at = from;
                for chunk in self.ring.slices(from, to) {
                    frames.push(chunk, at, now, &mut self.events);
                    at += chunk.len() as u64;
                }
                self.released = to;
            }
            None if self.gather.is_zero() => self.released = to,
            None => {
                // No gathering beyond a quarter of the backlog: what waits must not become what is in the way.
                if to - self.released > self.ring.capacity() as u64 / 4 {
                    self.release_gathered();
                } else if self.gather_due.is_none() {
                    let due = now + self.gather;
                    self.gather_due = Some(due);
                    self.wake(due);
                }
            }
        }
    }

    /// The line was read empty: from now on silence counts.
    pub fn rx_drained(&mut self) {
        if let Some(at) = self.frames.as_ref().and_then(Frames::deadline) {
            self.wake(at);
        }
    }

    fn release_gathered(&mut self) {
        self.released = self.ring.head();
        self.gather_due = None;
    }

    // ---- to the clients ------------------------------------------------------------------------------------------

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

    // ---- from the clients ----------------------------------------------------------------------------------------

    /// Whether this client should be read now.
    #[must_use]
    pub fn wants_input(&self, id: ClientId) -> bool {
        let Some(client) = self.clients.get(id) else {
            return false;
        };
        let takes = self.line == LineState::Gone || !self.may_write(client) || self.tx.has_room();
        client.input == Input::Open && !client.closing && !self.draining && takes
    }

    fn may_write(&self, client: &Client) -> bool {
        self.write == Write::Any && client.admission.access >= Access::ReadWrite
    }

    /// One read of this client returned `bytes`: at most [`BLOCK`], and only after [`Hub::wants_input`].
    pub fn input(&mut self, id: ClientId, bytes: &[u8]) {
        let Some(client) = self.clients.get(id) else { return };
        let may_write = self.may_write(client);
        let client = &mut self.clients[id];
        let first_refused = client.counters.refused == 0;
        client.counters.received += bytes.len() as u64;
        // No listener has telnet clients.
        let Session::Raw = client.session else { return };
        let data = bytes;
        if !may_write {
            client.counters.refused += data.len() as u64;
            if first_refused && !data.is_empty() {
                self.events.push_back(Event::WriteRefused(id));
            }
        } else if self.line == LineState::Gone {
            client.counters.refused += data.len() as u64;
            self.counters.tx_lost += data.len() as u64;
        } else {
            self.tx.push(data);
        }
    }

    /// The client sends no more (it shut down that direction, or closed: TCP does not tell them apart).
    pub fn half_closed(&mut self, id: ClientId, now: Instant) {
        let Some(client) = self.clients.get(id) else { return };
        let stays = client.counters.received == 0 || !self.may_write(client);
        let client = &mut self.clients[id];
        if client.input != Input::Open {
            return;
        }
        if stays {
            client.input = Input::Closed { since: now };
            return;
        }
        client.input = Input::Leaving { after: self.tx.end(), at: None, deadline: now + LEAVING_LIMIT };
        self.leaving += 1;
        self.see_off(now);
    }

    // ---- to the line ---------------------------------------------------------------------------------------------

    /// What goes to the line next; empty when there is nothing.
    #[must_use]
    pub fn tx_front(&self) -> &[u8] {
        self.tx.front()
    }

    /// The line took the first `n` bytes of [`Hub::tx_front`].
    pub fn tx_written(&mut self, n: usize, now: Instant) {
        self.tx.advance(n);
        self.counters.tx += n as u64;
        self.see_off(now);
    }

    /// The line is open. `waits`: its far end waits without loss while nobody reads.
    pub fn line_opened(&mut self, waits: bool) {
        self.line = LineState::Open { waits };
    }

    /// The line is not there, or is gone: what was on its way is lost in both directions, and counted.
    pub fn line_gone(&mut self, now: Instant) {
        self.line = LineState::Gone;
        self.counters.tx_lost += self.tx.purge() as u64;
        if let Some(frames) = self.frames.as_mut() {
            frames.reset();
        }
        if self.gather_due.is_some() {
            self.release_gathered();
        }
        self.see_off(now);
    }

    /// Closes the leaving clients whose bytes the line took a while ago.
    fn see_off(&mut self, now: Instant) {
        if self.leaving == 0 {
            return;
        }
        let taken = self.tx.taken();
        let mut due = Vec::new();
        for (id, client) in &mut self.clients {
            if let Some(at) = client.leaves_at(taken, now) {
                if at <= now {
                    due.push(id);
                } else {
                    self.wake_at = earlier(self.wake_at, at);
                }
            }
        }
        for id in due {
            self.close(id, CloseReason::Left);
        }
    }

    // ---- time and the end ----------------------------------------------------------------------------------------

    /// When [`Hub::handle_timeout`] wants to be called; it may turn out that nothing was to be done.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.wake_at
    }

    /// The deadline has passed. Afterwards every client may have something to be sent.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.wake_at = None;
        match self.gather_due {
            Some(due) if due <= now => self.release_gathered(),
            Some(due) => self.wake(due),
            None => {}
        }
        if let Some(frames) = self.frames.as_mut() {
            frames.handle_timeout(now);
            self.wake_at = self.wake_at.into_iter().chain(frames.deadline()).min();
        }
        for (_, client) in &self.clients {
            if let Feed::Frames(FrameFeed { freshness, behind: true, .. }) = &client.feed {
                if let Some(at) = freshness.look_at().filter(|at| *at > now) {
                    self.wake_at = earlier(self.wake_at, at);
                }
            }
        }
        self.see_off(now);
    }

    fn wake(&mut self, at: Instant) {
        self.wake_at = earlier(self.wake_at, at);
    }

    /// The next thing to be done or said.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The port ends: nothing more is taken in from either side, and what is held goes out.
    pub fn drain(&mut self) {
        self.draining = true;
        if self.gather_due.is_some() {
            self.release_gathered();
        }
    }

    /// Whether everything that is held has gone out, as far as this client is concerned.
    #[must_use]
    pub fn is_drained(&self, id: ClientId) -> bool {
        self.clients.get(id).is_none_or(|client| {
            client.closing
                || match &client.feed {
                    Feed::Bytes { cursor } => *cursor >= self.released,
                    Feed::Frames(feed) => {
                        feed.rest().is_empty() && self.frames.as_ref().is_none_or(|f| feed.next >= f.seen())
                    }
                }
        })
    }
}

fn earlier(a: Option<Instant>, b: Instant) -> Option<Instant> {
    Some(a.map_or(b, |a| a.min(b)))
}
