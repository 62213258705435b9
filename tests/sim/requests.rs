//! Telnet clients that write, set the line and send breaks: settings never overtake bytes, bytes never overtake settings or
//! breaks, not even when their client has disconnected, everybody is answered what they asked, in order, and what waits of one
//! client is bounded.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use sermux::line::{Operation, Snapshot};
use sermux::port::hub::{ClientId, Event, Hub, SocketQueue};
use sermux_port_config::config::load::load_str;
use sermux_port_config::config::{Access, HalfClose};
use sermux_port_config::line::{BaudRate, LineSettings};
use sermux_protocol::session::Session;
use sermux_protocol::telnet::TelnetOffer;

use crate::random::Random;
use crate::terms::terms;

const STEPS: usize = 600;

/// Rates below are the model's marks: each request of the simulation sets another one.
const FIRST_RATE: u32 = 1_000_000;

/// What a setting that changes something waits for at most.
const PATIENCE: Duration = Duration::from_secs(2);

/// At most this number of requests of one client may wait.
const MOST_REQUESTS: usize = 64;

struct World {
    random: Random,
    hub: Hub,
    now: Instant,
    clients: BTreeMap<ClientId, Asker>,
    /// Those that have disconnected, with what is still to be done of what they asked.
    gone: Vec<Asker>,
    /// Clients send breaks. A break may throw bytes away, so that not everything is known of these then.
    breaks: bool,
    breaks_begun: u64,
    next_rate: u32,
    next_tag: u8,
    settings: LineSettings,
    /// Bytes written to the line and not on the wire yet.
    unsent: usize,
    /// What is on its way to the line, and when it comes back.
    running: Option<(Operation, Instant)>,
    purging: bool,
    /// Bytes of each tag that the line took.
    written: BTreeMap<u8, u64>,
    stalled: bool,
    settled: bool,
    /// At some time there was no client that may set the line.
    nobody_may_set: bool,
}

/// A client with the right to set the line, which is known by the one byte that it writes again and again.
struct Asker {
    tag: u8,
    written: u64,
    may_set: bool,
    /// Rates that it asked for and that were not carried out: rate, its bytes before it, when it was read.
    asked: VecDeque<(u32, u64, Instant)>,
    /// Rates that are to be answered, in order.
    answers: VecDeque<u32>,
    /// Breaks that it asked for: its bytes before each, and how many breaks had begun.
    breaks: VecDeque<(u64, u64)>,
    /// What it sent: how long each piece is on its connection, and what it is.
    sent: Vec<(usize, Piece)>,
    got: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq)]
enum Piece {
    Bytes,
    Rate,
    Break,
}

pub(crate) fn run(seed: u64) {
    let mut world = World::new(seed);
    for _ in 0..STEPS {
        world.step();
    }
    world.settle();
}

impl World {
    fn new(seed: u64) -> Self {
        let yaml = "ports: { p: { device: sim:echo, listen: [ { protocol: telnet, rfc2217: true, address: 0 } ] } }";
        let config = load_str("simulation", yaml).unwrap_or_else(|faults| panic!("{faults}")).config;
        let mut hub = Hub::new(&config.ports["p"]);
        hub.line_opened(false, &Snapshot::default(), Instant::now());
        Self {
            random: Random::new(seed),
            hub,
            now: Instant::now(),
            clients: BTreeMap::new(),
            gone: Vec::new(),
            breaks: seed % 4 == 3,
            breaks_begun: 0,
            next_rate: FIRST_RATE,
            next_tag: 1,
            settings: LineSettings::default(),
            unsent: 0,
            running: None,
            purging: false,
            written: BTreeMap::new(),
            stalled: false,
            nobody_may_set: false,
            settled: false,
        }
    }

    fn step(&mut self) {
        match self.random.below(24) {
            0 if self.clients.len() < 6 && self.next_tag < 250 => self.connect(),
            1 if self.random.one_in(6) => {
                if let Some(id) = self.any_client() {
                    self.disconnect(id);
                }
            }
            2..=9 => {
                if let Some(id) = self.any_client() {
                    self.client_sends(id);
                }
            }
            10..=15 => self.line_takes(),
            16 if self.random.one_in(8) && !self.breaks => self.stalled = !self.stalled,
            17 => self.unsent -= self.unsent.min(self.random.below(4096)),
            _ => self.now += Duration::from_micros(self.random.below(30_000) as u64),
        }
        self.drive();
    }

    fn connect(&mut self) {
        let may_set = !self.random.one_in(4);
        let access = if may_set { Access::Control } else { Access::ReadWrite };
        let terms = terms(|terms| {
            terms.access = access;
            terms.half_close = HalfClose::For(Duration::from_secs(3600));
        });
        let offer = TelnetOffer { rfc2217: true, signature: "sim".into(), enter_is_cr: false, break_on_sync: false };
        let session = Session::telnet(offer);
        let id = self.hub.connect((0, &terms), session, &[], self.now).expect("there is room");
        let asker = Asker {
            tag: self.next_tag,
            written: 0,
            may_set,
            asked: VecDeque::new(),
            answers: VecDeque::new(),
            breaks: VecDeque::new(),
            sent: Vec::new(),
            got: Vec::new(),
        };
        // 0xFF would be doubled, CR may be followed by something.
        self.next_tag += 1 + u8::from(self.next_tag == 12);
        self.clients.insert(id, asker);
        let input = [255, 253, 44, 255, 251, 44];
        self.hub.input(id, &input, self.now);
    }

    fn any_client(&mut self) -> Option<ClientId> {
        let ids: Vec<_> = self.clients.keys().copied().collect();
        (!ids.is_empty()).then(|| self.random.pick(&ids))
    }

    /// Data and settings, mixed, in one segment.
    fn client_sends(&mut self, id: ClientId) {
        if !self.hub.wants_input(id) {
            return;
        }
        let mut segment = Vec::new();
        // Now and then more requests than may wait.
        let (pieces, longest) = if self.random.one_in(12) { (150, 8) } else { (4, 600) };
        for _ in 0..1 + self.random.below(pieces) {
            let client = self.clients.get_mut(&id).unwrap();
            let before = segment.len();
            let piece = if self.breaks && self.random.one_in(6) {
                segment.extend([255, 243]);
                client.breaks.push_back((client.written, self.breaks_begun));
                Piece::Break
            } else if self.random.one_in(3) {
                self.next_rate += 101;
                let rate = self.next_rate;
                segment.extend([255, 250, 44, 1]);
                segment.extend(
                    rate.to_be_bytes().iter().flat_map(|b| std::iter::repeat_n(*b, 1 + usize::from(*b == 255))),
                );
                segment.extend([255, 240]);
                if client.may_set {
                    client.asked.push_back((rate, client.written, self.now));
                    client.answers.push_back(rate);
                } else {
                    client.answers.push_back(0);
                }
                Piece::Rate
            } else {
                let n = 1 + self.random.below(longest);
                client.written += n as u64;
                segment.extend(std::iter::repeat_n(client.tag, n));
                Piece::Bytes
            };
            client.sent.push((segment.len() - before, piece));
        }
        self.hub.input(id, &segment, self.now);
        self.check_bound(id);
    }

    fn check_bound(&self, id: ClientId) {
        let waiting = self.hub.waiting_requests(id);
        // With the question for the inputs that its session asks once.
        assert!(waiting <= MOST_REQUESTS + 1, "{waiting} requests of one client wait");
    }

    /// The client's connection is gone. Its bytes go to the line, and what it asked between them is done.
    fn disconnect(&mut self, id: ClientId) {
        let mut client = self.clients.remove(&id).unwrap();
        self.nobody_may_set |= !self.clients.values().any(|client| client.may_set);
        let counters = self.hub.disconnect(id, 0, self.now).expect("the hub knows it");
        // What had not been decoded is lost.
        let mut undecoded = usize::try_from(counters.refused).unwrap();
        while undecoded > 0 {
            let (len, piece) = client.sent.pop().expect("it was sent");
            let lost = len.min(undecoded);
            undecoded -= lost;
            match piece {
                Piece::Bytes => client.written -= lost as u64,
                Piece::Rate if client.may_set => drop(client.asked.pop_back()),
                Piece::Rate => {}
                Piece::Break => drop(client.breaks.pop_back()),
            }
        }
        let written = client.written;
        client.asked.retain(|(_, before, _)| *before < written);
        client.breaks.retain(|(before, _)| *before < written);
        self.gone.push(client);
    }

    fn line_takes(&mut self) {
        let front = self.hub.tx_front();
        if self.stalled || front.is_empty() {
            return;
        }
        let n = 1 + self.random.below(front.len());
        for byte in &front[..n] {
            *self.written.entry(*byte).or_default() += 1;
        }
        self.check_that_no_byte_overtakes();
        self.hub.tx_written(n, self.now);
        self.unsent += n;
    }

    /// A byte that was sent behind a setting is written after it was carried out.
    fn check_that_no_byte_overtakes(&self) {
        for client in self.clients.values().chain(&self.gone) {
            let written = self.written.get(&client.tag).copied().unwrap_or(0);
            if let Some((rate, before, _)) = client.asked.front() {
                assert!(written <= *before, "bytes overtook the setting of {rate}");
            }
            for (before, begun) in client.breaks.iter().filter(|(before, _)| *before < written) {
                assert!(self.breaks_begun > *begun, "the byte behind {before} overtook a break");
            }
        }
    }

    fn drive(&mut self) {
        if let Some((operation, at)) = self.running.take() {
            if at > self.now && !self.settled {
                self.running = Some((operation, at));
            } else {
                if let Operation::Configure(settings) = operation {
                    self.settings = settings;
                }
                let snapshot = Snapshot { settings: self.settings, ..Snapshot::default() };
                self.hub.operation_done(Some((&snapshot, false)), self.now);
            }
        }
        while let Some(at) = self.hub.deadline().filter(|at| *at <= self.now) {
            self.hub.handle_timeout(self.now);
            self.hub.drive_requests(self.now);
            assert_ne!(self.hub.deadline(), Some(at), "a deadline that stays would spin");
        }
        self.hub.drive_requests(self.now);
        if self.hub.awaits_drain(self.now) {
            self.hub.unsent(self.unsent, self.now);
            self.hub.drive_requests(self.now);
        }
        if let Some(start) = self.hub.poll_start() {
            assert!(self.running.is_none(), "two operations at a time");
            self.breaks_begun += u64::from(start.operation == Operation::Break(true));
            self.check_order(&start.operation);
            let takes = Duration::from_micros(self.random.below(5_000) as u64);
            self.running = Some((start.operation, self.now + takes));
        }
        assert!(self.hub.poll_purge().is_none() && !self.purging);
        while let Some(event) = self.hub.poll_event() {
            assert!(!matches!(event, Event::Close(..)), "nobody is to be closed: {event:?}");
        }
        while self.hub.poll_addressed().is_some() {}
        let ids: Vec<_> = self.clients.keys().copied().collect();
        for id in ids {
            self.receive(id);
            self.hub.resume_input(id, self.now);
            self.check_bound(id);
        }
    }

    /// A setting is carried out behind all the bytes of its client before it, or its time is up.
    fn check_order(&mut self, operation: &Operation) {
        let Operation::Configure(LineSettings { baud, .. }) = operation else { return };
        if baud.get() < FIRST_RATE {
            assert!(
                self.nobody_may_set,
                "the line is given back although somebody with the right to set it was always there"
            );
            return;
        }
        let written = &self.written;
        let unsent = self.unsent;
        let mut clients = self.clients.values_mut().chain(&mut self.gone);
        let owner = clients.find(|client| client.asked.iter().any(|(rate, ..)| *rate == baud.get()));
        let client = owner.expect("what none of a client's bytes waits for goes with it");
        let (rate, before, read_at) = client.asked.pop_front().unwrap();
        assert_eq!(rate, baud.get(), "settings of one client are carried out in another order");
        if self.now < read_at + PATIENCE {
            let written = written.get(&client.tag).copied().unwrap_or(0);
            assert!(written == before || self.breaks && written < before, "a setting overtook bytes");
            assert_eq!(unsent, 0, "a setting was carried out while bytes were not on the wire");
        }
    }

    /// The client takes everything that there is for it.
    fn receive(&mut self, id: ClientId) {
        let none = SocketQueue { unsent: 0, unacknowledged: 0 };
        while let Some(bytes) = self.hub.to_send(id, self.now, || none).map(|pieces| pieces.concat()) {
            self.hub.sent(id, bytes.len(), self.now);
            self.clients.get_mut(&id).unwrap().got.extend(bytes);
        }
        let client = self.clients.get_mut(&id).unwrap();
        while let Some(rate) = next_answer(&mut client.got) {
            let expected = client.answers.pop_front().expect("an answer without a question");
            if expected != 0 {
                assert_eq!(rate, expected, "another answer than what the line took, or in another order");
            }
        }
    }

    /// The line takes everything, and time passes: everybody is answered, and every byte got out.
    fn settle(&mut self) {
        (self.stalled, self.settled) = (false, true);
        for _ in 0..100_000 {
            self.line_takes();
            self.unsent = 0;
            self.now += Duration::from_millis(1);
            self.drive();
            let is_done = |client: &Asker| client.answers.is_empty();
            let has_input = |id| self.hub.resume_input(id, self.now);
            if !self.clients.keys().copied().any(has_input)
                && self.clients.values().all(is_done)
                && self.hub.tx_is_empty()
            {
                break;
            }
        }
        for client in self.clients.values() {
            assert!(client.answers.is_empty(), "questions without an answer: {:?}", client.answers);
        }
        for client in self.clients.values().chain(&self.gone) {
            assert!(client.asked.is_empty(), "settings that were not made: {:?}", client.asked);
            let written = self.written.get(&client.tag).copied().unwrap_or(0);
            assert!(written == client.written || self.breaks && written < client.written, "bytes are lost");
        }
        assert!(BaudRate::new(self.next_rate).is_some(), "the marks of the model are rates");
    }
}

/// The rate in the next answer to SET-BAUDRATE.
fn next_answer(got: &mut Vec<u8>) -> Option<u32> {
    let begin = got.windows(4).position(|window| window == [255, 250, 44, 101])?;
    let mut rate = Vec::new();
    let mut at = begin + 4;
    while rate.len() < 4 {
        rate.push(*got.get(at)?);
        at += 1 + usize::from(rate.ends_with(&[255]));
    }
    (got.get(at..at + 2)? == [255, 240]).then_some(())?;
    got.drain(..at + 2);
    Some(u32::from_be_bytes(rate.try_into().unwrap()))
}
