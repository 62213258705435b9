//! Bytes on their way: lines fed at a pace or as fast as they take, clients read and checked.

use std::io::{ErrorKind, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

use crate::pattern::{Checker, Pattern};
use crate::pause;
use crate::rig::{Client, Pty};
use crate::trouble::{Deadline, Outcome, Trouble};

/// How a device sends: `chunk` bytes at a time, `chunks` times, one each `period`.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) chunk: usize,
    pub(crate) chunks: usize,
    pub(crate) period: Duration,
}

impl Pace {
    /// Chunks at `bytes_per_second` for about `span`.
    pub(crate) fn of(bytes_per_second: f64, chunk: usize, span: Duration) -> Self {
        let period = Duration::from_secs_f64(chunk as f64 / bytes_per_second);
        Self { chunk, chunks: (span.as_secs_f64() / period.as_secs_f64()) as usize, period }
    }

    /// How many bytes a line sends in all.
    pub(crate) fn bytes(&self) -> u64 {
        (self.chunk * self.chunks) as u64
    }

    pub(crate) fn span(&self) -> Duration {
        self.period * self.chunks as u32
    }

    /// How many chunks a line has sent after this time.
    pub(crate) fn chunks_in(&self, span: Duration) -> usize {
        (span.as_secs_f64() / self.period.as_secs_f64()).ceil() as usize
    }

    /// Until when it has to be sent and received: later than planned, on a machine with other things to do.
    pub(crate) fn deadline(&self) -> Deadline {
        Deadline::after(self.span() * 6)
    }
}

/// When each chunk of each line was written.
pub(crate) struct Stamps {
    epoch: Instant,
    chunks: usize,
    nanoseconds: Vec<AtomicU64>,
}

impl Stamps {
    pub(crate) fn new(lines: usize, pace: &Pace) -> Self {
        let nanoseconds = (0..lines * pace.chunks).map(|_| AtomicU64::new(0)).collect();
        Self { epoch: Instant::now(), chunks: pace.chunks, nanoseconds }
    }

    fn now(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }

    fn set(&self, line: usize, chunk: usize) {
        self.nanoseconds[line * self.chunks + chunk].store(self.now(), Ordering::Release);
    }

    fn age(&self, line: usize, chunk: usize) -> u64 {
        self.now().saturating_sub(self.nanoseconds[line * self.chunks + chunk].load(Ordering::Acquire))
    }
}

/// Feeds all lines at a pace, each with its own phase within the period, as devices that know nothing of each other.
pub(crate) fn feed(
    lines: &[Pty],
    patterns: &[Pattern],
    pace: &Pace,
    stamps: Option<&Stamps>,
    deadline: &Deadline,
) -> Outcome<()> {
    let mut start = Instant::now();
    let step = pace.period / lines.len() as u32;
    for turn in 0..lines.len() * pace.chunks {
        let (chunk, line) = (turn / lines.len(), turn % lines.len());
        let (now, due) = (Instant::now(), start + step * turn as u32);
        if due > now {
            pause((due - now).max(QUANTUM));
        } else if now - due > pace.period {
            // Held up: from here on later, not faster, lest chunks run together that a device would send apart.
            start += now - due - pace.period;
        }
        if let Some(stamps) = stamps {
            stamps.set(line, chunk);
        }
        write_pattern(&lines[line], &patterns[line], (chunk * pace.chunk) as u64, pace.chunk, deadline)?;
    }
    Ok(())
}

/// Feeds one line as fast as it takes.
pub(crate) fn feed_at_once(line: &Pty, pattern: &Pattern, bytes: u64, deadline: &Deadline) -> Outcome<()> {
    let mut sent = 0;
    while sent < bytes {
        let count = (bytes - sent).min(4096) as usize;
        write_pattern(line, pattern, sent, count, deadline)?;
        sent += count as u64;
    }
    Ok(())
}

fn write_pattern(line: &Pty, pattern: &Pattern, offset: u64, count: usize, deadline: &Deadline) -> Outcome<()> {
    let first = pattern.at(offset, count);
    line.write_whole(first, deadline)?;
    if first.len() < count {
        write_pattern(line, pattern, offset + first.len() as u64, count - first.len(), deadline)?;
    }
    Ok(())
}

/// One client's stream and where it stands.
pub(crate) struct Reader {
    pub(crate) client: Client,
    pub(crate) checker: Checker,
}

/// Each client with the pattern of its port.
pub(crate) fn readers(clients: Vec<Client>, patterns: &[Pattern]) -> Vec<Reader> {
    let reader = |client: Client| Reader { checker: Checker::new(patterns[client.port].clone()), client };
    clients.into_iter().map(reader).collect()
}

/// What the reading of all clients is asked to note of each read.
pub(crate) trait Witness {
    /// The client of `port` has just received the bytes from offset `from` up to `to`.
    fn saw(&mut self, port: usize, from: u64, to: u64);
}

impl Witness for () {
    fn saw(&mut self, _: usize, _: u64, _: u64) {}
}

/// Notes how long chunks took from the line to the client, from the chunk `first` of each line on.
pub(crate) struct Ages<'a> {
    pub(crate) stamps: &'a Stamps,
    pub(crate) chunk: usize,
    pub(crate) first: usize,
    pub(crate) nanoseconds: &'a mut Vec<u64>,
}

impl Witness for Ages<'_> {
    fn saw(&mut self, port: usize, from: u64, to: u64) {
        for chunk in (from as usize / self.chunk).max(self.first)..to as usize / self.chunk {
            self.nanoseconds.push(self.stamps.age(port, chunk));
        }
    }
}

/// Reads all clients, from one thread, until each has `bytes` bytes, all of them checked.
pub(crate) fn read_all(
    readers: &mut [Reader],
    bytes: u64,
    deadline: &Deadline,
    witness: &mut impl Witness,
) -> Outcome<()> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    for (index, reader) in readers.iter().enumerate() {
        reader.client.stream.set_nonblocking(true)?;
        epoll.add(&reader.client.stream, EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?;
    }
    let mut events = vec![EpollEvent::empty(); 256];
    let mut buffer = vec![0; 64 * 1024];
    let mut unfinished = readers.len();
    while unfinished > 0 {
        let limit =
            deadline.milliseconds("the clients' bytes").map_err(|trouble| trouble.at(shortfall(readers, bytes)))?;
        let count = match epoll.wait(&mut events, limit) {
            Err(Errno::EINTR) => continue,
            other => other?,
        };
        for event in &events[..count] {
            let reader = &mut readers[event.data() as usize];
            let before = reader.checker.received();
            reader.read(&mut buffer)?;
            let after = reader.checker.received();
            witness.saw(reader.client.port, before, after);
            if before < bytes && after >= bytes {
                unfinished -= 1;
            }
        }
    }
    Ok(())
}

/// Waits a moment for what may follow and should not.
pub(crate) fn expect_no_more(readers: &[Reader], bytes: u64) -> Outcome<()> {
    pause(Duration::from_millis(5));
    readers.iter().try_for_each(|reader| reader.expect_exactly(bytes))
}

impl Reader {
    pub(crate) fn begin_anew(&mut self, pattern: &Pattern) {
        self.checker = Checker::new(pattern.clone());
    }

    /// One read; nothing where nothing is there.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Outcome<()> {
        let place = || format!("a client of p{}", self.client.port);
        match (&self.client.stream).read(buffer) {
            Ok(0) => Err(Trouble::Lost("disconnected".into()).at(place())),
            Ok(count) => self.checker.take(&buffer[..count]).map_err(|trouble| trouble.at(place())),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(Trouble::Lost(error.to_string()).at(place())),
        }
    }

    fn expect_exactly(&self, bytes: u64) -> Outcome<()> {
        let surplus = self.checker.received() - bytes;
        // What is not read yet and should not be there; a non-blocking peek never waits.
        let more = matches!(self.client.stream.peek(&mut [0]), Ok(1));
        if surplus > 0 || more {
            return Err(Trouble::Lost(format!("a client of p{} got more than was sent", self.client.port)));
        }
        Ok(())
    }
}

fn shortfall(readers: &[Reader], bytes: u64) -> String {
    let behind = readers.iter().filter(|reader| reader.checker.received() < bytes).count();
    let least = readers.iter().map(|reader| reader.checker.received()).min().unwrap_or(0);
    format!("{behind} of {} clients short, the last at {least} of {bytes} bytes", readers.len())
}

/// The shortest pause of a feeder: it wakes up, writes to the lines that are due, and does not steal a core.
const QUANTUM: Duration = Duration::from_micros(300);
