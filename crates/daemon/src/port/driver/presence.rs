//! What to do to the line when the first client connects (`on-connect`); the line's desired
//! state decides what to do after the last one (`on-disconnect`).

use std::sync::Arc;
use std::time::Instant;

use sermux_port_config::config::{reset, OnConnect};
use sermux_port_config::signal::Effect;

use super::{Driver, Slot};

impl Driver {
    /// A client is there, and there was none. Without a line what is to be done waits for it.
    pub(super) fn first_client(&mut self, now: Instant) {
        self.greeting_owed = !matches!(self.slot, Slot::Open(_));
        if self.greeting_owed {
            return;
        }
        let OnConnect { dtr, rts, .. } = self.port.modem.on_connect;
        self.set_outputs(dtr.level(), rts.level(), now);
        self.start_anew(now);
    }

    /// The line is open: it has its outputs, but for what else the first client was to bring about.
    pub(super) fn pay_greeting(&mut self, now: Instant) {
        if std::mem::take(&mut self.greeting_owed) && self.hub.clients() > 0 {
            self.start_anew(now);
        }
    }

    /// Those who are connected to the line start anew: by a macro, by a break.
    fn start_anew(&mut self, now: Instant) {
        let port = Arc::clone(&self.port);
        let OnConnect { reset: name, break_for, .. } = &port.modem.on_connect;
        if let Some(steps) = name.as_ref().and_then(|name| reset::find(&port.reset, name)) {
            self.ask_unanswered(Effect::Run(steps.into()), now);
        }
        if let Some(length) = break_for {
            self.ask_unanswered(Effect::BreakPulse(*length), now);
        }
    }
}
