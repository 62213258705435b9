//! Telnet (RFC 854) on the server's side.

pub mod escape;
use sermux_port_config::signal::{LineState, ModemState};

use crate::rfc2217::{Request, View};

/// What a telnet listener offers its clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Whether the line can be set and asked for (RFC 2217).
    pub rfc2217: bool,
    /// What SIGNATURE is answered with.
    pub signature: String,
    /// CR LF and CR NUL from the client both become CR.
    pub enter_is_cr: bool,
    /// A Synch (DM) from the client is a break.
    pub break_on_sync: bool,
}

/// The state of one telnet client.
#[derive(Debug)]
pub struct Telnet {}

impl Telnet {
    /// A client that has just connected; what is offered to it is in the outbox.
    pub fn new(_offer: Offer) -> Self {
        Telnet {}
    }

    /// Appends the data in `input` to `data`, up to the next request, and moves `input` behind what was taken. `None`:
    /// all of `input` was taken.
    pub fn decode(&mut self, input: &mut &[u8], data: &mut Vec<u8>) -> Option<Request> {
        data.extend_from_slice(input);
        *input = &[];
        None
    }

    /// Answers a request from what is known of the line, after its effect.
    pub fn answer(&mut self, _request: Request, _view: &View) {}

    /// Tells the client, if it wants to know, that inputs changed.
    pub fn modem_changed(&mut self, _inputs: ModemState, _ri_fell: bool) {}

    /// Tells the client, if it wants to know, what the receiver noticed.
    pub fn line_changed(&mut self, _noticed: LineState) {}

    /// Whether it wants to be told of changes of the modem state.
    pub fn wants_modem_state(&self) -> bool {
        false
    }

    /// Whether it wants to be told of changes of the line state.
    pub fn wants_line_state(&self) -> bool {
        false
    }

    /// Whether the client asked for no data for now.
    pub fn is_suspended(&self) -> bool {
        false
    }

    /// Bytes for the client that did not come from the line: negotiation, answers, notifications, text.
    pub fn outbox(&self) -> &[u8] {
        &[]
    }

    /// The connection took the first `n` bytes of the outbox.
    pub fn outbox_taken(&mut self, _n: usize) {}

    /// owes
    pub fn owe_ff(&mut self) {}

    /// Puts text for the person at the client into the outbox.
    pub fn say(&mut self, _text: &[u8]) {}
}
