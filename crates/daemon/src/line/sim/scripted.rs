//! A line for tests: the test holds the other end of the wire.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use sermux_port_config::line::{BaudRate, LineSettings};
use sermux_port_config::signal::{LineState, ModemControl, ModemState, Purge};

use super::wires::Wires;
use super::{take_from, wake, WIRE};
use crate::line::on_pool::OnPool;
use crate::line::{Change, Line, Operation, Snapshot, Watch};

/// The line's end of a scripted wire.
#[derive(Debug)]
pub(crate) struct SimLine {
    operations: SimOperations,
    pool: OnPool,
}

/// The test's end of a scripted wire.
#[derive(Clone, Debug)]
pub(crate) struct SimHandle {
    wire: Arc<Mutex<ScriptedWire>>,
    wires: Wires,
}

/// The operations of a scripted line.
#[derive(Clone, Debug)]
struct SimOperations {
    wire: Arc<Mutex<ScriptedWire>>,
    wires: Wires,
}

#[derive(Debug)]
struct ScriptedWire {
    /// Bytes on their way to the line's reader.
    rx: VecDeque<u8>,
    /// Bytes that the line's writer handed over.
    tx: Vec<u8>,
    tx_blocked: bool,
    can_wait: bool,
    hung_up: bool,
    closed: bool,
    /// Bytes written that the far end has not taken are not on the wire yet.
    unsent: usize,
    /// Every operation so far.
    operations: Vec<Operation>,
    /// Operations other than a purge do not come back.
    stuck: bool,
    /// The rate that the line has, whatever it is asked for.
    only_baud: Option<u32>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// A line and the handle that plays its far end. It can wait, and takes up to 64 KiB in either direction.
pub(crate) fn scripted() -> (SimLine, SimHandle) {
    let wire = Arc::new(Mutex::new(ScriptedWire {
        rx: VecDeque::new(),
        tx: Vec::new(),
        tx_blocked: false,
        can_wait: true,
        hung_up: false,
        closed: false,
        unsent: 0,
        operations: Vec::new(),
        stuck: false,
        only_baud: None,
        reader: None,
        writer: None,
    }));
    let wires = Wires::new(LineSettings::default(), ModemControl { dtr: true, rts: true });
    let operations = SimOperations { wire: Arc::clone(&wire), wires: wires.clone() };
    (SimLine { operations, pool: OnPool::default() }, SimHandle { wire, wires })
}

#[allow(dead_code, reason = "each test uses some of it")]
impl SimHandle {
    /// Bytes come in from the wire. Panics beyond 64 KiB that nobody has read: see [`SimHandle::unread`].
    pub(crate) fn rx(&self, bytes: &[u8]) {
        let mut wire = self.lock();
        assert!(wire.rx.len() + bytes.len() <= WIRE, "the simulated wire holds 64 KiB");
        wire.rx.extend(bytes);
        wake(&mut wire.reader);
    }

    /// Bytes of [`SimHandle::rx`] that the line's reader has not taken.
    pub(crate) fn unread(&self) -> usize {
        self.lock().rx.len()
    }

    /// Takes what was written to the line since the last call.
    pub(crate) fn tx(&self) -> Vec<u8> {
        let mut wire = self.lock();
        wake(&mut wire.writer);
        std::mem::take(&mut wire.tx)
    }

    /// Makes writes wait (as with CTS low), or go on.
    pub(crate) fn block_tx(&self, blocked: bool) {
        let mut wire = self.lock();
        wire.tx_blocked = blocked;
        wake(&mut wire.writer);
    }

    /// What the line says about whether its far end can wait. Before the line is used.
    pub(crate) fn set_can_wait(&self, can_wait: bool) {
        self.lock().can_wait = can_wait;
    }

    /// The device is unplugged: bytes that are still unread go with it, as on a tty.
    pub(crate) fn hang_up(&self) {
        let mut wire = self.lock();
        wire.hung_up = true;
        wire.rx.clear();
        wake(&mut wire.reader);
        wake(&mut wire.writer);
    }

    /// What the line has.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.wires.snapshot()
    }

    /// What is watched, and how often that was switched.
    pub(crate) fn watched(&self) -> (Watch, usize) {
        self.wires.watched()
    }

    /// The device is opened with these settings and outputs; `None`: an output that is left alone.
    pub(crate) fn open_with(&self, settings: LineSettings, dtr: Option<bool>, rts: Option<bool>) -> Snapshot {
        let set = [Operation::Configure(settings), Operation::Outputs { dtr, rts }];
        for operation in set {
            self.wires.carry_out(&operation).expect("wires refuse nothing");
        }
        self.snapshot()
    }

    /// The far end raises and drops the inputs.
    pub(crate) fn set_inputs(&self, inputs: ModemState) {
        self.wires.set_inputs(inputs);
    }

    /// The receiver notices something.
    pub(crate) fn notice(&self, line_state: LineState) {
        self.wires.notice(line_state);
    }

    /// From now on the line reports that this number of bytes are not on the wire yet.
    pub(crate) fn set_unsent(&self, unsent: usize) {
        self.lock().unsent = unsent;
    }

    /// Takes the operations since the last call.
    pub(crate) fn operations(&self) -> Vec<Operation> {
        std::mem::take(&mut self.lock().operations)
    }

    /// Operations other than a purge hang, until one is purged.
    pub(crate) fn stick(&self) {
        self.lock().stuck = true;
    }

    /// What hangs comes back.
    pub(crate) fn unstick(&self) {
        self.lock().stuck = false;
    }

    /// The line runs at this rate, whatever it is asked for.
    pub(crate) fn runs_only_at(&self, baud: u32) {
        self.lock().only_baud = Some(baud);
    }

    /// Whether the line was closed, or dropped.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    fn lock(&self) -> MutexGuard<'_, ScriptedWire> {
        lock(&self.wire)
    }
}

impl Line for SimLine {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut wire = lock(&self.operations.wire);
        if wire.hung_up {
            return Poll::Ready(Ok(0));
        }
        let n = take_from(&mut wire.rx, buf);
        if n < buf.len() {
            wire.reader = Some(cx.waker().clone());
        }
        if n == 0 {
            return Poll::Pending;
        }
        Poll::Ready(Ok(n))
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut wire = lock(&self.operations.wire);
        if wire.hung_up || !wire.rx.is_empty() {
            return Poll::Ready(());
        }
        wire.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut wire = lock(&self.operations.wire);
        if wire.hung_up {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let n = if wire.tx_blocked { 0 } else { buf.len().min(WIRE - wire.tx.len()) };
        if n == 0 && !buf.is_empty() {
            wire.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        wire.tx.extend(&buf[..n]);
        Poll::Ready(Ok(n))
    }

    fn unsent(&self) -> io::Result<usize> {
        if lock(&self.operations.wire).hung_up {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(lock(&self.operations.wire).unsent)
    }

    fn can_wait(&self) -> bool {
        lock(&self.operations.wire).can_wait
    }

    fn start(&mut self, operation: Operation) {
        let operations = self.operations.clone();
        self.pool.start(move || operations.carry_out(&operation));
    }

    fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Snapshot>> {
        self.pool.poll_done(cx)
    }

    fn start_purge(&mut self, purge: Purge) {
        let operations = self.operations.clone();
        self.pool.start_purge(move || operations.carry_out(&Operation::Purge(purge)));
    }

    fn poll_purged(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Snapshot>> {
        self.pool.poll_purged(cx)
    }

    fn watch(&mut self, watch: Watch) {
        self.operations.wires.watch(watch);
    }

    fn poll_change(&mut self, cx: &mut Context<'_>) -> Poll<Change> {
        self.operations.wires.poll_change(cx)
    }

    fn close_blocking(self: Box<Self>) {}
}

impl SimOperations {
    fn carry_out(&self, operation: &Operation) -> io::Result<Snapshot> {
        {
            let mut wire = lock(&self.wire);
            wire.operations.push(operation.clone());
            if let Operation::Purge(_) = operation {
                wire.stuck = false;
                wire.unsent = 0;
            }
        }
        while lock(&self.wire).stuck {
            crate::line::pause(std::time::Duration::from_millis(1));
        }
        if lock(&self.wire).hung_up {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let only_baud = lock(&self.wire).only_baud.and_then(BaudRate::new);
        match (operation, only_baud) {
            (Operation::Configure(settings), Some(baud)) => {
                self.wires.carry_out(&Operation::Configure(LineSettings { baud, ..*settings }))
            }
            _ => self.wires.carry_out(operation),
        }
    }
}

impl Drop for SimLine {
    fn drop(&mut self) {
        lock(&self.operations.wire).closed = true;
    }
}

fn lock(wire: &Mutex<ScriptedWire>) -> MutexGuard<'_, ScriptedWire> {
    wire.lock().unwrap_or_else(PoisonError::into_inner)
}
