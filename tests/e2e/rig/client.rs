//! A client on a raw listener, with a deadline on everything it waits for.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

use super::{unread_by_peer, PATIENCE};

/// One TCP connection.
#[derive(Debug)]
pub(crate) struct Client(pub(crate) TcpStream);

/// How the other side ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Closed,
    Reset,
}

impl Client {
    #[track_caller]
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::from(TcpStream::connect_timeout(&address, PATIENCE).unwrap_or_else(|error| panic!("{address}: {error}")))
    }

    /// A client whose kernel takes hardly anything on its behalf.
    #[track_caller]
    pub(crate) fn connect_narrow(address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(2048).unwrap();
        // On the loopback a segment has 64 KiB, and the other side's kernel holds twenty of those from the start.
        if address.is_ipv4() {
            socket.set_tcp_mss(1460).unwrap();
        }
        socket.connect_timeout(&address.into(), PATIENCE).unwrap();
        Self::from(TcpStream::from(socket))
    }

    /// A client with this address.
    #[track_caller]
    pub(crate) fn connect_from(ip: &str, address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::new(ip.parse().unwrap(), 0).into()).unwrap();
        socket.connect_timeout(&address.into(), PATIENCE).unwrap();
        Self::from(TcpStream::from(socket))
    }

    fn from(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    /// A second handle on the same connection.
    pub(crate) fn again(&self) -> Self {
        Self(self.0.try_clone().unwrap())
    }

    #[track_caller]
    pub(crate) fn send(&self, bytes: &[u8]) {
        (&self.0).write_all(bytes).unwrap();
    }

    /// Sends until it has to wait for longer than `quiet`; how much went out.
    pub(crate) fn send_until_stuck(&self, bytes: &[u8], quiet: Duration) -> usize {
        self.0.set_write_timeout(Some(quiet)).unwrap();
        let mut sent = 0;
        while sent < bytes.len() {
            match (&self.0).write(&bytes[sent..]) {
                Ok(n) => sent += n,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
                Err(error) => panic!("client: {error}"),
            }
        }
        self.0.set_write_timeout(Some(PATIENCE)).unwrap();
        sent
    }

    /// Keeps its own kernel from taking more than a little of what it sends.
    pub(crate) fn narrow_sending(&self) {
        SockRef::from(&self.0).set_send_buffer_size(16 * 1024).unwrap();
    }

    /// Waits until the program has read all that was sent to it.
    #[track_caller]
    pub(crate) fn sent_was_read(&self) {
        super::eventually("what the client sent is read", || unread_by_peer(&self.0) == Some(0));
    }

    pub(crate) fn half_close(&self) {
        self.0.shutdown(Shutdown::Write).unwrap();
    }

    /// The next `len` bytes.
    #[track_caller]
    pub(crate) fn receive(&self, len: usize) -> Vec<u8> {
        let mut got = vec![0; len];
        let mut have = 0;
        while have < len {
            match (&self.0).read(&mut got[have..]) {
                Ok(0) => panic!("closed after {have} of {len} bytes: {}", got[..have].escape_ascii()),
                Ok(n) => have += n,
                Err(error) => panic!("{error} after {have} of {len} bytes: {}", got[..have].escape_ascii()),
            }
        }
        got
    }

    /// What one read gives.
    #[track_caller]
    pub(crate) fn receive_once(&self) -> Vec<u8> {
        let mut buffer = vec![0; 65536];
        match (&self.0).read(&mut buffer) {
            Ok(n) => buffer[..n].to_vec(),
            Err(error) => panic!("nothing to read: {error}"),
        }
    }

    /// All that comes until `last` has come.
    #[track_caller]
    pub(crate) fn receive_until(&self, last: &[u8]) -> Vec<u8> {
        let mut got = Vec::new();
        let mut buffer = vec![0; 65536];
        while !got.ends_with(last) {
            match (&self.0).read(&mut buffer) {
                Ok(0) => panic!("closed after {} bytes, before {}", got.len(), last.escape_ascii()),
                Ok(n) => got.extend_from_slice(&buffer[..n]),
                Err(error) => panic!("{error} after {} bytes, before {}", got.len(), last.escape_ascii()),
            }
        }
        got
    }

    /// All that comes until the other side ends it, and how it did.
    #[track_caller]
    pub(crate) fn receive_to_end(&self) -> (Vec<u8>, End) {
        let mut got = Vec::new();
        let mut buffer = vec![0; 65536];
        loop {
            match (&self.0).read(&mut buffer) {
                Ok(0) => return (got, End::Closed),
                Ok(n) => got.extend_from_slice(&buffer[..n]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return (got, End::Reset),
                Err(error) => panic!("not closed ({error}) after {} bytes", got.len()),
            }
        }
    }
}
