//! Where a listener is: `"*:9000"`, `"host:port"`, `"[v6]:port"`, a bare port on the loopback, or `unix:/path`.

mod foreign;
pub(super) mod reach;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Serialize;

use self::reach::Reach;
use crate::error::shown;

/// `address:`
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "String")]
pub enum Address {
    /// `*:port`: every address of the machine, IPv6 and IPv4.
    Any {
        /// 0: the kernel chooses.
        port: u16,
    },
    /// A bare port, or `localhost:port`: both loopback addresses, 127.0.0.1 and ::1.
    Localhost {
        /// 0: the kernel chooses, the same for both.
        port: u16,
    },
    /// `host:port`, `[v6]:port`.
    Host {
        /// A literal address or a name; an IPv6 address stands here without its brackets.
        host: String,
        /// 0: the kernel chooses.
        port: u16,
    },
    /// `unix:/path`: a socket of this machine.
    Unix {
        /// Its full path, at most [`Address::LONGEST_PATH`] bytes. Two are equal when their parts are.
        path: PathBuf,
    },
}

impl Address {
    /// Bytes of the path of a unix socket: `sun_path` without its closing NUL (unix(7)).
    pub const LONGEST_PATH: usize = 107;

    /// The TCP port, where it has one; 0: the kernel chooses.
    pub fn port(&self) -> Option<u16> {
        match self {
            Address::Any { port } | Address::Localhost { port } | Address::Host { port, .. } => Some(*port),
            Address::Unix { .. } => None,
        }
    }

    /// Whether both cannot be bound at the same time, as far as the text tells: names are not looked up, links not
    /// followed.
    pub fn overlaps(&self, other: &Address) -> bool {
        self.port() == other.port() && self.port() != Some(0) && self.reach().meets(&other.reach())
    }

    /// What of the machine it is.
    pub(super) fn reach(&self) -> Reach {
        match self {
            Address::Any { .. } => Reach::All,
            Address::Localhost { .. } => Reach::Loopbacks,
            Address::Host { host, .. } => match host.parse::<IpAddr>() {
                // `::` is bound for IPv4 too
                Ok(IpAddr::V6(ip)) if ip == Ipv6Addr::UNSPECIFIED => Reach::All,
                Ok(ip) => Reach::One(ip.to_canonical()),
                Err(_) => Reach::Name(host.trim_end_matches('.').to_ascii_lowercase()),
            },
            Address::Unix { path } => Reach::File(path.clone()),
        }
    }

    pub(super) fn is_unix(&self) -> bool {
        matches!(self, Address::Unix { .. })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Any { port } => write!(f, "*:{port}"),
            Address::Localhost { port } => write!(f, "localhost:{port}"),
            Address::Host { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Host { host, port } => write!(f, "{host}:{port}"),
            Address::Unix { path } => write!(f, "unix:{}", path.display()),
        }
    }
}

impl From<Address> for String {
    fn from(address: Address) -> String {
        address.to_string()
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Address::Unix { path: socket_path(path)?.to_owned() });
        }
        if let Some(scheme) = ["udp:", "sctp:", "vsock:"].into_iter().find(|scheme| text.starts_with(scheme)) {
            return Err(if scheme == "udp:" { AddressError::NotBuilt(scheme) } else { AddressError::wrong(text) });
        }
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Address::Localhost { port: port(text)? });
        }
        if let Some(error) = foreign::refused(text) {
            return Err(error);
        }
        let (host, tail) = text.rsplit_once(':').ok_or_else(|| AddressError::no_port(text))?;
        if host == "*" {
            return Ok(Address::Any { port: port(tail)? });
        }
        if host.is_empty() {
            return Err(AddressError::Wrong {
                what: format!("`{}` has no host", shown(text)),
                help: format!(
                    "write \"*:{0}\" for every address of this machine, or {0} for this machine alone",
                    shown(tail)
                ),
            });
        }
        if let Some(inside) = host.strip_prefix('[') {
            let v6 = inside.strip_suffix(']').filter(|v6| is_v6(v6)).ok_or_else(|| AddressError::wrong(text))?;
            return Ok(Address::Host { host: v6.to_owned(), port: port(tail)? });
        }
        if text.ends_with(']') {
            return Err(AddressError::no_port(text));
        }
        if host.contains(':') {
            return Err(AddressError::Wrong {
                what: format!("`{}` is ambiguous", shown(text)),
                help: "an IPv6 address stands in brackets: \"[::1]:9000\"".to_owned(),
            });
        }
        if !is_v4_or_name(host) {
            return Err(AddressError::wrong(text));
        }
        if host.trim_end_matches('.').eq_ignore_ascii_case("localhost") {
            return Ok(Address::Localhost { port: port(tail)? });
        }
        Ok(Address::Host { host: host.to_owned(), port: port(tail)? })
    }
}

fn socket_path(text: &str) -> Result<&Path, AddressError> {
    let wrong = |what: String| Err(AddressError::Wrong { what, help: AddressError::SOCKET.to_owned() });
    if !text.starts_with('/') {
        return wrong(format!("`{}` is not a full path", shown(text)));
    }
    if text.ends_with('/') {
        return wrong(format!("`{}` is a folder, not a socket", shown(text)));
    }
    if text.contains('\0') {
        return wrong("a path has no NUL in it".to_owned());
    }
    if text.len() > Address::LONGEST_PATH {
        return wrong(format!("the path of a socket has at most {} bytes, not {}", Address::LONGEST_PATH, text.len()));
    }
    Ok(Path::new(text))
}

fn port(text: &str) -> Result<u16, AddressError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or_else(|| AddressError::Wrong {
        what: format!("`{}` is not a TCP port", shown(text)),
        help: "TCP ports go from 1 to 65535; 0 lets the system choose one".to_owned(),
    })
}

/// With a zone perhaps: `fe80::1%eth0`.
fn is_v6(text: &str) -> bool {
    match text.split_once('%') {
        Some((ip, zone)) => ip.parse::<Ipv6Addr>().is_ok() && is_label(zone),
        None => text.parse::<Ipv6Addr>().is_ok(),
    }
}

fn is_v4_or_name(text: &str) -> bool {
    // a name whose last label is a number is an address that went wrong (WHATWG URL, "ends in a number")
    let last = text.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    if !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse::<Ipv4Addr>().is_ok();
    }
    text.len() <= 253 && text.trim_end_matches('.').split('.').all(is_label)
}

fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=63).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with('-')
}

/// Text that is not an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressError {
    /// It never will be.
    Wrong {
        /// What is wrong.
        what: String,
        /// What would be right.
        help: String,
    },
    /// A later version listens there; the scheme with its colon.
    NotBuilt(&'static str),
}

impl AddressError {
    const SOCKET: &'static str = "write a full path, such as unix:/run/sermux/NAME.sock";

    fn wrong(text: &str) -> AddressError {
        AddressError::Wrong {
            what: format!("`{}` is not an address", shown(text)),
            help:
                "write 4001 (this machine alone), \"*:4001\" (every address of this machine), \"192.168.1.10:4001\" or \
                   \"[::1]:4001\""
                    .to_owned(),
        }
    }

    fn no_port(text: &str) -> AddressError {
        AddressError::Wrong {
            what: format!("`{}` has no TCP port", shown(text)),
            help: "write \"host:port\", such as \"*:4001\" or \"192.168.1.10:4001\"".to_owned(),
        }
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AddressError::Wrong { what, help } => write!(f, "{what}: {help}"),
            AddressError::NotBuilt(scheme) => write!(f, "`{scheme}` addresses are not built yet in this version"),
        }
    }
}

impl std::error::Error for AddressError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn every_form_of_an_address_is_read_and_written_back() {
        for (text, written) in [
            ("4001", "localhost:4001"),
            ("0", "localhost:0"),
            ("Localhost.:80", "localhost:80"),
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("*:9000", "*:9000"),
            ("0.0.0.0:1", "0.0.0.0:1"),
            ("[::]:65535", "[::]:65535"),
            ("[fe80::1%eth0]:9", "[fe80::1%eth0]:9"),
            ("meter.home.arpa:80", "meter.home.arpa:80"),
            ("localhost:80", "localhost:80"),
            ("unix:/run/sermux/a b.sock", "unix:/run/sermux/a b.sock"),
            ("unix:/x", "unix:/x"),
        ] {
            assert_eq!(address(text).to_string(), written);
            assert_eq!(address(written), address(text));
        }
    }

    #[test]
    fn what_is_not_an_address_is_refused() {
        for text in [
            "",
            "*",
            ":9000",
            "::1:9000",
            "[::1]",
            "[::1",
            "[::1]9000",
            "[127.0.0.1]:1",
            "192.168.1.300:1",
            "1.2.3:1",
            "host",
            "host:",
            "host:65536",
            "host:+1",
            "host:http",
            "65536",
            "-1",
            "tcp,4001",
            "a b:1",
            "a..b:1",
            "tcp://host:1",
            "*:*",
            "[fe80::1%]:1",
            "sctp:1",
            "unix:",
            "unix:/",
            "unix:/run/",
            "unix:run/x",
            "unix:./x",
            "unix:@x",
            "unix:/run/\0",
            "UNIX:/run/x",
        ] {
            assert!(matches!(text.parse::<Address>(), Err(AddressError::Wrong { .. })), "{text:?}");
        }
    }

    #[test]
    fn addresses_of_later_versions_are_known() {
        assert_eq!("udp:*:4001".parse::<Address>(), Err(AddressError::NotBuilt("udp:")));
    }

    #[test]
    fn the_path_of_a_socket_is_as_long_as_the_system_takes_it() {
        let path = |len: usize| format!("unix:/{}", "x".repeat(len - 1));
        assert!(path(Address::LONGEST_PATH).parse::<Address>().is_ok());
        let error = path(Address::LONGEST_PATH + 1).parse::<Address>().unwrap_err();
        assert!(error.to_string().starts_with("the path of a socket has at most 107 bytes, not 108"), "{error}");
        // bytes, not letters
        assert!(format!("unix:/{}", "é".repeat(54)).parse::<Address>().is_err());
    }

    #[test]
    fn a_wildcard_overlaps_what_it_contains() {
        for (a, b, overlap) in [
            ("*:1", "*:1", true),
            ("*:1", "*:2", false),
            ("*:0", "*:0", false),
            ("*:1", "127.0.0.1:1", true),
            ("*:1", "[::1]:1", true),
            ("[::]:1", "127.0.0.1:1", true),
            ("0.0.0.0:1", "127.0.0.1:1", true),
            ("0.0.0.0:1", "[::1]:1", false),
            ("0.0.0.0:1", "meter:1", true),
            ("127.0.0.1:1", "1", true),
            ("127.0.0.1:1", "127.0.0.2:1", false),
            ("127.0.0.1:1", "[::ffff:127.0.0.1]:1", true),
            ("[::1]:1", "[0:0::1]:1", true),
            ("localhost:1", "127.0.0.1:1", true),
            ("localhost:1", "[::1]:1", true),
            ("localhost:1", "[::ffff:127.0.0.1]:1", true),
            ("localhost:1", "127.0.0.2:1", false),
            ("localhost:1", "0.0.0.0:1", true),
            ("localhost:1", "*:1", true),
            ("localhost:1", "1", true),
            ("localhost:1", "meter:1", false),
            ("Meter:1", "meter.:1", true),
            ("meter:1", "127.0.0.1:1", false),
            ("unix:/run/x", "unix:/run//x", true),
            ("unix:/run/x", "unix:/run/./x", true),
            ("unix:/run/x", "unix:/run/y", false),
            ("unix:/run/x", "*:1", false),
        ] {
            let (a, b) = if a.len() == 1 { (address("1"), address(b)) } else { (address(a), address(b)) };
            assert_eq!(a.overlaps(&b), overlap, "{a} {b}");
            assert_eq!(b.overlaps(&a), overlap, "{b} {a}");
        }
    }
}
