//! Clients that leave: how the driver notices and what it closes. The hub decides about their bytes.

use std::fmt;
use std::io;
use std::time::Instant;

use sermux_port_config::config::{OnConnect, OnDisconnect};

use super::{ClientId, CloseReason, Driver};
use crate::capture::EventKind;
use crate::log::info_or_debug;
use crate::log::visits::{is_logged, Visit};
use crate::net::conn::{is_after_close, End};

/// Why a client is disconnected.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cause<'a> {
    /// The hub decided so.
    Closed(CloseReason),
    /// The connection failed.
    Failed(&'a io::Error),
    /// An operator wanted it.
    Kicked,
    /// Its port ends.
    Ended,
}

impl Cause<'_> {
    /// In a word, as sermux-log(7) has it.
    fn name(self) -> &'static str {
        match self {
            Cause::Closed(CloseReason::Lagged) => "lagged",
            Cause::Closed(CloseReason::Displaced) => "displaced",
            Cause::Closed(CloseReason::Oldest) => "oldest",
            Cause::Closed(CloseReason::Idlest) => "idlest",
            Cause::Closed(CloseReason::Idle) => "idle",
            Cause::Closed(CloseReason::DeviceGone) => "device-gone",
            Cause::Closed(CloseReason::CarrierLost) => "carrier-lost",
            Cause::Closed(CloseReason::ListenerGone) => "listener-gone",
            Cause::Closed(CloseReason::OtherLine) => "other-line",
            Cause::Closed(CloseReason::DeviceEnds) => "close-on",
            Cause::Closed(CloseReason::Left) => "half-closed",
            Cause::Closed(CloseReason::Gone) => "closed",
            Cause::Closed(CloseReason::Unsent) => "unsent",
            Cause::Failed(_) => "failed",
            Cause::Kicked => "kicked",
            Cause::Ended => "port-ended",
        }
    }
}

impl fmt::Display for Cause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cause::Closed(CloseReason::Lagged) => "the client fell behind by the whole backlog (on-lag: disconnect)",
            Cause::Closed(CloseReason::Displaced) => {
                "the client had closed its sending side, and a new client needed its place"
            }
            Cause::Closed(CloseReason::Oldest) => {
                "the listener is full, and this was the oldest client (when-full: kick-oldest)"
            }
            Cause::Closed(CloseReason::Idlest) => {
                "the listener is full, and this client was silent for longest (when-full: kick-idle)"
            }
            Cause::Closed(CloseReason::Idle) => "no byte in either direction for too long (idle-timeout)",
            Cause::Closed(CloseReason::DeviceGone) => "the device is disconnected (on-gone: disconnect)",
            Cause::Closed(CloseReason::CarrierLost) => "DCD has dropped (hangup: disconnect)",
            Cause::Closed(CloseReason::ListenerGone) => "its listener was removed from the configuration",
            Cause::Closed(CloseReason::OtherLine) => {
                "its listener now has other line settings than those another client uses"
            }
            Cause::Closed(CloseReason::DeviceEnds) => "the device sent the text of close-on",
            Cause::Closed(CloseReason::Left) => {
                "the client had closed its sending side, and the half-close time is over"
            }
            Cause::Closed(CloseReason::Gone) => "closed by the client",
            Cause::Closed(CloseReason::Unsent) => {
                "the client had closed its sending side, and the device takes none of the bytes it sent"
            }
            Cause::Failed(error) => return error.fmt(f),
            Cause::Kicked => "kicked by an operator",
            Cause::Ended => "its port stops",
        })
    }
}

impl Driver {
    /// Looks for clients of this listener that have disconnected, or closed their sending side, before the runtime could tell:
    /// they must not keep a new client out.
    pub(super) fn find_closed(&mut self, listener: usize, now: Instant) {
        let ids: Vec<_> = (0..self.sockets.len()).filter(|id| self.is_in_the_way(listener, *id)).collect();
        for id in ids {
            self.look_for_end(id, now);
        }
    }

    /// Looks for clients that have disconnected, or closed their sending side, before the runtime could report it, where something
    /// is done with the first client and after the last one: a client that connects after they closed is the first.
    pub(super) fn find_last_closed(&mut self, now: Instant) {
        let modem = &self.port.modem;
        if modem.on_connect != OnConnect::default() || modem.on_disconnect != OnDisconnect::default() {
            (0..self.sockets.len()).for_each(|id| self.look_for_end(id, now));
        }
    }

    /// Asks the kernel whether this client has disconnected, or closed its sending side.
    pub(super) fn look_for_end(&mut self, id: ClientId, now: Instant) {
        let Some(Some(socket)) = self.sockets.get_mut(id) else { return };
        match socket.conn.end() {
            End::Open => return,
            End::HalfClosed => self.hub.ends(id, now),
            End::Gone => self.hub.gone(id, now),
            End::Reset(error) => return self.client_failed(id, &error, now),
        }
        if let Some(Some(socket)) = self.sockets.get_mut(id) {
            socket.places = None;
        }
    }

    /// The connection failed. A client that had closed its sending side before has left in good order.
    pub(super) fn client_failed(&mut self, id: ClientId, error: &io::Error, now: Instant) {
        if is_after_close(error) {
            self.hub.gone(id, now);
        } else {
            self.hub.discard(id);
            self.drop_client(id, Cause::Failed(error), now);
        }
    }

    pub(super) fn drop_client(&mut self, id: ClientId, cause: Cause<'_>, now: Instant) {
        let Some(socket) = self.sockets.get_mut(id).and_then(Option::take) else {
            return;
        };
        if self.hub.clients() == 1 {
            self.part_from_device((socket.conn.endpoint(), socket.peer), now);
        }
        let unread = socket.ahead.as_ref().map_or(0, |ahead| ahead.len()) + socket.conn.close();
        let counters = self.hub.disconnect(id, unread, now).unwrap_or_default();
        // One of many is logged if it left when the others had long gone.
        let is_logged = socket.is_logged || is_logged(socket.peer, &self.name, Visit::Disconnected);
        info_or_debug!(is_logged, event = %"client.disconnected", port = %self.name, client = %socket.peer,
            cause = cause.name(), sent = counters.sent, received = counters.received, refused = counters.refused,
            discarded = counters.discarded, gap = counters.gap, skipped = counters.skipped_frames,
            "client disconnected: {cause}");
        self.record(EventKind::ClientDisconnected, format_args!("client {} disconnected: {cause}", socket.peer));
    }
}
