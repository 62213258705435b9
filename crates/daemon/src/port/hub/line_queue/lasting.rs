//! What holds on the line beyond the request that asked for it ([`Standing`](super::Standing)).

use std::time::Instant;

use sermux_port_config::config::Port;

use super::asked::{Action, Asked, Asker, Wish};
use super::{ControlQueue, Levels, Presence};

impl ControlQueue {
    /// Another configuration.
    pub(in crate::port::hub) fn configure(&mut self, port: &Port) {
        self.standing.configure(port);
        self.expect();
    }

    /// Whether the port has clients.
    pub(in crate::port::hub) fn occupy(&mut self, occupied: bool) {
        self.standing.occupy(occupied);
        self.expect();
    }

    /// What is known of a line that is not there: what it will have.
    pub(super) fn expect(&mut self) {
        if self.presence != Presence::Open {
            self.view = self.standing.expected();
        }
    }

    /// The line is about to be opened: with what.
    pub(in crate::port::hub) fn open(&mut self) -> Levels {
        self.standing.open()
    }

    /// The last client that might change something has left; `end` is the offset behind all that is queued for the line. True:
    /// what clients changed is undone.
    pub(in crate::port::hub) fn release(&mut self, end: u64, now: Instant) -> bool {
        let before = self.standing.has_changes();
        let (wishes, restores) = self.standing.release();
        self.expect();
        if self.presence != Presence::Open {
            return false;
        }
        let any = !wishes.is_empty();
        self.stand(wishes, end, now);
        any && before && restores
    }

    /// The line is looked at, and nobody waits for it.
    pub(in crate::port::hub) fn look(&mut self, end: u64, now: Instant) {
        self.stand(vec![Wish::Look], end, now);
    }

    /// Gives the line back as configured, whoever changed it; the asker waits for the last of it.
    pub(in crate::port::hub) fn default(&mut self, asker: Asker, end: u64, now: Instant) {
        let Levels { settings, dtr, rts } = self.standing.default();
        self.expect();
        if self.presence == Presence::Open {
            self.stand(vec![Wish::Outputs { dtr, rts }], end, now);
            self.ask((asker, true), Asked::Wish(Wish::Settings(settings)), (end, end), now);
        } else {
            self.ask((asker, true), Asked::Wish(Wish::Default), (end, end), now);
        }
    }

    /// Asks for what is to stand on the line.
    pub(super) fn stand(&mut self, wishes: Vec<Wish>, end: u64, now: Instant) {
        for wish in wishes {
            self.asked_to_stand += 1;
            self.ask((Asker::Standing(self.asked_to_stand), true), Asked::Wish(wish), (end, end), now);
        }
    }

    /// What this asker does to the line lasts, each in its way.
    pub(super) fn note(&mut self, asker: Option<Asker>, action: &Action) {
        match asker {
            // Its requests outlive it where its bytes do; what they changed is taken back when they are answered.
            Some(Asker::Client(_) | Asker::Departed(_)) => self.standing.client_sets(action),
            Some(Asker::Operator(_)) => self.standing.others_set(action),
            Some(Asker::Standing(_)) | None => {}
        }
    }
}
