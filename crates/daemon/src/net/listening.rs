//! A bound socket of any kind of address, and the connections it accepts.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::conn::Conn;
use super::peer::{Endpoint, Peer};
use super::socket_file::SocketFile;

/// What a socket holds for a reader of frames: little, so that a slow one does not get minutes of old frames.
pub(crate) const FRAME_SEND_BUFFER: usize = 8 * 1024;

/// A socket that listens. Dropping it closes it, and removes the file that was made for it.
#[derive(Debug)]
pub enum Listening {
    /// An address of TCP.
    Tcp(TcpListener),
    /// 127.0.0.1 and ::1 with the same port.
    Loopbacks(Box<[TcpListener; 2]>),
    /// A unix socket.
    Unix(UnixListening),
}

/// A unix socket that listens.
#[derive(Debug)]
pub struct UnixListening {
    /// `None`: somebody else made it, and removes it. It goes first: as long as the socket is open, nobody takes the file for
    /// one that was left behind, and its inode is no other file's.
    _file: Option<SocketFile>,
    socket: UnixListener,
}

/// What its clients are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientKind {
    /// They speak telnet.
    pub(crate) telnet: bool,
    /// They read telegrams.
    pub(crate) framed: bool,
}

impl Listening {
    pub(crate) fn unix(socket: UnixListener, file: Option<SocketFile>) -> Self {
        Self::Unix(UnixListening { _file: file, socket })
    }

    /// Where it is.
    ///
    /// # Errors
    ///
    /// The system does not say.
    pub fn endpoint(&self) -> io::Result<Endpoint> {
        match self {
            Self::Tcp(socket) => socket.local_addr().map(Endpoint::Tcp),
            Self::Loopbacks(sockets) => Ok(Endpoint::Loopbacks(sockets[0].local_addr()?.port())),
            Self::Unix(UnixListening { socket, .. }) => {
                let path = socket.local_addr()?.as_pathname().map(ToOwned::to_owned);
                path.map(Endpoint::Unix).ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
            }
        }
    }

    /// Its sockets of TCP.
    pub(crate) fn tcp(&self) -> &[TcpListener] {
        match self {
            Self::Tcp(socket) => std::slice::from_ref(socket),
            Self::Loopbacks(sockets) => sockets.as_slice(),
            Self::Unix(_) => &[],
        }
    }

    /// The next connection. Polled rather than awaited: the future of an accept(2) would take room in each listener's task for
    /// as long as the listener waits.
    pub(crate) fn poll_accept(&mut self, cx: &mut Context<'_>, clients: ClientKind) -> Poll<io::Result<(Conn, Peer)>> {
        match self {
            Self::Tcp(socket) => socket.poll_accept(cx).map_ok(|connection| accepted(connection, clients)),
            Self::Loopbacks(sockets) => {
                for at in 0..sockets.len() {
                    if let Poll::Ready(accept) = sockets[at].poll_accept(cx) {
                        // The other one has the next turn: neither waits for as long as the other is busy.
                        sockets.rotate_left(at + 1);
                        return Poll::Ready(accept.map(|connection| accepted(connection, clients)));
                    }
                }
                Poll::Pending
            }
            Self::Unix(UnixListening { socket, .. }) => {
                socket.poll_accept(cx).map(|accept| accepted_unix(accept?.0, clients))
            }
        }
    }
}

fn accepted((stream, peer): (TcpStream, SocketAddr), clients: ClientKind) -> (Conn, Peer) {
    // A client that came over a dual-stack socket is known by its IPv4 address.
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let conn = if clients.telnet { Conn::Telnet(stream) } else { Conn::Tcp(stream) };
    (conn, Peer::Tcp(peer))
}

fn accepted_unix(stream: UnixStream, clients: ClientKind) -> io::Result<(Conn, Peer)> {
    if clients.framed {
        // Options of the listening socket do not come down to it, as they do with TCP.
        SockRef::from(&stream).set_send_buffer_size(FRAME_SEND_BUFFER)?;
    }
    let peer = Peer::of(&stream)?;
    Ok((Conn::unix(stream), peer))
}
