//! Carries out the commands to a running port.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use sermux_port_config::config::{Listener, OnGone, Open, Protocol};
use sermux_port_config::signal::Effect;
use tracing::info;

use super::{Accepted, ClientId, Command, Conn, Driver, Lifecycle, Reconfigure, Reply, Socket};
use crate::capture::EventKind;
use crate::log::visits::{is_logged, Visit};
use crate::log::{info_or_debug, warn_or_debug};
use crate::net::peer::Peer;
use crate::net::refuse::refuse;
use crate::port::greeting;
use crate::port::hub::{Outcome, Refused};
use crate::port::link::HistoryBytes;

impl Driver {
    pub(super) fn take_commands(&mut self, now: Instant) {
        while self.commands_ready {
            let Poll::Ready(command) = self.commands.poll_recv(&mut Context::from_waker(&self.commands_waker)) else {
                self.commands_ready = false;
                break;
            };
            match command.map(|command| *command) {
                Some(Command::Connect(accepted)) => self.connect(accepted, now),
                Some(Command::Crowded(listener)) => self.hub.make_room(listener, now),
                Some(Command::Reconfigure(changed)) => self.reconfigure(changed, now),
                Some(Command::Ask { effect, reply }) => self.ask(effect, reply, now),
                Some(Command::Listening { listener, bound }) => self.account.listening(listener, bound),
                Some(Command::Report(reply)) => {
                    // The command that asked may have ended.
                    let _ = reply.send(self.report());
                }
                Some(Command::History { most, reply }) => {
                    let (offset, bytes) = self.hub.history(most);
                    let _ = reply.send(HistoryBytes { offset, bytes });
                }
                Some(Command::Follow(to)) => self.followers.add(to, now),
                Some(Command::Telegrams(reply)) => {
                    let _ = reply.send(self.look_at_telegrams());
                }
                Some(Command::Kick { whom, reply }) => {
                    let _ = reply.send(self.kick(whom, now));
                }
                Some(Command::ReopenCapture) => self.reopen_capture(),
                Some(Command::Pause(reply)) => self.pause(reply, now),
                Some(Command::Resume(reply)) => self.resume(reply, now),
                #[cfg(debug_assertions)]
                Some(Command::Panic) => panic!("asked to"),
                Some(Command::End { deadline }) => self.end(deadline),
                // Nobody is left who could ask for anything.
                None => {
                    self.end(now);
                    break;
                }
            }
        }
    }

    /// A new client. Where its listener is full it may have to wait until it is known whether the others are still there.
    fn connect(&mut self, accepted: Accepted, now: Instant) {
        let listener = accepted.listener;
        if self.ends_at.is_some() {
            return;
        }
        if self.is_full(listener) || self.is_line_held(listener) {
            self.find_closed(listener, now);
            if self.would_refuse(listener) {
                if let Some(accepted) = self.wait_for_place(accepted, now) {
                    self.let_in(accepted, now);
                }
                return;
            }
        }
        self.let_in(accepted, now);
    }

    /// The listener with this key.
    pub(super) fn listener(&self, key: usize) -> Option<&Arc<Listener>> {
        let at = self.listeners.iter().position(|known| *known == key)?;
        self.port.listen.get(at)
    }

    fn is_full(&self, key: usize) -> bool {
        self.listener(key).is_some_and(|listener| self.hub.is_full(key, listener))
    }

    /// Whether a client is connected through a listener with other line settings.
    fn is_line_held(&self, key: usize) -> bool {
        self.listener(key).is_some_and(|listener| self.hub.line_holder(listener).is_some())
    }

    /// Whether a new client of this listener would be refused now.
    pub(super) fn would_refuse(&self, key: usize) -> bool {
        let is_full = self.listener(key).is_some_and(|listener| self.hub.would_refuse(key, listener));
        is_full || self.is_line_held(key)
    }

    /// Whether this client may keep a new client of this listener out: it has one of its places, or the line.
    pub(super) fn is_in_the_way(&self, key: usize, id: ClientId) -> bool {
        let (Some(client), Some(listener)) = (self.hub.client_state(id), self.listener(key)) else { return false };
        client.listener == key || self.hub.line_of(&client.terms) != self.hub.line_of(listener)
    }

    /// Lets a new client in, or says why not.
    pub(super) fn let_in(&mut self, accepted: Accepted, now: Instant) {
        let Accepted { conn, peer, listener: key, places } = accepted;
        if self.port.open == Open::OnDemand && self.hub.clients() == 0 && !self.paused {
            // Nobody has looked for the device since the last client left, so it is not known to be gone.
            self.expect_line(now);
        }
        let listener = self.listener(key).cloned();
        // Its listener is gone, or the port ends.
        let Some(listener) = listener.filter(|_| self.ends_at.is_none()) else { return };
        if listener.on_gone == OnGone::Disconnect && self.hub.is_line_gone() {
            self.hub.refused();
            info!(event = %"client.refused", port = %self.name, client = %peer, cause = "device-gone",
                "client refused: the device is not open (on-gone: disconnect)");
            // A program on a raw listener takes each byte for the device's.
            let words = match &listener.protocol {
                Protocol::Telnet(_) => format!("port {}: the device is not there\r\n", self.name),
                Protocol::Raw => String::new(),
            };
            refuse(conn, words.as_bytes());
            return;
        }
        let session = greeting::session(&listener);
        let ends = (conn.endpoint(), peer);
        let settings = self.hub.settings_for(&listener);
        let banner = greeting::text(&listener.banner, &self.name, &self.port.device, settings, ends.clone());
        self.find_last_closed(now);
        if self.hub.is_deserted() && self.hub.line_holder(&listener).is_none() {
            // It is the first one, and so those that are on their way out were the last ones.
            self.part_from_device(ends, now);
        }
        match self.hub.connect((key, &listener), session, &banner, now) {
            Ok(id) => {
                let is_logged = is_logged(peer, &self.name, Visit::Connected);
                info_or_debug!(is_logged, event = %"client.connected", port = %self.name, client = %peer,
                    "client connected");
                self.record(EventKind::ClientConnected, format_args!("client {peer} connected"));
                if self.sockets.len() <= id {
                    self.sockets.resize_with(id + 1, || None);
                }
                let waker = self.ready.waker(id);
                self.sockets[id] = Some(Socket {
                    conn,
                    places,
                    peer,
                    number: self.account.next_client(),
                    is_logged,
                    since: now,
                    waker,
                    listed: true,
                    blocked: false,
                    ahead: None,
                    awaits_close: false,
                });
                self.readable.push_back(id);
                if self.hub.is_first(id) {
                    self.first_client(id, now);
                }
            }
            Err(why) => {
                let text = listener.busy_text.as_ref().map(|text| {
                    let settings = self.hub.view().settings;
                    greeting::text(text, &self.name, &self.port.device, settings, (conn.endpoint(), peer))
                });
                self.refuse(conn, peer, why, text);
            }
        }
    }

    /// Turns a client away and tells it why: where frames are set, a reader expects nothing but frames.
    /// `text` is what the listener has for it.
    fn refuse(&mut self, conn: Conn, peer: Peer, why: Refused, text: Option<Vec<u8>>) {
        self.hub.refused();
        let is_logged = is_logged(peer, &self.name, Visit::Refused);
        let words = match why {
            Refused::Full { clients, max_clients } => {
                warn_or_debug!(is_logged, event = %"client.refused", port = %self.name, client = %peer, cause = "full",
                    clients, max = max_clients, "client refused: the listener is full");
                let plural = if max_clients == 1 { "" } else { "s" };
                format!("{clients} of {max_clients} client{plural}")
            }
            Refused::OtherLine(holder) => {
                let holder = self.who(Some(holder));
                let who = holder.map_or_else(|| "another client".to_owned(), |peer| peer.to_string());
                let words = format!("{who} has the line at {}", self.hub.view().settings);
                warn_or_debug!(is_logged, event = %"client.refused", port = %self.name, client = %peer,
                    cause = "other-line", holder = holder.map(tracing::field::display),
                    "client refused: {words}, through another listener");
                words
            }
        };
        let words = match text {
            Some(text) => text,
            None if self.hub.is_framed() => Vec::new(),
            None => format!("port {} is busy: {words}\r\n", self.name).into_bytes(),
        };
        refuse(conn, &words);
    }

    /// The configuration has changed: clients stay where their listener does.
    fn reconfigure(&mut self, changed: Reconfigure, now: Instant) {
        let Reconfigure { port, listeners, opener, reopen } = changed;
        if self.ends_at.is_some() {
            return;
        }
        let before = std::mem::replace(&mut self.port, port);
        (self.listeners, self.opener) = (listeners, opener);
        self.account.keep_listeners(&self.listeners);
        let (keys, port) = (&self.listeners, &self.port);
        let terms = |key| {
            let at = keys.iter().position(|known| *known == key)?;
            port.listen.get(at).cloned()
        };
        self.hub.reconfigure(port, terms, now);
        if before.capture != self.port.capture {
            self.change_capture();
        }
        if before.device != self.port.device {
            self.lifecycle = Lifecycle::default();
            self.account.forget_fault();
        }
        if reopen {
            self.reopen(now);
            return;
        }
        if before.line.settings != self.port.line.settings && !self.hub.is_lent() {
            self.ask_unanswered(Effect::Settings(self.port.line.settings), now);
        }
        let outputs = [(before.modem.dtr, self.port.modem.dtr), (before.modem.rts, self.port.modem.rts)];
        let [dtr, rts] = outputs.map(|(before, after)| if before == after { None } else { after.level() });
        self.set_outputs(dtr, rts, now);
    }

    /// Sets outputs, if there are any to be set.
    pub(super) fn set_outputs(&mut self, dtr: Option<bool>, rts: Option<bool>, now: Instant) {
        if dtr.is_some() || rts.is_some() {
            self.ask_unanswered(Effect::Outputs { dtr, rts }, now);
        }
    }

    /// Asks something of the line that nobody waits for.
    pub(super) fn ask_unanswered(&mut self, effect: Effect, now: Instant) {
        let number = self.next_asked;
        self.next_asked += 1;
        self.hub.ask(number, effect, now);
    }

    /// Something is asked of the line from outside.
    fn ask(&mut self, effect: Effect, reply: Reply, now: Instant) {
        let number = self.next_asked;
        self.next_asked += 1;
        self.asked.insert(number, reply);
        self.hub.ask(number, effect, now);
    }

    /// Gives up what was asked by somebody who does not wait any more.
    pub(super) fn forget_asked(&mut self, now: Instant) {
        let gone: Vec<u64> = self.asked.iter().filter(|(_, reply)| reply.is_closed()).map(|(id, _)| *id).collect();
        for number in gone {
            self.asked.remove(&number);
            self.hub.forget(number, now);
        }
    }

    /// Answers the operator's request with its outcome.
    pub(super) fn answer_operator(&mut self, number: u64, outcome: Outcome) {
        if let Some(reply) = self.asked.remove(&number) {
            // The command that asked may have ended.
            let _ = reply.send((outcome, *self.hub.view()));
        }
    }

    pub(super) fn end(&mut self, deadline: Instant) {
        self.turn_waiting_away();
        self.ends_at = Some(self.ends_at.map_or(deadline, |at| at.min(deadline)));
        self.hub.drain();
    }
}
