//! Carries out what the hub decided, and logs it.

use std::time::{Duration, Instant};

use sermux_port_config::config::Protocol;
use sermux_port_config::units::format_duration;
use sermux_protocol::frame::OtherCrc;
use sermux_protocol::session::Speaks;
use tracing::{info, warn};

use super::ends::Cause;
use super::{ClientId, Driver, Event};
use crate::log::warn_or_debug;
use crate::net::peer::Peer;

impl Driver {
    pub(super) fn take_events(&mut self, now: Instant) -> bool {
        let mut progress = false;
        while let Some(event) = self.hub.poll_event() {
            progress = true;
            match event {
                Event::Close(id, reason) => self.drop_client(id, Cause::Closed(reason), now),
                Event::Parts(id) => {
                    if let Some(Some(socket)) = self.sockets.get_mut(id) {
                        socket.conn.stop_sending();
                        socket.places = None;
                    }
                }
                Event::Discarded(bytes) => {
                    warn!(event = %"client.bytes-discarded", port = %self.name, device = %self.port.device, bytes,
                    "discarded bytes that a client sent before it disconnected: the device takes none")
                }
                Event::GapBegan(id) => self.gap_began(id),
                Event::GapEnded(id) => self.gap_ended(id),
                Event::WriteRefused(id) => self.write_refused(id),
                Event::BreakCost(bytes) => {
                    warn!(event = %"line.bytes-discarded", port = %self.name, device = %self.port.device, bytes,
                    "a break discarded bytes that could not be sent in time (is CTS low, or was XOFF received?)")
                }
                Event::PenRefused(id, holder) => self.pen_refused(id, holder),
                Event::SubnegotiationDropped(id) => self.subnegotiation_dropped(id),
                Event::WrongProtocol(id, speaks) => self.tell_mistaken(id, speaks),
                Event::Answered(number, outcome) => self.answer_operator(number, outcome),
                Event::Released => info!(event = %"line.restored", port = %self.name,
                    "the last client with control has disconnected: configured line settings are restored (on-release: restore)"),
                Event::Stuck(stuck) => {
                    warn!(event = %"line.stuck", port = %self.name, device = %self.port.device, "stuck: {}", stuck.now(now))
                }
                Event::Moves(after) => warn!(event = %"line.unstuck", port = %self.name, device = %self.port.device,
                    "no longer stuck: the device took bytes again after {}", format_duration(whole_seconds(after))),
                Event::Quiet(limit) => {
                    warn!(event = %"line.quiet", port = %self.name, device = %self.port.device, "quiet: {}",
                    self.hub.missing().for_so_long(limit, &self.port.device))
                }
                Event::Heard(silence) => warn!(event = %"line.heard", port = %self.name, device = %self.port.device,
                    "no longer quiet: the device sent again after {}", format_duration(whole_seconds(silence))),
                Event::Garbage => {
                    warn!(event = %"line.garbled", port = %self.name, device = %self.port.device, "garbage: {}",
                    self.hub.missing().now(&self.port.device))
                }
                Event::GoodAgain => {
                    warn!(event = %"line.ungarbled", port = %self.name, device = %self.port.device,
                        "no longer garbage: the device sends valid telegrams again")
                }
                Event::CrcBad => {
                    warn!(event = %"telegram.crc-bad", port = %self.name,
                        "received a telegram whose CRC is wrong or missing")
                }
                Event::CrcBy(OtherCrc::X25) => {
                    warn!(event = %"telegram.crc-other", port = %self.name, crc = "CRC-16/X-25",
                    "the meter sends CRC-16/X-25 instead of the standard's CRC-16/ARC; its telegrams are accepted, but a reader that checks the CRC may refuse them")
                }
                Event::CrcBy(OtherCrc::OverCrLf) => {
                    warn!(event = %"telegram.crc-other", port = %self.name, crc = "CRC-16/ARC over CR LF",
                    "lines end in LF alone, and the CRC is right for CR LF: something in front of this port removes each CR; telegrams are accepted, but a reader that checks the CRC may refuse them")
                }
                Event::CrcGoodAgain(bad) => {
                    warn!(event = %"telegram.crc-good", port = %self.name, bad, "received a telegram with a right CRC again")
                }
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
        warn!(event = %"client.protocol-wrong", port = %self.name, client = %socket.peer, listener = %own.address,
            "client seems {seems}, and this listener is {does}; {advice}");
    }

    fn gap_began(&self, id: ClientId) {
        let Some(Some(socket)) = self.sockets.get(id) else { return };
        let counters = self.hub.client_counters(id).unwrap_or_default();
        warn_or_debug!(socket.is_logged, event = %"client.lagging", port = %self.name, client = %socket.peer,
            gap = counters.gap, skipped = counters.skipped_frames, "client falls behind and loses bytes");
    }

    fn gap_ended(&self, id: ClientId) {
        let Some(Some(socket)) = self.sockets.get(id) else { return };
        let counters = self.hub.client_counters(id).unwrap_or_default();
        warn_or_debug!(socket.is_logged, event = %"client.caught-up", port = %self.name, client = %socket.peer,
            gap = counters.gap, skipped = counters.skipped_frames, "client has caught up");
    }

    fn write_refused(&self, id: ClientId) {
        let Some(Some(socket)) = self.sockets.get(id) else { return };
        warn_or_debug!(socket.is_logged, event = %"client.write-refused", port = %self.name, client = %socket.peer,
            "client may not write; the bytes it sent are discarded");
    }

    fn pen_refused(&self, id: ClientId, holder: ClientId) {
        let Some(Some(socket)) = self.sockets.get(id) else { return };
        let holder = self.who(Some(holder));
        let who = holder.map_or_else(|| "another client".to_owned(), |peer| peer.to_string());
        warn_or_debug!(socket.is_logged, event = %"client.pen-refused", port = %self.name, client = %socket.peer,
            holder = holder.map(tracing::field::display),
            "client may not write while {who} holds the pen; the bytes it sent are discarded");
    }

    fn subnegotiation_dropped(&self, id: ClientId) {
        let Some(Some(socket)) = self.sockets.get(id) else { return };
        warn_or_debug!(socket.is_logged, event = %"client.subnegotiation-discarded", port = %self.name,
            client = %socket.peer,
            "client sent a telnet subnegotiation that is too long or does not end; the subnegotiation was discarded");
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
