//! Options: what is offered, agreed and refused (RFC 855, RFC 1143).

use sermux_port_config::signal::{LineState, ModemState};
use sermux_protocol::telnet::code::{BINARY, COM_PORT, DO, DONT, ECHO, IAC, NAWS, SGA, WILL, WONT};
use sermux_protocol::telnet::negotiation::{Accept, Side, TelnetOptions, Verb};
use sermux_protocol::telnet::TelnetOffer;

use crate::rig::*;

#[test]
fn a_client_is_offered_character_mode_eight_bits_and_the_com_port() {
    let telnet = sermux_protocol::telnet::TelnetSession::new(offer());
    assert_eq!(telnet.outbox(), OFFERS);
    let telnet = sermux_protocol::telnet::TelnetSession::new(TelnetOffer { rfc2217: false, ..offer() });
    assert_eq!(telnet.outbox(), &OFFERS[..12], "all but COM-PORT");
}

#[test]
fn the_answers_to_offers_are_not_answered() {
    for verb in [WILL, WONT, DO, DONT] {
        let mut served = Served::new();
        let offered: &[u8] = match verb {
            WILL | WONT => &[BINARY],
            _ => &[SGA, ECHO, BINARY],
        };
        for option in offered {
            assert_eq!(served.hears(&[IAC, verb, *option]), b"", "{verb} {option}");
        }
    }
}

#[test]
fn what_a_client_begins_is_agreed_or_refused_once() {
    let will_do = |option: u8| [[IAC, WILL, option], [IAC, DO, option]].concat();
    let mut served = Served::new();
    // Window sizes are taken quietly, go-ahead may be suppressed by the client too, echo may not come from it.
    assert_eq!(served.hears(&[IAC, WILL, NAWS]), [IAC, DO, NAWS]);
    assert_eq!(served.hears(&[IAC, WILL, NAWS]), b"");
    assert_eq!(served.hears(b"\xFF\xFA\x1F\x00\x50\x00\x18\xFF\xF0"), b"");
    assert_eq!(served.hears(&[IAC, WILL, SGA]), [IAC, DO, SGA]);
    assert_eq!(served.hears(&[IAC, WILL, ECHO]), [IAC, DONT, ECHO]);
    assert_eq!(served.hears(&[IAC, DO, NAWS]), [IAC, WONT, NAWS]);
    for option in [2, 5, 24, 32, 33, 34, 35, 36, 39, 254, 255] {
        assert_eq!(served.hears(&will_do(option)), [IAC, DONT, option, IAC, WONT, option], "{option}");
        assert_eq!(served.hears(&[IAC, WONT, option, IAC, DONT, option]), b"", "{option}");
    }
    assert_eq!(served.telnet.counters(), sermux_protocol::telnet::TelnetCounters::default());
}

#[test]
fn an_option_can_be_turned_off_and_on_again() {
    let mut served = Served::new();
    for option in [SGA, ECHO, BINARY, COM_PORT] {
        served.hears(&[IAC, DO, option]);
        assert_eq!(served.hears(&[IAC, DONT, option]), [IAC, WONT, option], "{option}");
        assert_eq!(served.hears(&[IAC, DONT, option]), b"", "{option}");
        assert!(served.hears(&[IAC, DO, option]).starts_with(&[IAC, WILL, option]), "{option}");
    }
    // Refused at first, wanted later.
    let mut served = Served::new();
    assert_eq!(served.hears(&[IAC, DONT, BINARY]), b"");
    assert_eq!(served.hears(&[IAC, DO, BINARY]), [IAC, WILL, BINARY]);
    assert_eq!(served.hears(&[IAC, WONT, BINARY]), b"");
    assert_eq!(served.hears(&[IAC, WILL, BINARY]), [IAC, DO, BINARY]);
}

#[test]
fn com_port_is_in_use_once_the_client_has_said_that_it_will() {
    let mut served = Served::new();
    assert!(!served.telnet.uses_com_port());
    assert_eq!(served.hears(&[IAC, DO, COM_PORT]), [IAC, WILL, COM_PORT]);
    assert!(!served.telnet.uses_com_port(), "it only lets us");
    assert_eq!(served.hears(&[IAC, WILL, COM_PORT]), FIRST_MODEM_STATE);
    assert!(served.telnet.uses_com_port());
    assert_eq!(served.hears(&[IAC, DONT, COM_PORT]), [IAC, WONT, COM_PORT]);
    assert!(served.telnet.uses_com_port(), "it still does");
    served.hears(&[IAC, WONT, COM_PORT]);
    assert!(!served.telnet.uses_com_port());
}

#[test]
fn a_client_that_only_reflects_what_it_is_offered_hears_nothing_of_rfc2217() {
    let mut served = Served::new();
    // It refuses to do anything, and lets us do everything.
    assert_eq!(
        served.hears(b"\xFF\xFD\x03\xFF\xFD\x01\xFF\xFD\x00\xFF\xFC\x00\xFF\xFC\x2C\xFF\xFD\x2C"),
        b"\xFF\xFB\x2C"
    );
    let on = ModemState { cts: true, dsr: true, ri: false, dcd: true };
    served.telnet.modem_changed(on, false);
    served.telnet.line_changed(LineState { break_detected: true, ..LineState::default() });
    assert_eq!(served.heard(), b"");
    assert_eq!(served.requests, []);
    assert!(!served.telnet.wants_modem_state());
    assert_eq!(served.hears(&com_port(7, &[])), [com_port(107, &[0]), com_port(107, &[0])].concat(), "now it uses it");
}

#[test]
fn what_is_pending_is_not_asked_for_twice_and_a_change_of_mind_waits_for_the_answer() {
    let ours = |option| TelnetOptions::new(&[Accept { option, us: true, him: true }]);
    let (us, on, off) = (Side::Us, Verb::Will, Verb::Wont);

    let mut options = ours(SGA);
    assert_eq!(options.enable(us, SGA), Some(on));
    assert_eq!(options.enable(us, SGA), None);
    assert!(options.is_pending(us, SGA) && !options.is_on(us, SGA));
    assert_eq!(options.disable(us, SGA), None, "it waits");
    assert_eq!(options.hear(Verb::Do, SGA), Some(off));
    assert_eq!(options.enable(us, SGA), None, "it waits");
    assert_eq!(options.hear(Verb::Dont, SGA), Some(on));
    assert_eq!(options.hear(Verb::Do, SGA), None);
    assert!(options.is_on(us, SGA) && !options.is_pending(us, SGA));
    assert_eq!(options.enable(us, SGA), None, "it is on");

    // Minds that change twice have not changed.
    assert_eq!(options.disable(us, SGA), Some(off));
    assert_eq!(options.enable(us, SGA), None);
    assert_eq!(options.disable(us, SGA), None);
    assert_eq!(options.hear(Verb::Dont, SGA), None);
    assert!(!options.is_on(us, SGA) && !options.is_pending(us, SGA));
    assert_eq!(options.disable(us, SGA), None, "it is off");

    // A refusal settles it, whatever was wanted meanwhile.
    let mut options = ours(SGA);
    options.enable(us, SGA);
    options.disable(us, SGA);
    assert_eq!(options.hear(Verb::Dont, SGA), None);
    assert!(!options.is_on(us, SGA) && !options.is_pending(us, SGA));

    // Nobody may turn on what is not in the table, not even we.
    assert_eq!(options.enable(us, ECHO), None);
    assert_eq!(options.disable(us, ECHO), None);
}

#[test]
fn a_peer_that_says_yes_to_no_is_taken_for_what_it_should_have_said() {
    let mut options = TelnetOptions::new(&[Accept { option: SGA, us: true, him: true }]);
    for again in [false, true] {
        options.hear(Verb::Will, SGA);
        assert_eq!(options.disable(Side::Him, SGA), Some(Verb::Dont));
        if again {
            options.enable(Side::Him, SGA);
        }
        assert_eq!(options.hear(Verb::Will, SGA), None);
        assert_eq!(options.is_on(Side::Him, SGA), again);
        assert!(!options.is_pending(Side::Him, SGA));
    }
}
