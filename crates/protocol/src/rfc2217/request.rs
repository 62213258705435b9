//! What a client asks of the line, what that does to it, and what it is answered from.

use sermux_port_config::line::LineSettings;
use sermux_port_config::signal::{LineState, ModemControl, ModemState, Purge};

/// What a client asks, as it stood on the wire. Nothing is said yet about whether it makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// SIGNATURE without text: what is the server's?
    Signature,
    /// SET-BAUDRATE with four bytes; 0 asks.
    BaudRate(u32),
    /// SET-BAUDRATE with one byte: Cisco's code; 0 asks.
    CiscoBaudRate(u8),
    /// SET-DATASIZE; 0 asks.
    DataSize(u8),
    /// SET-PARITY; 0 asks.
    Parity(u8),
    /// SET-STOPSIZE; 0 asks.
    StopSize(u8),
    /// SET-CONTROL.
    Control(u8),
    /// NOTIFY-LINESTATE: a poll.
    LineState,
    /// NOTIFY-MODEMSTATE: a poll.
    ModemState,
    /// SET-LINESTATE-MASK.
    LineStateMask(u8),
    /// SET-MODEMSTATE-MASK.
    ModemStateMask(u8),
    /// PURGE-DATA.
    Purge(u8),
    /// Telnet's AYT.
    AreYouThere,
    /// Telnet's BRK: a short break. Nothing is answered.
    BreakPulse,
}

/// What a request does to the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: it is answered from what is known, because it asks for nothing else, cannot be done, or makes no sense.
    Nothing,
    /// The line is looked at, then it is answered.
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
    /// A break begins or ends.
    Break(bool),
    /// A short break.
    BreakPulse,
    /// Queued bytes are thrown away.
    Purge(Purge),
}

/// What is known of the line: what requests are answered from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// The settings in force.
    pub settings: LineSettings,
    /// The outputs.
    pub outputs: ModemControl,
    /// The inputs.
    pub inputs: ModemState,
    /// Whether a break is being sent.
    pub break_on: bool,
    /// Whether the transmitter is empty; what the receiver noticed.
    pub line_state: LineState,
}

impl Request {
    /// What it does to a line that looks like this.
    pub fn effect(&self, _view: &View) -> Effect {
        Effect::Nothing
    }
}
