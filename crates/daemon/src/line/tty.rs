//! A line that is a tty: a UART, a USB adapter, or a pty.
//!
//! Opened through serialport, but only after a look of our own (see `open_blocking`); set by one TCSETS2 of our
//! own, because serialport's settings lose bytes (its `Parity::None` sets IGNPAR) and leave CMSPAR on; read and
//! written through an own [`AsyncFd`], because SerialStream's readiness spins, its reads cost two system calls a
//! chunk and its flush is a blocking tcdrain.
//!
//! Linux raises DTR and RTS at each open, before anybody can stop it: `off` drops them as soon as the descriptor is
//! there.

mod chip;
mod errors;
mod handle;
mod marks;
mod modem_watch;
mod rs485;

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::task::{ready, Context, Poll};

use nix::errno::Errno;
use nix::fcntl::{fcntl, FcntlArg, OFlag};
use nix::sys::stat::{fstat, stat, Mode};
use sermux_port_config::config::Port;
use sermux_port_config::line::{DataBits, Parity};
use sermux_port_config::signal::Purge;
use tokio::io::unix::AsyncFd;
use tokio::io::Interest;

use self::chip::Chip;
use self::errors::ErrorWatch;
use self::handle::{TtyHandle, TtyInputs};
use self::modem_watch::{EndingWatch, InputsSeen, ModemWatch};
use super::on_pool::OnPool;
use super::{termios, Change, Line, NotCarried, OpenError, Opened, Operation, Report, Snapshot, Watch};
use crate::device::claim::Claim;
use crate::device::lock_file::LockFile;
use crate::device::open_error::{kind_of, node_of};
use crate::device::{console, Root};
use crate::sys::{self, Lock};

/// After this number of whole writes since one that blocked, room is no longer watched for.
const WATCH_ROOM_FOR: u8 = 64;

/// An open tty with its settings applied.
#[derive(Debug)]
pub struct TtyLine {
    /// Watched for reading only. Shared with operations that are under way, and with nobody else.
    fd: AsyncFd<Arc<OwnedFd>>,
    errors: ErrorWatch,
    /// The same open tty watched for writing, from the first write that blocked until some that did not: a tty tells
    /// of room after each piece that leaves, and each time would wake the task for nothing.
    room: Option<AsyncFd<Arc<OwnedFd>>>,
    /// Whole writes in a row since one blocked.
    whole_writes: u8,
    is_pty: bool,
    handle: Arc<TtyHandle>,
    pool: OnPool,
    /// While modem state is watched.
    modem_watch: Option<ModemWatch>,
    /// The one before, which may not have ended yet.
    ending_watch: Option<EndingWatch>,
    /// These two last, so that the device is closed when they are given back.
    claim: Option<Claim>,
    lock_file: Option<LockFile>,
}

/// Opens a tty, claims it and applies a port's settings.
///
/// serialport's open cannot say why it failed: EBUSY and a lock that somebody holds are one error, all others (ENXIO,
/// ENODEV, EIO, EPERM, ENOTTY) another; and when the lock is what fails it ends with TIOCNXCL, which takes the
/// exclusive access from the program that has it (root gets that far, because TIOCEXCL does not stop root). So the
/// device is opened first without touching anything, looked at, and only what can be had is opened through
/// serialport. The first descriptor stays open meanwhile: the device is never without one, so no HUPCL pulse on DTR,
/// and a pty's far end sees one opening.
pub(super) fn open_blocking(path: &Path, port: &Port) -> Result<Opened, OpenError> {
    let node = node_of(path)?;
    let lock_file = LockFile::of_port(port, &node)?;
    let looked_at = LookedAt::at(path, port)?;
    let before = sys::termios2(&looked_at.fd).map_err(|errno| match errno {
        Errno::ENOTTY => OpenError::NotATty { path: path.to_owned(), what: "another kind of device" },
        errno => OpenError::other(path, "it does not tell its settings (is there hardware behind it?)", errno),
    })?;
    let fd = Arc::new(looked_at.claim(path, port)?);
    let (mut line, mut report) = TtyLine::set_up(fd, &before, port).map_err(|(doing, errno)| match errno {
        Errno::ENODEV | Errno::ENXIO => OpenError::Absent { path: path.to_owned() },
        errno => OpenError::other(path, doing, errno),
    })?;
    (line.claim, line.lock_file) = (Some(Claim::new(&node, &port.device)), lock_file);
    if !line.is_pty {
        report.differences.extend(console::warning(&Root::default(), &node));
    }
    Ok(Opened { line: Box::new(line), report })
}

impl Line for TtyLine {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        ready!(self.errors.poll_settled(cx));
        loop {
            let mut readiness = ready!(self.fd.poll_read_ready(cx))?;
            match nix::unistd::read(readiness.get_inner(), buf) {
                Ok(n) => {
                    // Short, so drained: wait for the kernel's next edge instead of reading again to get EAGAIN.
                    // A byte that came in since makes an edge of its own, and `clear_ready` leaves readiness alone
                    // that is newer than the one it was given, so nothing stays unread. (Ok(0) is the hang-up, which
                    // must stay visible.)
                    let drained = 0 < n && n < buf.len();
                    if drained {
                        readiness.clear_ready();
                    }
                    let bytes = self.errors.take_marks(&mut buf[..n], &self.handle);
                    if bytes == 0 && n > 0 {
                        // The beginning of a mark.
                        continue;
                    }
                    if drained {
                        self.wait_for_more(cx);
                    } else if bytes < n {
                        // Full before its marks were taken out: fewer bytes than there was room for, and not drained.
                        cx.waker().wake_by_ref();
                    }
                    return Poll::Ready(Ok(bytes));
                }
                Err(Errno::EINTR) => {}
                // A hang-up is a readiness that nothing clears; asking again would spin.
                Err(Errno::EAGAIN) if readiness.ready().is_read_closed() => return Poll::Ready(Ok(0)),
                Err(Errno::EAGAIN) => readiness.clear_ready(),
                Err(errno) if is_gone(errno) => return Poll::Ready(Ok(0)),
                Err(errno) => return Poll::Ready(Err(errno.into())),
            }
        }
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.errors.poll_settled(cx));
        self.fd.poll_read_ready(cx).map(drop)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if self.handle.take_room_made() {
            self.room = None;
        }
        loop {
            let mut readiness = match &self.room {
                Some(room) => Some(ready!(room.poll_write_ready(cx))?),
                None => None,
            };
            match nix::unistd::write(self.fd.get_ref(), buf) {
                // Readiness stays after a part: a signal also cuts a write short, with room left and so no edge to
                // come.
                Ok(n) => {
                    self.whole_writes = if n == buf.len() { self.whole_writes.saturating_add(1) } else { 0 };
                    if self.whole_writes >= WATCH_ROOM_FOR {
                        self.room = None;
                    }
                    return Poll::Ready(Ok(n));
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => match &mut readiness {
                    Some(readiness) if readiness.ready().is_write_closed() => return Poll::Ready(Err(gone())),
                    Some(readiness) => readiness.clear_ready(),
                    None => {
                        let same = self.fd.get_ref().try_clone()?;
                        self.room = Some(sys::watch(Arc::new(same), Interest::WRITABLE)?);
                        self.whole_writes = 0;
                    }
                },
                Err(errno) if is_gone(errno) => return Poll::Ready(Err(gone())),
                Err(errno) => return Poll::Ready(Err(errno.into())),
            }
        }
    }

    fn unsent(&self) -> io::Result<usize> {
        match sys::unsent(self.fd.get_ref()) {
            Ok(unsent) => Ok(unsent),
            Err(Errno::ENOTTY | Errno::EINVAL) => Ok(0),
            Err(errno) if is_gone(errno) => Err(gone()),
            Err(errno) => Err(errno.into()),
        }
    }

    fn can_wait(&self) -> bool {
        self.handle.can_wait()
    }

    fn start(&mut self, operation: Operation) {
        let handle = Arc::clone(&self.handle);
        self.pool.start(move || handle.carry_out(&operation));
    }

    fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Snapshot>> {
        self.pool.poll_done(cx)
    }

    fn start_purge(&mut self, purge: Purge) {
        let handle = Arc::clone(&self.handle);
        self.pool.start_purge(move || handle.carry_out(&Operation::Purge(purge)));
    }

    fn poll_purged(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Snapshot>> {
        self.pool.poll_purged(cx)
    }

    fn watch(&mut self, watch: Watch) {
        if !watch.modem_state {
            if let Some(modem_watch) = self.modem_watch.take() {
                self.ending_watch = modem_watch.end();
            }
        } else if self.ending_watch.as_ref().is_some_and(|ending| !ending.has_ended()) {
            // One thread for a device: this one is stuck in its driver.
            tracing::warn!(event = %"modem.watch-failed",
                "the thread that watched modem lines has not ended yet; changes of modem lines are not reported");
        } else if self.modem_watch.is_none() && self.handle.has_modem_lines() {
            self.ending_watch = None;
            let inputs = TtyInputs::new(Arc::clone(self.fd.get_ref()), Arc::clone(&self.handle));
            let rings = sys::counts(self.fd.get_ref()).map_or(0, |counts| counts.rng);
            let known = InputsSeen { inputs: self.handle.known_inputs(), rings };
            match ModemWatch::start(inputs, known, self.handle.look_each()) {
                Ok(modem_watch) => self.modem_watch = Some(modem_watch),
                Err(error) => {
                    tracing::warn!(event = %"modem.watch-failed", %error,
                        "could not start a thread to watch modem lines; their changes are not reported")
                }
            }
        }
        self.errors.watch(watch.line_state, self.fd.get_ref(), &self.handle);
    }

    fn poll_change(&mut self, cx: &mut Context<'_>) -> Poll<Change> {
        let modem = match &mut self.modem_watch {
            Some(modem_watch) => modem_watch.poll_change(cx),
            None => Poll::Pending,
        };
        let noticed = self.errors.poll_noticed(cx, self.fd.get_ref());
        if modem.is_pending() && noticed.is_pending() {
            return Poll::Pending;
        }
        let mut change = Change { inputs: self.handle.known_inputs(), ..Change::default() };
        if let Poll::Ready(modem) = modem {
            (change.inputs, change.ri_fell) = (modem.inputs, modem.ri_fell);
        }
        if let Poll::Ready(noticed) = noticed {
            change.line_state = noticed;
            change.counters = self.handle.counters(self.fd.get_ref());
        }
        Poll::Ready(change)
    }

    /// All of it happens in drop, so that it cannot be forgotten.
    fn close_blocking(self: Box<Self>) {}
}

impl Drop for TtyLine {
    fn drop(&mut self) {
        // 8250 and FTDI wait up to 30 s (`closing_wait`) in close for output that cannot leave. A pty does not wait,
        // and its far end can still read what was written to it, so there the purge would only lose bytes.
        if !self.is_pty {
            let _ = sys::purge(self.fd.get_ref(), Purge::Tx);
        }
    }
}

impl TtyLine {
    /// Applies everything and reads it back. An error says what was being done.
    fn set_up(
        fd: Arc<OwnedFd>,
        before: &libc::termios2,
        port: &Port,
    ) -> Result<(TtyLine, Report), (&'static str, Errno)> {
        let node = fstat(&fd).map_err(|errno| ("cannot be looked at", errno))?;
        let chip = Chip::of(&node);
        let is_pty = chip == Chip::Pty;
        // serialport leaves it blocking.
        fcntl(&fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(|errno| ("cannot be made non-blocking", errno))?;
        let (handle, wanted) = TtyHandle::set_up(&fd, chip, before, &port.line, &port.modem)?;
        let actual = sys::termios2(&fd).map_err(|errno| ("its settings cannot be read back", errno))?;

        // What came in between open and here was cut into bytes by the old speed and format, or changed and echoed by
        // a cooked tty: not what the far end sent. When the old settings were the same ones, those bytes are good,
        // and they stay. A pty has no wire, so nothing on it is garbage.
        if !is_pty && !termios::same_bytes(before, &actual) {
            let bytes = sys::unread(&fd).unwrap_or(0);
            let _ = sys::purge(&fd, Purge::Rx);
            if bytes > 0 {
                tracing::debug!(event = %"line.purged", bytes,
                    "discarded bytes that were received before the line settings were applied");
            }
        }
        if !is_pty {
            set_low_latency(&fd, port.line.low_latency);
        }
        // After the outputs, because it puts RTS where it belongs.
        let rs485 = port.line.rs485.map_or_else(Vec::new, |asked| rs485::apply(&fd, &asked));

        let snapshot = handle.look(&fd).map_err(|errno| ("cannot be read back", errno))?;
        let mut not_carried = Vec::new();
        if is_pty {
            not_carried.extend([NotCarried::DataBits, NotCarried::Parity]);
        }
        if !handle.has_modem_lines() {
            not_carried.push(NotCarried::ModemControl);
        }
        let mut differences = termios::differences(&port.line.settings, &snapshot.settings);
        differences.extend(rs485);
        differences.extend(termios::stubborn_flags(&wanted, &actual));
        let report = Report { snapshot, differences, not_carried, rdev: Some(node.st_rdev) };

        let fd = sys::watch(fd, Interest::READABLE)
            .map_err(|error| ("cannot be waited for", Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))))?;
        let line = TtyLine {
            errors: ErrorWatch::new(fd.get_ref(), chip),
            claim: None,
            lock_file: None,
            fd,
            room: None,
            whole_writes: 0,
            is_pty,
            handle: Arc::new(handle),
            pool: OnPool::default(),
            modem_watch: None,
            ending_watch: None,
        };
        Ok((line, report))
    }

    /// Registers the waker for what comes next, without a system call.
    fn wait_for_more(&self, cx: &mut Context<'_>) {
        // Ready already: newer than the read (or a hang-up), so the task is to come back at once.
        if self.fd.poll_read_ready(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }
}

/// ASYNC_LOW_LATENCY, which stays with the device from one open to the next, so it is set or cleared. Most
/// drivers have none.
fn set_low_latency(fd: &OwnedFd, on: bool) {
    let result = sys::serial(fd).and_then(|mut serial| {
        let flags = if on { serial.flags | sys::ASYNC_LOW_LATENCY } else { serial.flags & !sys::ASYNC_LOW_LATENCY };
        if flags == serial.flags {
            return Ok(());
        }
        serial.flags = flags;
        sys::set_serial(fd, &serial)
    });
    if let Err(errno) = result {
        tracing::debug!(event = %"device.limited", %errno, "the driver has no low-latency flag");
    }
}

/// A device that was opened to look at it: nothing of it is changed or claimed yet.
struct LookedAt {
    fd: OwnedFd,
}

impl LookedAt {
    fn at(path: &Path, port: &Port) -> Result<LookedAt, OpenError> {
        let node = stat(path).map_err(|errno| OpenError::from_open(path, errno, None))?;
        // Asked before opening, since opening some things does something.
        if node.st_mode & libc::S_IFMT != libc::S_IFCHR {
            return Err(OpenError::NotATty { path: path.to_owned(), what: kind_of(node.st_mode) });
        }
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let fd = nix::fcntl::open(path, flags, Mode::empty())
            .map_err(|errno| OpenError::from_open(path, errno, Some(&node)))?;

        // TIOCEXCL does not stop root, so it is asked for. Not on a pty, which keeps it after the program that set it
        // has ended.
        if Chip::of(&node) != Chip::Pty && sys::is_exclusive(&fd) == Ok(true) {
            return Err(OpenError::busy(path));
        }
        // Tried and given back: serialport takes it for itself.
        match sys::lock(&fd, lock_of(port)) {
            Err(Errno::EWOULDBLOCK) => return Err(OpenError::busy(path)),
            Err(errno) => {
                tracing::debug!(event = %"device.limited", device = %path.display(), %errno,
                    "this device cannot be locked with flock")
            }
            Ok(()) => {
                let _ = sys::lock(&fd, Lock::None);
            }
        }
        Ok(LookedAt { fd })
    }

    /// Opens the device through serialport, with its lock and TIOCEXCL.
    fn claim(self, path: &Path, port: &Port) -> Result<OwnedFd, OpenError> {
        let fd = if is_8n(port) {
            match open_through_serialport(path, port) {
                Ok(fd) => fd,
                Err(error) if error.kind() == tokio_serial::ErrorKind::NoDevice => {
                    return Err(OpenError::busy(path));
                }
                // It gives up when the driver does not take each flag ("Settings did not apply correctly"). That is a
                // difference to report and no reason to have no line. What is really wrong shows up again when the
                // settings are applied.
                Err(error) => {
                    tracing::debug!(event = %"device.limited", device = %path.display(), %error,
                        "serialport could not open the device; sermux opened it without");
                    self.claim_as_is(path, port)?
                }
            }
        } else {
            // serialport's open goes through eight data bits without parity, whatever is asked: what comes meanwhile on a
            // line with another format would be lost at each open.
            self.claim_as_is(path, port)?
        };
        if fstat(&fd).is_ok_and(|node| Chip::of(&node) == Chip::Pty) {
            // A pty keeps TIOCEXCL for as long as its master lives: after a crash nobody but root could open it again.
            // The lock does for a pty, and goes with the process.
            let _ = sys::clear_exclusive(&fd);
        }
        Ok(fd)
    }

    fn claim_as_is(self, path: &Path, port: &Port) -> Result<OwnedFd, OpenError> {
        match sys::lock(&self.fd, lock_of(port)) {
            Err(Errno::EWOULDBLOCK) => return Err(OpenError::busy(path)),
            Err(errno) => {
                tracing::debug!(event = %"device.limited", device = %path.display(), %errno,
                    "this device cannot be locked with flock")
            }
            Ok(()) => {}
        }
        if port.exclusive {
            sys::set_exclusive(&self.fd)
                .map_err(|errno| OpenError::other(path, "cannot be had alone (exclusive)", errno))?;
        }
        Ok(self.fd)
    }
}

fn open_through_serialport(path: &Path, port: &Port) -> tokio_serial::Result<OwnedFd> {
    let path = path.to_str().ok_or_else(|| {
        tokio_serial::Error::new(tokio_serial::ErrorKind::InvalidInput, "serialport takes paths in UTF-8 only")
    })?;
    // The speed and nothing else: it has no words for the rest (mark, space, 1.5), and all is set again below. The
    // speed is never 0.
    let native = tokio_serial::new(path, port.line.settings.baud.get()).exclusive(port.exclusive).open_native()?;
    // serialport 4.10.1 leaks the device's name when it is asked for its own descriptor (`into_raw_fd`), and clears TIOCEXCL when
    // it closes that. The lock stays: it belongs to both descriptors.
    let fd = sys::duplicate(&native)?;
    drop(native);
    if port.exclusive {
        sys::set_exclusive(&fd).map_err(io::Error::from)?;
    }
    Ok(fd)
}

/// Eight data bits without parity.
fn is_8n(port: &Port) -> bool {
    let settings = &port.line.settings;
    (settings.data_bits, settings.parity) == (DataBits::Eight, Parity::None)
}

fn lock_of(port: &Port) -> Lock {
    if port.exclusive {
        Lock::Exclusive
    } else {
        Lock::Shared
    }
}

/// EIO is a tty that was hung up; ENXIO and ENODEV are what some USB drivers say after an unplug.
fn is_gone(errno: Errno) -> bool {
    matches!(errno, Errno::EIO | Errno::ENXIO | Errno::ENODEV)
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the device is disconnected")
}

#[cfg(test)]
mod tests;
