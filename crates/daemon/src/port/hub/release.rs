//! Releases received bytes: up to which byte clients of bytes get them, and which whole frames clients of frames get.

use std::collections::VecDeque;
use std::time::Instant;

use sermux_port_config::config::{Framing, Port};
use sermux_port_config::line::LineSettings;

use super::cutter::Cutter;
use super::event::Event;
use super::frames::Frames;
use super::gathered::Gathered;
use super::ring::Ring;

/// What is released, and by which rule.
#[derive(Debug)]
pub(super) struct Release {
    /// Bytes before this offset may go to clients that take bytes.
    released: u64,
    rule: ReleaseRule,
    /// How many frames earlier rules cut because they were too long.
    cut_before: u64,
}

/// Boxed where it is large: most ports have no frames.
#[derive(Debug)]
enum ReleaseRule {
    /// Bytes go out as they come.
    AtOnce,
    /// Bytes wait for more (`gather`).
    Gathered(Box<Gathered>),
    /// Bytes go out up to the end of a line, a message or a burst.
    Cut(Box<Cutter>),
    /// Telegrams go out whole.
    Telegrams(Box<Frames>),
}

impl ReleaseRule {
    /// Of a port whose new clients get this number of the latest frames; the first byte that is to be released comes
    /// at `head`.
    fn of(port: &Port, settings: &LineSettings, history: u64, head: u64) -> ReleaseRule {
        if port.frame == Framing::Dsmr {
            return ReleaseRule::Telegrams(Box::new(Frames::new(port.crc)));
        }
        match Cutter::of(port, settings, history, head) {
            Some(cutter) => ReleaseRule::Cut(Box::new(cutter)),
            None if port.gather.is_off() => ReleaseRule::AtOnce,
            None => ReleaseRule::Gathered(Box::new(Gathered::new(&port.gather, settings))),
        }
    }
}

impl Release {
    pub(super) fn of(port: &Port, history: u64) -> Self {
        Self { released: 0, rule: ReleaseRule::of(port, &port.line.settings, history, 0), cut_before: 0 }
    }

    /// Bytes before this offset may go to clients that take bytes.
    pub(super) fn released(&self) -> u64 {
        self.released
    }

    /// The telegrams, on a port that has telegrams.
    pub(super) fn telegrams(&self) -> Option<&Frames> {
        match &self.rule {
            ReleaseRule::Telegrams(frames) => Some(frames),
            _ => None,
        }
    }

    pub(super) fn telegrams_mut(&mut self) -> Option<&mut Frames> {
        match &mut self.rule {
            ReleaseRule::Telegrams(frames) => Some(frames),
            _ => None,
        }
    }

    /// Where bytes may be cut, on a port with lines, messages or bursts.
    pub(super) fn cutter(&self) -> Option<&Cutter> {
        match &self.rule {
            ReleaseRule::Cut(cutter) => Some(cutter),
            _ => None,
        }
    }

    pub(super) fn cutter_mut(&mut self) -> Option<&mut Cutter> {
        match &mut self.rule {
            ReleaseRule::Cut(cutter) => Some(cutter),
            _ => None,
        }
    }

    /// Whether clients get whole frames.
    pub(super) fn is_framed(&self) -> bool {
        matches!(self.rule, ReleaseRule::Cut(_) | ReleaseRule::Telegrams(_))
    }

    /// How many frames were cut because they were too long.
    pub(super) fn cut_frames(&self) -> u64 {
        self.cut_before + self.cutter().map_or(0, Cutter::cut_frames)
    }

    /// Bytes came from the line and are in the ring; `from` is the offset of the first.
    pub(super) fn push(&mut self, ring: &Ring, from: u64, now: Instant, events: &mut VecDeque<Event>) {
        let head = ring.head();
        match &mut self.rule {
            ReleaseRule::AtOnce => self.released = head,
            ReleaseRule::Gathered(gathered) => self.released = gathered.push(ring, from, self.released, now),
            ReleaseRule::Cut(cutter) => {
                let mut at = from;
                for chunk in ring.slices(from, head) {
                    cutter.push(chunk, at, now);
                    at += chunk.len() as u64;
                }
                self.released = cutter.released();
            }
            ReleaseRule::Telegrams(frames) => {
                frames.push(ring, from, now, events);
                self.released = head;
            }
        }
    }

    /// The line was read empty: from now on silence counts.
    pub(super) fn read_empty(&mut self) {
        match &mut self.rule {
            ReleaseRule::AtOnce | ReleaseRule::Gathered(_) => {}
            ReleaseRule::Cut(cutter) => cutter.read_empty(),
            ReleaseRule::Telegrams(frames) => frames.read_empty(),
        }
    }

    /// When [`Release::handle_timeout`] wants to be called; it may turn out that nothing was to be done.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.rule {
            ReleaseRule::AtOnce => None,
            ReleaseRule::Gathered(gathered) => gathered.deadline(),
            ReleaseRule::Cut(cutter) => cutter.deadline(),
            ReleaseRule::Telegrams(frames) => frames.deadline(),
        }
    }

    /// The deadline may have passed: releases what has waited for long enough, and ends or gives up a frame that silence has
    /// ended.
    pub(super) fn handle_timeout(&mut self, ring: &Ring, now: Instant, events: &mut VecDeque<Event>) {
        match &mut self.rule {
            ReleaseRule::AtOnce => {}
            ReleaseRule::Gathered(gathered) => {
                if gathered.handle_timeout(now) {
                    self.released = ring.head();
                }
            }
            ReleaseRule::Cut(cutter) => {
                cutter.handle_timeout(ring.head(), now);
                self.released = cutter.released();
            }
            ReleaseRule::Telegrams(frames) => frames.handle_timeout(ring, now, events),
        }
    }

    /// No more comes of what is only partly here. True: clients get something by that.
    pub(super) fn finish(&mut self, ring: &Ring, events: &mut VecDeque<Event>) -> bool {
        let (released, head) = (self.released, ring.head());
        match &mut self.rule {
            ReleaseRule::AtOnce => {}
            ReleaseRule::Gathered(gathered) => {
                gathered.clear();
                self.released = head;
            }
            ReleaseRule::Cut(cutter) => {
                cutter.cut(head);
                self.released = cutter.released();
            }
            ReleaseRule::Telegrams(frames) => {
                let seen = frames.seen();
                frames.reset(ring, events);
                return frames.seen() > seen;
            }
        }
        self.released > released
    }

    /// The line has other settings.
    pub(super) fn set_line(&mut self, settings: &LineSettings) {
        match &mut self.rule {
            ReleaseRule::Cut(cutter) => cutter.set_line(settings),
            ReleaseRule::Gathered(gathered) => gathered.set_line(settings),
            ReleaseRule::AtOnce | ReleaseRule::Telegrams(_) => {}
        }
    }

    /// The port has another configuration. Where its frames are others, what the ring holds is released as it is.
    pub(super) fn configure(&mut self, port: &Port, settings: &LineSettings, history: u64, head: u64) {
        match &mut self.rule {
            ReleaseRule::Telegrams(frames) if port.frame == Framing::Dsmr => frames.set_crc(port.crc),
            ReleaseRule::Cut(cutter) if cutter.is_for(port) => cutter.set_sizes(port.backlog, history),
            ReleaseRule::Gathered(gathered) if port.frame == Framing::None && !port.gather.is_off() => {
                gathered.configure(&port.gather, settings);
            }
            ReleaseRule::AtOnce | ReleaseRule::Gathered(_) | ReleaseRule::Cut(_) | ReleaseRule::Telegrams(_) => {
                self.cut_before = self.cut_frames();
                self.released = head;
                self.rule = ReleaseRule::of(port, settings, history, head);
            }
        }
    }
}
