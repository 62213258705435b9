//! When to retry opening a device, and what to log, once.

use std::time::{Duration, Instant};

use crate::line::OpenError;

/// A device that is not there is looked for after this time, then after twice as long …
const FIRST_RETRY: Duration = Duration::from_millis(100);
/// … up to this. Looking costs one failing open(2).
const ABSENT_RETRY: Duration = Duration::from_secs(1);
/// A device that is there and refuses changes its mind less often, and is opened and closed by each try.
const REFUSED_RETRY: Duration = Duration::from_secs(5);

/// Between a line that broke right after it was opened and the next try.
const SETTLED: Duration = Duration::from_secs(1);

/// A node without hardware that is still there after this number of tries is not about to be removed.
const NODE_STAYS: u32 = 4;

/// The failures of one device so far.
#[derive(Debug, Default)]
pub(super) struct Lifecycle {
    failures: u32,
    said: Option<String>,
    /// That the device is busy was logged: another program that then holds it for a moment is no news.
    busy: bool,
    opened_at: Option<Instant>,
    /// The device was there, and that it was disconnected was logged.
    lost: bool,
    /// How the latest try failed, since it was open.
    trouble: Option<Trouble>,
}

/// Why a device is not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It is not there.
    Absent,
    /// It is there and cannot be opened.
    Refused,
}

/// What the log should hear.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Say {
    /// This, for the first time.
    This(String),
    /// Nothing: it is known.
    Nothing,
}

impl Lifecycle {
    /// Opening failed: when to try again, and what to say.
    pub(super) fn failed(&mut self, error: &OpenError, now: Instant) -> (Instant, Say) {
        let absent = error.is_absent();
        let was_absent = self.trouble() == Some(Trouble::Absent);
        self.trouble = Some(if absent { Trouble::Absent } else { Trouble::Refused });
        let longest = if absent { ABSENT_RETRY } else { REFUSED_RETRY };
        let at = now + self.back_off(longest);
        let text = error.to_string();
        // A node that has just appeared is root's until udev has given it its group.
        if was_absent && matches!(error, OpenError::Forbidden { .. }) {
            return (at, Say::Nothing);
        }
        let busy = matches!(error, OpenError::Busy { .. });
        // While an adapter is being unplugged its node stays a moment longer.
        let stays = matches!(error, OpenError::NoHardware { .. }) && self.failures > NODE_STAYS;
        let known = self.said.as_ref() == Some(&text) || (absent && was_absent && !stays) || (busy && self.busy);
        self.busy = busy;
        let say = if known { Say::Nothing } else { Say::This(text.clone()) };
        self.said = Some(text);
        (at, say)
    }

    /// Whether the device was there and went.
    pub(super) fn is_lost(&self) -> bool {
        self.lost
    }

    /// Why it is not open; `None`: it is, or was not tried yet.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.trouble.or(self.lost.then_some(Trouble::Absent))
    }

    /// The line is open: how many tries failed before.
    pub(super) fn opened(&mut self, now: Instant) -> u32 {
        self.said = None;
        self.busy = false;
        self.lost = false;
        self.trouble = None;
        self.opened_at = Some(now);
        self.failures
    }

    /// The line broke: when to open it again. At once, unless it broke as soon as it was open.
    pub(super) fn gone(&mut self, now: Instant) -> Instant {
        self.lost = true;
        let settled = self.opened_at.take().is_some_and(|at| now.duration_since(at) >= SETTLED);
        if settled {
            self.failures = 0;
            return now;
        }
        now + self.back_off(ABSENT_RETRY)
    }

    fn back_off(&mut self, longest: Duration) -> Duration {
        let wait = FIRST_RETRY.saturating_mul(1 << self.failures.min(10)).min(longest);
        self.failures = self.failures.saturating_add(1);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn absent() -> OpenError {
        OpenError::Absent { path: "/dev/ttyUSB7".into() }
    }

    #[test]
    fn a_device_that_stays_away_is_said_once_and_tried_less_and_less_often() {
        let mut lifecycle = Lifecycle::default();
        let now = Instant::now();
        let tries: Vec<_> = (0..6).map(|_| lifecycle.failed(&absent(), now)).collect();
        let waits: Vec<_> = tries.iter().map(|(at, _)| (*at - now).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1000, 1000]);
        assert_eq!(tries.iter().filter(|(_, say)| *say != Say::Nothing).count(), 1);
    }

    #[test]
    fn that_a_lost_device_is_absent_is_not_said_again_but_what_else_is_wrong_with_it_is() {
        let mut lifecycle = Lifecycle::default();
        let now = Instant::now();
        lifecycle.opened(now);
        lifecycle.gone(now);
        assert_eq!(lifecycle.failed(&absent(), now).1, Say::Nothing);
        let busy = OpenError::Busy { path: "/dev/ttyUSB7".into(), by: "held by pid 412 (minicom)".into() };
        assert!(matches!(lifecycle.failed(&busy, now).1, Say::This(_)));
    }

    #[test]
    fn that_a_device_is_busy_is_said_once_whoever_else_holds_it_for_a_moment() {
        let mut lifecycle = Lifecycle::default();
        let now = Instant::now();
        let busy = |by: &str| OpenError::Busy { path: "/dev/ttyUSB7".into(), by: by.into() };
        assert!(matches!(lifecycle.failed(&busy("pid 412 (minicom)"), now).1, Say::This(_)));
        assert_eq!(lifecycle.failed(&busy("pid 412 (minicom), pid 413 (sh)"), now).1, Say::Nothing);
        lifecycle.opened(now);
        lifecycle.gone(now);
        assert!(matches!(lifecycle.failed(&busy("pid 412 (minicom)"), now).1, Say::This(_)));
    }

    #[test]
    fn rights_that_are_missing_when_a_device_appears_are_said_when_they_stay_so() {
        let mut lifecycle = Lifecycle::default();
        let now = Instant::now();
        let forbidden = || OpenError::Forbidden { path: "/dev/ttyUSB7".into(), hint: "group dialout".into() };
        lifecycle.failed(&absent(), now);
        assert_eq!(lifecycle.failed(&forbidden(), now).1, Say::Nothing);
        assert!(matches!(lifecycle.failed(&forbidden(), now).1, Say::This(_)));
        assert_eq!(lifecycle.failed(&forbidden(), now).1, Say::Nothing);
    }

    #[test]
    fn a_line_that_was_open_for_a_while_is_opened_again_at_once() {
        let mut lifecycle = Lifecycle::default();
        let now = Instant::now();
        lifecycle.opened(now);
        assert_eq!(lifecycle.gone(now + Duration::from_secs(60)), now + Duration::from_secs(60));
    }

    #[test]
    fn a_line_that_breaks_whenever_it_is_opened_does_not_spin() {
        let mut lifecycle = Lifecycle::default();
        let mut now = Instant::now();
        let mut waits = Vec::new();
        for _ in 0..6 {
            lifecycle.opened(now);
            let at = lifecycle.gone(now);
            waits.push((at - now).as_millis());
            now = at;
        }
        assert_eq!(waits, [100, 200, 400, 800, 1000, 1000]);
    }
}
