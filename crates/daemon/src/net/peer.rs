//! The two ends of a connection: the peer's address, and the local address it connected to.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use tokio::net::UnixStream;

/// Who is at the other end. Its text is the same in the log, in the status, and where a client is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// An address of TCP. A client that came over a dual-stack socket is known by its IPv4 address.
    Tcp(SocketAddr),
    /// A program on this machine, as it was when it connected (SO_PEERCRED of unix(7)).
    Unix {
        /// Its process; `None` where that has no number here.
        pid: Option<u32>,
        /// Its user.
        uid: u32,
    },
}

/// What counts as one host: those who share it may be one program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Host {
    /// An IPv4 address, or the network of 64 bits that one host with IPv6 has all of.
    Address(IpAddr),
    /// A user of this machine.
    User(u32),
}

/// What counts as one address: an IPv4 address, or the network of 64 bits that one host with IPv6 has all of.
pub(super) fn host(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Where a listener is bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// An address of TCP.
    Tcp(SocketAddr),
    /// 127.0.0.1 and ::1 with this port.
    Loopbacks(u16),
    /// The file of a unix socket.
    Unix(PathBuf),
}

impl Peer {
    /// Who is at the other end of a unix socket.
    pub(crate) fn of(stream: &UnixStream) -> io::Result<Self> {
        let credentials = stream.peer_cred()?;
        // A process that has no number here (another PID namespace) is 0.
        let pid = credentials.pid().and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid != 0);
        Ok(Self::Unix { pid, uid: credentials.uid() })
    }

    /// Its host, where it has an address.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(address) => Some(address.ip()),
            Self::Unix { .. } => None,
        }
    }

    /// What it shares with others that may be the same program.
    pub(crate) fn kin(&self) -> Host {
        match self {
            Self::Tcp(address) => Host::Address(host(address.ip())),
            Self::Unix { uid, .. } => Host::User(*uid),
        }
    }

    /// Its host or its program, in words.
    #[must_use]
    pub fn host(&self) -> String {
        match self {
            Self::Tcp(address) => address.ip().to_string(),
            Self::Unix { .. } => self.to_string(),
        }
    }
}

/// Without a space, as [`Peer`].
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(IpAddr::V6(network)) => write!(f, "{network}/64"),
            Self::Address(address) => address.fmt(f),
            Self::User(uid) => write!(f, "unix:uid={uid}"),
        }
    }
}

/// Without a space, so that it is one word of a line of the log.
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix { pid: Some(pid), uid } => write!(f, "unix:pid={pid}/uid={uid}"),
            Self::Unix { pid: None, uid } => write!(f, "unix:uid={uid}"),
        }
    }
}

/// Text that names nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAPeer;

impl FromStr for Peer {
    type Err = NotAPeer;

    fn from_str(text: &str) -> Result<Self, NotAPeer> {
        let number = |text: &str| text.parse().map_err(|_| NotAPeer);
        let Some(program) = text.strip_prefix("unix:") else {
            return text.parse().map(Self::Tcp).map_err(|_| NotAPeer);
        };
        let (pid, uid) = match program.split_once('/') {
            Some((pid, uid)) => (Some(number(pid.strip_prefix("pid=").ok_or(NotAPeer)?)?), uid),
            None => (None, program),
        };
        Ok(Self::Unix { pid, uid: number(uid.strip_prefix("uid=").ok_or(NotAPeer)?)? })
    }
}

impl Endpoint {
    /// Its addresses one by one: there are two on the loopback, and none in a file.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        let (first, second) = match self {
            Self::Tcp(address) => (Some(*address), None),
            Self::Loopbacks(port) => {
                (Some((Ipv4Addr::LOCALHOST, *port).into()), Some((Ipv6Addr::LOCALHOST, *port).into()))
            }
            Self::Unix(_) => (None, None),
        };
        first.into_iter().chain(second)
    }

    /// What tells it from the others of this machine: the port's number, or the path.
    #[must_use]
    pub fn number_or_path(&self) -> String {
        match self {
            Self::Tcp(address) => address.port().to_string(),
            Self::Loopbacks(port) => port.to_string(),
            Self::Unix(path) => path.display().to_string(),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Loopbacks(port) => write!(f, "localhost:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_found_by_the_text_that_it_is_shown_as() {
        for text in ["10.0.0.7:51234", "[::1]:1", "unix:pid=1234/uid=1000", "unix:uid=0"] {
            assert_eq!(text.parse::<Peer>().unwrap().to_string(), text);
        }
        for text in ["", "10.0.0.7", "unix:", "unix:/run/x", "unix:pid=1", "unix:pid=1/uid=", "unix:uid=0/pid=1"] {
            assert_eq!(text.parse::<Peer>(), Err(NotAPeer), "{text}");
        }
    }
}
