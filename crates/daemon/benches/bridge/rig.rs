//! The surroundings of a subject: pseudo-terminals with the rig at their far end, the process, and the clients.

use std::collections::HashSet;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{fcntl, FcntlArg, FdFlag, OFlag};
use nix::poll::{poll, PollFd, PollFlags};
use nix::pty::openpty;
use nix::sys::resource::{getrlimit, setrlimit, Resource};
use nix::sys::termios::{cfmakeraw, tcgetattr, tcsetattr, SetArg};
use nix::unistd::{read, ttyname, write};
use tempfile::TempDir;

use crate::pause;
use crate::process::Processes;
use crate::protocol::Protocol;
use crate::subject::{Framing, Habit, Needs, Opening, Setup, Subject};
use crate::telegram;
use crate::trouble::{Deadline, Outcome, Trouble};

/// One subject at work. Dropped in this order: the process ends before its lines do.
pub(crate) struct Rig {
    pub(crate) processes: Processes,
    pub(crate) lines: Vec<Pty>,
    pub(crate) addresses: Vec<SocketAddr>,
    /// The moment before the process was started.
    pub(crate) launched: Instant,
    /// What its clients speak.
    pub(crate) protocol: Protocol,
    opening: Opening,
    framing: Framing,
    _folder: TempDir,
}

/// A pseudo-terminal: the subject opens the path, the rig plays the device at the master.
pub(crate) struct Pty {
    pub(crate) master: OwnedFd,
    path: PathBuf,
    /// Keeps the master free of EIO before the subject has opened the path; nobody reads or writes here.
    _slave: OwnedFd,
}

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    /// Index of the port it is connected to.
    pub(crate) port: usize,
}

impl Rig {
    /// Starts the subject, and waits until all its ports listen and all lines are open that it opens by itself.
    pub(crate) fn start(subject: &Subject, needs: &Needs, habit: Habit, framing: Framing) -> Outcome<Self> {
        let mut trouble = None;
        // A TCP port that was free a moment ago may be taken by now: then once more with others.
        for _ in 0..3 {
            let mut rig = Self::launch(subject, needs, habit, framing)?;
            match rig.wait_until_ready() {
                Ok(()) => return Ok(rig),
                Err(error) if rig.processes.have_ended() => trouble = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(trouble.unwrap_or_else(|| Trouble::Failed("not started".into())))
    }

    /// Starts the subject without waiting for anything.
    pub(crate) fn launch(subject: &Subject, needs: &Needs, habit: Habit, framing: Framing) -> Outcome<Self> {
        let folder = tempfile::Builder::new().prefix("sermux-bench-").tempdir()?;
        let lines = (0..needs.ports).map(|_| Pty::open()).collect::<Outcome<Vec<_>>>()?;
        let addresses = free_addresses(needs.ports)?;
        let pairs: Vec<_> = lines.iter().map(|line| line.path.clone()).zip(addresses.iter().copied()).collect();
        let protocol = subject.protocol(needs.protocol);
        let (ports, clients) = (pairs.as_slice(), needs.clients);
        let mut commands =
            subject.commands(&Setup { ports, clients, habit, framing, protocol, folder: folder.path() })?;
        let launched = Instant::now();
        let processes = Processes::start(&mut commands, folder.path())?;
        let opening = subject.opening;
        Ok(Self { processes, lines, addresses, launched, protocol, opening, framing, _folder: folder })
    }

    fn wait_until_ready(&mut self) -> Outcome<()> {
        let deadline = Deadline::after(START_LIMIT);
        loop {
            if self.opening == Opening::Otherwise || self.processes.open_lines() >= self.lines.len() {
                let listening = listening_ports()?;
                if self.addresses.iter().all(|address| listening.contains(&address.port())) {
                    return Ok(());
                }
            }
            let ended = self.processes.have_ended();
            if ended || deadline.is_over() {
                let what = if ended { "ended at its start" } else { "was not ready in time" };
                return Err(Trouble::Failed(format!("the subject {what}: {}", self.processes.last_words())));
            }
            pause(Duration::from_millis(5));
        }
    }

    /// Connects this number of clients to each port, in the order of the ports, and waits until each hears its line.
    ///
    /// A connection that the kernel has accepted for the subject is not yet one that the subject serves. So lines are
    /// given probes until every client has heard of one, and then an end mark, up to which everybody reads.
    pub(crate) fn connect(&self, each: usize) -> Outcome<Vec<Client>> {
        let mut clients = Vec::new();
        for (port, address) in self.addresses.iter().enumerate() {
            for _ in 0..each {
                clients.push(Client::connect(port, address)?);
                pause(Duration::from_micros(300)); // no listener's queue is to overflow: that costs a second
            }
        }
        self.probe(&mut clients).map_err(|trouble| trouble.at("before the measurement"))?;
        Ok(clients)
    }

    fn probe(&self, clients: &mut [Client]) -> Outcome<()> {
        let (probe, end) = match self.framing {
            Framing::None => (b"~".to_vec(), b"=".to_vec()),
            Framing::Dsmr => (telegram::short("PROBE"), telegram::short("END")),
        };
        let deadline = Deadline::after(START_LIMIT);
        let mut heard = vec![Vec::new(); clients.len()];
        loop {
            let is_deaf = |heard: &Vec<u8>| self.protocol.data(heard).is_empty();
            let deaf: HashSet<_> =
                clients.iter().zip(&heard).filter(|(_, heard)| is_deaf(heard)).map(|(client, _)| client.port).collect();
            if deaf.is_empty() {
                break;
            }
            deadline.milliseconds("all clients to hear their lines")?;
            for port in deaf {
                self.lines[port].write_whole(&probe, &deadline)?;
            }
            pause(Duration::from_millis(10));
            for (client, heard) in clients.iter_mut().zip(&mut heard) {
                client.read_available(heard)?;
            }
        }
        for line in &self.lines {
            line.write_whole(&end, &deadline)?;
        }
        while heard.iter().any(|heard| !heard.ends_with(&end)) {
            deadline.milliseconds("the end of the probes")?;
            pause(Duration::from_millis(2));
            for (client, heard) in clients.iter_mut().zip(&mut heard) {
                client.read_available(heard)?;
            }
        }
        Ok(())
    }

    /// Waits until what the client sends comes out of its line.
    pub(crate) fn probe_upwards(&self, client: &mut Client) -> Outcome<()> {
        let deadline = Deadline::after(START_LIMIT);
        client.stream.set_nonblocking(false)?;
        client.stream.write_all(b"=")?;
        let mut heard = [0; 16];
        loop {
            let count = self.lines[client.port].read(&mut heard, &deadline)?;
            if heard[..count].ends_with(b"=") {
                return Ok(());
            }
        }
    }
}

impl Pty {
    fn open() -> Outcome<Self> {
        let pair = openpty(None, None)?;
        let mut settings = tcgetattr(&pair.slave)?;
        cfmakeraw(&mut settings);
        tcsetattr(&pair.slave, SetArg::TCSANOW, &settings)?;
        fcntl(&pair.master, FcntlArg::F_SETFL(OFlag::O_RDWR | OFlag::O_NONBLOCK))?;
        for side in [&pair.master, &pair.slave] {
            fcntl(side, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
        }
        Ok(Self { path: ttyname(&pair.slave)?, master: pair.master, _slave: pair.slave })
    }

    /// Gives the line what it takes at once; 0 while it is full.
    pub(crate) fn write_some(&self, bytes: &[u8]) -> Outcome<usize> {
        match write(&self.master, bytes) {
            Ok(count) => Ok(count),
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives the line all of it, waiting where it is full.
    pub(crate) fn write_whole(&self, mut bytes: &[u8], deadline: &Deadline) -> Outcome<()> {
        while !bytes.is_empty() {
            let count = self.write_some(bytes)?;
            bytes = &bytes[count..];
            if count == 0 {
                // Bounded, as a wake-up that the pty driver forgets would otherwise last until the deadline.
                let limit = deadline.milliseconds("the line to take more")?.min(20);
                wait(&self.master, PollFlags::POLLOUT, limit)?;
            }
        }
        Ok(())
    }

    /// Waits for bytes that the subject wrote to the line.
    pub(crate) fn read(&self, buffer: &mut [u8], deadline: &Deadline) -> Outcome<usize> {
        loop {
            wait(&self.master, PollFlags::POLLIN, deadline.milliseconds("bytes at the line")?)?;
            match read(&self.master, buffer) {
                Ok(count) => return Ok(count),
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Client {
    pub(crate) fn connect(port: usize, address: &SocketAddr) -> Outcome<Self> {
        let stream = TcpStream::connect_timeout(address, START_LIMIT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(READ_LIMIT))?;
        stream.set_write_timeout(Some(READ_LIMIT))?;
        Ok(Self { stream, port })
    }

    /// Waits for bytes, as long as a blocking read of a client may take.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Outcome<usize> {
        match self.stream.read(buffer) {
            Ok(0) => Err(Trouble::Lost(format!("a client of p{} was disconnected", self.port))),
            Ok(count) => Ok(count),
            Err(error) => Err(Trouble::Lost(format!("a client of p{} waited for bytes: {error}", self.port))),
        }
    }

    /// Appends what is there; leaves the stream non-blocking.
    pub(crate) fn read_available(&mut self, heard: &mut Vec<u8>) -> Outcome<()> {
        self.stream.set_nonblocking(true)?;
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(Trouble::Lost(format!("a client of p{} was disconnected", self.port))),
                Ok(count) => heard.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(Trouble::Lost(format!("a client of p{}: {error}", self.port))),
            }
        }
    }
}

/// Lets the rig and what it starts have as many files as the system allows.
pub(crate) fn raise_file_limit() -> Outcome<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?)
}

fn wait(fd: &OwnedFd, what: PollFlags, milliseconds: u16) -> Outcome<()> {
    match poll(&mut [PollFd::new(fd.as_fd(), what)], milliseconds) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Loopback addresses that nobody uses now.
///
/// They lie outside the range from which the kernel takes the near end of connections: there, connecting to a port that
/// does not listen yet can meet itself, and a client could hold the port that a subject is about to bind.
fn free_addresses(count: usize) -> Outcome<Vec<SocketAddr>> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")?;
    let ends: Vec<u16> = range.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let (low, high) = match ends[..] {
        [low, _] if low > 15_000 => (low - 12_000, low - 1),
        [_, high] if high < 60_000 => (high + 1, u16::MAX),
        _ => (2_000, 15_000),
    };
    let span = high - low;
    let start = (std::process::id() % u32::from(span)) as u16;
    let mut held = Vec::new();
    for _ in 0..span {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = low + (u32::from(start) + u32::from(step)).rem_euclid(u32::from(span)) as u16;
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            held.push((listener, SocketAddr::from((Ipv4Addr::LOCALHOST, port))));
            if held.len() == count {
                return Ok(held.into_iter().map(|(_, address)| address).collect());
            }
        }
    }
    Err(Trouble::Failed(format!("no {count} free TCP ports")))
}

/// The IPv4 TCP ports that something on this machine listens on; looked up, so that the subject notices nothing.
fn listening_ports() -> Outcome<HashSet<u16>> {
    let table = fs::read_to_string("/proc/net/tcp")?;
    let port = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        let (local, _, state) = (words.next()?, words.next()?, words.next()?);
        let port = u16::from_str_radix(local.split_once(':')?.1, 16).ok()?;
        (state == "0A").then_some(port)
    };
    Ok(table.lines().filter_map(port).collect())
}

/// How long a subject may take to be ready.
const START_LIMIT: Duration = Duration::from_secs(15);

/// How long a blocking read or write of a client may take.
const READ_LIMIT: Duration = Duration::from_secs(5);
