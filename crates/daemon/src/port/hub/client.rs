//! The hub's side of one client: where it is in what came from the line, and what it may do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sermux_port_config::config::{Access, HalfClose, Listener};
use sermux_protocol::frame::delimited::DelimitedFramer;
use sermux_protocol::session::Session;

use super::freshness::Freshness;

/// What a client sent before it closed its sending side has at least this time for its way to the line, however short
/// `half-close` is.
pub(super) const LAST_BYTES: Duration = Duration::from_secs(1);

/// … and not less than such a part of the line's time: a driver that is full takes something again when it has sent a few
/// hundred characters.
pub(super) const LAST_CHARS: u32 = 512;

/// The key of a client within its port; used again once the client is disconnected.
pub type ClientId = usize;

/// A part of the past (`replay`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// How many bytes or frames.
    pub amount: u64,
    /// They are frames.
    pub frames: bool,
    /// When the oldest of it came, or a little before that.
    pub since: Instant,
}

/// What happened with one client so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientCounters {
    /// Bytes of the line that its socket took.
    pub sent: u64,
    /// Bytes it sent.
    pub received: u64,
    /// Bytes it sent that were thrown away: it may not write, or the device was disconnected.
    pub refused: u64,
    /// Bytes it sent that were thrown away because it had gone before the line took them.
    pub discarded: u64,
    /// Bytes of the line that it never got.
    pub gap: u64,
    /// Bytes of the line from before it came that it gets: its history. Of frames, how many.
    pub replayed: u64,
    /// Bytes of the line that it never got because it purged them.
    pub purged: u64,
    /// Frames of the line that it never got.
    pub skipped_frames: u64,
    /// Telnet subnegotiations of it that were too long or had no end.
    pub dropped_subnegotiations: u64,
    /// Commands of it that telnet or RFC 2217 do not have.
    pub unknown_commands: u64,
}

/// One client.
#[derive(Debug)]
pub(super) struct Client {
    /// Its place in the order in which clients came.
    pub(super) number: u64,
    /// The key of its listener, and what that grants it.
    pub(super) listener: usize,
    pub(super) terms: Arc<Listener>,
    pub(super) session: Session,
    pub(super) feed: Feed,
    /// What it was given of the past.
    pub(super) replayed: Option<Kept>,
    /// Where a frame began at which it was last seen: with its cursor there, it has no frame in part.
    pub(super) whole_at: u64,
    /// A gap was reported and its end was not.
    pub(super) in_gap: bool,
    /// The last byte of the line that it got ends no line.
    pub(super) mid_line: bool,
    pub(super) input: Input,
    /// Its last block was nothing but 0xFF, for each of which a telnet client sends two.
    pub(super) sends_pairs: bool,
    /// What was read of a telnet client and not decoded yet, because too much that it asked for waits.
    pub(super) undecoded: Undecoded,
    /// The offset in the tx queue behind the last byte that it sent.
    pub(super) own_end: u64,
    /// The hold in which the pen was taken from it.
    pub(super) lost_pen_in: Option<u64>,
    /// For which hold it was last said that it writes and may not; `Some(None)`: that it never may.
    pub(super) refused_in: Option<Option<u64>>,
    /// Whether the client was notified that it may not write.
    pub(super) refusal: RefusalNotice,
    /// Looks for what the device sends to have it disconnected (`close-on`).
    pub(super) closer: Option<Box<DelimitedFramer>>,
    /// The offset behind that; it gets nothing more.
    pub(super) ends_at: u64,
    /// It was counted as one that speaks something else than its listener.
    pub(super) is_mistaken: bool,
    /// When it last sent or received something; when it came, before that.
    pub(super) active: Instant,
    /// Decided to be closed; it takes part in nothing any more.
    pub(super) closing: bool,
    /// It receives nothing more and has no place, but what it has sent is still read.
    pub(super) parting: bool,
    pub(super) counters: ClientCounters,
}

/// Whether a client that may not write was notified of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RefusalNotice {
    /// It has written nothing that was refused.
    Untold,
    /// The notice follows the end of the line that the client has in part.
    Owed,
    /// The client was notified, or cannot be.
    Told,
}

/// What is left of one read of a client. It stays where it is while its requests are taken out of it, a few at a time.
#[derive(Debug, Default)]
pub(super) struct Undecoded {
    pub(super) bytes: Vec<u8>,
    /// Those before this were decoded.
    pub(super) from: usize,
}

impl Undecoded {
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.from
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Where a client is in what came from the line.
#[derive(Debug)]
pub(super) enum Feed {
    /// It gets nothing of that.
    Nothing,
    /// The offset of the next byte for it.
    Bytes { cursor: u64 },
    /// Whole frames.
    Frames(Box<FrameFeed>),
}

/// A reader of frames: it has at most one frame on the way and, behind that, only the newest one before it.
#[derive(Debug)]
pub(super) struct FrameFeed {
    /// The number of the next frame for it.
    pub(super) next: u64,
    /// What the socket did not take of a frame that it took in part; kept here so that the ring is free of it.
    rest: Vec<u8>,
    rest_at: usize,
    /// When that frame came.
    rest_came: Option<Instant>,
    /// The frame that is next, or was last, follows the one before it and found the socket empty.
    pub(super) in_order: bool,
    /// Its socket did not take everything at once: until it has caught up, only the newest frame counts.
    pub(super) behind: bool,
    pub(super) freshness: Freshness,
}

impl FrameFeed {
    pub(super) fn new(next: u64, now: Instant) -> Self {
        Self {
            next,
            rest: Vec::new(),
            rest_at: 0,
            rest_came: None,
            in_order: true,
            behind: false,
            freshness: Freshness::new(now),
        }
    }

    pub(super) fn rest(&self) -> &[u8] {
        &self.rest[self.rest_at..]
    }

    pub(super) fn rest_came(&self) -> Option<Instant> {
        self.rest_came
    }

    /// Keeps what the socket did not take of a frame that came then.
    pub(super) fn keep_rest(&mut self, rest: Vec<u8>, came: Option<Instant>) {
        self.rest = rest;
        self.rest_at = 0;
        self.rest_came = came;
        self.behind = true;
    }

    /// The socket took `n` bytes of the rest.
    pub(super) fn advance_rest(&mut self, n: usize) {
        self.rest_at += n;
        if self.rest_at >= self.rest.len() {
            // Given back whole: a rest is rare, and the next frame may never leave one.
            self.rest = Vec::new();
            self.rest_at = 0;
        }
    }
}

/// The direction from the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    Open,
    /// It has closed its sending side, and there is still something to be read before that.
    Ending {
        since: Instant,
    },
    /// Half-closed, and stays as a reader: it has nothing on its way to the line.
    Closed {
        since: Instant,
    },
    /// Half-closed after it had sent something; the line had taken that, and done what else it was asked, at `done`.
    Leaving {
        since: Instant,
        done: Option<Instant>,
    },
}

/// What becomes of a client that has closed its sending side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    /// It is closed then: it has received for long enough.
    Heard(Instant),
    /// It is closed then, and what it sent is discarded: the line has taken nothing for long enough.
    Unsent(Instant),
}

impl Client {
    pub(super) fn new(
        (listener, terms): (usize, Arc<Listener>),
        session: Session,
        feed: Feed,
        number: u64,
        now: Instant,
    ) -> Self {
        Self {
            listener,
            terms,
            number,
            active: now,
            session,
            own_end: 0,
            whole_at: if let Feed::Bytes { cursor } = &feed { *cursor } else { 0 },
            feed,
            input: Input::Open,
            closing: false,
            parting: false,
            in_gap: false,
            lost_pen_in: None,
            refused_in: None,
            refusal: RefusalNotice::Untold,
            mid_line: false,
            closer: None,
            ends_at: u64::MAX,
            sends_pairs: false,
            counters: ClientCounters::default(),
            replayed: None,
            undecoded: Undecoded::default(),
            is_mistaken: false,
        }
    }

    /// Whether what it asks of the line is done.
    pub(super) fn may_control(&self) -> bool {
        self.terms.access == Access::Control && self.session.has_requests()
    }

    /// Whether it has closed its sending side, and everything it asked for has been done.
    pub(super) fn has_finished(&self) -> bool {
        matches!(self.input, Input::Closed { .. } | Input::Leaving { done: Some(_), .. })
    }

    /// When it is closed if it stays silent.
    pub(super) fn idle_at(&self) -> Option<Instant> {
        let timeout = self.terms.idle_timeout;
        (!self.is_deaf() && !timeout.is_zero()).then(|| self.active + timeout)
    }

    /// Whether nothing more is sent to it.
    pub(super) fn is_deaf(&self) -> bool {
        self.closing || self.parting
    }

    /// Since when it has sent no more, if that is so.
    pub(super) fn half_closed_since(&self) -> Option<Instant> {
        match self.input {
            Input::Open => None,
            Input::Ending { since } | Input::Closed { since } | Input::Leaving { since, .. } => Some(since),
        }
    }

    /// Notifies the client that it may not write, if that is owed and the client has no line in part.
    pub(super) fn tell_of_refusal(&mut self) {
        let has_part = self.mid_line || matches!(&self.feed, Feed::Frames(feed) if !feed.rest().is_empty());
        if self.refusal == RefusalNotice::Owed && !has_part {
            self.refusal = RefusalNotice::Told;
            if self.session.shows_text() {
                self.session.say(b"you are read-only\r\n");
            }
        }
    }

    /// What becomes of a client that has closed its sending side, given what the line has taken of the tx queue and when
    /// it last took something, how long it has at least for what is left, and whether something that the client asked for is still to be done.
    pub(super) fn leaves(
        &mut self,
        (taken, moved_at): (u64, Option<Instant>),
        last_bytes: Duration,
        waits: bool,
        now: Instant,
    ) -> Option<Leave> {
        let half_close = self.terms.half_close.time();
        let tells_close = self.terms.tells_close() && self.terms.half_close != HalfClose::Off;
        let unsent =
            |since: Instant| Leave::Unsent(moved_at.map_or(since, |at| at.max(since)) + half_close.max(last_bytes));
        match &mut self.input {
            Input::Open | Input::Closed { .. } => None,
            // While requests wait for their turn, each may take its time and there may be many more behind them: the line moves,
            // and yet it would go on for as long as the client had asked.
            Input::Ending { since } if waits => Some(Leave::Unsent(*since + half_close.max(last_bytes))),
            Input::Ending { since } => Some(unsent(*since)),
            Input::Leaving { since, done } => {
                if done.is_none() && taken >= self.own_end && !waits {
                    *done = Some(now);
                }
                match done {
                    Some(_) if tells_close => None,
                    Some(done) => Some(Leave::Heard(*done + half_close)),
                    None => Some(unsent(*since)),
                }
            }
        }
    }
}
