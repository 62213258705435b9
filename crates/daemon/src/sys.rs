//! The ioctls that nix and serialport lack, and the only unsafe code of the workspace: one call per function.
//!
//! All go through libc's `ioctl`, so that tests which look at it see them.

#![allow(unsafe_code, reason = "what no safe interface offers is called here and nowhere else")]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::thread::JoinHandleExt;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use libc::c_int;
use nix::errno::Errno;
use nix::sys::signal::{sigaction, SaFlags, SigAction, SigHandler, SigSet, Signal};
use sermux_port_config::signal::Purge;
use tokio::io::unix::AsyncFd;
use tokio::io::Interest;

/// How a device is locked against other programs that lock (flock(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lock {
    Exclusive,
    Shared,
    None,
}

/// The columns and rows of a terminal (ioctl_tty(2)); 0 where the terminal does not know.
pub(crate) fn terminal_size(fd: impl AsFd) -> nix::Result<(u16, u16)> {
    let mut size = MaybeUninit::<libc::winsize>::zeroed();
    // SAFETY: TIOCGWINSZ writes a `struct winsize`, for which there is room.
    let done = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), libc::TIOCGWINSZ, size.as_mut_ptr()) };
    Errno::result(done)?;
    // SAFETY: it was all zeroes, which is a size, before the kernel wrote to it.
    let size = unsafe { size.assume_init() };
    Ok((size.ws_col, size.ws_row))
}

/// A second descriptor of something that has one and closes it.
pub(crate) fn duplicate(of: &impl AsRawFd) -> io::Result<OwnedFd> {
    // SAFETY: `of` keeps its descriptor open for as long as it lives, which is longer than this call.
    unsafe { BorrowedFd::borrow_raw(of.as_raw_fd()) }.try_clone_to_owned()
}

/// The descriptors that systemd handed to this process (sd_listen_fds(3)). For the start of the program: called twice, it
/// would give them out twice.
pub(crate) fn handed_over() -> io::Result<Vec<OwnedFd>> {
    let descriptors = sd_notify::listen_fds()?;
    // SAFETY: systemd opened them for this process (LISTEN_PID was compared), and nothing else here knows of them.
    Ok(descriptors.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }).collect())
}

/// Puts a descriptor under the watch of the runtime that the caller is in.
pub(crate) fn watch(fd: Arc<OwnedFd>, interest: Interest) -> io::Result<AsyncFd<Arc<OwnedFd>>> {
    // SAFETY: an `OwnedFd` is open for as long as it lives and always tells the same number; nobody can take it out of
    // an `Arc` that the `AsyncFd` has a share in.
    Ok(unsafe { AsyncFd::register_with_interest(fd, interest) }?)
}

/// flock(2), without waiting: EWOULDBLOCK when another open file holds a lock that conflicts.
pub(crate) fn lock(fd: impl AsFd, lock: Lock) -> nix::Result<()> {
    let operation = match lock {
        Lock::Exclusive => libc::LOCK_EX | libc::LOCK_NB,
        Lock::Shared => libc::LOCK_SH | libc::LOCK_NB,
        Lock::None => libc::LOCK_UN,
    };
    // SAFETY: flock takes no pointers, and the descriptor is borrowed, so it is open.
    Errno::result(unsafe { libc::flock(fd.as_fd().as_raw_fd(), operation) }).map(drop)
}

/// The settings with their exact speeds (TCGETS2).
pub(crate) fn termios2(fd: impl AsFd) -> nix::Result<libc::termios2> {
    let mut termios = libc::termios2 {
        c_iflag: 0,
        c_oflag: 0,
        c_cflag: 0,
        c_lflag: 0,
        c_line: 0,
        c_cc: [0; 19],
        c_ispeed: 0,
        c_ospeed: 0,
    };
    // SAFETY: TCGETS2 writes one `struct termios2`, which is what the pointer is to, and keeps no pointer.
    let result = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), libc::TCGETS2, &raw mut termios) };
    Errno::result(result).map(|_| termios)
}

/// Applies settings at once (TCSETS2): without waiting for output.
pub(crate) fn set_termios2(fd: impl AsFd, termios: &libc::termios2) -> nix::Result<()> {
    // SAFETY: TCSETS2 reads one `struct termios2`, which is what the pointer is to, and keeps no pointer.
    let result = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), libc::TCSETS2, std::ptr::from_ref(termios)) };
    Errno::result(result).map(drop)
}

/// Raises modem control outputs (TIOCMBIS); the others stay.
pub(crate) fn raise(fd: impl AsFd, outputs: c_int) -> nix::Result<()> {
    int(fd.as_fd(), libc::TIOCMBIS, outputs).map(drop)
}

/// Drops modem control outputs (TIOCMBIC); the others stay.
pub(crate) fn drop_outputs(fd: impl AsFd, outputs: c_int) -> nix::Result<()> {
    int(fd.as_fd(), libc::TIOCMBIC, outputs).map(drop)
}

/// Sets all modem control outputs at once (TIOCMSET); `lines` are those of [`modem_lines`] with changes.
pub(crate) fn set_modem_lines(fd: impl AsFd, lines: c_int) -> nix::Result<()> {
    int(fd.as_fd(), libc::TIOCMSET, lines).map(drop)
}

/// The modem lines (TIOCMGET).
pub(crate) fn modem_lines(fd: impl AsFd) -> nix::Result<c_int> {
    int(fd.as_fd(), libc::TIOCMGET, 0)
}

/// Bytes that wait in the tty's output (TIOCOUTQ).
pub(crate) fn unsent(fd: impl AsFd) -> nix::Result<usize> {
    int(fd.as_fd(), libc::TIOCOUTQ, 0).map(count)
}

/// Bytes that were received and not read (FIONREAD).
pub(crate) fn unread(fd: impl AsFd) -> nix::Result<usize> {
    int(fd.as_fd(), libc::FIONREAD, 0).map(count)
}

/// Whether somebody has set TIOCEXCL on this tty (TIOCGEXCL).
pub(crate) fn is_exclusive(fd: impl AsFd) -> nix::Result<bool> {
    int(fd.as_fd(), libc::TIOCGEXCL, 0).map(|exclusive| exclusive != 0)
}

/// Refuses further opens to everybody but root (TIOCEXCL).
pub(crate) fn set_exclusive(fd: impl AsFd) -> nix::Result<()> {
    plain(fd.as_fd(), libc::TIOCEXCL, 0)
}

/// Allows further opens again (TIOCNXCL).
pub(crate) fn clear_exclusive(fd: impl AsFd) -> nix::Result<()> {
    plain(fd.as_fd(), libc::TIOCNXCL, 0)
}

/// Whether the transmitter has sent all that it was given, shift register included (TIOCSERGETLSR).
pub(crate) fn transmitter_is_empty(fd: impl AsFd) -> nix::Result<bool> {
    int(fd.as_fd(), libc::TIOCSERGETLSR, 0).map(|status| status & TIOCSER_TEMT != 0)
}

/// Waits until CTS, DSR, RI or DCD changes, or a signal comes (EINTR) (TIOCMIWAIT).
pub(crate) fn wait_for_modem_change_blocking(fd: impl AsFd) -> nix::Result<()> {
    plain(fd.as_fd(), libc::TIOCMIWAIT, libc::TIOCM_CTS | libc::TIOCM_DSR | libc::TIOCM_RNG | libc::TIOCM_CAR)
}

/// Lets [`interrupt`] end a system call that blocks. Before the first thread that is to be interrupted.
///
/// SIGURG, because it is ignored where nobody handles it, so it does no harm before and in programs that are started.
pub(crate) fn make_threads_interruptible() {
    extern "C" fn nothing(_: c_int) {}
    // Without SA_RESTART: the call is to fail with EINTR.
    let action = SigAction::new(SigHandler::Handler(nothing), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler does nothing, and so nothing that a handler must not do.
    let result = unsafe { sigaction(Signal::SIGURG, &action) };
    debug_assert!(result.is_ok(), "{result:?}");
}

/// Makes a system call that blocks in this thread fail with EINTR. Without effect when none does.
pub(crate) fn interrupt<T>(thread: &JoinHandle<T>) {
    #[allow(clippy::unnecessary_cast, reason = "musl's is a pointer, and std gives a number")]
    let thread = thread.as_pthread_t() as libc::pthread_t;
    // SAFETY: a thread that was neither joined nor detached, and its handle is here, keeps its identity even when it has
    // ended. (Ended ones make this fail, which is as well.)
    let _ = unsafe { libc::pthread_kill(thread, libc::SIGURG) };
}

/// Begins a break (TIOCSBRK). The kernel first waits, without limit, for output that has not left.
pub(crate) fn begin_break_blocking(fd: impl AsFd) -> nix::Result<()> {
    plain(fd.as_fd(), libc::TIOCSBRK, 0)
}

/// Ends a break (TIOCCBRK).
pub(crate) fn end_break(fd: impl AsFd) -> nix::Result<()> {
    plain(fd.as_fd(), libc::TIOCCBRK, 0)
}

/// Throws away what waits in a tty's queues (TCFLSH).
pub(crate) fn purge(fd: impl AsFd, queues: Purge) -> nix::Result<()> {
    let selector = match queues {
        Purge::Rx => libc::TCIFLUSH,
        Purge::Tx => libc::TCOFLUSH,
        Purge::Both => libc::TCIOFLUSH,
    };
    plain(fd.as_fd(), libc::TCFLSH, selector)
}

/// `struct serial_struct` of linux/serial.h.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct SerialStruct {
    kind: c_int,
    line: c_int,
    port: libc::c_uint,
    irq: c_int,
    /// ASYNC_… of linux/tty_flags.h
    pub(crate) flags: c_int,
    xmit_fifo_size: c_int,
    custom_divisor: c_int,
    baud_base: c_int,
    close_delay: libc::c_ushort,
    io_type: libc::c_char,
    reserved: libc::c_char,
    hub6: c_int,
    closing_wait: libc::c_ushort,
    closing_wait2: libc::c_ushort,
    iomem_base: usize,
    iomem_reg_shift: libc::c_ushort,
    port_high: libc::c_uint,
    iomap_base: libc::c_ulong,
}

/// What the driver says about the port (TIOCGSERIAL).
pub(crate) fn serial(fd: impl AsFd) -> nix::Result<SerialStruct> {
    let mut serial = SerialStruct {
        kind: 0,
        line: 0,
        port: 0,
        irq: 0,
        flags: 0,
        xmit_fifo_size: 0,
        custom_divisor: 0,
        baud_base: 0,
        close_delay: 0,
        io_type: 0,
        reserved: 0,
        hub6: 0,
        closing_wait: 0,
        closing_wait2: 0,
        iomem_base: 0,
        iomem_reg_shift: 0,
        port_high: 0,
        iomap_base: 0,
    };
    // SAFETY: TIOCGSERIAL writes one `struct serial_struct`, of which `SerialStruct` is the mirror (size held by a
    // test; the pointer in it is an integer here and never followed), and keeps no pointer.
    let result = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), libc::TIOCGSERIAL, &raw mut serial) };
    Errno::result(result).map(|_| serial)
}

/// Changes what the driver lets be changed (TIOCSSERIAL).
pub(crate) fn set_serial(fd: impl AsFd, serial: &SerialStruct) -> nix::Result<()> {
    // SAFETY: TIOCSSERIAL reads one `struct serial_struct`, of which `SerialStruct` is the mirror, and keeps no
    // pointer.
    let result = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), libc::TIOCSSERIAL, std::ptr::from_ref(serial)) };
    Errno::result(result).map(drop)
}

/// `struct serial_rs485` of linux/serial.h.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KernelRs485 {
    /// SER_RS485_…
    pub(crate) flags: u32,
    /// In milliseconds.
    pub(crate) delay_before_send: u32,
    /// In milliseconds.
    pub(crate) delay_after_send: u32,
    pub(crate) padding: [u32; 5],
}

/// How RTS switches a transceiver (TIOCGRS485).
pub(crate) fn rs485(fd: impl AsFd) -> nix::Result<KernelRs485> {
    let mut rs485 = KernelRs485::default();
    // SAFETY: TIOCGRS485 writes one `struct serial_rs485`, of which `KernelRs485` is the mirror (size held by a test),
    // and keeps no pointer.
    let result = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), libc::TIOCGRS485, &raw mut rs485) };
    Errno::result(result).map(|_| rs485)
}

/// Changes how RTS switches a transceiver (TIOCSRS485).
pub(crate) fn set_rs485(fd: impl AsFd, rs485: &KernelRs485) -> nix::Result<()> {
    let mut rs485 = *rs485;
    // SAFETY: TIOCSRS485 reads one `struct serial_rs485`, of which `KernelRs485` is the mirror, and writes it with what
    // became of it; it keeps no pointer.
    let result = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), libc::TIOCSRS485, &raw mut rs485) };
    Errno::result(result).map(drop)
}

/// `struct serial_icounter_struct` of linux/serial.h: what the driver has counted since it found the device. Counters
/// wrap, and are read as what they are counted in, not as the header's int.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) cts: u32,
    pub(crate) dsr: u32,
    pub(crate) rng: u32,
    pub(crate) dcd: u32,
    pub(crate) rx: u32,
    pub(crate) tx: u32,
    pub(crate) frame: u32,
    pub(crate) overrun: u32,
    pub(crate) parity: u32,
    pub(crate) brk: u32,
    pub(crate) buf_overrun: u32,
    pub(crate) reserved: [u32; 9],
}

/// What the driver has counted (TIOCGICOUNT).
pub(crate) fn counts(fd: impl AsFd) -> nix::Result<Counts> {
    let mut counts = Counts::default();
    // SAFETY: TIOCGICOUNT writes one `struct serial_icounter_struct`, of which `Counts` is the mirror (size held by a
    // test), and keeps no pointer.
    let result = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), libc::TIOCGICOUNT, &raw mut counts) };
    Errno::result(result).map(|_| counts)
}

/// Bytes that a socket has sent or will send and the peer has not acknowledged (SIOCOUTQ of linux/sockios.h; tcp(7),
/// unix(7)).
pub(crate) fn socket_unacknowledged(socket: impl AsFd) -> io::Result<usize> {
    // The number is that of TIOCOUTQ.
    Ok(int(socket.as_fd(), libc::TIOCOUTQ, 0).map(count)?)
}

/// Bytes that a TCP socket holds and has not sent at all (SIOCOUTQNSD of linux/sockios.h). Not on unix sockets:
/// EINVAL or ENOTTY.
pub(crate) fn socket_unsent(socket: impl AsFd) -> io::Result<usize> {
    Ok(int(socket.as_fd(), SIOCOUTQNSD, 0).map(count)?)
}

/// How far the other end of a socket has closed the connection, as the kernel knows it now (poll(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// Not at all.
    No,
    /// It sends no more (POLLRDHUP).
    Half,
    /// Nothing goes either way (POLLHUP), or the socket has an error (POLLERR).
    Altogether,
}

/// Asks poll(2), without waiting; nix does not know POLLRDHUP.
pub(crate) fn closed(socket: impl AsFd) -> Closed {
    let mut look = libc::pollfd { fd: socket.as_fd().as_raw_fd(), events: libc::POLLRDHUP, revents: 0 };
    // SAFETY: reads and writes the one `pollfd` that the pointer is to, and keeps no pointer.
    let looked = unsafe { libc::poll(&raw mut look, 1, 0) };
    match look.revents {
        _ if looked <= 0 => Closed::No,
        flags if flags & (libc::POLLERR | libc::POLLHUP) != 0 => Closed::Altogether,
        flags if flags & libc::POLLRDHUP != 0 => Closed::Half,
        _ => Closed::No,
    }
}

/// What a TCP connection has heard of its other end (TCP_INFO, linux/tcp.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TcpHeard {
    /// How long ago the last acknowledgement came, or the last byte.
    pub(crate) ago: Duration,
    /// How often was sent in a row what has not been acknowledged …
    pub(crate) retransmits: u8,
    /// … and what only asks for an answer.
    pub(crate) probes: u8,
}

/// Asks the kernel; an error on a socket that is not TCP.
pub(crate) fn heard(socket: impl AsFd) -> io::Result<TcpHeard> {
    // `struct tcp_info` up to `tcpi_last_ack_recv`; the kernel writes as much of it as there is room.
    let mut info = [0u32; 15];
    let mut len = libc::socklen_t::try_from(size_of_val(&info)).unwrap_or(0);
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the kernel writes at most `len` bytes, which is what there is room for, and keeps no pointer.
    Errno::result(unsafe {
        libc::getsockopt(fd, libc::IPPROTO_TCP, libc::TCP_INFO, info.as_mut_ptr().cast(), &raw mut len)
    })?;
    let [_state, _ca_state, retransmits, probes] = info[0].to_ne_bytes();
    let (last_data, last_ack) = (info[13], info[14]);
    Ok(TcpHeard { ago: Duration::from_millis(last_data.min(last_ack).into()), retransmits, probes })
}

/// The broken-down local time of seconds since 1970 (localtime_r(3)); the epoch itself when there is none.
#[allow(deprecated, reason = "on musl time_t will have 64 bits everywhere, and this fits either")]
pub(crate) fn local_time(seconds: i64) -> libc::tm {
    let mut local = MaybeUninit::<libc::tm>::zeroed();
    // time_t has 32 bits on some machines.
    let seconds = libc::time_t::try_from(seconds).unwrap_or(libc::time_t::MAX);
    // SAFETY: reads one `time_t` and writes one `struct tm`, which is what the pointers are to, and keeps neither.
    let _ = unsafe { libc::localtime_r(&raw const seconds, local.as_mut_ptr()) };
    // SAFETY: all bits zero are a `struct tm` (numbers, and a pointer that may be null), whether it was written or not.
    unsafe { local.assume_init() }
}

/// Locks or unlocks flags of a pty's settings (TIOCSLCKTRMIOS), so that a pty plays a driver that keeps a flag of its
/// own.
#[cfg(test)]
pub(crate) fn lock_settings(fd: impl AsFd, mask: &libc::termios) -> nix::Result<()> {
    // SAFETY: TIOCSLCKTRMIOS reads the kernel's `struct termios`, which is the head of libc's larger one (flags, line
    // discipline, characters), and keeps no pointer.
    let result = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), libc::TIOCSLCKTRMIOS, std::ptr::from_ref(mask)) };
    Errno::result(result).map(drop)
}

/// An ioctl that takes and may write one int. For the requests named above alone: all of those that are passed here
/// do just that.
fn int(fd: BorrowedFd<'_>, request: libc::Ioctl, mut value: c_int) -> nix::Result<c_int> {
    // SAFETY: the requests passed here read or write one int through the pointer and keep no pointer.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), request, &raw mut value) };
    Errno::result(result).map(|_| value)
}

/// An ioctl whose argument is a plain number or nothing.
fn plain(fd: BorrowedFd<'_>, request: libc::Ioctl, argument: c_int) -> nix::Result<()> {
    // SAFETY: the requests passed here take no pointer.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), request, argument) };
    Errno::result(result).map(drop)
}

/// A count that the kernel gives as an int and that is never negative.
fn count(value: c_int) -> usize {
    usize::try_from(value).unwrap_or(0)
}

/// linux/sockios.h; written out because libc types it as `c_ulong`, which musl's `ioctl` does not take.
const SIOCOUTQNSD: libc::Ioctl = 0x894B;

/// linux/serial.h: "Transmitter physically empty"
const TIOCSER_TEMT: c_int = 1;

/// linux/tty_flags.h: ASYNC_LOW_LATENCY, "Request low latency behaviour".
pub(crate) const ASYNC_LOW_LATENCY: c_int = 1 << 13;

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// `sizeof(struct serial_struct)` as a C compiler has it with linux/serial.h.
    #[test]
    fn the_mirror_of_serial_struct_is_as_large_as_the_kernels() {
        let expected = if cfg!(target_pointer_width = "64") { 72 } else { 60 };
        assert_eq!(size_of::<SerialStruct>(), expected);
    }

    /// `sizeof(struct serial_icounter_struct)`: 11 counters and 9 reserved.
    #[test]
    fn the_mirror_of_the_counters_is_as_large_as_the_kernels() {
        assert_eq!(size_of::<Counts>(), 80);
    }

    /// `sizeof(struct serial_rs485)`: a flag word, two delays and five of padding.
    #[test]
    fn the_mirror_of_rs485_is_as_large_as_the_kernels() {
        assert_eq!(size_of::<KernelRs485>(), 32);
    }

    #[test]
    fn a_socket_tells_what_its_peer_has_not_taken() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut sender = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (_slow_reader, _) = listener.accept().unwrap();
        assert_eq!(socket_unacknowledged(&sender).unwrap(), 0);
        assert_eq!(socket_unsent(&sender).unwrap(), 0);

        sender.set_nonblocking(true).unwrap();
        let mut written = 0;
        loop {
            match sender.write(&[0; 65536]) {
                Ok(n) => written += n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        let unacknowledged = socket_unacknowledged(&sender).unwrap();
        let unsent = socket_unsent(&sender).unwrap();
        assert!(
            0 < unsent && unsent <= unacknowledged && unacknowledged <= written,
            "{unsent} {unacknowledged} {written}"
        );
    }
}
