//! Reports changes of CTS, DSR, RI and DCD, by a thread that is blocked in TIOCMIWAIT.
//!
//! TIOCMIWAIT alone is not enough. It reports changes after it was called, so a change between two calls is lost. On an 8250 a
//! rising RI wakes no caller. A cp210x reports changes to the kernel only while INPCK is set; an FTDI only while it is read (and an
//! emulated one only with data). So the thread interrupts its wait to read the lines: rarely while changes are reported, often
//! after it has found one that the driver missed. Without TIOCMIWAIT the thread only reads the lines. All calls are made in the
//! thread, since TIOCMGET is a USB transfer on some devices.
//!
//! The thread runs while a client wants to know. A signal interrupts or ends it; a signal just before the call has no effect, so
//! it is sent again until the thread has ended.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use sermux_port_config::signal::ModemState;
use tokio::time::Sleep;

use crate::sys;

/// What the thread asks of a device.
pub(super) trait Inputs: Send + 'static {
    /// The lines as they are.
    fn look(&self) -> nix::Result<InputsSeen>;

    /// Returns when a line has changed, with EINTR when a signal came, and with ENOTTY, EINVAL or the like where there is
    /// no such thing.
    fn wait_blocking(&self) -> nix::Result<()>;
}

/// The lines as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct InputsSeen {
    pub(super) inputs: ModemState,
    /// Edges of RI so far, where the driver counts them.
    pub(super) rings: u32,
}

/// A device that is being watched. Dropping it ends the thread and waits for that, which takes as long as one call to the
/// driver.
#[derive(Debug)]
pub(super) struct ModemWatch {
    shared: Arc<WatchShared>,
    thread: Option<JoinHandle<()>>,
    /// When to interrupt the wait for a look.
    next_look: Pin<Box<Sleep>>,
}

/// A thread that was asked to end.
#[derive(Debug)]
pub(super) struct EndingWatch(Arc<WatchShared>);

impl EndingWatch {
    pub(super) fn has_ended(&self) -> bool {
        self.0.lock().has_ended
    }
}

#[derive(Debug)]
struct WatchShared {
    state: Mutex<WatchState>,
    gone: Condvar,
}

#[derive(Debug, Default)]
struct WatchState {
    /// What changed and was not taken yet.
    change: Option<InputChange>,
    waker: Option<Waker>,
    /// How often the wait is interrupted; `None`: the thread looks by itself.
    look_each: Option<Duration>,
    /// Changes in a row that the driver told.
    told: u8,
    asked_to_end: bool,
    has_ended: bool,
}

/// The inputs changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InputChange {
    /// As they are now.
    pub(super) inputs: ModemState,
    /// RI has fallen meanwhile.
    pub(super) ri_fell: bool,
}

impl ModemWatch {
    /// Begins to watch; `known` is what need not be reported, `look_each` how often a look is made at first ([`TRUSTED`] or
    /// [`DISTRUSTED`]). Within a tokio runtime with time enabled.
    pub(super) fn start(inputs: impl Inputs, known: InputsSeen, look_each: Duration) -> io::Result<Self> {
        static INTERRUPTIBLE: Once = Once::new();
        INTERRUPTIBLE.call_once(sys::make_threads_interruptible);
        let state = WatchState { look_each: Some(look_each), ..WatchState::default() };
        let shared = Arc::new(WatchShared { state: Mutex::new(state), gone: Condvar::new() });
        let in_thread = Arc::clone(&shared);
        let thread = thread::Builder::new().name("modem-lines".to_owned()).stack_size(STACK).spawn(move || {
            in_thread.watch(&inputs, known);
            // It has a share in the descriptor, which must be closed before `has_ended` is set.
            drop(inputs);
            in_thread.lock().has_ended = true;
            in_thread.gone.notify_all();
        })?;
        Ok(Self { shared, thread: Some(thread), next_look: Box::pin(tokio::time::sleep(look_each)) })
    }

    /// The next change. Changes that come faster than they are taken are reported as one.
    pub(super) fn poll_change(&mut self, cx: &mut Context<'_>) -> Poll<InputChange> {
        let look_each = {
            let mut state = self.shared.lock();
            if let Some(change) = state.change.take() {
                return Poll::Ready(change);
            }
            state.waker = Some(cx.waker().clone());
            state.look_each
        };
        if let Some(look_each) = look_each {
            let next = tokio::time::Instant::now() + look_each;
            // The time between looks may have become shorter.
            if self.next_look.deadline() > next {
                self.next_look.as_mut().reset(next);
            }
            while self.next_look.as_mut().poll(cx).is_ready() {
                self.interrupt();
                self.next_look.as_mut().reset(next);
            }
        }
        Poll::Pending
    }

    /// Ends the thread without waiting for it here. `None`: it has ended.
    pub(super) fn end(self) -> Option<EndingWatch> {
        if self.ask_to_end() {
            return None;
        }
        let ending = EndingWatch(Arc::clone(&self.shared));
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn_blocking(move || drop(self));
        }
        Some(ending)
    }

    /// Whether it has ended already.
    fn ask_to_end(&self) -> bool {
        let has_ended = {
            let mut state = self.shared.lock();
            state.asked_to_end = true;
            state.has_ended
        };
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
        self.interrupt();
        has_ended
    }

    fn interrupt(&self) {
        if let Some(thread) = &self.thread {
            sys::interrupt(thread);
        }
    }
}

impl Drop for ModemWatch {
    fn drop(&mut self) {
        let deadline = Instant::now() + GIVE_UP;
        let mut has_ended = self.ask_to_end();
        while !has_ended && Instant::now() < deadline {
            self.interrupt();
            let state = self.shared.lock();
            let waited = self.shared.gone.wait_timeout_while(state, RESEND, |state| !state.has_ended);
            has_ended = waited.unwrap_or_else(PoisonError::into_inner).0.has_ended;
        }
        match self.thread.take() {
            Some(thread) if has_ended => drop(thread.join()),
            _ => {
                tracing::warn!(event = %"modem.watch-failed",
                    "the thread that watches modem lines is stuck in the device's driver")
            }
        }
    }
}

/// Why the thread looks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LookCause {
    /// It has just begun, or looks each time anew.
    Itself,
    /// The driver told it to.
    Told,
    /// Time for a look.
    Interrupted,
}

impl WatchShared {
    fn watch(&self, inputs: &impl Inputs, known: InputsSeen) {
        let mut before = known;
        let mut cause = LookCause::Itself;
        loop {
            let (mut changed, mut why) = (false, cause);
            loop {
                let Ok(now) = inputs.look() else {
                    // The device is disconnected, and reading reports it.
                    return;
                };
                if self.lock().asked_to_end {
                    return;
                }
                let something = self.tell(before, now, why);
                before = now;
                if !something {
                    break;
                }
                // Telling takes a while, on one core above all: what changes meanwhile would wake nobody. So the last
                // thing before the wait is a look that finds nothing.
                (changed, why) = (true, LookCause::Itself);
            }
            // A driver that says so and nothing has changed could say so for ever.
            let wait = if cause == LookCause::Told && !changed { Err(Errno::EAGAIN) } else { inputs.wait_blocking() };
            cause = match wait {
                Ok(()) => LookCause::Told,
                Err(Errno::EINTR) => LookCause::Interrupted,
                Err(errno) => {
                    if errno != Errno::EAGAIN {
                        self.lock().look_each = None;
                    }
                    thread::park_timeout(DISTRUSTED);
                    LookCause::Itself
                }
            };
        }
    }

    /// Puts down what changed, if something did.
    fn tell(&self, before: InputsSeen, now: InputsSeen, cause: LookCause) -> bool {
        let ri_fell = !now.inputs.ri && (before.inputs.ri || before.rings != now.rings);
        let changed = ri_fell || now.inputs != before.inputs;
        if !changed {
            return false;
        }
        let mut state = self.lock();
        // RI does not count: on an 8250 its rise is not told.
        let besides_ri = ModemState { ri: before.inputs.ri, ..now.inputs } != before.inputs;
        let slept = cause == LookCause::Interrupted && besides_ri;
        state.told = match cause {
            LookCause::Told => state.told.saturating_add(1),
            _ if slept => 0,
            LookCause::Interrupted | LookCause::Itself => state.told,
        };
        if let Some(look_each) = state.look_each {
            let trusted = state.told >= TO_BE_TRUSTED;
            state.look_each = Some(if slept {
                DISTRUSTED
            } else if trusted {
                TRUSTED
            } else {
                look_each
            });
        }
        let fell_before = state.change.is_some_and(|change| change.ri_fell);
        state.change = Some(InputChange { inputs: now.inputs, ri_fell: ri_fell || fell_before });
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, WatchState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Between looks while the driver tells changes.
pub(super) const TRUSTED: Duration = Duration::from_millis(100);

/// Between looks where it does not.
pub(super) const DISTRUSTED: Duration = Duration::from_millis(10);

/// A driver that slept once is trusted again after reporting this number of changes in a row: it may have reported one by
/// chance, when data came.
const TO_BE_TRUSTED: u8 = 8;

/// The thread calls a handful of functions.
const STACK: usize = 128 * 1024;

/// Between two signals to a thread that is to end.
const RESEND: Duration = Duration::from_millis(1);

/// A thread that has not ended by then is left alone.
const GIVE_UP: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
