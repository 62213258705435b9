//! How a client stands, for whoever asks.

use sermux_protocol::session::Session;

use super::{ClientId, Feed, Hub, Input};
use crate::port::report::Standing;

impl Hub {
    /// How this client stands.
    #[must_use]
    pub fn standing(&self, id: ClientId) -> Option<Standing> {
        let client = self.clients.get(id)?;
        let is_deaf = client.is_deaf();
        let lag = match &client.feed {
            _ if is_deaf => 0,
            Feed::Bytes { cursor } => self.ring.head() - cursor,
            Feed::Frames(feed) => {
                let frames = self.frames.as_ref()?;
                let next = frames.held(feed.next.max(frames.first_held()));
                let newest = frames.seen().checked_sub(1).and_then(|newest| frames.held(newest));
                let held = next.zip(newest).map_or(0, |(next, newest)| newest.end - next.start);
                feed.rest().len() as u64 + held
            }
        };
        let signature = match &client.session {
            Session::Telnet(telnet) => telnet.client_signature().map(str::to_owned),
            Session::Raw => None,
        };
        Some(Standing {
            admission: client.admission,
            counters: client.counters,
            lag,
            lag_since: if is_deaf { None } else { self.lag_since(&client.feed) },
            replayed: client.replayed,
            suspended: client.is_suspended(),
            has_pen: self.has_pen(id),
            half_closed: client.input != Input::Open,
            signature,
        })
    }
}
