//! The protocol state of one client.

use crate::telnet::code::{COM_PORT, IAC};
use crate::telnet::negotiation::Verb;
use crate::telnet::{Offer, Telnet};

/// What a client's protocol makes of its bytes.
///
/// It knows nothing of rights: whether its data may be written, or its requests carried out, is the hub's to decide.
#[derive(Debug)]
pub enum Session {
    /// Bytes as they are, in both directions.
    Raw,
    /// Telnet, with RFC 2217 if that is offered.
    Telnet(Box<Telnet>),
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
        Session::Raw
    }

    /// The session of a client on a telnet listener.
    pub fn telnet(offer: Offer) -> Self {
        Session::Telnet(Box::new(Telnet::new(offer)))
    }
}
