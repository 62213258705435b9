//! What is asked of the line beside its bytes, by whom, and what it comes to.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sermux_port_config::line::LineSettings;
use sermux_port_config::signal::{Purge, Step};
use sermux_protocol::rfc2217::{Effect, Request, View};

use super::super::client::ClientId;
use crate::line::Operation;

/// A break that nobody ends is ended.
const LONGEST_BREAK: Duration = Duration::from_secs(5);

/// Telnet's BRK.
pub(super) const BREAK_PULSE: Duration = Duration::from_millis(250);

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::port::hub) enum Asker {
    Client(ClientId),
    /// A client that is gone and of which bytes are still queued, by its number.
    Departed(u64),
    /// Whoever is not a client; each wish has a number of its own.
    Operator(u64),
    /// Nobody waits: what is to stand on the line is applied; each has a number of its own.
    Standing(u64),
}

/// What is asked of the line from outside of any session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// A look at it.
    Look,
    /// Settings.
    Settings(LineSettings),
    /// Outputs; `None` leaves one alone.
    Outputs {
        /// Data terminal ready.
        dtr: Option<bool>,
        /// Request to send.
        rts: Option<bool>,
    },
    /// The line as configured.
    Default,
    /// A break of this length.
    Break(Duration),
    /// Throws away what is queued.
    Purge(Purge),
    /// A reset macro.
    Run(Arc<[Step]>),
}

/// What was asked.
#[derive(Clone, Debug)]
pub(in crate::port::hub) enum Asked {
    Request(Request),
    Wish(Wish),
}

/// How what was asked came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done, or there was nothing to do.
    Done,
    /// There is no line.
    NoLine,
    /// The line refused, or does not answer.
    Failed,
}

/// An operation for the driver, and the client that wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// What is to be done.
    pub operation: Operation,
    /// Who asked for it; `None`: no client.
    pub client: Option<ClientId>,
}

/// What happened in the control queue so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ControlCounters {
    /// Requests of clients.
    pub requests: u64,
    /// Changes that were made although bytes before them had not left in time.
    pub late: u64,
    /// Operations that the line refused.
    pub failed: u64,
    /// Requests that were not carried out because their client had gone, or because somebody purged the port.
    pub dropped: u64,
}

#[derive(Debug)]
pub(super) struct Pending {
    pub(super) asked: Asked,
    pub(super) may_change: bool,
    /// The offset behind the bytes that were queued for the line before it.
    pub(super) after_all: u64,
    /// … by its asker.
    pub(super) after_own: u64,
    pub(super) read_at: Instant,
    /// What stood in the way of a break was thrown away.
    pub(super) cleared: bool,
    /// It is on its way to the line.
    pub(super) is_running: bool,
    /// How many purges had been asked for before it.
    pub(super) purges_before: u64,
}

/// What an asked thing does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Nothing,
    Look,
    Settings(LineSettings),
    Outputs {
        dtr: Option<bool>,
        rts: Option<bool>,
    },
    BreakOn(Duration),
    /// A break of its own: it waits for the end of one that is on.
    Pulse(Duration),
    BreakOff,
    /// What stands in the way of a break goes; the break itself comes next.
    Clear,
    Run(Arc<[Step]>),
}

impl Pending {
    pub(super) fn action(&self, view: &View) -> Action {
        let action = match &self.asked {
            Asked::Request(request) => match request.effect(view) {
                // A purge has a queue of its own.
                Effect::Nothing | Effect::Purge(_) => Action::Nothing,
                Effect::Look => Action::Look,
                Effect::Settings(settings) => Action::Settings(settings),
                Effect::Outputs { dtr, rts } => Action::Outputs { dtr, rts },
                Effect::Break(true) => Action::BreakOn(LONGEST_BREAK),
                Effect::Break(false) => Action::BreakOff,
                Effect::BreakPulse => Action::Pulse(BREAK_PULSE),
            },
            Asked::Wish(wish) => match wish {
                Wish::Look => Action::Look,
                Wish::Settings(settings) => Action::Settings(*settings),
                Wish::Outputs { dtr, rts } => Action::Outputs { dtr: *dtr, rts: *rts },
                Wish::Break(length) => Action::Pulse((*length).min(LONGEST_BREAK)),
                // The hub makes settings and outputs of the default.
                Wish::Purge(_) | Wish::Default => Action::Nothing,
                Wish::Run(steps) => Action::Run(Arc::clone(steps)),
            },
        };
        // Without the right to change anything, one is told what is there.
        if self.may_change || action == Action::Nothing {
            action
        } else {
            Action::Look
        }
    }

    /// Whether bytes behind it must not overtake it. Whether it will change anything is known when its turn comes.
    pub(super) fn holds_bytes(&self) -> bool {
        self.may_change
            && match &self.asked {
                Asked::Request(request) => match request {
                    Request::BaudRate(rate) => *rate != 0,
                    Request::CiscoBaudRate(code)
                    | Request::DataSize(code)
                    | Request::Parity(code)
                    | Request::StopSize(code) => *code != 0,
                    // Queries (0, 4, 7, 10, 13), break off, DTR and RTS pass the bytes.
                    Request::Control(code) => !matches!(code, 0 | 4 | 6..=13),
                    Request::BreakPulse => true,
                    _ => false,
                },
                Asked::Wish(wish) => matches!(wish, Wish::Settings(_) | Wish::Break(_)),
            }
    }
}
