//! The operator's `pause`, `resume` and `kick`; and the port's report.

use tokio::sync::oneshot;

use super::*;
use crate::port::{PortReport, PortState, Whom};

impl Rig {
    pub(super) async fn asked<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> T {
        let (reply, answer) = oneshot::channel();
        assert!(self.link.send(command(reply)).await);
        timeout(SOON, answer).await.expect("an answer").expect("an answer")
    }

    pub(super) async fn report(&self) -> PortReport {
        self.asked(Command::Report).await
    }

    async fn kicked(&self, whom: Whom) -> Vec<u64> {
        let kicked = self.asked(|reply| Command::Kick { whom, reply }).await;
        kicked.iter().map(|kicked| kicked.number).collect()
    }
}

async fn is_closed(client: &mut DuplexStream) -> bool {
    matches!(timeout(SOON, client.read(&mut [0; 64])).await, Ok(Ok(0)))
}

#[tokio::test(start_paused = true)]
async fn a_paused_port_lets_go_of_its_device_and_leaves_it_alone_while_its_clients_stay() {
    let rig = Rig::start(port(""));
    let wire = rig.plug();
    let mut client = rig.connect(64).await;
    until(|| rig.status.is_open()).await;

    rig.asked(Command::Pause).await;
    assert!(wire.is_closed(), "told before the device was free");
    let second = rig.plug();
    client.write_all(b"thrown away").await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(rig.tries().len(), 1, "the device was touched");
    let report = rig.report().await;
    assert_eq!((report.state, report.clients.len()), (PortState::Paused, 1));
    assert_eq!(report.counters.tx_lost, 11);

    let asked_at = Instant::now();
    rig.asked(Command::Resume).await;
    assert_eq!(asked_at.elapsed(), Duration::ZERO, "at once");
    assert_eq!(rig.report().await.state, PortState::Open);
    second.rx(b"again");
    assert_eq!(read(&mut client, 5).await, b"again");
    assert_eq!(second.tx(), b"");
}

#[tokio::test(start_paused = true)]
async fn a_device_that_is_being_opened_when_its_port_is_paused_is_closed_again() {
    let (opened, wire) = opened();
    let mut opened = Some(opened);
    let opener: Opener = Box::new(move |_| {
        let opened = opened.take();
        Box::pin(async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            opened.ok_or(OpenError::Absent { path: "/dev/ttyTEST".into() })
        })
    });
    let (driver, link) = Driver::new("p", port(""), opener, &Hotplug::off(), status());
    let task = tokio::spawn(driver);
    tokio::time::sleep(Duration::from_millis(1)).await;
    let (reply, answer) = oneshot::channel();
    link.send(Command::Pause(reply)).await;
    timeout(SOON, answer).await.unwrap().unwrap();
    assert!(wire.is_closed());
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_resumed_port_whose_device_is_away_says_so_and_waits_for_it() {
    let rig = Rig::start(port(""));
    rig.plug();
    until(|| rig.status.is_open()).await;
    rig.asked(Command::Pause).await;
    rig.asked(Command::Resume).await;
    let report = rig.report().await;
    assert_eq!(report.state, PortState::Waiting);
    let fault = report.fault.expect("a fault");
    assert!(fault.over.is_none() && fault.what.contains("/dev/ttyTEST: not there (yet); plug it in"), "{}", fault.what);
    let since = report.since;
    rig.plug();
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(rig.report().await.since, since, "each try is not another state");
    until(|| rig.status.is_open()).await;
    let report = rig.report().await;
    assert!(report.state == PortState::Open && report.fault.is_some_and(|fault| fault.over.is_some()));
}

#[tokio::test(start_paused = true)]
async fn a_kick_closes_those_it_is_for_and_nobody_else() {
    let rig = Rig::start(port(""));
    let wire = rig.plug();
    let (mut one, mut two, mut three) = (rig.connect(64).await, rig.connect(64).await, rig.connect(64).await);
    assert_eq!(rig.kicked(Whom::Number(2)).await, [2]);
    assert!(is_closed(&mut two).await);
    assert_eq!(rig.kicked(Whom::Number(2)).await, [0u64; 0]);
    // Its number is not given out again.
    let mut four = rig.connect(64).await;
    let numbers: Vec<_> = rig.report().await.clients.iter().map(|client| client.number).collect();
    assert_eq!(numbers, [1, 4, 3]);
    assert_eq!(rig.kicked(Whom::Peer(Peer::Tcp((Ipv4Addr::LOCALHOST, 2).into()))).await, [0u64; 0]);
    wire.rx(b"hello");
    for client in [&mut one, &mut three, &mut four] {
        assert_eq!(read(client, 5).await, b"hello");
    }
    assert_eq!(rig.kicked(Whom::Host(Ipv4Addr::LOCALHOST.into())).await, [1, 4, 3]);
    assert!(is_closed(&mut one).await);
    rig.connect(64).await;
    assert_eq!(rig.kicked(Whom::All).await, [5]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_behind_is_told_by_how_much() {
    let rig = Rig::start(port(""));
    let wire = rig.plug();
    let _client = rig.connect(4).await;
    until(|| rig.status.is_open()).await;
    wire.rx(b"ten bytes.");
    tokio::time::sleep(Duration::from_millis(1)).await;
    let report = rig.report().await;
    let client = &report.clients[0];
    assert_eq!((client.state.counters.sent, client.state.lag), (4, 6));
    assert_eq!(report.counters.rx, 10);
    assert_eq!((report.listeners.len(), report.listeners[0].clients), (1, 1));
}
