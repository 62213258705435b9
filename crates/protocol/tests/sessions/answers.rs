//! Every command of RFC 2217: what it does to the line, and what is answered, byte by byte.

use sermux_port_config::signal::Effect::{self, *};
use sermux_port_config::signal::{LineState, ModemControl, ModemState, Purge};
use sermux_protocol::rfc2217::Request;

use crate::rig::*;

/// The line before, what is sent, what that does, what is answered (both between `FF FA 2C` and `FF F0`).
type Row<'a> = (&'a str, &'a str, Effect, &'a str);

fn set(settings: &str) -> Effect {
    Settings(line(settings))
}

fn dtr(on: bool) -> Effect {
    Outputs { dtr: Some(on), rts: None }
}

fn rts(on: bool) -> Effect {
    Outputs { dtr: None, rts: Some(on) }
}

fn framed(inside: &str) -> Vec<u8> {
    hex(&format!("FF FA 2C {inside} FF F0"))
}

fn check(rows: &[Row]) {
    for (line, sent, effect, answer) in rows {
        let mut served = Served::agreed().on(line);
        let heard = served.hears(&framed(sent));
        assert_eq!(served.effects, std::slice::from_ref(effect), "{line}, {sent}");
        assert_eq!(heard, framed(answer), "{line}, {sent}: {heard:02x?}");
        assert_eq!(served.data, b"", "{line}, {sent}");
    }
}

#[test]
fn settings_are_made_and_answered_with_what_was_asked() {
    check(&[
        ("9600 8N1", "01 00 01 C2 00", set("115200 8N1"), "65 00 01 C2 00"),
        ("9600 8N1", "01 00 00 25 80", set("9600 8N1"), "65 00 00 25 80"),
        ("9600 8N1", "01 00 00 00 32", set("50 8N1"), "65 00 00 00 32"),
        ("9600 8N1", "01 00 B7 1B 00", set("12000000 8N1"), "65 00 B7 1B 00"),
        // How fast is too fast the driver says.
        ("9600 8N1", "01 00 B7 1B 01", set("12000001 8N1"), "65 00 B7 1B 01"),
        ("9600 8N1", "01 FF FF FF FF FF FF FF FF", set("4294967295 8N1"), "65 FF FF FF FF FF FF FF FF"),
        ("9600 7E1", "02 05", set("9600 5E1"), "66 05"),
        ("9600 7E1", "02 06", set("9600 6E1"), "66 06"),
        ("9600 7E1", "02 07", set("9600 7E1"), "66 07"),
        ("9600 7E1", "02 08", set("9600 8E1"), "66 08"),
        ("9600 8E1", "03 01", set("9600 8N1"), "67 01"),
        ("9600 8N1", "03 02", set("9600 8O1"), "67 02"),
        ("9600 8N1", "03 03", set("9600 8E1"), "67 03"),
        ("9600 8N1", "03 04", set("9600 8M1"), "67 04"),
        ("9600 8N1", "03 05", set("9600 8S1"), "67 05"),
        // From mark and space too: another server makes 8S1 of 8M1 and even.
        ("9600 8M1", "03 03", set("9600 8E1"), "67 03"),
        ("9600 8S1", "03 02", set("9600 8O1"), "67 02"),
        ("9600 8N2", "04 01", set("9600 8N1"), "68 01"),
        ("9600 8N1", "04 02", set("9600 8N2"), "68 02"),
    ]);
}

#[test]
fn a_question_is_answered_with_what_the_line_has() {
    check(&[
        ("115200 8N1", "01 00 00 00 00", Look, "65 00 01 C2 00"),
        ("9600 7E1", "02 00", Look, "66 07"),
        ("9600 8M1", "03 00", Look, "67 04"),
        ("9600 8N1", "04 00", Look, "68 01"),
        ("9600 8N2", "04 00", Look, "68 02"),
        ("9600 5N1.5", "04 00", Look, "68 03"),
        ("9600 8N1", "05 00", Look, "69 01"),
        ("9600 8N1 xon-xoff", "05 00", Look, "69 02"),
        ("9600 8N1 xon-xoff-out", "05 00", Look, "69 02"),
        ("9600 8N1 xon-xoff-in", "05 00", Look, "69 01"),
        ("9600 8N1 rts-cts", "05 00", Look, "69 03"),
        ("9600 8N1 dtr-dsr", "05 00", Look, "69 13"),
        ("9600 8N1", "05 0D", Look, "69 0E"),
        ("9600 8N1 xon-xoff", "05 0D", Look, "69 0F"),
        ("9600 8N1 xon-xoff-out", "05 0D", Look, "69 0E"),
        ("9600 8N1 xon-xoff-in", "05 0D", Look, "69 0F"),
        ("9600 8N1 rts-cts", "05 0D", Look, "69 10"),
        ("9600 8N1 dtr-dsr", "05 0D", Look, "69 12"),
        ("9600 8N1", "05 04", Look, "69 06"),
        ("9600 8N1", "05 07", Look, "69 09"),
        ("9600 8N1", "05 0A", Look, "69 0C"),
        ("9600 8N1", "06", Look, "6A 00"),
        ("9600 8N1", "07", Look, "6B 00"),
    ]);
}

#[test]
fn impossible_values_change_nothing_and_are_answered_with_what_the_line_has() {
    check(&[
        // Out of range.
        ("9600 8N1", "01 00 00 00 2C", Nothing, "65 00 00 25 80"),
        ("9600 8N1", "01 00 00 00 01", Nothing, "65 00 00 25 80"),
        // No such value.
        ("9600 7E1", "02 04", Nothing, "66 07"),
        ("9600 7E1", "02 09", Nothing, "66 07"),
        ("9600 7E1", "02 FF FF", Nothing, "66 07"),
        ("9600 7E1", "03 06", Nothing, "67 03"),
        ("9600 7E1", "04 04", Nothing, "68 01"),
        // One and a half stop bits are there with five data bits only.
        ("9600 8N1", "04 03", Nothing, "68 01"),
        ("9600 8N2", "04 03", Nothing, "68 02"),
        ("9600 6N1", "04 03", Nothing, "68 01"),
        // No line has DCD flow control, and there is no SET-CONTROL 20.
        ("9600 8N1", "05 11", Nothing, "69 01"),
        ("9600 8N1 rts-cts", "05 11", Nothing, "69 03"),
        ("9600 8N1 rts-cts", "05 14", Nothing, "69 03"),
        ("9600 8N1", "05 FF FF", Nothing, "69 01"),
        // Nothing to throw away.
        ("9600 8N1", "0C 00", Nothing, "70 00"),
        ("9600 8N1", "0C 04", Nothing, "70 04"),
    ]);
}

#[test]
fn a_rate_that_the_driver_does_not_take_is_answered_with_what_the_line_has() {
    for rate in ["00 B7 1B 01", "00 FF FF FF FF 00", "FF FF FF FF FF FF FF FF"] {
        let mut served = Served::agreed().on("9600 8N1");
        served.obeys = false;
        assert_eq!(served.hears(&framed(&format!("01 {rate}"))), framed("65 00 00 25 80"), "{rate}");
    }
}

#[test]
fn a_value_of_the_wrong_length_is_a_question() {
    check(&[
        ("9600 8N1", "01", Look, "65 00 00 25 80"),
        ("9600 8N1", "01 00 01", Look, "65 00 00 25 80"),
        ("9600 8N1", "01 00 01 C2", Look, "65 00 00 25 80"),
        ("9600 8N1", "01 00 01 C2 00 00", Look, "65 00 00 25 80"),
        ("9600 7E1", "02", Look, "66 07"),
        ("9600 7E1", "02 08 08", Look, "66 07"),
        ("9600 7E1", "03", Look, "67 03"),
        ("9600 7E1", "03 01 01", Look, "67 03"),
        ("9600 8N2", "04", Look, "68 02"),
        ("9600 8N2", "04 01 01", Look, "68 02"),
        ("9600 8N1 rts-cts", "05", Look, "69 03"),
        ("9600 8N1 rts-cts", "05 01 01", Look, "69 03"),
        ("9600 8N1", "06 FF FF", Look, "6A 00"),
        ("9600 8N1", "07 00 00", Look, "6B 00"),
        ("9600 8N1", "0C", Nothing, "70 00"),
        ("9600 8N1", "0C 01 01", Nothing, "70 00"),
    ]);
}

#[test]
fn a_mask_of_the_wrong_length_changes_no_mask() {
    let mut served = Served::agreed();
    served.hears(&com_port(10, &[4]));
    served.hears(&com_port(11, &[16]));
    for wrong in [&[][..], &[0, 0]] {
        assert_eq!(served.hears(&com_port(10, wrong)), [com_port(110, &[4]), com_port(106, &[0])].concat());
        assert_eq!(served.hears(&com_port(11, wrong)), [com_port(111, &[16]), com_port(107, &[0])].concat());
    }
    // Also when the one before it has not had its turn yet.
    let mut data = Vec::new();
    let both = [com_port(10, &[2]), com_port(10, &[])].concat();
    let mut input = &both[..];
    assert_eq!(served.telnet.decode(&mut input, &mut data), Some(Request::LineStateMask(2)));
    assert_eq!(served.telnet.decode(&mut input, &mut data), Some(Request::LineStateMask(2)));
}

#[test]
fn the_rate_that_was_asked_for_is_answered_if_the_line_has_it_within_two_percent() {
    let answer = |asked: u32, has: u32| {
        let mut served = Served::agreed().on(&has.to_string());
        served.obeys = false;
        let heard = served.hears(&com_port(1, &asked.to_be_bytes()));
        assert_eq!(heard.len(), com_port(101, &asked.to_be_bytes()).len());
        u32::from_be_bytes(heard[4..8].try_into().unwrap())
    };
    // What a 16550 with a clock of 1.8432 MHz makes of some rates.
    assert_eq!(answer(115_200, 115_200), 115_200);
    assert_eq!(answer(56_000, 57_600), 57_600);
    assert_eq!(answer(250_000, 115_200), 115_200);
    // The border.
    assert_eq!(answer(10_000, 10_200), 10_000);
    assert_eq!(answer(10_000, 9_800), 10_000);
    assert_eq!(answer(10_000, 10_201), 10_201);
    assert_eq!(answer(10_000, 9_799), 9_799);
    assert_eq!(answer(0, 10_201), 10_201);
}

#[test]
fn values_with_0xff_are_doubled_both_ways() {
    // 65,317 is 00 00 FF 25, 16,776,960 is 00 FF FF 00.
    check(&[
        ("9600 8N1", "01 00 00 FF FF 25", set("65317 8N1"), "65 00 00 FF FF 25"),
        ("65317 8N1", "01 00 00 00 00", Look, "65 00 00 FF FF 25"),
        ("9600 8N1", "01 00 FF FF FF FF 00", set("16776960 8N1"), "65 00 FF FF FF FF 00"),
        ("16776960 8N1", "01 00 00 00 00", Look, "65 00 FF FF FF FF 00"),
        ("9600 8N1", "0C FF FF", Nothing, "70 FF FF"),
    ]);
    let mut served = Served::agreed();
    assert_eq!(served.hears(&hex("FF FA 2C 0B FF FF FF F0")), hex("FF FA 2C 6F FF FF FF F0 FF FA 2C 6B 00 FF F0"));
}

#[test]
fn a_client_that_does_not_double_0xff_is_understood_where_that_is_possible() {
    let mut served = Served::agreed();
    assert_eq!(served.hears(&framed("01 00 00 FF 25")), framed("65 00 00 FF FF 25"));
    assert_eq!(served.effects, [set("65317")]);
}

#[test]
fn with_five_data_bits_one_and_a_half_and_two_stop_bits_are_the_same_switch() {
    check(&[
        ("9600 5N1", "04 03", set("9600 5N1.5"), "68 03"),
        ("9600 5N1", "04 02", set("9600 5N2"), "68 02"),
        ("9600 5N2", "04 03", set("9600 5N1.5"), "68 03"),
        ("9600 5N1.5", "04 02", set("9600 5N2"), "68 02"),
        ("9600 5N1.5", "04 01", set("9600 5N1"), "68 01"),
        // What is left of it with more data bits.
        ("9600 5N1.5", "02 08", set("9600 8N2"), "66 08"),
        ("9600 5N1.5", "02 05", set("9600 5N1.5"), "66 05"),
    ]);
    // A line that does not tell them apart has what it was set to.
    for (asked, has) in [(2, "9600 5N1.5"), (3, "9600 5N2")] {
        let mut served = Served::agreed().on(has);
        served.obeys = false;
        assert_eq!(served.hears(&com_port(4, &[asked])), com_port(104, &[asked]));
    }
}

#[test]
fn cisco_has_the_rate_in_one_byte() {
    check(&[
        ("9600", "01 03", set("300"), "65 03"),
        ("9600", "01 04", set("600"), "65 04"),
        ("9600", "01 05", set("1200"), "65 05"),
        ("9600", "01 06", set("2400"), "65 06"),
        ("9600", "01 07", set("4800"), "65 07"),
        ("300", "01 08", set("9600"), "65 08"),
        ("9600", "01 0A", set("19200"), "65 0A"),
        ("9600", "01 0C", set("38400"), "65 0C"),
        ("9600", "01 0D", set("57600"), "65 0D"),
        ("9600", "01 0E", set("115200"), "65 0E"),
        ("9600", "01 0F", set("230400"), "65 0F"),
        ("115200", "01 00", Look, "65 0E"),
        ("117000", "01 00", Look, "65 0E"),
        // No such code.
        ("9600", "01 09", Nothing, "65 08"),
        ("9600", "01 10", Nothing, "65 08"),
        ("9600", "01 FF FF", Nothing, "65 08"),
        // No code for it: only four bytes can say the truth.
        ("1000000", "01 00", Look, "65 00 0F 42 40"),
    ]);
}

#[test]
fn flow_control_is_set_for_both_directions_or_for_one() {
    check(&[
        ("9600 8N1 rts-cts", "05 01", set("9600 8N1"), "69 01"),
        ("9600 8N1 xon-xoff-in", "05 01", set("9600 8N1"), "69 01"),
        ("9600 8N1", "05 02", set("9600 8N1 xon-xoff"), "69 02"),
        ("9600 8N1", "05 03", set("9600 8N1 rts-cts"), "69 03"),
        ("9600 8N1 xon-xoff", "05 03", set("9600 8N1 rts-cts"), "69 03"),
        ("9600 8N1", "05 0E", set("9600 8N1"), "69 0E"),
        ("9600 8N1 xon-xoff", "05 0E", set("9600 8N1 xon-xoff-out"), "69 0E"),
        ("9600 8N1 xon-xoff-out", "05 0E", set("9600 8N1 xon-xoff-out"), "69 0E"),
        ("9600 8N1 xon-xoff-in", "05 0E", set("9600 8N1"), "69 0E"),
        ("9600 8N1", "05 0F", set("9600 8N1 xon-xoff-in"), "69 0F"),
        ("9600 8N1 xon-xoff-in", "05 0F", set("9600 8N1 xon-xoff-in"), "69 0F"),
        ("9600 8N1 xon-xoff", "05 0F", set("9600 8N1 xon-xoff"), "69 0F"),
        ("9600 8N1 xon-xoff-out", "05 0F", set("9600 8N1 xon-xoff"), "69 0F"),
        ("9600 8N1", "05 10", set("9600 8N1 rts-cts"), "69 10"),
        // Hardware flow control is one switch for both.
        ("9600 8N1 rts-cts", "05 0E", set("9600 8N1"), "69 0E"),
        ("9600 8N1 rts-cts", "05 0F", set("9600 8N1 xon-xoff-in"), "69 0F"),
        ("9600 8N1", "05 12", set("9600 8N1 dtr-dsr"), "69 12"),
        ("9600 8N1", "05 13", set("9600 8N1 dtr-dsr"), "69 13"),
    ]);
    // Linux has no flow control by DTR and DSR.
    for (asked, answer) in [(18, 14), (19, 1)] {
        let mut served = Served::agreed();
        served.obeys = false;
        assert_eq!(served.hears(&com_port(5, &[asked])), com_port(105, &[answer]));
    }
}

#[test]
fn break_and_outputs_are_switched_and_answered_with_the_code_that_was_sent() {
    check(&[
        ("9600", "05 05", BreakOn, "69 05"),
        ("9600", "05 06", BreakOff, "69 06"),
        ("9600", "05 08", dtr(true), "69 08"),
        ("9600", "05 09", dtr(false), "69 09"),
        ("9600", "05 0B", rts(true), "69 0B"),
        ("9600", "05 0C", rts(false), "69 0C"),
    ]);
}

#[test]
fn a_client_without_rights_hears_how_it_is() {
    let mut served = Served::agreed();
    served.obeys = false;
    served.view.outputs = ModemControl { dtr: true, rts: false };
    for (asked, answer) in [(5, 6), (6, 6), (8, 8), (9, 8), (11, 12), (12, 12), (2, 1), (3, 1), (15, 14)] {
        assert_eq!(served.hears(&com_port(5, &[asked])), com_port(105, &[answer]), "{asked}");
    }
    served.view.break_on = true;
    assert_eq!(served.hears(&com_port(5, &[6])), com_port(105, &[5]));
    assert_eq!(served.hears(&com_port(2, &[5])), com_port(102, &[8]));
    assert_eq!(served.hears(&com_port(3, &[5])), com_port(103, &[1]));
    assert_eq!(served.hears(&com_port(12, &[3])), com_port(112, &[3]));
}

#[test]
fn outputs_are_never_taken_for_inputs() {
    let mut served = Served::agreed();
    served.view.outputs = ModemControl { dtr: true, rts: true };
    assert_eq!(served.hears(&com_port(7, &[])), com_port(107, &[0]));
    served.view.outputs = ModemControl::default();
    served.view.inputs = ModemState { cts: true, dsr: true, ri: false, dcd: false };
    assert_eq!(served.hears(&com_port(5, &[7])), com_port(105, &[9]));
    assert_eq!(served.hears(&com_port(5, &[10])), com_port(105, &[12]));
}

#[test]
fn what_is_to_be_thrown_away_is_answered_as_it_was_asked() {
    check(&[
        ("9600", "0C 01", Effect::Purge(Purge::Rx), "70 01"),
        ("9600", "0C 02", Effect::Purge(Purge::Tx), "70 02"),
        ("9600", "0C 03", Effect::Purge(Purge::Both), "70 03"),
    ]);
}

#[test]
fn the_line_state_is_one_bit_each() {
    let off = LineState::default();
    for (state, byte) in [
        (LineState { tx_shift_empty: true, ..off }, 64),
        (LineState { tx_holding_empty: true, ..off }, 32),
        (LineState { break_detected: true, ..off }, 16),
        (LineState { framing_error: true, ..off }, 8),
        (LineState { parity_error: true, ..off }, 4),
        (LineState { overrun_error: true, ..off }, 2),
    ] {
        let mut served = Served::agreed();
        served.view.line_state = state;
        assert_eq!(served.hears(&com_port(6, &[])), com_port(106, &[byte]));
    }
}

#[test]
fn the_modem_state_is_one_bit_each_and_what_changed() {
    let off = ModemState::default();
    for (inputs, on, off_again) in [
        (ModemState { dcd: true, ..off }, 0x88, 0x08),
        (ModemState { ri: true, ..off }, 0x40, 0x04),
        (ModemState { dsr: true, ..off }, 0x22, 0x02),
        (ModemState { cts: true, ..off }, 0x11, 0x01),
    ] {
        let mut served = Served::agreed();
        served.view.inputs = inputs;
        assert_eq!(served.hears(&com_port(7, &[])), com_port(107, &[on]));
        assert_eq!(served.hears(&com_port(7, &[])), com_port(107, &[on & 0xF0]), "told already");
        served.view.inputs = off;
        assert_eq!(served.hears(&com_port(7, &[])), com_port(107, &[off_again]));
    }
}

#[test]
fn masks_are_answered_with_what_is_honoured_and_the_present_state() {
    let mut served = Served::agreed();
    served.view.inputs = ModemState { cts: true, dsr: true, ri: false, dcd: true };
    served.view.line_state = LineState { tx_holding_empty: true, tx_shift_empty: true, ..LineState::default() };
    for (asked, honoured) in [(255, 0x1E), (0x1E, 0x1E), (0x10, 0x10), (1, 0), (0, 0)] {
        let answer = [com_port(110, &[honoured]), com_port(106, &[0x60])].concat();
        assert_eq!(served.hears(&com_port(10, &[asked])), answer);
    }
    let answer = |mask: u8, state: u8| [com_port(111, &[mask]), com_port(107, &[state])].concat();
    assert_eq!(served.hears(&com_port(11, &[0])), answer(0, 0xBB));
    assert_eq!(served.hears(&com_port(11, &[255])), answer(255, 0xB0));
    assert_eq!(served.effects, [const { Look }; 7]);
}

#[test]
fn the_signature_is_told_when_it_is_asked_for_and_the_clients_is_kept() {
    let mut served = Served::agreed();
    assert_eq!(served.telnet.client_signature(), None);
    assert_eq!(served.hears(&com_port(0, &[])), com_port(100, b"sermux"));
    assert_eq!(served.effects, [Nothing]);

    assert_eq!(served.hears(&com_port(0, b"pyserial\x1B[2J\xFF")), b"");
    assert_eq!(served.telnet.client_signature(), Some("pyserial.[2J."));
    assert_eq!(served.hears(&com_port(0, &[b'x'; 256])), b"");
    assert_eq!(served.telnet.client_signature().map(str::len), Some(256));
}

#[test]
fn requests_are_answered_in_their_order_however_many_come_at_once() {
    let mut served = Served::agreed();
    let hundred: Vec<u8> = (0..100_u32).flat_map(|n| com_port(1, &(1200 + n).to_be_bytes())).collect();
    let answers: Vec<u8> = (0..100_u32).flat_map(|n| com_port(101, &(1200 + n).to_be_bytes())).collect();
    assert_eq!(served.hears(&hundred), answers);
}

#[test]
fn unknown_commands_are_counted_and_not_answered() {
    let mut served = Served::agreed();
    for command in [13, 50, 99, 100, 101, 107, 112, 200, 255] {
        assert_eq!(served.hears(&com_port(command, &[1])), b"", "{command}");
    }
    // Not even a command, and nothing at all.
    assert_eq!(served.hears(&hex("FF FA 2C FF F0")), b"");
    assert_eq!(served.telnet.counters().unknown_commands, 9 + 1);
    assert_eq!(served.hears(&hex("FF FA FF F0")), b"");
    assert_eq!(served.telnet.counters().dropped_subnegotiations, 1);
    assert_eq!(served.requests, []);
    assert_eq!(served.data, b"");
}

#[test]
fn a_client_that_never_negotiated_is_answered_all_the_same() {
    let rate = 9600_u32.to_be_bytes();
    let mut served = Served::new();
    assert_eq!(served.hears(&com_port(1, &rate)), [com_port(101, &rate), com_port(107, &[0])].concat());
    assert_eq!(served.requests, [Request::BaudRate(9600), Request::ModemState]);
    assert!(served.telnet.uses_com_port());
    assert!(served.telnet.wants_modem_state(), "it speaks the option");
    assert_eq!(served.hears(&com_port(1, &rate)), com_port(101, &rate), "the inputs are sent once");
}

#[test]
fn nothing_of_rfc2217_is_there_when_it_is_not_offered() {
    let plain = sermux_protocol::telnet::TelnetOffer { rfc2217: false, ..offer() };
    let mut served = Served::with(plain);
    for command in 0..=12 {
        assert_eq!(served.hears(&com_port(command, &[8])), b"", "{command}");
    }
    assert_eq!(served.requests, []);
    assert!(!served.telnet.is_suspended());
    assert!(!served.telnet.wants_modem_state());
    assert_eq!(served.telnet.client_signature(), None);
    assert_eq!(served.hears(b"\xFF\xFB\x2C\xFF\xFD\x2C"), b"\xFF\xFE\x2C\xFF\xFC\x2C");
}
