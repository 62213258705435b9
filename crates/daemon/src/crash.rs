//! A part of the program whose task has panicked: what is known about it, and when it restarts.
//!
//! A panic is a defect of the program. A port loses its clients, a listener pauses, and other parts lose nothing.

use std::any::Any;
use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

/// A part that has panicked is started again after this time, then after twice as long …
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// … up to this …
const LAST_RETRY: Duration = Duration::from_secs(60);
/// … and as for the first time when it has run for this time.
const RAN_WELL: Duration = Duration::from_secs(60);

/// What has a task of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// The port with this name.
    Port(String),
    /// A listener of this port, by its key.
    Listener(String, usize),
    /// The server on the control socket.
    Control,
    /// The server on `http`.
    Http,
    /// What tells ports that their devices have appeared.
    Hotplug,
}

impl Part {
    /// Its kind, in a word.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Part::Port(_) => "port",
            Part::Listener(..) => "listener",
            Part::Control => "control",
            Part::Http => "http",
            Part::Hotplug => "hotplug",
        }
    }

    /// The name of the port that it belongs to.
    pub(crate) fn port(&self) -> Option<&str> {
        match self {
            Part::Port(name) | Part::Listener(name, _) => Some(name),
            Part::Control | Part::Http | Part::Hotplug => None,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Part::Port(_) => "the port",
            Part::Listener(..) => "the listener",
            Part::Control => "the control socket",
            Part::Http => "the http server",
            Part::Hotplug => "the watch for devices that are plugged in",
        })
    }
}

/// The latest panic of a part.
#[derive(Clone, Debug)]
pub(crate) struct Crash {
    /// What happened.
    pub(crate) what: String,
    /// When.
    pub(crate) at: std::time::Instant,
    wait: Duration,
    state: TaskState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TaskState {
    /// To be started again at this time.
    Waiting(Instant),
    /// It runs again since this time.
    Running(Instant),
}

impl Crash {
    /// It has just happened to this part, after this one.
    pub(crate) fn new(part: &Part, panic: &(dyn Any + Send), before: Option<&Crash>, now: Instant) -> Self {
        let words = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        let wait = match before.map(|before| (before.wait, before.state)) {
            Some((wait, TaskState::Running(since))) if now - since < RAN_WELL => (wait * 2).min(LAST_RETRY),
            _ => FIRST_RETRY,
        };
        let what = format!(
            "a defect of sermux ended {part} ({}); it is started again by itself; the log says more",
            words.unwrap_or("panic")
        );
        Self { what, at: now.into_std(), wait, state: TaskState::Waiting(now + wait) }
    }

    /// It runs again.
    pub(crate) fn is_over(&mut self, now: Instant) {
        self.state = TaskState::Running(now);
    }

    /// When it is to be started again.
    pub(crate) fn again_at(&self) -> Option<Instant> {
        match self.state {
            TaskState::Waiting(at) => Some(at),
            TaskState::Running(_) => None,
        }
    }

    /// Since when it runs again.
    pub(crate) fn over(&self) -> Option<Instant> {
        match self.state {
            TaskState::Waiting(_) => None,
            TaskState::Running(since) => Some(since),
        }
    }

    /// How long it is left alone.
    pub(crate) fn wait(&self) -> Duration {
        self.wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_that_panics_again_waits_longer_and_one_that_ran_well_does_not() {
        let mut waits = Vec::new();
        let mut before: Option<Crash> = None;
        for runs in [0, 0, 1, 0, 0, 0, 0, 0, 61, 0] {
            tokio::time::advance(Duration::from_secs(runs)).await;
            let now = Instant::now();
            let mut crash = Crash::new(&Part::Control, &"oh", before.as_ref(), now);
            assert_eq!(crash.again_at(), Some(now + crash.wait()));
            waits.push(crash.wait().as_secs());
            crash.is_over(now);
            assert_eq!(crash.again_at(), None);
            before = Some(crash);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 1, 2]);
    }
}
