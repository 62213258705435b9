//! Requests to the line: which there are, their askers, and their outcomes.

use std::time::{Duration, Instant};

use sermux_port_config::signal::Effect;
use sermux_protocol::rfc2217::{Request, View};

use super::super::client::ClientId;
use crate::line::Operation;

/// A break that nobody ends is ended.
pub(super) const LONGEST_BREAK: Duration = Duration::from_secs(5);

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::port::hub) enum Asker {
    Client(ClientId),
    /// A client that has disconnected and of which bytes are still queued, by its number.
    Departed(u64),
    /// The operator or a reload; each question has a number of its own.
    Operator(u64),
    /// Nobody waits: what is desired of the line is applied; each has a number of its own.
    Desired(u64),
}

/// What was asked.
#[derive(Clone, Debug)]
pub(in crate::port::hub) enum Asked {
    Request(Request),
    Effect(Effect),
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

/// What happened in the line queue so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestCounters {
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
    /// Somebody else asked for the same and is content with it.
    pub(super) is_shared: bool,
    /// How many purges had been asked for before it.
    pub(super) purges_before: u64,
}

impl Pending {
    /// What it does to a line that looks like this.
    pub(super) fn effect(&self, view: &View) -> Effect {
        let effect = match &self.asked {
            Asked::Request(request) => request.effect(view),
            Asked::Effect(effect) => effect.clone(),
        };
        match effect {
            // A purge has a queue of its own, and the hub makes settings and outputs of the default.
            Effect::Nothing | Effect::Purge(_) | Effect::Default => Effect::Nothing,
            // A client without the right to change anything gets what the line has.
            _ if !self.may_change => Effect::Look,
            Effect::BreakPulse(length) => Effect::BreakPulse(length.min(LONGEST_BREAK)),
            effect => effect,
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
                Asked::Effect(effect) => matches!(effect, Effect::Settings(_) | Effect::BreakPulse(_) | Effect::Run(_)),
            }
    }
}
