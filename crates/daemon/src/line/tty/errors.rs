//! Reports what the receiver notices: breaks, framing and parity errors, lost characters.
//!
//! Drivers count these but do not report a change: the counters are read, without blocking, every 20 ms while a client wants to
//! know. Drivers without counters, or whose counters do not move, mark errors among the bytes instead (see
//! [`marks`](super::marks)); marking stays on once requested, since during each switch a mark cannot be distinguished from
//! data.

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{ready, Context, Poll, Waker};
use std::time::Duration;

use sermux_port_config::signal::LineState;
use tokio::task::JoinHandle;
use tokio::time::{interval_at, Instant, Interval, MissedTickBehavior};

use super::chip::Chip;
use super::handle::TtyHandle;
use super::marks::MarkDecoder;
use crate::sys::{self, Counts};

/// What a line's receiver notices.
#[derive(Debug)]
pub(super) struct ErrorWatch {
    source: ErrorSource,
    wanted: bool,
    /// What was noticed and not taken yet.
    noticed: LineState,
    waker: Option<Waker>,
}

/// How errors are noticed.
#[derive(Debug)]
enum ErrorSource {
    /// Not at all: a pty has none.
    None,
    /// By the driver's counters; the clock and the counts while it is wanted.
    Counters(Option<(Interval, Counts)>),
    /// By marks among the bytes, which nobody has asked for yet.
    Marks,
    /// They are being switched on. Until that is done nothing is read; the result is how many bytes have none yet.
    MarksSoon(JoinHandle<io::Result<usize>>),
    /// They are among the bytes.
    Marked(MarkDecoder),
}

impl ErrorWatch {
    pub(super) fn new(fd: &OwnedFd, chip: Chip) -> Self {
        let source = if chip == Chip::Pty {
            ErrorSource::None
        } else if sys::counts(fd).is_ok() && !matches!(chip, Chip::Cp210x | Chip::Pl2303) {
            ErrorSource::Counters(None)
        } else {
            ErrorSource::Marks
        };
        Self { source, wanted: false, noticed: LineState::default(), waker: None }
    }

    /// Of a device that does not count.
    #[cfg(test)]
    pub(super) fn marks_for_test() -> Self {
        Self { source: ErrorSource::Marks, wanted: false, noticed: LineState::default(), waker: None }
    }

    /// Whether to notice anything.
    pub(super) fn watch(&mut self, wanted: bool, fd: &Arc<OwnedFd>, handle: &Arc<TtyHandle>) {
        if wanted == self.wanted {
            return;
        }
        self.wanted = wanted;
        self.noticed = LineState::default();
        match &mut self.source {
            ErrorSource::Counters(looks) if wanted => *looks = sys::counts(fd).ok().map(|counts| (ticks(), counts)),
            ErrorSource::Counters(looks) => *looks = None,
            ErrorSource::Marks if wanted => {
                let handle = Arc::clone(handle);
                let switch = tokio::task::spawn_blocking(move || handle.mark_errors_blocking());
                self.source = ErrorSource::MarksSoon(switch);
            }
            ErrorSource::None | ErrorSource::Marks | ErrorSource::MarksSoon(_) | ErrorSource::Marked(_) => {}
        }
    }

    /// Ready when it is clear whether there are marks among the bytes.
    #[inline]
    pub(super) fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let ErrorSource::MarksSoon(switch) = &mut self.source {
            self.source = ready!(poll_switch(switch, cx));
        }
        Poll::Ready(())
    }

    /// Takes the marks out of what was read; gives how many bytes are left.
    pub(super) fn take_marks(&mut self, bytes: &mut [u8], handle: &TtyHandle) -> usize {
        let ErrorSource::Marked(decoder) = &mut self.source else {
            return bytes.len();
        };
        let (n, marked) = decoder.decode(bytes);
        if self.wanted && (marked.breaks || marked.errors) {
            self.noticed.break_detected |= marked.breaks;
            // Which of the two is not said.
            let parity = handle.has_parity();
            self.noticed.parity_error |= marked.errors && parity;
            self.noticed.framing_error |= marked.errors && !parity;
            if let Some(waker) = self.waker.take() {
                waker.wake();
            }
        }
        n
    }

    /// What was noticed since it was last taken.
    pub(super) fn poll_noticed(&mut self, cx: &mut Context<'_>, fd: &OwnedFd) -> Poll<LineState> {
        if let ErrorSource::Counters(Some((ticks, before))) = &mut self.source {
            while ticks.poll_tick(cx).is_ready() {
                // Reading reports a disconnected device.
                let Ok(now) = sys::counts(fd) else { continue };
                add_moved(&mut self.noticed, before, &now);
                *before = now;
            }
        }
        if self.noticed == LineState::default() {
            self.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(std::mem::take(&mut self.noticed))
    }
}

/// What comes of switching marks on.
fn poll_switch(switch: &mut JoinHandle<io::Result<usize>>, cx: &mut Context<'_>) -> Poll<ErrorSource> {
    Poll::Ready(match ready!(Pin::new(switch).poll(cx)) {
        Ok(Ok(unmarked)) => ErrorSource::Marked(MarkDecoder::new(unmarked)),
        Ok(Err(error)) => {
            tracing::debug!(event = %"device.limited", %error, "the driver neither counts errors nor marks them");
            ErrorSource::None
        }
        // The runtime goes away.
        Err(_) => ErrorSource::None,
    })
}

/// What the counters say that moved.
fn add_moved(noticed: &mut LineState, before: &Counts, now: &Counts) {
    noticed.break_detected |= now.brk != before.brk;
    noticed.framing_error |= now.frame != before.frame;
    noticed.parity_error |= now.parity != before.parity;
    noticed.overrun_error |= now.overrun != before.overrun || now.buf_overrun != before.buf_overrun;
}

fn ticks() -> Interval {
    let mut ticks = interval_at(Instant::now() + LOOK_EACH, LOOK_EACH);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Between two looks at the counters.
const LOOK_EACH: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_counter_that_moves_is_told_as_what_it_counts() {
        let moved = |now: Counts| {
            let mut noticed = LineState::default();
            add_moved(&mut noticed, &Counts::default(), &now);
            noticed
        };
        let nothing = LineState::default();
        let none = Counts::default;
        assert_eq!(moved(none()), nothing);
        assert_eq!(moved(Counts { cts: 1, dsr: 1, rng: 1, dcd: 1, ..none() }), nothing, "those are wires");
        assert_eq!(moved(Counts { brk: 1, ..none() }), LineState { break_detected: true, ..nothing });
        assert_eq!(moved(Counts { frame: 1, ..none() }), LineState { framing_error: true, ..nothing });
        assert_eq!(moved(Counts { parity: 1, ..none() }), LineState { parity_error: true, ..nothing });
        let overrun = LineState { overrun_error: true, ..nothing };
        assert_eq!(moved(Counts { overrun: 1, ..none() }), overrun);
        assert_eq!(moved(Counts { buf_overrun: 1, ..none() }), overrun);
    }
}
