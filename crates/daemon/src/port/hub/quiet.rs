//! `expect`: detects that the expected bytes or frames have been missing for too long.
//!
//! The clock runs while the device is open. With telegrams only one whose CRC is not wrong counts, without frames every
//! byte. It costs one wake-up for each period: what comes moves no timer, the hub looks when one has passed.

use std::time::{Duration, Instant};

use super::missing::Missing;
use super::{Event, Hub};

/// What is known of a port's silence.
#[derive(Debug)]
pub(super) struct Quiet {
    /// A longer silence is reported; zero is never.
    limit: Duration,
    /// When something came last, or the device was opened; `None`: it is not open.
    heard: Option<Instant>,
    /// The silence was reported.
    is_quiet: bool,
    /// Good telegrams so far.
    good: u64,
}

impl Quiet {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, heard: None, is_quiet: false, good: 0 }
    }

    fn due(&self) -> Option<Instant> {
        self.heard.filter(|_| !self.limit.is_zero() && !self.is_quiet).map(|heard| heard + self.limit)
    }
}

impl Hub {
    /// Whether nothing came for longer than `expect` allows, while the device is open.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.quiet.is_quiet
    }

    /// The device is open: from now on something should come.
    pub(super) fn expect_something(&mut self, now: Instant) {
        self.quiet.heard = Some(now);
        // The one that the end of the line before has ended is not from this one.
        self.quiet.good = self.good_telegrams();
        self.wake_for_quiet();
    }

    /// The device is not open: that has its own report, and silence means nothing.
    pub(super) fn expect_nothing(&mut self) {
        self.quiet.heard = None;
        self.quiet.is_quiet = false;
    }

    /// Something came from the line.
    pub(super) fn heard(&mut self, now: Instant) {
        if self.quiet.limit.is_zero() {
            return;
        }
        let good = self.good_telegrams();
        if std::mem::replace(&mut self.quiet.good, good) == good && self.has_telegrams() {
            return;
        }
        let before = self.quiet.heard.replace(now);
        if std::mem::take(&mut self.quiet.is_quiet) {
            let silence = now.saturating_duration_since(before.unwrap_or(now));
            self.events.push_back(Event::Heard(silence));
            self.wake_for_quiet();
        }
    }

    /// Whether bytes come and no good telegram, on a port for telegrams.
    #[must_use]
    pub fn is_garbage(&self) -> bool {
        self.release.telegrams().is_some_and(|frames| frames.is_garbage())
    }

    /// What came since the latest good telegram; of a port without telegrams that is nothing while it is quiet.
    #[must_use]
    pub fn missing(&self) -> Missing {
        self.release.telegrams().map_or(Missing::Everything, |frames| frames.missing())
    }

    fn good_telegrams(&self) -> u64 {
        self.release.telegrams().map_or(0, |frames| frames.good())
    }

    /// Time has passed.
    pub(super) fn look_for_quiet(&mut self, now: Instant) {
        if self.quiet.due().is_some_and(|due| due <= now) {
            self.quiet.is_quiet = true;
            self.events.push_back(Event::Quiet(self.quiet.limit));
        }
        self.wake_for_quiet();
    }

    /// Another limit counts from now on; a reported silence is reported again only if it lasts for the new limit.
    pub(super) fn set_expected(&mut self, limit: Duration, now: Instant) {
        if std::mem::replace(&mut self.quiet.limit, limit) == limit {
            return;
        }
        self.quiet.is_quiet = false;
        // They were not counted while nothing was expected.
        self.quiet.good = self.good_telegrams();
        if self.quiet.heard.is_some() {
            self.expect_something(now);
        }
    }

    fn wake_for_quiet(&mut self) {
        if let Some(due) = self.quiet.due() {
            self.wake(due);
        }
    }
}
