//! The protocol state of one client.

/// What a client's protocol makes of its bytes: the one thing the hub asks, whatever the client speaks.
///
/// A session answers one question: which of the bytes that a client sent are data for the line? It holds no bytes and
/// knows nothing of rights: whether the data may be written at all is the hub's to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Session {
    /// Bytes as they are, in both directions.
    Raw,
}

impl Session {
    /// The session of a client on a raw listener.
    pub fn raw() -> Self {
        Session::Raw
    }

    /// The data for the line in what the client sent. Any split of the client's bytes yields the same data.
    pub fn decode<'a>(&mut self, input: &'a [u8]) -> &'a [u8] {
        match self {
            Session::Raw => input,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raw_client_writes_every_byte_as_it_is() {
        let every_byte: Vec<u8> = (0..=255).collect();
        assert_eq!(Session::raw().decode(&every_byte), every_byte);
        assert_eq!(Session::raw().decode(&[]), b"");
    }
}
