//! The thin shell around the hub: polls the line, the clients' sockets, commands and timers, and decides nothing.
//!
//! One task per port. A line that is readable is read into the ring and written to every client in the same poll, so
//! that a chunk costs one wait, one read and one send per client.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use sermux_port_config::config::Port;
use tokio::io::ReadBuf;
use tokio::sync::mpsc;
use tokio::time::Sleep;
use tracing::{info, trace, warn};

use super::hub::{ClientId, CloseReason, Event, Hub, BLOCK};
use super::lifecycle::{Lifecycle, Say};
use super::link::{Accepted, Command, Link};
use super::ready::ReadySet;
use super::status::Status;
use crate::line::{self, Line, OpenError, Opened};
use crate::net::conn::Conn;
use crate::net::refuse::refuse;

/// The token of the line in the ready set; clients have their key.
const LINE: usize = usize::MAX;

/// The line is read for so long before the clients get their turn.
const RX_AT_ONCE: usize = 64 * 1024;

/// Rounds of reading and writing in one poll, before other ports get their turn.
const ROUNDS: usize = 8;

/// Blocks that one client may hand in before the line and the other clients get their turn.
const INPUT_TURNS: usize = 16;

/// How often a line that is being drained is asked whether everything has left: nothing tells (TIOCOUTQ).
const DRAIN_LOOK: Duration = Duration::from_millis(10);

/// A device whose opening takes longer is stuck in its driver.
const OPENING_IS_STUCK: Duration = Duration::from_secs(5);

/// One running port: a future that ends when the port has ended.
pub struct Driver {
    name: Arc<str>,
    port: Arc<Port>,
    hub: Hub,
    slot: Slot,
    lifecycle: Lifecycle,
    opener: Opener,
    status: Arc<Status>,
    sockets: Vec<Option<Socket>>,
    /// Clients whose socket may have something to read, in the order of their turn.
    readable: VecDeque<ClientId>,
    /// Clients whose socket may take something.
    writable: Vec<ClientId>,
    ready: ReadySet,
    line_waker: Waker,
    line_readable: bool,
    line_blocked: bool,
    commands: mpsc::Receiver<Command>,
    sleep: Pin<Box<Sleep>>,
    sleep_until: Option<Instant>,
    ends_at: Option<Instant>,
}

struct Socket {
    conn: Conn,
    peer: SocketAddr,
    waker: Waker,
    /// It is in `readable`, or sends no more and is never to be there again.
    listed: bool,
    /// It takes nothing until its waker says so.
    blocked: bool,
    /// Its waker has not said anything yet.
    fresh: bool,
}

/// What there is of the line.
enum Slot {
    /// Nothing; to be opened at this time.
    Waiting(Instant),
    Opening {
        open: Opening,
        /// When to say that it is stuck.
        stuck_at: Option<Instant>,
    },
    Open(Box<dyn Line>),
    /// Gone or given back; a driver may take its time over it.
    Closing(Pin<Box<dyn Future<Output = ()> + Send>>),
}

/// A device on its way to a line.
pub type Opening = Pin<Box<dyn Future<Output = Result<Opened, OpenError>> + Send>>;

/// Starts to open the port's device. The driver never asks for a second one while the first is on its way.
pub type Opener = Box<dyn FnMut() -> Opening + Send>;

impl Driver {
    /// A port that opens its device as soon as it is polled.
    #[must_use]
    pub fn new(name: &str, port: Arc<Port>, opener: Opener, status: Arc<Status>) -> (Self, Link) {
        let (link, commands) = Link::new();
        let ready = ReadySet::default();
        let line_waker = ready.waker(LINE);
        let driver = Self {
            name: name.into(),
            hub: Hub::new(&port),
            port,
            slot: Slot::Waiting(now()),
            lifecycle: Lifecycle::default(),
            opener,
            status,
            sockets: Vec::new(),
            readable: VecDeque::new(),
            writable: Vec::new(),
            ready,
            line_waker,
            line_readable: false,
            line_blocked: false,
            commands,
            sleep: Box::pin(tokio::time::sleep(Duration::ZERO)),
            sleep_until: None,
            ends_at: None,
        };
        (driver, link)
    }

    // ---- commands ------------------------------------------------------------------------------------------------

    fn take_commands(&mut self, cx: &mut Context<'_>, now: Instant) {
        while let Poll::Ready(command) = self.commands.poll_recv(cx) {
            match command {
                Some(Command::Connect(accepted)) => self.connect(*accepted, now),
                Some(Command::End { deadline }) => self.end(deadline),
                // Nobody is left who could ask for anything.
                None => {
                    self.end(now);
                    break;
                }
            }
        }
    }

    fn connect(&mut self, accepted: Accepted, now: Instant) {
        let Accepted { conn, peer, admission } = accepted;
        if self.ends_at.is_some() {
            return;
        }
        let connected = match self.hub.connect(admission, now) {
            Err(_) if self.find_closed(now) => self.hub.connect(admission, now),
            connected => connected,
        };
        match connected {
            Ok(id) => {
                info!(port = %self.name, client = %peer, "client connected");
                if self.sockets.len() <= id {
                    self.sockets.resize_with(id + 1, || None);
                }
                let waker = self.ready.waker(id);
                self.sockets[id] = Some(Socket { conn, peer, waker, listed: true, blocked: false, fresh: true });
                self.readable.push_back(id);
            }
            Err(full) => {
                self.hub.refused();
                warn!(port = %self.name, client = %peer, clients = full.clients, max = full.max_clients,
                    "client refused: the listener is full");
                let words = if self.hub.is_framed() {
                    String::new()
                } else {
                    format!("port {} is busy: {} of {} clients\r\n", self.name, full.clients, full.max_clients)
                };
                refuse(conn, &words);
            }
        }
    }

    /// Looks for clients that came and went before the runtime could tell: they must not keep others out.
    fn find_closed(&mut self, now: Instant) -> bool {
        let mut found = false;
        for (id, socket) in self.sockets.iter().enumerate() {
            if socket.as_ref().is_some_and(|socket| socket.fresh && socket.conn.sends_no_more()) {
                self.hub.half_closed(id, now);
                self.readable.retain(|readable| *readable != id);
                found = true;
            }
        }
        found
    }

    fn end(&mut self, deadline: Instant) {
        self.ends_at = Some(self.ends_at.map_or(deadline, |at| at.min(deadline)));
        self.hub.drain();
    }

    // ---- the line comes and goes ---------------------------------------------------------------------------------

    fn drive_slot(&mut self, cx: &mut Context<'_>, now: Instant) {
        loop {
            match &mut self.slot {
                Slot::Waiting(at) if *at <= now && self.ends_at.is_none() => {
                    self.slot = Slot::Opening { open: (self.opener)(), stuck_at: Some(now + OPENING_IS_STUCK) };
                }
                Slot::Opening { open, stuck_at } => match open.as_mut().poll(cx) {
                    Poll::Ready(Ok(opened)) => self.opened(opened, now),
                    Poll::Ready(Err(error)) => self.open_failed(&error, now),
                    Poll::Pending => {
                        if stuck_at.is_some_and(|at| at <= now) {
                            *stuck_at = None;
                            tracing::error!(port = %self.name, device = %self.port.device,
                                "opening hangs in the device's driver; unplug the device or restart the machine if it stays so");
                        }
                        return;
                    }
                },
                Slot::Closing(closing) => match closing.as_mut().poll(cx) {
                    Poll::Ready(()) => self.slot = Slot::Waiting(self.lifecycle.gone(now)),
                    Poll::Pending => return,
                },
                Slot::Waiting(_) | Slot::Open(_) => return,
            }
        }
    }

    fn opened(&mut self, opened: Opened, now: Instant) {
        let Opened { mut line, report } = opened;
        let failures = self.lifecycle.opened(now);
        info!(port = %self.name, device = %self.port.device, line = %self.port.line.settings, tries = failures + 1,
            "opened");
        for difference in &report.differences {
            warn!(port = %self.name, device = %self.port.device, "{difference}");
        }
        self.hub.line_opened(line.can_wait());
        // Reading would take the ring's memory, and many a port is silent.
        self.line_readable = line.poll_readable(&mut Context::from_waker(&self.line_waker)).is_ready();
        self.line_blocked = false;
        self.slot = Slot::Open(line);
    }

    fn open_failed(&mut self, error: &OpenError, now: Instant) {
        let (at, say) = self.lifecycle.failed(error, now);
        if let Say::This(text) = say {
            warn!(port = %self.name, "{text}; trying again");
        }
        self.hub.line_gone(now);
        self.slot = Slot::Waiting(at);
    }

    /// The device went away: its fd is closed at once, or a replugged adapter gets another name.
    fn line_gone(&mut self, cause: &dyn fmt::Display, now: Instant) {
        let Slot::Open(_) = &self.slot else { return };
        warn!(port = %self.name, device = %self.port.device, clients = self.hub.clients(),
            "device gone: {cause}; its clients stay, and it is opened again when it is back");
        self.hub.line_gone(now);
        self.close_line();
    }

    fn close_line(&mut self) {
        let closed = Slot::Waiting(now());
        match std::mem::replace(&mut self.slot, closed) {
            Slot::Open(line) => self.slot = Slot::Closing(Box::pin(line::close(line))),
            other => self.slot = other,
        }
    }

    // ---- bytes ---------------------------------------------------------------------------------------------------

    /// Line → ring.
    fn drive_rx(&mut self, now: Instant) -> bool {
        if !self.line_readable {
            return false;
        }
        let Slot::Open(line) = &mut self.slot else { return false };
        let mut cx = Context::from_waker(&self.line_waker);
        let mut total = 0;
        while total < RX_AT_ONCE {
            // Without room the line stays readable: it is tried again when a client has taken something.
            let Some(space) = self.hub.rx_space() else { break };
            match line.poll_read(&mut cx, space) {
                Poll::Ready(Ok(0)) => {
                    self.line_gone(&"hung up", now);
                    break;
                }
                Poll::Ready(Ok(n)) => {
                    trace!(port = %self.name, rx = %space[..n].escape_ascii());
                    self.hub.received(n, now);
                    total += n;
                }
                Poll::Ready(Err(error)) => {
                    self.line_gone(&error, now);
                    break;
                }
                Poll::Pending => {
                    self.line_readable = false;
                    self.hub.rx_drained();
                    break;
                }
            }
        }
        total > 0
    }

    /// Ring → clients: all of them after something came from the line, else those whose sockets take something again.
    fn drive_clients(&mut self, all: bool, now: Instant) -> bool {
        let mut progress = false;
        if all {
            self.writable.clear();
            for id in 0..self.sockets.len() {
                progress |= self.drive_client(id, now);
            }
        }
        while let Some(id) = self.writable.pop() {
            progress |= self.drive_client(id, now);
        }
        progress
    }

    fn drive_client(&mut self, id: ClientId, now: Instant) -> bool {
        let Some(Some(socket)) = self.sockets.get_mut(id) else {
            return false;
        };
        if socket.blocked {
            return false;
        }
        let mut cx = Context::from_waker(&socket.waker);
        let mut progress = false;
        loop {
            let Some(pieces) = self.hub.to_send(id, now, || socket.conn.queue()) else {
                return progress;
            };
            match socket.conn.poll_write(&mut cx, pieces) {
                Poll::Ready(Ok(n)) => {
                    self.hub.sent(id, n);
                    progress = true;
                }
                Poll::Ready(Err(error)) => {
                    self.drop_client(id, &error);
                    return true;
                }
                Poll::Pending => {
                    socket.blocked = true;
                    self.hub.blocked(id);
                    return progress;
                }
            }
        }
    }

    /// Clients → queue for the line: a block each in turn, and again, so that the line is given as much as there is in
    /// one write.
    fn drive_input(&mut self, now: Instant) -> bool {
        (0..INPUT_TURNS).take_while(|_| self.drive_input_once(now)).count() > 0
    }

    fn drive_input_once(&mut self, now: Instant) -> bool {
        let mut progress = false;
        for _ in 0..self.readable.len() {
            let Some(id) = self.readable.pop_front() else { break };
            let Some(Some(socket)) = self.sockets.get_mut(id) else {
                continue;
            };
            if !self.hub.wants_input(id) {
                // Its turn comes when the line has taken something.
                self.readable.push_back(id);
                continue;
            }
            let mut memory = [MaybeUninit::uninit(); BLOCK];
            let mut block = ReadBuf::uninit(&mut memory);
            match socket.conn.poll_read(&mut Context::from_waker(&socket.waker), &mut block) {
                Poll::Pending => socket.listed = false,
                Poll::Ready(Ok(())) if block.filled().is_empty() => {
                    self.hub.half_closed(id, now);
                    progress = true;
                }
                Poll::Ready(Ok(())) => {
                    self.hub.input(id, block.filled());
                    self.readable.push_back(id);
                    progress = true;
                }
                Poll::Ready(Err(error)) => {
                    self.drop_client(id, &error);
                    progress = true;
                }
            }
        }
        progress
    }

    /// Queue → line.
    fn drive_tx(&mut self, now: Instant) -> bool {
        let mut progress = false;
        while !self.line_blocked && !self.hub.tx_front().is_empty() {
            let Slot::Open(line) = &mut self.slot else { break };
            let mut cx = Context::from_waker(&self.line_waker);
            match line.poll_write(&mut cx, self.hub.tx_front()) {
                Poll::Ready(Ok(n)) => {
                    trace!(port = %self.name, tx = %self.hub.tx_front()[..n].escape_ascii());
                    self.hub.tx_written(n, now);
                    progress = true;
                }
                Poll::Ready(Err(error)) => {
                    self.line_gone(&error, now);
                    progress = true;
                }
                Poll::Pending => self.line_blocked = true,
            }
        }
        progress
    }

    // ---- what the hub decided ------------------------------------------------------------------------------------

    fn take_events(&mut self) -> bool {
        let mut progress = false;
        while let Some(event) = self.hub.poll_event() {
            progress = true;
            match event {
                Event::Close(id, reason) => self.drop_client(id, &describe(reason)),
                Event::GapBegan(id) => self.tell(id, "falls behind and does not get everything"),
                Event::GapEnded(id) => self.tell(id, "has caught up"),
                Event::WriteRefused(id) => self.tell(id, "writes and may not; its bytes are thrown away"),
                Event::CrcBad => warn!(port = %self.name, "telegram with a wrong CRC"),
                Event::CrcGoodAgain(bad) => warn!(port = %self.name, bad, "CRCs are right again"),
            }
        }
        progress
    }

    fn tell(&self, id: ClientId, what: &str) {
        let Some(Some(socket)) = self.sockets.get(id) else {
            return;
        };
        let counters = self.hub.client_counters(id).unwrap_or_default();
        warn!(port = %self.name, client = %socket.peer, gap = counters.gap, skipped = counters.skipped_frames,
            "client {what}");
    }

    fn drop_client(&mut self, id: ClientId, cause: &dyn fmt::Display) {
        let Some(socket) = self.sockets.get_mut(id).and_then(Option::take) else {
            return;
        };
        let counters = self.hub.disconnect(id).unwrap_or_default();
        info!(port = %self.name, client = %socket.peer, sent = counters.sent, received = counters.received,
            refused = counters.refused, gap = counters.gap, skipped = counters.skipped_frames,
            "client disconnected: {cause}");
        socket.conn.close();
    }

    // ---- time and the end ----------------------------------------------------------------------------------------

    /// Sleeps until the next thing that time brings. True: it is here.
    fn poll_timer(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let slot = match &self.slot {
            Slot::Waiting(at) if self.ends_at.is_none() => Some(*at),
            Slot::Opening { stuck_at, .. } => *stuck_at,
            _ => None,
        };
        let end = self.ends_at.map(|at| at.min(now + DRAIN_LOOK));
        let next = [self.hub.deadline(), slot, end].into_iter().flatten().min();
        if next != self.sleep_until {
            self.sleep_until = next;
            if let Some(at) = next {
                self.sleep.as_mut().reset(at.into());
            }
        }
        self.sleep_until.is_some() && self.sleep.as_mut().poll(cx).is_ready()
    }

    /// Whether everything has gone out, or the time is up. Closes what is done with.
    fn poll_end(&mut self, now: Instant) -> bool {
        let Some(ends_at) = self.ends_at else { return false };
        let late = now >= ends_at;
        for id in 0..self.sockets.len() {
            if late || (self.sockets[id].is_some() && self.hub.is_drained(id)) {
                self.drop_client(id, &"the program ends");
            }
        }
        let line_done = match &self.slot {
            Slot::Open(line) => self.hub.tx_front().is_empty() && line.unsent().unwrap_or(0) == 0,
            Slot::Closing(_) => false,
            Slot::Waiting(_) | Slot::Opening { .. } => true,
        };
        let open = matches!(self.slot, Slot::Open(_));
        if open && (line_done || late) {
            self.close_line();
        }
        late || (line_done && !open && self.sockets.iter().all(Option::is_none))
    }

    fn say_goodbye(&self) {
        let counters = self.hub.counters();
        let p1 = self.hub.p1_counters().unwrap_or_default();
        info!(port = %self.name, rx = counters.rx, tx = counters.tx, tx_lost = counters.tx_lost,
            clients = counters.clients, refused = counters.refused, telegrams = p1.telegrams, crc_bad = p1.crc_bad,
            oversized = p1.oversized, abandoned = p1.abandoned, stray_bytes = p1.stray_bytes, "port ended");
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let now = now();
        this.ready.set_task(cx.waker());
        this.take_commands(cx, now);
        this.drive_slot(cx, now);

        let Self { ready, sockets, readable, writable, line_readable, line_blocked, .. } = &mut *this;
        ready.take(|token| {
            if token == LINE {
                (*line_readable, *line_blocked) = (true, false);
            } else if let Some(Some(socket)) = sockets.get_mut(token) {
                (socket.blocked, socket.fresh) = (false, false);
                writable.push(token);
                if !std::mem::replace(&mut socket.listed, true) {
                    readable.push_back(token);
                }
            }
        });

        let mut all = this.poll_timer(cx, now);
        for round in 0.. {
            if round == ROUNDS {
                cx.waker().wake_by_ref();
                break;
            }
            // After the line: what it has says whether there was silence.
            let received = this.drive_rx(now);
            if all {
                this.hub.handle_timeout(now);
            }
            let mut progress = this.drive_clients(received || all, now) || received;
            all = false;
            progress |= this.drive_input(now);
            progress |= this.drive_tx(now);
            progress |= this.take_events();
            if !progress {
                break;
            }
        }

        if this.poll_end(now) {
            this.say_goodbye();
            return Poll::Ready(());
        }
        this.drive_slot(cx, now);
        this.status.set(matches!(this.slot, Slot::Open(_)), this.hub.clients());
        if this.poll_timer(cx, now) {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

fn describe(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Lagged => "it fell behind by the whole backlog (on-lag: disconnect)",
        CloseReason::Displaced => "half-closed and silent, and its place was needed",
        CloseReason::Left => "it had nothing more to send",
    }
}

/// The runtime's clock: it stands still in tests.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
