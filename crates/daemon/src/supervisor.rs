//! Owns the configuration and the running ports.
//!
//! Whatever is started or ended is a step of a [`Diff`] between two configurations: start-up is the diff from the
//! empty one, the end is the diff to it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sermux_port_config::config::diff::Diff;
use sermux_port_config::config::{Config, Port};
use tokio::net::TcpListener;
use tokio::signal::unix::{signal, Signal, SignalKind};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tracing::{error, info, warn};

use crate::line::{self, OpenError, Opened};
use crate::net::listen::{self, Offer};
use crate::port::{Command, Driver, Link, Opener};

/// How long ports may take to hand out what they hold when the program ends.
const DRAIN_LIMIT: Duration = Duration::from_millis(1500);

/// … and to notice that this time is up.
const END_LIMIT: Duration = Duration::from_millis(1800);

/// Devices that are opened at a time: each takes a thread while it is.
const OPENS_AT_A_TIME: usize = 16;

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
    ports: BTreeMap<String, Running>,
    opens: Arc<Semaphore>,
}

#[derive(Debug)]
struct Running {
    link: Link,
    task: JoinHandle<()>,
    listeners: JoinSet<()>,
}

/// How many listeners there are to be, and how many there are.
#[derive(Clone, Copy, Debug, Default)]
struct Bound {
    wanted: usize,
    got: usize,
}

impl Default for Supervisor {
    fn default() -> Self {
        Self { config: Config::default(), ports: BTreeMap::new(), opens: Arc::new(Semaphore::new(OPENS_AT_A_TIME)) }
    }
}

impl Supervisor {
    /// Serves `config` until a signal asks for the end. `started` is called once every address has been tried.
    ///
    /// # Errors
    ///
    /// Signals cannot be caught.
    pub async fn serve(mut self, config: Config, started: impl FnOnce()) -> std::io::Result<Ended> {
        let mut signals = Signals::new()?;
        let bound = self.apply(config).await;
        if bound.wanted > 0 && bound.got == 0 {
            error!("none of the {} addresses could be bound", bound.wanted);
            self.apply(Config::default()).await;
            return Ok(Ended::NothingBound);
        }
        info!(ports = self.ports.len(), listeners = bound.got, "sermux {} started", env!("CARGO_PKG_VERSION"));
        started();

        let why = signals.end().await;
        info!("{why}: ending");
        tokio::select! {
            _ = self.apply(Config::default()) => info!("ended"),
            why = signals.end() => warn!("{why} again: ended at once"),
        }
        Ok(Ended::Asked)
    }

    /// Goes from the configuration in force to this one.
    async fn apply(&mut self, config: Config) -> Bound {
        let diff = Diff::between(&self.config, &config);
        // Only start and end come here: from the empty configuration, or to it.
        debug_assert!(diff.changed.is_empty());
        self.end(&diff.removed).await;
        let bound = self.start(&config, &diff.added).await;
        self.config = config;
        bound
    }

    /// All addresses are bound before the first device is opened.
    async fn start(&mut self, config: &Config, names: &[String]) -> Bound {
        let mut bound = Bound::default();
        let mut starting = Vec::new();
        for name in names {
            let Some(port) = config.ports.get(name) else { continue };
            let mut listeners = Vec::new();
            for (index, listener) in port.listen.iter().enumerate() {
                let offer = Offer::new(name, port, index, listener);
                let socket = offer.bind().await.ok();
                bound.wanted += 1;
                bound.got += usize::from(socket.is_some());
                listeners.push((offer, socket));
            }
            starting.push((name, Arc::new(port.clone()), listeners));
        }
        if bound.wanted > 0 && bound.got == 0 {
            return bound;
        }
        for (name, port, listeners) in starting {
            let running = self.start_port(name, port, listeners);
            self.ports.insert(name.clone(), running);
        }
        bound
    }

    fn start_port(&self, name: &str, port: Arc<Port>, listeners: Vec<(Offer, Option<TcpListener>)>) -> Running {
        let (driver, link) = Driver::new(name, Arc::clone(&port), opener(port, Arc::clone(&self.opens)));
        // The driver takes turns by its own measure; the runtime's would cut its rounds short.
        let task = tokio::spawn(tokio::task::unconstrained(driver));
        let mut tasks = JoinSet::new();
        for (offer, socket) in listeners {
            tasks.spawn(listen::serve(offer, socket, link.clone()));
        }
        Running { link, task, listeners: tasks }
    }

    async fn end(&mut self, names: &[String]) {
        let now = tokio::time::Instant::now();
        let mut ending = Vec::new();
        for name in names {
            let Some(mut port) = self.ports.remove(name) else {
                continue;
            };
            port.listeners.abort_all();
            let deadline = (now + DRAIN_LIMIT).into_std();
            ending.push(async move {
                // A port that has ended already has nothing to hand out.
                port.link.send(Command::End { deadline }).await;
                port.task.await
            });
        }
        let mut tasks = JoinSet::new();
        for port in ending {
            tasks.spawn(port);
        }
        if tokio::time::timeout_at(now + END_LIMIT, tasks.join_all()).await.is_err() {
            warn!("some ports did not end in time");
        }
    }
}

/// Opens the port's device on the blocking pool when its turn has come.
fn opener(port: Arc<Port>, opens: Arc<Semaphore>) -> Opener {
    Box::new(move || Box::pin(open(Arc::clone(&port), Arc::clone(&opens))))
}

async fn open(port: Arc<Port>, opens: Arc<Semaphore>) -> Result<Opened, OpenError> {
    // The semaphore is never closed; if it were, opening unbounded would be the lesser evil.
    let _turn = opens.acquire_owned().await;
    let path = port.device.to_string().into();
    let opened = tokio::task::spawn_blocking(move || line::open_blocking(&port)).await;
    opened.unwrap_or_else(|failed| Err(OpenError::Other { path, what: failed.to_string() }))
}

/// The signals that ask for the end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn end(&mut self) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.hangup.recv() => {
                    warn!("SIGHUP: this version reads its configuration at start only; restart it to apply changes");
                }
            }
        }
    }
}
