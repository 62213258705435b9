//! A client's session and a server's, connected: they settle, agree about the line, and lose no data.

use std::collections::VecDeque;

use proptest::prelude::*;
use sermux_port_config::signal::{LineState, ModemState};
use sermux_protocol::rfc2217::client::{ClientEvent, TelnetClient};
use sermux_protocol::rfc2217::Request;
use sermux_protocol::telnet::code::{BINARY, COM_PORT, ECHO, SGA};
use sermux_protocol::telnet::escape::{escape, taken};
use sermux_protocol::telnet::negotiation::{Side, TelnetOptions, Verb};
use sermux_protocol::telnet::{negotiation, TelnetOffer};

use crate::rig::*;

/// Both ends, and what is on its way between them.
struct Pair {
    client: TelnetClient,
    server: Served,
    to_server: VecDeque<u8>,
    to_client: VecDeque<u8>,
    /// What the line has for the client and the connection has not taken.
    from_line: Vec<u8>,
    client_data: Vec<u8>,
    events: Vec<ClientEvent>,
}

impl Pair {
    fn new(offer: TelnetOffer) -> Self {
        let mut server = Served::with(offer.clone());
        // `with` has thrown the offers away.
        server.telnet = sermux_protocol::telnet::TelnetSession::new(offer);
        Pair {
            client: TelnetClient::new("pair"),
            server,
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            from_line: Vec::new(),
            client_data: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Each end sends and receives `n` bytes at most. False: there was nothing to do.
    fn step(&mut self, n: usize) -> bool {
        let before = self.to_server.len() + self.to_client.len();
        let sent = self.client.outbox().len().min(n);
        self.to_server.extend(&self.client.outbox()[..sent]);
        self.client.outbox_taken(sent);

        let mut written = self.server.telnet.outbox().len().min(n);
        self.to_client.extend(&self.server.telnet.outbox()[..written]);
        self.server.telnet.outbox_taken(written);
        if self.server.telnet.outbox().is_empty() && !self.server.telnet.is_suspended() {
            let mut out = [0; 64];
            let (_, escaped) = escape(&self.from_line, &mut out);
            let takes = escaped.min(n);
            self.to_client.extend(&out[..takes]);
            let taken = taken(&out[..takes]);
            self.from_line.drain(..taken.data);
            if taken.owes_ff {
                self.server.telnet.owe_ff();
            }
            written += takes;
        }

        let arrived: Vec<u8> = self.to_server.drain(..n.min(self.to_server.len())).collect();
        self.server.send(&arrived);
        let arrived: Vec<u8> = self.to_client.drain(..n.min(self.to_client.len())).collect();
        let mut input = &arrived[..];
        while let Some(event) = self.client.decode(&mut input, &mut self.client_data) {
            self.events.push(event);
        }
        before + sent + written > 0
    }

    fn settle(&mut self) {
        for _ in 0..10_000 {
            if !self.step(1000) {
                return;
            }
        }
        panic!("they never settle");
    }
}

#[test]
fn two_sessions_agree_on_what_both_have() {
    let mut pair = Pair::new(offer());
    pair.settle();
    assert_eq!(pair.events, [ClientEvent::Agreed, ClientEvent::ModemState(0)]);
    assert!(pair.server.telnet.uses_com_port());
    assert!(pair.client.is_agreed());

    let mut pair = Pair::new(TelnetOffer { rfc2217: false, ..offer() });
    pair.settle();
    assert_eq!(pair.events, [ClientEvent::Refused]);
}

#[test]
fn a_line_is_set_and_read_back_in_every_setting() {
    for flow in ["none", "rts-cts", "xon-xoff", "xon-xoff-in", "xon-xoff-out", "dtr-dsr"] {
        for character in ["8N1", "7E2", "5M1.5", "6S1", "5O2"] {
            let wanted = line(&format!("57600 {character} {flow}"));
            let mut pair = Pair::new(offer());
            pair.server.view.settings = line("300 6O2 rts-cts");
            pair.client.set_line(&wanted);
            pair.settle();
            assert_eq!(pair.server.view.settings, wanted);
            assert_eq!(pair.client.view().settings, wanted);

            let mut pair = Pair::new(offer());
            pair.server.view.settings = wanted;
            pair.client.look();
            pair.settle();
            assert_eq!(*pair.client.view(), pair.server.view);
        }
    }
}

#[derive(Clone, Debug)]
enum Op {
    Request(Request),
    Send(Vec<u8>),
    Suspend,
    Resume,
    FromLine(Vec<u8>),
    Inputs(u8),
    Noticed(u8),
    Step(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let request = prop_oneof![
        Just(Request::Signature),
        prop_oneof![any::<u32>(), 0..200_000_u32].prop_map(Request::BaudRate),
        (0..20_u8).prop_map(Request::CiscoBaudRate),
        (0..10_u8).prop_map(Request::DataSize),
        (0..7_u8).prop_map(Request::Parity),
        (0..5_u8).prop_map(Request::StopSize),
        (0..22_u8).prop_map(Request::Control),
        Just(Request::LineState),
        Just(Request::ModemState),
        any::<u8>().prop_map(Request::LineStateMask),
        any::<u8>().prop_map(Request::ModemStateMask),
        (0..5_u8).prop_map(Request::Purge),
        Just(Request::TimingMark),
        Just(Request::BreakPulse),
    ];
    let byte = || prop_oneof![any::<u8>(), prop::sample::select(vec![255, b'\r', b'\n', 0])];
    let data = move || prop::collection::vec(byte(), 0..40);
    prop_oneof![
        4 => request.prop_map(Op::Request),
        2 => data().prop_map(Op::Send),
        1 => Just(Op::Suspend),
        1 => Just(Op::Resume),
        2 => data().prop_map(Op::FromLine),
        1 => any::<u8>().prop_map(Op::Inputs),
        1 => any::<u8>().prop_map(Op::Noticed),
        8 => (1..60_usize).prop_map(Op::Step),
    ]
}

fn bit(bits: u8, bit: u32) -> bool {
    bits & (1 << bit) != 0
}

proptest! {
    #[test]
    fn whatever_is_asked_both_ends_settle_and_see_the_same_line(ops in prop::collection::vec(op(), 0..60)) {
        let mut pair = Pair::new(offer());
        let (mut sent, mut from_line, mut answers) = (Vec::new(), Vec::new(), 0);
        for op in ops {
            match op {
                Op::Request(request) => {
                    answers += match request {
                        Request::BreakPulse => 0,
                        Request::LineStateMask(_) | Request::ModemStateMask(_) => 2,
                        _ => 1,
                    };
                    pair.client.request(request);
                }
                Op::Send(data) => {
                    pair.client.send(&data);
                    sent.extend(data);
                }
                Op::Suspend => pair.client.suspend(),
                Op::Resume => pair.client.resume(),
                Op::FromLine(data) => {
                    pair.from_line.extend_from_slice(&data);
                    from_line.extend(data);
                }
                Op::Inputs(bits) => {
                    let inputs =
                        ModemState { cts: bit(bits, 0), dsr: bit(bits, 1), ri: bit(bits, 2), dcd: bit(bits, 3) };
                    pair.server.view.inputs = inputs;
                    pair.server.telnet.modem_changed(inputs, bit(bits, 4));
                }
                Op::Noticed(bits) => pair.server.telnet.line_changed(LineState {
                    break_detected: bit(bits, 0),
                    framing_error: bit(bits, 1),
                    parity_error: bit(bits, 2),
                    overrun_error: bit(bits, 3),
                    tx_holding_empty: bit(bits, 4),
                    tx_shift_empty: bit(bits, 5),
                }),
                Op::Step(n) => {
                    pair.step(n);
                }
            }
        }
        pair.client.resume();
        pair.settle();
        let unasked = pair.events.iter().filter(|e| matches!(e, ClientEvent::ModemState(_) | ClientEvent::LineState(_))).count();
        let others = pair.events.len() - unasked;
        prop_assert!(others + unasked > answers, "{answers} answers and one notification: {:?}", pair.events);

        pair.client.look();
        pair.settle();
        prop_assert_eq!(pair.client.view(), &pair.server.view);
        prop_assert_eq!(&pair.server.data, &sent);
        prop_assert_eq!(&pair.client_data, &from_line);
        prop_assert_eq!(pair.client.unusable(), 0);
        prop_assert_eq!(pair.server.telnet.counters(), sermux_protocol::telnet::TelnetCounters::default());
        prop_assert_eq!(pair.events[0], ClientEvent::Agreed);
    }

    /// RFC 1143: two ends that change their minds at any time end, and agree.
    #[test]
    fn two_ends_that_change_their_minds_never_loop_and_agree_in_the_end(
        ops in prop::collection::vec((0..4_u8, any::<bool>(), any::<bool>(), 0..5_usize), 0..80),
        accepts in prop::collection::vec(any::<bool>(), 20),
    ) {
        const KNOWN: [u8; 4] = [BINARY, ECHO, SGA, COM_PORT];
        let end = |accepts: &[bool]| {
            let accept = KNOWN.iter().zip(accepts.chunks(2));
            let accept: Vec<_> =
                accept.map(|(option, a)| negotiation::Accept { option: *option, us: a[0], him: a[1] }).collect();
            TelnetOptions::new(&accept)
        };
        let mut ends = [end(&accepts[..8]), end(&accepts[8..])];
        let mut ways: [VecDeque<(Verb, u8)>; 2] = Default::default();
        let deliver = |ends: &mut [TelnetOptions; 2], ways: &mut [VecDeque<(Verb, u8)>; 2], to: usize| {
            let Some((verb, option)) = ways[to].pop_front() else { return false };
            let answer = ends[to].hear(verb, option);
            ways[1 - to].extend(answer.map(|verb| (verb, option)));
            true
        };
        let changes = ops.len();
        for (what, first, him, option) in ops {
            let from = usize::from(first);
            let side = if him { Side::Him } else { Side::Us };
            let option = *KNOWN.get(option).unwrap_or(&99);
            let verb = match what {
                0 => ends[from].enable(side, option),
                1 => ends[from].disable(side, option),
                _ => {
                    deliver(&mut ends, &mut ways, from);
                    None
                }
            };
            ways[1 - from].extend(verb.map(|verb| (verb, option)));
        }
        let mut delivered = 0;
        while deliver(&mut ends, &mut ways, 0) || deliver(&mut ends, &mut ways, 1) {
            delivered += 1;
            // A change is a word and its answer.
            prop_assert!(delivered <= 2 * changes, "they loop");
        }
        for option in KNOWN {
            for (us, him) in [(0, 1), (1, 0)] {
                prop_assert_eq!(ends[us].is_on(Side::Us, option), ends[him].is_on(Side::Him, option));
                prop_assert!(!ends[us].is_pending(Side::Us, option) && !ends[him].is_pending(Side::Him, option));
            }
        }
    }
}
