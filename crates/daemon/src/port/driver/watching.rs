//! Which changes of the line are watched: switched on at once, and off a second later at the earliest.
//!
//! What clients ask for costs a thread, or a look each few milliseconds. A client may ask for it and refuse it in a loop: that does not
//! start a thread more than once a second.

use std::time::{Duration, Instant};

use crate::line::Watch;

/// What was switched on stays on for this time.
const STAYS_ON: Duration = Duration::from_secs(1);

/// What is watched, and what is to be.
#[derive(Debug, Default)]
pub(super) struct Watching {
    is: Watch,
    wanted: Watch,
    /// Nothing is switched off before.
    off_at: Option<Instant>,
}

impl Watching {
    /// A line was opened, and this is watched on it.
    pub(super) fn opened(&mut self, watch: Watch) {
        *self = Self { is: watch, wanted: watch, off_at: None };
    }

    /// This is to be watched.
    pub(super) fn want(&mut self, watch: Watch) {
        self.wanted = watch;
    }

    /// What is to be watched from now on, if that is something else.
    pub(super) fn switch(&mut self, now: Instant) -> Option<Watch> {
        let both = Watch {
            modem_state: self.is.modem_state || self.wanted.modem_state,
            line_state: self.is.line_state || self.wanted.line_state,
        };
        let is_on_for_less = self.off_at.is_some_and(|at| now < at);
        let next = if is_on_for_less { both } else { self.wanted };
        if next == self.is {
            return None;
        }
        if both != self.is {
            self.off_at = Some(now + STAYS_ON);
        }
        self.is = next;
        Some(next)
    }

    /// When there is something to be switched off.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.off_at.filter(|_| self.wanted != self.is)
    }
}
