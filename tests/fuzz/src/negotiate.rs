//! Options: two ends that change their minds, a server and a client, and a peer that says anything at all.

use std::collections::VecDeque;

use sermux_protocol::rfc2217::client::TelnetClient;
use sermux_protocol::telnet::code::{BINARY, COM_PORT, DO, DONT, ECHO, IAC, NAWS, SGA, TIMING_MARK, WILL, WONT};
use sermux_protocol::telnet::negotiation::{Accept, Side, TelnetOptions, Verb};
use sermux_protocol::telnet::{TelnetOffer, TelnetSession};

use crate::input::Input;

pub fn run(input: &[u8]) {
    minds(Input(input));
    ends(Input(input));
    anything(input);
}

const KNOWN: [u8; 5] = [BINARY, ECHO, SGA, COM_PORT, NAWS];

/// Two ends by RFC 1143 that want and no longer want options at any time end, and agree.
fn minds(mut input: Input) {
    let mut end = || {
        let (us, him) = (input.byte(), input.byte());
        let accept = |n: usize| Accept { option: KNOWN[n], us: us & 1 << n != 0, him: him & 1 << n != 0 };
        TelnetOptions::new(&std::array::from_fn::<_, 5, _>(accept))
    };
    let mut ends = [end(), end()];
    let mut ways: [VecDeque<(Verb, u8)>; 2] = Default::default();
    let deliver = |ends: &mut [TelnetOptions; 2], ways: &mut [VecDeque<(Verb, u8)>; 2], to: usize| {
        let Some((verb, option)) = ways[to].pop_front() else { return false };
        let answer = ends[to].hear(verb, option);
        ways[1 - to].extend(answer.map(|verb| (verb, option)));
        true
    };
    let mut changes = 0;
    while !input.is_empty() {
        let (what, about) = (input.byte(), input.byte());
        let from = usize::from(what & 1);
        let side = if what & 2 == 0 { Side::Us } else { Side::Him };
        let option = *KNOWN.get(usize::from(about % 6)).unwrap_or(&about);
        let verb = match what >> 2 & 3 {
            0 => ends[from].enable(side, option),
            1 => ends[from].disable(side, option),
            _ => {
                deliver(&mut ends, &mut ways, from);
                None
            }
        };
        changes += 1;
        ways[1 - from].extend(verb.map(|verb| (verb, option)));
    }
    let mut delivered = 0;
    while deliver(&mut ends, &mut ways, 0) || deliver(&mut ends, &mut ways, 1) {
        delivered += 1;
        // A change is a word and its answer.
        assert!(delivered <= 2 * changes, "they loop");
    }
    for option in KNOWN {
        for (us, him) in [(0, 1), (1, 0)] {
            assert_eq!(ends[us].is_on(Side::Us, option), ends[him].is_on(Side::Him, option));
            assert!(!ends[us].is_pending(Side::Us, option) && !ends[him].is_pending(Side::Him, option));
        }
    }
}

/// A server and a client, whatever pieces their words come in.
fn ends(mut input: Input) {
    let rfc2217 = input.flag();
    let mut server =
        TelnetSession::new(TelnetOffer { rfc2217, signature: String::new(), enter_is_cr: false, break_on_sync: false });
    let mut client = TelnetClient::new("");
    let (mut at_server, mut at_client, mut data) = (VecDeque::new(), VecDeque::new(), Vec::new());
    for turn in 0.. {
        assert!(turn < 20_000, "they loop");
        // Once the input is at its end, as much as there is.
        let n = if input.is_empty() { usize::MAX } else { usize::from(input.byte() % 8) };
        at_client.extend(server.outbox());
        server.outbox_taken(server.outbox().len());
        at_server.extend(client.outbox());
        client.outbox_taken(client.outbox().len());
        if at_client.is_empty() && at_server.is_empty() && input.is_empty() {
            break;
        }
        let piece: Vec<u8> = at_server.drain(..n.min(at_server.len())).collect();
        let mut piece = &piece[..];
        while let Some(request) = server.decode(&mut piece, &mut data) {
            server.answer(request, &Default::default());
        }
        let piece: Vec<u8> = at_client.drain(..n.min(at_client.len())).collect();
        let mut piece = &piece[..];
        while client.decode(&mut piece, &mut data).is_some() {}
    }
    assert!(data.is_empty());
    assert_eq!(server.uses_com_port(), rfc2217);
    assert_eq!(client.is_agreed(), rfc2217);
}

/// Each word is answered at most once, whatever it is; nothing is sent that was not asked for.
fn anything(input: &[u8]) {
    let mut server = TelnetSession::new(TelnetOffer {
        rfc2217: true,
        signature: String::new(),
        enter_is_cr: false,
        break_on_sync: false,
    });
    let mut data = Vec::new();
    for word in input.chunks_exact(2) {
        let (verb, option) = (WILL + word[0] % 4, word[1]);
        server.outbox_taken(server.outbox().len());
        let mut bytes = &[IAC, verb, option][..];
        // What is answered is the modem state or a timing mark: not looked at here.
        while server.decode(&mut bytes, &mut data).is_some() {}
        match *server.outbox() {
            [] => {}
            [IAC, answer, about] => {
                assert_eq!(about, option);
                assert_ne!((verb, option), (DO, TIMING_MARK));
                let answers: [u8; 2] = if verb == WILL || verb == WONT { [DO, DONT] } else { [WILL, WONT] };
                assert!(answers.contains(&answer));
            }
            _ => panic!("more than one answer: {:02x?}", server.outbox()),
        }
    }
    assert!(data.is_empty());
}
