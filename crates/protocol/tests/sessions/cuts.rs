//! The network cuts where it likes: each command in two pieces, cut at every byte, is what it is in one.

use sermux_protocol::rfc2217::client::TelnetClient;
use sermux_protocol::telnet::code::{DO, DONT, IAC, WILL, WONT};

use crate::rig::*;

/// Everything that a client can send, between data.
fn from_clients() -> Vec<Vec<u8>> {
    let values: [&[u8]; 7] = [&[], &[0], &[5], &[255], &[0, 0, 255, 37], &[255, 255, 255, 255], b"text of a signature"];
    let commands = (0..=13).flat_map(|command| values.map(|value| com_port(command, value)));
    let negotiation = [WILL, WONT, DO, DONT].into_iter().flat_map(|verb| {
        [0, 1, 3, 6, 24, 31, 44, 255].map(|option| vec![IAC, verb, option]) // 255 is no IAC there
    });
    let telnet = (240..=249).map(|command| vec![IAC, command]);
    let others = [
        hex("FF FF"),
        hex("FF FF FF FF FF FF"),
        hex("0D 00"),
        hex("0D FF FF 00"),
        hex("0D FF F1 00"),
        hex("FF FA 2C 01 00 00 FF 25 FF F0"),
        hex("FF FA 2C 01 00 FF FB 18"),
        hex("FF FA 1F 00 FF FF 00 18 FF F0"),
        hex("FF FA FF F0"),
        com_port(0, &[255; 258]),
        com_port(0, &[255; 1030]),
        [&b"\xFF\xFA\x2C"[..], &b"x\xFF\xF1".repeat(400)].concat(),
    ];
    commands.chain(negotiation).chain(telnet).chain(others).map(|bytes| [b"a\r", &bytes[..], b"z"].concat()).collect()
}

#[test]
fn what_a_client_sends_may_be_cut_at_every_byte() {
    let outcome = |pieces: &[&[u8]]| {
        let mut served = Served::new();
        for piece in pieces {
            served.send(piece);
        }
        let heard = served.heard();
        let signature = served.telnet.client_signature().map(str::to_owned);
        (served.data, served.requests, heard, served.telnet.is_suspended(), signature, served.telnet.counters())
    };
    for bytes in from_clients() {
        let whole = outcome(&[&bytes]);
        for cut in 0..=bytes.len() {
            let (first, second) = bytes.split_at(cut);
            assert_eq!(outcome(&[first, second]), whole, "{bytes:02x?} cut at {cut}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(outcome(&single), whole, "{bytes:02x?} byte by byte");
    }
}

#[test]
fn what_a_server_sends_may_be_cut_at_every_byte() {
    let values: [&[u8]; 6] = [&[], &[0], &[8], &[255], &[0, 0, 255, 37], b"text of a signature"];
    let answers = (100..=113).flat_map(|command| values.map(|value| com_port(command, value)));
    let others =
        ["FF FF", "0D 00", "0D FF F1 00", "FF FD 2C", "FF FC 2C", "FF FB 06", "FF FD 18", "FF FA 2C 69 05 FF FB 01"];
    for bytes in answers.chain(others.map(hex)).map(|bytes| [b"a\r", &bytes[..], b"z"].concat()) {
        let outcome = |pieces: &[&[u8]]| {
            let mut client = TelnetClient::new("client");
            let (mut data, mut events) = (Vec::new(), Vec::new());
            for piece in pieces {
                let mut input = *piece;
                while let Some(event) = client.decode(&mut input, &mut data) {
                    events.push(event);
                }
                assert!(input.is_empty());
            }
            (data, events, client.outbox().to_vec(), *client.view(), client.is_suspended(), client.unusable())
        };
        let whole = outcome(&[&bytes]);
        for cut in 0..=bytes.len() {
            let (first, second) = bytes.split_at(cut);
            assert_eq!(outcome(&[first, second]), whole, "{bytes:02x?} cut at {cut}");
        }
    }
}
