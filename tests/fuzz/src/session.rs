//! A client's session and a server's with a line between them, under any operations: they settle, see the same line, and
//! lose no byte.

use std::collections::VecDeque;

use sermux_port_config::signal::Effect;
use sermux_port_config::signal::{LineState, ModemState};
use sermux_protocol::rfc2217::client::{ClientEvent, TelnetClient};
use sermux_protocol::rfc2217::{Request, View};
use sermux_protocol::telnet::escape::{escape, taken};
use sermux_protocol::telnet::{TelnetCounters, TelnetOffer, TelnetSession};

use crate::input::Input;

struct Pair {
    client: TelnetClient,
    server: TelnetSession,
    view: View,
    to_server: VecDeque<u8>,
    to_client: VecDeque<u8>,
    /// What the line has for the client and the connection has not taken.
    from_line: Vec<u8>,
    to_line: Vec<u8>,
    at_client: Vec<u8>,
    events: Vec<ClientEvent>,
}

pub fn run(input: &[u8]) {
    let mut input = Input(input);
    let offer =
        TelnetOffer { rfc2217: true, signature: "fuzz".to_owned(), enter_is_cr: false, break_on_sync: input.flag() };
    let mut pair = Pair {
        client: TelnetClient::new("fuzz"),
        server: TelnetSession::new(offer),
        view: View::default(),
        to_server: VecDeque::new(),
        to_client: VecDeque::new(),
        from_line: Vec::new(),
        to_line: Vec::new(),
        at_client: Vec::new(),
        events: Vec::new(),
    };
    let (mut sent, mut received, mut answers) = (Vec::new(), Vec::new(), 0);
    while !input.is_empty() {
        match input.byte() % 8 {
            0 | 1 => {
                let request = request(&mut input);
                answers += match request {
                    Request::BreakPulse => 0,
                    Request::LineStateMask(_) | Request::ModemStateMask(_) => 2,
                    _ => 1,
                };
                pair.client.request(request);
            }
            2 => {
                let data = input.bytes();
                pair.client.send(data);
                sent.extend_from_slice(data);
            }
            3 => {
                let data = input.bytes();
                pair.from_line.extend_from_slice(data);
                received.extend_from_slice(data);
            }
            4 if input.flag() => pair.client.suspend(),
            4 => pair.client.resume(),
            5 => {
                pair.view.inputs = inputs(input.byte());
                pair.server.modem_changed(pair.view.inputs, input.flag());
            }
            6 => pair.server.line_changed(noticed(input.byte())),
            _ => {
                pair.step(1 + usize::from(input.byte()));
            }
        }
    }
    pair.client.resume();
    pair.settle();
    assert!(!pair.server.is_suspended());
    assert_eq!(pair.events.first(), Some(&ClientEvent::Agreed));
    assert!(pair.events.len() > answers, "{answers} answers and a notification: {:?}", pair.events);

    pair.client.look();
    pair.settle();
    assert_eq!(*pair.client.view(), pair.view);
    assert_eq!(pair.to_line, sent);
    assert_eq!(pair.at_client, received);
    assert_eq!(pair.client.unusable(), 0);
    assert_eq!(pair.server.counters(), TelnetCounters::default());
}

impl Pair {
    /// Each end sends and receives `n` bytes at most. False: there was nothing to do.
    fn step(&mut self, n: usize) -> bool {
        let before = self.to_server.len() + self.to_client.len();
        let sent = self.client.outbox().len().min(n);
        self.to_server.extend(&self.client.outbox()[..sent]);
        self.client.outbox_taken(sent);

        let mut written = self.server.outbox().len().min(n);
        self.to_client.extend(&self.server.outbox()[..written]);
        self.server.outbox_taken(written);
        if self.server.outbox().is_empty() && !self.server.is_suspended() {
            let mut out = [0; 64];
            let (_, escaped) = escape(&self.from_line, &mut out);
            let takes = escaped.min(n);
            self.to_client.extend(&out[..takes]);
            let taken = taken(&out[..takes]);
            self.from_line.drain(..taken.data);
            if taken.owes_ff {
                self.server.owe_ff();
            }
            written += takes;
        }

        let arrived: Vec<u8> = self.to_server.drain(..n.min(self.to_server.len())).collect();
        let mut arrived = &arrived[..];
        while let Some(request) = self.server.decode(&mut arrived, &mut self.to_line) {
            self.carry_out(request.effect(&self.view));
            self.server.answer(request, &self.view);
        }
        let arrived: Vec<u8> = self.to_client.drain(..n.min(self.to_client.len())).collect();
        let mut arrived = &arrived[..];
        while let Some(event) = self.client.decode(&mut arrived, &mut self.at_client) {
            self.events.push(event);
        }
        before + sent + written > 0
    }

    fn settle(&mut self) {
        for _ in 0..100_000 {
            if !self.step(1000) {
                return;
            }
        }
        panic!("they never settle");
    }

    fn carry_out(&mut self, effect: Effect) {
        let view = &mut self.view;
        match effect {
            Effect::Settings(settings) => view.settings = settings,
            Effect::Outputs { dtr, rts } => {
                view.outputs.dtr = dtr.unwrap_or(view.outputs.dtr);
                view.outputs.rts = rts.unwrap_or(view.outputs.rts);
            }
            Effect::BreakOn => view.break_on = true,
            Effect::BreakOff => view.break_on = false,
            _ => {}
        }
    }
}

fn request(input: &mut Input) -> Request {
    match input.byte() % 16 {
        0 => Request::Signature,
        1 => Request::BaudRate(input.word()),
        2 => Request::BaudRate(50 + input.word() % 1_000_000),
        3 => Request::CiscoBaudRate(input.byte()),
        4 => Request::DataSize(input.byte() % 10),
        5 => Request::Parity(input.byte() % 8),
        6 => Request::StopSize(input.byte() % 6),
        7 => Request::Control(input.byte() % 24),
        8 => Request::Control(input.byte()),
        9 => Request::LineState,
        10 => Request::ModemState,
        11 => Request::LineStateMask(input.byte()),
        12 => Request::ModemStateMask(input.byte()),
        13 => Request::Purge(input.byte() % 6),
        14 => Request::TimingMark,
        _ => Request::BreakPulse,
    }
}

fn bit(bits: u8, bit: u32) -> bool {
    bits & 1 << bit != 0
}

fn inputs(bits: u8) -> ModemState {
    ModemState { cts: bit(bits, 0), dsr: bit(bits, 1), ri: bit(bits, 2), dcd: bit(bits, 3) }
}

fn noticed(bits: u8) -> LineState {
    LineState {
        break_detected: bit(bits, 0),
        framing_error: bit(bits, 1),
        parity_error: bit(bits, 2),
        overrun_error: bit(bits, 3),
        tx_holding_empty: bit(bits, 4),
        tx_shift_empty: bit(bits, 5),
    }
}
