//! The thin shell around the hub: polls the line, the clients' sockets, commands and timers, and decides nothing.
//!
//! One task per port. It reads a readable line into the ring and writes these bytes to every client in the same turn, so that
//! a chunk costs one wait, one read and one send per client.

mod bytes;
mod capture;
mod commands;
mod ends;
mod events;
mod followers;
mod operations;
mod pause;
mod presence;
mod report;
mod slot;
mod telegrams;
mod waiting;
mod watching;

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::{pin, Pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use sermux_port_config::config::Port;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Sleep;
use tracing::info;

use self::ends::Cause;
use self::followers::Followers;
use self::operations::Operations;
use self::report::Account;
use self::telegrams::Shown;
use self::waiting::{Ahead, Waiting};
use self::watching::Watching;
use super::hub::{ClientId, CloseReason, Event, Hub, BLOCK};
use super::lifecycle::{Lifecycle, Say};
use super::link::{Accepted, Command, Link, Opener, Opening, Reconfigure, Reply};
use super::ready::ReadySet;
use super::status::PortStatus;
use crate::capture::Recorder;
use crate::device::hotplug::{Hotplug, WatchedName};
use crate::line::Line;
use crate::net::conn::Conn;
use crate::net::gate::Places;
use crate::net::peer::Peer;

/// The token of the line's changes (not its bytes) in the ready set; clients have their key.
const CHANGE: usize = usize::MAX;

/// The token of what is asked of the port.
const COMMANDS: usize = usize::MAX - 1;

/// At most this number of bytes are read from the line before the clients get their turn.
const RX_AT_ONCE: usize = 64 * 1024;

/// Rounds of reading and writing in one poll, before other ports get their turn.
const ROUNDS: usize = 8;

/// Blocks that one client may hand in before the line and the other clients get their turn.
const INPUT_TURNS: usize = 16;

/// What clients may hand in in one poll, all of them together, before other ports get their turn. What goes to the line is
/// bounded by its queue, but not telnet commands and what nobody may write.
const INPUT_AT_ONCE: usize = 256 * 1024;

/// What a telnet command counts among that, as bytes: to decode it takes longer than to copy a byte of data, and a request or
/// a negotiation is answered as well.
const COMMAND_COST: usize = 512;

/// How often a client whose bytes are not read is looked at: nothing tells of the end behind those.
const HELD_LOOK: Duration = Duration::from_secs(1);

/// How often a line that is being drained is asked whether everything has left: nothing tells (TIOCOUTQ).
const DRAIN_LOOK: Duration = Duration::from_millis(10);

/// A device whose opening takes longer is stuck in its driver.
const OPENING_IS_STUCK: Duration = Duration::from_secs(5);

/// One running port: a future that ends when the port has ended.
pub struct Driver {
    name: Arc<str>,
    port: Arc<Port>,
    /// The keys of its listeners, in the order of the configuration.
    listeners: Vec<usize>,
    ready: ReadySet,
    slot: Slot,
    lifecycle: Lifecycle,
    opener: Opener,
    hotplug: Hotplug,
    /// Tells that something happened to the name of a device that could not be opened.
    watched: Option<WatchedName>,
    /// The device is left alone because somebody asked for that.
    paused: bool,
    /// When a device that nobody uses is closed (`open: on-demand`).
    rest_at: Option<Instant>,
    /// The first client came while there was no line, which is to be greeted for it.
    greeting_owed: bool,
    /// It was not read empty. Otherwise each poll asks it whether it has something.
    line_readable: bool,
    watching: Watching,
    change_ready: bool,
    change_waker: Waker,
    operations: Operations,
    hub: Hub,
    sockets: Vec<Option<Socket>>,
    /// Clients whose socket may have something to read, in the order of their turn.
    readable: VecDeque<ClientId>,
    /// Clients whose socket may take something.
    writable: Vec<ClientId>,
    /// Of [`INPUT_AT_ONCE`], in this poll.
    input_left: usize,
    /// When clients whose bytes are not read are looked at.
    look_at: Option<Instant>,
    /// How much the line had taken when that was last done.
    looked_at_tx: u64,
    /// Connections were let in before the line is read.
    let_in: bool,
    /// Those who wait until it is known whether the clients in their way are still there.
    waiting: Vec<Waiting>,
    /// Boxed: most ports have none.
    capture: Option<Box<Recorder>>,
    followers: Followers,
    shown_telegram: Shown,
    /// Those who wait until the device is open, or let go of.
    settling: Vec<oneshot::Sender<()>>,
    /// Who waits to hear how that came out which was asked of the line, by its number.
    asked: BTreeMap<u64, Reply>,
    next_asked: u64,
    /// There may be some.
    commands_ready: bool,
    commands: mpsc::Receiver<Box<Command>>,
    commands_waker: Waker,
    status: Arc<PortStatus>,
    /// What the status shows.
    shown: (bool, usize),
    account: Account,
    sleep_until: Option<Instant>,
    sleep: Pin<Box<Sleep>>,
    ends_at: Option<Instant>,
}

struct Socket {
    /// Counted from 1 on this port; never given out again.
    number: u64,
    since: Instant,
    peer: Peer,
    conn: Conn,
    waker: Waker,
    /// It is in `readable`, or sends no more and is never to be there again.
    listed: bool,
    /// It takes nothing until its waker says so.
    blocked: bool,
    /// What was read although the line had no room for it.
    ahead: Option<Box<Ahead>>,
    /// It sends no more, and its connection tells when it has disconnected.
    awaits_close: bool,
    /// Given back when it is closed, or sends no more: sermux cannot know then whether the client is still there, and its listener
    /// counts it all the same.
    places: Option<Places>,
    /// What happens to it is logged; otherwise it is one of many that came in a short time.
    is_logged: bool,
}

/// What there is of the line.
enum Slot {
    /// Nothing; to be opened at this time.
    Waiting(Instant),
    Opening {
        open: Opening,
        /// What it is opened with.
        with: Arc<Port>,
        /// When to say that it is stuck.
        stuck_at: Option<Instant>,
    },
    Open(Box<dyn Line>),
    /// Gone or given back; a driver may take its time over it.
    Closing {
        closing: Pin<Box<dyn Future<Output = ()> + Send>>,
        /// It is not opened again before.
        again_at: Instant,
    },
}

impl Driver {
    /// A port that opens its device as soon as it is polled, or has a client (`open: on-demand`). Its listeners have
    /// the keys 0, 1 and so on, in the order of the configuration.
    #[must_use]
    pub fn new(
        name: impl Into<Arc<str>>,
        port: Arc<Port>,
        opener: Opener,
        hotplug: &Hotplug,
        status: Arc<PortStatus>,
    ) -> (Self, Link) {
        let (link, commands) = Link::new();
        let ready = ReadySet::default();
        let (change_waker, commands_waker) = (ready.waker(CHANGE), ready.waker(COMMANDS));
        let name = name.into();
        let driver = Self {
            capture: port.capture.as_ref().map(|capture| Box::new(Recorder::start(&name, capture, [0, 0]))),
            name,
            hub: Hub::new(&port),
            listeners: (0..port.listen.len()).collect(),
            port,
            rest_at: None,
            watched: None,
            hotplug: hotplug.clone(),
            slot: Slot::Waiting(now()),
            lifecycle: Lifecycle::default(),
            opener,
            status,
            shown: (false, 0),
            sockets: Vec::new(),
            readable: VecDeque::new(),
            writable: Vec::new(),
            ready,
            change_waker,
            line_readable: false,
            let_in: false,
            change_ready: false,
            operations: Operations::default(),
            asked: BTreeMap::new(),
            next_asked: 0,
            commands,
            commands_waker,
            commands_ready: true,
            sleep: Box::pin(tokio::time::sleep(Duration::ZERO)),
            sleep_until: None,
            ends_at: None,
            look_at: None,
            looked_at_tx: 0,
            waiting: Vec::new(),
            paused: false,
            greeting_owed: false,
            settling: Vec::new(),
            account: Account::new(now()),
            watching: Watching::default(),
            followers: Followers::default(),
            shown_telegram: Shown::default(),
            input_left: INPUT_AT_ONCE,
        };
        (driver, link)
    }

    // ---- time and the end ----------------------------------------------------------------------------------------

    /// Sleeps until the next thing that time brings. True: it is here.
    fn poll_timer(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let slot = match &self.slot {
            Slot::Waiting(at) if self.ends_at.is_none() && self.needs_line() => Some(*at),
            Slot::Opening { stuck_at, .. } => *stuck_at,
            Slot::Open(_) => self.rest_at,
            _ => None,
        };
        let watch = self.watching.deadline().filter(|_| matches!(self.slot, Slot::Open(_)));
        let end = self.ends_at.map(|at| at.min(now + DRAIN_LOOK));
        let waiting = self.waiting_until();
        let next = [self.hub.deadline(), self.operations.deadline(), self.look_at, waiting, slot, watch, end];
        let next = next.into_iter().flatten().min();
        if next != self.sleep_until {
            self.sleep_until = next;
            if let Some(at) = next {
                self.sleep.as_mut().reset(at.into());
            } else if !self.sleep.is_elapsed() {
                // An alarm that nobody needs any more would be set anew in each wait of the program until it rings.
                self.sleep.set(tokio::time::sleep(Duration::ZERO));
            }
        }
        self.sleep_until.is_some() && self.sleep.as_mut().poll(cx).is_ready()
    }

    /// Whether everything has gone out, or the time is up. Closes what is done with.
    fn poll_end(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let Some(ends_at) = self.ends_at else { return false };
        let late = now >= ends_at;
        for id in 0..self.sockets.len() {
            if late || (self.sockets[id].is_some() && self.hub.is_drained(id)) {
                self.drop_client(id, Cause::Ended, now);
            }
        }
        let line_done = match &self.slot {
            Slot::Open(line) => self.hub.tx_is_empty() && line.unsent().unwrap_or(0) == 0,
            Slot::Closing { .. } => false,
            Slot::Waiting(_) | Slot::Opening { .. } => true,
        };
        let open = matches!(self.slot, Slot::Open(_));
        if open && (line_done || late) {
            self.close_line(now);
        }
        let done = line_done && !open && self.sockets.iter().all(Option::is_none);
        (done && self.poll_capture_end(cx)) || late
    }

    fn say_goodbye(&self) {
        let counters = self.hub.counters();
        let p1 = self.hub.p1_counters().unwrap_or_default();
        info!(event = %"port.ended", port = %self.name, rx = counters.rx, tx = counters.tx, tx_lost = counters.tx_lost,
            clients = counters.clients, refused = counters.refused, telegrams = p1.telegrams, crc_bad = p1.crc_bad,
            oversized = p1.oversized, abandoned = p1.abandoned, stray_bytes = p1.stray_bytes, "port stopped");
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let now = now();
        this.ready.set_task(cx.waker());
        let Self { ready, sockets, readable, writable, change_ready, commands_ready, .. } = &mut *this;
        ready.take(|token| {
            if token == CHANGE {
                *change_ready = true;
            } else if token == COMMANDS {
                *commands_ready = true;
            } else if let Some(Some(socket)) = sockets.get_mut(token) {
                socket.blocked = false;
                writable.push(token);
                if !std::mem::replace(&mut socket.listed, true) {
                    readable.push_back(token);
                }
            }
        });

        if this.status.bells().ring() && !std::mem::replace(&mut this.let_in, true) {
            // The listeners have their turn before this comes again. Once: a flood of connections does not hold up the line.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        this.let_in = false;
        this.take_commands(now);
        this.drive_slot(cx, now);

        this.input_left = INPUT_AT_ONCE;
        // What becomes due in this poll is found at its end.
        let mut all = this.sleep_until.is_some_and(|at| at <= now);
        for round in 0.. {
            if round == ROUNDS {
                wake_after_others(cx);
                break;
            }
            let received = this.drive_rx(cx, now);
            // After the line: what it has says whether there was silence.
            if all {
                this.hub.handle_timeout(now);
                if this.waiting_until().is_some_and(|at| at <= now) {
                    this.look_at_waiting(now);
                }
                if this.look_at.is_some_and(|at| at <= now) {
                    this.look_at_held(now);
                }
            }
            let mut progress = this.drive_operations(cx, now);
            let clients = this.hub.clients();
            let sent = this.drive_clients(received || all, now);
            all = false;
            // What came is on its way. Another round is for a line that has more, or if a client went.
            progress |= (received || sent) && this.line_readable || this.hub.clients() != clients;
            progress |= this.drive_input(now);
            progress |= this.drive_tx(cx, now);
            progress |= this.take_events(now);
            if this.input_left == 0 {
                wake_after_others(cx);
                break;
            }
            if !progress {
                break;
            }
        }

        this.show_telegram();
        if this.poll_end(cx, now) {
            this.say_goodbye();
            return Poll::Ready(());
        }
        this.rest(now);
        this.drive_slot(cx, now);
        this.settle(now);
        let shown = (matches!(this.slot, Slot::Open(_)) && !this.operations.is_stuck(), this.hub.clients());
        if std::mem::replace(&mut this.shown, shown) != shown {
            this.status.set(shown.0, shown.1);
        }
        if this.poll_timer(cx, now) {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

/// Has the port polled again once the runtime has looked which sockets of other ports and of the control socket are ready. It
/// does not look before each poll of a task that wakes itself, but only before each 61st, if no other task has a turn.
fn wake_after_others(cx: &mut Context<'_>) {
    let _ = pin!(tokio::task::yield_now()).poll(cx);
}

/// The runtime's clock: it stands still in tests.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
