//! Limits the line queue: how much one asker may have in it, and what happens to that when the asker disconnects, loses
//! rights, or a client purges the port.
//!
//! Requests of disconnected clients follow the rule for their bytes. The queued bytes of a client that closed properly still go
//! to the line, and its requests between them are carried out between them, since otherwise the bytes would leave at the wrong rate.
//! A request that none of its bytes waits for is discarded, except a break that another client requested too. If a client's bytes
//! were discarded, so are all its requests.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sermux_port_config::config::Access;
use sermux_port_config::signal::Effect;
use sermux_protocol::rfc2217::{Request, View};

use super::super::client::ClientId;
use super::asked::{Asked, Asker, Pending};
use super::LineQueue;

/// A client is not read while this number of its requests wait for their turn …
const MOST_REQUESTS: usize = 64;
/// … or requests that keep the line busy for this time.
const MOST_LINE_TIME: Duration = Duration::from_secs(2);

impl LineQueue {
    /// Whether this client has asked for so much that nothing more is to be read of it for now.
    pub(in crate::port::hub) fn is_full_for(&self, id: ClientId) -> bool {
        let asker = Asker::Client(id);
        let waiting = self.waiting(asker);
        waiting >= MOST_REQUESTS
            || (waiting > 0 && self.queues.get(&asker).is_some_and(|queue| line_time(queue) >= MOST_LINE_TIME))
    }

    /// Whether so little of it is left that it is worth reading on.
    pub(in crate::port::hub) fn is_half_free_for(&self, id: ClientId) -> bool {
        self.waiting(Asker::Client(id)) <= MOST_REQUESTS / 2 && !self.is_full_for(id)
    }

    /// Whether a break that waits already is as good as another one now: there is nothing between the two. If it is another
    /// asker's, it is shared from now on.
    pub(super) fn has_break_for(&mut self, asker: Asker, asked: &Asked, (after_all, after_own): (u64, u64)) -> bool {
        if !matches!(asked, Asked::Request(Request::BreakPulse)) {
            return false;
        }
        let running = self.running.as_ref().and_then(|running| running.asker);
        // Nothing that this one asked before may come behind it.
        let takes_any = !self.queues.contains_key(&asker);
        for (of, queue) in self.queues.iter_mut().filter(|(of, _)| takes_any || **of == asker) {
            let is_waiting = queue.len() > usize::from(running == Some(*of));
            let Some(last) = queue.back_mut().filter(|last| is_waiting && last.is_pulse()) else { continue };
            let has_nothing_between =
                if *of == asker { last.after_own == after_own } else { last.after_all == after_all };
            if has_nothing_between {
                last.is_shared |= *of != asker;
                return true;
            }
        }
        false
    }

    /// This client has disconnected, and its last byte that is still for the line is before `own_end`.
    pub(in crate::port::hub) fn depart(&mut self, id: ClientId, number: u64, own_end: u64, now: Instant) {
        let (asker, departed) = (Asker::Client(id), Asker::Departed(number));
        let is_running = self.running.as_ref().is_some_and(|running| running.asker == Some(asker));
        let mut kept = VecDeque::new();
        if let Some(queue) = self.queues.remove(&asker) {
            let before = queue.len();
            kept = queue;
            kept.retain(|pending| pending.is_shared || (pending.after_own < own_end && pending.outlives_its_asker()));
            self.counters.dropped += (before - kept.len()) as u64;
        }
        if is_running {
            let stays = kept.front().is_some_and(|pending| pending.is_running);
            if let Some(running) = self.running.as_mut() {
                running.asker = stays.then_some(departed);
            }
        }
        if kept.is_empty() {
            self.turns.retain(|turn| *turn != asker);
        } else {
            self.turns.iter_mut().filter(|turn| **turn == asker).for_each(|turn| *turn = departed);
            self.queues.insert(departed, kept);
        }
        let on_its_way = usize::from(self.purging);
        for (at, purging) in self.purges.iter_mut().enumerate().filter(|(_, purging)| purging.asker == Some(asker)) {
            purging.asker = None;
            if at >= on_its_way && purging.after_own >= own_end {
                purging.cancelled = true;
                self.counters.dropped += 1;
            }
        }
        self.end_break_of(asker, now);
    }

    /// This asker is gone: nothing more is done for it, and its break ends.
    pub(in crate::port::hub) fn forget(&mut self, asker: Asker, now: Instant) {
        if let Some(queue) = self.queues.remove(&asker) {
            self.counters.dropped += queue.len() as u64;
            self.turns.retain(|turn| *turn != asker);
        }
        if let Some(running) = self.running.as_mut().filter(|running| running.asker == Some(asker)) {
            running.asker = None;
        }
        self.end_break_of(asker, now);
    }

    fn end_break_of(&mut self, asker: Asker, now: Instant) {
        if self.break_by == Some(asker) {
            self.break_by = None;
            self.break_until = Some(now);
        }
    }

    /// This client may do other things now: what it asked when it might do more is only answered.
    pub(in crate::port::hub) fn review(&mut self, id: ClientId, access: Access, may_write: bool) {
        let asked = self.queues.get_mut(&Asker::Client(id)).into_iter().flatten();
        // What its listener asks for it stands.
        for pending in asked.filter(|pending| matches!(pending.asked, Asked::Request(_))) {
            pending.may_change &= access == Access::Control || pending.is_pulse() && (may_write || pending.is_shared);
        }
    }

    /// Somebody who is not a client throws away what is queued for the line: breaks of clients too, the one that is on and
    /// those that wait. Requests that wait for one are answered with the state of the line.
    pub(super) fn drop_breaks(&mut self, now: Instant) {
        for (asker, queue) in &mut self.queues {
            if matches!(asker, Asker::Operator(_)) {
                continue;
            }
            for pending in queue.iter_mut().filter(|pending| !pending.is_running && pending.may_change) {
                if pending.is_pulse() || pending.begins_break(&self.view) {
                    pending.may_change = false;
                    self.counters.dropped += 1;
                }
            }
        }
        if self.view.break_on && !matches!(self.break_by, Some(Asker::Operator(_))) {
            self.break_until = Some(now);
        }
    }
}

impl Pending {
    fn is_pulse(&self) -> bool {
        self.may_change && matches!(self.asked, Asked::Request(Request::BreakPulse))
    }

    fn begins_break(&self, view: &View) -> bool {
        matches!(&self.asked, Asked::Request(request) if request.effect(view) == Effect::BreakOn)
    }

    /// Whether bytes behind it are not what they were meant to be if it is not done.
    fn outlives_its_asker(&self) -> bool {
        self.is_running || self.holds_bytes()
    }
}

/// How long what waits keeps the line from sending anything.
fn line_time(queue: &VecDeque<Pending>) -> Duration {
    let length = |pending: &Pending| match pending.effect(&View::default()) {
        Effect::BreakPulse(length) => length,
        _ => Duration::ZERO,
    };
    queue.iter().map(length).sum()
}

#[cfg(test)]
mod tests {
    use crate::line::Operation;
    use crate::port::hub::test_hub::{hub, telnet};

    const IAC_BRK: [u8; 2] = [255, 243];

    #[test]
    fn a_break_that_two_asked_for_is_made_though_the_first_of_them_leaves() {
        let (mut hub, now) = hub("frame: none");
        let (first, second) = (telnet(&mut hub, now), telnet(&mut hub, now));
        hub.input(first, &IAC_BRK, now);
        hub.input(second, &[&IAC_BRK[..], b"x"].concat(), now);
        hub.disconnect(first, 0, now);
        hub.drive_requests(now);
        assert!(hub.tx_front().is_empty(), "the byte behind it waits");
        hub.unsent(0, now);
        let later = now + std::time::Duration::from_secs(1);
        hub.drive_requests(later);
        assert_eq!(hub.poll_start().map(|start| start.operation), Some(Operation::Break(true)));
    }
}
