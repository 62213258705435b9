//! RFC 2217 on the server's side: the client's commands, the answers, and the notifications.

use sermux_port_config::line::{DataBits, StopBits};
use sermux_port_config::signal::{LineState, ModemState};

use super::code::{self, command, control, line_state, modem_state};
use super::{Request, View};
use crate::telnet::code::COM_PORT;
use crate::telnet::Outbox;

/// What a command of the client is.
pub(crate) enum ClientCommand {
    /// To be carried out and answered in its turn.
    Request(Request),
    /// Carried out. Nothing is answered.
    Done,
    /// Unknown.
    Unknown,
}

/// The state of one client that may set the line.
#[derive(Debug)]
pub(crate) struct ComPort {
    /// The client speaks it: it was agreed, or the client used it.
    in_use: bool,
    /// The client wants no data for now.
    suspended: bool,
    line_mask: Mask,
    modem_mask: Mask,
    /// The inputs in the latest NOTIFY-MODEMSTATE.
    told: Option<ModemState>,
    /// RI has fallen since then.
    ri_fell: bool,
    /// RI when it was seen last, told or not.
    ri: bool,
    /// The inputs to send once the client takes notifications again.
    held_inputs: Option<ModemState>,
    /// So are these bits of the line state.
    held_line_state: u8,
    signature: Option<String>,
}

/// Which bits are notified.
#[derive(Clone, Copy, Debug)]
struct Mask {
    in_force: u8,
    /// What the client asked for last. It is in force when its turn has come.
    asked: u8,
}

impl Mask {
    fn new(mask: u8) -> Mask {
        Mask { in_force: mask, asked: mask }
    }

    /// A command without a mask repeats the one before it, so that it is answered and changes nothing.
    fn ask(&mut self, value: &[u8]) -> u8 {
        if let [mask] = value {
            self.asked = *mask;
        }
        self.asked
    }
}

impl ComPort {
    /// Nobody speaks it yet.
    pub(crate) fn new() -> ComPort {
        ComPort {
            in_use: false,
            suspended: false,
            line_mask: Mask::new(0),
            modem_mask: Mask::new(255),
            told: None,
            ri_fell: false,
            ri: false,
            held_inputs: None,
            held_line_state: 0,
            signature: None,
        }
    }

    /// The option was agreed, or the client uses it though it was not.
    pub(crate) fn begin(&mut self) {
        self.in_use = true;
    }

    /// The option was ended: all is as it was before it, and nothing is held back any more.
    pub(crate) fn end(&mut self) {
        *self = ComPort { signature: self.signature.take(), ..ComPort::new() };
    }

    pub(crate) fn is_in_use(&self) -> bool {
        self.in_use
    }

    pub(crate) fn is_suspended(&self) -> bool {
        self.suspended
    }

    pub(crate) fn wants_modem_state(&self) -> bool {
        self.in_use && self.modem_mask.in_force != 0
    }

    pub(crate) fn wants_line_state(&self) -> bool {
        self.in_use && self.line_mask.in_force != 0
    }

    pub(crate) fn signature(&self) -> Option<&str> {
        self.signature.as_deref()
    }

    /// A subnegotiation of the client: the command and its value.
    pub(crate) fn handle(&mut self, content: &[u8], outbox: &mut Outbox) -> ClientCommand {
        let Some((command, value)) = content.split_first() else {
            return ClientCommand::Unknown;
        };
        if *command > command::PURGE_DATA {
            return ClientCommand::Unknown;
        }
        match *command {
            command::SIGNATURE if !value.is_empty() => self.signature = Some(code::printable(value)),
            command::FLOWCONTROL_SUSPEND => self.suspended = true,
            command::FLOWCONTROL_RESUME => self.resume(outbox),
            command => return self.request(command, value).map_or(ClientCommand::Unknown, ClientCommand::Request),
        }
        ClientCommand::Done
    }

    /// A value that is missing, or is not as long as it must be, asks.
    fn request(&mut self, command: u8, value: &[u8]) -> Option<Request> {
        let byte = match value {
            [byte] => *byte,
            _ => 0,
        };
        Some(match command {
            command::SIGNATURE => Request::Signature,
            command::SET_BAUDRATE => match value {
                [code] => Request::CiscoBaudRate(*code),
                _ => Request::BaudRate(value.try_into().map_or(0, u32::from_be_bytes)),
            },
            command::SET_DATASIZE => Request::DataSize(byte),
            command::SET_PARITY => Request::Parity(byte),
            command::SET_STOPSIZE => Request::StopSize(byte),
            command::SET_CONTROL => Request::Control(byte),
            command::NOTIFY_LINESTATE => Request::LineState,
            command::NOTIFY_MODEMSTATE => Request::ModemState,
            command::SET_LINESTATE_MASK => Request::LineStateMask(self.line_mask.ask(value)),
            command::SET_MODEMSTATE_MASK => Request::ModemStateMask(self.modem_mask.ask(value)),
            command::PURGE_DATA => Request::Purge(byte),
            _ => return None,
        })
    }

    /// Answers a request from what the line has, after its effect.
    pub(crate) fn answer(&mut self, request: Request, view: &View, signature: &str, outbox: &mut Outbox) {
        let settings = view.settings;
        let rate = settings.baud.get();
        match request {
            Request::Signature => tell(outbox, command::SIGNATURE, signature.as_bytes()),
            Request::BaudRate(asked) => {
                // Clients compare bytes, so the rate that they asked for is what they hear, if the line took it.
                let rate = if code::is_same_rate(asked, rate) { asked } else { rate };
                tell(outbox, command::SET_BAUDRATE, &rate.to_be_bytes());
            }
            Request::CiscoBaudRate(_) => match code::cisco_of_rate(rate) {
                Some(code) => tell(outbox, command::SET_BAUDRATE, &[code]),
                None => tell(outbox, command::SET_BAUDRATE, &rate.to_be_bytes()),
            },
            Request::DataSize(_) => tell(outbox, command::SET_DATASIZE, &[settings.data_bits.bits()]),
            Request::Parity(_) => tell(outbox, command::SET_PARITY, &[code::of_parity(settings.parity)]),
            Request::StopSize(asked) => tell(outbox, command::SET_STOPSIZE, &[stop_size(asked, view)]),
            Request::Control(asked) => tell(outbox, command::SET_CONTROL, &[control_state(asked, view)]),
            Request::LineState => self.tell_line_state(code::of_line_state(view.line_state), outbox),
            Request::ModemState => self.tell_modem_state(view.inputs, outbox),
            Request::LineStateMask(asked) => {
                self.line_mask.in_force = asked & line_state::NOTIFIED;
                tell(outbox, command::SET_LINESTATE_MASK, &[self.line_mask.in_force]);
                self.tell_line_state(code::of_line_state(view.line_state), outbox);
            }
            Request::ModemStateMask(asked) => {
                self.modem_mask.in_force = asked;
                tell(outbox, command::SET_MODEMSTATE_MASK, &[asked]);
                self.tell_modem_state(view.inputs, outbox);
            }
            Request::Purge(asked) => tell(outbox, command::PURGE_DATA, &[asked]),
            Request::AreYouThere | Request::TimingMark | Request::BreakPulse => {
                debug_assert!(false, "{request:?} is telnet's own");
            }
        }
    }

    /// Inputs changed.
    pub(crate) fn modem_changed(&mut self, inputs: ModemState, ri_fell: bool, outbox: &mut Outbox) {
        if !self.in_use {
            return;
        }
        self.see_ri(inputs, ri_fell);
        if self.holds_back(outbox) {
            self.held_inputs = Some(inputs);
        } else if self.is_wanted(inputs) {
            self.tell_modem_state(inputs, outbox);
        }
    }

    /// The receiver noticed something.
    pub(crate) fn line_changed(&mut self, noticed: LineState, outbox: &mut Outbox) {
        let bits = code::of_line_state(noticed) & self.line_mask.in_force;
        if !self.in_use || bits == 0 {
            return;
        }
        if self.holds_back(outbox) {
            self.held_line_state |= bits;
        } else {
            self.tell_line_state(bits, outbox);
        }
    }

    fn resume(&mut self, outbox: &mut Outbox) {
        self.suspended = false;
        self.tell_held(outbox);
    }

    /// Whether notifications wait: for the client to resume, or to take what it was sent already.
    fn holds_back(&self, outbox: &Outbox) -> bool {
        self.suspended || outbox.as_slice().len() > MOST_UNTAKEN
    }

    /// Tells what was held back, if nothing holds it back any more.
    pub(crate) fn tell_held(&mut self, outbox: &mut Outbox) {
        if self.holds_back(outbox) {
            return;
        }
        if let Some(inputs) = self.held_inputs.take().filter(|inputs| self.is_wanted(*inputs)) {
            self.tell_modem_state(inputs, outbox);
        }
        let bits = std::mem::take(&mut self.held_line_state) & self.line_mask.in_force;
        if bits != 0 {
            self.tell_line_state(bits, outbox);
        }
    }

    fn see_ri(&mut self, inputs: ModemState, fell: bool) {
        self.ri_fell |= fell || (self.ri && !inputs.ri);
        self.ri = inputs.ri;
    }

    /// Whether the mask selects something that these inputs changed. Each change has two bits, that of the input and
    /// that of the change; either selects it.
    fn is_wanted(&self, inputs: ModemState) -> bool {
        let changed = match self.told {
            Some(told) => code::of_modem_state(told) ^ code::of_modem_state(inputs),
            None => code::of_modem_state(ModemState { cts: true, dsr: true, ri: true, dcd: true }),
        };
        // A ring that is over has changed RI twice.
        let rang = if self.ri_fell { modem_state::RI } else { 0 };
        (changed | rang | self.changes(inputs)) & self.modem_mask.in_force != 0
    }

    /// The lower four bits: what changed since the latest NOTIFY-MODEMSTATE to this client.
    fn changes(&self, inputs: ModemState) -> u8 {
        let told = self.told.unwrap_or(inputs);
        let mut changes = 0;
        if told.cts != inputs.cts {
            changes |= modem_state::CTS_CHANGED;
        }
        if told.dsr != inputs.dsr {
            changes |= modem_state::DSR_CHANGED;
        }
        if self.ri_fell {
            changes |= modem_state::RI_FELL;
        }
        if told.dcd != inputs.dcd {
            changes |= modem_state::DCD_CHANGED;
        }
        changes
    }

    fn tell_modem_state(&mut self, inputs: ModemState, outbox: &mut Outbox) {
        self.see_ri(inputs, false);
        let state = code::of_modem_state(inputs) | self.changes(inputs);
        tell(outbox, command::NOTIFY_MODEMSTATE, &[state]);
        self.told = Some(inputs);
        self.ri_fell = false;
        self.held_inputs = None;
    }

    fn tell_line_state(&mut self, state: u8, outbox: &mut Outbox) {
        tell(outbox, command::NOTIFY_LINESTATE, &[state]);
    }
}

/// A client that has not taken this number of bytes of answers and notifications is notified later.
const MOST_UNTAKEN: usize = 1024;

fn tell(outbox: &mut Outbox, command: u8, value: &[u8]) {
    outbox.subnegotiate(COM_PORT, command + command::SERVER, value);
}

/// With five data bits 1.5 and 2 are the same switch: whichever was asked for is what the line has.
fn stop_size(asked: u8, view: &View) -> u8 {
    let settings = view.settings;
    let same = settings.data_bits == DataBits::Five && settings.stop_bits != StopBits::One;
    match code::stop_bits(asked) {
        Some(StopBits::Two | StopBits::OnePointFive) if same => asked,
        _ => code::of_stop_bits(settings.stop_bits),
    }
}

/// The present state of what a SET-CONTROL is about: the same code that was sent if that is what the line has. A code that
/// the RFC does not name counts as a question about flow control.
fn control_state(asked: u8, view: &View) -> u8 {
    let either = |on: bool, code: u8, other: u8| if on { code } else { other };
    match asked {
        control::ASK_BREAK..=control::BREAK_OFF => either(view.break_on, control::BREAK_ON, control::BREAK_OFF),
        control::ASK_DTR..=control::DTR_OFF => either(view.outputs.dtr, control::DTR_ON, control::DTR_OFF),
        control::ASK_RTS..=control::RTS_OFF => either(view.outputs.rts, control::RTS_ON, control::RTS_OFF),
        control::ASK_INBOUND_FLOW..=control::INBOUND_FLOW_HARDWARE | control::INBOUND_FLOW_DTR => {
            code::of_inbound_flow(view.settings.flow_control)
        }
        _ => code::of_outbound_flow(view.settings.flow_control),
    }
}
