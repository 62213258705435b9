//! The protocol state of one client.

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
