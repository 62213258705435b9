//! What a client hears without asking, and what waits while it is suspended.

use sermux_port_config::signal::{LineState, ModemState};
use sermux_protocol::rfc2217::Request;

use crate::rig::*;

const OFF: ModemState = ModemState { cts: false, dsr: false, ri: false, dcd: false };
const CTS: ModemState = ModemState { cts: true, ..OFF };
const DSR: ModemState = ModemState { dsr: true, ..OFF };
const RI: ModemState = ModemState { ri: true, ..OFF };
const DCD: ModemState = ModemState { dcd: true, ..OFF };
const BREAK: LineState = LineState {
    break_detected: true,
    framing_error: false,
    parity_error: false,
    overrun_error: false,
    tx_holding_empty: false,
    tx_shift_empty: false,
};

impl Served {
    fn with_mask(mask: u8) -> Self {
        let mut served = Self::agreed();
        served.hears(&com_port(11, &[mask]));
        served
    }

    fn hears_of_inputs(&mut self, inputs: ModemState) -> Vec<u8> {
        self.view.inputs = inputs;
        self.telnet.modem_changed(inputs, false);
        self.heard()
    }

    fn hears_of_line(&mut self, noticed: LineState) -> Vec<u8> {
        self.telnet.line_changed(noticed);
        self.heard()
    }
}

#[test]
fn the_modem_state_is_told_once_when_com_port_is_agreed() {
    let inputs = ModemState { cts: true, dsr: false, ri: false, dcd: true };
    for (agreement, answer) in [
        (&b"\xFF\xFB\x2C"[..], &b""[..]),
        (b"\xFF\xFD\x2C\xFF\xFB\x2C", b"\xFF\xFB\x2C"),
        // After a refusal of both, it is the client that begins.
        (b"\xFF\xFE\x2C\xFF\xFC\x2C\xFF\xFB\x2C", b"\xFF\xFD\x2C"),
    ] {
        let mut served = Served::new();
        served.view.inputs = inputs;
        assert!(!served.telnet.wants_modem_state());
        assert_eq!(served.hears(agreement), [answer, &com_port(107, &[0x90])[..]].concat(), "{agreement:02x?}");
        assert_eq!(served.requests, [Request::ModemState]);
        assert!(served.telnet.wants_modem_state());
    }
}

#[test]
fn all_changes_of_inputs_are_told_by_default_with_what_changed() {
    let mut served = Served::agreed();
    assert_eq!(served.hears_of_inputs(CTS), com_port(107, &[0x11]));
    assert_eq!(served.hears_of_inputs(DSR), com_port(107, &[0x23]));
    assert_eq!(served.hears_of_inputs(DCD), com_port(107, &[0x8A]));
    assert_eq!(served.hears_of_inputs(RI), com_port(107, &[0x48]));
    assert_eq!(served.hears_of_inputs(OFF), com_port(107, &[0x04]));
    assert_eq!(served.hears_of_inputs(OFF), b"", "nothing changed");
}

#[test]
fn the_mask_selects_by_the_input_or_by_its_change() {
    for (mask, told) in [(16, CTS), (1, CTS), (32, DSR), (2, DSR), (64, RI), (128, DCD), (8, DCD)] {
        let mut served = Served::with_mask(mask);
        for inputs in [CTS, DSR, RI, DCD] {
            let heard = served.hears_of_inputs(inputs);
            assert_eq!(!heard.is_empty(), inputs == told, "mask {mask}, {inputs:?}");
            // Back to where it was, told or not.
            served.hears_of_inputs(OFF);
        }
    }
    // RI has no change but the trailing edge.
    let mut served = Served::with_mask(4);
    assert_eq!(served.hears_of_inputs(RI), b"");
    assert_eq!(served.hears_of_inputs(OFF), com_port(107, &[4]));
}

#[test]
fn an_empty_mask_wants_nothing() {
    let mut served = Served::with_mask(0);
    assert!(!served.telnet.wants_modem_state());
    assert_eq!(served.hears_of_inputs(CTS), b"");
}

#[test]
fn changes_count_from_what_the_client_was_told_last() {
    let mut served = Served::with_mask(128);
    assert_eq!(served.hears_of_inputs(CTS), b"", "not selected");
    let both = ModemState { cts: true, dcd: true, ..OFF };
    assert_eq!(served.hears_of_inputs(both), com_port(107, &[0x99]));
    // A poll tells as well.
    served.view.inputs = DCD;
    assert_eq!(served.hears(&com_port(7, &[])), com_port(107, &[0x81]));
    assert_eq!(served.hears_of_inputs(DCD), b"");
}

#[test]
fn a_ring_that_is_over_before_anybody_looked_is_told() {
    for mask in [64, 4] {
        let mut served = Served::with_mask(mask);
        served.telnet.modem_changed(OFF, true);
        assert_eq!(served.heard(), com_port(107, &[0x04]), "mask {mask}");
    }
    let mut served = Served::agreed();
    served.telnet.modem_changed(OFF, true);
    assert_eq!(served.heard(), com_port(107, &[0x04]));
    // While the next one has begun already.
    served.telnet.modem_changed(RI, true);
    assert_eq!(served.heard(), com_port(107, &[0x44]));
    served.view.inputs = RI;
    assert_eq!(served.hears(&com_port(7, &[])), com_port(107, &[0x40]), "told once");
}

#[test]
fn only_what_the_line_mask_selects_is_told() {
    let mut served = Served::agreed();
    assert!(!served.telnet.wants_line_state());
    assert_eq!(served.hears_of_line(BREAK), b"", "the mask is 0 at first");

    let everything = LineState {
        break_detected: true,
        framing_error: true,
        parity_error: true,
        overrun_error: true,
        tx_holding_empty: true,
        tx_shift_empty: true,
    };
    for (mask, told) in [(0x10, 0x10), (0x08, 0x08), (0x04, 0x04), (0x02, 0x02), (0x1E, 0x1E), (0xFF, 0x1E)] {
        served.hears(&com_port(10, &[mask]));
        assert!(served.telnet.wants_line_state());
        assert_eq!(served.hears_of_line(everything), com_port(106, &[told]), "mask {mask}");
    }
    for mask in [0xE1, 0] {
        served.hears(&com_port(10, &[mask]));
        assert!(!served.telnet.wants_line_state());
        assert_eq!(served.hears_of_line(everything), b"", "mask {mask}");
    }
}

#[test]
fn a_client_that_speaks_no_rfc2217_hears_nothing() {
    let mut served = Served::new();
    assert!(!served.telnet.wants_modem_state());
    assert_eq!(served.hears_of_inputs(CTS), b"");
    assert_eq!(served.hears_of_line(BREAK), b"");
}

#[test]
fn suspend_and_resume_are_followed_at_once_and_not_answered() {
    let mut served = Served::agreed();
    assert_eq!(served.hears(&com_port(8, &[])), b"");
    assert!(served.telnet.is_suspended());
    assert_eq!(served.hears(&com_port(8, &[])), b"");
    assert_eq!(served.hears(&com_port(9, &[])), b"");
    assert!(!served.telnet.is_suspended());
    assert_eq!(served.hears(&com_port(9, &[])), b"");
    assert_eq!(served.requests, []);
}

#[test]
fn answers_and_negotiation_do_not_wait_for_resume() {
    let mut served = Served::agreed();
    served.hears(&com_port(8, &[]));
    assert_eq!(served.hears(&com_port(2, &[7])), com_port(102, &[7]));
    assert_eq!(served.hears(&com_port(7, &[])), com_port(107, &[0]));
    assert_eq!(served.hears(&com_port(11, &[255])), [com_port(111, &[255]), com_port(107, &[0])].concat());
    assert_eq!(served.hears(b"\xFF\xFB\x18"), b"\xFF\xFE\x18");
    assert_eq!(served.hears(b"\xFF\xF6"), b"\r\n[Yes]\r\n");
}

#[test]
fn notifications_wait_for_resume_and_come_once() {
    let mut served = Served::agreed();
    served.hears(&com_port(10, &[0x1E]));
    served.hears(&com_port(8, &[]));
    assert!(served.telnet.wants_modem_state(), "it will want to know later");
    assert_eq!(served.hears_of_inputs(CTS), b"");
    assert_eq!(served.hears_of_inputs(DSR), b"");
    served.telnet.modem_changed(DSR, true);
    assert_eq!(served.hears_of_line(BREAK), b"");
    assert_eq!(served.hears_of_line(LineState { break_detected: false, parity_error: true, ..BREAK }), b"");
    assert_eq!(served.hears(&com_port(9, &[])), [com_port(107, &[0x26]), com_port(106, &[0x14])].concat());
    assert_eq!(served.hears(&[com_port(8, &[]), com_port(9, &[])].concat()), b"");
}

#[test]
fn what_changed_and_changed_back_is_not_told_on_resume() {
    let mut served = Served::agreed();
    served.hears(&com_port(8, &[]));
    served.hears_of_inputs(CTS);
    served.hears_of_inputs(OFF);
    assert_eq!(served.hears(&com_port(9, &[])), b"");
}

#[test]
fn a_poll_while_suspended_is_newer_than_what_waits() {
    let mut served = Served::agreed();
    served.hears(&com_port(8, &[]));
    served.hears_of_inputs(CTS);
    served.view.inputs = DSR;
    assert_eq!(served.hears(&com_port(7, &[])), com_port(107, &[0x22]));
    assert_eq!(served.hears(&com_port(9, &[])), b"");
}

#[test]
fn masks_that_come_while_suspended_hold_for_what_waits() {
    let mut served = Served::agreed();
    served.hears(&com_port(10, &[0x1E]));
    served.hears(&com_port(8, &[]));
    served.hears_of_line(BREAK);
    served.hears_of_inputs(CTS);
    served.hears(&com_port(10, &[0x02]));
    served.view.inputs = OFF;
    served.hears(&com_port(11, &[0]));
    served.hears_of_inputs(CTS);
    assert_eq!(served.hears(&com_port(9, &[])), b"");
}

#[test]
fn a_client_that_takes_nothing_is_told_the_latest_when_it_does() {
    let mut served = Served::agreed();
    served.hears(&com_port(10, &[0x1E]));
    for n in 0..10_000 {
        served.telnet.modem_changed(if n % 2 == 0 { CTS } else { DSR }, false);
        served.telnet.line_changed(BREAK);
    }
    let waiting = served.telnet.outbox().len();
    assert!(waiting < 2048, "{waiting} bytes wait");

    // Byte by byte, so that what was held comes behind whole notifications.
    let mut heard = Vec::new();
    while let Some(byte) = served.telnet.outbox().first() {
        heard.push(*byte);
        served.telnet.outbox_taken(1);
    }
    assert!(heard.len() < waiting + 64);
    let latest = heard.windows(7).rfind(|told| told.starts_with(b"\xFF\xFA\x2C\x6B")).expect("a modem state");
    assert_eq!(latest[4] & 0xF0, 0x20, "{latest:02x?}");
    served.telnet.modem_changed(CTS, false);
    assert_eq!(served.heard(), com_port(107, &[0x13]), "and then as ever");
}

#[test]
fn the_end_of_com_port_ends_what_hung_on_it() {
    let mut served = Served::agreed();
    served.hears(&com_port(0, b"me"));
    served.hears(&com_port(10, &[0x1E]));
    served.hears(&com_port(8, &[]));
    assert_eq!(served.hears(b"\xFF\xFC\x2C"), b"\xFF\xFE\x2C");
    assert!(!served.telnet.is_suspended(), "nobody could resume it");
    assert!(!served.telnet.wants_line_state());
    assert_eq!(served.hears_of_inputs(CTS), b"");
    assert_eq!(served.telnet.client_signature(), Some("me"));
    // From the beginning.
    served.view.inputs = DSR;
    assert_eq!(served.hears(AGREE), [b"\xFF\xFD\x2C".to_vec(), com_port(107, &[0x20])].concat());
}
