//! A line without its data: modem control and modem state, the receiver's errors, and the requests to it.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::line::LineSettings;

/// What happens to one modem control output (DTR or RTS) when the line is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    /// Raised. Linux raises both on every open, so this is also what the wire shows until the others take effect.
    #[default]
    On,
    /// Dropped.
    Off,
    /// Left as the kernel put it.
    Keep,
}

impl Output {
    /// The level it sets; `None`: it leaves the output alone.
    #[must_use]
    pub fn level(self) -> Option<bool> {
        match self {
            Output::On => Some(true),
            Output::Off => Some(false),
            Output::Keep => None,
        }
    }

    /// What sets this level: the reverse of [`Output::level`].
    #[must_use]
    pub fn at(level: Option<bool>) -> Self {
        match level {
            Some(true) => Output::On,
            Some(false) => Output::Off,
            None => Output::Keep,
        }
    }
}

/// What somebody asks of a line, apart from its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: the request is answered from what is known, because it asks for nothing else, cannot be done, or makes no
    /// sense.
    Nothing,
    /// The line is looked at.
    Look,
    /// The line shall have these settings (they may be those that it has).
    Settings(LineSettings),
    /// Outputs are set; `None` leaves one alone.
    Outputs {
        /// Data terminal ready.
        dtr: Option<bool>,
        /// Request to send.
        rts: Option<bool>,
    },
    /// A break begins.
    BreakOn,
    /// The break that is on ends.
    BreakOff,
    /// A break of this length; it waits for the end of one that is on.
    BreakPulse(Duration),
    /// Queued bytes are discarded.
    Purge(Purge),
    /// The line shall be as its port is configured.
    Default,
    /// The steps of a reset macro.
    Run(Arc<[Step]>),
}

/// The modem control outputs: true is raised (asserted).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ModemControl {
    /// Data terminal ready.
    pub dtr: bool,
    /// Request to send.
    pub rts: bool,
}

/// The modem state inputs: true is raised (asserted).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ModemState {
    /// Clear to send.
    pub cts: bool,
    /// Data set ready.
    pub dsr: bool,
    /// Ring indicator.
    pub ri: bool,
    /// Data carrier detect.
    pub dcd: bool,
}

/// The line state of RFC 2217: what the receiver has noticed, and whether the transmitter is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LineState {
    /// A break was received.
    pub break_detected: bool,
    /// A character without a valid stop bit was received.
    pub framing_error: bool,
    /// A character with a wrong parity bit was received.
    pub parity_error: bool,
    /// A received character was lost, in the UART or in the driver.
    pub overrun_error: bool,
    /// The transmit holding register is empty: another character may be written.
    pub tx_holding_empty: bool,
    /// The transmit shift register is empty: everything is on the wire.
    pub tx_shift_empty: bool,
}

/// Which of the kernel's queues of a line are thrown away (TCFLSH, termios(3) `tcflush`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purge {
    /// Bytes received and not read yet.
    Rx,
    /// Bytes written and not sent yet.
    Tx,
    /// Both.
    Both,
}

/// One step of a reset macro.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Sets these outputs at once; `None` leaves an output alone.
    Set {
        /// Data terminal ready.
        dtr: Option<bool>,
        /// Request to send.
        rts: Option<bool>,
    },
    /// Waits.
    Wait(Duration),
}
