//! Counts peers that may not connect, and logs them without filling the log.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use crate::net::peer::Peer;

/// After one was logged, others are counted for this time before they are logged, all together.
const QUIET: Duration = Duration::from_secs(60);

/// Connections that one listener closed for one reason.
#[derive(Debug, Default)]
pub(super) struct TurnedAway {
    /// So far.
    total: u64,
    /// Of these, how many were not said yet, and the latest of them.
    unsaid: Option<(u64, Peer)>,
    quiet_until: Option<Instant>,
}

impl TurnedAway {
    /// One more; how many they are now. The first one is logged at once.
    pub(super) fn add(&mut self, port: &str, listener: &str, peer: Peer, why: &dyn fmt::Display) -> u64 {
        self.total += 1;
        if self.quiet_until.is_some_and(|until| Instant::now() < until) {
            let unsaid = self.unsaid.map_or(0, |(count, _)| count);
            self.unsaid = Some((unsaid + 1, peer));
        } else {
            self.quiet_until = Some(Instant::now() + QUIET);
            warn!(event = %"client.turned-away", %port, address = %listener, client = %peer.host(), total = self.total,
                "connection refused: {why}");
        }
        self.total
    }

    /// How many they are.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// When [`TurnedAway::sum_up`] is to be called.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.quiet_until.filter(|_| self.unsaid.is_some())
    }

    /// Says what was not said: it was because of `what`.
    pub(super) fn sum_up(&mut self, port: &str, listener: &str, what: &str) {
        if let Some((count, latest)) = self.unsaid.take() {
            self.quiet_until = Some(Instant::now() + QUIET);
            warn!(event = %"client.turned-away", %port, address = %listener, client = %latest.host(), total = self.total,
                count, "connections refused by {what} in the last minute: {count}; the latest came from this address");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: Peer = Peer::Unix { pid: None, uid: 0 };

    #[tokio::test(start_paused = true)]
    async fn the_first_is_said_at_once_and_the_others_once_a_minute() {
        let mut turned_away = TurnedAway::default();
        turned_away.add("p", "*:1", PEER, &"no");
        assert_eq!(turned_away.deadline(), None, "nothing is left to be logged");
        for total in 2..=1000 {
            assert_eq!(turned_away.add("p", "*:1", PEER, &"no"), total);
        }
        let due = turned_away.deadline().unwrap();
        assert_eq!(due - Instant::now(), QUIET);
        tokio::time::advance(QUIET).await;
        turned_away.sum_up("p", "*:1", "limits");
        assert_eq!(turned_away.deadline(), None, "no wake-ups while nobody comes");
        turned_away.add("p", "*:1", PEER, &"no");
        assert_eq!(turned_away.deadline().unwrap() - Instant::now(), QUIET, "a minute after the last line");
        tokio::time::advance(2 * QUIET).await;
        turned_away.sum_up("p", "*:1", "limits");
        tokio::time::advance(2 * QUIET).await;
        turned_away.add("p", "*:1", PEER, &"no");
        assert_eq!(turned_away.deadline(), None, "after a quiet minute the first is logged at once again");
    }
}
