//! Binds an address: creates a listening socket and sets its options.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use sermux_port_config::config::{Address, Keepalive, SocketRights};
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::TcpListener;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::holder::{find_blocking, AddressHolder};
use super::listening::{Listening, FRAME_SEND_BUFFER};
use super::names;
use super::socket_file::{self, NoSocket, WantedSocket};

/// A name that is not resolved by then counts as a failure.
const LOOK_UP_LIMIT: Duration = Duration::from_secs(2);

/// How often the system may choose a port that is taken on the other loopback address.
const PORT_TRIES: usize = 32;

/// How often the turn is tried that another one has who makes a socket in the same folder.
const TURN_TRIES: usize = 3;

/// Why an address could not be bound.
#[derive(Debug)]
pub enum NotBound {
    /// Another socket has the address of TCP: whose, once `Binding::name_holder` has looked.
    InUse(Option<AddressHolder>),
    /// The system's word about an address of TCP.
    Tcp(io::Error),
    /// What is in the way of a unix socket, and what to do.
    Unix(String),
    /// There is no address for the name, so far: why.
    Name(String),
}

impl From<io::Error> for NotBound {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AddrInUse => Self::InUse(None),
            _ => Self::Tcp(error),
        }
    }
}

impl From<NoSocket> for NotBound {
    fn from(error: NoSocket) -> Self {
        Self::Unix(error.to_string())
    }
}

/// What happened and what to do.
impl fmt::Display for NotBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(why) => f.write_str(why),
            Self::Name(why) => write!(f, "the name cannot be resolved: {why}"),
            Self::InUse(Some(holder)) => write!(f, "the address is in use by {holder}"),
            Self::InUse(None) => f.write_str("the address is in use by another program (`sudo ss -ltnp` shows which)"),
            Self::Tcp(error) => match error.kind() {
                io::ErrorKind::PermissionDenied => {
                    f.write_str("permission denied: only root may listen on ports below 1024; choose a higher port")
                }
                _ => error.fmt(f),
            },
        }
    }
}

/// An address that is to be bound, and what its connections are to be like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Binding<'a> {
    pub(crate) address: &'a Address,
    /// How the loss of the other end is noticed; `None`: not at all.
    pub(crate) keepalive: Option<Keepalive>,
    /// Clients read telegrams.
    pub(crate) framed: bool,
    /// Who may use a unix socket; `None`: as usual.
    pub(crate) file: Option<&'a SocketRights>,
    /// Connections that wait to be accepted (listen(2)).
    pub(crate) queue: i32,
}

impl Binding<'_> {
    pub(crate) async fn bind(&self) -> Result<Listening, NotBound> {
        // The best first.
        let addresses = match self.address {
            Address::Unix { path } => return self.bind_file(path).await,
            Address::Localhost { port } => return self.bind_loopbacks(*port).map_err(NotBound::from),
            // Dual-stack; where IPv6 is off, IPv4 alone.
            Address::Any { port } => {
                vec![(Ipv6Addr::UNSPECIFIED, *port).into(), (Ipv4Addr::UNSPECIFIED, *port).into()]
            }
            Address::Host { host, port } => look_up(host, *port).await?,
        };
        let Some(first) = addresses.first() else { return Err(NotBound::Name("it has no address".to_owned())) };
        let mut last = io::Error::new(io::ErrorKind::AddrNotAvailable, first.to_string());
        for address in addresses {
            match self.bind_to(address) {
                Ok(listener) => return Ok(Listening::Tcp(listener)),
                // Half of what was asked for, on another address, would look like the whole.
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error.into()),
                Err(error) => last = error,
            }
        }
        Err(last.into())
    }

    /// Finds out which program has an address in use. It looks through all processes, so a retry need not ask again.
    pub(crate) async fn name_holder(&self, error: NotBound) -> NotBound {
        let NotBound::InUse(None) = error else { return error };
        let address = self.address.clone();
        NotBound::InUse(spawn_blocking(move || find_blocking(&address)).await.ok().flatten())
    }

    /// Both loopback addresses with the same port; one of them where the machine has no other.
    fn bind_loopbacks(&self, port: u16) -> io::Result<Listening> {
        let mut tries = 0;
        loop {
            let v4 = self.bind_to((Ipv4Addr::LOCALHOST, port).into());
            let chosen = match &v4 {
                Ok(socket) => socket.local_addr()?.port(),
                Err(error) if is_missing(error) => port,
                Err(_) => return v4.map(Listening::Tcp),
            };
            match (v4, self.bind_to((Ipv6Addr::LOCALHOST, chosen).into())) {
                (Ok(v4), Ok(v6)) => return listening(vec![v4, v6]),
                (Ok(v4), Err(error)) if is_missing(&error) => return Ok(Listening::Tcp(v4)),
                // The one that the system chose is taken on the other address: it chooses another.
                (Ok(_), Err(error)) if port == 0 && tries < PORT_TRIES && error.kind() == io::ErrorKind::AddrInUse => {
                    tries += 1;
                }
                // Half of what was asked for would look like the whole.
                (Ok(_), Err(error)) => return Err(error),
                (Err(_), v6) => return v6.map(Listening::Tcp),
            }
        }
    }

    async fn bind_file(&self, path: &Path) -> Result<Listening, NotBound> {
        let SocketRights { mode, owner, group } = self.file.cloned().unwrap_or_default();
        let wanted = WantedSocket { path: path.to_owned(), mode, owner, group, queue: self.queue };
        let (socket, file) = socket_file::make(&wanted, TURN_TRIES).await?;
        Ok(Listening::unix(socket, Some(file)))
    }

    fn bind_to(&self, address: SocketAddr) -> io::Result<TcpListener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(socket2::Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_reuse_address(true)?;
        let specific = !address.ip().is_unspecified();
        match address {
            // An address that the machine does not have yet is bound all the same (IP_FREEBIND).
            SocketAddr::V4(_) if specific => socket.set_freebind_v4(true)?,
            // Where IPv6 is off this one would never come.
            SocketAddr::V6(v6) if *v6.ip() == Ipv6Addr::LOCALHOST => {}
            SocketAddr::V6(_) if specific => socket.set_freebind_v6(true)?,
            SocketAddr::V6(_) => socket.set_only_v6(false)?,
            SocketAddr::V4(_) => {}
        }
        self.set_options(SockRef::from(&socket))?;
        socket.bind(&address.into())?;
        socket.listen(self.queue)?;
        TcpListener::from_std(socket.into())
    }

    /// All of it is inherited by accepted sockets on Linux: no system call for it per client.
    pub(crate) fn set_options(&self, socket: SockRef<'_>) -> io::Result<()> {
        socket.set_tcp_nodelay(true)?;
        // A Synch of telnet sends its DM as urgent data, which would be taken out of the stream (RFC 854; tcp(7)).
        socket.set_out_of_band_inline(true)?;
        socket.set_keepalive(self.keepalive.is_some())?;
        if let Some(keepalive) = self.keepalive {
            let probes = TcpKeepalive::new()
                .with_time(keepalive.idle)
                .with_interval(keepalive.interval)
                .with_retries(keepalive.count);
            socket.set_tcp_keepalive(&probes)?;
        }
        let user_timeout = self.keepalive.map(|keepalive| keepalive.user_timeout);
        socket.set_tcp_user_timeout(Some(user_timeout.unwrap_or_default()))?;
        if self.framed {
            socket.set_send_buffer_size(FRAME_SEND_BUFFER)?;
        }
        Ok(())
    }
}

/// The machine has no such address, or no addresses of this kind.
fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(libc::EAFNOSUPPORT)
}

/// One socket, or one of each kind on the loopback.
pub(crate) fn listening(sockets: Vec<TcpListener>) -> io::Result<Listening> {
    let mut sockets = sockets.into_iter();
    match (sockets.next(), sockets.next()) {
        (Some(v4), Some(v6)) => Ok(Listening::Loopbacks(Box::new([v4, v6]))),
        (Some(one), None) => Ok(Listening::Tcp(one)),
        (None, _) => Err(io::ErrorKind::NotFound.into()),
    }
}

/// The address of a host for which nobody needs to be asked.
pub(crate) fn known(host: &str) -> Option<IpAddr> {
    host.parse().ok()
}

async fn look_up(host: &str, port: u16) -> Result<Vec<SocketAddr>, NotBound> {
    let mut found = match known(host) {
        Some(known) => vec![known],
        None => match timeout(LOOK_UP_LIMIT, names::look_up(host)).await {
            Ok(found) => found.map_err(NotBound::Name)?,
            Err(_) => {
                let seconds = LOOK_UP_LIMIT.as_secs();
                return Err(NotBound::Name(format!("no name server answered within {seconds} s")));
            }
        },
    };
    // What people mean by a name such as localhost.
    found.sort_by_key(|address| !address.is_ipv4());
    found.dedup();
    Ok(found.into_iter().map(|address| (address, port).into()).collect())
}
