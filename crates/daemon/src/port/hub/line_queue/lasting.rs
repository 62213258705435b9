//! The effects of a request that last after it is done ([`Desired`](super::Desired)).

use std::time::Instant;

use sermux_port_config::config::Port;
use sermux_port_config::line::LineSettings;
use sermux_port_config::signal::Effect;

use super::super::client::ClientId;
use super::asked::{Asked, Asker};
use super::{Levels, LineQueue, Presence};

impl LineQueue {
    /// Another configuration.
    pub(in crate::port::hub) fn configure(&mut self, port: &Port) {
        self.desired.configure(port);
        self.expect();
    }

    /// Whether the port has clients.
    pub(in crate::port::hub) fn occupy(&mut self, occupied: bool) {
        self.desired.occupy(occupied);
        self.expect();
    }

    /// The settings that the port is configured with.
    pub(in crate::port::hub) fn configured(&self) -> LineSettings {
        self.desired.configured()
    }

    /// Whether clients of a listener with line settings of its own have the line.
    pub(in crate::port::hub) fn is_lent(&self) -> bool {
        self.desired.is_lent()
    }

    /// What the settings become for the first client of a listener with this `line`. `None`: they stay as they are.
    pub(in crate::port::hub) fn lends(&self, line: Option<LineSettings>) -> Option<LineSettings> {
        self.desired.lends(line)
    }

    /// The first client of a listener with this `line` is there. What it asks next is answered when the line has the
    /// settings; `end` is the offset behind all that is queued for the line. True: the line is asked for them.
    pub(in crate::port::hub) fn lend(
        &mut self,
        line: Option<LineSettings>,
        id: ClientId,
        end: u64,
        now: Instant,
    ) -> bool {
        let Some(settings) = self.desired.lend(line) else { return false };
        self.expect();
        let is_open = self.presence == Presence::Open;
        if is_open {
            self.ask((Asker::Client(id), true), Asked::Effect(Effect::Settings(settings)), (end, end), now);
        }
        is_open
    }

    /// The last client of listeners with line settings of their own has left. True: the line is asked for what it had before.
    pub(in crate::port::hub) fn end_loan(&mut self, end: u64, now: Instant) -> bool {
        let Some(settings) = self.desired.end_loan() else { return false };
        self.expect();
        let is_open = self.presence == Presence::Open;
        if is_open {
            self.stand(vec![Effect::Settings(settings)], end, now);
        }
        is_open
    }

    /// What is known of a line that is not there: what it will have.
    pub(super) fn expect(&mut self) {
        if self.presence != Presence::Open {
            self.view = self.desired.expected();
        }
    }

    /// The line is about to be opened: with what.
    pub(in crate::port::hub) fn open(&mut self) -> Levels {
        self.desired.open()
    }

    /// The last client that might change something has left; `end` is the offset behind all that is queued for the line. True:
    /// what clients changed is undone.
    pub(in crate::port::hub) fn release(&mut self, end: u64, now: Instant) -> bool {
        let before = self.desired.has_changes();
        let (effects, restores) = self.desired.release();
        self.expect();
        if self.presence != Presence::Open {
            return false;
        }
        let any = !effects.is_empty();
        self.stand(effects, end, now);
        any && before && restores
    }

    /// The line is looked at, and nobody waits for it.
    pub(in crate::port::hub) fn look(&mut self, end: u64, now: Instant) {
        self.stand(vec![Effect::Look], end, now);
    }

    /// Gives the line back as configured; the asker waits until all of that is done.
    pub(in crate::port::hub) fn default(&mut self, asker: Asker, end: u64, now: Instant) {
        let Levels { settings, dtr, rts } = self.desired.default();
        self.expect();
        if self.presence == Presence::Open {
            self.stand(vec![Effect::Outputs { dtr, rts }], end, now);
            self.ask((asker, true), Asked::Effect(Effect::Settings(settings)), (end, end), now);
        } else {
            self.ask((asker, true), Asked::Effect(Effect::Default), (end, end), now);
        }
    }

    /// Asks for what is to stand on the line.
    pub(super) fn stand(&mut self, effects: Vec<Effect>, end: u64, now: Instant) {
        for effect in effects {
            self.asked_to_stand += 1;
            self.ask((Asker::Desired(self.asked_to_stand), true), Asked::Effect(effect), (end, end), now);
        }
    }

    /// What this asker does to the line lasts, each in its way.
    pub(super) fn note(&mut self, asker: Option<Asker>, effect: &Effect) {
        match asker {
            // Its requests outlive it where its bytes do; what they changed is taken back when they are answered.
            Some(Asker::Client(_) | Asker::Departed(_)) => self.desired.client_sets(effect),
            Some(Asker::Operator(_)) => self.desired.others_set(effect),
            Some(Asker::Desired(_)) | None => {}
        }
    }
}
