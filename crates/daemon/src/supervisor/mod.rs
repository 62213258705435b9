//! Owns the configuration and the running ports.
//!
//! Every start and end is a step of a [`Diff`] between two configurations: start-up is the diff from the empty one, the end
//! is the diff to it.
//!
//! All addresses are bound before the first device is opened. Listeners with host names are bound by their own tasks, since a name
//! server that is down delays each look-up by half a minute: start-up waits at most 2 s for them, a reload does not wait. New
//! addresses are bound before old ones are closed; an address that an old listener still uses is retried after that. At the end
//! listeners stop, nothing more is read, held bytes are sent for at most 1.5 s, and lines are closed; a device that hangs in its
//! driver does not delay the program.

mod crashed;
mod opens;
mod reading;
mod running;
mod signals;
mod source;
mod watched;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sermux_port_config::config::diff::Diff;
use sermux_port_config::config::load::Loaded;
use sermux_port_config::config::{Config, Control, Port};
use sermux_port_config::{Fault, Faults};
use socket2::Socket;
use tokio::sync::{mpsc, Notify};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{error, info, warn};

use self::opens::Opens;
use self::reading::{ConfigReading, Read, ReloadReply};
use self::running::{Listeners, RunningPort};
use self::signals::{end, Signals};
pub use self::source::ConfigSource;
pub(crate) use self::source::{Ser2netSource, UucpLocks};
use self::watched::WatchedTask;
use crate::control::ask::{Ask, Asker, ConfigInForce, NotReloaded, Ports, Reloaded};
use crate::control::{self, RunningServer};
use crate::crash::{Crash, Part};
use crate::device::hotplug::Hotplug;
use crate::log::visits::sum_up;
use crate::net::descriptors;
use crate::net::gate::{Gate, Gates};
use crate::port::listener::Tried;
use crate::port::{Command, Driver, PortStatus, Share};
use crate::systemd;
use crate::time::sleep_until;

/// How long ports may take to hand out what they hold when the program ends.
pub(crate) const DRAIN_LIMIT: Duration = Duration::from_millis(1500);

/// … and then to notice that this time is up.
const ENDING: Duration = Duration::from_millis(300);

/// How serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Somebody asked for it.
    Asked,
    /// There are listeners, and none of them could be bound.
    NothingBound,
}

/// The running ports and the configuration they run by.
#[derive(Debug)]
pub struct Supervisor {
    config: Config,
    /// Where the configuration is read again from.
    source: Option<ConfigSource>,
    ports: BTreeMap<String, RunningPort>,
    /// Counts the clients of all ports.
    gate: Arc<Gate>,
    opens: Opens,
    hotplug: Hotplug,
    reading: ConfigReading,
    /// Listening sockets of socket activation.
    handed_over: Vec<Socket>,
    drain_limit: Duration,
    /// Some port's status changed.
    changed: Arc<Notify>,
    /// Some task of a port has ended.
    ended: Arc<Notify>,
    /// How it came out to bind a listener that has a name.
    tells_tried: mpsc::UnboundedSender<Tried>,
    tried: mpsc::UnboundedReceiver<Tried>,
    /// The latest panic of each part that has had one.
    crashes: BTreeMap<Part, Crash>,
    control: Option<RunningServer>,
    http: Option<RunningServer>,
    /// Where the control socket is, whatever the configuration says.
    control_at: Option<PathBuf>,
    asker: Asker,
    asks: mpsc::Receiver<Ask>,
    started: Instant,
}

/// How many listeners there are to be, and how many there are.
#[derive(Clone, Copy, Debug, Default)]
struct BoundListeners {
    wanted: usize,
    got: usize,
    /// … which their own tasks bind, because they have names.
    names: usize,
}

impl BoundListeners {
    /// There are listeners, and no hope for any of them.
    fn is_nothing(self) -> bool {
        self.wanted > 0 && self.got == 0 && self.names == 0
    }

    fn and(self, listeners: &Listeners) -> Self {
        let (wanted, got, names) = listeners.count();
        Self { wanted: self.wanted + wanted, got: self.got + got, names: self.names + names }
    }
}

impl Supervisor {
    /// Nothing is running yet. `source` is what SIGHUP reads again. Takes the sockets that systemd hands over, so
    /// there is one of these in a process. Inside a tokio runtime. `control_at` is the place of the control socket, whatever the
    /// configuration says.
    #[must_use]
    pub fn new(source: Option<ConfigSource>, control_at: Option<&Path>) -> Self {
        let (asker, asks) = Asker::new();
        let (tells_tried, tried) = mpsc::unbounded_channel();
        Self {
            config: Config::default(),
            source,
            ports: BTreeMap::new(),
            gate: Arc::default(),
            opens: Opens::default(),
            hotplug: Hotplug::start(),
            reading: ConfigReading::default(),
            handed_over: systemd::sockets(),
            drain_limit: DRAIN_LIMIT,
            changed: Arc::new(Notify::new()),
            ended: Arc::default(),
            tells_tried,
            tried,
            crashes: BTreeMap::new(),
            control: None,
            http: None,
            control_at: control_at.map(Path::to_owned),
            asker,
            asks,
            started: Instant::now(),
        }
    }

    /// Has these sockets too, which listen already.
    #[must_use]
    pub fn with_sockets(mut self, sockets: Vec<Socket>) -> Self {
        self.handed_over.extend(sockets);
        self
    }

    /// At the end, waits at most this time for queued bytes to leave the lines, in place of 1.5 s.
    #[must_use]
    pub fn with_drain_limit(mut self, limit: Duration) -> Self {
        self.drain_limit = limit;
        self
    }

    /// Serves `config` until a signal asks for the end. `started` is called once every address has been tried.
    ///
    /// # Errors
    ///
    /// Signals cannot be caught.
    pub async fn serve(mut self, config: Config, started: impl FnOnce()) -> std::io::Result<Ended> {
        let mut signals = Signals::new()?;
        let (_, mut bound) = self.apply(config).await;
        tokio::select! {
            () = self.names_tried(&mut bound) => {}
            why = signals.end() => {
                info!(event = %"sermux.ending", "{why} received: sermux is stopping");
                self.apply(Config::default()).await;
                return Ok(Ended::Asked);
            }
        }
        if bound.is_nothing() {
            error!(event = %"listener.none-bound", addresses = bound.wanted,
                "could not listen on any address; the warnings above say why");
            self.apply(Config::default()).await;
            return Ok(Ended::NothingBound);
        }
        info!(event = %"sermux.started", ports = self.ports.len(), listeners = bound.got,
            "sermux {} started", env!("CARGO_PKG_VERSION"));
        self.start_control().await;
        self.start_http().await;
        started();
        systemd::ready();

        let why = self.run(&mut signals).await;
        info!(event = %"sermux.ending", "{why} received: sermux is stopping");
        systemd::stopping();
        self.end_http().await;
        self.end_control().await;
        tokio::select! {
            _ = self.apply(Config::default()) => info!(event = %"sermux.ended", "sermux has stopped"),
            why = signals.end() => warn!(event = %"sermux.cut-short", "{why} again: sermux stops at once"),
        }
        sum_up();
        Ok(Ended::Asked)
    }

    /// Until each listener that has a name has been tried, or has waited long enough for it.
    async fn names_tried(&mut self, bound: &mut BoundListeners) {
        let mut waiting = bound.names;
        while waiting > 0 {
            let Some(tried) = self.tried.recv().await else { return };
            waiting -= 1;
            match tried {
                Tried::Bound => bound.got += 1,
                Tried::NotBound => bound.names -= 1,
                // Names are resolved sooner or later: it goes on.
                Tried::NotResolved => {}
            }
        }
        // Later ones are waited for by nobody.
        self.tried.close();
    }

    /// Until a signal asks for the end.
    async fn run(&mut self, signals: &mut Signals) -> &'static str {
        let tells_status = systemd::listens();
        let alive_every = systemd::alive_every();
        let mut alive_at = alive_every.map(|every| Instant::now() + every);
        let mut status_at = tells_status.then(Instant::now);
        let mut last_status = Instant::now();
        loop {
            let (changed, ended) = (Arc::clone(&self.changed), Arc::clone(&self.ended));
            let restart_at = self.crashes.values().filter_map(Crash::again_at).min();
            tokio::select! {
                why = end(&mut signals.terminate, &mut signals.interrupt) => return why,
                _ = signals.hangup.recv() => self.reload(None).await,
                read = self.reading.done() => self.reloaded(read).await,
                Some(ask) = self.asks.recv() => self.answer(ask).await,
                () = changed.notified(), if tells_status && status_at.is_none() => {
                    status_at = Some(last_status + systemd::STATUS_EVERY);
                }
                () = ended.notified() => self.find_ended().await,
                panic = self.hotplug.failed() => self.failed(Part::Hotplug, None, &*panic),
                panic = RunningServer::failed(&mut self.control) => self.failed(Part::Control, None, &*panic),
                panic = RunningServer::failed(&mut self.http) => self.failed(Part::Http, None, &*panic),
                () = sleep_until(restart_at) => self.start_crashed().await,
                () = sleep_until(status_at) => {
                    (status_at, last_status) = (None, Instant::now());
                    systemd::status(&self.status());
                }
                () = sleep_until(alive_at) => {
                    systemd::alive();
                    alive_at = alive_every.map(|every| Instant::now() + every);
                }
            }
        }
    }

    /// In one line for a person.
    fn status(&self) -> String {
        let open = self.ports.values().filter(|port| port.status.is_open()).count();
        let clients: usize = self.ports.values().map(|port| port.status.clients()).sum();
        let is_down = |(part, crash): &(&Part, &Crash)| matches!(part, Part::Port(_)) && crash.again_at().is_some();
        let failed = self.crashes.iter().filter(is_down).count();
        let failed_too = if failed > 0 { format!("; ports failed: {failed}") } else { String::new() };
        format!("ports open: {open} of {}; clients: {clients}{failed_too}", self.ports.len() + failed)
    }

    /// Answers a request of the control socket. Its client may have disconnected.
    async fn answer(&mut self, ask: Ask) {
        match ask {
            Ask::Ports(reply) => {
                let running = self.ports.iter().map(|(name, port)| (name.clone(), port.link().clone()));
                let disabled = self.config.ports.iter().filter(|(_, port)| !port.enable);
                let disabled = disabled.map(|(name, port)| (name.clone(), Arc::clone(port)));
                let crashed = self.crashes.iter().filter_map(|(part, crash)| {
                    let Part::Port(name) = part else { return None };
                    let port = self.config.ports.get(name).filter(|_| crash.again_at().is_some())?;
                    Some((name.clone(), Arc::clone(port), crash.clone()))
                });
                let _ = reply.send(Ports {
                    running: running.collect(),
                    disabled: disabled.collect(),
                    crashed: crashed.collect(),
                    crashes: self.crashes.clone(),
                });
            }
            #[cfg(debug_assertions)]
            Ask::Panic => panic!("asked to"),
            Ask::Config(reply) => {
                let source = self.source.as_ref();
                let _ = reply.send(ConfigInForce {
                    file: source.and_then(ConfigSource::file).map(Path::to_owned),
                    command_line: source.map(ConfigSource::command_line).unwrap_or_default(),
                    config: self.config.clone(),
                });
            }
            Ask::Reload(reply) => self.reload(Some(reply)).await,
        }
    }

    async fn start_control(&mut self) {
        // A place on the command line asks for a socket there, whatever the file says.
        let control = self.config.control.clone().or_else(|| self.control_at.as_ref().map(|_| Control::default()));
        if let Some(control) = control {
            let file = self.source.as_ref().and_then(ConfigSource::file).map(Path::to_owned);
            let router = control::router(self.asker.clone(), file, self.started.into_std());
            self.control =
                control::server::start(control, self.control_at.as_deref(), &self.config.ports, router).await;
        }
    }

    async fn end_control(&mut self) {
        if let Some(control) = self.control.take() {
            control.close().await;
        }
    }

    async fn start_http(&mut self) {
        if let Some(http) = self.config.http.clone() {
            let file = self.source.as_ref().and_then(ConfigSource::file).map(Path::to_owned);
            let router = control::public(self.asker.clone(), file, self.started.into_std());
            self.http = Some(control::web::start(http, router).await);
        }
    }

    async fn end_http(&mut self) {
        if let Some(http) = self.http.take() {
            http.close().await;
        }
    }

    /// Reads the files again, and goes from what is in force to what they say; files with faults change nothing.
    async fn reload(&mut self, reply: Option<ReloadReply>) {
        let Some(source) = self.source.clone() else {
            warn!(event = %"config.reload-refused", "cannot reload: sermux was started without a configuration file");
            if let Some(reply) = reply {
                // The client may have disconnected.
                let _ = reply.send(Err(NotReloaded::NoFile));
            }
            return;
        };
        systemd::reloading();
        if source.is_read_once() {
            let why = "the configuration came from standard input, which cannot be read again: nothing was changed";
            warn!(event = %"config.reload-refused", "{why}");
            self.reopen_captures().await;
            if let Some(reply) = reply {
                // The client may have disconnected.
                let _ = reply.send(Err(NotReloaded::ReadOnce(why)));
            }
            systemd::ready();
            return;
        }
        self.reading.ask(source, reply);
    }

    async fn reloaded(&mut self, read: Read) {
        let Some(source) = self.source.clone() else { return };
        let file = PathBuf::from(source.name());
        let outcome = match read {
            Ok(Ok(loaded)) => Ok(self.go_on_with(file, loaded).await),
            Ok(Err(faults)) => {
                say_faults(&source.name(), &faults);
                Err(NotReloaded::Faults(file, faults))
            }
            Err(failed) => {
                let why = format!("the configuration could not be read again: {failed}");
                error!(event = %"config.reload-failed", file = %file.display(), "{why}");
                Err(NotReloaded::Failed(why))
            }
        };
        match self.reading.tell(&outcome) {
            Some(replies) => self.reading.again(source, replies),
            None => systemd::ready(),
        }
    }

    async fn go_on_with(&mut self, file: PathBuf, loaded: Loaded) -> Reloaded {
        let mut warnings: Vec<String> = loaded.faults.iter().chain(&loaded.warnings).map(in_one_line).collect();
        if loaded.config.log != self.config.log {
            warnings.push("log: the changes apply at the next start".to_owned());
        }
        for warning in &warnings {
            warn!(event = %"config.warned", "{warning}");
        }
        let other_control = loaded.config.control != self.config.control;
        let other_http = loaded.config.http != self.config.http;
        if other_http {
            // A port may get its address.
            self.end_http().await;
        }
        let (diff, _) = self.apply(loaded.config).await;
        self.reopen_captures().await;
        if other_control {
            self.end_control().await;
            self.start_control().await;
            if let Some(crash) = self.crashes.get_mut(&Part::Control) {
                crash.is_over(Instant::now());
            }
        }
        if other_http {
            self.start_http().await;
            if let Some(crash) = self.crashes.get_mut(&Part::Http) {
                crash.is_over(Instant::now());
            }
        }
        info!(event = %"config.reloaded", file = %file.display(), added = diff.added.len(), removed = diff.removed.len(),
            changed = diff.changed.len(), "configuration reloaded");
        let untouched = self.ports.len().saturating_sub(diff.added.len() + diff.changed.len());
        Reloaded { file, diff, untouched, warnings }
    }

    /// logrotate and its like rename the file of a capture, and then ask for a reload.
    async fn reopen_captures(&self) {
        for (name, running) in &self.ports {
            if self.config.ports.get(name).is_some_and(|port| port.capture.is_some()) {
                // A port that has ended has no file.
                running.link().send(Command::ReopenCapture).await;
            }
        }
    }

    /// Goes from the configuration in force to this one. What is the same in both notices nothing.
    ///
    /// New addresses are bound before old ones are let go; one that is still taken by an old one is tried again then.
    /// All of them are bound before the first device is opened.
    async fn apply(&mut self, mut config: Config) -> (Diff, BoundListeners) {
        let diff = Diff::between(&self.config, &config);
        self.gate.set(config.limits);
        descriptors::reserve(config.ports.len());
        let lets_go =
            !diff.removed.is_empty() || diff.changed.iter().any(|(_, diff)| !diff.listeners.removed.is_empty());
        let mut starting = Vec::new();
        for name in &diff.added {
            let Some(port) = config.ports.get(name) else { continue };
            let mut listeners = Listeners::new(name, port, 0..port.listen.len());
            listeners.bind(&self.handed_over, lets_go).await;
            starting.push((name, Arc::clone(port), listeners));
        }
        let mut changing = Vec::new();
        for (name, diff) in &diff.changed {
            let Some(port) = config.ports.get(name) else { continue };
            let mut added = Listeners::new(name, port, diff.listeners.added.iter().copied());
            added.bind(&self.handed_over, lets_go).await;
            changing.push((name, Arc::clone(port), diff, added));
        }

        self.end(&diff.removed).await;
        for (name, _, diff, _) in &changing {
            if let Some(running) = self.ports.get_mut(*name) {
                running.close(&diff.listeners.removed).await;
            }
        }
        if lets_go {
            let late = starting.iter_mut().map(|(.., listeners)| listeners);
            for listeners in late.chain(changing.iter_mut().map(|(.., added)| added)) {
                listeners.bind(&self.handed_over, false).await;
            }
        }

        let listeners =
            starting.iter().map(|(.., listeners)| listeners).chain(changing.iter().map(|(.., added)| added));
        let bound = listeners.fold(BoundListeners::default(), |bound, listeners| bound.and(listeners));
        if self.ports.is_empty() && bound.is_nothing() {
            return (diff, bound);
        }
        for (name, port, diff, added) in changing {
            let opener = self.opens.opener();
            if let Some(running) = self.ports.get_mut(name) {
                running.reconfigure(port, diff, added, opener, &self.tells_tried).await;
            }
        }
        for (name, port, listeners) in starting {
            let running = self.start_port(port, listeners);
            self.ports.insert(name.clone(), running);
        }
        // A port that stays as it is shares its configuration also with the new one.
        for (name, port) in &mut config.ports {
            if let Some(known) = self.config.ports.get(name).filter(|known| *known == port) {
                *port = Arc::clone(known);
            }
        }
        self.config = config;
        (diff, bound)
    }

    fn start_port(&self, port: Arc<Port>, listeners: Listeners) -> RunningPort {
        let status = Arc::new(PortStatus::watched(Arc::clone(&self.changed), Arc::clone(&self.ended)));
        let opener = self.opens.opener();
        let gates = Gates { all: Arc::clone(&self.gate), port: Gate::new(port.limits) };
        let (driver, link) = Driver::new(Arc::clone(&listeners.name), port, opener, &self.hotplug, Arc::clone(&status));
        // The driver takes turns by its own measure; the runtime's would cut its rounds short.
        let task = tokio::spawn(tokio::task::unconstrained(WatchedTask::new(driver, Share::new(&status))));
        RunningPort::new(Arc::clone(&listeners.name), link, status, task, gates).with(listeners, &self.tells_tried)
    }

    async fn end(&mut self, names: &[String]) {
        let now = Instant::now();
        let mut ending = Vec::new();
        for name in names {
            self.crashes.retain(|part, _| part.port() != Some(name));
            let Some(port) = self.ports.remove(name) else {
                continue;
            };
            let deadline = (now + self.drain_limit).into_std();
            ending.push(async move { port.end(deadline).await });
        }
        let mut tasks = JoinSet::new();
        for port in ending {
            tasks.spawn(port);
        }
        if tokio::time::timeout_at(now + self.drain_limit + ENDING, tasks.join_all()).await.is_err() {
            warn!(event = %"port.end-overdue", "some ports did not stop in time");
        }
    }
}

fn say_faults(file: &str, faults: &Faults) {
    for fault in faults.worth_showing().0 {
        error!(event = %"config.fault-found", "{}", in_one_line(fault));
    }
    error!(event = %"config.rejected", file, faults = faults.len(), "the configuration has faults: nothing was changed");
}

/// A fault as a log shows it: place, key, what is wrong, what would be right.
fn in_one_line(fault: &Fault) -> String {
    let whole = fault.to_string();
    let first = whole.lines().next().unwrap_or_default();
    match &fault.help {
        Some(help) => format!("{first} ({help})"),
        None => first.to_owned(),
    }
}
