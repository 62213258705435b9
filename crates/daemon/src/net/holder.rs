//! Which program listens on an address of TCP: /proc/net/tcp has the socket, /proc/PID/fd the program, as far as this user may
//! look (proc_net_tcp(5)).

use std::fmt;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use nix::unistd::{Uid, User};
use sermux_port_config::config::Address;

/// The state of a socket that listens (TCP_LISTEN in include/net/tcp_states.h).
const LISTENS: &str = "0A";

/// The program that has an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressHolder {
    /// A program whose open files this user may see.
    Program {
        /// Its number.
        pid: u32,
        /// Its name as the kernel has it.
        name: String,
    },
    /// This program itself.
    Own,
    /// A program of this user.
    User(String),
}

/// `sermux, pid 812`
impl fmt::Display for AddressHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program { pid, name } => write!(f, "{name}, pid {pid}"),
            Self::Own => f.write_str("this sermux itself"),
            Self::User(name) => write!(f, "a program of user {name} (`sudo ss -ltnp` shows which)"),
        }
    }
}

/// Who listens where this address would be. `None`: nobody that can be seen.
pub(super) fn find_blocking(address: &Address) -> Option<AddressHolder> {
    find(Path::new("/proc"), address)
}

fn find(proc: &Path, address: &Address) -> Option<AddressHolder> {
    let (wanted, port) = match address {
        Address::Localhost { port } => (vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()], *port),
        Address::Any { port } => (Vec::new(), *port),
        // A name stands for any address: nobody is asked for it again.
        Address::Host { host, port } => (host.parse().into_iter().collect(), *port),
        Address::Unix { .. } => return None,
    };
    // Those of this program's network, which need not be the machine's.
    let tables = ["self/net/tcp", "self/net/tcp6"].map(|table| fs::read_to_string(proc.join(table)));
    let sockets = tables.iter().flatten().flat_map(|table| table.lines()).filter_map(ListeningSocket::parse);
    let sockets: Vec<_> = sockets.filter(|socket| socket.is_in_the_way(&wanted, port)).collect();
    let first = sockets.first()?;
    // One after the other: in most cases there is just one, and its program ends the search.
    sockets.iter().find_map(|socket| program(proc, socket.inode)).or_else(|| {
        let uid = Uid::from_raw(first.uid);
        Some(AddressHolder::User(User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)))
    })
}

fn program(proc: &Path, inode: u64) -> Option<AddressHolder> {
    let link = format!("socket:[{inode}]");
    let has_it = |pid: u32| {
        let files = fs::read_dir(proc.join(format!("{pid}/fd"))).into_iter().flatten().flatten();
        files.into_iter().any(|file| fs::read_link(file.path()).is_ok_and(|target| target.as_os_str() == &*link))
    };
    let processes = fs::read_dir(proc).ok()?.flatten();
    let pid = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find(|pid| has_it(*pid))?;
    if pid == std::process::id() {
        return Some(AddressHolder::Own);
    }
    let name = fs::read_to_string(proc.join(format!("{pid}/comm"))).unwrap_or_default();
    // Any program chooses its name.
    Some(AddressHolder::Program { pid, name: name.trim_end().escape_debug().to_string() })
}

/// A row of /proc/net/tcp or tcp6.
struct ListeningSocket {
    ip: IpAddr,
    port: u16,
    uid: u32,
    inode: u64,
}

impl ListeningSocket {
    /// `0: 0100007F:2328 00000000:0000 0A 00000000:00000000 00:00000000 00000000 1000 0 12345 …`
    fn parse(row: &str) -> Option<Self> {
        let columns: Vec<&str> = row.split_ascii_whitespace().take(10).collect();
        let [_, local, _, LISTENS, _, _, _, uid, _, inode] = columns[..] else { return None };
        let (ip, port) = local.split_once(':')?;
        // Words of four bytes, each in the order of the machine.
        let word = |at: usize| u32::from_str_radix(ip.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
        let ip = match ip.len() {
            8 => IpAddr::from(word(0)?),
            32 => {
                let words = [word(0)?, word(8)?, word(16)?, word(24)?].concat();
                IpAddr::from(<[u8; 16]>::try_from(words).ok()?)
            }
            _ => return None,
        };
        let port = u16::from_str_radix(port, 16).ok()?;
        Some(Self { ip: ip.to_canonical(), port, uid: uid.parse().ok()?, inode: inode.parse().ok()? })
    }

    /// `wanted`: all addresses where it is empty.
    fn is_in_the_way(&self, wanted: &[IpAddr], port: u16) -> bool {
        let is_any = |ip: &IpAddr| ip.is_unspecified();
        self.port == port
            && (wanted.is_empty() || is_any(&self.ip) || wanted.iter().any(|ip| is_any(ip) || *ip == self.ip))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn host(text: &str) -> Address {
        text.parse().unwrap()
    }

    /// Rows as Linux 6.12 writes them on a little-endian machine.
    #[test]
    #[cfg(target_endian = "little")]
    fn the_program_that_listens_is_found_by_its_socket() {
        let proc = tempfile::TempDir::new().unwrap();
        fs::create_dir_all(proc.path().join("self/net")).unwrap();
        let head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
        let v4 = "   0: 0100007F:2328 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 71 1 x 100 0\n\
                  \x20  1: 0100007F:2329 0100007F:1111 01 00000000:00000000 00:00000000 00000000     0        0 72 1 x 20 4\n\
                  \x20  2: 00000000:232A 00000000:0000 0A 00000000:00000000 00:00000000 00000000 54321        0 73 1 x 100 0\n";
        let v6 =
            "   0: 00000000000000000000000001000000:232B 00000000000000000000000000000000:0000 0A 00000000:00000000 \
                  00:00000000 00000000     0        0 74 1 x 100 0\n";
        fs::write(proc.path().join("self/net/tcp"), format!("{head}{v4}")).unwrap();
        fs::write(proc.path().join("self/net/tcp6"), format!("{head}{v6}")).unwrap();
        for (pid, name, inode) in [(812_u32, "sermux", 71), (900, "n\u{1b}c", 74), (std::process::id(), "e2e", 75)] {
            let folder = proc.path().join(pid.to_string());
            fs::create_dir_all(folder.join("fd")).unwrap();
            fs::write(folder.join("comm"), format!("{name}\n")).unwrap();
            symlink(format!("socket:[{inode}]"), folder.join("fd/3")).unwrap();
        }
        let shown = |address: &str| find(proc.path(), &host(address)).map(|holder| holder.to_string());
        for address in ["127.0.0.1:9000", "9000", "*:9000"] {
            assert_eq!(shown(address).as_deref(), Some("sermux, pid 812"), "{address}");
        }
        assert_eq!(shown("[::1]:9003").as_deref(), Some("n\\u{1b}c, pid 900"));
        assert_eq!(shown("127.0.0.2:9000"), None, "another address");
        assert_eq!(shown("9001"), None, "a connection");
        let user = "a program of user 54321 (`sudo ss -ltnp` shows which)";
        assert_eq!(shown("127.0.0.9:9002").as_deref(), Some(user));
    }
}
