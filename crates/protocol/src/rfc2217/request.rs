//! A client's requests to the line, their effects, and the state of the line that answers are made from.

use std::time::Duration;

use sermux_port_config::line::{BaudRate, DataBits, LineSettings, StopBits};
use sermux_port_config::signal::{Effect, LineState, ModemControl, ModemState, Purge};

use super::code::{self, control};

/// What a client asks, as it stood on the wire. It may make no sense.
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
    /// NOTIFY-MODEMSTATE: a poll. A server's session also asks this for its client once, when COM-PORT is agreed.
    ModemState,
    /// SET-LINESTATE-MASK.
    LineStateMask(u8),
    /// SET-MODEMSTATE-MASK.
    ModemStateMask(u8),
    /// PURGE-DATA.
    Purge(u8),
    /// Telnet's AYT.
    AreYouThere,
    /// Telnet's DO TIMING-MARK: has all that was sent before it been dealt with?
    TimingMark,
    /// Telnet's BRK: a short break. Nothing is answered.
    BreakPulse,
}

/// How long the break lasts that telnet's BRK asks for.
const BRK: Duration = Duration::from_millis(250);

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
    ///
    /// What cannot be is [`Effect::Nothing`]: a value that the RFC does not name, a rate outside [`BaudRate`], 1.5 stop
    /// bits with more than five data bits.
    pub fn effect(&self, view: &View) -> Effect {
        let settings = view.settings;
        let wanted = match *self {
            Request::BaudRate(0)
            | Request::CiscoBaudRate(0)
            | Request::DataSize(0)
            | Request::Parity(0)
            | Request::StopSize(0)
            | Request::LineState
            | Request::ModemState
            | Request::LineStateMask(_)
            | Request::ModemStateMask(_) => return Effect::Look,

            Request::BaudRate(rate) => BaudRate::new(rate).map(|baud| LineSettings { baud, ..settings }),
            Request::CiscoBaudRate(code) => {
                code::rate_of_cisco(code).and_then(BaudRate::new).map(|baud| LineSettings { baud, ..settings })
            }
            Request::DataSize(code) => code::data_bits(code).map(|data_bits| with_data_bits(settings, data_bits)),
            Request::Parity(code) => code::parity(code).map(|parity| LineSettings { parity, ..settings }),
            Request::StopSize(code) => code::stop_bits(code)
                .filter(|stop_bits| *stop_bits != StopBits::OnePointFive || settings.data_bits == DataBits::Five)
                .map(|stop_bits| LineSettings { stop_bits, ..settings }),
            Request::Control(code) => return effect_of_control(code, settings),

            Request::Purge(1) => return Effect::Purge(Purge::Rx),
            Request::Purge(2) => return Effect::Purge(Purge::Tx),
            Request::Purge(3) => return Effect::Purge(Purge::Both),
            Request::BreakPulse => return Effect::BreakPulse(BRK),
            Request::Purge(_) | Request::Signature | Request::AreYouThere | Request::TimingMark => None,
        };
        wanted.map_or(Effect::Nothing, Effect::Settings)
    }
}

/// With five data bits the same switch means 1.5 stop bits or 2; with more only 2 is left of it.
fn with_data_bits(settings: LineSettings, data_bits: DataBits) -> LineSettings {
    let stop_bits = match settings.stop_bits {
        StopBits::OnePointFive if data_bits != DataBits::Five => StopBits::Two,
        stop_bits => stop_bits,
    };
    LineSettings { data_bits, stop_bits, ..settings }
}

fn effect_of_control(code: u8, settings: LineSettings) -> Effect {
    match code {
        control::ASK_FLOW | control::ASK_INBOUND_FLOW | control::ASK_BREAK | control::ASK_DTR | control::ASK_RTS => {
            Effect::Look
        }
        control::BREAK_ON => Effect::BreakOn,
        control::BREAK_OFF => Effect::BreakOff,
        control::DTR_ON => Effect::Outputs { dtr: Some(true), rts: None },
        control::DTR_OFF => Effect::Outputs { dtr: Some(false), rts: None },
        control::RTS_ON => Effect::Outputs { dtr: None, rts: Some(true) },
        control::RTS_OFF => Effect::Outputs { dtr: None, rts: Some(false) },
        _ => match code::flow_after(settings.flow_control, code) {
            Some(flow_control) => Effect::Settings(LineSettings { flow_control, ..settings }),
            None => Effect::Nothing,
        },
    }
}
