//! What the rest of the program asks of a running port.

use std::net::SocketAddr;
use std::time::Instant;

use tokio::sync::mpsc;

use super::hub::Admission;
use crate::net::conn::Conn;

/// Commands that wait for the port; a sender waits when they are more.
const COMMANDS: usize = 64;

/// What is asked of a running port.
#[derive(Debug)]
pub enum Command {
    /// A connection was accepted. Boxed, because a channel has room for many commands from the start.
    Connect(Box<Accepted>),
    /// Hand out what is held, then end; at the latest at `deadline`.
    End {
        /// When the port ends all the same.
        deadline: Instant,
    },
}

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
