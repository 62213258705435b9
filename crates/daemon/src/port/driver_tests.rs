//! The driver with a line and connections in memory, on a clock that stands still until everybody waits.

mod lasting;
mod operations;
mod pause;
mod requests;
mod stuck;
mod telnet;

use std::collections::VecDeque;
use std::future::{poll_fn, Future as _};
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use sermux_port_config::config::load::load_str;
use sermux_port_config::config::{Device, Port, Sim};
use tokio::io::{duplex, AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::task::JoinHandle;
use tokio::time::{timeout, Instant};

use super::driver::Driver;
use super::link::{Accepted, Command, Link, Opener};
use super::status::PortStatus;
use crate::device::hotplug::Hotplug;
use crate::line::sim::{scripted, SimHandle};
use crate::line::{open_blocking, OpenError, Opened, Report};
use crate::net::conn::Conn;
use crate::net::peer::Peer;

/// Longer than anything here takes, on the clock of the test.
const SOON: Duration = Duration::from_secs(30);

fn port(keys: &str) -> Arc<Port> {
    let yaml = format!("ports: {{ p: {{ device: sim:echo, listen: [ {{ protocol: raw, address: 0 }} ], {keys} }} }}");
    let config = load_str("test", &yaml).unwrap_or_else(|faults| panic!("{faults}")).config;
    Arc::clone(&config.ports["p"])
}

fn status() -> Arc<PortStatus> {
    Arc::new(PortStatus::new(Arc::default()))
}

/// An open device, and its other end.
fn opened() -> (Opened, SimHandle) {
    let (line, wire) = scripted();
    let report = Report { snapshot: wire.snapshot(), differences: Vec::new(), not_carried: Vec::new(), rdev: None };
    (Opened { line: Box::new(line), report }, wire)
}

/// A running port whose device the test opens and unplugs.
struct Rig {
    link: Link,
    status: Arc<PortStatus>,
    task: JoinHandle<()>,
    devices: Arc<Mutex<Devices>>,
}

/// What the next tries to open the device come to.
#[derive(Default)]
struct Devices {
    plugged: VecDeque<(Opened, SimHandle)>,
    tries: Vec<Instant>,
}

impl Rig {
    fn start(port: Arc<Port>) -> Self {
        let devices = Arc::new(Mutex::new(Devices::default()));
        let tried = Arc::clone(&devices);
        let opener: Opener = Box::new(move |port| {
            let mut devices = tried.lock().unwrap();
            devices.tries.push(Instant::now());
            let opened = devices.plugged.pop_front().map(|(mut opened, wire)| {
                let (settings, modem) = (port.line.settings, &port.modem);
                opened.report.snapshot = wire.open_with(settings, modem.dtr.level(), modem.rts.level());
                opened
            });
            Box::pin(async { opened.ok_or(OpenError::Absent { path: "/dev/ttyTEST".into() }) })
        });
        let status = status();
        let (driver, link) = Driver::new("p", port, opener, &Hotplug::off(), Arc::clone(&status));
        Self { link, status, task: tokio::spawn(driver), devices }
    }

    /// The next try to open the device finds this.
    fn plug(&self) -> SimHandle {
        let (opened, wire) = opened();
        self.devices.lock().unwrap().plugged.push_back((opened, wire.clone()));
        wire
    }

    fn tries(&self) -> Vec<Instant> {
        self.devices.lock().unwrap().tries.clone()
    }

    /// A client whose socket, kernel and all, holds `room` bytes.
    async fn connect(&self, room: usize) -> DuplexStream {
        connect(&self.link, room).await
    }

    async fn end(self, within: Duration) {
        let deadline = (Instant::now() + within).into_std();
        assert!(self.link.send(Command::End { deadline }).await);
        timeout(within + Duration::from_millis(50), self.task).await.expect("it ends in time").unwrap();
    }
}

/// A port with an open device whose turns the test gives it.
struct ByHand {
    driver: Pin<Box<Driver>>,
    link: Link,
    wire: SimHandle,
}

impl ByHand {
    fn new(port: Arc<Port>) -> Self {
        let (opened, wire) = opened();
        let mut plugged = Some(opened);
        let opener: Opener = Box::new(move |_| {
            let opened = plugged.take();
            Box::pin(async { opened.ok_or(OpenError::Absent { path: "/dev/ttyTEST".into() }) })
        });
        let (driver, link) = Driver::new("p", port, opener, &Hotplug::off(), status());
        Self { driver: Box::pin(driver), link, wire }
    }

    async fn turn(&mut self) {
        let driver = &mut self.driver;
        let running = poll_fn(|cx| Poll::Ready(driver.as_mut().poll(cx).is_pending())).await;
        assert!(running, "the port has ended");
    }

    /// A client that has been let in.
    async fn connect(&mut self) -> DuplexStream {
        let client = connect(&self.link, 1 << 16).await;
        for _ in 0..3 {
            self.turn().await;
        }
        client
    }
}

async fn connect(link: &Link, room: usize) -> DuplexStream {
    let (near, far) = duplex(room);
    let peer = Peer::Tcp((Ipv4Addr::LOCALHOST, 1).into());
    let accepted = Accepted { conn: Conn::Memory(near), peer, listener: 0, places: None };
    assert!(link.send(Command::Connect(accepted)).await);
    far
}

async fn read(client: &mut DuplexStream, n: usize) -> Vec<u8> {
    let mut bytes = vec![0; n];
    timeout(SOON, client.read_exact(&mut bytes)).await.expect("bytes come").expect("the connection stays");
    bytes
}

/// Waits until `what` holds, letting the clock go on.
async fn until(mut what: impl FnMut() -> bool) {
    let wait = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(SOON, wait).await.expect("it comes about");
}

#[tokio::test(start_paused = true)]
async fn every_client_gets_what_the_line_sends_and_the_line_what_they_send() {
    let rig = Rig::start(port(""));
    let wire = rig.plug();
    let (mut one, mut two) = (rig.connect(64).await, rig.connect(64).await);
    until(|| !rig.tries().is_empty()).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    wire.rx(b"from the line");
    assert_eq!(read(&mut one, 13).await, b"from the line");
    assert_eq!(read(&mut two, 13).await, b"from the line");
    one.write_all(b"one").await.unwrap();
    let mut got = Vec::new();
    until(|| {
        got.extend(wire.tx());
        got == b"one"
    })
    .await;
    rig.end(SOON).await;
    assert!(wire.is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_port_whose_device_is_open_and_silent_is_not_woken() {
    let opener: Opener = Box::new(|_| {
        Box::pin(async {
            // It might get stuck, for which there is an alarm meanwhile.
            tokio::time::sleep(Duration::from_millis(10)).await;
            Ok(opened().0)
        })
    });
    let (driver, _link) = Driver::new("p", port(""), opener, &Hotplug::off(), status());
    let (mut driver, polls) = (Box::pin(driver), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&polls);
    let task = tokio::spawn(poll_fn(move |cx| {
        count.fetch_add(1, Ordering::Relaxed);
        driver.as_mut().poll(cx)
    }));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let opening = polls.load(Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(polls.load(Ordering::Relaxed), opening);
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn what_comes_is_sent_in_the_turn_that_reads_it() {
    let mut port = ByHand::new(port(""));
    let mut client = port.connect().await;
    port.wire.rx(b"x");
    port.turn().await;
    assert_eq!(read(&mut client, 1).await, b"x");
}

#[tokio::test(start_paused = true)]
async fn a_device_that_is_absent_is_opened_when_it_comes() {
    let rig = Rig::start(port(""));
    let mut client = rig.connect(64).await;
    until(|| rig.tries().len() == 6).await;
    let tries = rig.tries();
    let waits: Vec<_> = tries.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
    assert_eq!(waits, [100, 200, 400, 800, 1000]);
    let wire = rig.plug();
    until(|| rig.tries().len() == 7).await;
    wire.rx(b"here");
    assert_eq!(read(&mut client, 4).await, b"here");
}

#[tokio::test(start_paused = true)]
async fn a_device_that_goes_and_comes_keeps_its_clients() {
    let rig = Rig::start(port(""));
    let (first, second) = (rig.plug(), rig.plug());
    let mut client = rig.connect(64).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    first.rx(b"before");
    assert_eq!(read(&mut client, 6).await, b"before");
    first.hang_up();
    until(|| first.is_closed()).await;
    second.rx(b"after");
    assert_eq!(read(&mut client, 5).await, b"after");
    client.write_all(b"to the new one").await.unwrap();
    let mut got = Vec::new();
    until(|| {
        got.extend(second.tx());
        got == b"to the new one"
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_while_the_device_is_gone_never_reaches_the_next_one() {
    let rig = Rig::start(port(""));
    let mut client = rig.connect(64).await;
    until(|| rig.tries().len() == 2).await;
    client.write_all(b"to nobody").await.unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    let wire = rig.plug();
    let tried = rig.tries().len();
    until(|| rig.tries().len() > tried).await;
    client.write_all(b"to the line").await.unwrap();
    let mut got = Vec::new();
    until(|| {
        got.extend(wire.tx());
        got == b"to the line"
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_sent_and_half_closes_hears_for_as_long_as_half_close() {
    let rig = Rig::start(port(""));
    let wire = rig.plug();
    let mut client = rig.connect(64).await;
    client.write_all(b"question").await.unwrap();
    client.shutdown().await.unwrap();
    let mut got = Vec::new();
    until(|| {
        got.extend(wire.tx());
        got == b"question"
    })
    .await;
    let asked = Instant::now();
    wire.rx(b"answer");
    let mut answer = Vec::new();
    timeout(SOON, client.read_to_end(&mut answer)).await.expect("it is closed").unwrap();
    assert_eq!(answer, b"answer");
    let heard = asked.elapsed().as_millis();
    assert!((9_900..=10_100).contains(&heard), "closed after {heard} ms");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_only_listens_may_half_close_and_stays() {
    let rig = Rig::start(port(""));
    let wire = rig.plug();
    let mut client = rig.connect(64).await;
    client.shutdown().await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    wire.rx(b"still there");
    assert_eq!(read(&mut client, 11).await, b"still there");
}

#[tokio::test(start_paused = true)]
async fn the_end_hands_out_what_is_held_and_does_not_wait_for_who_does_not_read() {
    let rig = Rig::start(port(""));
    let wire = rig.plug();
    let (mut reading, stopped) = (rig.connect(16).await, rig.connect(16).await);
    tokio::time::sleep(Duration::from_millis(1)).await;
    wire.rx(&[7; 5000]);
    // Held by both sockets: the port has read it.
    until(|| wire.unread() == 0).await;
    let reader = tokio::spawn(async move {
        let mut got = Vec::new();
        reading.read_to_end(&mut got).await.unwrap();
        got.len()
    });
    let asked = Instant::now();
    rig.end(Duration::from_millis(1500)).await;
    assert!(asked.elapsed() >= Duration::from_millis(1500), "the stopped client had its chance");
    assert_eq!(reader.await.unwrap(), 5000);
    drop(stopped);
}

#[tokio::test(start_paused = true)]
async fn the_end_does_not_wait_for_a_line_that_takes_nothing() {
    let rig = Rig::start(port(""));
    let wire = rig.plug();
    let mut client = rig.connect(64).await;
    wire.block_tx(true);
    client.write_all(b"stuck").await.unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    rig.end(Duration::from_millis(1500)).await;
    assert!(wire.is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_line_that_takes_nothing_for_a_while_gets_everything_in_the_end() {
    let rig = Rig::start(port(""));
    let wire = rig.plug();
    let mut client = rig.connect(1024).await;
    wire.block_tx(true);
    let all: Vec<u8> = (0..50_000u32).flat_map(|n| n.to_le_bytes()).collect();
    let sent = all.clone();
    let writer = tokio::spawn(async move {
        client.write_all(&sent).await.unwrap();
        client
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!writer.is_finished(), "the client waits: what it sends is bounded");
    wire.block_tx(false);
    let mut got = Vec::new();
    until(|| {
        got.extend(wire.tx());
        got.len() >= all.len()
    })
    .await;
    assert!(got == all, "other bytes than were sent");
    drop(writer.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn half_a_telegram_is_given_up_after_silence_and_the_next_one_is_found() {
    let rig = Rig::start(port("profile: dsmr-p1"));
    let wire = rig.plug();
    let mut client = rig.connect(4096).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    wire.rx(b"/XMX5HALF\r\n\r\n1-0:1.8.1(000");
    tokio::time::sleep(Duration::from_secs(3)).await;
    // Not at the start of a line, but after silence.
    let whole = b"/XMX5WHOLE\r\n\r\n1-0:1.8.1(000001.000*kWh)\r\n!\r\n";
    wire.rx(whole);
    assert_eq!(read(&mut client, whole.len()).await, whole);
}

/// The simulated meter for ten minutes, with 50 readers of which 5 never read.
#[tokio::test(start_paused = true)]
async fn forty_five_readers_get_every_telegram_beside_five_that_never_read() {
    const MINUTES: u64 = 10;
    let mut meter = (*port("profile: dsmr-p1")).clone();
    meter.device = Device::Sim(Sim::DsmrP1);
    let meter = Arc::new(meter);
    let opened = Arc::clone(&meter);
    let opener: Opener = Box::new(move |_| {
        let port = Arc::clone(&opened);
        Box::pin(async move { open_blocking(&port) })
    });
    let (driver, link) = Driver::new("p", meter, opener, &Hotplug::off(), status());
    let task = tokio::spawn(driver);
    let rig = Rig { link, status: status(), task, devices: Arc::default() };

    let mut stopped = Vec::new();
    let mut readers = Vec::new();
    for n in 0..50 {
        let mut client = rig.connect(2000).await;
        if n % 10 == 0 {
            stopped.push(client);
            continue;
        }
        readers.push(tokio::spawn(async move {
            let mut seconds = Vec::new();
            let mut telegram = vec![0; 4000];
            while let Ok(n @ 1..) = client.read(&mut telegram).await {
                let text = std::str::from_utf8(&telegram[..n]).unwrap();
                assert!(text.starts_with('/') && text.ends_with("\r\n"), "a telegram in one piece");
                let (_, time) = text.split_once("0-0:1.0.0(").unwrap();
                seconds.push(time[..12].to_owned());
            }
            seconds
        }));
    }
    tokio::time::sleep(Duration::from_secs(60 * MINUTES)).await;
    rig.end(Duration::from_secs(1)).await;
    let all = readers.pop().unwrap().await.unwrap();
    assert!(all.len() as u64 >= 60 * MINUTES - 1, "a telegram each second, not {}", all.len());
    assert!(all.windows(2).all(|pair| pair[0] < pair[1]), "each telegram once, in order");
    for reader in readers {
        assert_eq!(reader.await.unwrap(), all, "another reader got other telegrams");
    }
    for mut client in stopped {
        let mut got = Vec::new();
        client.read_to_end(&mut got).await.unwrap();
        assert!(got.len() <= 2000, "a stopped reader is served {} bytes of the past", got.len());
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_is_closed_when_it_was_silent_for_too_long_in_both_directions() {
    let rig = Rig::start(port("idle-timeout: 10s"));
    let wire = rig.plug();
    let mut client = rig.connect(64).await;
    let nine = Duration::from_secs(9);
    for _ in 0..3 {
        tokio::time::sleep(nine).await;
        wire.rx(b"from the line");
        assert_eq!(read(&mut client, 13).await, b"from the line");
        tokio::time::sleep(nine).await;
        client.write_all(b"to the line").await.unwrap();
    }
    let silent_since = Instant::now();
    assert_eq!(timeout(SOON, client.read(&mut [0; 8])).await.expect("it is closed").unwrap(), 0);
    assert_eq!(silent_since.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_behind_stays_until_there_is_something_that_it_would_lose() {
    let rig = Rig::start(port("backlog: 64 KiB, on-lag: disconnect"));
    let wire = rig.plug();
    let (mut quick, _slow) = (rig.connect(4096).await, rig.connect(64).await);
    until(|| rig.status.is_open()).await;
    // As much as there may be while there is still room for what the line has.
    for _ in 0..62 {
        wire.rx(&[b'x'; 1000]);
        read(&mut quick, 1000).await;
    }
    // That the port has something else to do changes nothing.
    quick.write_all(b"?").await.unwrap();
    until(|| wire.tx() == b"?").await;
    assert_eq!(rig.status.clients(), 2);
    wire.rx(b"y");
    assert_eq!(read(&mut quick, 1).await, b"y");
    until(|| rig.status.clients() == 1).await;
}
