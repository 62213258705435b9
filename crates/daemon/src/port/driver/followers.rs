//! Followers: they receive the line's bytes for a while without being clients, and change nothing about the port.

use std::time::Instant;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::Sender;

use crate::port::link::Followed;

/// All of a port.
#[derive(Debug, Default)]
pub(super) struct Followers(Vec<Follower>);

#[derive(Debug)]
struct Follower {
    to: Sender<Followed>,
    /// What it has missed since it took something.
    lost: u64,
}

impl Followers {
    /// Adds a follower, and removes those that have disconnected: on a silent line nothing else would.
    pub(super) fn add(&mut self, to: Sender<Followed>, now: Instant) {
        self.0.retain(|follower| !follower.to.is_closed());
        let mut follower = Follower { to, lost: 0 };
        if follower.give(&[], now) {
            self.0.push(follower);
        }
    }

    /// Gives received bytes to all followers, and removes those that have disconnected.
    pub(super) fn rx(&mut self, bytes: &[u8], now: Instant) {
        self.0.retain_mut(|follower| follower.give(bytes, now));
    }
}

impl Follower {
    /// Whether it is still there.
    fn give(&mut self, bytes: &[u8], at: Instant) -> bool {
        match self.to.try_send(Followed { at, lost: self.lost, bytes: bytes.to_vec() }) {
            Ok(()) => self.lost = 0,
            Err(TrySendError::Full(_)) => self.lost += bytes.len() as u64,
            Err(TrySendError::Closed(_)) => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    #[test]
    fn what_finds_no_room_is_counted_and_whoever_has_gone_is_forgotten() {
        let at = Instant::now();
        let (to, mut pieces) = mpsc::channel(2);
        let mut followers = Followers::default();
        followers.add(to, at);
        for bytes in [b"abc", b"def", b"ghi"] {
            followers.rx(bytes, at);
        }
        let mut next = || pieces.try_recv().map(|piece| (piece.lost, piece.bytes));
        assert_eq!(next(), Ok((0, Vec::new())));
        assert_eq!(next(), Ok((0, b"abc".to_vec())));
        followers.rx(b"jkl", at);
        assert_eq!(next(), Ok((6, b"jkl".to_vec())));
        followers.rx(b"mno", at);
        assert_eq!(next(), Ok((0, b"mno".to_vec())));
        drop(pieces);
        followers.rx(b"pqr", at);
        assert!(followers.0.is_empty());
    }

    #[test]
    fn those_who_have_gone_do_not_add_up_on_a_silent_line() {
        let mut followers = Followers::default();
        for _ in 0..3 {
            let (to, pieces) = mpsc::channel(2);
            followers.add(to, Instant::now());
            drop(pieces);
        }
        assert_eq!(followers.0.len(), 1);
    }
}
