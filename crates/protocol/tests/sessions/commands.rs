//! The commands of telnet itself.

use std::time::Duration;

use sermux_port_config::signal::Effect;
use sermux_protocol::rfc2217::Request;
use sermux_protocol::telnet::TelnetOffer;

use crate::rig::*;

#[test]
fn are_you_there_is_answered_in_words() {
    for rfc2217 in [true, false] {
        let mut served = Served::with(TelnetOffer { rfc2217, ..offer() });
        assert_eq!(served.hears(b"\xFF\xF6"), b"\r\n[Yes]\r\n");
        assert_eq!(served.requests, [Request::AreYouThere]);
        assert_eq!(served.effects, [Effect::Nothing]);
    }
}

#[test]
fn each_timing_mark_comes_back_in_its_turn() {
    let mut served = Served::new();
    assert_eq!(served.hears(b"one\xFF\xFD\x06two\xFF\xFD\x06"), b"\xFF\xFB\x06\xFF\xFB\x06");
    assert_eq!(served.requests, [Request::TimingMark; 2]);
    assert_eq!(served.effects, [Effect::Nothing, Effect::Nothing]);
    // We asked for none, so WILL is refused and the rest is nothing.
    assert_eq!(served.hears(b"\xFF\xFE\x06\xFF\xFC\x06"), b"");
    assert_eq!(served.hears(b"\xFF\xFB\x06"), b"\xFF\xFE\x06");
}

#[test]
fn brk_is_a_short_break_whether_or_not_there_is_rfc2217() {
    for rfc2217 in [true, false] {
        let mut served = Served::with(TelnetOffer { rfc2217, ..offer() });
        assert_eq!(served.hears(b"\xFF\xF3"), b"");
        assert_eq!(served.effects, [Effect::BreakPulse(Duration::from_millis(250))]);
    }
}

#[test]
fn a_synch_is_a_break_only_where_that_is_configured() {
    for break_on_sync in [true, false] {
        let mut served = Served::with(TelnetOffer { break_on_sync, ..offer() });
        assert_eq!(served.hears(b"a\xFF\xF2b"), b"");
        assert_eq!(served.data, b"ab");
        assert_eq!(served.requests.len(), usize::from(break_on_sync));
    }
}

#[test]
fn commands_to_a_terminal_or_process_are_ignored() {
    let mut served = Served::new();
    assert_eq!(served.hears(b"a\xFF\xF1b\xFF\xF4c\xFF\xF5d\xFF\xF7e\xFF\xF8f\xFF\xF9g\xFF\xF0h"), b"");
    assert_eq!(served.data, b"abcdefgh");
    assert_eq!(served.requests, []);
    assert_eq!(served.telnet.counters().unknown_commands, 0);
}

#[test]
fn what_is_no_command_is_counted() {
    let mut served = Served::new();
    for byte in 0..240 {
        assert_eq!(served.hears(&[255, byte]), b"");
    }
    assert_eq!(served.data, b"");
    assert_eq!(served.telnet.counters().unknown_commands, 240);
}

#[test]
fn a_value_may_be_256_bytes_long() {
    let mut served = Served::agreed();
    assert_eq!(served.hears(&com_port(0, &[255; 256])), b"");
    assert_eq!(served.telnet.client_signature().map(str::len), Some(256));
    assert_eq!(served.telnet.counters().dropped_subnegotiations, 0);
}

#[test]
fn a_longer_value_is_dropped_up_to_its_end_and_counted() {
    for long in [&[b'x'; 257][..], &[255; 257], &[b'x'; 1000]] {
        let mut served = Served::agreed();
        let bytes = [b"a".to_vec(), com_port(0, long), com_port(2, &[7]), b"b".to_vec()].concat();
        assert_eq!(served.hears(&bytes), com_port(102, &[7]));
        assert_eq!(served.data, b"ab");
        assert_eq!(served.telnet.client_signature(), None);
        assert_eq!(served.telnet.counters().dropped_subnegotiations, 1);
    }
}

#[test]
fn a_subnegotiation_without_end_does_not_swallow_what_comes_next() {
    let mut served = Served::agreed();
    for (next, heard) in [
        (&b"\xFF\xF6"[..], &b"\r\n[Yes]\r\n"[..]),
        (b"\xFF\xFB\x18", b"\xFF\xFE\x18"),
        (b"\xFF\xFA\x2C\x02\x07\xFF\xF0", b"\xFF\xFA\x2C\x66\x07\xFF\xF0"),
    ] {
        let bytes = [b"\xFF\xFA\x2C\x01\x00", next, b"data"].concat();
        assert_eq!(served.hears(&bytes), heard);
        assert_eq!(std::mem::take(&mut served.data), b"data");
    }
    assert_eq!(served.telnet.counters().dropped_subnegotiations, 3);
}

#[test]
fn a_subnegotiation_that_never_ends_is_left_after_1_kib_and_what_follows_is_data() {
    // The option and the command count.
    for content in [&[b'x'; 1022][..], &[255; 2 * 1022]] {
        let mut served = Served::agreed();
        let begin = [&b"a\xFF\xFA\x2C\x00"[..], content].concat();
        served.send(&begin[..begin.len() - 2]);
        assert_eq!(served.telnet.counters().dropped_subnegotiations, 0);
        served.send(&begin[begin.len() - 2..]);
        assert_eq!(served.telnet.counters().dropped_subnegotiations, 1);
        assert_eq!(served.hears(&vec![b'b'; 200_000]), b"");
        assert_eq!(served.data, [&b"a"[..], &vec![b'b'; 200_000]].concat());
        assert_eq!(served.hears(&com_port(2, &[7])), com_port(102, &[7]), "and the next one is whole");
        assert_eq!(served.telnet.counters().dropped_subnegotiations, 1);
    }
}

#[test]
fn text_for_the_person_goes_out_as_it_is() {
    let mut served = Served::new();
    served.telnet.say(b"you are read-only\r\n");
    assert_eq!(served.heard(), b"you are read-only\r\n");
}

#[test]
fn the_second_half_of_a_cut_pair_goes_before_all_else() {
    let mut served = Served::new();
    served.telnet.owe_ff();
    assert_eq!(served.heard(), b"\xFF");

    served.telnet.say(b"text");
    served.telnet.outbox_taken(2);
    served.telnet.owe_ff();
    assert_eq!(served.heard(), b"\xFFxt");
}
