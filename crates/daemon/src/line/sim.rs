//! Lines without hardware: `sim:echo` and `sim:dsmr-p1`, and in tests one whose wire is in the test's hands.

mod meter;
#[cfg(test)]
mod scripted;
mod wire;
mod wires;

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sermux_port_config::config::{Port, Sim, SimMeter};
use sermux_port_config::signal::{ModemControl, Output, Purge};
use tokio::time::{Instant, Sleep};

use self::meter::Meter;
use self::wires::Wires;
use super::on_pool::OnPool;
use super::{Change, Line, NotCarried, Opened, Operation, Report, Snapshot, Watch};

#[cfg(test)]
pub(crate) use self::scripted::{scripted, SimHandle};

/// Makes a simulated line; inside a tokio runtime with time enabled.
///
/// Everything is kept and answered as it was asked; nothing is carried.
pub(super) fn open(sim: Sim, port: &Port) -> Opened {
    let outputs = ModemControl { dtr: port.modem.dtr != Output::Off, rts: port.modem.rts != Output::Off };
    let (line, wires): (Box<dyn Line>, _) = match sim {
        Sim::Echo => {
            let wires = Wires::looped_back(port.line.settings, outputs);
            (Box::new(Echo::new(wires.clone())), wires)
        }
        Sim::DsmrP1 => {
            let wires = Wires::new(port.line.settings, outputs);
            (Box::new(MeterLine::switched_on(wires.clone())), wires)
        }
        Sim::Meter(meter) => {
            let wires = Wires::new(port.line.settings, outputs);
            let mut line = MeterLine::switched_on(wires.clone());
            line.wire = Some(meter);
            (Box::new(line), wires)
        }
    };
    let mut not_carried = vec![NotCarried::DataBits, NotCarried::Parity, NotCarried::ModemControl];
    if let Sim::Meter(_) = sim {
        not_carried = vec![NotCarried::ModemControl];
    }
    let report = Report { snapshot: wires.snapshot(), differences: Vec::new(), not_carried, rdev: None };
    Opened { line, report }
}

/// `sim:echo`: what is written can be read, at once, and a loopback plug joins the modem lines.
#[derive(Debug)]
struct Echo {
    operations: EchoOperations,
    pool: OnPool,
}

#[derive(Debug, Default)]
struct EchoWire {
    /// At most [`WIRE`] bytes; a full one makes the writer wait.
    bytes: VecDeque<u8>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Echo {
    fn new(wires: Wires) -> Self {
        Self { operations: EchoOperations { shared: Arc::default(), wires }, pool: OnPool::default() }
    }

    fn wire(&self) -> MutexGuard<'_, EchoWire> {
        lock(&self.operations.shared)
    }
}

/// Purging empties the wire; the rest is done by its wires.
#[derive(Clone, Debug)]
struct EchoOperations {
    shared: Arc<Mutex<EchoWire>>,
    wires: Wires,
}

impl EchoOperations {
    fn carry_out(&self, operation: &Operation) -> io::Result<Snapshot> {
        if let Operation::Purge(Purge::Rx | Purge::Both) = operation {
            let mut wire = lock(&self.shared);
            wire.bytes.clear();
            wake(&mut wire.writer);
        }
        self.wires.carry_out(operation)
    }
}

fn lock(wire: &Mutex<EchoWire>) -> MutexGuard<'_, EchoWire> {
    wire.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Line for Echo {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut wire = self.wire();
        let n = take_from(&mut wire.bytes, buf);
        if n < buf.len() {
            wire.reader = Some(cx.waker().clone());
        }
        if n == 0 {
            return Poll::Pending;
        }
        wake(&mut wire.writer);
        Poll::Ready(Ok(n))
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut wire = self.wire();
        if wire.bytes.is_empty() {
            wire.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut wire = self.wire();
        let n = buf.len().min(WIRE - wire.bytes.len());
        if n == 0 && !buf.is_empty() {
            wire.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        wire.bytes.extend(&buf[..n]);
        wake(&mut wire.reader);
        Poll::Ready(Ok(n))
    }

    fn unsent(&self) -> io::Result<usize> {
        Ok(0)
    }

    fn can_wait(&self) -> bool {
        true
    }

    fn start(&mut self, operation: Operation) {
        let operations = self.operations.clone();
        self.pool.start(move || operations.carry_out(&operation));
    }

    fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Snapshot>> {
        self.pool.poll_done(cx)
    }

    fn start_purge(&mut self, purge: Purge) {
        let operations = self.operations.clone();
        self.pool.start_purge(move || operations.carry_out(&Operation::Purge(purge)));
    }

    fn poll_purged(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Snapshot>> {
        self.pool.poll_purged(cx)
    }

    fn watch(&mut self, watch: Watch) {
        self.operations.wires.watch(watch);
    }

    fn poll_change(&mut self, cx: &mut Context<'_>) -> Poll<Change> {
        self.operations.wires.poll_change(cx)
    }

    fn close_blocking(self: Box<Self>) {}
}

/// `sim:dsmr-p1`: a telegram at each whole second, whether anybody reads or not.
#[derive(Debug)]
struct MeterLine {
    meter: Meter,
    /// Whole telegrams, at most [`WIRE`] bytes in all; beyond that the oldest goes, as from a UART that nobody reads.
    telegrams: VecDeque<Vec<u8>>,
    /// How much of the first telegram has been read. It is finished, even when others go.
    read: usize,
    /// Telegrams that nobody read in time.
    lost: u64,
    /// When the next telegram is due, and the time of day it will carry.
    next: Pin<Box<Sleep>>,
    next_unix_seconds: u64,
    /// What is between it and the reader; `None`: its bytes come whatever the settings are.
    wire: Option<SimMeter>,
    wires: Wires,
    pool: OnPool,
}

impl MeterLine {
    /// Tied to the time of day once; from then on the clock is tokio's, so that it can be a test's.
    fn switched_on(wires: Wires) -> MeterLine {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let to_whole_second = Duration::from_secs(1) - Duration::from_nanos(u64::from(now.subsec_nanos()));
        MeterLine {
            pool: OnPool::default(),
            meter: Meter::new(SEED),
            telegrams: VecDeque::new(),
            read: 0,
            lost: 0,
            next: Box::pin(tokio::time::sleep_until(Instant::now() + to_whole_second)),
            next_unix_seconds: now.as_secs() + 1,
            wire: None,
            wires,
        }
    }

    /// Sends every telegram that is due, and sets the clock for the one that is not.
    fn run(&mut self, cx: &mut Context<'_>) {
        while self.next.as_mut().poll(cx).is_ready() {
            let period = self.wire.map_or(1, |wire| wire::period(&wire));
            let late = Instant::now().saturating_duration_since(self.next.deadline()).as_secs() / period;
            // After a long time without a reader only the newest matter; the meter need not write the others.
            let skipped = late.saturating_sub(CATCH_UP);
            self.lose(skipped);
            self.next_unix_seconds += skipped * period;

            let telegram = self.meter.telegram(self.next_unix_seconds);
            let telegram = match &self.wire {
                Some(wire) => wire::carried(&telegram, wire, self.next_unix_seconds, &self.wires),
                None => telegram,
            };
            if !telegram.is_empty() {
                self.telegrams.push_back(telegram);
            }
            self.make_room();

            self.next_unix_seconds += period;
            let deadline = self.next.deadline() + Duration::from_secs((skipped + 1) * period);
            self.next.as_mut().reset(deadline);
        }
    }

    fn make_room(&mut self) {
        while self.telegrams.iter().map(Vec::len).sum::<usize>() > WIRE {
            let oldest = usize::from(self.read > 0);
            if self.telegrams.remove(oldest).is_none() {
                return;
            }
            self.lose(1);
        }
    }

    fn lose(&mut self, telegrams: u64) {
        if self.lost == 0 && telegrams > 0 {
            tracing::debug!(event = %"device.unread",
                "the simulated meter discards telegrams: sermux reads none");
        }
        self.lost += telegrams;
    }
}

impl Line for MeterLine {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.run(cx);
        let mut n = 0;
        while n < buf.len() {
            let Some(telegram) = self.telegrams.front() else { break };
            let part = (telegram.len() - self.read).min(buf.len() - n);
            buf[n..n + part].copy_from_slice(&telegram[self.read..self.read + part]);
            n += part;
            self.read += part;
            if self.read == telegram.len() {
                self.telegrams.pop_front();
                self.read = 0;
            }
        }
        if n == 0 {
            return Poll::Pending;
        }
        Poll::Ready(Ok(n))
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.run(cx);
        if self.telegrams.is_empty() {
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// A meter's P1 port has no receive wire: what is written goes nowhere.
    fn poll_write(&mut self, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn unsent(&self) -> io::Result<usize> {
        Ok(0)
    }

    /// A meter waits for nobody.
    fn can_wait(&self) -> bool {
        false
    }

    fn start(&mut self, operation: Operation) {
        let wires = self.wires.clone();
        self.pool.start(move || wires.carry_out(&operation));
    }

    fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Snapshot>> {
        self.pool.poll_done(cx)
    }

    fn start_purge(&mut self, purge: Purge) {
        let wires = self.wires.clone();
        self.pool.start_purge(move || wires.carry_out(&Operation::Purge(purge)));
    }

    fn poll_purged(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Snapshot>> {
        self.pool.poll_purged(cx)
    }

    fn watch(&mut self, watch: Watch) {
        self.wires.watch(watch);
    }

    fn poll_change(&mut self, cx: &mut Context<'_>) -> Poll<Change> {
        self.wires.poll_change(cx)
    }

    fn close_blocking(self: Box<Self>) {}
}

/// Moves bytes out of a queue; gives how many.
fn take_from(queue: &mut VecDeque<u8>, buf: &mut [u8]) -> usize {
    let n = queue.len().min(buf.len());
    for (to, from) in buf.iter_mut().zip(queue.drain(..n)) {
        *to = from;
    }
    n
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

/// Bytes that wait in a simulated line for somebody to read them.
const WIRE: usize = 64 * 1024;

/// Seconds of telegrams that are made up for after a pause: more than [`WIRE`] holds of the shortest that there are.
const CATCH_UP: u64 = 256;

/// Every simulated meter of this build tells the same story.
const SEED: u64 = 1;

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use sermux_port_config::config::Device;
    use sermux_port_config::line::LineSettings;

    use super::*;
    use crate::line::{carry_out, write_now};

    fn wires() -> Wires {
        Wires::new(LineSettings::default(), ModemControl::default())
    }

    /// Once, without waiting.
    async fn read_now(line: &mut dyn Line, buf: &mut [u8]) -> Option<usize> {
        poll_fn(|cx| {
            Poll::Ready(match line.poll_read(cx, buf) {
                Poll::Ready(result) => Some(result.unwrap()),
                Poll::Pending => None,
            })
        })
        .await
    }

    async fn read(line: &mut dyn Line, buf: &mut [u8]) -> usize {
        poll_fn(|cx| line.poll_read(cx, buf)).await.unwrap()
    }

    fn telegrams(bytes: &[u8]) -> usize {
        bytes.iter().filter(|byte| **byte == b'/').count()
    }

    #[tokio::test]
    async fn echo_gives_back_what_it_got_and_waits_when_it_is_full() {
        let mut echo = Echo::new(wires());
        let mut buf = vec![0; WIRE];
        assert_eq!(read_now(&mut echo, &mut buf).await, None);
        assert_eq!(write_now(&mut echo, b"hello").await, Some(5));
        assert_eq!(read_now(&mut echo, &mut buf[..3]).await, Some(3));
        assert_eq!(read_now(&mut echo, &mut buf[3..]).await, Some(2));
        assert_eq!(&buf[..5], b"hello");

        assert_eq!(write_now(&mut echo, &vec![b'x'; WIRE + 1]).await, Some(WIRE));
        assert_eq!(write_now(&mut echo, b"y").await, None);
        assert_eq!(read_now(&mut echo, &mut buf[..1]).await, Some(1));
        assert_eq!(write_now(&mut echo, b"yz").await, Some(1));
        assert_eq!(echo.wire().bytes.len(), WIRE);
    }

    #[tokio::test]
    async fn echo_wakes_whoever_waits() {
        let mut echo = Echo::new(wires());
        let mut buf = vec![0; WIRE];
        let n = poll_fn(|cx| {
            // Registered by a read that found nothing, woken by the write, so this future is polled again.
            match echo.poll_read(cx, &mut buf) {
                Poll::Ready(n) => Poll::Ready(n.unwrap()),
                Poll::Pending => {
                    assert!(echo.poll_write(cx, b"wake").is_ready());
                    Poll::Pending
                }
            }
        })
        .await;
        assert_eq!(n, 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_meter_sends_a_telegram_each_second() {
        let mut meter = open(Sim::DsmrP1, &crate::line::test_port(Device::Sim(Sim::DsmrP1), "115200 8N1")).line;
        assert!(!meter.can_wait());
        let mut buf = vec![0; WIRE];
        let mut arrivals = Vec::new();
        for _ in 0..5 {
            let n = read(&mut *meter, &mut buf).await;
            arrivals.push(Instant::now());
            assert!(buf[0] == b'/' && buf[..n].ends_with(b"\r\n") && telegrams(&buf[..n]) == 1);
            assert_eq!(write_now(&mut *meter, &buf[..n]).await, Some(n), "it has no ears, so it takes all");
        }
        for pair in arrivals.windows(2) {
            assert_eq!((pair[1] - pair[0]).as_millis(), 1000);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_meter_with_a_wire_is_read_by_the_settings_in_force_and_counts_errors() {
        let device: Device = "sim:dsmr-p1?version=2.2".parse().unwrap();
        let Opened { mut line, report } =
            super::super::open_blocking(&crate::line::test_port(device, "115200 8N1")).unwrap();
        assert_eq!(report.not_carried, [NotCarried::ModemControl], "data bits and parity are carried");
        let mut buf = vec![0; WIRE];
        read(&mut *line, &mut buf).await;
        let first = Instant::now();
        let errors = carry_out(&mut *line, Operation::Look).await.unwrap().counters.unwrap();
        assert!(errors.breaks > 100, "{errors:?}");

        let settings = "9600 7E1".parse().unwrap();
        let now = carry_out(&mut *line, Operation::Configure(settings)).await.unwrap();
        assert_eq!(now.settings, settings);
        let n = read(&mut *line, &mut buf).await;
        assert!(buf[..n].starts_with(b"/XMX5") && buf[..n].ends_with(b"!\r\n"), "{}", buf[..n].escape_ascii());
        assert_eq!(first.elapsed().as_secs(), 10, "an old meter sends each ten seconds");
        let after = carry_out(&mut *line, Operation::Look).await.unwrap().counters.unwrap();
        assert_eq!(after, errors, "no more of them");
    }

    #[tokio::test(start_paused = true)]
    async fn a_meter_can_be_read_in_parts() {
        let mut meter = open(Sim::DsmrP1, &crate::line::test_port(Device::Sim(Sim::DsmrP1), "115200 8N1")).line;
        let mut received = Vec::new();
        let mut buf = [0; 7];
        while telegrams(&received) < 3 {
            let n = read(&mut *meter, &mut buf).await;
            received.extend_from_slice(&buf[..n]);
        }
        let first = received.iter().position(|byte| *byte == b'!').unwrap();
        assert!(received.starts_with(b"/"));
        assert_eq!(&received[first + 5..first + 8], b"\r\n/", "the next telegram begins where the last one ends");
    }

    #[tokio::test(start_paused = true)]
    async fn a_meter_that_nobody_reads_keeps_the_newest_whole_telegrams_and_finishes_a_started_one() {
        let mut meter = MeterLine::switched_on(wires());
        let mut start = [0; 10];
        assert_eq!(read(&mut meter, &mut start).await, 10);
        let rest_of_first = meter.telegrams[0][10..].to_vec();

        let mut waker = Context::from_waker(Waker::noop());
        for _ in 0..3 {
            tokio::time::advance(Duration::from_secs(3600)).await;
            // More than one poll, since a task may do only so much in one.
            while meter.next.deadline() <= Instant::now() {
                meter.run(&mut waker);
                assert!(meter.telegrams.iter().map(Vec::len).sum::<usize>() <= WIRE);
                tokio::task::yield_now().await;
            }
        }
        assert!(meter.lost > 3 * 3600 - 256 && meter.lost < 3 * 3600, "{}", meter.lost);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 3 * 3600;
        assert!(meter.next_unix_seconds.abs_diff(now) < 10, "its clock is right again");

        let mut buf = vec![0; 2 * WIRE];
        let n = read(&mut meter, &mut buf).await;
        assert!(buf[..n].starts_with(&rest_of_first));
        assert_eq!(buf[rest_of_first.len()], b'/');
        assert!(telegrams(&buf[..n]) > 10 && buf[..n].ends_with(b"\r\n"));
    }
}
