//! What to do to the line when the first client connects (`on-connect`); the line's desired
//! state decides what to do after the last one (`on-disconnect`).

use std::sync::Arc;
use std::time::Instant;

use sermux_port_config::config::{reset, Banner, OnConnect};
use sermux_port_config::signal::Effect;

use super::{ClientId, Driver, Slot};
use crate::net::peer::{Endpoint, Peer};
use crate::port::greeting;

impl Driver {
    /// This client is there, and there was none. Without a line what is to be done waits for it.
    pub(super) fn first_client(&mut self, id: ClientId, now: Instant) {
        self.greeting_owed = !matches!(self.slot, Slot::Open(_));
        if self.greeting_owed {
            if !self.port.modem.on_connect.send.is_empty() {
                self.hub.defer_input();
            }
            return;
        }
        let OnConnect { dtr, rts, .. } = self.port.modem.on_connect;
        self.set_outputs(dtr.level(), rts.level(), now);
        self.start_anew(id, now);
    }

    /// The line is open and has its outputs; does what else the first client was to bring about.
    pub(super) fn pay_greeting(&mut self, now: Instant) {
        if !std::mem::take(&mut self.greeting_owed) {
            return;
        }
        if let Some(id) = self.sockets.iter().position(Option::is_some) {
            self.start_anew(id, now);
        }
        self.hub.admit_input();
    }

    /// Those who are connected to the line start anew: by a macro, by a break, by a text.
    fn start_anew(&mut self, id: ClientId, now: Instant) {
        let port = Arc::clone(&self.port);
        let OnConnect { reset: name, break_for, .. } = &port.modem.on_connect;
        if let Some(steps) = name.as_ref().and_then(|name| reset::find(&port.reset, name)) {
            self.ask_unanswered(Effect::Run(steps.into()), now);
        }
        if let Some(length) = break_for {
            self.ask_unanswered(Effect::BreakPulse(*length), now);
        }
        if let Some(Some(socket)) = self.sockets.get(id) {
            let ends = (socket.conn.endpoint(), socket.peer);
            self.send_text(&port.modem.on_connect.send, ends, now);
        }
    }

    /// The last client, which has these ends, disconnects: sends the text for the device.
    pub(super) fn part_from_device(&mut self, ends: (Option<Endpoint>, Peer), now: Instant) {
        if matches!(self.slot, Slot::Open(_)) {
            let port = Arc::clone(&self.port);
            self.send_text(&port.modem.on_disconnect.send, ends, now);
        }
    }

    fn send_text(&mut self, text: &Banner, ends: (Option<Endpoint>, Peer), now: Instant) {
        let text = greeting::text(text, &self.name, &self.port.device, self.hub.view().settings, ends);
        self.hub.send_text(&text, now);
    }
}
