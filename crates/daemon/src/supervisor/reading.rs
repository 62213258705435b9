//! Reading the configuration again, away from the supervisor's thread: a disk may take its time, and the supervisor has signals,
//! the watchdog and the control socket to serve.

use std::future::pending;
use std::panic::resume_unwind;
use std::thread;

use sermux_port_config::config::load::Loaded;
use sermux_port_config::Faults;
use tokio::sync::oneshot;
use tokio::task::{spawn_blocking, JoinError, JoinHandle};

use super::source::ConfigSource;
use crate::control::ask::{NotReloaded, Reloaded};

/// The stack that reading has: a file may nest deeply, and the threads of the blocking pool have little.
const STACK: usize = 4 * 1024 * 1024;

/// Where the outcome goes.
pub(super) type ReloadReply = oneshot::Sender<Result<Reloaded, NotReloaded>>;

/// What was read.
pub(super) type Read = Result<Result<Loaded, Faults>, JoinError>;

/// What is being read, and for whom.
#[derive(Debug, Default)]
pub(super) struct ConfigReading {
    task: Option<JoinHandle<Result<Loaded, Faults>>>,
    asked: Vec<ReloadReply>,
    /// Asked for since it began: the files may have changed behind it, so they are read once more, for all of these.
    next: Option<Vec<ReloadReply>>,
}

impl ConfigReading {
    /// Reads now, or once more when what is being read has been read.
    pub(super) fn ask(&mut self, source: ConfigSource, reply: Option<ReloadReply>) {
        if self.task.is_some() {
            self.next.get_or_insert_default().extend(reply);
            return;
        }
        self.asked.extend(reply);
        self.task = Some(spawn_blocking(move || load_blocking(source)));
    }

    /// What was read; never, while nothing is. May be dropped while it waits.
    pub(super) async fn done(&mut self) -> Read {
        let Some(task) = &mut self.task else { return pending().await };
        let read = task.await;
        self.task = None;
        read
    }

    /// Tells those who asked how it came out. Whether it was asked for again, and by whom.
    pub(super) fn tell(&mut self, outcome: &Result<Reloaded, NotReloaded>) -> Option<Vec<ReloadReply>> {
        for reply in self.asked.drain(..) {
            // The client may have disconnected.
            let _ = reply.send(outcome.clone());
        }
        self.next.take()
    }

    /// Reads once more, for these.
    pub(super) fn again(&mut self, source: ConfigSource, replies: Vec<ReloadReply>) {
        self.ask(source, None);
        self.asked.extend(replies);
    }
}

fn load_blocking(source: ConfigSource) -> Result<Loaded, Faults> {
    let thread = thread::Builder::new().name("sermux-config".to_owned()).stack_size(STACK);
    match thread.spawn(move || source.load_blocking()) {
        Ok(reading) => reading.join().unwrap_or_else(|panic| resume_unwind(panic)),
        Err(error) => resume_unwind(Box::new(format!("no thread to read the configuration with: {error}"))),
    }
}
