//! The line's operations other than reading and writing: one at a time, and a purge past it.

use std::io;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use sermux_port_config::signal::{Purge, Step};
use tracing::{debug, error, info, warn};

use super::{Driver, Slot};
use crate::line::{differences, Line, Operation, Snapshot, Watch};
use crate::port::hub::Start;

/// An operation that takes longer is stuck in the device's driver.
const OPERATION_IS_STUCK: Duration = Duration::from_secs(5);

/// The operations on their way.
#[derive(Debug, Default)]
pub(super) struct Operations {
    /// Boxed: there is rarely one.
    running: Option<Box<Running>>,
    purging: Option<Purge>,
}

#[derive(Debug)]
struct Running {
    start: Start,
    /// When to say that it is stuck; `None`: it was logged.
    stuck_at: Option<Instant>,
}

impl Operations {
    /// Nobody waits for what is on its way any more.
    pub(super) fn abandon(&mut self) {
        *self = Self::default();
    }

    /// When something is stuck.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.running.as_ref().and_then(|running| running.stuck_at)
    }

    /// Whether the line does not answer.
    pub(super) fn is_stuck(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.stuck_at.is_none())
    }

    fn start(&mut self, line: &mut dyn Line, start: Start, now: Instant) {
        let waits = match &start.operation {
            Operation::Run(steps) => steps.iter().map(waits).sum(),
            _ => Duration::ZERO,
        };
        line.start(start.operation.clone());
        let stuck_at = Some(now + waits + OPERATION_IS_STUCK);
        self.running = Some(Box::new(Running { start, stuck_at }));
    }

    fn start_purge(&mut self, line: &mut dyn Line, purge: Purge) {
        line.start_purge(purge);
        self.purging = Some(purge);
    }

    fn poll_running(&mut self, line: &mut dyn Line, cx: &mut Context<'_>) -> Option<(Start, io::Result<Snapshot>)> {
        self.running.as_ref()?;
        let Poll::Ready(result) = line.poll_done(cx) else { return None };
        self.running.take().map(|running| (running.start, result))
    }

    fn poll_purging(&mut self, line: &mut dyn Line, cx: &mut Context<'_>) -> Option<(Purge, io::Result<Snapshot>)> {
        let purge = self.purging?;
        let Poll::Ready(result) = line.poll_purged(cx) else { return None };
        self.purging = None;
        Some((purge, result))
    }
}

fn waits(step: &Step) -> Duration {
    match step {
        Step::Wait(time) => *time,
        Step::Set { .. } => Duration::ZERO,
    }
}

impl Driver {
    /// Starts operations, and takes their results and the line's changes.
    pub(super) fn drive_operations(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut progress = false;
        if !self.asked.is_empty() {
            self.forget_asked(now);
        }
        if let Slot::Open(line) = &mut self.slot {
            let done = self.operations.poll_running(&mut **line, cx);
            let purged = self.operations.poll_purging(&mut **line, cx);
            progress = done.is_some() || purged.is_some();
            if let Some((start, result)) = done {
                self.operation_done(&start, result, now);
            }
            if let Some((purge, result)) = purged {
                self.purge_done(purge, result, now);
            }
        }
        self.look_for_stuck(now);
        progress |= self.take_change(now);
        progress |= self.hub.drive_requests(now);
        if let (true, Slot::Open(line)) = (self.hub.awaits_drain(now), &self.slot) {
            // A line that cannot tell is empty.
            self.hub.unsent(line.unsent().unwrap_or(0), now);
            progress |= self.hub.drive_requests(now);
        }
        if let (true, Slot::Open(line)) = (self.hub.wants_look(), &self.slot) {
            self.hub.looked(line.unsent().unwrap_or(0), now);
            progress |= self.hub.drive_requests(now);
        }
        if let Slot::Open(line) = &mut self.slot {
            if let Some(start) = self.hub.poll_start() {
                self.operations.start(&mut **line, start, now);
                progress = true;
            }
            if let Some(purge) = self.hub.poll_purge() {
                self.operations.start_purge(&mut **line, purge);
                progress = true;
            }
            if let Some(watch) = self.hub.poll_watch() {
                self.watching.want(watch);
            }
            if let Some(watch) = self.watching.switch(now) {
                line.watch(watch);
                self.change_ready = watch != Watch::default();
                // Asked in the next round, which makes its waker known to the line.
                progress |= self.change_ready;
            }
        }
        while let Some(id) = self.hub.poll_addressed() {
            self.writable.push(id);
        }
        progress
    }

    fn operation_done(&mut self, start: &Start, result: io::Result<Snapshot>, now: Instant) {
        let Slot::Open(line) = &self.slot else { return };
        let by = self.who(start.client).map(tracing::field::display);
        match &result {
            Ok(snapshot) => {
                self.hub.operation_done(Some((snapshot, line.can_wait())), now);
                self.record_operation(&start.operation, snapshot, by.as_ref().map(|by| by as &dyn std::fmt::Display));
                match &start.operation {
                    Operation::Configure(asked) => {
                        info!(event = %"line.set", port = %self.name, line = %snapshot.settings, client = by,
                            "line settings changed");
                        let differences = differences(asked, &snapshot.settings);
                        for difference in &differences {
                            warn!(event = %"line.differs", port = %self.name, device = %self.port.device, client = by,
                                "{difference}");
                        }
                        self.account.differences(differences);
                    }
                    Operation::Look => {}
                    operation => {
                        debug!(event = %"operation.done", port = %self.name, client = by, ?operation, "operation done")
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.line_gone(error, now),
            Err(error) => {
                warn!(event = %"operation.refused", port = %self.name, device = %self.port.device, client = by,
                    "the device refuses: {}: {error}", describe(&start.operation));
                self.hub.operation_done(None, now);
            }
        }
    }

    fn purge_done(&mut self, purge: Purge, result: io::Result<Snapshot>, now: Instant) {
        match &result {
            Ok(snapshot) => self.hub.purge_done(Some(snapshot), now),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.line_gone(error, now),
            Err(error) => {
                warn!(event = %"operation.refused", port = %self.name, device = %self.port.device,
                    "the device refuses: {}: {error}", describe(&Operation::Purge(purge)));
                self.hub.purge_done(None, now);
            }
        }
    }

    /// Logs once that an operation hangs, and answers the requests that wait for it.
    fn look_for_stuck(&mut self, now: Instant) {
        let Some(running) = self.operations.running.as_mut() else { return };
        if running.stuck_at.is_some_and(|at| at <= now) {
            running.stuck_at = None;
            let what = format!(
                "the device does not answer: {} hangs in its driver; purge the port or unplug the device",
                describe(&running.start.operation)
            );
            error!(event = %"operation.hung", port = %self.name, device = %self.port.device, "{what}");
            self.account.fault(&what, now);
            self.hub.operation_is_stuck();
        }
    }

    /// What changed on a line that is watched.
    fn take_change(&mut self, now: Instant) -> bool {
        let mut progress = false;
        while self.change_ready {
            let Slot::Open(line) = &mut self.slot else { break };
            match line.poll_change(&mut Context::from_waker(&self.change_waker)) {
                Poll::Ready(change) => {
                    self.hub.line_changed(&change, now);
                    progress = true;
                }
                Poll::Pending => self.change_ready = false,
            }
        }
        progress
    }
}

fn describe(operation: &Operation) -> String {
    match operation {
        Operation::Look => "looking at the modem lines".to_owned(),
        Operation::Configure(settings) => format!("setting {settings}"),
        Operation::Outputs { .. } => "setting dtr and rts".to_owned(),
        Operation::Break(true) => "beginning a break".to_owned(),
        Operation::Break(false) => "ending a break".to_owned(),
        Operation::Purge(_) => "purging".to_owned(),
        Operation::Run(_) => "a reset".to_owned(),
    }
}
