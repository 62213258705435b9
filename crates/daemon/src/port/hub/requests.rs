//! Requests to the line, and its changes: everything except its bytes.

use std::time::{Duration, Instant};

use sermux_port_config::config::Access;
use sermux_port_config::signal::{Effect, Purge};
use sermux_protocol::rfc2217::{Request, View};

use super::line_queue::{Asked, Todo};
use super::{Asker, Client, ClientId, Event, Feed, Hub, Levels, LineState, Outcome, Presence, RequestCounters, Start};
use crate::line::{Change, LineCounters, Snapshot, Watch};

/// Clients are notified of what the receiver noticed at most once in this time.
const NOTICE_EVERY: Duration = Duration::from_millis(20);

impl Hub {
    /// What is known of the line.
    #[must_use]
    pub fn view(&self) -> &View {
        self.requests.view()
    }

    /// What the line's driver has counted.
    #[must_use]
    pub fn line_counters(&self) -> Option<LineCounters> {
        self.requests.line_counters()
    }

    /// What happened in the line queue so far.
    #[must_use]
    pub fn request_counters(&self) -> RequestCounters {
        self.requests.counters()
    }

    /// Something is asked of the line from outside of any session; [`Event::Answered`] with this number tells how it
    /// came out.
    pub fn ask(&mut self, number: u64, effect: Effect, now: Instant) {
        let end = self.tx.end();
        if effect == Effect::Default {
            return self.requests.default(Asker::Operator(number), end, now);
        }
        self.requests.ask((Asker::Operator(number), true), Asked::Effect(effect), (end, self.tx.taken()), now);
    }

    /// How many requests of this client wait for their turn.
    #[must_use]
    pub fn waiting_requests(&self, id: ClientId) -> usize {
        self.requests.waiting(Asker::Client(id))
    }

    /// Nobody waits for this any more: unless it is on its way to the line, it is not done.
    pub fn forget(&mut self, number: u64, now: Instant) {
        self.requests.forget(Asker::Operator(number), now);
    }

    /// The line is about to be opened: with what.
    pub fn opens_with(&mut self) -> Levels {
        self.requests.open()
    }

    /// When the last client that might change something has left, the line is given back (`on-release`). One that has closed
    /// its sending side changes nothing any more.
    pub(super) fn release(&mut self, now: Instant) {
        if self.clients.iter().any(|(_, client)| client.may_control() && !client.has_finished()) {
            return;
        }
        self.give_back(now);
    }

    /// A client is the first one although others have not been closed yet: the line is left as after the last client, so
    /// that what `on-connect` does to it is a change.
    pub(super) fn relieve(&mut self, now: Instant) {
        self.requests.occupy(false);
        self.give_back(now);
        self.requests.occupy(true);
    }

    fn give_back(&mut self, now: Instant) {
        if self.requests.release(self.tx.end(), now) {
            self.events.push_back(Event::Released);
        }
        self.wake(now);
    }

    pub(super) fn take_request(&mut self, id: ClientId, request: Request, now: Instant) {
        let Some(client) = self.clients.get(id) else { return };
        // Telnet's BRK stands in the data: a client that may write data may send a break, as at any terminal.
        if request == Request::BreakPulse && client.terms.access != Access::Control && !self.may_write(id, client) {
            return self.refuse_data(id, 0);
        }
        let may_change = client.terms.access == Access::Control || request == Request::BreakPulse;
        // It is behind the bytes that came before it.
        self.cut_half(id);
        let offsets = (self.tx.end(), self.clients[id].own_end);
        self.requests.ask((Asker::Client(id), may_change), Asked::Request(request), offsets, now);
    }

    /// Does what is to be done next. True: something was.
    pub fn drive_requests(&mut self, now: Instant) -> bool {
        let mut progress = false;
        while let Some(todo) = self.requests.step(self.tx.taken(), now) {
            progress = true;
            self.carry_out(todo, now);
        }
        if let Some(at) = self.requests.deadline() {
            self.wake(at);
        }
        progress
    }

    fn carry_out(&mut self, todo: Todo, now: Instant) {
        match todo {
            Todo::Answer(asker, asked, outcome) => self.answer(asker, asked, outcome, now),
            Todo::Purge { asker, purge, before } => self.empty_queues(asker, purge, before, now),
            Todo::DropTx { before, unsent } => {
                let thrown_away = self.tx.purge_before(before) + unsent as u64;
                self.counters.tx_purged += thrown_away;
                self.events.push_back(Event::BreakCost(thrown_away));
                self.see_off(now);
            }
        }
    }

    fn answer(&mut self, asker: Asker, asked: Asked, outcome: Outcome, now: Instant) {
        match (asker, asked) {
            (Asker::Client(id), Asked::Request(request)) => {
                let view = *self.requests.view();
                if let Some(client) = self.clients.get_mut(id) {
                    client.session.answer(request, &view);
                    self.addressed.push(id);
                    self.watch_changed = true;
                }
            }
            (Asker::Operator(number), _) => self.events.push_back(Event::Answered(number, outcome)),
            (Asker::Departed(_), _) => self.release(now),
            (Asker::Desired(_), _) | (Asker::Client(_), Asked::Effect(_)) => {}
        }
    }

    /// A purge empties what the line has not taken, for everybody, and what this client has not had.
    fn empty_queues(&mut self, asker: Option<Asker>, purge: Purge, before: u64, now: Instant) {
        if purge != Purge::Rx {
            self.counters.tx_purged += self.tx.purge_before(before);
            self.see_off(now);
        }
        let Some(Asker::Client(id)) = asker.filter(|_| purge != Purge::Tx) else { return };
        let Some(client) = self.clients.get_mut(id) else { return };
        match &mut client.feed {
            Feed::Nothing => {}
            Feed::Bytes { cursor } => {
                client.counters.purged += self.release.released().saturating_sub(*cursor);
                *cursor = (*cursor).max(self.release.released());
            }
            // What it has of a frame that was cut is finished.
            Feed::Frames(feed) => {
                if let Some(frames) = self.release.telegrams() {
                    feed.next = frames.seen();
                }
            }
        }
    }

    /// The operation to be started now, on its way until [`Hub::operation_done`].
    pub fn poll_start(&mut self) -> Option<Start> {
        self.requests.poll_start()
    }

    /// The purge to be started now, past the operation that is on its way.
    pub fn poll_purge(&mut self) -> Option<Purge> {
        self.requests.poll_purge()
    }

    /// The operation came back with what the line has now, and whether its far end waits; `None`: it failed.
    pub fn operation_done(&mut self, done: Option<(&Snapshot, bool)>, now: Instant) {
        let before = self.requests.view().inputs;
        if let (Some((snapshot, waits)), Presence::Open) = (done, self.requests.presence()) {
            self.line_waits = waits;
            self.tx.set_line(&snapshot.settings);
            self.release.set_line(&snapshot.settings);
        }
        if let Some(todo) = self.requests.operation_done(done.map(|(snapshot, _)| snapshot), now) {
            self.carry_out(todo, now);
        }
        if self.requests.view().inputs != before {
            self.tell_modem_state(false);
        }
        if done.is_some() {
            self.watch_carrier();
        }
        self.tell_stuck();
    }

    /// The purge came back.
    pub fn purge_done(&mut self, snapshot: Option<&Snapshot>, now: Instant) {
        if let Some(todo) = self.requests.purge_done(snapshot) {
            self.carry_out(todo, now);
        }
    }

    /// The operation on its way does not come back: requests that wait are answered from what is known.
    pub fn operation_is_stuck(&mut self) {
        self.requests.stuck();
    }

    /// Whether it matters now how much has not left the line yet ([`Hub::unsent`]).
    #[must_use]
    pub fn awaits_drain(&self, now: Instant) -> bool {
        self.requests.awaits_drain(now)
    }

    /// This number of bytes that were written have not left the line yet.
    pub fn unsent(&mut self, unsent: usize, now: Instant) {
        self.requests.unsent(unsent, now);
    }

    // ---- what the line tells -------------------------------------------------------------------------------------

    /// Which changes of the line some client wants to be notified of.
    #[must_use]
    pub fn watch(&self) -> Watch {
        let first = Watch { modem_state: self.hangs_up && !self.clients.is_empty(), ..Watch::default() };
        let told = self.clients.iter().filter(|(_, client)| !client.is_deaf());
        told.fold(first, |watch, (_, Client { session, .. })| Watch {
            modem_state: watch.modem_state || session.wants_modem_state(),
            line_state: watch.line_state || session.wants_line_state(),
        })
    }

    /// [`Hub::watch`], if it may have changed since the last time.
    pub fn poll_watch(&mut self) -> Option<Watch> {
        std::mem::take(&mut self.watch_changed).then(|| self.watch())
    }

    /// The line tells of a change.
    pub fn line_changed(&mut self, change: &Change, now: Instant) {
        let modem = change.ri_fell || change.inputs != self.requests.view().inputs;
        self.requests.changed(change);
        if modem {
            self.tell_modem_state(change.ri_fell);
        }
        self.watch_carrier();
        let LineState { break_detected, framing_error, parity_error, overrun_error, .. } = change.line_state;
        self.noticed.break_detected |= break_detected;
        self.noticed.framing_error |= framing_error;
        self.noticed.parity_error |= parity_error;
        self.noticed.overrun_error |= overrun_error;
        self.tell_noticed(now);
    }

    /// DCD was looked at: clients that saw it raised are disconnected when it is not any more (`hangup`).
    pub(super) fn watch_carrier(&mut self) {
        let dcd = self.requests.view().inputs.dcd;
        let dropped = std::mem::replace(&mut self.carrier, dcd) && !dcd;
        if dropped && self.hangs_up {
            let ids: Vec<ClientId> = self.clients.iter().map(|(id, _)| id).collect();
            for id in ids {
                self.close(id, super::CloseReason::CarrierLost);
            }
        }
    }

    /// Tells the clients that want to know what the inputs are now.
    pub(super) fn tell_modem_state(&mut self, ri_fell: bool) {
        let inputs = self.requests.view().inputs;
        for (id, client) in &mut self.clients {
            if client.session.modem_changed(inputs, ri_fell) {
                self.addressed.push(id);
            }
        }
    }

    /// Tells the clients that want to know what the receiver noticed, as soon as that may be done again.
    pub(super) fn tell_noticed(&mut self, now: Instant) {
        if self.noticed == LineState::default() {
            return;
        }
        if let Some(at) = self.notify_at.filter(|at| *at > now) {
            self.wake(at);
            return;
        }
        self.notify_at = Some(now + NOTICE_EVERY);
        let noticed = std::mem::take(&mut self.noticed);
        for (id, client) in &mut self.clients {
            if client.session.line_changed(noticed) {
                self.addressed.push(id);
            }
        }
    }

    /// Says something to the people at clients that want to hear of the device (`notify`).
    pub fn notify(&mut self, text: &str) {
        for (id, client) in &mut self.clients {
            if client.session.shows_text() && client.terms.notifies() {
                client.session.say(text.as_bytes());
                self.addressed.push(id);
            }
        }
    }

    /// The next client that may have something to be sent which did not come from the line.
    pub fn poll_addressed(&mut self) -> Option<ClientId> {
        self.addressed.pop()
    }
}
