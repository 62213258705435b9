//! The floor: the least that a forwarder can do, as the reference for everything else.
//!
//! One process, one thread, one level-triggered epoll: wait, one read, one send per client. No ring, no policy, no log,
//! no look at the bytes. Where a client or a line does not take what it is given, the floor stands still until it does,
//! and with it every other line: that is what minimal programs do, and what the row `stopped` shows. A line that disconnects
//! ends it.
//!
//! Level-triggered, because with edges a read has to go on until the line is dry, and that costs more than epoll's
//! second look.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::termios::{cfmakeraw, cfsetspeed, tcgetattr, tcsetattr, BaudRate, SetArg};

/// Forwards until it is killed: `--tty PATH --port NUMBER`, as often as wanted.
pub(crate) fn run(arguments: &[String]) -> io::Result<()> {
    // The rig ends the floor by SIGTERM; should the rig itself be killed, the kernel does it.
    prctl::set_pdeathsig(Signal::SIGTERM)?;
    let mut floor = Floor::new()?;
    for pair in arguments.chunks(4) {
        let [tty_key, tty, port_key, port] = pair else {
            return Err(usage());
        };
        if tty_key != "--tty" || port_key != "--port" {
            return Err(usage());
        }
        floor.add(tty, port.parse().map_err(|_| usage())?)?;
    }
    floor.serve()
}

struct Floor {
    epoll: Epoll,
    lines: Vec<Line>,
    clients: Vec<Option<Client>>,
    vacant: Vec<usize>,
    buffer: Vec<u8>,
}

struct Line {
    tty: File,
    listener: TcpListener,
    clients: Vec<usize>,
}

struct Client {
    stream: TcpStream,
    line: usize,
}

impl Floor {
    fn new() -> io::Result<Self> {
        Ok(Self {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            lines: Vec::new(),
            clients: Vec::new(),
            vacant: Vec::new(),
            buffer: vec![0; BUFFER],
        })
    }

    fn add(&mut self, tty: &str, port: u16) -> io::Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        let flags = (OFlag::O_NOCTTY | OFlag::O_NONBLOCK).bits();
        let tty = OpenOptions::new().read(true).write(true).custom_flags(flags).open(tty)?;
        let mut settings = tcgetattr(&tty)?;
        cfmakeraw(&mut settings);
        cfsetspeed(&mut settings, BaudRate::B115200)?;
        tcsetattr(&tty, SetArg::TCSANOW, &settings)?;

        let index = self.lines.len();
        self.epoll.add(&tty, readable(Source::Line, index))?;
        self.epoll.add(&listener, readable(Source::Listener, index))?;
        self.lines.push(Line { tty, listener, clients: Vec::new() });
        Ok(())
    }

    fn serve(&mut self) -> io::Result<()> {
        let mut events = vec![EpollEvent::empty(); EVENTS];
        loop {
            let count = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Err(Errno::EINTR) => continue,
                other => other?,
            };
            for event in &events[..count] {
                let (source, index) = origin(event.data());
                match source {
                    Source::Line => self.line_is_readable(index)?,
                    Source::Listener => self.listener_is_readable(index)?,
                    Source::Client => self.client_is_readable(index)?,
                }
            }
        }
    }

    fn line_is_readable(&mut self, index: usize) -> io::Result<()> {
        let line = &mut self.lines[index];
        let count = match line.tty.read(&mut self.buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            other => other?,
        };
        let mut place = 0;
        while let Some(&key) = line.clients.get(place) {
            let sent = match &mut self.clients[key] {
                Some(client) => write_whole(&mut client.stream, &self.buffer[..count]),
                None => Err(ErrorKind::NotFound.into()),
            };
            if sent.is_ok() {
                place += 1;
            } else {
                line.clients.swap_remove(place);
                self.clients[key] = None; // closed, and so out of epoll
                self.vacant.push(key);
            }
        }
        Ok(())
    }

    fn listener_is_readable(&mut self, index: usize) -> io::Result<()> {
        let line = &mut self.lines[index];
        let stream = match line.listener.accept() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            other => other?.0,
        };
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let key = self.vacant.pop().unwrap_or_else(|| {
            self.clients.push(None);
            self.clients.len() - 1
        });
        self.epoll.add(&stream, readable(Source::Client, key))?;
        self.clients[key] = Some(Client { stream, line: index });
        line.clients.push(key);
        Ok(())
    }

    fn client_is_readable(&mut self, key: usize) -> io::Result<()> {
        // Closed earlier in this batch of events.
        let Some(client) = &mut self.clients[key] else {
            return Ok(());
        };
        let line = &mut self.lines[client.line];
        match client.stream.read(&mut self.buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Ok(0) | Err(_) => {
                line.clients.retain(|&other| other != key);
                self.clients[key] = None;
                self.vacant.push(key);
                Ok(())
            }
            Ok(count) => write_whole(&mut line.tty, &self.buffer[..count]),
        }
    }
}

/// Writes all of it, standing still while the other side does not take it.
fn write_whole(sink: &mut (impl Write + AsFd), mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match sink.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                match poll(&mut [PollFd::new(sink.as_fd(), PollFlags::POLLOUT)], PollTimeout::NONE) {
                    Ok(_) | Err(Errno::EINTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Source {
    Line,
    Listener,
    Client,
}

/// What epoll hands back with an event: the kind of source in the upper half, its index in the lower.
fn readable(source: Source, index: usize) -> EpollEvent {
    EpollEvent::new(EpollFlags::EPOLLIN, (source as u64) << 32 | index as u64)
}

fn origin(data: u64) -> (Source, usize) {
    let source = match data >> 32 {
        0 => Source::Line,
        1 => Source::Listener,
        _ => Source::Client,
    };
    (source, (data & u64::from(u32::MAX)) as usize)
}

fn usage() -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, "floor [--tty PATH --port NUMBER]…")
}

const BUFFER: usize = 64 * 1024;
const EVENTS: usize = 256;
