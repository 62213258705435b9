//! An open line: what the port's driver reads from and writes to.
//!
//! The data side ([`Line::poll_read`], [`Line::poll_write`]) never blocks and belongs to the port's task. Whatever may
//! block (opening, closing) runs on the blocking pool and says so in its name.

pub mod sim;
mod sys;
pub mod tty;

use std::io;
use std::task::{Context, Poll};

/// One open line.
pub trait Line: Send + std::fmt::Debug {
    /// Reads what is there into `buf`.
    ///
    /// `Ready(Ok(0))` for a `buf` with room: the device is gone, and so it stays.
    /// A read that returned fewer bytes than `buf` holds has drained the line.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Hands bytes to the line; as many as it takes.
    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>>;

    /// Bytes that were written and are not on the wire yet (TIOCOUTQ).
    fn unsent(&self) -> io::Result<usize>;

    /// Whether the far end waits, without loss, while nobody reads: a pty, a simulated line, or flow control on.
    fn can_wait(&self) -> bool;

    /// Throws away what is unsent and closes. Drivers may wait here (`closing_wait`): call it on the blocking pool.
    fn close_blocking(self: Box<Self>);
}
