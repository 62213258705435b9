//! The heart of a port: every decision about its bytes, its clients and its timers; no socket, no file, no clock.
//!
//! The driver tells the hub what happened and carries out what the hub gives:
//!
//! 1. The line is readable: [`Hub::rx_space`] gives room or says that the line must wait, the driver reads into it and
//!    calls [`Hub::received`], and [`Hub::rx_drained`] once the line was read empty.
//! 2. Then, and whenever a socket is writable: [`Hub::to_send`] until it gives nothing or the socket takes no more,
//!    with [`Hub::sent`] and [`Hub::blocked`].
//! 3. A socket is readable: while [`Hub::wants_input`], one read of at most [`BLOCK`] bytes, or [`Hub::input_room`] if no
//!    other is, into [`Hub::input`].
//! 4. [`Hub::tx_front`] goes to the line, [`Hub::tx_written`] says how much of it went.
//! 5. [`Hub::drive_requests`] moves requests to the line, other than bytes: [`Hub::poll_start`] and
//!    [`Hub::poll_purge`] are operations to be started, [`Hub::operation_done`] and [`Hub::purge_done`] bring their
//!    results, and while [`Hub::awaits_drain`] it wants to hear what has not left the line ([`Hub::unsent`]).
//! 6. [`Hub::poll_event`] until it gives nothing: who is to be closed, and what is worth a line in the log.
//! 7. [`Hub::deadline`] is when [`Hub::handle_timeout`] wants to be called.

mod arrivals;
mod client;
mod client_state;
mod closing;
mod cutter;
mod event;
mod frames;
mod freshness;
mod from_line;
mod garbage;
mod gathered;
mod history;
mod leaving;
mod lending;
mod line_queue;
mod missing;
mod mistaken;
mod pen;
mod quiet;
mod reconfigure;
mod release;
mod requests;
mod ring;
mod stuck;
mod telegram;
#[cfg(test)]
mod test_hub;
mod to_clients;
mod to_line;
mod tx_frames;
mod tx_queue;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use sermux_port_config::config::{Access, Hangup, Listener, OnGone, Port, WhenFull, Write};
use sermux_port_config::signal::LineState;
use sermux_protocol::frame::p1::P1Counters;
use sermux_protocol::session::Session;
use slab::Slab;

use self::arrivals::Arrivals;
use self::client::{Client, Feed, Input};
pub use self::client::{ClientCounters, ClientId, Kept};
pub use self::client_state::ClientState;
pub use self::event::{CloseReason, Event, PortCounters, Refused};
use self::frames::Frames;
pub use self::freshness::SocketQueue;
use self::history::History;
use self::leaving::Departed;
use self::line_queue::{Asker, LineQueue, Presence};
pub use self::line_queue::{Levels, Outcome, RequestCounters, Start};
pub use self::missing::Missing;
use self::pen::Pen;
use self::quiet::Quiet;
use self::release::Release;
use self::ring::Ring;
use self::stuck::Stuck;
pub use self::stuck::{FlowState, StuckReport};
pub use self::telegram::Telegram;
use self::tx_frames::TxFrames;
use self::tx_queue::TxQueue;
pub use self::tx_queue::BLOCK;

/// The line is read only with so much room: what a tty hands out in one go.
const RX_ROOM: usize = 4096;

/// One port's decisions.
#[derive(Debug)]
pub struct Hub {
    /// What clients send is not read before the line is open and the port itself has sent something.
    input_waits: bool,
    /// There are clients that are disconnected by what the device sends (`close-on`).
    looks_for_ends: bool,
    ring: Ring,
    /// When what the ring holds came.
    arrivals: Arrivals,
    /// When the last bytes came from the line.
    last_rx: Option<Instant>,
    release: Release,
    history: History,
    clients: Slab<Client>,
    /// Clients that were given something to be sent that did not come from the line.
    addressed: Vec<ClientId>,
    /// Bytes of the line with each 0xFF doubled, on their way to one telnet client.
    escaped: Vec<u8>,
    /// How many of `escaped` belong to the client it is for; the rest is left as it is, since clearing it costs more than
    /// the escaping.
    escaped_len: usize,
    /// Telnet commands that were taken out of what clients sent.
    commands: u64,
    tx: TxQueue,
    /// What clients have sent of frames for the line, on a port that keeps those whole.
    tx_frames: Option<Box<TxFrames>>,
    write: Write,
    pen: Pen,
    requests: LineQueue,
    /// The far end of the line that is open waits without loss while nobody reads.
    line_waits: bool,
    quiet: Quiet,
    stuck: Stuck,
    /// What the receiver noticed and clients were not notified of, and when they may be.
    noticed: LineState,
    notify_at: Option<Instant>,
    /// Which changes clients want to be notified of may have changed.
    watch_changed: bool,
    /// Clients are disconnected when DCD drops …
    hangs_up: bool,
    /// … if it was raised when it was last looked at, while there was a client.
    carrier: bool,
    draining: bool,
    /// How many clients are on their way out, and when the line last took something while there were some.
    leaving: usize,
    moved_at: Option<Instant>,
    /// Clients that have disconnected and whose bytes are still queued.
    departed: Vec<Departed>,
    /// Clients that seemed to speak something else than their listener, by its key.
    mistaken: BTreeMap<usize, u64>,
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
            pen: Pen::default(),
            history: History::of(port),
            ring: Ring::new(port.backlog),
            arrivals: Arrivals::default(),
            release: Release::of(port, History::of(port).frames),
            tx_frames: TxFrames::of(port),
            clients: Slab::new(),
            leaving: 0,
            moved_at: None,
            departed: Vec::new(),
            tx: TxQueue::new(&port.line.settings),
            requests: LineQueue::new(port),
            commands: 0,
            mistaken: BTreeMap::new(),
            noticed: LineState::default(),
            notify_at: None,
            watch_changed: false,
            looks_for_ends: false,
            addressed: Vec::new(),
            hangs_up: port.modem.hangup == Hangup::Disconnect,
            carrier: false,
            escaped: Vec::new(),
            escaped_len: 0,
            line_waits: false,
            quiet: Quiet::new(port.expect.frame),
            stuck: Stuck::default(),
            last_rx: None,
            draining: false,
            input_waits: false,
            wake_at: None,
            events: VecDeque::new(),
            counters: PortCounters::default(),
        }
    }

    /// Whether clients get whole frames.
    #[must_use]
    pub fn is_framed(&self) -> bool {
        self.release.is_framed()
    }

    /// Whether they are telegrams.
    #[must_use]
    pub fn has_telegrams(&self) -> bool {
        self.release.telegrams().is_some()
    }

    /// How many clients there are.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// What happened so far.
    #[must_use]
    pub fn counters(&self) -> PortCounters {
        let mut counters = self.counters;
        for (_, client) in &self.clients {
            counters.add(&client.counters);
        }
        counters.cut_frames += self.release.cut_frames();
        counters
    }

    /// When the last bytes came from the line.
    #[must_use]
    pub fn last_rx(&self) -> Option<Instant> {
        self.last_rx
    }

    /// What the framer of a port with `frame: dsmr` has counted.
    #[must_use]
    pub fn p1_counters(&self) -> Option<P1Counters> {
        self.release.telegrams().map(Frames::counters)
    }

    /// The latest telegram whose CRC is not wrong.
    #[must_use]
    pub fn telegram(&self) -> Option<&Telegram> {
        self.release.telegrams().and_then(Frames::latest)
    }

    // ---- clients come and go -------------------------------------------------------------------------------------

    /// A new client of the listener with this key, which grants these terms. It begins with `greeting`, then what of the past it is to get, then the next byte or frame that
    /// comes.
    ///
    /// When its listener is full, the client makes room that closed its sending side the longest ago: nobody can tell
    /// whether it still listens or is long gone. Where there is none, `when-full` says who does, if anybody. Nobody makes room
    /// on the line for a listener with other settings ([`Hub::line_holder`]).
    pub fn connect(
        &mut self,
        (listener, terms): (usize, &Arc<Listener>),
        session: Session,
        greeting: &[u8],
        now: Instant,
    ) -> Result<ClientId, Refused> {
        if let Some(holder) = self.line_holder(terms) {
            return Err(Refused::OtherLine(holder));
        }
        let clients = self.clients_of(listener);
        if clients >= terms.max_clients && !self.displace(listener, now) && !self.kick(listener, terms.when_full) {
            return Err(Refused::Full { clients, max_clients: terms.max_clients });
        }
        let begin = self.begin(terms.replay);
        let reads = terms.access != Access::WriteOnly;
        let feed = if reads { self.feed(begin, now) } else { Feed::Nothing };
        self.counters.clients += 1;
        let mut client = Client::new((listener, Arc::clone(terms)), session, feed, self.counters.clients, now);
        client.session.say(greeting);
        if reads {
            client.counters.replayed = begin.replayed;
            client.replayed = self.replayed(begin);
        }
        client.look_for_end();
        self.looks_for_ends |= client.closer.is_some();
        let id = self.clients.insert(client);
        self.addressed.push(id);
        self.watch_changed = true;
        self.requests.occupy(true);
        if self.clients.len() > 1 && self.is_first(id) {
            self.relieve(now);
        }
        self.lend_line(id, now);
        if self.hangs_up && self.clients.len() == 1 {
            // What is known of DCD is from before.
            self.carrier = false;
            self.requests.look(self.tx.end(), now);
            self.wake(now);
        }
        self.close_idle(now);
        Ok(id)
    }

    /// Whether there is no other client, apart from those that have closed their sending side or are about to be closed.
    #[must_use]
    pub fn is_first(&self, id: ClientId) -> bool {
        self.clients.iter().all(|(other, client)| other == id || client.is_deaf() || client.input != Input::Open)
    }

    /// Whether the listener takes no more clients for now.
    #[must_use]
    pub fn is_full(&self, listener: usize, terms: &Listener) -> bool {
        self.clients_of(listener) >= terms.max_clients
    }

    /// Whether a new client of this listener would be refused now.
    #[must_use]
    pub fn would_refuse(&self, listener: usize, terms: &Listener) -> bool {
        let makes_room = |c: &Client| c.listener == listener && !c.is_deaf() && c.input != Input::Open;
        terms.when_full == WhenFull::Refuse
            && self.is_full(listener, terms)
            && !self.clients.iter().any(|(_, client)| makes_room(client))
    }

    fn clients_of(&self, listener: usize) -> usize {
        self.clients.iter().filter(|(_, c)| c.listener == listener && !c.is_deaf()).count()
    }

    /// A client was turned away.
    pub fn refused(&mut self) {
        self.counters.refused += 1;
    }

    /// Closes the client of this full listener that `when-full` means. False: it means none.
    fn kick(&mut self, listener: usize, when_full: WhenFull) -> bool {
        let theirs = self.clients.iter().filter(|(_, c)| c.listener == listener && !c.is_deaf());
        let (kicked, reason) = match when_full {
            WhenFull::Refuse => return false,
            WhenFull::KickOldest => (theirs.min_by_key(|(_, c)| c.number), CloseReason::Oldest),
            WhenFull::KickIdle => (theirs.min_by_key(|(_, c)| (c.active, c.number)), CloseReason::Idlest),
        };
        let Some((id, _)) = kicked else { return false };
        self.close(id, reason);
        true
    }

    /// The client's connection is closed; its key may be given out again. What is queued of it goes to the line, if that
    /// takes it soon; `unread` bytes were never read from its connection.
    pub fn disconnect(&mut self, id: ClientId, unread: usize, now: Instant) -> Option<ClientCounters> {
        self.depart(id, unread, now);
        let mut client = self.clients.try_remove(id)?;
        self.forget_half(id);
        self.pen.release(id);
        self.requests.depart(id, client.number, client.own_end, now);
        client.counters.refused += client.undecoded.len() as u64;
        self.counters.tx_lost += client.undecoded.len() as u64;
        self.watch_changed |= client.session.has_requests() || self.hangs_up;
        if client.closer.is_some() {
            self.review_ends();
        }
        self.counters.add(&client.counters);
        self.requests.occupy(!self.clients.is_empty());
        if (client.may_control() || self.clients.is_empty()) && !self.draining {
            self.release(now);
        }
        self.end_loan(now);
        Some(client.counters)
    }

    /// What happened with one client so far.
    #[must_use]
    pub fn client_counters(&self, id: ClientId) -> Option<ClientCounters> {
        Some(self.clients.get(id)?.counters)
    }

    /// The device is closed: disconnects the clients that are to notice that (`on-gone: disconnect`). To be called when the
    /// others know, and these have been sent what the line said last.
    pub fn part_with_device(&mut self) {
        let them = self.clients.iter().filter(|(_, client)| client.terms.on_gone == OnGone::Disconnect);
        let them: Vec<ClientId> = them.map(|(id, _)| id).collect();
        for id in them {
            self.close(id, CloseReason::DeviceGone);
        }
    }

    /// How many clients stay when the device goes.
    #[must_use]
    pub fn clients_that_hold(&self) -> usize {
        self.clients.iter().filter(|(_, client)| client.terms.on_gone == OnGone::Hold).count()
    }

    /// Whether the device is known not to be there: it is not open, and not about to be.
    #[must_use]
    pub fn is_line_gone(&self) -> bool {
        self.requests.presence() == Presence::Gone
    }

    fn close(&mut self, id: ClientId, reason: CloseReason) {
        if let Some(client) = self.clients.get_mut(id).filter(|c| !c.closing) {
            client.closing = true;
            self.pen.release(id);
            self.events.push_back(Event::Close(id, reason));
        }
        if matches!(reason, CloseReason::Oldest | CloseReason::Idlest | CloseReason::Unsent) {
            self.discard(id);
        }
    }

    // ---- time and the end ----------------------------------------------------------------------------------------

    /// When [`Hub::handle_timeout`] wants to be called; it may turn out that nothing was to be done.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        // Of a frame that is only partly here nearly always the rest comes, and nobody need wake up.
        self.release.deadline().map_or(self.wake_at, |at| earlier(self.wake_at, at))
    }

    /// The deadline has passed. Afterwards every client may have something to be sent.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.wake_at = None;
        self.release_after_silence(now);
        self.cut_halves_after_silence(now);
        for (_, client) in &self.clients {
            if let Feed::Frames(feed) = &client.feed {
                if let Some(at) = feed.freshness.look_at().filter(|at| feed.behind && *at > now) {
                    self.wake_at = earlier(self.wake_at, at);
                }
            }
        }
        self.see_off(now);
        self.close_idle(now);
        self.free_pen(now);
        self.tell_noticed(now);
        self.look_for_quiet(now);
        self.look_for_stuck(now);
    }

    /// Closes the clients that were silent for too long. The deadline of the others is not moved when they send or
    /// receive something, which is often: it is looked at again when it has passed.
    pub(super) fn close_idle(&mut self, now: Instant) {
        let mut due = Vec::new();
        for (id, client) in &self.clients {
            match client.idle_at() {
                Some(at) if at <= now => due.push(id),
                Some(at) => self.wake_at = earlier(self.wake_at, at),
                None => {}
            }
        }
        for id in due {
            self.close(id, CloseReason::Idle);
        }
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
        self.release_unfinished();
        self.cut_halves();
    }

    /// Whether everything that is held has gone out, as far as this client is concerned.
    #[must_use]
    pub fn is_drained(&self, id: ClientId) -> bool {
        self.clients.get(id).is_none_or(|client| {
            client.is_deaf()
                || client.session.is_suspended()
                || client.session.outbox().is_empty()
                    && match &client.feed {
                        Feed::Nothing => true,
                        Feed::Bytes { cursor } => *cursor >= self.release.released(),
                        Feed::Frames(feed) => {
                            feed.rest().is_empty() && self.release.telegrams().is_none_or(|f| feed.next >= f.seen())
                        }
                    }
        })
    }
}

fn earlier(a: Option<Instant>, b: Instant) -> Option<Instant> {
    Some(a.map_or(b, |a| a.min(b)))
}
