//! What the rest of the program asks of a running port.

use std::net::SocketAddr;
use std::time::Instant;

use sermux_protocol::rfc2217::View;
use tokio::sync::{mpsc, oneshot};

use super::hub::{Admission, Outcome, Wish};
use crate::net::conn::Conn;

/// Commands that wait for the port; a sender waits when they are more.
const COMMANDS: usize = 64;

/// What is asked of a running port.
#[derive(Debug)]
pub enum Command {
    /// A connection was accepted. Boxed, because a channel has room for many commands from the start.
    Connect(Box<Accepted>),
    /// Something is asked of the line.
    Wish {
        /// What.
        wish: Wish,
        /// Where it is told how it came out.
        reply: Reply,
    },
    /// Hand out what is held, then end; at the latest at `deadline`.
    End {
        /// When the port ends all the same.
        deadline: Instant,
    },
}

/// Where it is told how a wish came out, and what is known of the line then. Dropped when the port ends before.
pub type Reply = oneshot::Sender<(Outcome, View)>;

/// A connection on its way from a listener to its port.
#[derive(Debug)]
pub struct Accepted {
    /// The connection.
    pub conn: Conn,
    /// Who it is.
    pub peer: SocketAddr,
    /// What its listener grants it.
    pub admission: Admission,
}

/// What the rest of the program holds of a port.
#[derive(Clone, Debug)]
pub struct Link(mpsc::Sender<Command>);

impl Link {
    /// A link and where its commands arrive.
    pub(super) fn new() -> (Self, mpsc::Receiver<Command>) {
        let (sender, commands) = mpsc::channel(COMMANDS);
        (Self(sender), commands)
    }

    /// Hands over a command, waiting while the port is busy. False: the port has ended.
    pub async fn send(&self, command: Command) -> bool {
        self.0.send(command).await.is_ok()
    }
}
