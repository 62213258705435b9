//! A line for tests: the test holds the other end of the wire.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::{take_from, wake, WIRE};
use crate::line::Line;

/// The line's end of a scripted wire.
#[derive(Debug)]
pub(crate) struct SimLine {
    wire: Arc<Mutex<Wire>>,
}

/// The test's end of a scripted wire.
#[derive(Clone, Debug)]
pub(crate) struct SimHandle {
    wire: Arc<Mutex<Wire>>,
}

#[derive(Debug)]
struct Wire {
    /// Bytes on their way to the line's reader.
    rx: VecDeque<u8>,
    /// Bytes that the line's writer handed over.
    tx: Vec<u8>,
    tx_blocked: bool,
    can_wait: bool,
    hung_up: bool,
    closed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// A line and the handle that plays its far end. It can wait, and takes up to 64 KiB in either direction.
pub(crate) fn scripted() -> (SimLine, SimHandle) {
    let wire = Arc::new(Mutex::new(Wire {
        rx: VecDeque::new(),
        tx: Vec::new(),
        tx_blocked: false,
        can_wait: true,
        hung_up: false,
        closed: false,
        reader: None,
        writer: None,
    }));
    (SimLine { wire: Arc::clone(&wire) }, SimHandle { wire })
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

    /// Whether the line was closed, or dropped.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    fn lock(&self) -> MutexGuard<'_, Wire> {
        lock(&self.wire)
    }
}

impl Line for SimLine {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut wire = lock(&self.wire);
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
        let mut wire = lock(&self.wire);
        if wire.hung_up || !wire.rx.is_empty() {
            return Poll::Ready(());
        }
        wire.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut wire = lock(&self.wire);
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
        if lock(&self.wire).hung_up {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(0)
    }

    fn can_wait(&self) -> bool {
        lock(&self.wire).can_wait
    }

    fn close_blocking(self: Box<Self>) {}
}

impl Drop for SimLine {
    fn drop(&mut self) {
        lock(&self.wire).closed = true;
    }
}

fn lock(wire: &Mutex<Wire>) -> MutexGuard<'_, Wire> {
    wire.lock().unwrap_or_else(PoisonError::into_inner)
}
