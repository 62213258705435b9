//! What both simulations share: the world around a hub, and the model of its way to the line.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use sermux::line::Snapshot;
use sermux::port::hub::{ClientId, CloseReason, Event, Hub, SocketQueue, BLOCK};
use sermux_port_config::config::load::load_str;
use sermux_port_config::config::{Access, HalfClose, OnGone, OnLag, Replay, WhenFull, Write};
use sermux_protocol::session::Session;

use crate::random::Random;
use crate::terms::{telling, terms};

/// How long a client that is silent keeps the pen.
const WRITE_HOLD: Duration = Duration::from_secs(2);

/// A hub, its clock, and everything that is outside of it.
pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) hub: Hub,
    pub(crate) now: Instant,
    pub(crate) clients: BTreeMap<ClientId, Reader>,
    pub(crate) line_open: bool,
    /// What the line may still be given, block after block, and whose it is.
    tx_expected: VecDeque<(u64, u8)>,
    /// When the line last took something.
    moved_at: Instant,
    tx_lost: u64,
    tx_discarded: u64,
    /// Clients that have disconnected: their number, when they did, and how long their bytes may wait since then.
    departed: Vec<(u64, Instant, Duration)>,
    /// Who is to be closed to make room, and why.
    makes_room: Option<(ClientId, CloseReason)>,
    came: u64,
    write: Write,
    /// Who holds the pen, and when it wrote.
    pen: Option<(ClientId, Instant)>,
    /// Those who lost it since it was last free.
    deposed: Vec<ClientId>,
    tx_refused: u64,
    /// Those who are to be disconnected because the line went.
    parting: Vec<ClientId>,
}

/// A client and its socket.
pub(crate) struct Reader {
    pub(crate) on_lag: OnLag,
    on_gone: OnGone,
    pub(crate) access: Access,
    /// What the line had sent, in bytes or telegrams, when the client came.
    pub(crate) since: u64,
    /// Bytes the client's socket holds and takes at most.
    held: usize,
    holds: usize,
    /// The socket refused or cut something since it last had room for all.
    pub(crate) blocked: bool,
    half_closed: bool,
    /// When its end was seen, perhaps before everything was read.
    ended: Option<Instant>,
    /// It made room, and is read on.
    pub(crate) parting: bool,
    /// When the line had taken all that it had sent before it half-closed.
    done: Option<Instant>,
    half_close: Duration,
    tells_close: bool,
    /// When it last sent or received something, and which client it is.
    active: (Instant, u64),
    /// After so much silence it is closed.
    idle_timeout: Option<Duration>,
    /// Telegrams that it never got.
    pub(crate) skipped: u64,
    pub(crate) got: Vec<u8>,
}

impl World {
    pub(crate) fn new(seed: u64, yaml: &str) -> Self {
        let config = load_str("simulation", yaml).unwrap_or_else(|faults| panic!("{faults}")).config;
        let now = Instant::now();
        Self {
            random: Random::new(seed),
            hub: Hub::new(&config.ports["p"]),
            now,
            clients: BTreeMap::new(),
            line_open: false,
            tx_expected: VecDeque::new(),
            moved_at: now,
            tx_lost: 0,
            tx_discarded: 0,
            departed: Vec::new(),
            makes_room: None,
            came: 0,
            write: config.ports["p"].write,
            pen: None,
            deposed: Vec::new(),
            tx_refused: 0,
            parting: Vec::new(),
        }
    }

    /// A client comes when the line has sent so much; what it got of that is its history, and is checked by the caller.
    pub(crate) fn connect(&mut self, now_at: u64, on_lag: OnLag, max_clients: usize, replay: Replay) -> Option<u64> {
        let access = self.random.pick(&[Access::ReadOnly, Access::ReadWrite]);
        let half_closed = self.clients.values().filter(|c| c.ended.is_some() && !c.parting).count();
        let there = self.clients.values().filter(|c| !c.parting).count();
        let when_full = self.random.pick(&[WhenFull::Refuse, WhenFull::KickOldest, WhenFull::KickIdle]);
        let on_gone = self.random.pick(&[OnGone::Hold, OnGone::Hold, OnGone::Disconnect]);
        let idle_timeout = Duration::from_secs(self.random.pick(&[0, 0, 1, 5]));
        let half_close = Duration::from_millis(self.random.pick(&[0, 500, 3000]));
        let tells_close = self.random.one_in(3);
        let terms = terms(|terms| {
            terms.half_close = HalfClose::For(half_close);
            if tells_close {
                terms.address = telling();
            }
            terms.access = access;
            terms.max_clients = max_clients;
            terms.when_full = when_full;
            terms.idle_timeout = idle_timeout;
            terms.write_hold = WRITE_HOLD;
            terms.on_lag = on_lag;
            terms.on_gone = on_gone;
            terms.replay = replay;
        });
        self.makes_room = match when_full {
            _ if there < max_clients || half_closed > 0 => None,
            WhenFull::Refuse => None,
            WhenFull::KickOldest => {
                let theirs = self.clients.iter().filter(|(_, c)| !c.parting);
                theirs.min_by_key(|(_, c)| c.active.1).map(|(id, _)| (*id, CloseReason::Oldest))
            }
            WhenFull::KickIdle => {
                let theirs = self.clients.iter().filter(|(_, c)| !c.parting);
                theirs.min_by_key(|(_, c)| c.active).map(|(id, _)| (*id, CloseReason::Idlest))
            }
        };
        self.came += 1;
        let mut came = None;
        match self.hub.connect((0, &terms), Session::raw(), &[], self.now) {
            Ok(id) => {
                let replayed = self.hub.client_counters(id).unwrap().replayed;
                let since = now_at - replayed;
                came = Some(replayed);
                let holds = 64 + self.random.below(20_000);
                let reader = Reader {
                    on_lag,
                    on_gone,
                    access,
                    since,
                    held: 0,
                    holds,
                    blocked: false,
                    half_closed: false,
                    ended: None,
                    parting: false,
                    done: None,
                    half_close,
                    tells_close,
                    active: (self.now, self.came),
                    idle_timeout: (!idle_timeout.is_zero()).then_some(idle_timeout),
                    skipped: 0,
                    got: Vec::new(),
                };
                assert!(self.clients.insert(id, reader).is_none(), "a client's key was given out twice");
            }
            Err(full) => {
                assert!(there >= max_clients, "refused although there was room: {full:?}");
                assert_eq!(half_closed, 0, "refused although a half-closed reader could have made room");
                assert_eq!(when_full, WhenFull::Refuse, "refused although a client was to be kicked");
            }
        }
        assert!(
            there < max_clients + half_closed + usize::from(self.makes_room.is_some()) + usize::from(came.is_none())
        );
        came
    }

    /// Some client, if there is one.
    pub(crate) fn any_client(&mut self) -> Option<ClientId> {
        let ids: Vec<_> = self.clients.keys().copied().collect();
        (!ids.is_empty()).then(|| self.random.pick(&ids))
    }

    /// The client at the other end reads some of what its socket holds.
    pub(crate) fn client_reads(&mut self, id: ClientId, most: usize) {
        let Some(reader) = self.clients.get_mut(&id) else {
            return;
        };
        reader.held -= reader.held.min(self.random.below(most + 1));
    }

    /// … or all of it.
    pub(crate) fn client_reads_all(&mut self, id: ClientId) {
        if let Some(reader) = self.clients.get_mut(&id) {
            reader.held = 0;
        }
    }

    /// Offers the hub's bytes to one socket as the driver does. `check` sees each piece before the socket takes part
    /// of it.
    pub(crate) fn serve(&mut self, id: ClientId, mut check: impl FnMut(&mut Reader, u64, &[u8])) {
        loop {
            let Some(reader) = self.clients.get_mut(&id) else {
                return;
            };
            let held = SocketQueue { unsent: reader.held, unacknowledged: reader.held };
            let Some(piece) = self.hub.to_send(id, self.now, || held).map(|pieces| pieces.concat()) else {
                reader.blocked |= !self.hub.is_drained(id);
                return;
            };
            assert!(!piece.is_empty(), "an empty piece would spin");
            let counters = self.hub.client_counters(id).unwrap();
            check(reader, counters.sent + counters.gap, &piece);
            let takes = (reader.holds - reader.held).min(piece.len());
            reader.blocked = takes < piece.len();
            if takes == 0 {
                self.hub.blocked(id);
                return;
            }
            reader.held += takes;
            reader.got.extend(&piece[..takes]);
            reader.active.0 = self.now;
            self.hub.sent(id, takes, self.now);
        }
    }

    /// A client sends a block, if the hub wants to read it.
    pub(crate) fn client_writes(&mut self, id: ClientId) {
        let Some(reader) = self.clients.get_mut(&id) else { return };
        let owner = reader.active.1;
        let has_pen = match (self.write, self.pen) {
            (_, None) | (Write::Any | Write::None, _) => true,
            (Write::First, Some((holder, _))) => holder == id,
            (Write::Last, Some((holder, _))) => holder == id || !self.deposed.contains(&id),
        };
        let may_write = has_pen && reader.access == Access::ReadWrite;
        if reader.half_closed {
            return;
        }
        if !self.hub.wants_input(id) {
            assert!(may_write, "who may not write is kept waiting");
            return;
        }
        let most = self.random.pick(&[BLOCK, self.hub.input_room(id)]);
        let len = 1 + self.random.below(most);
        let block = self.random.bytes(len);
        let refused = self.hub.client_counters(id).unwrap().refused;
        reader.active.0 = self.now;
        self.hub.input(id, &block, self.now);
        if self.hub.client_counters(id).unwrap().refused == refused {
            assert!(may_write, "bytes of a client that may not write went to the line");
            self.tx_expected.extend(block.iter().map(|byte| (owner, *byte)));
            if self.write != Write::Any {
                let before = self.pen.replace((id, self.now));
                self.deposed.extend(before.map(|(holder, _)| holder).filter(|holder| *holder != id));
            }
        } else if may_write {
            assert!(!self.line_open, "a writer's bytes were thrown away although the line is open");
            self.tx_lost += block.len() as u64;
        } else {
            self.tx_refused += block.len() as u64;
        }
        assert_eq!(self.hub.counters().tx_refused, self.tx_refused, "refused bytes are not counted");
    }

    /// This client writes no more.
    fn lays_down_the_pen(&mut self, id: ClientId) {
        if self.pen.is_some_and(|(holder, _)| holder == id) {
            self.pen = None;
            self.deposed.clear();
        }
        self.deposed.retain(|deposed| *deposed != id);
    }

    pub(crate) fn client_half_closes(&mut self, id: ClientId) {
        let Some(reader) = self.clients.get_mut(&id) else {
            return;
        };
        reader.half_closed = true;
        reader.ended.get_or_insert(self.now);
        self.lays_down_the_pen(id);
        self.hub.half_closed(id, self.now);
        self.look_what_is_done();
    }

    /// It closes its sending side while there is still something to be read.
    pub(crate) fn client_ends(&mut self, id: ClientId) {
        if let Some(reader) = self.clients.get_mut(&id) {
            reader.ended.get_or_insert(self.now);
            self.hub.ends(id, self.now);
        }
    }

    /// It closed its sending side, and is gone now.
    pub(crate) fn client_is_gone(&mut self, id: ClientId) {
        let Some(reader) = self.clients.get_mut(&id) else { return };
        reader.ended.get_or_insert(self.now);
        reader.parting |= !reader.half_closed;
        self.hub.gone(id, self.now);
    }

    pub(crate) fn client_goes(&mut self, id: ClientId) {
        let reader = self.clients.remove(&id);
        self.lays_down_the_pen(id);
        self.departs(reader);
        self.hub.disconnect(id, 0, self.now).expect("the hub knows the client");
    }

    pub(crate) fn client_resets(&mut self, id: ClientId) {
        let Some(reader) = self.clients.remove(&id) else { return };
        self.lays_down_the_pen(id);
        self.discard(reader.active.1);
        self.hub.discard(id);
        self.hub.disconnect(id, 0, self.now).expect("the hub knows the client");
        assert_eq!(self.hub.counters().tx_discarded, self.tx_discarded, "discarded bytes are not counted");
    }

    fn departs(&mut self, reader: Option<Reader>) {
        if let Some(reader) = reader {
            self.departed.push((reader.active.1, self.now, reader.half_close.max(Duration::from_secs(1))));
        }
    }

    /// The line is not to be given what this client has sent.
    fn discard(&mut self, owner: u64) {
        let before = self.tx_expected.len();
        self.tx_expected.retain(|(of, _)| *of != owner);
        self.tx_discarded += (before - self.tx_expected.len()) as u64;
    }

    fn is_queued(&self, owner: u64) -> bool {
        self.tx_expected.iter().any(|(of, _)| *of == owner)
    }

    /// From when on who half-closed hears its answer.
    fn look_what_is_done(&mut self) {
        let queued: std::collections::BTreeSet<u64> = self.tx_expected.iter().map(|(of, _)| *of).collect();
        for reader in
            self.clients.values_mut().filter(|reader| reader.half_closed && !queued.contains(&reader.active.1))
        {
            reader.done.get_or_insert(self.now);
        }
    }

    /// When the bytes of somebody that ended then have waited for long enough.
    fn waits_until(&self, ended: Instant, half_close: Duration) -> Instant {
        ended.max(self.moved_at) + half_close.max(Duration::from_secs(1))
    }

    /// The line takes some of what is queued for it.
    pub(crate) fn line_takes(&mut self) {
        if !self.line_open {
            return;
        }
        let front = self.hub.tx_front();
        if front.is_empty() {
            assert!(self.tx_expected.is_empty(), "bytes for the line are nowhere");
            return;
        }
        let n = 1 + self.random.below(front.len());
        let expected: Vec<u8> = self.tx_expected.drain(..n).map(|(_, byte)| byte).collect();
        self.moved_at = self.now;
        assert_eq!(&front[..n], expected, "the line gets other bytes than the clients sent, or in another order");
        self.hub.tx_written(n, self.now);
        self.look_what_is_done();
    }

    pub(crate) fn line_opens(&mut self) {
        let waits = self.random.one_in(2);
        self.line_open = true;
        self.hub.line_opened(waits, &Snapshot::default(), self.now);
    }

    pub(crate) fn line_goes(&mut self) {
        self.line_open = false;
        self.tx_lost += self.tx_expected.len() as u64;
        self.tx_expected.clear();
        self.hub.line_gone(self.now);
        self.look_what_is_done();
        assert_eq!(self.hub.counters().tx_lost, self.tx_lost, "lost bytes are not counted");
        self.hub.part_with_device();
        self.parting =
            self.clients.iter().filter(|(_, c)| c.on_gone == OnGone::Disconnect).map(|(id, _)| *id).collect();
    }

    pub(crate) fn time_passes(&mut self, most: Duration) {
        self.now += most.mul_f64(self.random.below(1000) as f64 / 1000.0);
        while let Some(at) = self.hub.deadline().filter(|at| *at <= self.now) {
            self.hub.handle_timeout(self.now);
            assert_ne!(self.hub.deadline(), Some(at), "a deadline that stays would spin");
        }
        if self.hub.wants_look() {
            self.hub.looked(0, self.now);
            assert!(!self.hub.is_stuck() || !self.hub.tx_is_empty(), "stuck, and nothing is queued");
        }
        let due = |(_, since, wait): &(u64, Instant, Duration)| (*since).max(self.moved_at) + *wait <= self.now;
        let (due, departed): (Vec<_>, Vec<_>) = self.departed.drain(..).partition(due);
        self.departed = departed;
        for (owner, ..) in due {
            self.discard(owner);
        }
        if let Some((holder, _)) = self.pen.filter(|(_, wrote)| *wrote + WRITE_HOLD <= self.now) {
            self.lays_down_the_pen(holder);
        }
    }

    /// Who has sent something and then no more is closed in time, unless its connection tells when it has disconnected.
    fn check_that_nobody_stays_for_ever(&self) {
        for (id, reader) in &self.clients {
            let Some(ended) = reader.ended else { continue };
            let silent = self.hub.client_counters(*id).unwrap().received == 0;
            if reader.half_closed && (reader.tells_close || silent || reader.access == Access::ReadOnly) {
                continue;
            }
            let due = match reader.done {
                Some(done) => done + reader.half_close,
                None => self.waits_until(ended, reader.half_close),
            };
            assert!(due > self.now || self.write == Write::None, "it is still there");
        }
    }

    /// Closes whom the hub wants closed. `check` judges why.
    pub(crate) fn events(&mut self, mut check: impl FnMut(&Hub, ClientId, &Reader, CloseReason)) {
        while let Some(event) = self.hub.poll_event() {
            if let Event::Parts(id) = event {
                let reader = self.clients.get_mut(&id).expect("a client that parts is there");
                assert!(reader.ended.is_some() && !reader.half_closed && !reader.parting, "it need not be read on");
                reader.parting = true;
            }
            if let Event::Close(id, reason) = event {
                let reader = self.clients.remove(&id).expect("a client is closed once");
                self.lays_down_the_pen(id);
                let parts = self.parting.iter().position(|parting| *parting == id).map(|at| self.parting.remove(at));
                let owner = reader.active.1;
                match reason {
                    CloseReason::Displaced => assert!(reader.half_closed),
                    CloseReason::Gone => assert!(reader.ended.is_some()),
                    CloseReason::Left => {
                        assert!(!reader.tells_close && !self.is_queued(owner));
                        assert!(reader.done.is_some_and(|at| at + reader.half_close <= self.now), "closed too early");
                    }
                    CloseReason::Unsent => {
                        let due = self.waits_until(reader.ended.expect("it has ended"), reader.half_close);
                        assert!(due <= self.now, "its bytes are discarded too early");
                    }
                    CloseReason::Lagged => assert_eq!(reader.on_lag, OnLag::Disconnect),
                    CloseReason::Idle => {
                        let due = reader.idle_timeout.map(|timeout| reader.active.0 + timeout);
                        assert!(due.is_some_and(|due| due <= self.now), "closed as silent, and was not for long");
                    }
                    CloseReason::DeviceGone => assert!(parts.is_some(), "the device is there, or the client holds on"),
                    CloseReason::CarrierLost => panic!("nobody watches DCD"),
                    CloseReason::ListenerGone => panic!("no listener went"),
                    CloseReason::DeviceEnds => panic!("no listener has `close-on`"),
                    CloseReason::OtherLine => panic!("all listeners have the port's line settings"),
                    CloseReason::Oldest | CloseReason::Idlest => {
                        assert_eq!(self.makes_room.take(), Some((id, reason)), "the wrong client was kicked");
                    }
                }
                check(&self.hub, id, &reader, reason);
                if matches!(reason, CloseReason::Oldest | CloseReason::Idlest | CloseReason::Unsent) {
                    self.discard(owner);
                } else {
                    self.departs(Some(reader));
                }
                self.hub.disconnect(id, 0, self.now).expect("the hub knows the client");
            }
        }
        assert_eq!(self.hub.counters().tx_discarded, self.tx_discarded, "discarded bytes are not counted");
        if self.hub.deadline().is_none_or(|at| at > self.now) {
            self.check_that_nobody_stays_for_ever();
        }
        if self.hub.deadline().is_none_or(|at| at > self.now) {
            let silent = |reader: &Reader| reader.idle_timeout.is_some_and(|most| reader.active.0 + most <= self.now);
            assert!(
                !self.clients.values().any(|reader| !reader.parting && silent(reader)),
                "a client was silent for too long and is still there"
            );
        }
        assert!(self.parting.is_empty(), "clients that were to be disconnected with the device are still there");
        assert_eq!(self.makes_room, None, "nobody was kicked although somebody was to be");
    }
}
