//! Telnet (RFC 854) on the server's side, with RFC 2217 if that is offered.
//!
//! Data never waits for negotiation, and eight bits pass in both directions whether or not BINARY is agreed: 0xFF is
//! doubled, and of all else only CR has a meaning.
//!
//! | from the client | becomes |
//! |---|---|
//! | `FF FF` | 0xFF |
//! | CR NUL, where the client's BINARY (RFC 856) is not agreed | CR |
//! | CR LF | CR LF; CR with [`TelnetOffer::enter_is_cr`], also in BINARY, where PuTTY's Enter is CR LF all the same |
//! | BRK | [`Request::BreakPulse`]; so is DM with [`TelnetOffer::break_on_sync`] |
//! | AYT, DO TIMING-MARK | [`Request::AreYouThere`], [`Request::TimingMark`] (RFC 860) |
//! | COM-PORT | [`Request`]s of [RFC 2217](crate::rfc2217) |
//! | NAWS | nothing: window sizes are taken and ignored (RFC 1073) |
//! | other options, STATUS, TERMINAL-TYPE and LINEMODE among them | DONT or WONT, by the [Q method](negotiation) |
//! | other commands, other subnegotiations | nothing; counted if there is no such thing |
//!
//! To the client, the line's data goes with each 0xFF [doubled](escape) and nothing else changed: no NUL behind CR, which
//! programs that are no terminals would take for data. The connection of a telnet client should take urgent data in line
//! (SO_OOBINLINE), or a Synch loses half of its DM.

pub mod code;
mod decoder;
pub mod escape;
pub mod negotiation;
mod outbox;

use sermux_port_config::signal::{LineState, ModemState};

pub(crate) use self::decoder::{AfterCr, Decoder, TelnetEvent};
pub use self::decoder::{MAX_SUBNEGOTIATION, MAX_VALUE};
pub(crate) use self::outbox::Outbox;

use self::code::{AO, AYT, BINARY, BRK, COM_PORT, DM, EC, ECHO, EL, EOF, GA, IP, NAWS, NOP, SE, SGA, TIMING_MARK};
use self::negotiation::{Accept, Side, TelnetOptions, Verb};
use crate::rfc2217::server::{ClientCommand, ComPort};
use crate::rfc2217::{Request, View};
use crate::session::Speaks;

/// What a telnet listener offers its clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelnetOffer {
    /// Whether the line can be set and asked for (RFC 2217).
    pub rfc2217: bool,
    /// What SIGNATURE is answered with.
    pub signature: String,
    /// CR LF from the client becomes CR, as does CR NUL outside BINARY.
    pub enter_is_cr: bool,
    /// A Synch (DM) from the client is a break.
    pub break_on_sync: bool,
}

/// What a client sent that could not be used. Nothing is answered to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TelnetCounters {
    /// Subnegotiations with a value longer than [`MAX_VALUE`], or without an end. After [`MAX_SUBNEGOTIATION`] bytes of one
    /// its client's data begins again.
    pub dropped_subnegotiations: u64,
    /// Commands of telnet or of RFC 2217 that do not exist, or not from a client.
    pub unknown_commands: u64,
}

/// The session of one telnet client. The loop around it is in the [crate's documentation](crate#the-server).
#[derive(Debug)]
pub struct TelnetSession {
    offer: TelnetOffer,
    decoder: Decoder,
    options: TelnetOptions,
    com_port: ComPort,
    /// Comes before what else the input holds.
    next: Option<Request>,
    outbox: Outbox,
    commands: u64,
    unknown_commands: u64,
    /// Nothing but data has come so far.
    is_new: bool,
    seems: Option<Speaks>,
}

impl TelnetSession {
    /// A client that has just connected; what is offered to it is in the outbox.
    ///
    /// These are WILL SGA and WILL ECHO (so that clients send each character at once and do not echo it themselves), WILL
    /// and DO BINARY, and with [`TelnetOffer::rfc2217`] DO COM-PORT, as ser2net has it. WILL COM-PORT would be of no use: a client
    /// that wants it asks for it and is answered, and one that only reflects what it is offered would agree to it unawares.
    /// Nothing waits for what becomes of them.
    pub fn new(offer: TelnetOffer) -> Self {
        let accept = |option, us, him| Accept { option, us, him };
        let mut options = TelnetOptions::new(&[
            accept(SGA, true, true),
            // A client that echoed what the line sends would send it back to the line.
            accept(ECHO, true, false),
            accept(BINARY, true, true),
            accept(COM_PORT, offer.rfc2217, offer.rfc2217),
            accept(NAWS, false, true),
        ]);
        let mut outbox = Outbox::default();
        let common = [(Side::Us, SGA), (Side::Us, ECHO), (Side::Us, BINARY), (Side::Him, BINARY)];
        let com_port = [(Side::Him, COM_PORT)];
        let offered = common.iter().chain(com_port.iter().filter(|_| offer.rfc2217));
        for (side, option) in offered {
            if let Some(verb) = options.enable(*side, *option) {
                outbox.negotiate(verb, *option);
            }
        }
        TelnetSession {
            offer,
            decoder: Decoder::new(),
            options,
            com_port: ComPort::new(),
            next: None,
            outbox,
            commands: 0,
            unknown_commands: 0,
            is_new: true,
            seems: None,
        }
    }

    /// Appends the data in `input` to `data`, up to the next request, and moves `input` behind what was taken. `None`:
    /// all of `input` was taken.
    ///
    /// The data in `data` was sent before the request. Negotiation is answered, and SUSPEND and RESUME are followed, on
    /// the way. Call it until it gives `None`: a request may be followed by one that needs no more input.
    ///
    /// That is [`Request::ModemState`], once, when the client has said WILL COM-PORT or has sent its first command of it. The
    /// client did not send it; answered like any other, it tells the client of the inputs before anything changes.
    /// pyserial 3.5 waits for it, also when it lost its half of the negotiation: an offer that arrives before it has begun
    /// counts there as the answer to a request that is then never sent.
    ///
    /// Any split of the input yields the same data and requests.
    pub fn decode(&mut self, input: &mut &[u8], data: &mut Vec<u8>) -> Option<Request> {
        loop {
            if let Some(request) = self.next.take() {
                return Some(request);
            }
            let after_cr = AfterCr { nul: !self.options.is_on(Side::Him, BINARY), lf: self.offer.enter_is_cr };
            let event = self.decoder.decode(input, after_cr, data)?;
            self.commands += 1;
            if std::mem::take(&mut self.is_new) && matches!(event, TelnetEvent::Command(..EOF)) {
                self.seems = Some(Speaks::Raw);
            }
            let request = self.handle(event);
            if request.is_some() {
                return request;
            }
        }
    }

    fn handle(&mut self, event: TelnetEvent) -> Option<Request> {
        match event {
            TelnetEvent::Command(AYT) => return Some(Request::AreYouThere),
            TelnetEvent::Command(BRK) => return Some(Request::BreakPulse),
            TelnetEvent::Command(DM) => return self.offer.break_on_sync.then_some(Request::BreakPulse),
            // They act on a terminal or a process, and there is none.
            TelnetEvent::Command(NOP | IP | AO | EC | EL | GA | SE) => {}
            TelnetEvent::Command(_) => self.unknown_commands += 1,
            TelnetEvent::Negotiation(Verb::Do, TIMING_MARK) => return Some(Request::TimingMark),
            TelnetEvent::Negotiation(verb, option) => self.negotiate(verb, option),
            TelnetEvent::Subnegotiation(COM_PORT) if self.offer.rfc2217 => return self.handle_com_port(),
            TelnetEvent::Subnegotiation(NAWS) => {}
            TelnetEvent::Subnegotiation(COM_PORT) => {
                self.seems = Some(Speaks::Rfc2217);
                self.unknown_commands += 1;
            }
            TelnetEvent::Subnegotiation(_) => self.unknown_commands += 1,
        }
        None
    }

    fn negotiate(&mut self, verb: Verb, option: u8) {
        if (verb, option) == (Verb::Will, COM_PORT) && !self.offer.rfc2217 {
            self.seems = Some(Speaks::Rfc2217);
        }
        let was_on = self.options.is_on(Side::Him, COM_PORT);
        if let Some(answer) = self.options.hear(verb, option) {
            self.outbox.negotiate(answer, option);
        }
        // The client's own side counts: what else it lets us do says nothing about what it understands.
        match (was_on, self.options.is_on(Side::Him, COM_PORT)) {
            (false, true) if !self.com_port.is_in_use() => self.begin_com_port(),
            (true, false) => self.com_port.end(),
            _ => {}
        }
    }

    fn handle_com_port(&mut self) -> Option<Request> {
        if !self.com_port.is_in_use() {
            self.begin_com_port();
        }
        match self.com_port.handle(self.decoder.value(), &mut self.outbox) {
            ClientCommand::Request(request) => return Some(request),
            ClientCommand::Done => {}
            ClientCommand::Unknown => self.unknown_commands += 1,
        }
        None
    }

    fn begin_com_port(&mut self) {
        self.com_port.begin();
        self.next = Some(Request::ModemState);
    }

    /// Answers a request from what is known of the line, after its effect.
    pub fn answer(&mut self, request: Request, view: &View) {
        match request {
            Request::AreYouThere => self.outbox.push(b"\r\n[Yes]\r\n"),
            // RFC 860: not an option that is on or off, each DO has its WILL.
            Request::TimingMark => self.outbox.negotiate(Verb::Will, TIMING_MARK),
            Request::BreakPulse => {}
            _ => self.com_port.answer(request, view, &self.offer.signature, &mut self.outbox),
        }
    }

    /// Tells the client, if it wants to know, that inputs changed. `ri_fell`: RI did so since the last call, though it may
    /// be up again.
    ///
    /// A suspended client is notified when it resumes, and one that does not read its notifications when it does; of the
    /// latest inputs only.
    pub fn modem_changed(&mut self, inputs: ModemState, ri_fell: bool) {
        self.com_port.modem_changed(inputs, ri_fell, &mut self.outbox);
    }

    /// Tells the client, if it wants to know, what the receiver noticed. A suspended client is notified when it
    /// resumes, and one that does not read its notifications when it does.
    pub fn line_changed(&mut self, noticed: LineState) {
        self.com_port.line_changed(noticed, &mut self.outbox);
    }

    /// Whether it wants notifications of the modem state.
    pub fn wants_modem_state(&self) -> bool {
        self.com_port.wants_modem_state()
    }

    /// Whether it wants notifications of the line state.
    pub fn wants_line_state(&self) -> bool {
        self.com_port.wants_line_state()
    }

    /// Whether the client asked for no data for now.
    #[inline]
    pub fn is_suspended(&self) -> bool {
        self.com_port.is_suspended()
    }

    /// Whether the client speaks RFC 2217: it has said WILL COM-PORT, or has sent a command of it. Before that it hears
    /// nothing of it.
    pub fn uses_com_port(&self) -> bool {
        self.com_port.is_in_use()
    }

    /// What the client says it is (SIGNATURE): at most [`MAX_VALUE`] printable ASCII characters.
    pub fn client_signature(&self) -> Option<&str> {
        self.com_port.signature()
    }

    /// What else the client seems to speak than this session does: raw bytes, if its first command is none of telnet, or RFC
    /// 2217 where that is not offered.
    pub fn seems_to_speak(&self) -> Option<Speaks> {
        self.seems
    }

    /// How many commands, negotiations and subnegotiations the client has sent, also those that could not be used. Each takes
    /// much longer than a byte of data.
    pub fn commands(&self) -> u64 {
        self.commands + self.decoder.dropped()
    }

    /// What could not be used of what the client sent.
    pub fn counters(&self) -> TelnetCounters {
        TelnetCounters { dropped_subnegotiations: self.decoder.dropped(), unknown_commands: self.unknown_commands }
    }

    /// Bytes for the client that did not come from the line: negotiation, answers, notifications, text.
    ///
    /// They go between bytes of data, never between the two of an [escaped](escape) 0xFF. Each byte of input adds a few
    /// bytes at most, so a caller that takes no input while this is long has bounded it.
    #[inline]
    pub fn outbox(&self) -> &[u8] {
        self.outbox.as_slice()
    }

    /// The connection took the first `n` bytes of the outbox.
    #[inline]
    pub fn outbox_taken(&mut self, n: usize) {
        self.outbox.take(n);
        self.com_port.tell_held(&mut self.outbox);
    }

    /// The connection took the first half of an [escaped](escape) 0xFF: the other half is put before all else.
    #[inline]
    pub fn owe_ff(&mut self) {
        self.outbox.push_front_iac();
    }

    /// Puts text for the person at the client into the outbox, in whatever encoding it has.
    pub fn say(&mut self, text: &[u8]) {
        self.outbox.push_data(text);
    }
}
