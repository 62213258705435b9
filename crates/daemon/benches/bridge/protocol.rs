//! The protocol of a subject's clients: raw, or telnet that negotiates nothing, since data never waits for that.

use crate::pattern::Pattern;

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Protocol {
    Raw,
    /// RFC 854, in the place of the server with RFC 2217 on offer.
    Telnet,
}

impl Protocol {
    /// What came from the line of all that a client has heard so far: not the negotiation that a telnet server begins
    /// with, commands of three bytes (RFC 854). Lines begin with probes, and these have no 0xFF.
    pub(crate) fn data(self, mut heard: &[u8]) -> &[u8] {
        while self == Self::Telnet && heard.first() == Some(&IAC) {
            heard = heard.get(3..).unwrap_or_default();
        }
        heard
    }

    /// How the first `bytes` bytes of a pattern travel between subject and client: as what, and how many.
    pub(crate) fn on_the_wire(self, pattern: &Pattern, bytes: u64) -> (Pattern, u64) {
        match self {
            Self::Raw => (pattern.clone(), bytes),
            Self::Telnet => pattern.doubled(IAC, bytes),
        }
    }
}

/// Telnet doubles it in data.
pub(crate) const IAC: u8 = 0xFF;
