//! What the hub decided, and what the log hears of it.

use std::time::{Duration, Instant};

use sermux_port_config::config::Protocol;
use sermux_port_config::units::format_duration;
use sermux_protocol::frame::OtherCrc;
use sermux_protocol::session::Speaks;
use tracing::{debug, info, warn};

use super::{ClientId, CloseReason, Driver, Event};
use crate::net::peer::Peer;

impl Driver {
    pub(super) fn take_events(&mut self, now: Instant) -> bool {
        let mut progress = false;
        while let Some(event) = self.hub.poll_event() {
            progress = true;
            match event {
                Event::Close(id, reason) => self.drop_client(id, &describe(reason), now),
                Event::Parts(id) => {
                    if let Some(Some(socket)) = self.sockets.get_mut(id) {
                        socket.conn.stop_sending();
                        socket.places = None;
                    }
                }
                Event::Discarded(bytes) => warn!(port = %self.name, device = %self.port.device, bytes,
                    "discarded what a client had sent before it closed: the line takes nothing"),
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
                Event::SubnegotiationDropped(id) => {
                    self.tell(id, "sends a telnet subnegotiation that is too long or has no end; it was discarded");
                }
                Event::WrongProtocol(id, speaks) => self.tell_mistaken(id, speaks),
                Event::Answered(number, outcome) => self.answer_operator(number, outcome),
                Event::Released => info!(port = %self.name,
                    "no client with control is left: what they changed about the line is undone (on-release: restore)"),
                Event::Stuck(stuck) => {
                    warn!(port = %self.name, device = %self.port.device, "stuck: {}", stuck.now(now))
                }
                Event::Moves(after) => warn!(port = %self.name, device = %self.port.device,
                    "no longer stuck, after {}", format_duration(whole_seconds(after))),
                Event::Quiet(limit) => warn!(port = %self.name, device = %self.port.device, "quiet: {}",
                    self.hub.missing().for_so_long(limit, &self.port.device)),
                Event::Heard(silence) => warn!(port = %self.name, device = %self.port.device,
                    "something comes again, after {}", format_duration(whole_seconds(silence))),
                Event::Garbage => warn!(port = %self.name, device = %self.port.device, "garbage: {}",
                    self.hub.missing().now(&self.port.device)),
                Event::GoodAgain => warn!(port = %self.name, device = %self.port.device, "good telegrams come again"),
                Event::CrcBad => {
                    warn!(port = %self.name, "telegram with a wrong CRC, or without the one that it should have")
                }
                Event::CrcBy(OtherCrc::X25) => warn!(port = %self.name, crc = "CRC-16/X-25",
                    "the meter sends CRC-16/X-25 instead of the standard's CRC-16/ARC; its telegrams are accepted, but a reader that checks the CRC may refuse them"),
                Event::CrcBy(OtherCrc::OverCrLf) => warn!(port = %self.name, crc = "CRC-16/ARC over CR LF",
                    "lines end in LF alone, and the CRC is right for CR LF: something in front of this port removes each CR; telegrams are accepted, but a reader that checks the CRC may refuse them"),
                Event::CrcGoodAgain(bad) => warn!(port = %self.name, bad, "CRCs are right again"),
            }
        }
        progress
    }

    /// The client came to a listener that does not speak what it does: names one that fits.
    fn tell_mistaken(&self, id: ClientId, speaks: Speaks) {
        let Some(Some(socket)) = self.sockets.get(id).filter(|socket| socket.as_ref().is_some_and(|s| s.is_logged))
        else {
            return;
        };
        let Some(client) = self.hub.client_state(id) else { return };
        let mut listeners = self.listeners.iter().copied().zip(&self.port.listen);
        let Some((_, own)) = listeners.clone().find(|(key, _)| *key == client.listener) else { return };
        let (seems, is_it): (_, fn(&Protocol) -> bool) = match speaks {
            Speaks::Raw => ("to send raw bytes", |protocol| *protocol == Protocol::Raw),
            Speaks::Telnet => ("to speak telnet", |protocol| *protocol != Protocol::Raw),
            Speaks::Rfc2217 => ("to speak RFC 2217", Protocol::has_rfc2217),
        };
        let does = match &own.protocol {
            Protocol::Telnet(_) if speaks == Speaks::Rfc2217 => "telnet without RFC 2217",
            protocol => protocol.name(),
        };
        let advice = match listeners.find(|(_, listener)| is_it(&listener.protocol)) {
            Some((key, listener)) => match self.account.bound(key) {
                Some(Ok(address)) => format!("connect it to {address}"),
                _ => format!("connect it to {}", listener.address),
            },
            None => match speaks {
                Speaks::Raw => "add a listener with `protocol: raw`".to_owned(),
                Speaks::Telnet => "add a listener with `protocol: telnet`".to_owned(),
                Speaks::Rfc2217 if own.protocol != Protocol::Raw => "add `rfc2217: true` to it".to_owned(),
                Speaks::Rfc2217 => "add a listener with `protocol: telnet` and `rfc2217: true`".to_owned(),
            },
        };
        warn!(port = %self.name, client = %socket.peer, listener = %own.address,
            "client seems {seems}, and this listener is {does}; {advice}");
    }

    pub(super) fn tell(&self, id: ClientId, what: &str) {
        let Some(Some(socket)) = self.sockets.get(id) else {
            return;
        };
        let counters = self.hub.client_counters(id).unwrap_or_default();
        if !socket.is_logged {
            debug!(port = %self.name, client = %socket.peer, gap = counters.gap, skipped = counters.skipped_frames,
                "client {what}");
            return;
        }
        warn!(port = %self.name, client = %socket.peer, gap = counters.gap, skipped = counters.skipped_frames,
            "client {what}");
    }

    /// Who a client is.
    pub(super) fn who(&self, id: Option<ClientId>) -> Option<Peer> {
        self.sockets.get(id?)?.as_ref().map(|socket| socket.peer)
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
        CloseReason::Displaced => "it had closed its sending side, and its place was needed",
        CloseReason::Oldest => "the listener is full, and it was the oldest client (when-full: kick-oldest)",
        CloseReason::Idlest => "the listener is full, and it was silent the longest (when-full: kick-idle)",
        CloseReason::Idle => "it was silent in both directions for too long (idle-timeout)",
        CloseReason::DeviceGone => "the device is gone (on-gone: disconnect)",
        CloseReason::CarrierLost => "DCD has dropped (hangup: disconnect)",
        CloseReason::ListenerGone => "its listener is not configured any more",
        CloseReason::OtherLine => "its listener has other line settings now than those the line has for another client",
        CloseReason::Left => "it had closed its sending side, and could hear for the time of half-close",
        CloseReason::Gone => "closed by the client",
        CloseReason::Unsent => "it had closed its sending side, and the line takes nothing of what it sent",
    }
}
