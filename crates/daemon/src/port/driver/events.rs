//! What the hub decided, and what the log hears of it.

use std::fmt;
use std::time::{Duration, Instant};

use sermux_port_config::units::format_duration;
use tracing::{info, warn};

use crate::capture::EventKind;

use super::{ClientId, CloseReason, Driver, Event};
use crate::net::peer::Peer;

impl Driver {
    pub(super) fn take_events(&mut self, now: Instant) -> bool {
        let mut progress = false;
        while let Some(event) = self.hub.poll_event() {
            progress = true;
            match event {
                Event::Close(id, reason) => self.drop_client(id, &describe(reason), now),
                Event::GapBegan(id) => self.tell(id, "falls behind and does not get everything"),
                Event::GapEnded(id) => self.tell(id, "has caught up"),
                Event::WriteRefused(id) => self.tell(id, "writes and may not; its bytes are thrown away"),
                Event::BreakCost(bytes) => warn!(port = %self.name, device = %self.port.device, bytes,
                    "a break threw away what did not leave in time (is CTS low, or XOFF received?)"),
                Event::PenRefused(id, holder) => {
                    let holder =
                        self.who(Some(holder)).map_or_else(|| "another client".to_owned(), |peer| peer.to_string());
                    self.tell(id, &format!("writes while {holder} holds the pen; its bytes are thrown away"));
                }
                Event::Answered(number, outcome) => self.answer_wish(number, outcome),
                Event::Quiet(limit) => warn!(port = %self.name, device = %self.port.device, "quiet: {}",
                    self.hub.missing().for_so_long(limit, &self.port.device)),
                Event::Heard(silence) => warn!(port = %self.name, device = %self.port.device,
                    "something comes again, after {}", format_duration(whole_seconds(silence))),
                Event::Garbage => warn!(port = %self.name, device = %self.port.device, "garbage: {}",
                    self.hub.missing().now(&self.port.device)),
                Event::GoodAgain => warn!(port = %self.name, device = %self.port.device, "good telegrams come again"),
                Event::CrcBad => warn!(port = %self.name, "telegram with a wrong CRC"),
                Event::CrcGoodAgain(bad) => warn!(port = %self.name, bad, "CRCs are right again"),
            }
        }
        progress
    }

    pub(super) fn tell(&self, id: ClientId, what: &str) {
        let Some(Some(socket)) = self.sockets.get(id) else {
            return;
        };
        let counters = self.hub.client_counters(id).unwrap_or_default();
        warn!(port = %self.name, client = %socket.peer, gap = counters.gap, skipped = counters.skipped_frames,
            "client {what}");
    }

    /// Who a client is.
    pub(super) fn who(&self, id: Option<ClientId>) -> Option<Peer> {
        self.sockets.get(id?)?.as_ref().map(|socket| socket.peer)
    }

    pub(super) fn drop_client(&mut self, id: ClientId, cause: &dyn fmt::Display, now: Instant) {
        let Some(socket) = self.sockets.get_mut(id).and_then(Option::take) else {
            return;
        };
        let counters = self.hub.disconnect(id, now).unwrap_or_default();
        info!(port = %self.name, client = %socket.peer, sent = counters.sent, received = counters.received,
            refused = counters.refused, gap = counters.gap, skipped = counters.skipped_frames,
            "client disconnected: {cause}");
        self.record(EventKind::ClientDisconnected, format_args!("client {} disconnected: {cause}", socket.peer));
        socket.conn.close();
    }
}

/// What a person wants to know of a long time.
fn whole_seconds(time: Duration) -> Duration {
    if time < Duration::from_secs(1) {
        time
    } else {
        Duration::from_secs(time.as_secs())
    }
}

fn describe(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Lagged => "it fell behind by the whole backlog (on-lag: disconnect)",
        CloseReason::Displaced => "half-closed and silent, and its place was needed",
        CloseReason::Oldest => "the listener is full, and it was the oldest client (when-full: kick-oldest)",
        CloseReason::Idlest => "the listener is full, and it was silent the longest (when-full: kick-idle)",
        CloseReason::Idle => "it was silent in both directions for too long (idle-timeout)",
        CloseReason::DeviceGone => "the device is gone (on-gone: disconnect)",
        CloseReason::ListenerGone => "its listener is not configured any more",
        CloseReason::Left => "it had nothing more to send",
    }
}
