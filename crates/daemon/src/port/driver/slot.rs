//! The device is opened, lost and opened again.
//!
//! Waiting, opening (on a thread of `workers`), open, closing (on the blocking pool), waiting. A read of 0 or EIO is the end of a line;
//! its descriptor is closed at once, because a replugged adapter gets another number while the old one is open. A line that was
//! open for a second is opened again at once; otherwise the port tries again as `lifecycle` says, and whenever inotify reports the
//! device's name. What clients send waits while the device is first being opened. Once it is known to be gone, what they send is
//! discarded and counted, because commands that arrive minutes late at a replugged device do harm.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use sermux_port_config::config::{Open, Port};
use sermux_port_config::line::LineSettings;
use sermux_port_config::signal::Output;
use tracing::{info, warn};

use super::{Driver, Say, Slot, OPENING_IS_STUCK};
use crate::capture::EventKind;
use crate::line::{self, OpenError, Opened};
use crate::port::hub::Levels;

const OPENING_HANGS: &str =
    "opening hangs in the device's driver; unplug the device or restart the machine if it stays so";

impl Driver {
    /// Brings the line to where it should be. Most of the time it is: that costs nothing.
    #[inline]
    pub(super) fn drive_slot(&mut self, cx: &mut Context<'_>, now: Instant) {
        if !matches!(self.slot, Slot::Open(_)) {
            self.open_or_close(cx, now);
        }
    }

    fn open_or_close(&mut self, cx: &mut Context<'_>, now: Instant) {
        loop {
            if matches!(self.slot, Slot::Waiting(_)) && self.name_changed(cx) {
                self.slot = Slot::Waiting(now);
            }
            let may_open = self.ends_at.is_none() && self.needs_line();
            match &mut self.slot {
                Slot::Waiting(at) if *at <= now && may_open => {
                    self.watch_name();
                    let with = self.port_to_open();
                    let open = (self.opener)(Arc::clone(&with));
                    self.slot = Slot::Opening { open, with, stuck_at: Some(now + OPENING_IS_STUCK) };
                }
                Slot::Opening { open, with, stuck_at } => match open.as_mut().poll(cx) {
                    Poll::Ready(Ok(opened)) if self.paused => {
                        self.slot = Slot::Closing { closing: Box::pin(line::close(opened.line)), again_at: now };
                    }
                    Poll::Ready(Ok(opened)) => {
                        let settings = with.line.settings;
                        self.opened(opened, settings, now);
                        // It is asked for what it has in this poll, or in the next one.
                        cx.waker().wake_by_ref();
                    }
                    Poll::Ready(Err(error)) => self.open_failed(&error, now),
                    Poll::Pending => {
                        if stuck_at.is_some_and(|at| at <= now) {
                            *stuck_at = None;
                            tracing::error!(event = %"line.open-hung", port = %self.name, device = %self.port.device,
                                "{OPENING_HANGS}");
                            self.account.fault(OPENING_HANGS, now);
                        }
                        return;
                    }
                },
                Slot::Closing { closing, again_at } => match closing.as_mut().poll(cx) {
                    Poll::Ready(()) => self.slot = Slot::Waiting(*again_at),
                    Poll::Pending => return,
                },
                Slot::Waiting(_) | Slot::Open(_) => return,
            }
        }
    }

    /// The port with what clients have changed about its line.
    fn port_to_open(&mut self) -> Arc<Port> {
        let Levels { settings, dtr, rts } = self.hub.opens_with();
        let (dtr, rts) = (Output::at(dtr), Output::at(rts));
        let Port { line, modem, .. } = &*self.port;
        if (line.settings, modem.dtr, modem.rts) == (settings, dtr, rts) {
            return Arc::clone(&self.port);
        }
        let mut port = (*self.port).clone();
        (port.line.settings, port.modem.dtr, port.modem.rts) = (settings, dtr, rts);
        Arc::new(port)
    }

    /// Whether the device should be open.
    pub(super) fn needs_line(&self) -> bool {
        !self.paused && (self.port.open == Open::Always || self.is_used() || self.rest_at.is_some())
    }

    /// Whether there are clients, or bytes of some that have disconnected.
    fn is_used(&self) -> bool {
        self.hub.clients() > 0 || self.hub.has_departed()
    }

    /// Closes a device that nobody has used for a while (`open: on-demand`).
    pub(super) fn rest(&mut self, now: Instant) {
        if self.is_used() || self.port.open == Open::Always {
            self.rest_at = None;
            return;
        }
        match (&self.slot, self.rest_at) {
            (Slot::Open(_), None) => self.rest_at = Some(now + self.port.linger),
            (Slot::Open(_), Some(at)) if at <= now => {
                info!(event = %"line.closed", port = %self.name, device = %self.port.device,
                    "device closed: no client uses it (open: on-demand)");
                self.record(EventKind::Closed, format_args!("{} closed: nobody uses it", self.port.device));
                self.rest_at = None;
                self.operations.abandon();
                self.hub.line_at_rest(now);
                self.close_line(now);
            }
            (Slot::Open(_), Some(_)) => {}
            _ => self.rest_at = None,
        }
    }

    /// The first client of a device that nobody has used (`open: on-demand`): what it sends waits until the next try.
    pub(super) fn expect_line(&mut self, now: Instant) {
        if matches!(self.slot, Slot::Waiting(_)) && self.hub.is_line_gone() {
            self.hub.line_at_rest(now);
        }
    }

    /// Closes the device and opens what is configured now; clients stay.
    pub(super) fn reopen(&mut self, now: Instant) {
        self.watched = None;
        match &self.slot {
            Slot::Open(_) => {
                self.record(EventKind::Closed, format_args!("closed, to open what is configured now"));
                self.operations.abandon();
                self.hub.line_gone(now);
                self.part_with_device(now);
                self.close_line(now);
            }
            Slot::Waiting(_) | Slot::Opening { .. } => self.slot = Slot::Waiting(now),
            Slot::Closing { .. } => {}
        }
    }

    /// Watches the device's name from here on until the device is open.
    fn watch_name(&mut self) {
        if self.watched.is_none() {
            self.watched = Some(self.hotplug.watch(&self.port.device));
        }
    }

    fn name_changed(&mut self, cx: &mut Context<'_>) -> bool {
        self.watched.as_mut().is_some_and(|watched| watched.poll_changed(cx).is_ready())
    }

    pub(super) fn opened(&mut self, opened: Opened, settings: LineSettings, now: Instant) {
        let Opened { mut line, report } = opened;
        self.watched = None;
        let was_lost = self.lifecycle.is_lost();
        let failures = self.lifecycle.opened(now);
        info!(event = %"line.opened", port = %self.name, device = %self.port.device, line = %settings, tries = failures + 1,
            "device opened");
        self.record(EventKind::Opened, format_args!("{} opened at {}", self.port.device, report.snapshot.settings));
        for difference in &report.differences {
            warn!(event = %"line.differs", port = %self.name, device = %self.port.device, "{difference}");
        }
        if was_lost {
            self.hub.notify(&format!("\r\n[port {}: the device is back]\r\n", self.name));
        }
        self.account.opened(report.differences, report.not_carried);
        self.hub.line_opened(line.can_wait(), &report.snapshot, now);
        self.line_readable = false;
        let watch = self.hub.watch();
        line.watch(watch);
        self.watching.opened(watch);
        self.change_ready = true;
        self.slot = Slot::Open(line);
        self.pay_greeting(now);
    }

    pub(super) fn open_failed(&mut self, error: &OpenError, now: Instant) {
        let (at, say) = self.lifecycle.failed(error, now);
        self.account.fault(&error.to_string(), now);
        if let Say::This(text) = say {
            warn!(event = %"line.open-failed", port = %self.name, device = %self.port.device,
                cause = error.name(), "{text}; trying again");
        }
        self.hub.line_gone(now);
        self.part_with_device(now);
        self.slot = Slot::Waiting(at);
    }

    /// The device went away: its fd is closed at once, or a replugged adapter gets another name.
    pub(super) fn line_gone(&mut self, cause: &dyn fmt::Display, now: Instant) {
        let Slot::Open(_) = &self.slot else { return };
        let staying = self.hub.clients_that_hold();
        let who = if staying == self.hub.clients() { "its clients" } else { "clients with `on-gone: hold`" };
        warn!(event = %"line.lost", port = %self.name, device = %self.port.device, clients = staying,
            "device disconnected: {cause}; {who} stay connected, and sermux opens the device again when it is back");
        self.record(EventKind::Gone, format_args!("{} gone: {cause}", self.port.device));
        self.account.fault(&format!("{}: device disconnected: {cause}; plug it in again", self.port.device), now);
        self.hub.line_gone(now);
        self.hub.notify(&format!("\r\n[port {}: the device is disconnected]\r\n", self.name));
        self.part_with_device(now);
        self.operations.abandon();
        let again_at = self.lifecycle.gone(now);
        // Before anything else: an adapter that is back at once is not kept waiting by the back-off.
        self.watch_name();
        self.close_line(again_at);
    }

    /// The device is closed: those who are to notice get what the line said last, and are disconnected.
    pub(super) fn part_with_device(&mut self, now: Instant) {
        if self.hub.clients_that_hold() < self.hub.clients() {
            self.drive_clients(true, now);
            self.hub.part_with_device();
            self.take_events(now);
        }
    }

    /// Gives the line back; it may be opened again from `again_at` on.
    pub(super) fn close_line(&mut self, again_at: Instant) {
        match std::mem::replace(&mut self.slot, Slot::Waiting(again_at)) {
            Slot::Open(line) => self.slot = Slot::Closing { closing: Box::pin(line::close(line)), again_at },
            other => self.slot = other,
        }
    }
}
