//! What the status shows of a client.

use std::sync::Arc;
use std::time::Instant;

use sermux_port_config::config::Listener;

use super::{ClientCounters, ClientId, Feed, Hub, Input, Kept};

/// How a client is served now.
#[derive(Clone, Debug)]
pub struct ClientState {
    /// What it was granted, and by which listener.
    pub terms: Arc<Listener>,
    /// The key of that listener.
    pub listener: usize,
    /// What happened so far.
    pub counters: ClientCounters,
    /// Bytes of the line that are here and that it has not got yet.
    pub lag: u64,
    /// When the oldest of these came, or a little before that.
    pub lag_since: Option<Instant>,
    /// What it was given of the past when it came.
    pub replayed: Option<Kept>,
    /// It asked for no data for now.
    pub suspended: bool,
    /// It is the one that may write (`write: first` and `last`).
    pub has_pen: bool,
    /// It sends no more, and stays as a reader.
    pub half_closed: bool,
    /// What it says it is (RFC 2217, SIGNATURE).
    pub signature: Option<String>,
}

impl Hub {
    /// How this client is served now.
    #[must_use]
    pub fn client_state(&self, id: ClientId) -> Option<ClientState> {
        let client = self.clients.get(id)?;
        let is_deaf = client.is_deaf();
        let lag = match &client.feed {
            _ if is_deaf => 0,
            Feed::Nothing => 0,
            Feed::Bytes { cursor } => self.ring.head() - cursor,
            Feed::Frames(feed) => {
                let frames = self.release.telegrams()?;
                let next = frames.held(feed.next.max(frames.first_held()));
                let newest = frames.seen().checked_sub(1).and_then(|newest| frames.held(newest));
                let held = next.zip(newest).map_or(0, |(next, newest)| newest.end - next.start);
                feed.rest().len() as u64 + held
            }
        };
        Some(ClientState {
            terms: Arc::clone(&client.terms),
            listener: client.listener,
            counters: client.counters,
            lag,
            lag_since: if is_deaf { None } else { self.lag_since(&client.feed) },
            replayed: client.replayed,
            suspended: client.session.is_suspended(),
            has_pen: self.has_pen(id),
            half_closed: client.input != Input::Open,
            signature: client.session.client_signature().map(str::to_owned),
        })
    }
}
