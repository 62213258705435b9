//! The line queue: requests to the line other than bytes, their order and their time.
//!
//! The requests of one asker are carried out and answered in their order. The line carries out one operation at a time; only a
//! purge overtakes, because it frees a line that is stuck. Nothing behind a purge overtakes it: not bytes, which it would
//! discard, nor the asker's next request.
//!
//! | asked | done |
//! |---|---|
//! | a query, a poll, a mask | at once: the line is looked at |
//! | DTR, RTS | at once, past queued bytes |
//! | settings that the line has | when the asker's bytes before it have been written to the line: a fence |
//! | settings that a listener or nobody asks for (`line`, `on-release`) | when all bytes before them have left, while the line moves |
//! | settings that change something | when all bytes before it have left, at the latest 2 s after it was read |
//! | a break begins | the same, but what has not left by then is purged |
//! | a break ends | at once |
//! | purge | at once |
//!
//! A short break requested while one waits, with nothing between them, is merged with that one. How much one client may have
//! waiting is bounded ([`bounds`]): until there is room, nothing more of it is read, or decoded if it was read.
//!
//! Settings and outputs that a client requests while the line is absent are kept; these and the applied ones are applied
//! again at each opening ([`desired`]).

mod asked;
mod bounds;
mod desired;
mod lasting;
mod purging;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sermux_port_config::config::Port;
use sermux_port_config::signal::{Effect, LineState, Purge};
use sermux_protocol::rfc2217::View;

pub(super) use self::asked::{Asked, Asker};
pub use self::asked::{Outcome, RequestCounters, Start};
use self::asked::{Pending, LONGEST_BREAK};
use self::desired::Desired;
pub use self::desired::Levels;
use self::purging::Purging;
use super::client::LAST_CHARS;
use crate::line::{Change, LineCounters, Operation, Snapshot};

/// A change of the line waits this time for the bytes before it, and a request waits this time for a line that is being opened.
const PATIENCE: Duration = Duration::from_secs(2);

/// Nothing tells when a line's output has left; it is looked at after this time …
const FIRST_LOOK: Duration = Duration::from_millis(1);
/// … up to this.
const LAST_LOOK: Duration = Duration::from_millis(20);

/// A break of a client that has disconnected lasts this time at most: nobody ends it.
const OF_A_DEPARTED: Duration = Duration::from_millis(250);

/// What the hub is to do.
#[derive(Debug)]
pub(super) enum Todo {
    /// Tell the asker how it came out.
    Answer(Asker, Asked, Outcome),
    /// Empty the queues of this asker in these directions, what goes to the line before this offset; the line's own are
    /// emptied by the driver.
    Purge { asker: Option<Asker>, purge: Purge, before: u64 },
    /// Throw away what is queued for the line before this offset: it is in the way of a break. The line itself throws
    /// away `unsent` bytes.
    DropTx { before: u64, unsent: usize },
}

/// Whether there is a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// Not yet, but it is about to be opened: what clients send waits.
    Expected,
    Open,
    /// What clients send is discarded and counted.
    Gone,
}

#[derive(Debug)]
struct RunningRequest {
    asker: Option<Asker>,
    effect: Effect,
    /// What stands in the way of the break is discarded; the break itself comes next.
    clears: bool,
}

enum TurnVerdict {
    Waits,
    Runs,
    Drops { before: u64 },
    Answer(Outcome),
}

#[derive(Debug)]
pub(super) struct LineQueue {
    presence: Presence,
    view: View,
    /// What it is to have; boxed, because it is rarely looked at.
    desired: Box<Desired>,
    /// How often something was asked for what stands.
    asked_to_stand: u64,
    queues: BTreeMap<Asker, VecDeque<Pending>>,
    /// Those with something in their queue, in the order of their turns.
    turns: VecDeque<Asker>,
    start: Option<Start>,
    /// On its way to the line. The client that waits for it has it at the front of its queue.
    running: Option<RunningRequest>,
    /// It does not come back.
    stuck: bool,
    purges: VecDeque<Purging>,
    /// How many purges have been asked for so far.
    purges_asked: u64,
    start_purge: Option<Purge>,
    /// The first of `purges` is on its way to the line.
    purging: bool,
    break_by: Option<Asker>,
    break_until: Option<Instant>,
    awaits_drain: bool,
    /// Since when the line's output is known to be empty.
    empty_since: Option<Instant>,
    look_at: Option<Instant>,
    /// What had not left the line when it was last looked at.
    last_unsent: usize,
    /// When the line last took or sent something.
    moved_at: Option<Instant>,
    wake_at: Option<Instant>,
    line_counters: Option<LineCounters>,
    counters: RequestCounters,
}

impl LineQueue {
    pub(super) fn new(port: &Port) -> Self {
        let desired = Box::new(Desired::of(port));
        Self {
            view: desired.expected(),
            desired,
            asked_to_stand: 0,
            line_counters: None,
            presence: Presence::Expected,
            queues: BTreeMap::new(),
            turns: VecDeque::new(),
            running: None,
            stuck: false,
            start: None,
            purges: VecDeque::new(),
            purges_asked: 0,
            purging: false,
            start_purge: None,
            break_by: None,
            break_until: None,
            empty_since: None,
            awaits_drain: false,
            look_at: None,
            last_unsent: 0,
            moved_at: None,
            wake_at: None,
            counters: RequestCounters::default(),
        }
    }

    /// There is no line, but there will be one as soon as somebody needs it.
    pub(super) fn line_expected(&mut self) {
        self.presence = Presence::Expected;
    }

    /// Whether there is a line.
    pub(super) fn presence(&self) -> Presence {
        self.presence
    }

    /// What is known of the line.
    pub(super) fn view(&self) -> &View {
        &self.view
    }

    pub(super) fn line_counters(&self) -> Option<LineCounters> {
        self.line_counters
    }

    pub(super) fn counters(&self) -> RequestCounters {
        self.counters
    }

    /// How many requests of a client wait for their turn.
    pub(super) fn waiting(&self, asker: Asker) -> usize {
        self.queues.get(&asker).map_or(0, VecDeque::len)
            + self.purges.iter().filter(|purging| purging.asker == Some(asker)).count()
    }

    // ---- asking --------------------------------------------------------------------------------------------------

    /// Something is asked. `after_all` and `after_own` are the offsets behind the bytes that were queued for the line
    /// before it, by anybody and by its asker.
    pub(super) fn ask(
        &mut self,
        (asker, may_change): (Asker, bool),
        asked: Asked,
        (after_all, after_own): (u64, u64),
        now: Instant,
    ) {
        self.counters.requests += u64::from(matches!((asker, &asked), (Asker::Client(_), Asked::Request(_))));
        if let Some(purge) = self.purge_in(&asked).filter(|_| may_change) {
            if matches!(asker, Asker::Operator(_)) && purge != Purge::Rx {
                self.drop_breaks(now);
            }
            self.purges.push_back(Purging { asker: Some(asker), asked, purge, after_all, after_own, cancelled: false });
            self.purges_asked += 1;
            return;
        }
        if may_change && self.has_break_for(asker, &asked, (after_all, after_own)) {
            return;
        }
        let queue = self.queues.entry(asker).or_default();
        if queue.is_empty() {
            self.turns.push_back(asker);
        }
        let purges_before = self.purges_asked;
        queue.push_back(Pending {
            asked,
            may_change,
            after_all,
            after_own,
            read_at: now,
            cleared: false,
            is_running: false,
            is_shared: false,
            purges_before,
        });
    }

    /// Bytes for the line from this offset on wait for something that is to happen before them.
    pub(super) fn hold(&self, taken: u64) -> Option<u64> {
        if self.view.break_on {
            return Some(taken);
        }
        if self.queues.is_empty() && self.purges.is_empty() {
            return None;
        }
        let settings = self.queues.values().flatten().filter(|pending| pending.holds_bytes());
        let purges = self.purges.iter().filter(|purging| purging.purge != Purge::Rx && !purging.cancelled);
        settings.map(|pending| pending.after_all).chain(purges.map(|purging| purging.after_all)).min()
    }

    // ---- the line ------------------------------------------------------------------------------------------------

    /// The line is open, and this is what it has. `end` is the offset behind all that is queued for it.
    pub(super) fn line_opened(&mut self, snapshot: &Snapshot, end: u64, now: Instant) {
        self.presence = Presence::Open;
        self.seen(snapshot);
        let effects = self.desired.opened();
        self.stand(effects, end, now);
    }

    /// There is no line (any more), and so no wires.
    pub(super) fn line_gone(&mut self) {
        self.presence = Presence::Gone;
        self.view = self.desired.expected();
        (self.break_by, self.break_until, self.empty_since) = (None, None, None);
        // An operation on its way to a disconnected line is nobody's any more; requests that wait for it are answered in the
        // next step.
        (self.running, self.start, self.stuck) = (None, None, false);
        for pending in self.queues.values_mut().filter_map(VecDeque::front_mut) {
            pending.is_running = false;
        }
        (self.start_purge, self.purging) = (None, false);
    }

    fn seen(&mut self, snapshot: &Snapshot) {
        let LineState { tx_holding_empty, tx_shift_empty, .. } = snapshot.line_state;
        self.view = View {
            settings: snapshot.settings,
            outputs: snapshot.outputs,
            inputs: snapshot.inputs,
            break_on: self.view.break_on,
            line_state: LineState { tx_holding_empty, tx_shift_empty, ..LineState::default() },
        };
        self.line_counters = snapshot.counters.or(self.line_counters);
    }

    /// The line tells of a change.
    pub(super) fn changed(&mut self, change: &Change) {
        self.view.inputs = change.inputs;
        self.line_counters = change.counters.or(self.line_counters);
    }

    /// Bytes were handed to the line, so its output is not known to be empty any more.
    pub(super) fn tx_written(&mut self) {
        (self.empty_since, self.look_at) = (None, None);
    }

    /// The line took something.
    pub(super) fn moved(&mut self, now: Instant) {
        self.moved_at = Some(now);
    }

    /// When the first thing that somebody asked is done although bytes before it have not left. Of settings that a listener
    /// or nobody asked for, not while the line moves: at 300 baud they would garble what a client has sent before it left.
    fn too_late(&self, asker: Asker, pending: &Pending) -> Instant {
        let has_time = matches!(asker, Asker::Client(_) | Asker::Desired(_));
        match (&pending.asked, self.moved_at) {
            (Asked::Effect(Effect::Settings(_)), moved_at) if has_time => {
                let since = moved_at.map_or(pending.read_at, |at| at.max(pending.read_at));
                since + PATIENCE.max(self.view.settings.char_time() * LAST_CHARS)
            }
            _ => pending.read_at + PATIENCE,
        }
    }

    /// Whether it matters now how much has not left the line yet.
    pub(super) fn awaits_drain(&self, now: Instant) -> bool {
        self.awaits_drain && self.look_at.is_none_or(|at| at <= now)
    }

    /// This number of bytes have not left the line yet.
    pub(super) fn unsent(&mut self, unsent: usize, now: Instant) {
        if std::mem::replace(&mut self.last_unsent, unsent) != unsent {
            self.moved_at = Some(now);
        }
        if unsent == 0 {
            self.empty_since.get_or_insert(now);
            self.look_at = None;
            return;
        }
        let left_in = self.view.settings.char_time().saturating_mul(u32::try_from(unsent).unwrap_or(u32::MAX));
        self.empty_since = None;
        self.look_at = Some(now + left_in.clamp(FIRST_LOOK, LAST_LOOK));
    }

    // ---- doing ---------------------------------------------------------------------------------------------------

    /// What the hub is to do next, given how much the line has taken; `None`: nothing, until something happens.
    pub(super) fn step(&mut self, taken: u64, now: Instant) -> Option<Todo> {
        if self.queues.is_empty() && self.purges.is_empty() && self.break_until.is_none() {
            self.wake_at = None;
            return None;
        }
        if let Some(todo) = self.step_purge() {
            return Some(todo);
        }
        (self.wake_at, self.awaits_drain) = (None, false);
        self.end_overdue_break(now);
        for turn in 0..self.turns.len() {
            let asker = self.turns[turn];
            match self.try_front(asker, taken, now) {
                TurnVerdict::Waits | TurnVerdict::Runs => {}
                TurnVerdict::Drops { before } => {
                    return Some(Todo::DropTx { before, unsent: std::mem::take(&mut self.last_unsent) })
                }
                TurnVerdict::Answer(outcome) => return self.finish(asker, outcome),
            }
        }
        None
    }

    fn end_overdue_break(&mut self, now: Instant) {
        let Some(until) = self.break_until else { return };
        if until > now {
            self.wake(until);
        } else if self.running.is_none() && self.presence == Presence::Open {
            self.run(None, Effect::BreakOff, false);
        }
    }

    /// What becomes of the first thing that somebody asked.
    fn try_front(&mut self, asker: Asker, taken: u64, now: Instant) -> TurnVerdict {
        let Some(pending) = self.queues.get(&asker).and_then(VecDeque::front) else {
            return TurnVerdict::Waits;
        };
        if self.is_purging(asker, pending.purges_before) {
            return TurnVerdict::Waits;
        }
        let effect = self.desired.now(asker, pending.effect(&self.view));
        let too_late = self.too_late(asker, pending);
        let waits_for_line = self.presence == Presence::Expected && now < too_late;
        let lasts = matches!(asker, Asker::Client(_)) && matches!(effect, Effect::Settings(_) | Effect::Outputs { .. });
        if lasts && self.presence != Presence::Open && !waits_for_line {
            // What holds as long as the client is there is promised, and kept when the line opens.
            self.desired.client_sets(&effect);
            self.expect();
            return TurnVerdict::Answer(Outcome::Done);
        }
        match self.presence {
            _ if effect == Effect::Nothing => return TurnVerdict::Answer(Outcome::Done),
            Presence::Gone => return TurnVerdict::Answer(Outcome::NoLine),
            Presence::Expected if now >= too_late => return TurnVerdict::Answer(Outcome::NoLine),
            Presence::Expected => {
                self.wake(too_late);
                return TurnVerdict::Waits;
            }
            Presence::Open if self.stuck => return TurnVerdict::Answer(Outcome::Failed),
            Presence::Open => {}
        }
        if matches!(&effect, Effect::Settings(settings) if *settings == self.view.settings) {
            if taken < pending.after_own {
                return TurnVerdict::Waits;
            }
            self.note(Some(asker), &effect);
            return TurnVerdict::Answer(Outcome::Done);
        }
        if let (Effect::BreakPulse(_), true) = (&effect, self.view.break_on) {
            // The bytes between the two breaks have their time from the end of the first one on.
            if let Some(pending) = self.queues.get_mut(&asker).and_then(VecDeque::front_mut) {
                pending.read_at = now;
            }
            return TurnVerdict::Waits;
        }
        if self.running.is_some() {
            return TurnVerdict::Waits;
        }
        match effect {
            Effect::BreakOff if !self.view.break_on => return TurnVerdict::Answer(Outcome::Done),
            Effect::BreakOn if self.view.break_on => {
                (self.break_by, self.break_until) = (Some(asker), Some(now + LONGEST_BREAK));
                return TurnVerdict::Answer(Outcome::Done);
            }
            Effect::Settings(_) | Effect::BreakOn | Effect::BreakPulse(_) if !self.has_left(asker, taken, now) => {
                if now < too_late {
                    self.wake(too_late);
                    return TurnVerdict::Waits;
                }
                self.counters.late += 1;
                if let Some(before) = self.clear_the_way(asker, &effect) {
                    self.run(Some(asker), effect, true);
                    return TurnVerdict::Drops { before };
                }
            }
            _ => {}
        }
        self.run(Some(asker), effect, false);
        TurnVerdict::Runs
    }

    /// Whether everything before the first thing that somebody asked has left the line.
    fn has_left(&mut self, asker: Asker, taken: u64, now: Instant) -> bool {
        let Some(pending) = self.queues.get(&asker).and_then(VecDeque::front) else {
            return true;
        };
        if pending.cleared {
            return true;
        }
        if taken < pending.after_all {
            return false;
        }
        self.awaits_drain = true;
        match self.empty_since {
            // One more character may be in the shift register.
            Some(since) => {
                let left = since + self.view.settings.char_time();
                if now < left {
                    self.wake(left);
                }
                now >= left
            }
            None => {
                // One that has passed is for the driver: it looks now.
                if let Some(at) = self.look_at.filter(|at| *at > now) {
                    self.wake(at);
                }
                false
            }
        }
    }

    /// A break cannot begin behind bytes that do not leave: the offset before which they are thrown away.
    fn clear_the_way(&mut self, asker: Asker, effect: &Effect) -> Option<u64> {
        let pending = self.queues.get_mut(&asker).and_then(VecDeque::front_mut)?;
        if !matches!(effect, Effect::BreakOn | Effect::BreakPulse(_)) || std::mem::replace(&mut pending.cleared, true) {
            return None;
        }
        Some(pending.after_all)
    }

    fn run(&mut self, asker: Option<Asker>, effect: Effect, clears: bool) {
        let operation = match &effect {
            _ if clears => Operation::Purge(Purge::Tx),
            Effect::Settings(settings) => Operation::Configure(*settings),
            Effect::Outputs { dtr, rts } => Operation::Outputs { dtr: *dtr, rts: *rts },
            Effect::BreakOn | Effect::BreakPulse(_) => Operation::Break(true),
            Effect::BreakOff => Operation::Break(false),
            Effect::Purge(purge) => Operation::Purge(*purge),
            Effect::Run(steps) => Operation::Run(Arc::clone(steps)),
            Effect::Nothing | Effect::Look | Effect::Default => Operation::Look,
        };
        let client = match asker {
            Some(Asker::Client(id)) => Some(id),
            _ => None,
        };
        if let Some(pending) = asker.and_then(|asker| self.queues.get_mut(&asker)).and_then(VecDeque::front_mut) {
            pending.is_running = true;
        }
        if !clears {
            self.note(asker, &effect);
        }
        self.running = Some(RunningRequest { asker, effect, clears });
        self.start = Some(Start { operation, client });
    }

    /// The first thing that somebody asked is done with.
    fn finish(&mut self, asker: Asker, outcome: Outcome) -> Option<Todo> {
        if let Some(running) = self.running.as_mut().filter(|running| running.asker == Some(asker)) {
            running.asker = None;
        }
        let queue = self.queues.get_mut(&asker)?;
        let pending = queue.pop_front()?;
        self.turns.retain(|turn| *turn != asker);
        if queue.is_empty() {
            self.queues.remove(&asker);
        } else {
            self.turns.push_back(asker);
        }
        Some(Todo::Answer(asker, pending.asked, outcome))
    }

    /// The operation to be started now.
    pub(super) fn poll_start(&mut self) -> Option<Start> {
        self.start.take()
    }

    /// The operation came back; `None`: it failed.
    pub(super) fn operation_done(&mut self, snapshot: Option<&Snapshot>, now: Instant) -> Option<Todo> {
        self.stuck = false;
        let running = self.running.take()?;
        self.tx_written();
        let Some(snapshot) = snapshot.filter(|_| self.presence == Presence::Open) else {
            self.counters.failed += u64::from(self.presence == Presence::Open);
            if let (Effect::Settings(asked), Presence::Open) = (&running.effect, self.presence) {
                self.desired.read_back(*asked, self.view.settings);
            }
            if running.effect == Effect::BreakOff {
                // It cannot be helped, and is not tried for ever.
                self.break_ended();
            }
            return running.asker.and_then(|asker| self.finish(asker, Outcome::Failed));
        };
        if running.clears {
            self.seen(snapshot);
            let pending = running.asker.and_then(|asker| self.queues.get_mut(&asker)).and_then(VecDeque::front_mut);
            if let Some(pending) = pending {
                pending.is_running = false;
            }
            return None;
        }
        match running.effect {
            Effect::BreakOn => self.break_began(running.asker, LONGEST_BREAK, now),
            Effect::BreakPulse(length) => self.break_began(running.asker, length, now),
            Effect::BreakOff => self.break_ended(),
            Effect::Settings(asked) => self.desired.read_back(asked, snapshot.settings),
            _ => {}
        }
        self.seen(snapshot);
        running.asker.and_then(|asker| self.finish(asker, Outcome::Done))
    }

    /// A client that has disconnected since does not end the break that it began.
    fn break_began(&mut self, by: Option<Asker>, length: Duration, now: Instant) {
        let length = match by {
            None => Duration::ZERO,
            Some(Asker::Departed(_)) => length.min(OF_A_DEPARTED),
            Some(_) => length,
        };
        self.view.break_on = true;
        (self.break_by, self.break_until) = (by, Some(now + length));
    }

    fn break_ended(&mut self) {
        self.view.break_on = false;
        (self.break_by, self.break_until) = (None, None);
    }

    /// The operation does not come back: requests that wait for the line are answered without it.
    pub(super) fn stuck(&mut self) {
        self.stuck = self.running.is_some();
    }

    /// When [`LineQueue::step`] wants to be called at the latest.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.wake_at
    }

    fn wake(&mut self, at: Instant) {
        self.wake_at = Some(self.wake_at.map_or(at, |wake_at| wake_at.min(at)));
    }
}
