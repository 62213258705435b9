//! A port with lines, messages or bursts: every client gets whole frames, in order, from the first byte to the last.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sermux::line::Snapshot;
use sermux::port::hub::{ClientId, CloseReason, Event, Hub, SocketQueue};
use sermux_port_config::config::{
    Address, Delimiter, Device, Framing, Gap, Listener, OnLag, Port, Protocol, Replay, Sim,
};
use sermux_protocol::session::Session;

use crate::random::Random;
use crate::terms::terms;

const STEPS: usize = 250;

struct Reader {
    id: ClientId,
    /// How many frames had ended when it came, less its history.
    since: usize,
    /// What its socket takes before it blocks.
    room: usize,
    got: Vec<u8>,
    on_lag: OnLag,
}

struct World {
    random: Random,
    port: Port,
    hub: Hub,
    now: Instant,
    /// Whole frames, as the line sent them.
    frames: Vec<Vec<u8>>,
    /// Of the frame that the line is at.
    partial: Vec<u8>,
    silent: bool,
    is_read_empty: bool,
    readers: Vec<Reader>,
}

pub(crate) fn run(seed: u64) {
    // To look for whole frames in what a reader got takes time.
    if seed % 4 != 0 {
        return;
    }
    let mut random = Random::new(seed ^ 0x5EED);
    let delimiter = |bytes: &[u8]| Framing::Delimiter(Delimiter::new(bytes).unwrap());
    let gap = Framing::Gap(Gap::Time(Duration::from_millis(20)));
    let frame = random.pick(&[Framing::Line, delimiter(b"\r\n"), delimiter(b"aab"), gap]);
    let mut port = Port::new(Device::Sim(Sim::Echo), "115200 8N1".parse().unwrap());
    (port.frame, port.backlog) = (frame, 8192);
    let mut listener = Listener::new(Protocol::Raw, Address::Localhost { port: 0 });
    (listener.on_lag, listener.replay) = (OnLag::Skip, Replay::Frames(3));
    port.listen.push(Arc::new(listener));
    let now = Instant::now();
    let mut hub = Hub::new(&port);
    hub.line_opened(false, &Snapshot::default(), now);
    let silent = frame == gap;
    let mut world = World {
        random,
        port,
        hub,
        now,
        frames: Vec::new(),
        partial: Vec::new(),
        silent,
        is_read_empty: true,
        readers: Vec::new(),
    };
    for _ in 0..STEPS {
        world.step();
    }
    world.hub.line_gone(world.now);
    world.end_frame();
    for index in 0..world.readers.len() {
        world.readers[index].room = usize::MAX;
        world.serve(index);
        world.check(index, true);
    }
}

impl World {
    fn step(&mut self) {
        match self.random.below(12) {
            0 if self.readers.len() < 6 => self.connect(),
            1..=6 => self.line_sends(),
            7 => {
                self.now += Duration::from_millis(25);
                let was_due = self.hub.deadline().is_some_and(|due| due <= self.now);
                self.hub.handle_timeout(self.now);
                // A line that was not read empty is not silent: what comes is merely not read.
                if self.silent && self.is_read_empty {
                    assert!(was_due || self.partial.is_empty(), "silence is not waited for");
                    self.end_frame();
                }
            }
            8 if self.random.one_in(4) => self.reload(),
            _ if !self.readers.is_empty() => {
                let index = self.random.below(self.readers.len());
                self.readers[index].room = self.random.below(5000);
                self.serve(index);
                if self.random.one_in(8) {
                    self.check(index, false);
                }
            }
            _ => {}
        }
        while let Some(event) = self.hub.poll_event() {
            if let Event::Close(id, reason) = event {
                assert_eq!(reason, CloseReason::Lagged);
                let at = self.readers.iter().position(|reader| reader.id == id).unwrap();
                assert_eq!(self.readers[at].on_lag, OnLag::Disconnect);
                self.hub.disconnect(id, 0, self.now);
                self.readers.remove(at);
            }
        }
    }

    fn connect(&mut self) {
        let on_lag = self.random.pick(&[OnLag::Skip, OnLag::Skip, OnLag::Disconnect, OnLag::Hold]);
        let terms = self.terms(on_lag);
        let id = self.hub.connect((0, &terms), Session::raw(), b"", self.now).unwrap();
        let replayed = usize::try_from(self.hub.client_counters(id).unwrap().replayed).unwrap();
        assert!(replayed <= 3 && replayed <= self.frames.len());
        let since = self.frames.len() - replayed;
        self.readers.push(Reader { id, since, room: 0, got: Vec::new(), on_lag });
    }

    fn terms(&self, on_lag: OnLag) -> Arc<Listener> {
        let replay = self.port.listen[0].replay;
        terms(|terms| (terms.on_lag, terms.replay) = (on_lag, replay))
    }

    /// Another backlog cuts no frame.
    fn reload(&mut self) {
        self.port.backlog = self.random.pick(&[8192, 16384]);
        Arc::make_mut(&mut self.port.listen[0]).replay =
            self.random.pick(&[Replay::None, Replay::Frames(1), Replay::Frames(3)]);
        let on_lag = self.random.pick(&[OnLag::Skip, OnLag::Disconnect, OnLag::Hold]);
        let terms = self.terms(on_lag);
        self.hub.reconfigure(&self.port, |_| Some(Arc::clone(&terms)), self.now);
        for reader in &mut self.readers {
            reader.on_lag = on_lag;
        }
    }

    fn line_sends(&mut self) {
        let Some(space) = self.hub.rx_space() else {
            assert!(self.readers.iter().any(|reader| reader.on_lag == OnLag::Hold), "nobody holds the line");
            return;
        };
        let most = space.len().min(600);
        let n = 1 + self.random.below(most);
        // Few kinds of bytes, so that delimiters come often, whole and in part.
        let bytes: Vec<u8> = (0..n).map(|_| self.random.pick(b"aab\r\nxaab\r\n")).collect();
        self.hub.rx_space().unwrap()[..n].copy_from_slice(&bytes);
        self.hub.received(n, self.now);
        self.is_read_empty = !self.random.one_in(4);
        if self.is_read_empty {
            self.hub.rx_drained();
        }
        let delimiter = self.port.frame.delimiter();
        let longest = self.port.backlog / 4;
        for byte in bytes {
            self.partial.push(byte);
            if delimiter.is_some_and(|delimiter| self.partial.ends_with(delimiter.as_bytes())) {
                self.end_frame();
            }
        }
        if self.partial.len() > longest {
            self.end_frame();
        }
    }

    fn end_frame(&mut self) {
        if !self.partial.is_empty() {
            self.frames.push(std::mem::take(&mut self.partial));
        }
    }

    fn serve(&mut self, index: usize) {
        let reader = &mut self.readers[index];
        while reader.room > 0 {
            let Some(pieces) = self.hub.to_send(reader.id, self.now, SocketQueue::default) else { return };
            let offered = pieces.concat();
            let n = offered.len().min(reader.room);
            reader.got.extend_from_slice(&offered[..n]);
            reader.room -= n;
            self.hub.sent(reader.id, n, self.now);
        }
        self.hub.blocked(reader.id);
    }

    /// What a reader got is whole frames in the order in which they came, except the last one as long as it reads on.
    fn check(&self, index: usize, is_all: bool) {
        let reader = &self.readers[index];
        let gap = self.hub.client_counters(reader.id).unwrap().gap;
        if gap == 0 {
            let all = self.frames[reader.since..].concat();
            assert!(all.starts_with(&reader.got), "a byte is wrong, or comes too early");
            assert!(!is_all || all.len() == reader.got.len(), "something is missing, and no gap is counted");
        } else if is_all {
            let total: usize = self.frames[reader.since..].iter().map(Vec::len).sum();
            assert_eq!(total as u64, reader.got.len() as u64 + gap, "the gap is not what is missing");
            assert!(is_whole(&reader.got, &self.frames[reader.since..]), "a frame is torn");
        }
    }
}

/// Whether these bytes are some of the frames, whole and in order.
fn is_whole(got: &[u8], frames: &[Vec<u8>]) -> bool {
    // The places up to which the bytes can be explained.
    let mut places = std::collections::BTreeSet::from([0]);
    for frame in frames {
        let further: Vec<usize> =
            places.iter().filter(|at| got[**at..].starts_with(frame)).map(|at| at + frame.len()).collect();
        places.extend(further);
    }
    places.contains(&got.len())
}
