//! One client's connection, whatever it runs over.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{ready, Context, Poll};
use std::time::Duration;

use sermux_port_config::config::Keepalive;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::descriptors::is_reserved;
use super::peer::Endpoint;
use crate::sys;

/// A connection.
#[derive(Debug)]
pub enum Conn {
    /// TCP.
    Tcp(TcpStream),
    /// TCP of a telnet client. Its Synch is urgent data, before which a read ends although there is more (tcp(7)).
    Telnet(TcpStream),
    /// A unix socket.
    Unix {
        /// The connection.
        stream: UnixStream,
        /// Tells when the client has closed, once that is waited for.
        closed: Option<AsyncFd<Arc<OwnedFd>>>,
    },
    /// A pipe in memory, for tests on a virtual clock.
    #[cfg(test)]
    Memory(tokio::io::DuplexStream),
}

/// Between two keep-alives of [`Conn::ask`], and how many there are at most.
const PROBES_EACH: Duration = Duration::from_secs(1);
const PROBES: u32 = 10;

/// The kernel counts time by its ticks, of up to 10 ms.
const CLOCK: Duration = Duration::from_millis(12);

/// Whether the other end is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerAnswer {
    /// It is.
    Given,
    /// It is not known yet.
    Open,
    /// Nor this, and it has been asked.
    Owed,
}

/// How far a client has closed its connection.
#[derive(Debug)]
pub enum End {
    /// It has not.
    Open,
    /// It sends no more.
    HalfClosed,
    /// It sends no more, and is gone.
    Gone,
    /// The connection broke without an end.
    Reset(io::Error),
}

impl Conn {
    /// A unix socket.
    #[must_use]
    pub fn unix(stream: UnixStream) -> Self {
        Self::Unix { stream, closed: None }
    }

    /// One read of what the client sent; nothing filled: it sends no more.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix { stream, .. } => Pin::new(stream).poll_read(cx, buf),
            // tokio takes a short read for the last; this does not, at the price of one more that finds nothing.
            Self::Telnet(stream) => loop {
                ready!(stream.poll_read_ready(cx))?;
                match stream.try_read_buf(buf) {
                    Ok(_) => return Poll::Ready(Ok(())),
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
            Self::Tcp(stream) | Self::Telnet(stream) => {
                let full = || stream.try_io(Interest::WRITABLE, would_block);
                send(&SockRef::from(&*stream), pieces, full, || stream.poll_write_ready(cx))
            }
            Self::Unix { stream, .. } => {
                let full = || stream.try_io(Interest::WRITABLE, would_block);
                send(&SockRef::from(&*stream), pieces, full, || stream.poll_write_ready(cx))
            }
            #[cfg(test)]
            Self::Memory(stream) => tokio::io::AsyncWrite::poll_write(Pin::new(stream), cx, &pieces.concat()),
        }
    }

    /// Where the client came in.
    pub fn endpoint(&self) -> Option<Endpoint> {
        match self {
            Self::Tcp(stream) | Self::Telnet(stream) => stream.local_addr().ok().map(Endpoint::Tcp),
            Self::Unix { stream, .. } => Some(Endpoint::Unix(stream.local_addr().ok()?.as_pathname()?.to_owned())),
            #[cfg(test)]
            Self::Memory(_) => None,
        }
    }

    /// Whether it has a descriptor that clients are not to have.
    pub(crate) fn is_in_reserve(&self) -> bool {
        match self {
            Self::Tcp(stream) | Self::Telnet(stream) => is_reserved(stream),
            Self::Unix { stream, .. } => is_reserved(stream),
            #[cfg(test)]
            Self::Memory(_) => false,
        }
    }

    /// Whether the client has closed its sending side, or is gone, whatever of what it sent has not been read. Asks the
    /// kernel, which knows before the runtime does.
    pub fn end(&self) -> End {
        let socket = match self {
            Self::Tcp(stream) | Self::Telnet(stream) => SockRef::from(stream),
            Self::Unix { stream, .. } => SockRef::from(stream),
            #[cfg(test)]
            Self::Memory(_) => return End::Open,
        };
        match sys::closed(&*socket) {
            sys::Closed::No => End::Open,
            sys::Closed::Half => End::HalfClosed,
            sys::Closed::Altogether => match socket.take_error() {
                Ok(Some(error)) if !is_after_close(&error) => End::Reset(error),
                _ => End::Gone,
            },
        }
    }

    /// One read, without waiting and without the runtime telling of more.
    pub fn try_read(&self, memory: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) | Self::Telnet(stream) => stream.try_read(memory),
            Self::Unix { stream, .. } => stream.try_read(memory),
            #[cfg(test)]
            Self::Memory(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// For how long nothing was heard of the other end; `None` where that does not tell whether it is there.
    pub fn silent_for(&self) -> Option<Duration> {
        let (Self::Tcp(stream) | Self::Telnet(stream)) = self else { return None };
        sys::heard(stream).ok().map(|heard| heard.ago)
    }

    /// Asks the other end whether it is there: a keep-alive now, or as soon as a second has passed since the last sign of
    /// life, and one each second from then on. While something that was sent is not acknowledged none is needed.
    ///
    /// # Errors
    ///
    /// The system's word; the connection cannot be asked.
    pub fn ask(&self) -> io::Result<()> {
        let (Self::Tcp(stream) | Self::Telnet(stream)) = self else { return Err(io::ErrorKind::Unsupported.into()) };
        let socket = SockRef::from(stream);
        // The kernel would give up by that after a single one.
        socket.set_tcp_user_timeout(None)?;
        let probes = TcpKeepalive::new().with_time(PROBES_EACH).with_interval(PROBES_EACH).with_retries(PROBES);
        socket.set_tcp_keepalive(&probes)
    }

    /// What came of [`Conn::ask`], which was called this time ago.
    pub fn answer(&self, since: Duration) -> PeerAnswer {
        let (Self::Tcp(stream) | Self::Telnet(stream)) = self else { return PeerAnswer::Given };
        let Ok(heard) = sys::heard(stream) else { return PeerAnswer::Open };
        if heard.ago + CLOCK < since {
            return PeerAnswer::Given;
        }
        if heard.probes > 0 || heard.retransmits > 0 {
            PeerAnswer::Owed
        } else {
            PeerAnswer::Open
        }
    }

    /// Asks no more: the keep-alive is as it is configured.
    ///
    /// # Errors
    ///
    /// The system's word.
    pub fn ask_no_more(&self, keepalive: Option<Keepalive>) -> io::Result<()> {
        let (Self::Tcp(stream) | Self::Telnet(stream)) = self else { return Ok(()) };
        let socket = SockRef::from(stream);
        let Some(Keepalive { idle, interval, count, user_timeout }) = keepalive else {
            return socket.set_keepalive(false);
        };
        let probes = TcpKeepalive::new().with_time(idle).with_interval(interval).with_retries(count);
        socket.set_tcp_keepalive(&probes)?;
        socket.set_tcp_user_timeout(Some(user_timeout))
    }

    /// The client is to see that it is sent nothing more.
    pub fn stop_sending(&self) {
        // It may be gone already.
        let _ = match self {
            Self::Tcp(stream) | Self::Telnet(stream) => SockRef::from(stream).shutdown(Shutdown::Write),
            Self::Unix { stream, .. } => SockRef::from(stream).shutdown(Shutdown::Write),
            #[cfg(test)]
            Self::Memory(_) => Ok(()),
        };
    }

    /// The client sends no more: from now on [`Conn::poll_closed`] tells when it has disconnected.
    pub fn await_close(&mut self) {
        if let Self::Unix { stream, closed: closed @ None } = self {
            // A hang-up comes unasked, and readiness to read, which is there for good now, is not asked for. Without it
            // the next write finds out.
            let fd = stream.as_fd().try_clone_to_owned().and_then(|fd| match is_reserved(&fd) {
                true => Err(io::ErrorKind::QuotaExceeded.into()),
                false => Ok(fd),
            });
            *closed = fd.and_then(|fd| sys::watch(Arc::new(fd), Interest::PRIORITY)).ok();
        }
    }

    /// Ready once a client that sends no more is gone: on a unix socket when it has closed, on TCP when it resets the
    /// connection or does not answer any more. Costs nothing until then.
    pub fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Unix { stream, closed: Some(closed) } => {
                // An error is for the next write to find.
                let told = ready!(closed.poll_read_ready(cx));
                if told.is_ok() && sys::closed(stream) == sys::Closed::Altogether {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            }
            Self::Tcp(stream) | Self::Telnet(stream) => {
                // Every event of the socket wakes a task that waits for room in it. The runtime forgets that there is room,
                // which costs nothing: a write does not ask the runtime first.
                ready!(stream.poll_write_ready(cx)).ok();
                if sys::closed(stream.as_fd()) == sys::Closed::Altogether {
                    return Poll::Ready(());
                }
                let _ = stream.try_io(Interest::WRITABLE, would_block);
                // What cannot be forgotten is that it was closed.
                stream.poll_write_ready(cx).map(drop)
            }
            Self::Unix { .. } => Poll::Pending,
            #[cfg(test)]
            Self::Memory(_) => Poll::Pending,
        }
    }

    /// Bytes that were written and not acknowledged yet, those not sent yet among them (SIOCOUTQ). On a unix socket: what the
    /// client has not read, and what the kernel needs to hold it. A socket that cannot tell holds nothing.
    pub fn unacknowledged(&self) -> usize {
        match self {
            Self::Tcp(stream) | Self::Telnet(stream) => sys::socket_unacknowledged(stream.as_fd()).unwrap_or(0),
            Self::Unix { stream, .. } => sys::socket_unacknowledged(stream.as_fd()).unwrap_or(0),
            #[cfg(test)]
            Self::Memory(_) => 0,
        }
    }

    /// Bytes that were written and not sent yet (SIOCOUTQNSD): the client's window is full, or the network's. On a unix
    /// socket there is no way on which bytes could be.
    pub fn unsent(&self) -> usize {
        match self {
            Self::Tcp(stream) | Self::Telnet(stream) => sys::socket_unsent(stream.as_fd()).unwrap_or(0),
            Self::Unix { .. } => 0,
            #[cfg(test)]
            Self::Memory(_) => 0,
        }
    }

    /// Closes the connection so that what was written still reaches the client: a socket that is closed with unread
    /// input is reset, and a reset throws away what is on its way (RFC 2525, 2.17). Says how much of that it found.
    pub fn close(self) -> usize {
        let mut scratch = [0; 4096];
        let mut unread = 0;
        // Bounded: a client that sends faster than this reads is reset.
        for _ in 0..64 {
            let read = match &self {
                Self::Tcp(stream) | Self::Telnet(stream) => stream.try_read(&mut scratch),
                Self::Unix { stream, .. } => stream.try_read(&mut scratch),
                #[cfg(test)]
                Self::Memory(_) => return 0,
            };
            match read {
                Ok(n) if n > 0 => unread += n,
                _ => break,
            }
        }
        unread
    }
}

/// Sends, and only when there is no room asks the runtime, whose memory for this socket is far away and most sockets have
/// room. `full` tells the runtime that there is none, which it would otherwise not know, and `poll_room` waits for some.
fn send(
    socket: &SockRef<'_>,
    pieces: [&[u8]; 3],
    full: impl Fn() -> io::Result<()>,
    mut poll_room: impl FnMut() -> Poll<io::Result<()>>,
) -> Poll<io::Result<usize>> {
    loop {
        let sent = match pieces {
            [[], first, []] => socket.send(first),
            pieces => socket.send_vectored(&pieces.map(IoSlice::new)),
        };
        match sent {
            Ok(sent) => {
                if sent < pieces.iter().map(|piece| piece.len()).sum() {
                    // It is known already, or is now.
                    let _ = full();
                }
                return Poll::Ready(Ok(sent));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                ready!(poll_room())?;
                // What it says may be older than this: it is to forget it, and the next try decides.
                let _ = full();
            }
            Err(error) => return Poll::Ready(Err(error)),
        }
    }
}

fn would_block() -> io::Result<()> {
    Err(io::ErrorKind::WouldBlock.into())
}

/// Whether this error only says that the client had closed its sending side, and is gone altogether since: a reset after the
/// client's end gives EPIPE, one without gives ECONNRESET (Linux, `tcp_reset`).
pub fn is_after_close(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
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

    /// Fills the connection until it takes no more, then has the far end read everything.
    async fn fills_and_goes_on(mut conn: Conn, mut far: impl io::Read + Send + 'static) {
        const BYTES: usize = 20_000_000;
        let bytes: Vec<u8> = (0..=250).cycle().take(BYTES).collect();
        let mut sent = 0;
        poll_fn(|cx| {
            while let Poll::Ready(n) = conn.poll_write(cx, [&[], &bytes[sent..], &[]]) {
                sent += n.unwrap();
            }
            Poll::Ready(())
        })
        .await;
        assert!(sent < BYTES, "it took everything");
        let reading = std::thread::spawn(move || {
            let mut got = vec![0; BYTES];
            far.read_exact(&mut got).map(|()| got)
        });
        while sent < BYTES {
            let (first, second) = bytes[sent..].split_at((BYTES - sent) / 2);
            let write = poll_fn(|cx| conn.poll_write(cx, [&[], first, second]));
            sent += tokio::time::timeout(Duration::from_secs(20), write).await.expect("there is room").unwrap();
        }
        assert!(reading.join().unwrap().unwrap() == bytes);
    }

    #[tokio::test]
    async fn a_full_socket_is_written_to_again_when_there_is_room() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let far = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        fills_and_goes_on(Conn::Tcp(listener.accept().await.unwrap().0), far).await;

        let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        fills_and_goes_on(Conn::unix(UnixStream::from_std(near).unwrap()), far).await;
    }
}
