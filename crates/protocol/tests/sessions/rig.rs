//! A telnet client's session with a line on which everything can be done.

use sermux_port_config::line::LineSettings;
use sermux_port_config::signal::Effect;
use sermux_protocol::rfc2217::{Request, View};
use sermux_protocol::telnet::{TelnetOffer, TelnetSession};

/// What is offered to a client that has just connected.
pub(crate) const OFFERS: &[u8] = b"\xFF\xFB\x03\xFF\xFB\x01\xFF\xFB\x00\xFF\xFD\x00\xFF\xFD\x2C";

/// A client that agrees to COM-PORT and nothing else, and how it hears of the inputs then, all of which are off.
pub(crate) const AGREE: &[u8] = b"\xFF\xFB\x2C";
pub(crate) const FIRST_MODEM_STATE: &[u8] = b"\xFF\xFA\x2C\x6B\x00\xFF\xF0";

pub(crate) struct Served {
    pub(crate) telnet: TelnetSession,
    pub(crate) view: View,
    /// What the client sent to the line.
    pub(crate) data: Vec<u8>,
    pub(crate) requests: Vec<Request>,
    /// What was done to the line.
    pub(crate) effects: Vec<Effect>,
    /// Whether the line takes its settings.
    pub(crate) obeys: bool,
}

pub(crate) fn offer() -> TelnetOffer {
    TelnetOffer { rfc2217: true, signature: "sermux".to_owned(), enter_is_cr: false, break_on_sync: false }
}

impl Served {
    /// A client that has just connected and has its offers.
    pub(crate) fn with(offer: TelnetOffer) -> Self {
        let mut served = Served {
            telnet: TelnetSession::new(offer),
            view: View::default(),
            data: Vec::new(),
            requests: Vec::new(),
            effects: Vec::new(),
            obeys: true,
        };
        served.heard();
        served
    }

    pub(crate) fn new() -> Self {
        Self::with(offer())
    }

    /// A client that has agreed to COM-PORT and has heard of the inputs.
    pub(crate) fn agreed() -> Self {
        let mut served = Self::new();
        assert_eq!(served.hears(AGREE), FIRST_MODEM_STATE);
        served.requests.clear();
        served.effects.clear();
        served
    }

    pub(crate) fn on(mut self, settings: &str) -> Self {
        self.view.settings = line(settings);
        self
    }

    /// The client sends something; each request is carried out and answered at once.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let mut input = bytes;
        while let Some(request) = self.telnet.decode(&mut input, &mut self.data) {
            let effect = request.effect(&self.view);
            if self.obeys {
                carry_out(&effect, &mut self.view);
            }
            self.requests.push(request);
            self.effects.push(effect);
            self.telnet.answer(request, &self.view);
        }
        assert!(input.is_empty(), "decode left {input:02x?}");
    }

    /// What it is sent in return.
    pub(crate) fn heard(&mut self) -> Vec<u8> {
        let heard = self.telnet.outbox().to_vec();
        self.telnet.outbox_taken(heard.len());
        heard
    }

    /// What it is sent in return for this.
    pub(crate) fn hears(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.send(bytes);
        self.heard()
    }
}

pub(crate) fn carry_out(effect: &Effect, view: &mut View) {
    match effect {
        Effect::Settings(settings) => view.settings = *settings,
        Effect::Outputs { dtr, rts } => {
            view.outputs.dtr = dtr.unwrap_or(view.outputs.dtr);
            view.outputs.rts = rts.unwrap_or(view.outputs.rts);
        }
        Effect::BreakOn => view.break_on = true,
        Effect::BreakOff => view.break_on = false,
        _ => {}
    }
}

pub(crate) fn line(settings: &str) -> LineSettings {
    settings.parse().expect("line settings")
}

/// A command of RFC 2217.
pub(crate) fn com_port(command: u8, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![255, 250, 44, command];
    for byte in value {
        bytes.push(*byte);
        if *byte == 255 {
            bytes.push(255);
        }
    }
    bytes.extend([255, 240]);
    bytes
}

/// Bytes as they are written in books: `FF FA 2C`.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).expect("two digits")).collect()
}
