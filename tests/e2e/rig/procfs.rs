//! What the kernel says about a process and its sockets.

use std::fs;
use std::net::{SocketAddr, TcpStream};

/// CPU time so far, all threads, user and system, in hundredths of a second (USER_HZ).
pub(crate) fn cpu_ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The second field is the name, in parentheses; of those after it, utime and stime are the 12th and 13th.
    let fields: Vec<&str> = stat[stat.rfind(')').unwrap() + 2..].split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// Whether a signal has stopped it.
pub(crate) fn is_stopped(pid: u32) -> bool {
    is_in_state(pid, "T")
}

/// Whether it has ended and nobody has waited for it.
pub(crate) fn is_zombie(pid: u32) -> bool {
    is_in_state(pid, "Z")
}

fn is_in_state(pid: u32, state: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat[stat.rfind(')').unwrap() + 2..].starts_with(state)
}

/// How often its threads went to sleep of their own will, which is how often they had been woken.
pub(crate) fn wake_ups(pid: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    // A thread may end while it is looked at.
    let counts = tasks.flatten().filter_map(|task| status(&task.path().join("status"), "voluntary_ctxt_switches:"));
    counts.sum()
}

/// Resident memory that no file backs, KiB: what the program has allocated, not the parts of its own file that it has used.
pub(crate) fn anonymous_kib(pid: u32) -> u64 {
    status(format!("/proc/{pid}/status").as_ref(), "RssAnon:").unwrap()
}

fn status(file: &std::path::Path, key: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(key))?;
    value.trim().trim_end_matches(" kB").parse().ok()
}

/// How many bytes that this end has sent the other end of the connection has not taken from its kernel yet.
///
/// `None` once the other end is gone. IPv4 on one machine only.
pub(crate) fn unread_by_peer(stream: &TcpStream) -> Option<u64> {
    peer(stream).map(|peer| peer.unread)
}

/// Whether the other end has read the end of the stream.
pub(crate) fn end_was_read(stream: &TcpStream) -> bool {
    const CLOSE_WAIT: &str = "08";
    // A FIN counts as a byte until it is read.
    peer(stream).is_some_and(|peer| peer.state == CLOSE_WAIT && peer.unread == 0)
}

/// The other end's row of proc_net_tcp(5).
struct Peer {
    state: String,
    unread: u64,
}

fn peer(stream: &TcpStream) -> Option<Peer> {
    let (ours, theirs) = (proc_net(stream.local_addr().ok()?)?, proc_net(stream.peer_addr().ok()?)?);
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let row = rows.filter(|fields| fields.len() > 4).find(|fields| fields[1] == theirs && fields[2] == ours)?;
    let (_, unread) = row[4].split_once(':')?;
    Some(Peer { state: row[3].to_owned(), unread: u64::from_str_radix(unread, 16).ok()? })
}

fn proc_net(address: SocketAddr) -> Option<String> {
    let SocketAddr::V4(address) = address else { return None };
    Some(format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port()))
}
