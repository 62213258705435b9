//! Once its buffers have grown, a session allocates nothing: not for data, not for requests, answers and notifications.

use sermux_port_config::signal::{LineState, ModemState};
use sermux_protocol::rfc2217::{Request, View};
use sermux_protocol::telnet::escape::{escape, taken};
use sermux_protocol::telnet::{TelnetOffer, TelnetSession};

/// Everything that comes often: data with and without 0xFF and CR, settings, polls, masks, AYT, negotiation.
const INPUT: &[u8] = b"data\xFF\xFF\r\0more\r\n\xFF\xFF\xFF\xFF\
    \xFF\xFA\x2C\x01\x00\x01\xC2\x00\xFF\xF0\xFF\xFA\x2C\x02\x08\xFF\xF0\xFF\xFA\x2C\x05\x08\xFF\xF0\
    \xFF\xFA\x2C\x06\xFF\xF0\xFF\xFA\x2C\x07\xFF\xF0\xFF\xFA\x2C\x0A\x1E\xFF\xF0\xFF\xFA\x2C\x0B\xFF\xFF\xFF\xF0\
    \xFF\xFA\x2C\x00\xFF\xF0\xFF\xFA\x2C\x08\xFF\xF0\xFF\xFA\x2C\x09\xFF\xF0\xFF\xF6\xFF\xF3\
    \xFF\xFD\x2C\xFF\xFE\x2C\xFF\xFB\x18\xFF\xFD\x06";

#[test]
fn a_session_that_is_warm_allocates_nothing() {
    let mut telnet = TelnetSession::new(TelnetOffer {
        rfc2217: true,
        signature: "sermux".to_owned(),
        enter_is_cr: false,
        break_on_sync: true,
    });
    let mut view = View::default();
    let mut data = Vec::new();
    let mut requests = 0;
    let mut read = |cut: usize| {
        data.clear();
        for mut piece in [&INPUT[..cut], &INPUT[cut..]] {
            while let Some(request) = telnet.decode(&mut piece, &mut data) {
                requests += usize::from(request != Request::ModemState);
                telnet.answer(request, &view);
                view.inputs.cts = !view.inputs.cts;
                telnet.modem_changed(ModemState { dsr: !view.inputs.cts, ..view.inputs }, false);
                telnet.line_changed(LineState { break_detected: true, ..LineState::default() });
            }
        }
        // The connection takes it in two pieces, the second in the middle of a pair.
        telnet.outbox_taken(telnet.outbox().len() / 2);
        telnet.outbox_taken(telnet.outbox().len());
        telnet.owe_ff();
        telnet.outbox_taken(1);
    };
    (0..3).for_each(|_| read(INPUT.len()));
    let counted = allocation_counter::measure(|| (0..INPUT.len()).for_each(&mut read));
    assert_eq!(counted.count_total, 0);
    assert_eq!(requests, 10 * (INPUT.len() + 3));
}

#[test]
fn escaping_allocates_nothing() {
    let mut out = [0; 64];
    let counted = allocation_counter::measure(|| {
        let mut rest = INPUT;
        while !rest.is_empty() {
            let (count, written) = escape(rest, &mut out);
            assert_eq!(taken(&out[..written]).data, count);
            rest = &rest[count..];
        }
    });
    assert_eq!(counted.count_total, 0);
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocation_counter::measure(|| drop(vec![0_u8; 10])).count_total, 1);
}
