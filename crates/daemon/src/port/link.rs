//! The commands that the rest of the program sends to a running port.

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use sermux_port_config::config::Port;
use sermux_port_config::signal::Effect;
use sermux_protocol::rfc2217::View;
use tokio::sync::{mpsc, oneshot, watch};

use super::hub::{Outcome, Telegram};
use super::report::PortReport;
use crate::line::{OpenError, Opened};
use crate::net::conn::Conn;
use crate::net::gate::Places;
use crate::net::peer::{Endpoint, Peer};

/// Commands that wait for the port; a sender waits when they are more.
const COMMANDS: usize = 64;

/// What is asked of a running port.
#[derive(Debug)]
pub enum Command {
    /// A connection was accepted.
    Connect(Accepted),
    /// The configuration has changed.
    Reconfigure(Reconfigure),
    /// There are no file descriptors left for a new client of the listener with this key.
    Crowded(usize),
    /// Something is asked of the line.
    Ask {
        /// What.
        effect: Effect,
        /// Where the outcome goes.
        reply: Reply,
    },
    /// A listener is bound, or is not and why.
    Listening {
        /// Its key.
        listener: usize,
        /// Where it listens.
        bound: Result<Endpoint, String>,
    },
    /// How is it?
    Report(oneshot::Sender<PortReport>),
    /// The newest bytes from the line that are still held.
    History {
        /// At most this number of bytes.
        most: usize,
        /// Where they go.
        reply: oneshot::Sender<HistoryBytes>,
    },
    /// Copies of what comes from the line from now on, until the other end is dropped. Begins with an empty one. What finds
    /// no room is lost, and counted in the next.
    Follow(mpsc::Sender<Followed>),
    /// The latest telegram, and each new one in its place, until the other end is dropped. `None`: the port has no telegrams.
    Telegrams(oneshot::Sender<Option<Telegrams>>),
    /// Close clients.
    Kick {
        /// Which.
        whom: Whom,
        /// Who they were.
        reply: oneshot::Sender<Vec<Kicked>>,
    },
    /// Open the file of the capture again, if there is one.
    ReopenCapture,
    /// Let go of the device until [`Command::Resume`]; told once it is closed. Clients stay.
    Pause(oneshot::Sender<()>),
    /// Open the device again; told once it is open, or could not be opened.
    Resume(oneshot::Sender<()>),
    /// For tests: what happens when a port has a defect?
    #[cfg(debug_assertions)]
    Panic,
    /// Hand out what is held, then end; at the latest at `deadline`.
    End {
        /// When the port ends all the same.
        deadline: Instant,
    },
}

/// Bytes that came from the line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryBytes {
    /// How many came before these since the port was started.
    pub offset: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// What one read of the line gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Followed {
    /// When it came.
    pub at: Instant,
    /// How many bytes are missing before it.
    pub lost: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Where the latest telegram is, once there is one. Ends with the port, or when the port has no telegrams any more.
pub type Telegrams = watch::Receiver<Option<Arc<Telegram>>>;

/// Where the outcome goes, with what is known of the line then. Dropped when the port ends before.
pub type Reply = oneshot::Sender<(Outcome, View)>;

/// Clients of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// All of them.
    All,
    /// The one with this number.
    Number(u64),
    /// Those at this address.
    Peer(Peer),
    /// Those on this host.
    Host(IpAddr),
}

/// A client that was closed because somebody asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kicked {
    /// The number that it had.
    pub number: u64,
    /// Who it was.
    pub peer: Peer,
}

/// A connection on its way from a listener to its port.
#[derive(Debug)]
pub struct Accepted {
    /// The connection.
    pub conn: Conn,
    /// Who it is.
    pub peer: Peer,
    /// The key of the listener that it came through.
    pub listener: usize,
    /// What it counts for; none in tests.
    pub places: Option<Places>,
}

/// A device on its way to a line.
pub type Opening = Pin<Box<dyn Future<Output = Result<Opened, OpenError>> + Send>>;

/// Starts to open the device of the port, as that is given. The driver never asks for a second one while the first is on its way.
pub type Opener = Box<dyn FnMut(Arc<Port>) -> Opening + Send>;

/// Another configuration for a running port.
pub struct Reconfigure {
    /// The configuration.
    pub port: Arc<Port>,
    /// The keys of its listeners, in the order of the configuration. What keeps its key keeps its clients.
    pub listeners: Vec<usize>,
    /// Opens its device.
    pub opener: Opener,
    /// Whether the device is to be opened again now.
    pub reopen: bool,
}

impl fmt::Debug for Reconfigure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { port, listeners, opener: _, reopen } = self;
        f.debug_struct("Reconfigure").field("port", port).field("listeners", listeners).field("reopen", reopen).finish()
    }
}

/// What the rest of the program holds of a port.
///
/// Commands are boxed, because a channel has room for 32 of them from the start, on a port that nobody asks anything as well.
#[derive(Clone, Debug)]
pub struct Link(mpsc::Sender<Box<Command>>);

impl Link {
    /// A link and where its commands arrive.
    pub(super) fn new() -> (Self, mpsc::Receiver<Box<Command>>) {
        let (sender, commands) = mpsc::channel(COMMANDS);
        (Self(sender), commands)
    }

    /// Hands over a command, waiting while the port is busy. False: the port has ended.
    pub fn send(&self, command: Command) -> impl Future<Output = bool> + Send + '_ {
        // Boxed before it waits: the future would have room for all of it, and each task that sends something for that.
        let command = Box::new(command);
        async move { self.0.send(command).await.is_ok() }
    }
}
