//! Any bytes from a peer: no panic, the same meaning however they are split, and nothing made from nothing.

use sermux_port_config::signal::Effect;
use sermux_protocol::rfc2217::client::TelnetClient;
use sermux_protocol::rfc2217::View;
use sermux_protocol::telnet::code::{BINARY, IAC, WILL};
use sermux_protocol::telnet::escape::{escape, taken};
use sermux_protocol::telnet::{TelnetOffer, TelnetSession};

use crate::input::Input;

const SIGNATURE: &str = "fuzz";

pub fn run(input: &[u8]) {
    let mut input = Input(input);
    let flags = input.byte();
    let cut = 1 + usize::from(input.byte());
    let bytes = input.0;
    let offer = TelnetOffer {
        rfc2217: flags & 1 == 0,
        signature: SIGNATURE.to_owned(),
        enter_is_cr: flags & 2 != 0,
        break_on_sync: flags & 4 != 0,
    };

    let whole = served(&offer, bytes, bytes.len().max(1));
    assert_eq!(whole, served(&offer, bytes, 1));
    assert_eq!(whole, served(&offer, bytes, cut));
    assert!(whole.data.len() <= bytes.len());
    assert!(2 * whole.heard.len() <= 9 * bytes.len() + 2 * 18 + 14, "{} for {}", whole.heard.len(), bytes.len());

    let whole = client(bytes, bytes.len().max(1));
    assert_eq!(whole, client(bytes, 1));
    assert_eq!(whole, client(bytes, cut));

    escaped(bytes, cut);
}

#[derive(Debug, PartialEq)]
struct Served {
    data: Vec<u8>,
    heard: Vec<u8>,
    outcome: String,
}

/// A server's session that reads `bytes` in pieces.
fn served(offer: &TelnetOffer, bytes: &[u8], piece: usize) -> Served {
    let mut telnet = TelnetSession::new(offer.clone());
    let mut view = View::default();
    let (mut data, mut requests) = (Vec::new(), Vec::new());
    for mut piece in bytes.chunks(piece) {
        while let Some(request) = telnet.decode(&mut piece, &mut data) {
            match request.effect(&view) {
                Effect::Settings(settings) => view.settings = settings,
                Effect::BreakOn => view.break_on = true,
                Effect::BreakOff => view.break_on = false,
                Effect::Outputs { dtr, rts } => {
                    view.outputs.dtr = dtr.unwrap_or(view.outputs.dtr);
                    view.outputs.rts = rts.unwrap_or(view.outputs.rts);
                }
                _ => {}
            }
            telnet.answer(request, &view);
            requests.push(request);
        }
        assert!(piece.is_empty());
    }
    if !offer.rfc2217 {
        assert!(!telnet.is_suspended() && !telnet.wants_line_state() && !telnet.wants_modem_state());
        assert_eq!(view, View::default());
    }
    let state = (telnet.counters(), telnet.is_suspended(), telnet.wants_line_state(), telnet.wants_modem_state());
    let outcome = format!("{requests:?} {view:?} {state:?} {:?}", telnet.client_signature());
    Served { data, heard: telnet.outbox().to_vec(), outcome }
}

/// A client's session that reads `bytes` in pieces.
fn client(bytes: &[u8], piece: usize) -> (Vec<u8>, Vec<u8>, String) {
    let mut client = TelnetClient::new(SIGNATURE);
    let (mut data, mut events) = (Vec::new(), Vec::new());
    for mut piece in bytes.chunks(piece) {
        while let Some(event) = client.decode(&mut piece, &mut data) {
            events.push(event);
        }
        assert!(piece.is_empty());
    }
    assert!(data.len() <= bytes.len());
    (
        data,
        client.outbox().to_vec(),
        format!("{events:?} {:?} {} {}", client.view(), client.unusable(), client.is_agreed()),
    )
}

/// What is escaped in steps of any size, and cut anywhere, is what a peer reads.
fn escaped(bytes: &[u8], room: usize) {
    let mut sent = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let mut out = vec![0; room + 1];
        let (count, written) = escape(rest, &mut out);
        assert!(count > 0);
        assert_eq!(taken(&out[..written]).data, count);
        sent.extend_from_slice(&out[..written]);
        rest = &rest[count..];
    }
    let cut = room.min(sent.len());
    let half = taken(&sent[..cut]);
    assert_eq!(half.owes_ff, taken(&sent[cut..]).owes_ff);
    assert_eq!(half.data + taken(&sent[cut..]).data, bytes.len() + usize::from(half.owes_ff));

    let mut telnet = TelnetSession::new(TelnetOffer {
        rfc2217: true,
        signature: String::new(),
        enter_is_cr: false,
        break_on_sync: false,
    });
    let mut data = Vec::new();
    assert_eq!(telnet.decode(&mut &[IAC, WILL, BINARY][..], &mut data), None);
    assert_eq!(telnet.decode(&mut &sent[..], &mut data), None);
    assert_eq!(data, bytes);
}
