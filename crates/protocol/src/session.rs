//! The protocol state of one client. A further kind of session is an arm of [`Session`]: its user, the hub, does not ask
//! which kind a session is, except whether it is raw, for which there is a shorter way.

use sermux_port_config::signal::{LineState, ModemState};

use crate::rfc2217::{Request, View};
use crate::telnet::code::{COM_PORT, IAC};
use crate::telnet::negotiation::Verb;
use crate::telnet::{escape, TelnetCounters, TelnetOffer, TelnetSession};

/// What a client's protocol makes of its bytes.
///
/// It knows nothing of rights: whether its data may be written, or its requests carried out, is the hub's to decide.
#[derive(Debug)]
pub enum Session {
    /// Bytes as they are, in both directions.
    Raw {
        /// What the client is sent before the line's bytes.
        greeting: Vec<u8>,
    },
    /// Telnet, with RFC 2217 if that is offered.
    Telnet(Box<TelnetSession>),
}

/// What a client seems to speak, by how it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// Bytes as they are.
    Raw,
    /// Telnet.
    Telnet,
    /// Telnet with RFC 2217.
    Rfc2217,
}

impl Speaks {
    /// What a client seems to speak whose first bytes these are; `None`: it may well be raw.
    ///
    /// A telnet client begins with options (RFC 855). Other programs may begin with a 0xFF too, but hardly with these.
    pub fn of_first_bytes(bytes: &[u8]) -> Option<Speaks> {
        let mut words = bytes.chunks_exact(3).take_while(|word| word[0] == IAC && Verb::from_code(word[1]).is_some());
        words.clone().next()?;
        Some(if words.any(|word| word[2] == COM_PORT) { Speaks::Rfc2217 } else { Speaks::Telnet })
    }
}

impl Session {
    /// The session of a client on a raw listener.
    pub fn raw() -> Self {
        Session::Raw { greeting: Vec::new() }
    }

    /// The session of a client on a telnet listener.
    pub fn telnet(offer: TelnetOffer) -> Self {
        Session::Telnet(Box::new(TelnetSession::new(offer)))
    }

    /// Whether bytes pass as they are in both directions, so that there is nothing to be decoded or escaped.
    #[inline]
    pub fn is_raw(&self) -> bool {
        matches!(self, Session::Raw { .. })
    }

    /// Whether the client can ask for something: whether [`Session::decode`] may return a request.
    #[inline]
    pub fn has_requests(&self) -> bool {
        match self {
            Session::Raw { .. } => false,
            Session::Telnet(_) => true,
        }
    }

    /// Whether the client may be sent text that is none of the line's: a raw client is sent the line's bytes and, before
    /// them, its greeting.
    #[inline]
    pub fn shows_text(&self) -> bool {
        match self {
            Session::Raw { .. } => false,
            Session::Telnet(_) => true,
        }
    }

    /// Appends the data in `input` to `data`, up to the next request, and moves `input` behind what was taken. See
    /// [`TelnetSession::decode`].
    pub fn decode(&mut self, input: &mut &[u8], data: &mut Vec<u8>) -> Option<Request> {
        match self {
            Session::Raw { .. } => {
                data.extend_from_slice(std::mem::take(input));
                None
            }
            Session::Telnet(telnet) => telnet.decode(input, data),
        }
    }

    /// Answers a request from what is known of the line, after its effect.
    pub fn answer(&mut self, request: Request, view: &View) {
        match self {
            Session::Raw { .. } => debug_assert!(false, "a raw client asked for {request:?}"),
            Session::Telnet(telnet) => telnet.answer(request, view),
        }
    }

    /// The inputs of the line changed. See [`TelnetSession::modem_changed`]. True: the outbox may have more than before.
    pub fn modem_changed(&mut self, inputs: ModemState, ri_fell: bool) -> bool {
        match self {
            Session::Raw { .. } => false,
            Session::Telnet(telnet) => {
                telnet.modem_changed(inputs, ri_fell);
                true
            }
        }
    }

    /// The receiver noticed something. See [`TelnetSession::line_changed`]. True: the outbox may have more than before.
    pub fn line_changed(&mut self, noticed: LineState) -> bool {
        match self {
            Session::Raw { .. } => false,
            Session::Telnet(telnet) => {
                telnet.line_changed(noticed);
                true
            }
        }
    }

    /// Whether the client wants notifications of the modem state.
    pub fn wants_modem_state(&self) -> bool {
        match self {
            Session::Raw { .. } => false,
            Session::Telnet(telnet) => telnet.wants_modem_state(),
        }
    }

    /// Whether the client wants notifications of the line state.
    pub fn wants_line_state(&self) -> bool {
        match self {
            Session::Raw { .. } => false,
            Session::Telnet(telnet) => telnet.wants_line_state(),
        }
    }

    /// Whether the client asked for no data for now.
    #[inline]
    pub fn is_suspended(&self) -> bool {
        match self {
            Session::Raw { .. } => false,
            Session::Telnet(telnet) => telnet.is_suspended(),
        }
    }

    /// What the client says it is.
    pub fn client_signature(&self) -> Option<&str> {
        match self {
            Session::Raw { .. } => None,
            Session::Telnet(telnet) => telnet.client_signature(),
        }
    }

    /// What else the client seems to speak than this session does, by what was decoded. Of a raw client that shows in its
    /// [first bytes](Speaks::of_first_bytes) alone.
    pub fn seems_to_speak(&self) -> Option<Speaks> {
        match self {
            Session::Raw { .. } => None,
            Session::Telnet(telnet) => telnet.seems_to_speak(),
        }
    }

    /// What could not be used of what the client sent.
    pub fn counters(&self) -> TelnetCounters {
        match self {
            Session::Raw { .. } => TelnetCounters::default(),
            Session::Telnet(telnet) => telnet.counters(),
        }
    }

    /// Puts bytes before what comes from the line: a greeting, or text where the session [shows it](Session::shows_text).
    pub fn say(&mut self, bytes: &[u8]) {
        match self {
            Session::Raw { greeting } => greeting.extend_from_slice(bytes),
            Session::Telnet(telnet) => telnet.say(bytes),
        }
    }

    /// Bytes for the client that did not come from the line. They are sent before the line's.
    #[inline]
    pub fn outbox(&self) -> &[u8] {
        match self {
            Session::Raw { greeting } => greeting,
            Session::Telnet(telnet) => telnet.outbox(),
        }
    }

    /// The connection took the first `n` bytes of the outbox.
    #[inline]
    pub fn outbox_taken(&mut self, n: usize) {
        match self {
            Session::Raw { greeting } => drop(greeting.drain(..n)),
            Session::Telnet(telnet) => telnet.outbox_taken(n),
        }
    }

    /// Whether `data` of the line must be [escaped](Session::escape) for this client; else it can be sent as it is.
    #[inline]
    pub fn needs_escape(&self, data: &[u8]) -> bool {
        match self {
            Session::Raw { .. } => false,
            Session::Telnet(_) => escape::is_needed(data),
        }
    }

    /// Copies `data` of the line to `out` as this client is sent it, as far as there is room. Returns how many bytes of
    /// `data` were taken, and how many of `out` were written.
    #[inline]
    pub fn escape(&self, data: &[u8], out: &mut [u8]) -> (usize, usize) {
        match self {
            Session::Raw { .. } => {
                let n = data.len().min(out.len());
                out[..n].copy_from_slice(&data[..n]);
                (n, n)
            }
            Session::Telnet(_) => escape::escape(data, out),
        }
    }

    /// The connection took `sent` of a buffer that [`Session::escape`] wrote. Returns how many bytes of data that is; what
    /// must follow a piece that was cut is put into the outbox.
    #[inline]
    pub fn escaped_taken(&mut self, sent: &[u8]) -> usize {
        match self {
            Session::Raw { .. } => sent.len(),
            Session::Telnet(telnet) => {
                let taken = escape::taken(sent);
                if taken.owes_ff {
                    telnet.owe_ff();
                }
                taken.data
            }
        }
    }
}
