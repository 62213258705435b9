//! Operations on a tty other than its bytes, and what is read back from it.
//!
//! The handle shares the descriptor with the line and holds it only during an operation: an unplugged device is closed when
//! the line closes it, whatever operation is still running (a dead descriptor that stays open makes the
//! replugged adapter come back under another name).

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use nix::errno::Errno;
use sermux_port_config::config::{LineSetup, Modem};
use sermux_port_config::line::{DataBits, FlowControl, LineSettings, Parity, StopBits};
use sermux_port_config::signal::{LineState, ModemControl, ModemState, Output, Purge, Step};

use super::chip::Chip;
use super::modem_watch::{Inputs, InputsSeen, DISTRUSTED, TRUSTED};
use super::{gone, is_gone};
use crate::line::{pause, termios, LineCounters, Operation, Snapshot};
use crate::sys::{self, Counts};

/// The handle of one open tty.
#[derive(Debug)]
pub(super) struct TtyHandle {
    fd: Weak<OwnedFd>,
    chip: Chip,
    /// A pty has none: DTR and RTS are kept as they were commanded.
    has_modem_lines: bool,
    /// What stays when settings are changed: CLOCAL.
    line: LineSetup,
    /// HUPCL.
    modem: Modem,
    /// What the driver had counted at the open; `None`: it does not count.
    counts_at_open: Option<Counts>,
    /// See [`Line::can_wait`](crate::line::Line::can_wait).
    can_wait: AtomicBool,
    /// See [`TtyHandle::take_room_made`].
    room_made: AtomicBool,
    /// Held while settings are changed, which may take long.
    asked: Mutex<AskedSettings>,
    /// What was read back last. Never held over a call that may block.
    known: Mutex<Snapshot>,
}

/// What was asked for last.
#[derive(Clone, Copy, Debug)]
struct AskedSettings {
    settings: LineSettings,
    /// Errors and breaks are marked among the bytes.
    marks: bool,
}

impl TtyHandle {
    /// Sets DTR and RTS, then all settings; gives what was set as well. An error says what was being done.
    pub(super) fn set_up(
        fd: &Arc<OwnedFd>,
        chip: Chip,
        before: &libc::termios2,
        line: &LineSetup,
        modem: &Modem,
    ) -> Result<(TtyHandle, libc::termios2), (&'static str, Errno)> {
        // Linux has raised both at the open, so this comes first.
        let outputs = (wanted_output(modem.dtr), wanted_output(modem.rts));
        let is_pty = chip == Chip::Pty;
        let has_modem_lines = !is_pty && has_modem_lines(fd, outputs).map_err(|errno| ("does not answer", errno))?;

        let wanted = wanted(chip, before, line, modem);
        sys::set_termios2(fd, &wanted).map_err(|errno| ("settings refused", errno))?;

        let kept = ModemControl { dtr: modem.dtr != Output::Off, rts: modem.rts != Output::Off };
        let control = TtyHandle {
            fd: Arc::downgrade(fd),
            chip,
            has_modem_lines,
            line: *line,
            modem: modem.clone(),
            counts_at_open: if is_pty { None } else { sys::counts(fd).ok() },
            can_wait: AtomicBool::new(is_pty),
            room_made: AtomicBool::new(false),
            asked: Mutex::new(AskedSettings { settings: line.settings, marks: false }),
            known: Mutex::new(Snapshot { outputs: kept, ..Snapshot::default() }),
        };
        Ok((control, wanted))
    }

    fn is_pty(&self) -> bool {
        self.chip == Chip::Pty
    }

    /// Whether DTR and RTS are wires here.
    pub(super) fn has_modem_lines(&self) -> bool {
        self.has_modem_lines
    }

    /// See [`Line::can_wait`](crate::line::Line::can_wait).
    pub(super) fn can_wait(&self) -> bool {
        self.can_wait.load(Ordering::Relaxed)
    }

    /// Whether output was thrown away since the last time. A pty makes room by that without telling (pty_flush_buffer in
    /// drivers/tty/pty.c wakes no writer).
    pub(super) fn take_room_made(&self) -> bool {
        self.room_made.load(Ordering::Relaxed) && self.room_made.swap(false, Ordering::Relaxed)
    }

    /// Reads what the line has.
    pub(super) fn look(&self, fd: &OwnedFd) -> nix::Result<Snapshot> {
        let settings = self.in_force(&sys::termios2(fd)?);
        let lines = if self.has_modem_lines { Some(sys::modem_lines(fd)?) } else { None };
        let line_state = transmitter(fd, Depth::ShiftRegister)?;
        let counters = self.counters(fd);

        let waits = match settings.flow_control {
            FlowControl::RtsCts | FlowControl::DtrDsr | FlowControl::XonXoff | FlowControl::XonXoffIn => true,
            FlowControl::XonXoffOut | FlowControl::None => false,
        };
        self.can_wait.store(self.is_pty() || waits, Ordering::Relaxed);

        let mut known = lock(&self.known);
        let outputs = lines.map_or(known.outputs, outputs_of);
        *known = Snapshot {
            settings,
            outputs,
            inputs: lines.map_or_else(ModemState::default, inputs_of),
            line_state,
            counters,
        };
        Ok(*known)
    }

    /// The settings that the device has; what a pty does not carry is as it was asked for.
    fn in_force(&self, actual: &libc::termios2) -> LineSettings {
        let asked = lock(&self.asked).settings;
        let actual = termios::read_back(actual, &asked);
        if self.is_pty() {
            // Next to the eight data bits that every pty has, 1.5 stop bits look like 2.
            let stop_bits = match asked.stop_bits {
                StopBits::OnePointFive if asked.data_bits == DataBits::Five && actual.stop_bits == StopBits::Two => {
                    asked.stop_bits
                }
                _ => actual.stop_bits,
            };
            return LineSettings { data_bits: asked.data_bits, parity: asked.parity, stop_bits, ..actual };
        }
        actual
    }

    /// What the driver has counted since the open. Does not block.
    pub(super) fn counters(&self, fd: &OwnedFd) -> Option<LineCounters> {
        let begin = self.counts_at_open?;
        let now = sys::counts(fd).ok()?;
        Some(LineCounters {
            framing: since(begin.frame, now.frame),
            parity: since(begin.parity, now.parity),
            overrun: since(begin.overrun, now.overrun),
            breaks: since(begin.brk, now.brk),
            buffer_overrun: since(begin.buf_overrun, now.buf_overrun),
        })
    }

    pub(super) fn configure(&self, fd: &OwnedFd, settings: &LineSettings) -> nix::Result<()> {
        let mut asked = lock(&self.asked);
        let before = sys::termios2(fd)?;
        let mut settings = *settings;
        if settings.flow_control == FlowControl::DtrDsr {
            // Linux has it for no device. What is there stays.
            settings.flow_control = termios::read_back(&before, &settings).flow_control;
        }
        let line = LineSetup { settings, ..self.line };
        let mut wanted = wanted(self.chip, &before, &line, &self.modem);
        if asked.marks {
            wanted.c_iflag |= MARKS;
        }
        let result = sys::set_termios2(fd, &wanted);
        asked.settings = settings;
        // What a driver refuses shows when it is read back.
        refused_is_fine("settings", result)
    }

    /// Has errors and breaks marked among the bytes from now on; gives how many bytes are there already without marks.
    /// (What comes in at that very moment may be either.)
    pub(super) fn mark_errors_blocking(&self) -> io::Result<usize> {
        let fd = self.fd()?;
        let mut asked = lock(&self.asked);
        let mut wanted = sys::termios2(&fd)?;
        wanted.c_iflag |= MARKS;
        let unmarked = sys::unread(&fd)?;
        sys::set_termios2(&fd, &wanted)?;
        if sys::termios2(&fd)?.c_iflag & MARKS != MARKS {
            return Err(Errno::EOPNOTSUPP.into());
        }
        asked.marks = true;
        Ok(unmarked)
    }

    /// How often the inputs are looked at, at first, while they are watched.
    pub(super) fn look_each(&self) -> Duration {
        match self.chip {
            Chip::Cp210x => DISTRUSTED,
            Chip::Pty | Chip::FtdiSio | Chip::Pl2303 | Chip::Other => TRUSTED,
        }
    }

    /// The inputs as they were when last looked at.
    pub(super) fn known_inputs(&self) -> ModemState {
        lock(&self.known).inputs
    }

    /// Whether characters are checked for parity.
    pub(super) fn has_parity(&self) -> bool {
        lock(&self.known).settings.parity != Parity::None
    }

    fn set_outputs(&self, fd: &OwnedFd, dtr: Option<bool>, rts: Option<bool>) -> nix::Result<()> {
        if self.has_modem_lines {
            return refused_is_fine("dtr and rts", set_outputs(fd, dtr, rts));
        }
        let outputs = &mut lock(&self.known).outputs;
        outputs.dtr = dtr.unwrap_or(outputs.dtr);
        outputs.rts = rts.unwrap_or(outputs.rts);
        Ok(())
    }

    fn set_break(&self, fd: &OwnedFd, on: bool) -> nix::Result<()> {
        if self.is_pty() {
            return Ok(());
        }
        refused_is_fine("break", if on { sys::begin_break_blocking(fd) } else { sys::end_break(fd) })
    }

    /// Frees what is stuck behind output that cannot leave, so it must not be stuck itself: nothing is read back but
    /// what cannot block.
    fn purge(&self, fd: &OwnedFd, queues: Purge) -> nix::Result<Snapshot> {
        sys::purge(fd, queues)?;
        if queues != Purge::Rx {
            self.room_made.store(true, Ordering::Relaxed);
        }
        let line_state = transmitter(fd, Depth::Queue)?;
        let mut known = lock(&self.known);
        known.line_state = line_state;
        Ok(*known)
    }

    /// Between the steps nobody is kept from closing the device.
    fn run(&self, steps: &[Step]) -> io::Result<()> {
        for step in steps {
            match *step {
                Step::Set { dtr, rts } => self.set_outputs(&*self.fd()?, dtr, rts).map_err(failed)?,
                Step::Wait(time) => pause(time),
            }
        }
        Ok(())
    }

    fn fd(&self) -> io::Result<Arc<OwnedFd>> {
        self.fd.upgrade().ok_or_else(gone)
    }
}

impl TtyHandle {
    /// Carries out one operation and reads back what the line has then.
    ///
    /// Blocks (USB, a break behind output that cannot leave). One at a time for each line, except [`Operation::Purge`].
    pub(super) fn carry_out(&self, operation: &Operation) -> io::Result<Snapshot> {
        if let Operation::Run(steps) = operation {
            self.run(steps)?;
        }
        let fd = self.fd()?;
        let done = match operation {
            Operation::Look | Operation::Run(_) => Ok(()),
            Operation::Configure(settings) => self.configure(&fd, settings),
            Operation::Outputs { dtr, rts } => self.set_outputs(&fd, *dtr, *rts),
            Operation::Break(on) => self.set_break(&fd, *on),
            Operation::Purge(queues) => return self.purge(&fd, *queues).map_err(failed),
        };
        done.and_then(|()| self.look(&fd)).map_err(failed)
    }
}

/// What is to be set, of all that is asked; what the driver would only pretend to do stays as it is.
fn wanted(chip: Chip, before: &libc::termios2, line: &LineSetup, modem: &Modem) -> libc::termios2 {
    let mut wanted = termios::wanted(before, line, modem);
    if chip == Chip::FtdiSio && line.settings.data_bits == DataBits::Five {
        let kept = if before.c_cflag & libc::CSIZE == libc::CS7 { libc::CS7 } else { libc::CS8 };
        wanted.c_cflag = (wanted.c_cflag & !libc::CSIZE) | kept;
    }
    wanted
}

/// What the thread that watches a tty's inputs asks it.
#[derive(Debug)]
pub(super) struct TtyInputs {
    fd: Arc<OwnedFd>,
    control: Arc<TtyHandle>,
}

impl TtyInputs {
    pub(super) fn new(fd: Arc<OwnedFd>, control: Arc<TtyHandle>) -> Self {
        Self { fd, control }
    }
}

impl Inputs for TtyInputs {
    fn look(&self) -> nix::Result<InputsSeen> {
        let inputs = inputs_of(sys::modem_lines(&self.fd)?);
        lock(&self.control.known).inputs = inputs;
        let rings = sys::counts(&self.fd).map_or(0, |counts| counts.rng);
        Ok(InputsSeen { inputs, rings })
    }

    fn wait_blocking(&self) -> nix::Result<()> {
        sys::wait_for_modem_change_blocking(&self.fd)
    }
}

/// How far back from the wire something may still be.
#[derive(Clone, Copy)]
enum Depth {
    /// In the tty's queue: asking does not block.
    Queue,
    /// Also in the UART's FIFO and shift register: a USB adapter is asked over USB.
    ShiftRegister,
}

fn transmitter(fd: &OwnedFd, depth: Depth) -> nix::Result<LineState> {
    let queue_empty = match sys::unsent(fd) {
        Ok(unsent) => unsent == 0,
        Err(errno) if is_gone(errno) => return Err(errno),
        Err(_) => true,
    };
    let uart_empty = match depth {
        Depth::Queue => true,
        // Not all drivers know.
        Depth::ShiftRegister => sys::transmitter_is_empty(fd).unwrap_or(true),
    };
    Ok(LineState { tx_holding_empty: queue_empty, tx_shift_empty: queue_empty && uart_empty, ..LineState::default() })
}

/// Sets the outputs as they are to be, if the device has such lines.
fn has_modem_lines(fd: &OwnedFd, (dtr, rts): (Option<bool>, Option<bool>)) -> nix::Result<bool> {
    refused_is_fine("dtr and rts", set_outputs(fd, dtr, rts))?;
    match sys::modem_lines(fd) {
        Ok(_) => Ok(true),
        Err(errno) if is_gone(errno) => Err(errno),
        Err(_) => Ok(false),
    }
}

/// Both lines change in one call: a reset circuit that looks at both must not see one without the other.
fn set_outputs(fd: &OwnedFd, dtr: Option<bool>, rts: Option<bool>) -> nix::Result<()> {
    let (mut up, mut down) = (0, 0);
    for (bit, output) in [(libc::TIOCM_DTR, dtr), (libc::TIOCM_RTS, rts)] {
        match output {
            Some(true) => up |= bit,
            Some(false) => down |= bit,
            None => {}
        }
    }
    match (up, down) {
        (0, 0) => Ok(()),
        (up, 0) => sys::raise(fd, up),
        (0, down) => sys::drop_outputs(fd, down),
        (up, down) => sys::set_modem_lines(fd, (sys::modem_lines(fd)? & !down) | up),
    }
}

fn wanted_output(output: Output) -> Option<bool> {
    match output {
        Output::On => Some(true),
        Output::Off => Some(false),
        Output::Keep => None,
    }
}

fn outputs_of(lines: libc::c_int) -> ModemControl {
    ModemControl { dtr: lines & libc::TIOCM_DTR != 0, rts: lines & libc::TIOCM_RTS != 0 }
}

fn inputs_of(lines: libc::c_int) -> ModemState {
    ModemState {
        cts: lines & libc::TIOCM_CTS != 0,
        dsr: lines & libc::TIOCM_DSR != 0,
        ri: lines & libc::TIOCM_RNG != 0,
        dcd: lines & libc::TIOCM_CAR != 0,
    }
}

/// Errors and breaks among the bytes (see [`marks`](super::marks)). Without INPCK the kernel does not mark errors, and a
/// cp210x does not even send them.
const MARKS: libc::tcflag_t = libc::INPCK | libc::PARMRK;

/// How far a counter that wraps has gone.
fn since(begin: u32, now: u32) -> u64 {
    u64::from(now.wrapping_sub(begin))
}

/// A driver may have no words for what is asked: what came of it is read back. A disconnected device is an error.
fn refused_is_fine(what: &str, result: nix::Result<()>) -> nix::Result<()> {
    match result {
        Err(errno) if !is_gone(errno) => {
            tracing::debug!(event = %"device.limited", %errno, "the driver does not change {what}");
            Ok(())
        }
        result => result,
    }
}

fn failed(errno: Errno) -> io::Error {
    if is_gone(errno) {
        return gone();
    }
    errno.into()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_has_wrapped_has_gone_on() {
        assert_eq!(since(5, 5), 0);
        assert_eq!(since(5, 7), 2);
        assert_eq!(since(u32::MAX, 1), 2);
    }

    #[test]
    fn each_wire_is_itself() {
        let none = ModemState::default();
        assert_eq!(inputs_of(libc::TIOCM_CTS), ModemState { cts: true, ..none });
        assert_eq!(inputs_of(libc::TIOCM_DSR), ModemState { dsr: true, ..none });
        assert_eq!(inputs_of(libc::TIOCM_RNG), ModemState { ri: true, ..none });
        assert_eq!(inputs_of(libc::TIOCM_CAR), ModemState { dcd: true, ..none });
        assert_eq!(outputs_of(libc::TIOCM_DTR), ModemControl { dtr: true, rts: false });
        assert_eq!(outputs_of(libc::TIOCM_RTS), ModemControl { dtr: false, rts: true });
    }
}
