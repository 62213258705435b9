//! A line that takes nothing of what is queued for it.

use sermux_port_config::signal::ModemState;

use super::*;
use crate::port::hub::{FlowState, StuckReport};
use crate::port::report::PortState;

async fn start(keys: &str) -> (Rig, SimHandle, DuplexStream) {
    let rig = Rig::start(port(keys));
    let wire = rig.plug();
    until(|| rig.status.is_open()).await;
    let client = rig.connect(1 << 16).await;
    (rig, wire, client)
}

/// How the port is, how much waits and what holds it up.
async fn how(rig: &Rig) -> (PortState, Option<(u64, FlowState)>) {
    let report = rig.report().await;
    (report.state, report.stuck.map(|StuckReport { queued, flow, .. }| (queued, flow)))
}

#[tokio::test(start_paused = true)]
async fn a_line_that_takes_nothing_for_five_seconds_is_stuck_until_it_does() {
    let (rig, wire, mut client) = start("line: 9600 8N1 rts-cts").await;
    wire.block_tx(true);
    client.write_all(b"a print job").await.unwrap();
    tokio::time::sleep(Duration::from_millis(4900)).await;
    assert_eq!(how(&rig).await, (PortState::Open, None));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(how(&rig).await, (PortState::Stuck, Some((11, FlowState::CtsOff))));
    wire.set_inputs(ModemState { cts: true, ..ModemState::default() });
    wire.block_tx(false);
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(how(&rig).await, (PortState::Open, None));
}

#[tokio::test(start_paused = true)]
async fn bytes_that_only_the_kernel_took_count_too() {
    let (rig, wire, mut client) = start("line: 9600 8N1 xon-xoff").await;
    wire.set_unsent(7);
    client.write_all(b"command").await.unwrap();
    tokio::time::sleep(Duration::from_millis(5100)).await;
    assert_eq!(how(&rig).await, (PortState::Stuck, Some((7, FlowState::Xoff))));
    wire.set_unsent(0);
    tokio::time::sleep(Duration::from_millis(5100)).await;
    assert_eq!(how(&rig).await, (PortState::Open, None));
}

#[tokio::test(start_paused = true)]
async fn a_slow_line_is_not_stuck() {
    let (rig, wire, mut client) = start("line: 9600 8N1").await;
    let mut unsent = 2000;
    wire.set_unsent(unsent);
    client.write_all(&[b'x'; 2000]).await.unwrap();
    while unsent > 0 {
        tokio::time::sleep(Duration::from_secs(4)).await;
        unsent -= 100;
        wire.set_unsent(unsent);
        assert_eq!(how(&rig).await, (PortState::Open, None));
    }
}

#[tokio::test(start_paused = true)]
async fn an_adapter_that_is_unplugged_is_not_stuck() {
    let (rig, wire, mut client) = start("line: 9600 8N1").await;
    wire.block_tx(true);
    client.write_all(b"lost").await.unwrap();
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(how(&rig).await, (PortState::Stuck, Some((4, FlowState::Nothing))));
    wire.hang_up();
    until(|| wire.is_closed()).await;
    rig.plug();
    until(|| rig.status.is_open()).await;
    assert_eq!(how(&rig).await, (PortState::Open, None));
}

#[tokio::test(start_paused = true)]
async fn nothing_wakes_a_port_whose_line_has_taken_everything() {
    let mut port = ByHand::new(port(""));
    let mut client = port.connect().await;
    client.write_all(b"x").await.unwrap();
    for _ in 0..3 {
        port.turn().await;
    }
    assert_eq!(port.wire.tx(), b"x");
    tokio::time::sleep(Duration::from_secs(6)).await;
    for _ in 0..3 {
        port.turn().await;
    }
    let (driver, polls) = (port.driver, Arc::new(AtomicUsize::new(0)));
    let (mut driver, count) = (driver, Arc::clone(&polls));
    let task = tokio::spawn(poll_fn(move |cx| {
        count.fetch_add(1, Ordering::Relaxed);
        driver.as_mut().poll(cx)
    }));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = polls.load(Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(polls.load(Ordering::Relaxed), before);
    task.abort();
}
