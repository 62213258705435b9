//! Detects a stuck line: one that has sent nothing of its queue for some seconds.
//!
//! Nothing tells that bytes leave a line. So the hub looks at it some time after something was queued, and again while something
//! is: what leaves moves no timer, and a line for which nothing is queued costs nothing.

use std::time::{Duration, Instant};

use sermux_port_config::line::FlowControl;

use super::{Event, Hub, Presence};

/// Nothing may leave for this time …
const LONGEST: Duration = Duration::from_secs(5);
/// … or for the time that this number of characters take: adapters report what has left in such pieces.
const PIECE: u32 = 512;

/// A line that takes nothing of what is queued for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StuckReport {
    /// Since when.
    pub since: Instant,
    /// How many bytes wait, here and in the kernel.
    pub queued: u64,
    /// What flow control there is, and what it says.
    pub flow: FlowState,
}

/// What may hold up what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowState {
    /// `rts-cts`, and the device keeps CTS off.
    CtsOff,
    /// `rts-cts`, and the device has CTS on.
    CtsOn,
    /// `xon-xoff`: an XOFF was received, as far as one can tell.
    Xoff,
    /// There is no flow control.
    Nothing,
}

impl StuckReport {
    /// What is so, and what to do, for a person.
    #[must_use]
    pub fn now(&self, now: Instant) -> String {
        let seconds = now.saturating_duration_since(self.since).as_secs();
        let advice = match self.flow {
            FlowState::CtsOff => "CTS is off: is the device on and ready, and does its cable have that wire?",
            FlowState::CtsOn => "CTS is on: the device's driver may hang; unplug the device and plug it in again",
            FlowState::Xoff => "the device has probably sent XOFF and no XON: is it ready?",
            FlowState::Nothing => {
                "there is no flow control: the device's driver may hang; unplug the device and plug it in again"
            }
        };
        let bytes = if self.queued == 1 { "1 byte waits".to_owned() } else { format!("{} bytes wait", self.queued) };
        format!("the device has taken nothing for {seconds}s, and {bytes}; {advice}")
    }
}

/// What is known of how the line takes what it is given.
#[derive(Debug, Default)]
pub(super) struct Stuck {
    /// When the line is looked at; `None`: nothing was queued since it was last found empty.
    look_at: Option<Instant>,
    /// It is to be looked at now.
    due: bool,
    /// That it is stuck was not told yet: the modem lines are looked at first.
    untold: bool,
    /// Nothing has left since `since`, which is too long.
    is_stuck: bool,
    /// The offset before which everything had left when something was last seen to leave, and when that was.
    left: u64,
    since: Option<Instant>,
    /// What the line held when it was last looked at.
    unsent: u32,
}

impl Hub {
    /// Whether the line takes nothing of what is queued for it.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.stuck.is_stuck
    }

    /// How it is stuck.
    #[must_use]
    pub fn stuck(&self) -> Option<StuckReport> {
        let view = self.requests.view();
        let flow = match view.settings.flow_control {
            FlowControl::RtsCts if view.inputs.cts => FlowState::CtsOn,
            FlowControl::RtsCts => FlowState::CtsOff,
            FlowControl::XonXoff | FlowControl::XonXoffOut => FlowState::Xoff,
            FlowControl::None | FlowControl::DtrDsr | FlowControl::XonXoffIn => FlowState::Nothing,
        };
        let queued = self.tx.end() - self.tx.taken() + u64::from(self.stuck.unsent);
        self.stuck.since.filter(|_| self.stuck.is_stuck).map(|since| StuckReport { since, queued, flow })
    }

    /// Something is queued for the line.
    pub(super) fn watch_line(&mut self, now: Instant) {
        if self.stuck.look_at.is_none() && !self.stuck.due && self.requests.presence() == Presence::Open {
            (self.stuck.left, self.stuck.since) = (self.tx.taken(), Some(now));
            self.look_again(now);
        }
    }

    /// Whether the line should be looked at ([`Hub::looked`]).
    #[must_use]
    pub fn wants_look(&self) -> bool {
        self.stuck.due
    }

    /// The line holds this number of bytes that have not left it.
    pub fn looked(&mut self, unsent: usize, now: Instant) {
        (self.stuck.due, self.stuck.unsent) = (false, u32::try_from(unsent).unwrap_or(u32::MAX));
        let left = self.tx.taken().saturating_sub(unsent as u64);
        let is_empty = self.tx.is_empty() && unsent == 0;
        let since = *self.stuck.since.get_or_insert(now);
        // A break holds up bytes on purpose.
        if is_empty || left > self.stuck.left || self.requests.view().break_on {
            (self.stuck.left, self.stuck.since) = (self.stuck.left.max(left), Some(now));
            let was_told = std::mem::take(&mut self.stuck.is_stuck) && !std::mem::take(&mut self.stuck.untold);
            if was_told {
                self.events.push_back(Event::Moves(now.saturating_duration_since(since)));
            }
            if is_empty {
                return;
            }
        } else if self.stuck.is_stuck {
            self.tell_stuck();
        } else if now >= since + self.longest() {
            (self.stuck.is_stuck, self.stuck.untold) = (true, true);
            self.requests.look(self.tx.end(), now);
        }
        self.look_again(now);
    }

    /// The modem lines were looked at, or cannot be: reports what is stuck, once.
    pub(super) fn tell_stuck(&mut self) {
        if std::mem::take(&mut self.stuck.untold) {
            self.events.extend(self.stuck().map(Event::Stuck));
        }
    }

    /// The line took something.
    pub(super) fn line_moves(&mut self) {
        self.stuck.due |= self.stuck.is_stuck;
    }

    /// There is no line.
    pub(super) fn watch_no_line(&mut self) {
        self.stuck = Stuck::default();
    }

    /// Time has passed.
    pub(super) fn look_for_stuck(&mut self, now: Instant) {
        match self.stuck.look_at {
            Some(at) if at <= now => (self.stuck.look_at, self.stuck.due) = (None, true),
            Some(at) => self.wake(at),
            None => {}
        }
    }

    fn look_again(&mut self, now: Instant) {
        let at = now + self.longest();
        self.stuck.look_at = Some(at);
        self.wake(at);
    }

    fn longest(&self) -> Duration {
        self.requests.view().settings.char_time().saturating_mul(PIECE).max(LONGEST)
    }
}
