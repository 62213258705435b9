//! Where one listener of a port listens: the address as it was configured, or the socket that somebody else has bound to it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use sermux_port_config::config::{Address, Framing, Listener, Port, Protocol};
use socket2::{SockRef, Socket};
use tokio::net::{TcpListener, UnixListener};
use tracing::{info, warn};

use crate::net::binding::{known, listening, Binding, NotBound};
use crate::net::listening::{ClientKind, Listening};
use crate::net::peer::Endpoint;

/// Connections that wait to be accepted (listen(2)).
const QUEUE: i32 = 1024;

/// Where one listener of a port listens, and how. It shares the port's configuration: there is one for each listener.
#[derive(Clone, Debug)]
pub struct ListenerOffer {
    pub(super) name: Arc<str>,
    port: Arc<Port>,
    /// Which of the port's listeners it is. The port has it: [`ListenerOffer::new`].
    index: usize,
}

impl ListenerOffer {
    /// What the listener with this index offers. `None`: the port has no such listener.
    #[must_use]
    pub fn new(name: &Arc<str>, port: &Arc<Port>, index: usize) -> Option<Self> {
        port.listen.get(index)?;
        Some(Self { name: Arc::clone(name), port: Arc::clone(port), index })
    }

    pub(super) fn listener(&self) -> &Listener {
        &self.port.listen[self.index]
    }

    /// The address as it was configured.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.listener().address
    }

    pub(super) fn clients(&self) -> ClientKind {
        ClientKind {
            telnet: matches!(self.listener().protocol, Protocol::Telnet(_)),
            framed: self.port.frame == Framing::Dsmr,
        }
    }

    /// Whether a name server may have to be asked, which may take long. Such a listener is bound by its own task.
    #[must_use]
    pub fn has_name(&self) -> bool {
        matches!(self.address(), Address::Host { host, .. } if known(host).is_none())
    }

    /// Binds the address, or takes the socket `handed_over` that is bound to it, and says so in the log; or says why not.
    ///
    /// # Errors
    ///
    /// Why not, after it was logged.
    ///
    /// `quietly`: it is tried again at once when it fails, and not said.
    pub async fn bind(&self, handed_over: &[Socket], quietly: bool) -> Result<Listening, NotBound> {
        let found = self.find(handed_over);
        let listener =
            if found.is_empty() { self.try_bind().await } else { self.adopt(&found).map_err(NotBound::from) };
        match listener {
            Ok(listener) => {
                self.say_listening(&listener.endpoint()?);
                Ok(listener)
            }
            Err(error) if quietly => Err(error),
            Err(error) => {
                let error = self.name_holder(error).await;
                warn!(event = %"listener.bind-failed", port = %self.name, address = %self.address(),
                    "cannot listen: {error}; trying again");
                Err(error)
            }
        }
    }

    pub(super) fn say_listening(&self, bound: &Endpoint) {
        let Listener { protocol, access, .. } = self.listener();
        let say = |address: &Endpoint| {
            info!(event = %"listener.listening", port = %self.name, protocol = %protocol.name(), %address, access = %access.name(),
                "listening");
        };
        match bound {
            Endpoint::Loopbacks(_) => bound.addresses().map(Endpoint::Tcp).for_each(|address| say(&address)),
            one => say(one),
        }
        self.say_who_may_connect(bound);
    }

    /// Without `allow` a network that is trusted must be all that reaches the address.
    pub(super) fn say_who_may_connect(&self, bound: &Endpoint) {
        let Endpoint::Tcp(bound) = bound else { return };
        if self.listener().hosts.allow.is_empty() && !bound.ip().to_canonical().is_loopback() {
            info!(event = %"listener.unrestricted", port = %self.name, address = %bound,
                "any host that reaches this address may connect");
        }
    }

    /// The sockets of socket activation that are bound to this address: one, or one of each kind on the loopback.
    fn find<'a>(&self, handed_over: &'a [Socket]) -> Vec<&'a Socket> {
        let is_it = |socket: &&Socket| {
            let Ok(bound) = socket.local_addr() else { return false };
            match (self.address(), bound.as_socket()) {
                (Address::Any { port }, Some(bound)) => bound.ip().is_unspecified() && bound.port() == *port,
                (Address::Localhost { port }, Some(bound)) => is_loopback(bound.ip()) && bound.port() == *port,
                (Address::Host { host, port }, Some(bound)) => host.parse() == Ok(bound.ip()) && bound.port() == *port,
                (Address::Unix { path }, None) => bound.as_pathname() == Some(path),
                _ => false,
            }
        };
        let most = if matches!(self.address(), Address::Localhost { .. }) { 2 } else { 1 };
        handed_over.iter().filter(is_it).take(most).collect()
    }

    /// systemd keeps its end open, so the socket outlives this listener; it is not bound a second time. The file of a
    /// unix socket is its own as well.
    fn adopt(&self, sockets: &[&Socket]) -> io::Result<Listening> {
        let mut own = Vec::new();
        for socket in sockets {
            let socket = socket.try_clone()?;
            socket.set_nonblocking(true)?;
            if let Address::Unix { .. } = self.address() {
                return Ok(Listening::unix(UnixListener::from_std(socket.into())?, None));
            }
            self.set_options(SockRef::from(&socket))?;
            own.push(TcpListener::from_std(socket.into())?);
        }
        listening(own)
    }

    pub(super) async fn try_bind(&self) -> Result<Listening, NotBound> {
        self.wanted().bind().await
    }

    pub(super) async fn name_holder(&self, error: NotBound) -> NotBound {
        self.wanted().name_holder(error).await
    }

    /// All of it is inherited by accepted sockets on Linux: no system call for it per client.
    pub(super) fn set_options(&self, socket: SockRef<'_>) -> io::Result<()> {
        self.wanted().set_options(socket)
    }

    fn wanted(&self) -> Binding<'_> {
        let Listener { address, keepalive, file, .. } = self.listener();
        Binding { address, keepalive: *keepalive, framed: self.clients().framed, file: file.as_ref(), queue: QUEUE }
    }
}

/// One of the two addresses that `localhost` is.
fn is_loopback(ip: IpAddr) -> bool {
    ip == Ipv4Addr::LOCALHOST || ip == Ipv6Addr::LOCALHOST
}
