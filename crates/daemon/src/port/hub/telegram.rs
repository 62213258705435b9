//! The latest telegram of a port, kept for status and API: one of those whose CRC is right, or that have none.
//!
//! It is a copy, in the same memory each time: the ring gives up a telegram when the clients have it, and nobody who looks on
//! is to hold up the ring.

use std::time::Instant;

use sermux_protocol::frame::Check;

/// A telegram, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telegram {
    /// Its bytes, from `/` to the end of the line with the CRC.
    pub bytes: Vec<u8>,
    /// How many there were of this port so far, itself included.
    pub number: u64,
    /// What its CRC says.
    pub check: Check,
    /// When the last of it came.
    pub came: Instant,
}

/// The latest one, if there was any.
#[derive(Debug, Default)]
pub(super) struct Latest(Option<Box<Telegram>>);

impl Latest {
    /// This one came.
    pub(super) fn keep(&mut self, pieces: [&[u8]; 2], check: Check, came: Instant) {
        let new = || Box::new(Telegram { bytes: Vec::new(), number: 0, check, came });
        let telegram = self.0.get_or_insert_with(new);
        telegram.bytes.clear();
        pieces.iter().for_each(|piece| telegram.bytes.extend_from_slice(piece));
        telegram.number += 1;
        (telegram.check, telegram.came) = (check, came);
    }

    pub(super) fn get(&self) -> Option<&Telegram> {
        self.0.as_deref()
    }
}
