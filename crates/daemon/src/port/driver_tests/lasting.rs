//! Clients' changes of the line last until they disconnect, over each opening of the device, and no longer.

use sermux_port_config::signal::{Effect, ModemState, Step};

use super::telnet::{expect, join, request, telnet_port};
use super::*;
use crate::line::Operation;
use crate::port::link::Reconfigure;
use crate::port::report::PortState;

/// SET-CONTROL
const DTR_OFF: &[u8] = &[9];

fn rate(rate: u32) -> Vec<u8> {
    request(1, &rate.to_be_bytes())
}

fn rate_is(rate: u32) -> Vec<u8> {
    request(101, &rate.to_be_bytes())
}

async fn start(keys: &str) -> (Rig, SimHandle) {
    let rig = Rig::start(telnet_port(keys, ""));
    let wire = rig.plug();
    until(|| rig.status.is_open()).await;
    (rig, wire)
}

/// What the line is set to: rate, DTR, RTS.
fn has(wire: &SimHandle) -> (u32, bool, bool) {
    let snapshot = wire.snapshot();
    (snapshot.settings.baud.get(), snapshot.outputs.dtr, snapshot.outputs.rts)
}

async fn ask(client: &mut DuplexStream, ask: &[u8], answer: &[u8]) {
    client.write_all(ask).await.unwrap();
    expect(client, answer).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_client_set_is_there_again_when_the_device_is_back() {
    let (rig, first) = start("gather: 0ms").await;
    let mut client = join(&rig).await;
    ask(&mut client, &rate(115_200), &rate_is(115_200)).await;
    ask(&mut client, &request(5, DTR_OFF), &request(105, DTR_OFF)).await;
    assert_eq!(has(&first), (115_200, false, true));
    let second = rig.plug();
    first.hang_up();
    until(|| rig.tries().len() == 2 && rig.status.is_open()).await;
    assert_eq!(has(&second), (115_200, false, true), "opened with that, not set afterwards");
    assert_eq!(second.operations(), []);
    // So it is after a pause.
    rig.asked(Command::Pause).await;
    let third = rig.plug();
    rig.asked(Command::Resume).await;
    assert_eq!(has(&third), (115_200, false, true));
    ask(&mut client, &rate(0), &rate_is(115_200)).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_of_an_absent_device_is_promised_and_kept_when_it_is_there() {
    let rig = Rig::start(telnet_port("gather: 0ms", ""));
    until(|| rig.tries().len() == 2).await;
    let mut client = join(&rig).await;
    ask(&mut client, &rate(57_600), &rate_is(57_600)).await;
    ask(&mut client, &request(2, &[7]), &request(102, &[7])).await;
    ask(&mut client, &request(5, DTR_OFF), &request(105, DTR_OFF)).await;
    ask(&mut client, &request(5, &[11]), &request(105, &[11])).await;
    ask(&mut client, &request(12, &[3]), &request(112, &[3])).await;
    let wire = rig.plug();
    until(|| rig.status.is_open()).await;
    assert_eq!(has(&wire), (57_600, false, true));
    assert_eq!(wire.snapshot().settings.to_string(), "57600 7N1");
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_while_the_device_is_being_opened_is_done_when_it_is_open() {
    let (opened, wire) = opened();
    let mut opened = Some(opened);
    let opener: Opener = Box::new(move |_| {
        let opened = opened.take();
        Box::pin(async {
            tokio::time::sleep(Duration::from_secs(4)).await;
            opened.ok_or(OpenError::Absent { path: "/dev/ttyTEST".into() })
        })
    });
    let status = status();
    let (driver, link) = Driver::new("p", telnet_port("gather: 0ms", ""), opener, &Hotplug::off(), Arc::clone(&status));
    let rig = Rig { link, status, task: tokio::spawn(driver), devices: Arc::default() };
    let mut client = join(&rig).await;
    ask(&mut client, &rate(57_600), &rate_is(57_600)).await;
    until(|| rig.status.is_open()).await;
    until(|| has(&wire).0 == 57_600).await;
}

#[tokio::test(start_paused = true)]
async fn the_last_client_with_control_gives_the_line_back_in_one_step() {
    let (rig, wire) = start("modem: { rts: off }").await;
    wire.open_with("9600 8N1".parse().unwrap(), Some(true), Some(false));
    let (mut one, two) = (join(&rig).await, join(&rig).await);
    ask(&mut one, &rate(115_200), &rate_is(115_200)).await;
    ask(&mut one, &request(5, DTR_OFF), &request(105, DTR_OFF)).await;
    ask(&mut one, &request(5, &[11]), &request(105, &[11])).await;
    wire.operations();
    drop(one);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(wire.operations(), [], "another client with control is still there");
    drop(two);
    until(|| has(&wire).0 == 9600).await;
    let both = Operation::Outputs { dtr: Some(true), rts: Some(false) };
    assert_eq!(wire.operations(), [both, Operation::Configure("9600 8N1".parse().unwrap())]);
}

#[tokio::test(start_paused = true)]
async fn who_comes_while_the_line_is_being_given_back_keeps_what_it_set() {
    let (rig, wire) = start("gather: 0ms").await;
    let mut one = join(&rig).await;
    ask(&mut one, &rate(115_200), &rate_is(115_200)).await;
    // What is on its way to the wire holds up the settings.
    wire.set_unsent(5);
    one.write_all(b"last").await.unwrap();
    drop(one);
    while !rig.report().await.clients.is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut two = join(&rig).await;
    ask(&mut two, &rate(115_200), &rate_is(115_200)).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(has(&wire).0, 115_200);
}

#[tokio::test(start_paused = true)]
async fn outputs_that_are_to_be_kept_and_what_no_client_changed_stay_as_they_are() {
    let (rig, wire) = start("modem: { dtr: keep }").await;
    let mut client = join(&rig).await;
    ask(&mut client, &request(5, DTR_OFF), &request(105, DTR_OFF)).await;
    wire.operations();
    drop(client);
    until_gone(&rig).await;
    assert_eq!((has(&wire), wire.operations()), ((9600, false, true), vec![]));
}

#[tokio::test(start_paused = true)]
async fn with_on_release_keep_it_stays_until_the_device_is_opened_again() {
    let (rig, first) = start("on-release: keep").await;
    let mut client = join(&rig).await;
    ask(&mut client, &rate(115_200), &rate_is(115_200)).await;
    drop(client);
    until_gone(&rig).await;
    assert_eq!(has(&first), (115_200, true, true));
    let second = rig.plug();
    first.hang_up();
    until(|| rig.tries().len() == 2 && rig.status.is_open()).await;
    assert_eq!(has(&second), (9600, true, true));
}

#[tokio::test(start_paused = true)]
async fn what_an_operator_set_outlives_clients_and_not_the_device() {
    let (rig, first) = start("gather: 0ms").await;
    rig.done(Effect::Settings("19200 8N1".parse().unwrap())).await;
    let mut client = join(&rig).await;
    ask(&mut client, &rate(115_200), &rate_is(115_200)).await;
    drop(client);
    until(|| has(&first).0 == 19_200).await;
    rig.done(Effect::Default).await;
    assert_eq!(has(&first).0, 9600);

    let mut client = join(&rig).await;
    ask(&mut client, &rate(115_200), &rate_is(115_200)).await;
    ask(&mut client, &request(5, DTR_OFF), &request(105, DTR_OFF)).await;
    rig.done(Effect::Default).await;
    assert_eq!(has(&first), (9600, true, true), "whichever client changed it");
    rig.done(Effect::Settings("19200 8N1".parse().unwrap())).await;
    let second = rig.plug();
    first.hang_up();
    until(|| rig.tries().len() == 2 && rig.status.is_open()).await;
    assert_eq!(has(&second), (9600, true, true));
}

#[tokio::test(start_paused = true)]
async fn every_first_client_gets_its_edge_its_macro_and_its_break() {
    let modem = "on-connect: { dtr: on, reset: mine, break: 250ms }, on-disconnect: { dtr: off }";
    let (rig, wire) = start(&format!("reset: {{ mine: [rts=off] }}, modem: {{ dtr: off, {modem} }}")).await;
    let steps: Arc<[Step]> = [Step::Set { dtr: None, rts: Some(false) }].into();
    for _ in 0..2 {
        assert!(!has(&wire).1);
        let (one, two) = (join(&rig).await, join(&rig).await);
        let mut seen = Vec::new();
        until(|| {
            seen.extend(wire.operations().into_iter().filter(|operation| *operation != Operation::Look));
            seen.len() >= 4
        })
        .await;
        let dtr = |on| Operation::Outputs { dtr: Some(on), rts: None };
        let expected = [dtr(true), Operation::Run(Arc::clone(&steps)), Operation::Break(true), Operation::Break(false)];
        assert_eq!(seen, expected);
        drop(one);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(has(&wire).1, "somebody is there");
        drop(two);
        until(|| !has(&wire).1).await;
        assert_eq!(wire.operations(), [dtr(false)]);
    }
}

/// Neither the one before it, which only receives by now, nor one that makes room for it is in the way of that.
#[tokio::test(start_paused = true)]
async fn a_client_is_the_first_although_one_that_leaves_has_not_been_closed_yet() {
    let dtr = |on| Operation::Outputs { dtr: Some(on), rts: None };
    let modem = "modem: { dtr: off, on-connect: { dtr: on }, on-disconnect: { dtr: off } }";
    for (keys, closes) in [("", true), ("max-clients: 1", true), ("max-clients: 1, when-full: kick-oldest", false)] {
        let rig = Rig::start(telnet_port(modem, keys));
        let wire = rig.plug();
        until(|| rig.status.is_open()).await;
        let mut one = join(&rig).await;
        until(|| has(&wire).1).await;
        if closes {
            one.write_all(b"last").await.unwrap();
            one.shutdown().await.unwrap();
            while !rig.report().await.clients[0].state.half_closed {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        wire.operations();
        let _two = join(&rig).await;
        let mut seen = Vec::new();
        until(|| {
            seen.extend(wire.operations().into_iter().filter(|operation| *operation != Operation::Look));
            seen.len() >= 2
        })
        .await;
        assert_eq!(seen, [dtr(false), dtr(true)], "{keys}");
        // The last of the other one changes nothing any more.
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert!(has(&wire).1, "{keys}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_closed_its_sending_side_gives_the_line_back_when_all_is_done() {
    let (rig, wire) = start("gather: 0ms").await;
    let mut client = join(&rig).await;
    ask(&mut client, &rate(115_200), &rate_is(115_200)).await;
    client.write_all(b"last").await.unwrap();
    client.shutdown().await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!((has(&wire).0, rig.report().await.clients.len()), (9600, 1));
}

#[tokio::test(start_paused = true)]
async fn a_first_client_whose_device_is_absent_gets_its_macro_when_it_comes() {
    let rig = Rig::start(telnet_port("modem: { dtr: off, on-connect: { dtr: on, reset: arduino } }", ""));
    until(|| rig.tries().len() == 2).await;
    let _client = join(&rig).await;
    let wire = rig.plug();
    until(|| rig.status.is_open()).await;
    until(|| wire.operations().iter().any(|operation| matches!(operation, Operation::Run(_)))).await;
    assert!(has(&wire).1);
}

#[tokio::test(start_paused = true)]
async fn clients_are_disconnected_when_dcd_drops_and_only_then() {
    let (rig, wire) = start("modem: { hangup: disconnect }").await;
    // What DCD did before they came does not matter.
    wire.set_inputs(ModemState { dcd: true, ..ModemState::default() });
    wire.set_inputs(ModemState::default());
    let mut early = join(&rig).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    wire.set_inputs(ModemState { dcd: true, ..ModemState::default() });
    tokio::time::sleep(Duration::from_secs(1)).await;
    wire.set_inputs(ModemState { dcd: true, cts: true, ..ModemState::default() });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(rig.report().await.clients.len(), 1);
    wire.set_inputs(ModemState { cts: true, ..ModemState::default() });
    let mut rest = Vec::new();
    timeout(SOON, early.read_to_end(&mut rest)).await.expect("it is closed").unwrap();
}

#[tokio::test(start_paused = true)]
async fn another_device_has_no_faults_of_the_one_before_it() {
    let (rig, wire) = start("gather: 0ms").await;
    wire.hang_up();
    until(|| wire.is_closed()).await;
    rig.plug();
    until(|| rig.status.is_open()).await;
    assert!(rig.report().await.fault.is_some_and(|fault| fault.over.is_some()));
    let mut other = (*telnet_port("gather: 0ms", "")).clone();
    other.device = Device::Sim(Sim::DsmrP1);
    let (opened, _wire) = opened();
    let mut opened = Some(opened);
    let opener: Opener = Box::new(move |_| {
        let opened = opened.take();
        Box::pin(async { opened.ok_or(OpenError::Absent { path: "/dev/ttyTEST".into() }) })
    });
    let changed = Reconfigure { port: Arc::new(other), listeners: vec![0], opener, reopen: true };
    assert!(rig.link.send(Command::Reconfigure(changed)).await);
    let report = rig.report().await;
    assert_eq!(report.fault, None);
    until(|| rig.status.is_open()).await;
    assert_eq!((rig.report().await.state, rig.report().await.fault), (PortState::Open, None));
}

/// Waits until the port knows that its clients have left, and has done what follows from it.
async fn until_gone(rig: &Rig) {
    while !rig.report().await.clients.is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
}
