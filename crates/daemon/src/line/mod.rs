//! An open line: what the port's driver reads from and writes to.
//!
//! The data side ([`Line::poll_read`], [`Line::poll_write`]) never blocks and belongs to the port's task. Whatever may
//! block (opening, closing) runs on the blocking pool and says so in its name.
//!
//! Nothing of serialport, nix or libc leaves this folder.

mod on_pool;
mod operation;
mod saved;
pub mod sim;
mod termios;
pub mod tty;

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use sermux_port_config::config::{Device, Port};
use sermux_port_config::signal::Purge;

use crate::device::{usb, Root};

pub use crate::device::OpenError;
pub use operation::{Change, LineCounters, Operation, Snapshot, Watch};
pub(crate) use saved::Saved;
pub use termios::differences;

/// One open line.
pub trait Line: Send + fmt::Debug {
    /// Reads what is there into `buf`.
    ///
    /// `Ready(Ok(0))` for a `buf` with room: the device is disconnected, and so it stays.
    /// A read that returned fewer bytes than `buf` holds has drained the line; the waker is registered then as after
    /// `Pending`.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Whether there may be something to read, without reading it; registers the waker as [`Line::poll_read`] does.
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Hands bytes to the line; as many as it takes. [`io::ErrorKind::BrokenPipe`]: the device is disconnected.
    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>>;

    /// Bytes that were written and are not on the wire yet (TIOCOUTQ). A device that cannot tell has none.
    fn unsent(&self) -> io::Result<usize>;

    /// Whether the far end waits, without loss, while nobody reads: a pty, a simulated line, or flow control on.
    fn can_wait(&self) -> bool;

    /// Begins an operation, whose outcome is [`Line::poll_done`]'s. Does not wait for it: what may block (a tty's ioctls)
    /// runs elsewhere. One at a time; within the runtime.
    fn start(&mut self, operation: Operation);

    /// The outcome of the operation that was begun: what the line has now, read back. [`io::ErrorKind::BrokenPipe`]: the
    /// device is disconnected. `Pending` while none is on its way.
    fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Snapshot>>;

    /// Begins to throw away what the line holds, past an operation that is on its way: it frees one that hangs.
    fn start_purge(&mut self, purge: Purge);

    /// The outcome of the purge that was begun, as [`Line::poll_done`] has it of an operation.
    fn poll_purged(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Snapshot>>;

    /// Says which changes [`Line::poll_change`] is to tell; none at first. Costs nothing while none are. Within the runtime;
    /// ask [`Line::poll_change`] afterwards, which registers the waker.
    fn watch(&mut self, watch: Watch);

    /// The next change of what is watched. Changes that come faster than they are taken are reported as one.
    fn poll_change(&mut self, cx: &mut Context<'_>) -> Poll<Change>;

    /// Throws away what is unsent and closes. Drivers may wait here (`closing_wait`): call it on the blocking pool.
    fn close_blocking(self: Box<Self>);
}

/// A line and how it came out.
#[derive(Debug)]
pub struct Opened {
    /// The line.
    pub line: Box<dyn Line>,
    /// What is in force on it.
    pub report: Report,
}

/// What is in force on a line that was just opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Read back from the device; what it does not carry stands here as it was asked for.
    pub snapshot: Snapshot,
    /// Where the device does something else than was asked, see [`differences`], and the consoles that are on it as well.
    pub differences: Vec<String>,
    /// What has no wire here and so makes no difference to the device.
    pub not_carried: Vec<NotCarried>,
    /// The device node's number (`st_rdev`): two paths with one number are one device. None: no node.
    pub rdev: Option<u64>,
}

/// A part of the settings that a pty or a simulated line has no wire for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotCarried {
    /// Data bits: a pty always passes eight.
    DataBits,
    /// Parity.
    Parity,
    /// DTR and RTS.
    ModemControl,
}

impl fmt::Display for NotCarried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotCarried::DataBits => "data bits",
            NotCarried::Parity => "parity",
            NotCarried::ModemControl => "dtr and rts",
        })
    }
}

/// Opens a port's device and applies its settings.
///
/// May block (USB, a driver that waits for its last owner): call it on the blocking pool, inside a tokio runtime with
/// I/O and time enabled, to whose drivers the line is bound.
pub fn open_blocking(port: &Port) -> Result<Opened, OpenError> {
    match &port.device {
        Device::Path(path) => tty::open_blocking(path, port),
        Device::Usb(usb) => tty::open_blocking(&usb::find(&Root::default(), usb)?, port),
        Device::Sim(sim) => Ok(sim::open(*sim, port)),
    }
}

/// Closes a line on the blocking pool and waits for that.
pub async fn close(line: Box<dyn Line>) {
    // An error means that the runtime goes away before the pool took the line (it is dropped then, which closes it
    // too), or that closing panicked; there is nothing left to do for the line in either case.
    if let Err(error) = tokio::task::spawn_blocking(move || line.close_blocking()).await {
        tracing::debug!(event = %"line.dropped", %error, "a line was dropped instead of closed");
    }
}

/// Carries out one operation and waits for its outcome.
pub(crate) async fn carry_out(line: &mut dyn Line, operation: Operation) -> io::Result<Snapshot> {
    line.start(operation);
    poll_fn(|cx| line.poll_done(cx)).await
}

/// Waits within an operation: a step of a reset macro. On the blocking pool.
#[expect(clippy::disallowed_methods, reason = "it is the blocking pool that waits")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// A port with nothing but a device, for tests.
#[cfg(test)]
pub(crate) fn test_port(device: Device, settings: &str) -> Port {
    Port::new(device, settings.parse().expect("line settings"))
}

/// Writes once, without waiting, for tests. `None`: the line takes nothing now.
#[cfg(test)]
pub(crate) async fn write_now(line: &mut dyn Line, buf: &[u8]) -> Option<usize> {
    let wrote = std::future::poll_fn(|cx| Poll::Ready(line.poll_write(cx, buf))).await;
    match wrote {
        Poll::Ready(result) => Some(result.expect("the line works")),
        Poll::Pending => None,
    }
}
