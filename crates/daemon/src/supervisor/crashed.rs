//! Parts whose task has panicked: what is logged of them, and when they start again.

use std::any::Any;

use sermux_port_config::config::Address;
use tokio::time::Instant;
use tracing::{error, info};

use super::{Listeners, Supervisor};
use crate::crash::{Crash, Part};

impl Supervisor {
    /// Looks for tasks that have ended without being asked to: a defect, which is not to cost more than it must.
    pub(super) async fn find_ended(&mut self) {
        let ended: Vec<String> =
            self.ports.iter().filter(|(_, port)| port.has_ended()).map(|(name, _)| name.clone()).collect();
        for name in ended {
            let Some(running) = self.ports.remove(&name) else { continue };
            let why = running.into_panic().await;
            // Its listeners are started with it.
            self.crashes.retain(|part, _| !matches!(part, Part::Listener(port, _) if *port == name));
            self.failed(Part::Port(name), None, &*why);
        }
        let mut failed = Vec::new();
        for (name, port) in &mut self.ports {
            failed.extend(port.failed_listeners().await.into_iter().map(|listener| (name.clone(), listener)));
        }
        for (name, (key, address, why)) in failed {
            let part = Part::Listener(name.clone(), key);
            self.failed(part.clone(), Some(&address), &*why);
            if let (Some(port), Some(crash)) = (self.ports.get(&name), self.crashes.get(&part)) {
                port.say_failed(key, crash.what.clone()).await;
            }
        }
    }

    /// A part of the program has panicked: it is started again after a pause.
    pub(super) fn failed(&mut self, part: Part, address: Option<&Address>, panic: &(dyn Any + Send)) {
        let crash = Crash::new(&part, panic, self.crashes.get(&part), Instant::now());
        let cost = if matches!(part, Part::Port(_)) { " and its clients are closed" } else { "" };
        error!(
            event = %"part.failed",
            part = part.name(),
            port = part.port().map(tracing::field::display),
            address = address.map(tracing::field::display),
            "{part} failed{cost}; sermux restarts it in {} s",
            crash.wait().as_secs()
        );
        self.crashes.insert(part, crash);
        self.changed.notify_one();
    }

    /// Starts the parts whose pause after a panic is over.
    pub(super) async fn start_crashed(&mut self) {
        let now = Instant::now();
        let is_due = |crash: &Crash| crash.again_at().is_some_and(|at| at <= now);
        let due: Vec<Part> =
            self.crashes.iter().filter(|(_, crash)| is_due(crash)).map(|(part, _)| part.clone()).collect();
        for part in due {
            let is_started = match &part {
                Part::Port(name) => self.start_crashed_port(name).await,
                Part::Listener(name, key) => match self.ports.get_mut(name) {
                    Some(port) => port.listen_again(*key, &self.handed_over, &self.tells_tried).await,
                    None => false,
                },
                Part::Control => {
                    self.start_control().await;
                    true
                }
                Part::Http => {
                    self.start_http().await;
                    true
                }
                Part::Hotplug => {
                    self.hotplug.start_again();
                    true
                }
            };
            if !is_started {
                self.crashes.remove(&part);
                continue;
            }
            if let Some(crash) = self.crashes.get_mut(&part) {
                crash.is_over(now);
            }
            info!(event = %"part.restarted", part = part.name(), port = part.port().map(tracing::field::display),
                "{part} was restarted");
        }
        self.changed.notify_one();
    }

    /// … a port with its listeners. Whether it is still wanted.
    async fn start_crashed_port(&mut self, name: &str) -> bool {
        let Some(port) = self.config.ports.get(name).filter(|port| port.enable).cloned() else { return false };
        let mut listeners = Listeners::new(name, &port, 0..port.listen.len());
        listeners.bind(&self.handed_over, false).await;
        let running = self.start_port(port, listeners);
        self.ports.insert(name.to_owned(), running);
        true
    }
}
