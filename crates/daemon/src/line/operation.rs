//! Operations on an open line other than reading and writing: settings, modem lines, break, purge; and what is read back.

use std::sync::Arc;

use sermux_port_config::line::LineSettings;
use sermux_port_config::signal::{LineState, ModemControl, ModemState, Purge, Step};

/// An operation on an open line other than reading and writing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Nothing is changed: what is there is read.
    Look,
    /// Applies all settings at once.
    Configure(LineSettings),
    /// Raises or drops outputs; `None` leaves one alone.
    Outputs {
        /// Data terminal ready.
        dtr: Option<bool>,
        /// Request to send.
        rts: Option<bool>,
    },
    /// Begins or ends a break. Linux waits without limit for output that has not left before it begins one, so the
    /// caller has drained or purged it.
    Break(bool),
    /// Throws away what the kernel holds. May be called while another operation is stuck: it is what frees it.
    Purge(Purge),
    /// The steps of a reset macro, with their waits in between.
    Run(Arc<[Step]>),
}

/// What a line has: read back from the device, never what was asked for, except where there is no wire to ask (a pty's
/// data bits, parity, DTR and RTS are kept as they were commanded).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The settings in force.
    pub settings: LineSettings,
    /// The outputs.
    pub outputs: ModemControl,
    /// The inputs; all off where there are none.
    pub inputs: ModemState,
    /// Only whether the transmitter is empty; what the receiver noticed is reported as a [`Change`].
    pub line_state: LineState,
    /// What the driver has counted since the line was opened; `None`: it does not count.
    pub counters: Option<LineCounters>,
}

/// What the driver has counted since the line was opened (TIOCGICOUNT, linux/serial.h `struct serial_icounter_struct`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineCounters {
    /// Characters without a valid stop bit.
    pub framing: u64,
    /// Characters with a wrong parity bit.
    pub parity: u64,
    /// Characters that the UART lost because nobody fetched them in time.
    pub overrun: u64,
    /// Breaks received.
    pub breaks: u64,
    /// Characters that the kernel's buffer had no room for.
    pub buffer_overrun: u64,
}

/// Which changes of a line are to be reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    /// CTS, DSR, RI, DCD.
    pub modem_state: bool,
    /// Break, framing and parity errors, overrun.
    pub line_state: bool,
}

/// Something changed on a line that is watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The inputs as they are now.
    pub inputs: ModemState,
    /// RI fell since the last reported change: its edge may be over before anybody can look.
    pub ri_fell: bool,
    /// What the receiver noticed since the last reported change.
    pub line_state: LineState,
    /// The counters as they are now, where line state is watched.
    pub counters: Option<LineCounters>,
}
