//! The events of a port that go into its capture, in addition to the bytes.

use std::fmt;
use std::task::Context;

use super::Driver;
use crate::capture::{EventKind, Recorder};
use crate::line::{Operation, Snapshot};

impl Driver {
    /// Records an event of the port.
    pub(super) fn record(&self, kind: EventKind, text: fmt::Arguments<'_>) {
        if let Some(capture) = &self.capture {
            capture.event(kind, text);
        }
    }

    /// An operation was carried out, and the line is like this now.
    pub(super) fn record_operation(&self, operation: &Operation, snapshot: &Snapshot, by: Option<&dyn fmt::Display>) {
        let by = by.map(|client| format!(" by {client}")).unwrap_or_default();
        let raised = |is_up: bool| if is_up { "on" } else { "off" };
        match operation {
            Operation::Configure(_) => {
                self.record(EventKind::Set, format_args!("line set to {}{by}", snapshot.settings));
            }
            Operation::Outputs { .. } => {
                let (dtr, rts) = (raised(snapshot.outputs.dtr), raised(snapshot.outputs.rts));
                self.record(EventKind::Outputs, format_args!("dtr {dtr}, rts {rts}{by}"));
            }
            Operation::Break(true) => self.record(EventKind::Break, format_args!("a break begins{by}")),
            Operation::Break(false) => self.record(EventKind::Break, format_args!("the break ends{by}")),
            Operation::Run(_) => self.record(EventKind::Reset, format_args!("a reset was carried out{by}")),
            Operation::Look | Operation::Purge(_) => {}
        }
    }

    /// What is configured now takes the place of the capture there was.
    pub(super) fn change_capture(&mut self) {
        match (&mut self.capture, &self.port.capture) {
            (Some(recorder), Some(capture)) => recorder.change(capture),
            (recorder @ None, Some(capture)) => {
                let counters = self.hub.counters();
                let started = Recorder::start(&self.name, capture, [counters.rx, counters.tx]);
                *recorder = Some(Box::new(started));
            }
            // It ends by itself, in its own time.
            (recorder, None) => *recorder = None,
        }
    }

    /// Opens the file again: it may have been renamed.
    pub(super) fn reopen_capture(&self) {
        if let Some(capture) = &self.capture {
            capture.reopen();
        }
    }

    /// Whether everything is in the file, after the port has ended.
    pub(super) fn poll_capture_end(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(capture) = &mut self.capture else { return true };
        capture.end();
        capture.poll_ended(cx).is_ready()
    }
}
