//! A new client at a full listener waits while sermux checks whether the clients there still answer.
//!
//! A vanished machine sends nothing, and the ordinary keep-alive takes a minute to notice. When a place is needed, each holder
//! is sent a keep-alive at once; one that does not answer within two seconds has vanished. A client that answers stays, so that
//! a port scan does not evict a live program; when all have answered, after a round trip, the new client is refused. If the line
//! takes nothing and so a holder's bytes are not read, some are read ahead: its end may be behind them. A holder without room for
//! what was sent to it can hardly be checked, and `user-timeout` would disconnect it at the latest: it loses its place if it sends
//! nothing while the new client waits.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use super::{Accepted, ClientId, Driver};
use crate::net::conn::PeerAnswer;

/// New clients that wait at one listener; one more is refused at once.
const MOST_NEWCOMERS: usize = 8;

/// Holders that are asked: those that were silent for the longest time.
const MOST_ASKED: usize = 16;

/// A look whether there is an answer comes after this time, then after twice as long …
const FIRST_LOOK: Duration = Duration::from_millis(20);
/// … up to this.
const LAST_LOOK: Duration = Duration::from_millis(250);

/// A keep-alive goes out at the latest a second after the last sign of life. Who has not answered by then …
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// … and has owed an answer for this time, is disconnected.
const OWES_LONG: Duration = Duration::from_millis(900);

/// What is not known by then is not waited for.
const PATIENCE: Duration = Duration::from_millis(2800);

/// What is read ahead of one client at most.
pub(super) const READ_AHEAD: usize = 512 * 1024;

/// Those who wait at one listener, and those who were asked.
#[derive(Debug)]
pub(super) struct Waiting {
    listener: usize,
    newcomers: VecDeque<Accepted>,
    asked: Vec<Asked>,
    began: Instant,
    next: Duration,
    look_at: Instant,
}

/// A client that was asked.
#[derive(Debug)]
struct Asked {
    id: ClientId,
    number: u64,
    /// Since when something that it has to acknowledge is known to have been sent again.
    owes_since: Option<Instant>,
}

/// What a client sent, read before the line has room for it.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    bytes: VecDeque<u8>,
    /// Nothing comes after it.
    ended: bool,
}

impl Ahead {
    /// Moves as much as fits into `block`; nothing, once all was moved and the client had sent its end. `None`: the rest
    /// is to be read from the connection.
    pub(super) fn take(&mut self, block: &mut tokio::io::ReadBuf<'_>) -> Option<()> {
        let (first, second) = self.bytes.as_slices();
        let first = &first[..first.len().min(block.remaining())];
        block.put_slice(first);
        let second = &second[..second.len().min(block.remaining())];
        block.put_slice(second);
        let taken = first.len() + second.len();
        self.bytes.drain(..taken);
        (taken > 0 || self.ended).then_some(())
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }
}

impl Driver {
    /// Lets a client wait whose listener is full. It is given back if there is nobody to be asked.
    pub(super) fn wait_for_place(&mut self, accepted: Accepted, now: Instant) -> Option<Accepted> {
        let listener = accepted.listener;
        if let Some(waiting) = self.waiting.iter_mut().find(|waiting| waiting.listener == listener) {
            if waiting.newcomers.len() >= MOST_NEWCOMERS {
                return Some(accepted);
            }
            waiting.newcomers.push_back(accepted);
            return None;
        }
        let asked = self.ask_holders(listener);
        if asked.is_empty() {
            return Some(accepted);
        }
        self.waiting.push(Waiting {
            listener,
            newcomers: VecDeque::from([accepted]),
            asked,
            began: now,
            next: FIRST_LOOK,
            look_at: now + FIRST_LOOK,
        });
        None
    }

    /// When somebody who waits is looked after next.
    pub(super) fn waiting_until(&self) -> Option<Instant> {
        self.waiting.iter().map(|waiting| waiting.look_at).min()
    }

    /// Looks who has answered.
    pub(super) fn look_at_waiting(&mut self, now: Instant) {
        let (due, rest) = std::mem::take(&mut self.waiting).into_iter().partition(|waiting| waiting.look_at <= now);
        self.waiting = rest;
        for waiting in due {
            self.look_who_answered(waiting, now);
        }
    }

    /// Nobody waits any more: the port ends.
    pub(super) fn turn_waiting_away(&mut self) {
        self.waiting.clear();
    }

    fn look_who_answered(&mut self, mut waiting: Waiting, now: Instant) {
        let since = now.saturating_duration_since(waiting.began);
        for mut asked in std::mem::take(&mut waiting.asked) {
            let id = asked.id;
            if self.is_client(&asked) {
                self.read_ahead(id, now);
                self.look_for_end(id, now);
            }
            if !self.is_client(&asked) {
                continue;
            }
            let answer = self.answer_of(id, since);
            if answer == PeerAnswer::Owed {
                asked.owes_since.get_or_insert(now);
            }
            let owes_for = asked.owes_since.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
            match answer {
                PeerAnswer::Given => self.ask_no_more(id),
                _ if since >= ANSWER_WITHIN && owes_for >= OWES_LONG => self.give_up(id, now),
                _ if since >= PATIENCE && self.takes_nothing(id) => self.give_up(id, now),
                _ if since >= PATIENCE => self.ask_no_more(id),
                PeerAnswer::Open | PeerAnswer::Owed => waiting.asked.push(asked),
            }
        }
        while let Some(newcomer) = waiting.newcomers.pop_front() {
            if self.would_refuse(newcomer.listener) && !waiting.asked.is_empty() {
                waiting.newcomers.push_front(newcomer);
                break;
            }
            self.let_in(newcomer, now);
        }
        if waiting.newcomers.is_empty() {
            for asked in waiting.asked {
                if self.is_client(&asked) {
                    self.ask_no_more(asked.id);
                }
            }
            return;
        }
        waiting.next = (waiting.next * 2).min(LAST_LOOK);
        waiting.look_at = now + waiting.next;
        self.waiting.push(waiting);
    }

    /// Whether it is still there.
    fn is_client(&self, asked: &Asked) -> bool {
        self.sockets.get(asked.id).and_then(Option::as_ref).is_some_and(|socket| socket.number == asked.number)
    }

    fn give_up(&mut self, id: ClientId, now: Instant) {
        let error = "the client no longer answers, and a new client needed its place";
        self.client_failed(id, &io::Error::new(io::ErrorKind::TimedOut, error), now);
    }

    /// Whether a client has no room for what was sent to it, and would be gone for that in `user-timeout`. It cannot be
    /// asked: the kernel then asks by itself, after ever longer times, and sends no keep-alive.
    fn takes_nothing(&self, id: ClientId) -> bool {
        let Some(Some(socket)) = self.sockets.get(id) else { return false };
        let keepalive = self.hub.client_state(id).and_then(|it| self.listener(it.listener)?.keepalive);
        socket.conn.unsent() > 0 && keepalive.is_some_and(|keepalive| !keepalive.user_timeout.is_zero())
    }

    fn ask_holders(&mut self, listener: usize) -> Vec<Asked> {
        let theirs = |id: ClientId| self.is_in_the_way(listener, id);
        let sockets = self.sockets.iter().enumerate();
        let silent = sockets.filter_map(|(id, socket)| {
            let socket = socket.as_ref().filter(|_| theirs(id))?;
            Some((socket.conn.silent_for()?, id, socket.number))
        });
        let mut silent: Vec<_> = silent.collect();
        silent.sort_unstable_by_key(|it| std::cmp::Reverse(*it));
        silent.truncate(MOST_ASKED);
        let asked = silent.into_iter().filter(|(_, id, _)| {
            self.sockets.get(*id).and_then(Option::as_ref).is_some_and(|socket| socket.conn.ask().is_ok())
        });
        asked.map(|(_, id, number)| Asked { id, number, owes_since: None }).collect()
    }

    fn answer_of(&self, id: ClientId, since: Duration) -> PeerAnswer {
        self.sockets.get(id).and_then(Option::as_ref).map_or(PeerAnswer::Given, |socket| socket.conn.answer(since))
    }

    fn ask_no_more(&self, id: ClientId) {
        let Some(Some(socket)) = self.sockets.get(id) else { return };
        let Some(client) = self.hub.client_state(id) else { return };
        let keepalive = self.listener(client.listener).and_then(|listener| listener.keepalive);
        // If the connection is gone there is nothing to be set back.
        let _ = socket.conn.ask_no_more(keepalive);
    }

    /// Reads ahead of a client whose bytes wait for the line, up to its end if that is not far.
    pub(super) fn read_ahead(&mut self, id: ClientId, now: Instant) {
        if self.hub.only_receives(id) || self.hub.wants_input(id) {
            return;
        }
        let Some(Some(socket)) = self.sockets.get_mut(id).filter(|socket| socket.as_ref().is_some_and(|it| it.listed))
        else {
            return;
        };
        let ahead = socket.ahead.get_or_insert_default();
        let mut block = [0; 4096];
        while ahead.bytes.len() < READ_AHEAD && !ahead.ended {
            match socket.conn.try_read(&mut block) {
                Ok(0) => ahead.ended = true,
                Ok(n) => ahead.bytes.extend(&block[..n]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return self.client_failed(id, &error, now),
            }
        }
        if ahead.ended {
            self.hub.ends(id, now);
        }
    }
}
