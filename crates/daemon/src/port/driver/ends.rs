//! Clients that leave: how it is noticed, and what is closed then. What becomes of their bytes is the hub's decision.

use std::fmt;
use std::io;
use std::time::Instant;

use tracing::{debug, info};

use super::{ClientId, Driver};
use crate::capture::EventKind;
use crate::log::visits::{is_logged, Visit};
use crate::net::conn::{is_after_close, End};

impl Driver {
    /// Looks for clients in the way of a new client of this listener that have gone, or closed their sending side, before the
    /// runtime could tell: they must not keep others out.
    pub(super) fn find_closed(&mut self, listener: usize, now: Instant) {
        let ids: Vec<_> = (0..self.sockets.len()).filter(|id| self.is_in_the_way(listener, *id)).collect();
        for id in ids {
            self.look_for_end(id, now);
        }
    }

    /// Asks the kernel whether this client has gone, or closed its sending side.
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
            self.drop_client(id, error, now);
        }
    }

    pub(super) fn drop_client(&mut self, id: ClientId, cause: &dyn fmt::Display, now: Instant) {
        let Some(socket) = self.sockets.get_mut(id).and_then(Option::take) else {
            return;
        };
        let unread = socket.ahead.as_ref().map_or(0, |ahead| ahead.len()) + socket.conn.close();
        let counters = self.hub.disconnect(id, unread, now).unwrap_or_default();
        // One of many is logged if it left when the others had long gone.
        if socket.is_logged || is_logged(socket.peer, &self.name, Visit::Disconnected) {
            info!(port = %self.name, client = %socket.peer, sent = counters.sent, received = counters.received,
                refused = counters.refused, discarded = counters.discarded, gap = counters.gap,
                skipped = counters.skipped_frames, "client disconnected: {cause}");
        } else {
            debug!(port = %self.name, client = %socket.peer, sent = counters.sent, received = counters.received,
                refused = counters.refused, discarded = counters.discarded, gap = counters.gap,
                skipped = counters.skipped_frames, "client disconnected: {cause}");
        }
        self.record(EventKind::ClientDisconnected, format_args!("client {} disconnected: {cause}", socket.peer));
    }
}
