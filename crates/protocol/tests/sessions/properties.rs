//! What holds for every input.

use proptest::prelude::*;
use sermux_protocol::rfc2217::client::{ClientEvent, TelnetClient};
use sermux_protocol::telnet::code::{DO, DONT, IAC, WILL, WONT};
use sermux_protocol::telnet::TelnetOffer;

use crate::rig::*;

/// Input made of what matters, and noise.
fn input() -> impl Strategy<Value = Vec<u8>> {
    let special = || prop::sample::select(vec![255_u8, 255, 250, 240, 44, 0, 13, 10, 251, 252, 253, 254, 246, 3, 5]);
    let value = || prop::collection::vec(prop_oneof![any::<u8>(), Just(255), 0..20_u8], 0..6);
    let option = || prop_oneof![prop::sample::select(vec![0_u8, 1, 3, 5, 6, 24, 31, 34, 44]), any::<u8>()];
    let piece = prop_oneof![
        4 => prop::collection::vec(special(), 0..12),
        2 => prop::collection::vec(any::<u8>(), 0..30),
        4 => (0..14_u8, value()).prop_map(|(command, value)| com_port(command, &value)),
        2 => (100..114_u8, value()).prop_map(|(command, value)| com_port(command, &value)),
        3 => (WILL..=DONT, option()).prop_map(|(verb, option)| vec![IAC, verb, option]),
        1 => (0..40_usize).prop_map(|len| vec![255; len]),
        1 => (250..270_usize).prop_map(|len| com_port(0, &vec![255; len])),
        1 => "[a-z\r\n\0]{0,20}".prop_map(String::into_bytes),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn any_offer() -> impl Strategy<Value = TelnetOffer> {
    any::<[bool; 3]>().prop_map(|[rfc2217, enter_is_cr, break_on_sync]| TelnetOffer {
        rfc2217,
        enter_is_cr,
        break_on_sync,
        signature: "sermux".to_owned(),
    })
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![1..4_usize, 4..100_usize], 1..20)
}

fn split<'a>(mut input: &'a [u8], cuts: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    cuts.iter().cycle().map_while(move |cut| {
        let (piece, rest) = input.split_at((*cut).min(input.len()));
        input = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

/// The negotiation in what a session sends that has no data.
fn words(mut bytes: &[u8]) -> Vec<(u8, u8)> {
    let mut words = Vec::new();
    loop {
        bytes = match *bytes {
            [IAC, verb @ WILL..=DONT, option, ref rest @ ..] => {
                words.push((verb, option));
                rest
            }
            [IAC, 250, 44, _, _, IAC, 240, ref rest @ ..] => rest,
            [] => return words,
            _ => panic!("neither negotiation nor the modem state: {bytes:02x?}"),
        }
    }
}

proptest! {
    #[test]
    fn any_split_of_what_a_client_sends_means_the_same(offer in any_offer(), input in input(), cuts in cuts()) {
        let mut whole = Served::with(offer.clone());
        whole.send(&input);
        let mut pieces = Served::with(offer);
        for piece in split(&input, &cuts) {
            pieces.send(piece);
        }
        prop_assert_eq!(&pieces.data, &whole.data);
        prop_assert_eq!(&pieces.requests, &whole.requests);
        prop_assert_eq!(pieces.heard(), whole.heard());
        prop_assert_eq!(pieces.telnet.counters(), whole.telnet.counters());
        prop_assert_eq!(pieces.telnet.is_suspended(), whole.telnet.is_suspended());
    }

    #[test]
    fn any_split_of_what_a_server_sends_means_the_same(input in input(), cuts in cuts()) {
        let hear = |pieces: &mut dyn Iterator<Item = &[u8]>| {
            let mut client = TelnetClient::new("client");
            let (mut data, mut events) = (Vec::new(), Vec::<ClientEvent>::new());
            for mut piece in pieces {
                while let Some(event) = client.decode(&mut piece, &mut data) {
                    events.push(event);
                }
            }
            (data, events, client.outbox().to_vec(), *client.view(), client.unusable())
        };
        prop_assert_eq!(hear(&mut split(&input, &cuts)), hear(&mut std::iter::once(&input[..])));
    }

    /// Nobody can make much out of little: a mask of six bytes is answered with two commands, AYT's two bytes with nine,
    /// and a question for the signature with the signature.
    #[test]
    fn what_is_sent_back_is_bounded_by_what_was_received(offer in any_offer(), input in input()) {
        let mut served = Served::with(offer);
        served.view.settings.baud = sermux_port_config::line::BaudRate::new(0xFFFF).expect("a rate with 0xFF in it");
        for byte in &input {
            served.send(&[*byte]);
        }
        let heard = served.heard();
        prop_assert!(2 * heard.len() <= 9 * input.len() + 8, "{} for {}", heard.len(), input.len());
        prop_assert!(served.data.len() <= input.len());
    }

    /// Whatever a peer says, it is answered at most once; so a peer that keeps to the rules, however little of them it
    /// knows, never gets into a loop.
    #[test]
    fn each_word_of_negotiation_is_answered_at_most_once(
        said in prop::collection::vec((WILL..=DONT, prop_oneof![any::<u8>(), 0..7_u8, Just(44)]), 0..200),
    ) {
        let mut served = Served::new();
        for (verb, option) in said {
            let heard = served.hears(&[IAC, verb, option]);
            match words(&heard)[..] {
                [] => {}
                [(answer, about)] => {
                    prop_assert_eq!(about, option);
                    let answers: [u8; 2] = if verb == WILL || verb == WONT { [DO, DONT] } else { [WILL, WONT] };
                    prop_assert!(answers.contains(&answer));
                }
                _ => prop_assert!(false, "{verb} {option} is answered with {heard:02x?}"),
            }
        }
    }

    /// A peer of the time before RFC 1143: it knows what is on, agrees or refuses by its mind, and remembers nothing of
    /// what it asked for itself.
    #[test]
    fn a_simple_minded_peer_settles_too(
        agrees in prop::collection::vec(any::<bool>(), 32),
        begins in prop::collection::vec((any::<bool>(), 0..50_u8), 0..20),
    ) {
        let mut served = Served::new();
        let mut on = [[false; 256]; 2];
        let mut to_server: Vec<u8> = Vec::new();
        for (ours, option) in begins {
            on[usize::from(ours)][usize::from(option)] = true;
            to_server.extend([IAC, if ours { WILL } else { DO }, option]);
        }
        let mut to_client = OFFERS.to_vec();
        for round in 0.. {
            prop_assert!(round < 5, "they loop: {to_client:02x?} {to_server:02x?}");
            for (verb, option) in words(&to_client) {
                let ours = verb == DO || verb == DONT;
                let wanted = verb == WILL || verb == DO;
                let known = &mut on[usize::from(ours)][usize::from(option)];
                let now = wanted && agrees[usize::from(option) % 16 + 16 * usize::from(ours)];
                if *known != now || wanted != now {
                    *known = now;
                    let verb = match (ours, now) {
                        (true, true) => WILL,
                        (true, false) => WONT,
                        (false, true) => DO,
                        (false, false) => DONT,
                    };
                    to_server.extend([IAC, verb, option]);
                }
            }
            to_client = served.hears(&std::mem::take(&mut to_server));
            if to_client.is_empty() {
                break;
            }
        }
    }
}
