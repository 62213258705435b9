//! The client's end: what it puts on the wire, and what it makes of what it hears.

use sermux_port_config::signal::{LineState, ModemControl, ModemState};
use sermux_protocol::rfc2217::client::{ClientEvent, TelnetClient};
use sermux_protocol::rfc2217::{Request, View};

use crate::rig::*;

struct Wired {
    client: TelnetClient,
    data: Vec<u8>,
}

impl Wired {
    /// Its offers are on their way.
    fn new() -> Self {
        let mut wired = Wired { client: TelnetClient::new("tests"), data: Vec::new() };
        assert_eq!(wired.sends(), hex("FF FB 2C FF FD 2C FF FB 00 FF FD 00 FF FB 03 FF FD 03"));
        wired
    }

    fn hears(&mut self, bytes: &[u8]) -> Vec<ClientEvent> {
        let mut input = bytes;
        std::iter::from_fn(|| self.client.decode(&mut input, &mut self.data)).collect()
    }

    fn sends(&mut self) -> Vec<u8> {
        let sent = self.client.outbox().to_vec();
        self.client.outbox_taken(sent.len());
        sent
    }
}

#[test]
fn each_request_has_its_bytes() {
    let mut wired = Wired::new();
    for (request, bytes) in [
        (Request::Signature, "FF FA 2C 00 FF F0"),
        (Request::BaudRate(115_200), "FF FA 2C 01 00 01 C2 00 FF F0"),
        (Request::BaudRate(65_317), "FF FA 2C 01 00 00 FF FF 25 FF F0"),
        (Request::BaudRate(0), "FF FA 2C 01 00 00 00 00 FF F0"),
        (Request::CiscoBaudRate(14), "FF FA 2C 01 0E FF F0"),
        (Request::DataSize(8), "FF FA 2C 02 08 FF F0"),
        (Request::Parity(1), "FF FA 2C 03 01 FF F0"),
        (Request::StopSize(1), "FF FA 2C 04 01 FF F0"),
        (Request::Control(8), "FF FA 2C 05 08 FF F0"),
        (Request::LineState, "FF FA 2C 06 FF F0"),
        (Request::ModemState, "FF FA 2C 07 FF F0"),
        (Request::LineStateMask(0x1E), "FF FA 2C 0A 1E FF F0"),
        (Request::ModemStateMask(255), "FF FA 2C 0B FF FF FF F0"),
        (Request::Purge(3), "FF FA 2C 0C 03 FF F0"),
        (Request::AreYouThere, "FF F6"),
        (Request::TimingMark, "FF FD 06"),
        (Request::BreakPulse, "FF F3"),
    ] {
        wired.client.request(request);
        assert_eq!(wired.sends(), hex(bytes), "{request:?}");
    }
    wired.client.suspend();
    wired.client.resume();
    assert_eq!(wired.sends(), hex("FF FA 2C 08 FF F0 FF FA 2C 09 FF F0"));
}

#[test]
fn each_answer_is_an_event_and_part_of_the_view() {
    let mut wired = Wired::new();
    let mut view = View::default();
    let mut hear = |command: u8, value: &[u8], event: ClientEvent, change: &dyn Fn(&mut View)| {
        change(&mut view);
        assert_eq!(wired.hears(&com_port(command, value)), [event]);
        assert_eq!(*wired.client.view(), view, "{event:?}");
    };
    let settings = |settings: &'static str| move |view: &mut View| view.settings = line(settings);
    hear(101, &115_200_u32.to_be_bytes(), ClientEvent::BaudRate(115_200), &settings("115200"));
    hear(101, &0_u32.to_be_bytes(), ClientEvent::BaudRate(0), &|_| ());
    hear(101, &[8], ClientEvent::CiscoBaudRate(8), &settings("9600"));
    hear(101, &[99], ClientEvent::CiscoBaudRate(99), &|_| ());
    hear(102, &[7], ClientEvent::DataSize(7), &settings("9600 7N1"));
    hear(102, &[9], ClientEvent::DataSize(9), &|_| ());
    hear(103, &[3], ClientEvent::Parity(3), &settings("9600 7E1"));
    hear(104, &[2], ClientEvent::StopSize(2), &settings("9600 7E2"));
    hear(105, &[3], ClientEvent::Control(3), &settings("9600 7E2 rts-cts"));
    hear(105, &[2], ClientEvent::Control(2), &settings("9600 7E2 xon-xoff"));
    hear(105, &[14], ClientEvent::Control(14), &settings("9600 7E2 xon-xoff-out"));
    hear(105, &[1], ClientEvent::Control(1), &settings("9600 7E2"));
    hear(105, &[15], ClientEvent::Control(15), &settings("9600 7E2 xon-xoff-in"));
    hear(105, &[17], ClientEvent::Control(17), &|_| ());
    hear(105, &[5], ClientEvent::Control(5), &|view| view.break_on = true);
    hear(105, &[6], ClientEvent::Control(6), &|view| view.break_on = false);
    hear(105, &[8], ClientEvent::Control(8), &|view| view.outputs = ModemControl { dtr: true, rts: false });
    hear(105, &[11], ClientEvent::Control(11), &|view| view.outputs = ModemControl { dtr: true, rts: true });
    hear(105, &[9], ClientEvent::Control(9), &|view| view.outputs = ModemControl { dtr: false, rts: true });
    hear(105, &[12], ClientEvent::Control(12), &|view| view.outputs = ModemControl::default());
    hear(107, &[0xB9], ClientEvent::ModemState(0xB9), &|view| {
        view.inputs = ModemState { cts: true, dsr: true, ri: false, dcd: true };
    });
    hear(106, &[0xFF], ClientEvent::LineState(255), &|view| {
        view.line_state = LineState {
            break_detected: true,
            framing_error: true,
            parity_error: true,
            overrun_error: true,
            tx_holding_empty: true,
            tx_shift_empty: true,
        };
    });
    hear(110, &[0x1E], ClientEvent::LineStateMask(0x1E), &|_| ());
    hear(111, &[255], ClientEvent::ModemStateMask(255), &|_| ());
    hear(112, &[3], ClientEvent::Purge(3), &|_| ());
    hear(100, b"gensio\x07", ClientEvent::Signature, &|_| ());
    assert_eq!(wired.client.server_signature(), Some("gensio."));
    assert_eq!(wired.client.unusable(), 0);
    assert_eq!(wired.sends(), b"");
}

#[test]
fn com_port_is_agreed_or_refused_once_both_directions_are_clear() {
    for (heard, events) in [
        ("FF FD 2C", &[ClientEvent::Agreed][..]),
        ("FF FB 2C", &[ClientEvent::Agreed]),
        ("FF FB 2C FF FD 2C", &[ClientEvent::Agreed]),
        ("FF FE 2C FF FB 2C", &[ClientEvent::Agreed]),
        ("FF FE 2C", &[]),
        ("FF FE 2C FF FC 2C", &[ClientEvent::Refused]),
        ("FF FC 2C FF FE 2C", &[ClientEvent::Refused]),
        ("FF FD 2C FF FC 2C FF FE 2C", &[ClientEvent::Agreed, ClientEvent::Refused]),
    ] {
        let mut wired = Wired::new();
        assert_eq!(wired.hears(&hex(heard)), events, "{heard}");
        assert_eq!(wired.client.is_agreed(), events.last() == Some(&ClientEvent::Agreed));
    }
}

#[test]
fn suspension_by_the_server_is_told_and_ends_with_the_option() {
    let mut wired = Wired::new();
    wired.hears(b"\xFF\xFD\x2C");
    assert_eq!(wired.hears(&com_port(108, &[])), [ClientEvent::Suspended]);
    assert!(wired.client.is_suspended());
    assert_eq!(wired.hears(&com_port(109, &[])), [ClientEvent::Resumed]);
    assert!(!wired.client.is_suspended());
    wired.hears(&com_port(108, &[]));
    assert_eq!(wired.hears(b"\xFF\xFE\x2C\xFF\xFC\x2C"), [ClientEvent::Refused]);
    assert!(!wired.client.is_suspended());
}

#[test]
fn the_server_may_ask_for_our_signature_and_for_timing_marks() {
    let mut wired = Wired::new();
    assert_eq!(wired.hears(&com_port(100, &[])), []);
    assert_eq!(wired.sends(), com_port(0, b"tests"));
    assert_eq!(wired.hears(b"\xFF\xFD\x06"), []);
    assert_eq!(wired.sends(), b"\xFF\xFB\x06");
    assert_eq!(wired.hears(b"\xFF\xFB\x06"), [ClientEvent::TimingMark]);
    assert_eq!(wired.sends(), b"");
}

#[test]
fn options_of_terminals_are_refused() {
    let mut wired = Wired::new();
    assert_eq!(wired.hears(b"\xFF\xFB\x01\xFF\xFD\x01\xFF\xFD\x18\xFF\xFD\x1F\xFF\xFB\x05"), []);
    assert_eq!(wired.sends(), b"\xFF\xFD\x01\xFF\xFC\x01\xFF\xFC\x18\xFF\xFC\x1F\xFF\xFE\x05");
}

#[test]
fn what_is_not_for_clients_is_counted_and_ignored() {
    let mut wired = Wired::new();
    let view = *wired.client.view();
    for (command, value) in
        [(5, &[8][..]), (101, &[0, 1]), (102, &[]), (105, &[8, 8]), (107, &[]), (112, &[]), (113, &[1])]
    {
        assert_eq!(wired.hears(&com_port(command, value)), [], "{command}");
    }
    assert_eq!(wired.client.unusable(), 7);
    assert_eq!(*wired.client.view(), view);
    assert_eq!(wired.sends(), b"");
}

#[test]
fn data_and_requests_keep_their_order() {
    let mut wired = Wired::new();
    wired.client.send(b"one\xFF");
    wired.client.request(Request::DataSize(7));
    wired.client.send(b"\xFF\xFFtwo");
    assert_eq!(wired.sends(), b"one\xFF\xFF\xFF\xFA\x2C\x02\x07\xFF\xF0\xFF\xFF\xFF\xFFtwo");
}

#[test]
fn cr_is_padded_only_for_a_server_that_refused_binary() {
    let mut wired = Wired::new();
    wired.client.send(b"\r\n\r\xFF");
    assert_eq!(wired.sends(), b"\r\n\r\xFF\xFF", "not answered yet");
    wired.hears(b"\xFF\xFD\x00");
    wired.client.send(b"\r\n\r\xFF");
    assert_eq!(wired.sends(), b"\r\n\r\xFF\xFF", "agreed");
    wired.hears(b"\xFF\xFE\x00");
    wired.sends();
    wired.client.send(b"\r\n\r\xFF");
    assert_eq!(wired.sends(), b"\r\0\n\r\0\xFF\xFF", "refused");
}

#[test]
fn cr_nul_from_a_server_outside_binary_is_cr() {
    let mut wired = Wired::new();
    wired.hears(b"a\r\0b\r\n");
    assert_eq!(wired.data, b"a\rb\r\n");
    wired.hears(b"\xFF\xFB\x00\r\0");
    assert_eq!(wired.data, b"a\rb\r\n\r\0");
}
