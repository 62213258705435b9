//! The received bytes that are still held, and where in them a new client begins.

use std::time::Instant;

use sermux_port_config::config::{Port, Replay};

use super::client::{FrameFeed, Kept};
use super::{Feed, Hub};

/// What of the past is kept for clients to come: the most that any of the listeners gives them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct History {
    pub(super) bytes: u64,
    pub(super) frames: u64,
}

impl History {
    pub(super) fn of(port: &Port) -> Self {
        port.listen.iter().fold(Self::default(), |history, listener| match listener.replay {
            Replay::None => history,
            Replay::Bytes(bytes) => Self { bytes: history.bytes.max(bytes as u64), ..history },
            Replay::Frames(frames) => Self { frames: history.frames.max(frames), ..history },
        })
    }

    /// The most that a client can ask for here.
    fn most(self) -> Replay {
        match self {
            Self { bytes: 0, frames: 0 } => Replay::None,
            Self { bytes, frames: 0 } => Replay::Bytes(usize::try_from(bytes).unwrap_or(usize::MAX)),
            Self { frames, .. } => Replay::Frames(frames),
        }
    }
}

/// Where in the past a client begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begin {
    /// The offset of its first byte, or the number of its first frame.
    at: u64,
    /// The offset of its first byte, if that has come.
    offset: Option<u64>,
    /// How many bytes, or frames, of the past it gets.
    pub(super) replayed: u64,
    are_frames: bool,
}

impl Hub {
    /// Where a client begins that is to get so much of the past.
    pub(super) fn begin(&self, replay: Replay) -> Begin {
        let head = self.ring.head();
        if let Some(frames) = self.release.telegrams() {
            let wanted = if let Replay::Frames(wanted) = replay { wanted } else { 0 };
            let at = frames.seen().saturating_sub(wanted).max(frames.first_held());
            let offset = frames.held(at).map(|frame| frame.start);
            return Begin { at, offset, replayed: frames.seen() - at, are_frames: true };
        }
        let (at, replayed) = match (self.release.cutter(), replay) {
            (_, Replay::Bytes(bytes)) => {
                let since = head.saturating_sub(bytes as u64).max(self.ring.tail());
                (since, head - since)
            }
            (Some(cutter), Replay::Frames(wanted)) => cutter.latest(wanted, self.ring.tail()),
            (Some(cutter), Replay::None) => (cutter.released(), 0),
            (None, _) => (head, 0),
        };
        Begin { at, offset: Some(at), replayed, are_frames: matches!(replay, Replay::Frames(_)) }
    }

    /// The feed of a client that begins there.
    pub(super) fn feed(&self, begin: Begin, now: Instant) -> Feed {
        match self.release.telegrams() {
            Some(_) => Feed::Frames(Box::new(FrameFeed::new(begin.at, now))),
            None => Feed::Bytes { cursor: begin.at },
        }
    }

    /// What such a client is given of the past.
    pub(super) fn replayed(&self, begin: Begin) -> Option<Kept> {
        let since = begin.offset.filter(|_| begin.replayed > 0).and_then(|offset| self.arrivals.came(offset))?;
        Some(Kept { amount: begin.replayed, frames: begin.are_frames, since })
    }

    /// What of the past a client would get now, if it came by the listener that gives most.
    #[must_use]
    pub fn held(&self) -> Option<Kept> {
        self.replayed(self.begin(self.history.most()))
    }

    /// The newest bytes that are still held, at most `most`, and how many came before them. Only what some client has not
    /// had yet and what a new one would get (`replay`, the newest frames) is held, so these may be few or none.
    #[must_use]
    pub fn history(&self, most: usize) -> (u64, Vec<u8>) {
        let head = self.ring.head();
        let from = head.saturating_sub(most as u64).max(self.ring.tail());
        (from, self.ring.slices(from, head).concat())
    }

    /// When the oldest byte came that a client with this feed has not had.
    pub(super) fn lag_since(&self, feed: &Feed) -> Option<Instant> {
        match feed {
            Feed::Nothing => None,
            Feed::Bytes { cursor } => self.arrivals.came(*cursor),
            Feed::Frames(feed) if !feed.rest().is_empty() => feed.rest_came(),
            Feed::Frames(feed) => {
                let frames = self.release.telegrams()?;
                self.arrivals.came(frames.held(feed.next.max(frames.first_held()))?.start)
            }
        }
    }
}
