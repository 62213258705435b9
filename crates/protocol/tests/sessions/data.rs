//! What reaches the line of what a client sends as data.

use sermux_protocol::telnet::code::{BINARY, DO, IAC, WILL};
use sermux_protocol::telnet::TelnetOffer;

use crate::rig::*;

fn received(served: &mut Served, bytes: &[u8]) -> Vec<u8> {
    served.send(bytes);
    std::mem::take(&mut served.data)
}

#[test]
fn data_reaches_the_line_before_anything_was_agreed() {
    assert_eq!(received(&mut Served::new(), b"hello"), b"hello");
}

#[test]
fn every_byte_can_be_sent_and_only_0xff_is_doubled() {
    let every_byte: Vec<u8> = (0..=255).chain(0..=255).collect();
    let doubled: Vec<u8> = every_byte.iter().flat_map(|b| vec![*b; if *b == 255 { 2 } else { 1 }]).collect();
    for binary in [true, false] {
        let mut served = Served::new();
        if binary {
            served.send(&[IAC, WILL, BINARY]);
        }
        assert_eq!(received(&mut served, &doubled), every_byte);
    }
}

#[test]
fn runs_of_0xff_lose_nothing_whatever_their_length() {
    for count in 0..70 {
        let sent = [b"a".to_vec(), vec![255; 2 * count], b"b".to_vec()].concat();
        let data = [b"a".to_vec(), vec![255; count], b"b".to_vec()].concat();
        assert_eq!(received(&mut Served::new(), &sent), data);
        // And a command behind them.
        let mut served = Served::new();
        let sent = [vec![255; 2 * count], b"\xFF\xF6b".to_vec()].concat();
        assert_eq!(received(&mut served, &sent), [vec![255; count], b"b".to_vec()].concat());
        assert_eq!(served.heard(), b"\r\n[Yes]\r\n");
    }
}

#[test]
fn cr_nul_is_cr_outside_binary_and_cr_lf_is_left_alone() {
    for (sent, data) in [
        (&b"a\r\0b"[..], &b"a\rb"[..]),
        (b"a\r\nb", b"a\r\nb"),
        (b"a\rb", b"a\rb"),
        (b"\r\0\r\0", b"\r\r"),
        (b"\r\r\0", b"\r\r"),
        (b"\r\0\0", b"\r\0"),
        (b"\r\n\0", b"\r\n\0"),
        (b"\0\r", b"\0\r"),
        (b"\r\xFF\xFF\0", b"\r\xFF\0"),
        // A command between them is not data.
        (b"\r\xFF\xF1\0x", b"\rx"),
        (b"\r\xFF\xFF\xFF\xF1\0x", b"\r\xFF\0x"),
    ] {
        assert_eq!(received(&mut Served::new(), sent), data, "{sent:02x?}");
    }
}

#[test]
fn in_binary_everything_is_data() {
    let mut served = Served::new();
    served.send(&[IAC, WILL, BINARY]);
    assert_eq!(received(&mut served, b"a\r\0b\r\nc\r\xFF\xFF\0"), b"a\r\0b\r\nc\r\xFF\0");
    // Our own direction is not the client's.
    let mut served = Served::new();
    served.send(&[IAC, DO, BINARY]);
    assert_eq!(received(&mut served, b"a\r\0b"), b"a\rb");
}

#[test]
fn enter_can_be_made_cr() {
    let cr = TelnetOffer { enter_is_cr: true, ..offer() };
    let mut served = Served::with(cr.clone());
    assert_eq!(received(&mut served, b"a\r\nb\r\0c\rd\n\r\n\n"), b"a\rb\rc\rd\n\r\n");
    // In BINARY a NUL is data, but PuTTY's Enter is CR LF there too.
    let mut served = Served::with(cr);
    served.send(&[IAC, WILL, BINARY]);
    assert_eq!(received(&mut served, b"a\r\nb\r\0c"), b"a\rb\r\0c");
}

#[test]
fn data_stands_before_the_request_that_followed_it() {
    let mut served = Served::agreed();
    let bytes = [b"one".to_vec(), com_port(2, &[7]), b"two".to_vec(), com_port(2, &[8])].concat();
    let mut input = &bytes[..];
    let mut data = Vec::new();
    assert!(served.telnet.decode(&mut input, &mut data).is_some());
    assert_eq!(data, b"one");
    assert!(served.telnet.decode(&mut input, &mut data).is_some());
    assert_eq!(data, b"onetwo");
    assert_eq!(input, b"");
    assert!(served.telnet.decode(&mut input, &mut data).is_none());
}
