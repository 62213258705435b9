//! Why a row could not be measured.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;

pub(crate) type Outcome<T> = Result<T, Trouble>;

#[derive(Debug)]
pub(crate) enum Trouble {
    /// Bytes did not arrive as they were sent: the subject is at fault.
    Lost(String),
    /// Something else went wrong; the text says what.
    Failed(String),
}

impl Trouble {
    /// Puts in front where it happened.
    pub(crate) fn at(self, place: impl fmt::Display) -> Self {
        match self {
            Self::Lost(what) => Self::Lost(format!("{place}: {what}")),
            Self::Failed(what) => Self::Failed(format!("{place}: {what}")),
        }
    }

    /// Puts behind it what else is known.
    pub(crate) fn and(self, more: impl fmt::Display) -> Self {
        match self {
            Self::Lost(what) => Self::Lost(format!("{what}; {more}")),
            Self::Failed(what) => Self::Failed(format!("{what}; {more}")),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(what) => write!(out, "data lost: {what}"),
            Self::Failed(what) => write!(out, "not measured: {what}"),
        }
    }
}

impl From<String> for Trouble {
    fn from(what: String) -> Self {
        Self::Failed(what)
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<Errno> for Trouble {
    fn from(error: Errno) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Until when something may take: every wait of the benchmark has one. Clones end together.
#[derive(Clone)]
pub(crate) struct Deadline {
    at: Instant,
    called_off: Arc<AtomicBool>,
}

impl Deadline {
    pub(crate) fn after(span: Duration) -> Self {
        Self { at: Instant::now() + span, called_off: Arc::default() }
    }

    pub(crate) fn is_over(&self) -> bool {
        Instant::now() >= self.at
    }

    /// What is left, as poll and epoll take it; an error once nothing is.
    pub(crate) fn milliseconds(&self, waiting_for: &str) -> Outcome<u16> {
        let left = self.at.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Trouble::Lost(format!("waited too long for {waiting_for}")));
        }
        if self.called_off.load(Ordering::Relaxed) {
            return Err(Trouble::Failed("the other side has given up".into()));
        }
        Ok(u16::try_from(left.as_millis().min(GLANCE)).unwrap_or(u16::MAX).max(1))
    }

    /// Runs both until both have ended; the trouble of one ends the other's waiting, and is the one returned.
    pub(crate) fn both(
        &self,
        aside: impl FnOnce() -> Outcome<()> + Send,
        here: impl FnOnce() -> Outcome<()>,
    ) -> Outcome<()> {
        let first = |result: Outcome<()>| match result {
            Err(trouble) if !self.called_off.swap(true, Ordering::Relaxed) => Err(trouble),
            _ => Ok(()),
        };
        thread::scope(|scope| {
            let aside = scope.spawn(|| first(aside()));
            let here = first(here());
            aside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).and(here)
        })
    }
}

/// Milliseconds after which one that waits looks whether it still should.
const GLANCE: u128 = 200;
