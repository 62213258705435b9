//! The line comes and goes.

use std::fmt;
use std::task::{Context, Poll};
use std::time::Instant;

use tracing::{info, warn};

use super::{now, Driver, Say, Slot, OPENING_IS_STUCK};
use crate::line::{self, OpenError, Opened};

impl Driver {
    pub(super) fn drive_slot(&mut self, cx: &mut Context<'_>, now: Instant) {
        loop {
            match &mut self.slot {
                Slot::Waiting(at) if *at <= now && self.ends_at.is_none() && !self.paused => {
                    self.slot = Slot::Opening { open: (self.opener)(), stuck_at: Some(now + OPENING_IS_STUCK) };
                }
                Slot::Opening { open, stuck_at } => match open.as_mut().poll(cx) {
                    Poll::Ready(Ok(opened)) if self.paused => {
                        self.slot = Slot::Closing(Box::pin(line::close(opened.line)));
                    }
                    Poll::Ready(Ok(opened)) => self.opened(opened, now),
                    Poll::Ready(Err(error)) => self.open_failed(&error, now),
                    Poll::Pending => {
                        if stuck_at.is_some_and(|at| at <= now) {
                            *stuck_at = None;
                            const WHAT: &str =
                                "opening hangs in the device's driver; unplug the device or restart the \
                                                machine if it stays so";
                            tracing::error!(port = %self.name, device = %self.port.device, "{WHAT}");
                            self.account.fault(WHAT, now);
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

    pub(super) fn opened(&mut self, opened: Opened, now: Instant) {
        let Opened { mut line, report } = opened;
        let was_lost = self.lifecycle.is_lost();
        let failures = self.lifecycle.opened(now);
        info!(port = %self.name, device = %self.port.device, line = %self.port.line.settings, tries = failures + 1,
            "opened");
        for difference in &report.differences {
            warn!(port = %self.name, device = %self.port.device, "{difference}");
        }
        if was_lost {
            self.hub.notify(&format!("\r\n[port {}: the device is back]\r\n", self.name));
        }
        self.account.opened(report.differences, report.not_carried);
        self.hub.line_opened(line.can_wait(), &report.snapshot);
        // Reading would take the ring's memory, and many a port is silent.
        self.line_readable = line.poll_readable(&mut Context::from_waker(&self.line_waker)).is_ready();
        self.line_blocked = false;
        line.watch(self.hub.watch());
        self.change_ready = true;
        self.slot = Slot::Open(line);
    }

    pub(super) fn open_failed(&mut self, error: &OpenError, now: Instant) {
        let (at, say) = self.lifecycle.failed(error, now);
        self.account.fault(&error.to_string(), now);
        if let Say::This(text) = say {
            warn!(port = %self.name, "{text}; trying again");
        }
        self.hub.line_gone(now);
        self.slot = Slot::Waiting(at);
    }

    /// The device went away: its fd is closed at once, or a replugged adapter gets another name.
    pub(super) fn line_gone(&mut self, cause: &dyn fmt::Display, now: Instant) {
        let Slot::Open(_) = &self.slot else { return };
        warn!(port = %self.name, device = %self.port.device, clients = self.hub.clients(),
            "device gone: {cause}; its clients stay, and it is opened again when it is back");
        self.account.fault(&format!("{}: device gone: {cause}; plug it in again", self.port.device), now);
        self.hub.line_gone(now);
        self.hub.notify(&format!("\r\n[port {}: the device is gone]\r\n", self.name));
        self.operations.abandon();
        self.close_line();
    }

    pub(super) fn close_line(&mut self) {
        let closed = Slot::Waiting(now());
        match std::mem::replace(&mut self.slot, closed) {
            Slot::Open(line) => self.slot = Slot::Closing(Box::pin(line::close(line))),
            other => self.slot = other,
        }
    }
}
