//! `expect`: the port is quiet exactly when what it expects was missing for its time while the device was open.

use std::time::{Duration, Instant};

use sermux::line::Snapshot;
use sermux::port::hub::{Event, Hub};
use sermux_port_config::config::{Device, Framing, Port, Sim};

use crate::random::Random;

const STEPS: usize = 300;

const GOOD: &[u8] = b"/XMX5LGBBFG1012345678\r\n\r\n1-3:0.2.8(50)\r\n!9C82\r\n";
const BAD: &[u8] = b"/XMX5LGBBFG1012345678\r\n\r\n1-3:0.2.8(51)\r\n!9C82\r\n";

struct World {
    random: Random,
    port: Port,
    telegrams: bool,
    hub: Hub,
    now: Instant,
    /// When something came last, or the device was opened, or another limit was set; `None`: it is not open.
    heard: Option<Instant>,
    quiet: bool,
    said: Vec<Event>,
}

pub(crate) fn run(seed: u64) {
    let mut random = Random::new(seed ^ 0x0E_7EC7);
    let telegrams = random.one_in(2);
    let mut port = Port::new(Device::Sim(Sim::Echo), "115200 8N1".parse().unwrap());
    port.frame = if telegrams { Framing::Dsmr } else { random.pick(&[Framing::None, Framing::Line]) };
    port.expect.frame = Duration::from_secs(1);
    let hub = Hub::new(&port);
    let mut world =
        World { random, port, telegrams, hub, now: Instant::now(), heard: None, quiet: false, said: Vec::new() };
    for _ in 0..STEPS {
        world.step();
        world.check();
    }
}

impl World {
    fn limit(&self) -> Duration {
        self.port.expect.frame
    }

    fn step(&mut self) {
        match self.random.below(10) {
            0 | 1 if self.heard.is_none() => {
                self.hub.line_opened(false, &Snapshot::default(), self.now);
                self.heard = Some(self.now);
            }
            1 => {
                self.hub.line_gone(self.now);
                (self.heard, self.quiet) = (None, false);
            }
            2 => {
                let before = self.limit();
                self.port.expect.frame = Duration::from_millis(self.random.pick(&[0, 500, 1000, 60_000]));
                self.hub.reconfigure(&self.port, |_| None, self.now);
                if self.limit() != before {
                    self.quiet = false;
                    self.heard = self.heard.map(|_| self.now);
                }
            }
            3..=6 if self.heard.is_some() => {
                let bytes = if !self.telegrams || self.random.one_in(2) { GOOD } else { BAD };
                let part = if self.random.one_in(3) { self.random.below(bytes.len()) + 1 } else { bytes.len() };
                self.receive(&bytes[..part]);
            }
            _ => self.time_passes(),
        }
    }

    /// What the framer takes for a good telegram is its own business.
    fn good(&self) -> u64 {
        self.hub.p1_counters().map_or(0, |counters| counters.telegrams - counters.crc_bad)
    }

    fn receive(&mut self, bytes: &[u8]) {
        let good_before = self.good();
        self.hub.rx_space().unwrap()[..bytes.len()].copy_from_slice(bytes);
        self.hub.received(bytes.len(), self.now);
        self.hub.rx_drained();
        if self.limit().is_zero() || (self.telegrams && self.good() == good_before) {
            return;
        }
        let before = self.heard.replace(self.now).unwrap();
        if std::mem::take(&mut self.quiet) {
            self.said.push(Event::Heard(self.now - before));
        }
    }

    fn time_passes(&mut self) {
        self.now += Duration::from_millis(self.random.pick(&[1, 100, 400, 1000, 70_000]));
        let due = self.heard.filter(|_| !self.quiet && !self.limit().is_zero()).map(|heard| heard + self.limit());
        let is_due = due.is_some_and(|due| due <= self.now);
        let wakes = self.hub.deadline().is_some_and(|at| at <= self.now);
        assert!(wakes || !is_due, "nobody looks when it is due");
        let good_before = self.good();
        if wakes {
            self.hub.handle_timeout(self.now);
        }
        // One that lacked its line end has become one because no more came.
        if self.good() > good_before && !self.limit().is_zero() {
            let before = self.heard.replace(self.now).unwrap();
            if std::mem::take(&mut self.quiet) {
                self.said.push(Event::Heard(self.now - before));
            }
        } else if is_due {
            self.quiet = true;
            self.said.push(Event::Quiet(self.limit()));
        }
    }

    fn check(&mut self) {
        assert_eq!(self.hub.is_quiet(), self.quiet);
        let events = std::iter::from_fn(|| self.hub.poll_event());
        let said: Vec<Event> = events.filter(|event| matches!(event, Event::Quiet(_) | Event::Heard(_))).collect();
        assert_eq!(said, std::mem::take(&mut self.said));
    }
}
