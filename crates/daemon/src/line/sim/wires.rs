//! The wires of a simulated line other than its data.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use sermux_port_config::line::LineSettings;
use sermux_port_config::signal::{LineState, ModemControl, ModemState, Step};

use crate::line::{Change, Operation, Snapshot, Watch};

/// Settings, outputs and inputs without hardware: what is commanded is kept.
#[derive(Clone, Debug)]
pub(super) struct Wires(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    snapshot: Snapshot,
    /// A plug that joins RTS with CTS, and DTR with DSR and DCD; a break comes back as one.
    loopback: bool,
    watch: Watch,
    /// How often that was switched.
    switches: usize,
    change: Option<Change>,
    waker: Option<Waker>,
}

impl Wires {
    /// Nothing is connected to them.
    pub(super) fn new(settings: LineSettings, outputs: ModemControl) -> Self {
        let line_state = LineState { tx_holding_empty: true, tx_shift_empty: true, ..LineState::default() };
        let snapshot = Snapshot { settings, outputs, line_state, ..Snapshot::default() };
        let inner =
            Inner { snapshot, loopback: false, watch: Watch::default(), switches: 0, change: None, waker: None };
        Self(Arc::new(Mutex::new(inner)))
    }

    /// With a loopback plug.
    pub(super) fn looped_back(settings: LineSettings, outputs: ModemControl) -> Self {
        let wires = Self::new(settings, outputs);
        {
            let mut inner = wires.lock();
            inner.loopback = true;
            inner.snapshot.inputs = looped_back(outputs);
        }
        wires
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.lock().snapshot
    }

    /// The receiver counts errors.
    pub(super) fn count(&self, framing: u64, parity: u64, breaks: u64) {
        let mut inner = self.lock();
        let counters = inner.snapshot.counters.get_or_insert_default();
        counters.framing += framing;
        counters.parity += parity;
        counters.breaks += breaks;
    }

    /// See [`Line::watch`](crate::line::Line::watch).
    pub(super) fn watch(&self, watch: Watch) {
        let mut inner = self.lock();
        inner.switches += usize::from(inner.watch != watch);
        inner.watch = watch;
        if watch == Watch::default() {
            inner.change = None;
        }
    }

    /// See [`Line::poll_change`](crate::line::Line::poll_change).
    pub(super) fn poll_change(&self, cx: &mut Context<'_>) -> Poll<Change> {
        let mut inner = self.lock();
        match inner.change.take() {
            Some(change) => Poll::Ready(change),
            None => {
                inner.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// What is watched, and how often that was switched.
    #[cfg(test)]
    pub(super) fn watched(&self) -> (Watch, usize) {
        let inner = self.lock();
        (inner.watch, inner.switches)
    }

    /// The far end raises and drops the inputs.
    #[cfg(test)]
    pub(super) fn set_inputs(&self, inputs: ModemState) {
        self.lock().set_inputs(inputs);
    }

    /// The receiver notices something.
    #[cfg(test)]
    pub(super) fn notice(&self, line_state: LineState) {
        self.lock().notice(line_state);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wires {
    /// What is commanded is kept; nothing is refused, and nothing blocks but the waits of a macro.
    pub(super) fn carry_out(&self, operation: &Operation) -> io::Result<Snapshot> {
        match operation {
            Operation::Look | Operation::Purge(_) => {}
            Operation::Configure(settings) => self.lock().snapshot.settings = *settings,
            Operation::Outputs { dtr, rts } => self.lock().set_outputs(*dtr, *rts),
            Operation::Break(on) => {
                let mut inner = self.lock();
                if *on && inner.loopback {
                    inner.notice(LineState { break_detected: true, ..LineState::default() });
                }
            }
            Operation::Run(steps) => {
                for step in steps.iter() {
                    match step {
                        Step::Set { dtr, rts } => self.lock().set_outputs(*dtr, *rts),
                        Step::Wait(time) => crate::line::pause(*time),
                    }
                }
            }
        }
        Ok(self.snapshot())
    }
}

impl Inner {
    fn set_outputs(&mut self, dtr: Option<bool>, rts: Option<bool>) {
        let outputs = &mut self.snapshot.outputs;
        outputs.dtr = dtr.unwrap_or(outputs.dtr);
        outputs.rts = rts.unwrap_or(outputs.rts);
        if self.loopback {
            self.set_inputs(looped_back(self.snapshot.outputs));
        }
    }

    fn set_inputs(&mut self, inputs: ModemState) {
        let before = std::mem::replace(&mut self.snapshot.inputs, inputs);
        if inputs != before && self.watch.modem_state {
            let ri_fell = before.ri && !inputs.ri;
            let change = self.change();
            change.inputs = inputs;
            change.ri_fell |= ri_fell;
        }
    }

    fn notice(&mut self, noticed: LineState) {
        let counters = self.snapshot.counters.get_or_insert_default();
        counters.framing += u64::from(noticed.framing_error);
        counters.parity += u64::from(noticed.parity_error);
        counters.overrun += u64::from(noticed.overrun_error);
        counters.breaks += u64::from(noticed.break_detected);
        let counters = *counters;
        if self.watch.line_state {
            let change = self.change();
            change.counters = Some(counters);
            change.line_state.framing_error |= noticed.framing_error;
            change.line_state.parity_error |= noticed.parity_error;
            change.line_state.overrun_error |= noticed.overrun_error;
            change.line_state.break_detected |= noticed.break_detected;
        }
    }

    fn change(&mut self) -> &mut Change {
        super::wake(&mut self.waker);
        let inputs = self.snapshot.inputs;
        self.change.get_or_insert(Change { inputs, ..Change::default() })
    }
}

fn looped_back(outputs: ModemControl) -> ModemState {
    ModemState { cts: outputs.rts, dsr: outputs.dtr, dcd: outputs.dtr, ri: false }
}
