//! The protocol state of one client.
use crate::telnet::Telnet;

/// What a client speaks.
#[derive(Debug)]
pub enum Session {
    /// Bytes as they are, in both directions.
    Raw,
    /// Telnet.
    Telnet(Box<Telnet>),
}

impl Session {
    /// The session of a client on a raw listener.
    pub fn raw() -> Self {
        Session::Raw
    }
}
