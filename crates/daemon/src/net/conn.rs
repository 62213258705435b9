//! One client's connection, whatever it runs over.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{ready, Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::peer::Endpoint;
use crate::line::sys;
use crate::port::hub::SocketQueue;

/// A connection.
#[derive(Debug)]
pub enum Conn {
    /// TCP.
    Tcp(TcpStream),
    /// TCP of a telnet client. Its Synch is urgent data, before which a read ends although there is more (tcp(7)).
    Telnet(TcpStream),
    /// A pipe in memory, for tests on a virtual clock.
    #[cfg(test)]
    Memory(tokio::io::DuplexStream),
}

impl Conn {
    /// One read of what the client sent; nothing filled: it sends no more.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            // tokio takes a short read for the last; this does not, at the price of one more that finds nothing.
            Self::Telnet(stream) => loop {
                ready!(stream.poll_read_ready(cx))?;
                match stream.try_read(buf.initialize_unfilled()) {
                    Ok(n) => {
                        buf.advance(n);
                        return Poll::Ready(Ok(()));
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Poll::Ready(Err(error)),
                }
            },
            #[cfg(test)]
            Self::Memory(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }

    /// One write of all pieces, as one unit where the socket has room for it.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, pieces: [&[u8]; 3]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) | Self::Telnet(stream) => match pieces {
                [[], first, []] => Pin::new(stream).poll_write(cx, first),
                pieces => Pin::new(stream).poll_write_vectored(cx, &pieces.map(IoSlice::new)),
            },
            #[cfg(test)]
            Self::Memory(stream) => Pin::new(stream).poll_write(cx, &pieces.concat()),
        }
    }

    /// Where the client came in.
    pub fn endpoint(&self) -> Option<Endpoint> {
        match self {
            Self::Tcp(stream) | Self::Telnet(stream) => stream.local_addr().ok().map(Endpoint::Tcp),
            #[cfg(test)]
            Self::Memory(_) => None,
        }
    }

    /// Whether the client has closed, or shut down its direction, and everything it sent has been read. Asks the kernel,
    /// which knows before the runtime does.
    pub fn sends_no_more(&self) -> bool {
        let mut next = [MaybeUninit::uninit()];
        match self {
            Self::Tcp(stream) | Self::Telnet(stream) => match SockRef::from(stream).peek(&mut next) {
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
            Self::Tcp(stream) | Self::Telnet(stream) => {
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
            Self::Tcp(stream) | Self::Telnet(stream) => stream,
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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn what_comes_behind_urgent_data_is_read_without_anything_coming_after_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        SockRef::from(&listener).set_out_of_band_inline(true).unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let stream = listener.accept().await.unwrap().0;
        // What is ready now is known to the runtime, so that it is what comes that makes the difference.
        stream.writable().await.unwrap();
        let mut conn = Conn::Telnet(stream);
        for _ in 0..3 {
            SockRef::from(&client).send_out_of_band(b"ab\xff\xf2").unwrap();
            let mut got = Vec::new();
            while got.len() < 4 {
                let mut memory = [0; 64];
                let mut block = ReadBuf::new(&mut memory);
                let read = poll_fn(|cx| conn.poll_read(cx, &mut block));
                tokio::time::timeout(Duration::from_secs(20), read).await.expect("there is more").unwrap();
                got.extend_from_slice(block.filled());
            }
            assert_eq!(got, b"ab\xff\xf2");
        }
    }
}
