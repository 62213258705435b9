//! The hub's events: work for the driver, records for the log, and counters.

use std::time::Duration;

use sermux_protocol::frame::OtherCrc;
use sermux_protocol::session::Speaks;

use super::client::{ClientCounters, ClientId};
use super::line_queue::Outcome;
use super::stuck::StuckReport;

/// What the hub wants done or said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Close this client's connection, then call [`Hub::disconnect`](super::Hub::disconnect).
    Close(ClientId, CloseReason),
    /// This client has no place any more and is sent nothing more, which it is to see; what it sent is still read.
    Parts(ClientId),
    /// This number of bytes were discarded, of a client that had closed: the line took nothing for too long.
    Discarded(u64),
    /// From here on this client does not get everything; said once until [`Event::GapEnded`].
    GapBegan(ClientId),
    /// The client is at the newest byte or frame again.
    GapEnded(ClientId),
    /// The client sent something that it may not send; said once for each client.
    WriteRefused(ClientId),
    /// The first client sent something while the second one holds the pen; said once for each client and hold.
    PenRefused(ClientId, ClientId),
    /// A telnet subnegotiation of this client was thrown away, because it is too long or has no end; said once for each
    /// client.
    SubnegotiationDropped(ClientId),
    /// This client seems to speak something else than its listener; said once for each listener.
    WrongProtocol(ClientId, Speaks),
    /// This number of bytes did not leave the line in time and were thrown away, because a break cannot begin behind them.
    BreakCost(u64),
    /// How what was asked with this number came out ([`Hub::ask`](super::Hub::ask)).
    Answered(u64, Outcome),
    /// The last client that might change something about the line has left, and it is given back as it is to be without.
    Released,
    /// The line takes nothing of what is queued for it; told once until [`Event::Moves`].
    Stuck(StuckReport),
    /// The line takes something again, or nothing is queued for it any more, after this time.
    Moves(Duration),
    /// Nothing came for this time (`expect`); reported once until [`Event::Heard`].
    Quiet(Duration),
    /// Something came again, after this time.
    Heard(Duration),
    /// Bytes come and no good telegram; said once until [`Event::GoodAgain`].
    Garbage,
    /// A good telegram came.
    GoodAgain,
    /// A telegram's CRC is right by another rule than the standard's; logged once for each rule.
    CrcBy(OtherCrc),
    /// A telegram's CRC is wrong or missing; said at the first one of a row.
    CrcBad,
    /// Telegrams have the right CRC again, after this number with a wrong one.
    CrcGoodAgain(u64),
}

/// Why a client is closed by the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// It fell behind by the whole backlog (`on-lag: disconnect`).
    Lagged,
    /// It had closed its sending side, and its place was needed.
    Displaced,
    /// Its listener was full, and it had been there for the longest time (`when-full: kick-oldest`).
    Oldest,
    /// Its listener was full, and it had been silent in both directions for the longest time (`when-full: kick-idle`).
    Idlest,
    /// It was silent in both directions for too long (`idle-timeout`).
    Idle,
    /// It had closed its sending side; what it sent has gone to the line, and it could hear the answer.
    Left,
    /// The device is not open any more, or could not be opened (`on-gone: disconnect`).
    DeviceGone,
    /// DCD has dropped (`hangup: disconnect`).
    CarrierLost,
    /// It has closed, in both directions.
    Gone,
    /// It had closed its sending side, and the line took nothing of what it had sent.
    Unsent,
    /// The listener that it came through is not in the configuration any more.
    ListenerGone,
    /// The device sent what has clients disconnected (`close-on`).
    DeviceEnds,
    /// A reload gave its listener other line settings than those of a client that was connected before it.
    OtherLine,
}

/// Why a new client is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Its listener takes no more clients.
    Full {
        /// How many there are.
        clients: usize,
        /// How many it takes.
        max_clients: usize,
    },
    /// This client is connected through a listener with other line settings (`line`).
    OtherLine(ClientId),
}

/// What happened on the port so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortCounters {
    /// Bytes from the line.
    pub rx: u64,
    /// Bytes to the line.
    pub tx: u64,
    /// Bytes of clients that were thrown away because the device was disconnected.
    pub tx_lost: u64,
    /// Bytes of clients that were thrown away because they may not write.
    pub tx_refused: u64,
    /// Bytes of clients that were thrown away because somebody purged them, or because they were in the way of a break.
    pub tx_purged: u64,
    /// Bytes of clients that were thrown away because the client had gone: it reset its connection or was disconnected, or
    /// it closed and the line took nothing for too long.
    pub tx_discarded: u64,
    /// Clients so far.
    pub clients: u64,
    /// Clients that were refused because the listener was full.
    pub refused: u64,
    /// Bytes of the line that some client never got: each counts them once.
    pub gap: u64,
    /// Frames of the line that some client never got: each counts them once.
    pub skipped_frames: u64,
    /// Frames that were cut because they are longer than a quarter of the backlog.
    pub cut_frames: u64,
    /// Half frames of clients that went to the line as they were (`tx-frame`).
    pub tx_cut_frames: u64,
    /// Telnet subnegotiations of clients that were too long or had no end.
    pub dropped_subnegotiations: u64,
    /// Commands of clients that telnet or RFC 2217 do not have.
    pub unknown_commands: u64,
}

impl PortCounters {
    /// A client's own part in them.
    pub(super) fn add(&mut self, client: &ClientCounters) {
        self.gap += client.gap;
        self.skipped_frames += client.skipped_frames;
        self.dropped_subnegotiations += client.dropped_subnegotiations;
        self.unknown_commands += client.unknown_commands;
    }
}
