//! The operator's `pause`, `resume` and `kick`: closes and opens the device, disconnects clients.

use std::time::Instant;

use tokio::sync::oneshot;
use tracing::info;

use super::ends::Cause;
use super::{Driver, Lifecycle, Slot};
use crate::capture::EventKind;
use crate::port::link::{Kicked, Whom};

impl Driver {
    /// Closes the device; clients stay. Sends `reply` once the device is closed.
    pub(super) fn pause(&mut self, reply: oneshot::Sender<()>, now: Instant) {
        self.settling.push(reply);
        if std::mem::replace(&mut self.paused, true) {
            return;
        }
        info!(event = %"port.paused",
            port = %self.name, device = %self.port.device, clients = self.hub.clients_that_hold(),
            "port paused: the device stays closed until the port is resumed");
        self.record(EventKind::Paused, format_args!("paused: {} is left alone", self.port.device));
        self.hub.line_gone(now);
        self.hub.notify(&format!("\r\n[port {}: paused]\r\n", self.name));
        self.part_with_device(now);
        self.operations.abandon();
        self.watched = None;
        self.close_line(now);
    }

    /// Opens the device again. Sends `reply` once the device is open, or could not be opened.
    pub(super) fn resume(&mut self, reply: oneshot::Sender<()>, now: Instant) {
        self.settling.push(reply);
        if !std::mem::replace(&mut self.paused, false) {
            return;
        }
        info!(event = %"port.resumed", port = %self.name, device = %self.port.device,
            "port resumed: the device is opened again");
        self.hub.notify(&format!("\r\n[port {}: resumed]\r\n", self.name));
        self.lifecycle = Lifecycle::default();
        // What clients send from here on waits for it.
        self.hub.line_at_rest(now);
        if let Slot::Waiting(at) = &mut self.slot {
            *at = now;
        }
    }

    /// Tells those who wait for it that the device is open, or is not. To be called when all else is done.
    pub(super) fn settle(&mut self, now: Instant) {
        if !matches!(self.slot, Slot::Opening { .. } | Slot::Closing { .. }) {
            for reply in self.settling.drain(..) {
                // The command that asked may have ended.
                let _ = reply.send(());
            }
        }
        self.account.enter(self.state(), now);
    }

    /// Closes clients.
    pub(super) fn kick(&mut self, whom: Whom, now: Instant) -> Vec<Kicked> {
        let sockets = self.sockets.iter().enumerate();
        let them = sockets.filter_map(|(id, socket)| {
            let socket = socket.as_ref()?;
            let it_is = match whom {
                Whom::All => true,
                Whom::Number(number) => socket.number == number,
                Whom::Peer(peer) => socket.peer == peer,
                Whom::Host(ip) => socket.peer.ip() == Some(ip),
            };
            it_is.then_some((id, Kicked { number: socket.number, peer: socket.peer }))
        });
        let them: Vec<_> = them.collect();
        for (id, _) in &them {
            self.hub.discard(*id);
            self.drop_client(*id, Cause::Kicked, now);
        }
        them.into_iter().map(|(_, kicked)| kicked).collect()
    }
}
