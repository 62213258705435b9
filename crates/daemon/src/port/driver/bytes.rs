//! Bytes, from the line and to it.

use std::cell::RefCell;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::ReadBuf;
use tracing::trace;

use super::{ClientId, Conn, Driver, Slot, BLOCK, COMMAND_COST, HELD_LOOK, INPUT_TURNS, RX_AT_ONCE};
use crate::port::hub::SocketQueue;

thread_local! {
    /// What one read of a client returned, until the hub has it: one for all ports, which share a thread.
    static INPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Driver {
    /// Line → ring.
    pub(super) fn drive_rx(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let Slot::Open(line) = &mut self.slot else { return false };
        // Before there is room for it: that takes memory, and may cost a client that is behind its connection.
        if !self.line_readable && line.poll_readable(cx).is_pending() {
            return false;
        }
        self.line_readable = true;
        let mut total = 0;
        while total < RX_AT_ONCE {
            // Without room the line stays readable: it is tried again when a client has taken something.
            let Some(space) = self.hub.rx_space() else { break };
            let room = space.len();
            match line.poll_read(cx, space) {
                Poll::Ready(Ok(0)) => {
                    self.line_gone(&"hung up", now);
                    break;
                }
                Poll::Ready(Ok(n)) => {
                    trace!(event = %"line.received", port = %self.name, rx = %space[..n].escape_ascii());
                    if let Some(capture) = &mut self.capture {
                        capture.rx(&space[..n]);
                    }
                    self.followers.rx(&space[..n], now);
                    self.hub.received(n, now);
                    total += n;
                    if n < room {
                        self.line_drained();
                        break;
                    }
                }
                Poll::Ready(Err(error)) => {
                    self.line_gone(&error, now);
                    break;
                }
                Poll::Pending => {
                    self.line_drained();
                    break;
                }
            }
        }
        total > 0
    }

    /// Its waker, the task's own, says when there is more.
    fn line_drained(&mut self) {
        self.line_readable = false;
        self.hub.rx_drained();
    }

    /// Ring → clients: all of them after something came from the line, else those whose sockets take something again.
    pub(super) fn drive_clients(&mut self, all: bool, now: Instant) -> bool {
        let mut progress = false;
        if all {
            self.writable.clear();
            for id in 0..self.sockets.len() {
                progress |= self.drive_client(id, now);
            }
        }
        while let Some(id) = self.writable.pop() {
            progress |= self.drive_client(id, now);
        }
        progress
    }

    pub(super) fn drive_client(&mut self, id: ClientId, now: Instant) -> bool {
        let Some(Some(socket)) = self.sockets.get_mut(id) else {
            return false;
        };
        let mut cx = Context::from_waker(&socket.waker);
        if socket.awaits_close && socket.conn.poll_closed(&mut cx).is_ready() {
            socket.awaits_close = false;
            self.hub.gone(id, now);
            return true;
        }
        if socket.blocked {
            return false;
        }
        let mut progress = false;
        loop {
            let Some(pieces) = self.hub.to_send(id, now, || queue_of(&socket.conn)) else {
                return progress;
            };
            match socket.conn.poll_write(&mut cx, pieces) {
                Poll::Ready(Ok(n)) => {
                    self.hub.sent(id, n, now);
                    progress = true;
                }
                Poll::Ready(Err(error)) => {
                    self.client_failed(id, &error, now);
                    return true;
                }
                Poll::Pending => {
                    socket.blocked = true;
                    self.hub.blocked(id);
                    return progress;
                }
            }
        }
    }

    /// Clients → queue for the line: a block each in turn, and again, so that the line is given as much as there is in
    /// one write.
    pub(super) fn drive_input(&mut self, now: Instant) -> bool {
        (0..INPUT_TURNS).take_while(|_| self.drive_input_once(now)).count() > 0
    }

    pub(super) fn drive_input_once(&mut self, now: Instant) -> bool {
        let mut progress = false;
        for _ in 0..self.readable.len() {
            if self.input_left == 0 {
                // The others come first in the next poll.
                break;
            }
            let commands = self.hub.commands();
            let Some(id) = self.readable.pop_front() else { break };
            if self.hub.wants_input(id) {
                let most = if self.readable.is_empty() { self.hub.input_room(id) } else { BLOCK };
                progress |= self.drive_input_of(id, most, now);
            } else if self.hub.resume_input(id, now) {
                progress = true;
                self.readable.push_back(id);
            } else if matches!(self.sockets.get(id), Some(Some(_))) {
                // Its turn comes when the line has taken something.
                self.readable.push_back(id);
                self.look_at.get_or_insert(now + HELD_LOOK);
            }
            let commands = usize::try_from(self.hub.commands() - commands).unwrap_or(usize::MAX);
            self.input_left = self.input_left.saturating_sub(commands.saturating_mul(COMMAND_COST));
        }
        progress
    }

    /// One read of one client, of at most `most` bytes.
    fn drive_input_of(&mut self, id: ClientId, most: usize, now: Instant) -> bool {
        INPUT.with_borrow_mut(|memory| {
            if memory.len() < most {
                memory.resize(most, 0);
            }
            self.drive_input_into(&mut memory[..most], id, now)
        })
    }

    fn drive_input_into(&mut self, memory: &mut [u8], id: ClientId, now: Instant) -> bool {
        let Some(Some(socket)) = self.sockets.get_mut(id) else { return false };
        let mut block = ReadBuf::new(memory);
        let read_before = socket.ahead.as_mut().map(|ahead| ahead.take(&mut block));
        if read_before == Some(None) {
            socket.ahead = None;
        }
        let read = match read_before.flatten() {
            Some(()) => Poll::Ready(Ok(())),
            None => socket.conn.poll_read(&mut Context::from_waker(&socket.waker), &mut block),
        };
        match read {
            Poll::Pending => {
                socket.listed = false;
                return false;
            }
            Poll::Ready(Ok(())) if block.filled().is_empty() => {
                self.hub.half_closed(id, now);
                socket.conn.await_close();
                (socket.awaits_close, socket.places) = (true, None);
                self.writable.push(id);
            }
            Poll::Ready(Ok(())) => {
                self.input_left = self.input_left.saturating_sub(block.filled().len());
                self.hub.input(id, block.filled(), now);
                self.readable.push_back(id);
            }
            Poll::Ready(Err(error)) => self.client_failed(id, &error, now),
        }
        true
    }

    /// Looks after the clients whose bytes are not read for now: nothing tells of the end behind those.
    pub(super) fn look_at_held(&mut self, now: Instant) {
        self.look_at = None;
        let held: Vec<_> = self.readable.iter().copied().filter(|id| !self.hub.wants_input(*id)).collect();
        let tx = self.hub.counters().tx;
        let takes_nothing = std::mem::replace(&mut self.looked_at_tx, tx) == tx;
        for id in held {
            if takes_nothing {
                self.read_ahead(id, now);
            }
            self.look_for_end(id, now);
        }
    }

    /// Queue → line.
    pub(super) fn drive_tx(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut progress = false;
        while !self.hub.tx_front().is_empty() {
            let Slot::Open(line) = &mut self.slot else { break };
            match line.poll_write(cx, self.hub.tx_front()) {
                Poll::Ready(Ok(n)) => {
                    trace!(event = %"line.sent", port = %self.name, tx = %self.hub.tx_front()[..n].escape_ascii());
                    if let Some(capture) = &mut self.capture {
                        capture.tx(&self.hub.tx_front()[..n]);
                    }
                    self.hub.tx_written(n, now);
                    progress = true;
                }
                Poll::Ready(Err(error)) => {
                    self.line_gone(&error, now);
                    progress = true;
                }
                Poll::Pending => break,
            }
        }
        progress
    }
}

/// What the kernel still holds for a client.
fn queue_of(conn: &Conn) -> SocketQueue {
    let unacknowledged = conn.unacknowledged();
    let unsent = if unacknowledged == 0 { 0 } else { conn.unsent() };
    SocketQueue { unsent, unacknowledged }
}
