//! What the control server asks of the supervisor, which owns the ports and the configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use sermux_port_config::config::diff::Diff;
use sermux_port_config::config::{Config, Port};
use sermux_port_config::Faults;
use tokio::sync::{mpsc, oneshot};

use crate::crash::{Crash, Part};
use crate::port::Link;

/// Questions that wait for the supervisor; who asks waits when they are more.
const WAITING: usize = 16;

/// A question.
#[derive(Debug)]
pub(crate) enum Ask {
    /// Which ports are there?
    Ports(oneshot::Sender<Ports>),
    /// Which configuration is in force?
    Config(oneshot::Sender<ConfigInForce>),
    /// Read the configuration again.
    Reload(oneshot::Sender<Result<Reloaded, NotReloaded>>),
    /// For tests: what happens when the supervisor has a defect?
    #[cfg(debug_assertions)]
    Panic,
}

/// The ports of the configuration in force.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    /// Those that run, by name.
    pub(crate) running: Vec<(String, Link)>,
    /// Those that are not enabled.
    pub(crate) disabled: Vec<(String, Arc<Port>)>,
    /// Those that have failed by a defect of the program, and are not started again yet.
    pub(crate) crashed: Vec<(String, Arc<Port>, Crash)>,
    /// The latest failure of each part of the program that has failed.
    pub(crate) crashes: BTreeMap<Part, Crash>,
}

/// The configuration in force, and where it came from.
#[derive(Debug)]
pub(crate) struct ConfigInForce {
    /// The file that a reload reads, when there is one.
    pub(crate) file: Option<PathBuf>,
    /// The ports of the command line, which a reload keeps, as they were written there.
    pub(crate) command_line: Vec<String>,
    pub(crate) config: Config,
}

/// The configuration was read again and is in force.
#[derive(Clone, Debug)]
pub(crate) struct Reloaded {
    /// The file.
    pub(crate) file: PathBuf,
    /// What that changed.
    pub(crate) diff: Diff,
    /// How many ports are as they were.
    pub(crate) untouched: usize,
    /// What is worth a look, a line each.
    pub(crate) warnings: Vec<String>,
}

/// The configuration stays as it was.
#[derive(Clone, Debug)]
pub(crate) enum NotReloaded {
    /// There is no file to be read again.
    NoFile,
    /// It came from where nothing can be read a second time.
    ReadOnce(&'static str),
    /// These faults are in the file.
    Faults(PathBuf, Faults),
    /// Reading did not work at all.
    Failed(String),
}

/// Where questions go.
#[derive(Clone, Debug)]
pub(crate) struct Asker(mpsc::Sender<Ask>);

impl Asker {
    /// A way to ask, and where the questions arrive.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Ask>) {
        let (sender, asks) = mpsc::channel(WAITING);
        (Self(sender), asks)
    }

    /// Asks. `None`: the program ends.
    pub(crate) async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.0.send(question(reply)).await.ok()?;
        answer.await.ok()
    }
}
