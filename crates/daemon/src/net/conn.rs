//! One client's connection, whatever it runs over.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::line::sys;
use crate::port::hub::SocketQueue;

/// A connection.
#[derive(Debug)]
pub enum Conn {
    /// TCP.
    Tcp(TcpStream),
    /// A pipe in memory, for tests on a virtual clock.
    #[cfg(test)]
    Memory(tokio::io::DuplexStream),
}

impl Conn {
    /// One read of what the client sent; nothing filled: it sends no more.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            #[cfg(test)]
            Self::Memory(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }

    /// One write of all pieces, as one unit where the socket has room for it.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, pieces: [&[u8]; 3]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => match pieces {
                [[], first, []] => Pin::new(stream).poll_write(cx, first),
                pieces => Pin::new(stream).poll_write_vectored(cx, &pieces.map(IoSlice::new)),
            },
            #[cfg(test)]
            Self::Memory(stream) => Pin::new(stream).poll_write(cx, &pieces.concat()),
        }
    }

    /// The address that the client connected to.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(stream) => stream.local_addr().ok(),
            #[cfg(test)]
            Self::Memory(_) => None,
        }
    }

    /// Whether the client has closed, or shut down its direction, and everything it sent has been read. Asks the kernel,
    /// which knows before the runtime does.
    pub fn sends_no_more(&self) -> bool {
        let mut next = [MaybeUninit::uninit()];
        match self {
            Self::Tcp(stream) => match SockRef::from(stream).peek(&mut next) {
                Ok(waiting) => waiting == 0,
                Err(error) => error.kind() != io::ErrorKind::WouldBlock,
            },
            #[cfg(test)]
            Self::Memory(_) => false,
        }
    }

    /// What the kernel still holds for this client. A socket that cannot tell holds nothing.
    pub fn queue(&self) -> SocketQueue {
        match self {
            Self::Tcp(stream) => {
                let unacknowledged = sys::socket_unacknowledged(stream.as_fd()).unwrap_or(0);
                let unsent = if unacknowledged == 0 { 0 } else { sys::socket_unsent(stream.as_fd()).unwrap_or(0) };
                SocketQueue { unsent, unacknowledged }
            }
            #[cfg(test)]
            Self::Memory(_) => SocketQueue::default(),
        }
    }

    /// Closes the connection so that what was written still reaches the client: a socket that is closed with unread
    /// input is reset, and a reset throws away what is on its way (RFC 2525, 2.17).
    pub fn close(self) {
        let stream = match self {
            Self::Tcp(stream) => stream,
            #[cfg(test)]
            Self::Memory(_) => return,
        };
        let mut scratch = [0; 4096];
        // Bounded: a client that sends faster than this reads is reset.
        for _ in 0..64 {
            match stream.try_read(&mut scratch) {
                Ok(n) if n > 0 => {}
                _ => break,
            }
        }
    }
}
