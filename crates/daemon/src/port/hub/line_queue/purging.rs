//! Purges: they overtake all other requests, and no later request of the same asker overtakes them.

use sermux_port_config::signal::{Effect, Purge};

use super::asked::{Asked, Asker, Outcome};
use super::{LineQueue, Presence, Todo};
use crate::line::Snapshot;

/// A purge that is on its way, or waits for another.
#[derive(Debug)]
pub(super) struct Purging {
    pub(super) asker: Option<Asker>,
    pub(super) asked: Asked,
    pub(super) purge: Purge,
    /// The offset behind the bytes that were queued for the line before it.
    pub(super) after_all: u64,
    /// … by its asker.
    pub(super) after_own: u64,
    /// Its asker is gone, and it is not to be done.
    pub(super) cancelled: bool,
}

impl LineQueue {
    pub(super) fn purge_in(&self, asked: &Asked) -> Option<Purge> {
        match asked {
            Asked::Request(request) => match request.effect(&self.view) {
                Effect::Purge(purge) => Some(purge),
                _ => None,
            },
            Asked::Effect(Effect::Purge(purge)) => Some(*purge),
            Asked::Effect(_) => None,
        }
    }

    pub(super) fn step_purge(&mut self) -> Option<Todo> {
        if self.purging {
            return None;
        }
        while self.purges.front().is_some_and(|purging| purging.cancelled) {
            self.purges.pop_front();
        }
        let Purging { asker, purge, after_all, .. } = *self.purges.front()?;
        if self.presence == Presence::Open {
            (self.purging, self.start_purge) = (true, Some(purge));
            return Some(Todo::Purge { asker, purge, before: after_all });
        }
        let purging = self.purges.pop_front()?;
        match asker {
            Some(asker) => Some(Todo::Answer(asker, purging.asked, Outcome::NoLine)),
            None => self.step_purge(),
        }
    }

    /// Whether a purge that this asker asked for before is not done yet: answers come in order.
    pub(super) fn is_purging(&self, asker: Asker, purges_before: u64) -> bool {
        let done = self.purges_asked - self.purges.len() as u64;
        let ahead = usize::try_from(purges_before.saturating_sub(done)).unwrap_or(usize::MAX);
        self.purges.iter().take(ahead).any(|purging| purging.asker == Some(asker))
    }

    /// The purge to be started now, past the operation that is on its way.
    pub(in crate::port::hub) fn poll_purge(&mut self) -> Option<Purge> {
        self.start_purge.take()
    }

    /// The purge came back.
    pub(in crate::port::hub) fn purge_done(&mut self, snapshot: Option<&Snapshot>) -> Option<Todo> {
        self.purging = false;
        self.tx_written();
        let Purging { asker, asked, .. } = self.purges.pop_front()?;
        if let Some(snapshot) = snapshot.filter(|_| self.presence == Presence::Open) {
            self.seen(snapshot);
        }
        asker.map(|asker| Todo::Answer(asker, asked, if snapshot.is_some() { Outcome::Done } else { Outcome::Failed }))
    }
}
