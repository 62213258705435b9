//! What is watched on the line beside its bytes, switched at most once a second.
//!
//! What clients ask for costs a thread, or a look each few milliseconds. A client may ask for it and refuse it in a loop: that does not
//! start a thread each time.

use std::time::{Duration, Instant};

use crate::line::Watch;

/// Between two switches.
const EACH: Duration = Duration::from_secs(1);

/// What is watched, and what is to be.
#[derive(Debug, Default)]
pub(super) struct Watching {
    is: Watch,
    wanted: Watch,
    /// It is not switched before.
    not_before: Option<Instant>,
}

impl Watching {
    /// A line was opened, and this is watched on it.
    pub(super) fn opened(&mut self, watch: Watch) {
        *self = Self { is: watch, wanted: watch, not_before: None };
    }

    /// This is to be watched.
    pub(super) fn want(&mut self, watch: Watch) {
        self.wanted = watch;
    }

    /// What is to be watched from now on, if that is something else.
    pub(super) fn switch(&mut self, now: Instant) -> Option<Watch> {
        if self.wanted == self.is || self.not_before.is_some_and(|at| now < at) {
            return None;
        }
        self.is = self.wanted;
        self.not_before = Some(now + EACH);
        Some(self.is)
    }

    /// When there is something to be switched.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.not_before.filter(|_| self.wanted != self.is)
    }
}
