//! The numbers of RFC 2217, and what they mean for a line.

use sermux_port_config::line::{DataBits, FlowControl, Parity, StopBits};
use sermux_port_config::signal::{LineState, ModemState};

/// The commands. The server says the same things with [`SERVER`](command::SERVER) added.
pub mod command {
    /// Empty: asks the other side for its text; else the sender's.
    pub const SIGNATURE: u8 = 0;
    /// Four bytes, the most significant first; 0 asks.
    pub const SET_BAUDRATE: u8 = 1;
    /// 5 to 8; 0 asks.
    pub const SET_DATASIZE: u8 = 2;
    /// 1 to 5: none, odd, even, mark, space; 0 asks.
    pub const SET_PARITY: u8 = 3;
    /// 1 to 3: one, two, one and a half; 0 asks.
    pub const SET_STOPSIZE: u8 = 4;
    /// Flow control, break, DTR, RTS: see [`control`](super::control).
    pub const SET_CONTROL: u8 = 5;
    /// From the client a poll; from the server what the receiver noticed: see [`line_state`](super::line_state).
    pub const NOTIFY_LINESTATE: u8 = 6;
    /// From the client a poll; from the server the inputs: see [`modem_state`](super::modem_state).
    pub const NOTIFY_MODEMSTATE: u8 = 7;
    /// The receiver shall send no data for now.
    pub const FLOWCONTROL_SUSPEND: u8 = 8;
    /// The receiver may send data again.
    pub const FLOWCONTROL_RESUME: u8 = 9;
    /// Which bits of the line state the server is to notify.
    pub const SET_LINESTATE_MASK: u8 = 10;
    /// Which bits of the modem state the server is to notify.
    pub const SET_MODEMSTATE_MASK: u8 = 11;
    /// 1 to 3: what was received, what is to be sent, both.
    pub const PURGE_DATA: u8 = 12;
    /// What the server adds to each.
    pub const SERVER: u8 = 100;
}

/// The values of SET-CONTROL.
#[allow(missing_docs, reason = "the names are those of the RFC")]
pub mod control {
    pub const ASK_FLOW: u8 = 0;
    pub const FLOW_NONE: u8 = 1;
    pub const FLOW_XON_XOFF: u8 = 2;
    pub const FLOW_HARDWARE: u8 = 3;
    pub const ASK_BREAK: u8 = 4;
    pub const BREAK_ON: u8 = 5;
    pub const BREAK_OFF: u8 = 6;
    pub const ASK_DTR: u8 = 7;
    pub const DTR_ON: u8 = 8;
    pub const DTR_OFF: u8 = 9;
    pub const ASK_RTS: u8 = 10;
    pub const RTS_ON: u8 = 11;
    pub const RTS_OFF: u8 = 12;
    pub const ASK_INBOUND_FLOW: u8 = 13;
    pub const INBOUND_FLOW_NONE: u8 = 14;
    pub const INBOUND_FLOW_XON_XOFF: u8 = 15;
    pub const INBOUND_FLOW_HARDWARE: u8 = 16;
    pub const FLOW_DCD: u8 = 17;
    pub const INBOUND_FLOW_DTR: u8 = 18;
    pub const FLOW_DSR: u8 = 19;
}

/// The bits of the line state. 128 (time-out) and 1 (data ready) say nothing about a line that is read all the time; they
/// are always 0.
#[allow(missing_docs, reason = "the names are those of the RFC")]
pub mod line_state {
    pub const TX_SHIFT_EMPTY: u8 = 64;
    pub const TX_HOLDING_EMPTY: u8 = 32;
    pub const BREAK_DETECTED: u8 = 16;
    pub const FRAMING_ERROR: u8 = 8;
    pub const PARITY_ERROR: u8 = 4;
    pub const OVERRUN_ERROR: u8 = 2;
    /// What a mask can select.
    pub const NOTIFIED: u8 = BREAK_DETECTED | FRAMING_ERROR | PARITY_ERROR | OVERRUN_ERROR;
}

/// The bits of the modem state: the inputs, and below them what changed since the last notification.
#[allow(missing_docs, reason = "the names are those of the RFC")]
pub mod modem_state {
    pub const DCD: u8 = 128;
    pub const RI: u8 = 64;
    pub const DSR: u8 = 32;
    pub const CTS: u8 = 16;
    pub const DCD_CHANGED: u8 = 8;
    pub const RI_FELL: u8 = 4;
    pub const DSR_CHANGED: u8 = 2;
    pub const CTS_CHANGED: u8 = 1;
}

/// A baud rate that is asked for and one that a line has count as the same within one part in this number: 2 %. A UART divides
/// its clock by a whole number, so few rates are exact; a receiver bears about 4 %.
const TOLERANCE: u64 = 50;

pub(crate) fn is_same_rate(asked: u32, actual: u32) -> bool {
    u64::from(asked.abs_diff(actual)) * TOLERANCE <= u64::from(asked)
}

/// Cisco's codes for SET-BAUDRATE with one byte.
const CISCO: [(u8, u32); 11] = [
    (3, 300),
    (4, 600),
    (5, 1200),
    (6, 2400),
    (7, 4800),
    (8, 9600),
    (10, 19_200),
    (12, 38_400),
    (13, 57_600),
    (14, 115_200),
    (15, 230_400),
];

pub(crate) fn rate_of_cisco(code: u8) -> Option<u32> {
    CISCO.iter().find(|entry| entry.0 == code).map(|entry| entry.1)
}

pub(crate) fn cisco_of_rate(rate: u32) -> Option<u8> {
    CISCO.iter().find(|entry| is_same_rate(entry.1, rate)).map(|entry| entry.0)
}

pub(crate) fn data_bits(code: u8) -> Option<DataBits> {
    match code {
        5 => Some(DataBits::Five),
        6 => Some(DataBits::Six),
        7 => Some(DataBits::Seven),
        8 => Some(DataBits::Eight),
        _ => None,
    }
}

pub(crate) fn parity(code: u8) -> Option<Parity> {
    match code {
        1 => Some(Parity::None),
        2 => Some(Parity::Odd),
        3 => Some(Parity::Even),
        4 => Some(Parity::Mark),
        5 => Some(Parity::Space),
        _ => None,
    }
}

pub(crate) fn of_parity(parity: Parity) -> u8 {
    match parity {
        Parity::None => 1,
        Parity::Odd => 2,
        Parity::Even => 3,
        Parity::Mark => 4,
        Parity::Space => 5,
    }
}

pub(crate) fn stop_bits(code: u8) -> Option<StopBits> {
    match code {
        1 => Some(StopBits::One),
        2 => Some(StopBits::Two),
        3 => Some(StopBits::OnePointFive),
        _ => None,
    }
}

pub(crate) fn of_stop_bits(stop_bits: StopBits) -> u8 {
    match stop_bits {
        StopBits::One => 1,
        StopBits::Two => 2,
        StopBits::OnePointFive => 3,
    }
}

/// What SET-CONTROL 0 is answered with: who stops what we send.
pub(crate) fn of_outbound_flow(flow: FlowControl) -> u8 {
    match flow {
        FlowControl::None | FlowControl::XonXoffIn => control::FLOW_NONE,
        FlowControl::XonXoff | FlowControl::XonXoffOut => control::FLOW_XON_XOFF,
        FlowControl::RtsCts => control::FLOW_HARDWARE,
        FlowControl::DtrDsr => control::FLOW_DSR,
    }
}

/// What SET-CONTROL 13 is answered with: how we stop the far end.
pub(crate) fn of_inbound_flow(flow: FlowControl) -> u8 {
    match flow {
        FlowControl::None | FlowControl::XonXoffOut => control::INBOUND_FLOW_NONE,
        FlowControl::XonXoff | FlowControl::XonXoffIn => control::INBOUND_FLOW_XON_XOFF,
        FlowControl::RtsCts => control::INBOUND_FLOW_HARDWARE,
        FlowControl::DtrDsr => control::INBOUND_FLOW_DTR,
    }
}

/// What the flow control becomes when SET-CONTROL asks for `code`; `None`: the code asks for none that there is.
///
/// Hardware flow control is one switch for both directions: to turn it on or off for one is to do it for both. XON and
/// XOFF have a switch for each direction.
pub(crate) fn flow_after(flow: FlowControl, code: u8) -> Option<FlowControl> {
    let sends_are_stopped = matches!(flow, FlowControl::XonXoff | FlowControl::XonXoffOut);
    match code {
        control::FLOW_NONE => Some(FlowControl::None),
        control::FLOW_XON_XOFF => Some(FlowControl::XonXoff),
        control::FLOW_HARDWARE | control::INBOUND_FLOW_HARDWARE => Some(FlowControl::RtsCts),
        control::INBOUND_FLOW_NONE if sends_are_stopped => Some(FlowControl::XonXoffOut),
        control::INBOUND_FLOW_NONE => Some(FlowControl::None),
        control::INBOUND_FLOW_XON_XOFF if sends_are_stopped => Some(FlowControl::XonXoff),
        control::INBOUND_FLOW_XON_XOFF => Some(FlowControl::XonXoffIn),
        control::INBOUND_FLOW_DTR | control::FLOW_DSR => Some(FlowControl::DtrDsr),
        _ => None,
    }
}

pub(crate) fn of_line_state(state: LineState) -> u8 {
    use line_state::*;
    bit(state.tx_shift_empty, TX_SHIFT_EMPTY)
        | bit(state.tx_holding_empty, TX_HOLDING_EMPTY)
        | bit(state.break_detected, BREAK_DETECTED)
        | bit(state.framing_error, FRAMING_ERROR)
        | bit(state.parity_error, PARITY_ERROR)
        | bit(state.overrun_error, OVERRUN_ERROR)
}

/// The upper four bits.
pub(crate) fn of_modem_state(state: ModemState) -> u8 {
    use modem_state::*;
    bit(state.dcd, DCD) | bit(state.ri, RI) | bit(state.dsr, DSR) | bit(state.cts, CTS)
}

/// Bits that stand for nothing here are left out.
pub(crate) fn line_state_of(bits: u8) -> LineState {
    use line_state::*;
    let has = |bit: u8| bits & bit != 0;
    LineState {
        break_detected: has(BREAK_DETECTED),
        framing_error: has(FRAMING_ERROR),
        parity_error: has(PARITY_ERROR),
        overrun_error: has(OVERRUN_ERROR),
        tx_holding_empty: has(TX_HOLDING_EMPTY),
        tx_shift_empty: has(TX_SHIFT_EMPTY),
    }
}

/// The inputs, without what changed.
pub(crate) fn modem_state_of(bits: u8) -> ModemState {
    use modem_state::*;
    let has = |bit: u8| bits & bit != 0;
    ModemState { cts: has(CTS), dsr: has(DSR), ri: has(RI), dcd: has(DCD) }
}

/// Text from the network, fit for a log.
pub(crate) fn printable(text: &[u8]) -> String {
    let printable = |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' };
    text.iter().map(printable).collect()
}

fn bit(on: bool, bit: u8) -> u8 {
    if on {
        bit
    } else {
        0
    }
}
