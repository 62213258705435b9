//! RFC 2217 on the client's side: for a program that uses a serial port which a server offers.
//!
//! A [`TelnetClient`] takes what the server sent and what the program wants, and returns what to send and what was received.
//! It opens no connection and waits for nothing: how long an answer may take is the program's to decide. The loop around
//! it is in the [crate's documentation](crate#the-client); `examples/rfc2217-client.rs` is a whole program.

use sermux_port_config::line::{BaudRate, FlowControl, LineSettings};

use super::code::{self, command, control};
use super::{Request, View};
use crate::telnet::code::{AO, AYT, BINARY, BRK, COM_PORT, DM, EC, ECHO, EL, GA, IAC, IP, NOP, SE, SGA, TIMING_MARK};
use crate::telnet::negotiation::{Accept, Side, TelnetOptions, Verb};
use crate::telnet::{AfterCr, Decoder, Outbox};

/// What a client receives in addition to data. Values are as they stood on the wire; what they say of the line is in
/// [`TelnetClient::view`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// COM-PORT was agreed: requests are answered from now on. Those made before are, too: they were on their way.
    Agreed,
    /// COM-PORT was refused, or ended: this is plain telnet.
    Refused,
    /// The server has told its signature: see [`TelnetClient::server_signature`].
    Signature,
    /// The rate that the line has.
    BaudRate(u32),
    /// The rate that the line has, in Cisco's code.
    CiscoBaudRate(u8),
    /// The data bits.
    DataSize(u8),
    /// The parity.
    Parity(u8),
    /// The stop bits.
    StopSize(u8),
    /// One of the states of [`control`].
    Control(u8),
    /// What the receiver noticed: the answer to a poll or a mask, or because the mask selects it.
    LineState(u8),
    /// The inputs and what changed of them: the answer to a poll or a mask, or because the mask selects it.
    ModemState(u8),
    /// The bits of the line state that the server will notify.
    LineStateMask(u8),
    /// The bits of the modem state that the server will notify.
    ModemStateMask(u8),
    /// What was thrown away.
    Purge(u8),
    /// All that was sent before [`Request::TimingMark`] has been dealt with.
    TimingMark,
    /// The server takes no data for now: see [`TelnetClient::is_suspended`].
    Suspended,
    /// The server takes data again.
    Resumed,
}

/// One connection to a telnet server, with RFC 2217 if the server has it.
#[derive(Debug)]
pub struct TelnetClient {
    signature: String,
    decoder: Decoder,
    options: TelnetOptions,
    outbox: Outbox,
    view: View,
    suspended: bool,
    server_signature: Option<String>,
    unknown_commands: u64,
}

impl TelnetClient {
    /// A connection that was just made; what is offered to the server is in the outbox. `signature` is what the server
    /// hears when it asks for ours.
    ///
    /// Offered are WILL and DO COM-PORT, BINARY and SGA. Requests and data need not wait for what becomes of them.
    pub fn new(signature: impl Into<String>) -> TelnetClient {
        let accept = |option, us, him| Accept { option, us, him };
        let mut options = TelnetOptions::new(&[
            accept(COM_PORT, true, true),
            accept(BINARY, true, true),
            accept(SGA, true, true),
            // A server that says so means: do not echo what you send.
            accept(ECHO, false, true),
        ]);
        let mut outbox = Outbox::default();
        for option in [COM_PORT, BINARY, SGA] {
            for side in [Side::Us, Side::Him] {
                if let Some(verb) = options.enable(side, option) {
                    outbox.negotiate(verb, option);
                }
            }
        }
        TelnetClient {
            signature: signature.into(),
            decoder: Decoder::new(),
            options,
            outbox,
            view: View::default(),
            suspended: false,
            server_signature: None,
            unknown_commands: 0,
        }
    }

    // ---- what is heard -------------------------------------------------------------------------------------------

    /// Appends the data in `input` to `data`, up to the next event, and moves `input` behind what was taken. `None`: all
    /// of `input` was taken.
    ///
    /// The data in `data` came before the event. Any split of the input yields the same data and events.
    pub fn decode(&mut self, input: &mut &[u8], data: &mut Vec<u8>) -> Option<ClientEvent> {
        loop {
            let after_cr = AfterCr { nul: !self.options.is_on(Side::Him, BINARY), lf: false };
            let event = self.decoder.decode(input, after_cr, data)?;
            let event = self.handle(event);
            if event.is_some() {
                return event;
            }
        }
    }

    fn handle(&mut self, event: crate::telnet::TelnetEvent) -> Option<ClientEvent> {
        use crate::telnet::TelnetEvent as Told;
        match event {
            Told::Negotiation(Verb::Will | Verb::Wont, TIMING_MARK) => return Some(ClientEvent::TimingMark),
            Told::Negotiation(Verb::Do, TIMING_MARK) => self.outbox.negotiate(Verb::Will, TIMING_MARK),
            Told::Negotiation(verb, option) => return self.negotiate(verb, option),
            Told::Subnegotiation(COM_PORT) => {
                let event = self.hear();
                match event {
                    Some(event) => self.note(event),
                    None => return None,
                }
                return event;
            }
            Told::Command(NOP | DM | BRK | IP | AO | AYT | EC | EL | GA | SE) => {}
            Told::Command(_) | Told::Subnegotiation(_) => self.unknown_commands += 1,
        }
        None
    }

    fn negotiate(&mut self, verb: Verb, option: u8) -> Option<ClientEvent> {
        let before = self.com_port();
        if let Some(answer) = self.options.hear(verb, option) {
            self.outbox.negotiate(answer, option);
        }
        match (before, self.com_port()) {
            (before, after) if before == after => None,
            (_, ComPortState::Agreed) => Some(ClientEvent::Agreed),
            (_, ComPortState::Refused) => {
                self.suspended = false;
                Some(ClientEvent::Refused)
            }
            (_, ComPortState::Asked) => None,
        }
    }

    /// A subnegotiation of the server.
    fn hear(&mut self) -> Option<ClientEvent> {
        let (command, value) = self.decoder.value().split_first()?;
        let Some(command) = command.checked_sub(command::SERVER) else {
            self.unknown_commands += 1;
            return None;
        };
        let event = match (command, value) {
            (command::SIGNATURE, []) => {
                self.outbox.subnegotiate(COM_PORT, command::SIGNATURE, self.signature.as_bytes());
                return None;
            }
            (command::SIGNATURE, text) => {
                self.server_signature = Some(code::printable(text));
                ClientEvent::Signature
            }
            (command::SET_BAUDRATE, [code]) => ClientEvent::CiscoBaudRate(*code),
            (command::SET_BAUDRATE, [a, b, c, d]) => ClientEvent::BaudRate(u32::from_be_bytes([*a, *b, *c, *d])),
            (command::SET_DATASIZE, [code]) => ClientEvent::DataSize(*code),
            (command::SET_PARITY, [code]) => ClientEvent::Parity(*code),
            (command::SET_STOPSIZE, [code]) => ClientEvent::StopSize(*code),
            (command::SET_CONTROL, [code]) => ClientEvent::Control(*code),
            (command::NOTIFY_LINESTATE, [bits]) => ClientEvent::LineState(*bits),
            (command::NOTIFY_MODEMSTATE, [bits]) => ClientEvent::ModemState(*bits),
            (command::FLOWCONTROL_SUSPEND, _) => ClientEvent::Suspended,
            (command::FLOWCONTROL_RESUME, _) => ClientEvent::Resumed,
            (command::SET_LINESTATE_MASK, [mask]) => ClientEvent::LineStateMask(*mask),
            (command::SET_MODEMSTATE_MASK, [mask]) => ClientEvent::ModemStateMask(*mask),
            (command::PURGE_DATA, [what]) => ClientEvent::Purge(*what),
            _ => {
                self.unknown_commands += 1;
                return None;
            }
        };
        Some(event)
    }

    /// What an event says of the line.
    fn note(&mut self, event: ClientEvent) {
        let settings = &mut self.view.settings;
        match event {
            ClientEvent::BaudRate(rate) => settings.baud = BaudRate::new(rate).unwrap_or(settings.baud),
            ClientEvent::CiscoBaudRate(code) => {
                settings.baud = code::rate_of_cisco(code).and_then(BaudRate::new).unwrap_or(settings.baud);
            }
            ClientEvent::DataSize(code) => settings.data_bits = code::data_bits(code).unwrap_or(settings.data_bits),
            ClientEvent::Parity(code) => settings.parity = code::parity(code).unwrap_or(settings.parity),
            ClientEvent::StopSize(code) => settings.stop_bits = code::stop_bits(code).unwrap_or(settings.stop_bits),
            ClientEvent::Control(code) => match code {
                control::BREAK_ON | control::BREAK_OFF => self.view.break_on = code == control::BREAK_ON,
                control::DTR_ON | control::DTR_OFF => self.view.outputs.dtr = code == control::DTR_ON,
                control::RTS_ON | control::RTS_OFF => self.view.outputs.rts = code == control::RTS_ON,
                // The RFC calls the codes for what we send "outbound/both": they hold for both until 13 is answered.
                _ => {
                    settings.flow_control =
                        code::flow_after(settings.flow_control, code).unwrap_or(settings.flow_control);
                }
            },
            ClientEvent::LineState(bits) => self.view.line_state = code::line_state_of(bits),
            ClientEvent::ModemState(bits) => self.view.inputs = code::modem_state_of(bits),
            ClientEvent::Suspended => self.suspended = true,
            ClientEvent::Resumed => self.suspended = false,
            ClientEvent::Agreed
            | ClientEvent::Refused
            | ClientEvent::Signature
            | ClientEvent::LineStateMask(_)
            | ClientEvent::ModemStateMask(_)
            | ClientEvent::Purge(_)
            | ClientEvent::TimingMark => {}
        }
    }

    /// What the server has said of the line so far; the defaults where it has said nothing.
    ///
    /// To know whether flow control differs between the directions, both must have been asked, the outbound one first:
    /// as [`look`](Self::look) does.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// What the server says it is.
    pub fn server_signature(&self) -> Option<&str> {
        self.server_signature.as_deref()
    }

    /// Whether COM-PORT is agreed, in either direction.
    pub fn is_agreed(&self) -> bool {
        self.com_port() == ComPortState::Agreed
    }

    /// Whether the server takes no data for now: [`send`](Self::send) nothing. Requests may be made.
    pub fn is_suspended(&self) -> bool {
        self.suspended
    }

    /// Subnegotiations that were too long or without an end, commands that do not exist or are not for clients. They were
    /// ignored.
    pub fn unusable(&self) -> u64 {
        self.decoder.dropped() + self.unknown_commands
    }

    fn com_port(&self) -> ComPortState {
        let sides = [Side::Us, Side::Him];
        if sides.iter().any(|side| self.options.is_on(*side, COM_PORT)) {
            ComPortState::Agreed
        } else if sides.iter().any(|side| self.options.is_pending(*side, COM_PORT)) {
            ComPortState::Asked
        } else {
            ComPortState::Refused
        }
    }

    // ---- what is sent --------------------------------------------------------------------------------------------

    /// Asks or commands something. Requests are carried out and answered in their order; data that is sent before one has
    /// gone to the line before a setting is changed.
    pub fn request(&mut self, request: Request) {
        let (command, value): (u8, &[u8]) = match &request {
            Request::Signature => (command::SIGNATURE, &[]),
            Request::BaudRate(rate) => (command::SET_BAUDRATE, &rate.to_be_bytes()),
            Request::CiscoBaudRate(code) => (command::SET_BAUDRATE, &[*code]),
            Request::DataSize(code) => (command::SET_DATASIZE, &[*code]),
            Request::Parity(code) => (command::SET_PARITY, &[*code]),
            Request::StopSize(code) => (command::SET_STOPSIZE, &[*code]),
            Request::Control(code) => (command::SET_CONTROL, &[*code]),
            Request::LineState => (command::NOTIFY_LINESTATE, &[]),
            Request::ModemState => (command::NOTIFY_MODEMSTATE, &[]),
            Request::LineStateMask(mask) => (command::SET_LINESTATE_MASK, &[*mask]),
            Request::ModemStateMask(mask) => (command::SET_MODEMSTATE_MASK, &[*mask]),
            Request::Purge(what) => (command::PURGE_DATA, &[*what]),
            Request::AreYouThere => return self.outbox.push(&[IAC, AYT]),
            Request::TimingMark => return self.outbox.negotiate(Verb::Do, TIMING_MARK),
            Request::BreakPulse => return self.outbox.push(&[IAC, BRK]),
        };
        self.outbox.subnegotiate(COM_PORT, command, value);
    }

    /// Asks for all these settings, one by one: each is answered with what the line has then.
    pub fn set_line(&mut self, settings: &LineSettings) {
        self.request(Request::BaudRate(settings.baud.get()));
        self.request(Request::DataSize(settings.data_bits.bits()));
        self.request(Request::Parity(code::of_parity(settings.parity)));
        self.request(Request::StopSize(code::of_stop_bits(settings.stop_bits)));
        // Outbound first: that means both, until the inbound one says otherwise.
        self.request(Request::Control(code::of_outbound_flow(settings.flow_control)));
        match settings.flow_control {
            FlowControl::XonXoffIn => self.request(Request::Control(control::INBOUND_FLOW_XON_XOFF)),
            FlowControl::XonXoffOut => self.request(Request::Control(control::INBOUND_FLOW_NONE)),
            FlowControl::None | FlowControl::RtsCts | FlowControl::XonXoff | FlowControl::DtrDsr => {}
        }
    }

    /// Asks for all that a [`View`] holds.
    pub fn look(&mut self) {
        let controls =
            [control::ASK_FLOW, control::ASK_INBOUND_FLOW, control::ASK_BREAK, control::ASK_DTR, control::ASK_RTS];
        let settings =
            [Request::BaudRate(0), Request::DataSize(0), Request::Parity(0), Request::StopSize(0)].into_iter();
        let controls = controls.into_iter().map(Request::Control);
        for request in settings.chain(controls).chain([Request::LineState, Request::ModemState]) {
            self.request(request);
        }
    }

    /// The server shall send no data for now. Answers still come.
    pub fn suspend(&mut self) {
        self.outbox.subnegotiate(COM_PORT, command::FLOWCONTROL_SUSPEND, &[]);
    }

    /// The server may send data again.
    pub fn resume(&mut self) {
        self.outbox.subnegotiate(COM_PORT, command::FLOWCONTROL_RESUME, &[]);
    }

    /// Sends data to the line, behind all that was asked before it.
    ///
    /// A server that refused BINARY gets CR as CR NUL. As long as it has not answered, CR goes out as it is: the server may
    /// have agreed already, and a NUL too many does harm. Only a CR and a NUL in the data, that early, may lose the NUL.
    pub fn send(&mut self, data: &[u8]) {
        let cr_nul = !self.options.is_on(Side::Us, BINARY) && !self.options.is_pending(Side::Us, BINARY);
        if !cr_nul {
            return self.outbox.push_data(data);
        }
        for line in data.split_inclusive(|byte| *byte == b'\r') {
            self.outbox.push_data(line);
            if line.ends_with(b"\r") {
                self.outbox.push(b"\0");
            }
        }
    }

    /// What is to be sent to the server: data, requests and negotiation, in their order.
    ///
    /// Nothing limits it but the program: one that sends no more while this is long has bounded it.
    pub fn outbox(&self) -> &[u8] {
        self.outbox.as_slice()
    }

    /// The connection took the first `n` bytes of the outbox.
    pub fn outbox_taken(&mut self, n: usize) {
        self.outbox.take(n);
    }
}

/// Where the negotiation of COM-PORT stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ComPortState {
    Asked,
    Agreed,
    Refused,
}
