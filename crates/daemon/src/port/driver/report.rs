//! The port's report for status and metrics.

use std::sync::Arc;
use std::time::Instant;

use super::{Driver, Slot};
use crate::capture::Recorder;
use crate::line::NotCarried;
use crate::net::peer::Endpoint;
use crate::port::lifecycle::Trouble;
use crate::port::report::{ClientReport, ListenerReport, PortFault, PortReport, PortState};

/// What is kept only for reports.
#[derive(Debug)]
pub(super) struct Account {
    state: PortState,
    since: Instant,
    /// Boxed, like the next: most ports have none.
    fault: Option<Box<PortFault>>,
    differences: Box<[String]>,
    not_carried: Box<[NotCarried]>,
    /// How the listeners came out, with their keys.
    bound: Vec<(usize, Result<Endpoint, String>)>,
    /// Clients so far.
    clients: u64,
}

impl Account {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            state: PortState::Opening,
            since: now,
            fault: None,
            differences: Box::default(),
            not_carried: Box::default(),
            bound: Vec::new(),
            clients: 0,
        }
    }

    /// The number of a client that has just come.
    pub(super) fn next_client(&mut self) -> u64 {
        self.clients += 1;
        self.clients
    }

    /// The port is in this state.
    pub(super) fn enter(&mut self, state: PortState, now: Instant) {
        if state != self.state {
            (self.state, self.since) = (state, now);
        }
        if let (PortState::Open | PortState::Paused, Some(fault)) = (state, &mut self.fault) {
            fault.over.get_or_insert(now);
        }
    }

    /// Something is wrong with the device.
    pub(super) fn fault(&mut self, what: &str, now: Instant) {
        let known = self.fault.as_ref().is_some_and(|fault| fault.over.is_none() && fault.what == what);
        if !known {
            self.fault = Some(Box::new(PortFault { what: what.to_owned(), at: now, over: None }));
        }
    }

    /// It is another device.
    pub(super) fn forget_fault(&mut self) {
        self.fault = None;
    }

    /// The line is open, and this is what it makes of the settings.
    pub(super) fn opened(&mut self, differences: Vec<String>, not_carried: Vec<NotCarried>) {
        (self.differences, self.not_carried) = (differences.into(), not_carried.into());
    }

    /// The line was set, and this is what it makes of it.
    pub(super) fn differences(&mut self, differences: Vec<String>) {
        self.differences = differences.into();
    }

    /// Other listeners are gone.
    pub(super) fn keep_listeners(&mut self, keys: &[usize]) {
        self.bound.retain(|(key, _)| keys.contains(key));
    }

    /// A listener is bound, or is not and why.
    pub(super) fn listening(&mut self, listener: usize, bound: Result<Endpoint, String>) {
        match self.bound.iter_mut().find(|(key, _)| *key == listener) {
            Some((_, known)) => *known = bound,
            None => {
                // Most ports have one listener, and a list makes room for four.
                self.bound.reserve_exact(1);
                self.bound.push((listener, bound));
            }
        }
    }

    pub(super) fn bound(&self, listener: usize) -> Option<&Result<Endpoint, String>> {
        self.bound.iter().find_map(|(key, bound)| (*key == listener).then_some(bound))
    }
}

impl Driver {
    /// How the port is. A device that is tried again and again stays in one state.
    pub(super) fn state(&self) -> PortState {
        match &self.slot {
            _ if self.paused => PortState::Paused,
            Slot::Open(_) if self.operations.is_stuck() => PortState::Faulted,
            Slot::Open(_) if self.hub.is_stuck() => PortState::Stuck,
            Slot::Open(_) if self.hub.is_garbage() => PortState::Garbage,
            Slot::Open(_) if self.hub.is_quiet() => PortState::Quiet,
            Slot::Open(_) => PortState::Open,
            Slot::Opening { stuck_at: None, .. } => PortState::Faulted,
            slot => match self.lifecycle.trouble() {
                Some(Trouble::Absent) => PortState::Waiting,
                Some(Trouble::Refused) => PortState::Faulted,
                None if matches!(slot, Slot::Closing { .. }) => PortState::Closing,
                None if matches!(slot, Slot::Waiting(_)) && !self.needs_line() => PortState::Idle,
                None => PortState::Opening,
            },
        }
    }

    /// The port as it is now.
    pub(super) fn report(&self) -> PortReport {
        let open = matches!(self.slot, Slot::Open(_));
        let clients = self.sockets.iter().enumerate().filter_map(|(id, socket)| {
            let socket = socket.as_ref()?;
            Some(ClientReport {
                number: socket.number,
                peer: socket.peer,
                local: socket.conn.endpoint(),
                since: socket.since,
                state: self.hub.client_state(id)?,
            })
        });
        let clients: Vec<ClientReport> = clients.collect();
        let listeners = self.listeners.iter().map(|key| ListenerReport {
            key: *key,
            bound: self.account.bound(*key).cloned(),
            clients: clients.iter().filter(|client| client.state.listener == *key).count(),
            turned_away: self.status.turned_away_by(*key),
            limited: self.status.limited_by(*key),
            mistaken: self.hub.mistaken(*key),
        });
        let state = self.state();
        PortReport {
            port: Arc::clone(&self.port),
            state,
            since: self.account.since,
            view: *self.hub.view(),
            differences: self.account.differences.to_vec(),
            not_carried: self.account.not_carried.to_vec(),
            counters: self.hub.counters(),
            control: self.hub.request_counters(),
            line_counters: self.hub.line_counters().filter(|_| open),
            p1: self.hub.p1_counters(),
            last_telegram: self.hub.telegram().map(|telegram| telegram.came),
            last_rx: self.hub.last_rx(),
            held: self.hub.held(),
            capture: self.capture.as_deref().map(Recorder::report),
            missing: matches!(state, PortState::Quiet | PortState::Garbage).then(|| self.hub.missing()),
            stuck: self.hub.stuck(),
            fault: self.account.fault.as_deref().cloned(),
            listeners: listeners.collect(),
            clients,
        }
    }
}
