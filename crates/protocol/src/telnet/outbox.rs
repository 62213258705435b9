//! Bytes that a session has for its peer and that are not data: negotiation, answers, notifications, text.

use memchr::memchr;

use super::code::{IAC, SB, SE};
use super::escape::leading_iacs;
use super::negotiation::Verb;

/// A queue of bytes. Its owner limits it, by taking no more input while much of it is unsent.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    /// The number of them that were taken.
    taken: usize,
}

impl Outbox {
    /// What waits to be sent.
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    /// The first `n` bytes were sent.
    pub(crate) fn take(&mut self, n: usize) {
        debug_assert!(n <= self.bytes.len() - self.taken, "more was taken than there is");
        self.taken = (self.taken + n).min(self.bytes.len());
        // What is left moves to the front once that is cheap, so that a peer that reads slowly but steadily does not
        // make this grow.
        if self.taken * 2 >= self.bytes.len() {
            self.bytes.drain(..self.taken);
            self.taken = 0;
            self.bytes.shrink_to(KEPT);
        }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// With each 0xFF doubled.
    pub(crate) fn push_data(&mut self, data: &[u8]) {
        let mut rest = data;
        while let Some(text) = memchr(IAC, rest) {
            let run = leading_iacs(&rest[text..]);
            self.push(&rest[..text]);
            self.bytes.resize(self.bytes.len() + 2 * run, IAC);
            rest = &rest[text + run..];
        }
        self.push(rest);
    }

    /// The second half of a pair whose first half was the last thing that was sent.
    pub(crate) fn push_front_iac(&mut self) {
        self.bytes.insert(self.taken, IAC);
    }

    pub(crate) fn negotiate(&mut self, verb: Verb, option: u8) {
        self.push(&[IAC, verb.code(), option]);
    }

    /// `IAC SB option command value IAC SE`, with each 0xFF in the value doubled.
    pub(crate) fn subnegotiate(&mut self, option: u8, command: u8, value: &[u8]) {
        self.push(&[IAC, SB, option, command]);
        self.push_data(value);
        self.push(&[IAC, SE]);
    }
}

/// So much memory is kept for the next time.
const KEPT: usize = 4096;
