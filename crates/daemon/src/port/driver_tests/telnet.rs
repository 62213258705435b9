//! Telnet clients with RFC 2217, byte by byte.

use sermux_port_config::signal::{LineState, ModemState};

use super::*;
use crate::line::Operation;

/// What a client that speaks RFC 2217 says first: WILL and DO COM-PORT-OPTION.
const HELLO: &[u8] = &[255, 251, 44, 255, 253, 44];

async fn start(keys: &str) -> (Rig, SimHandle) {
    start_port("gather: 0ms", keys).await
}

pub(super) fn telnet_port(port_keys: &str, keys: &str) -> Arc<Port> {
    let yaml = format!(
        "ports: {{ p: {{ device: sim:echo, line: 9600 8N1, {port_keys}, \
         listen: [ {{ protocol: telnet, rfc2217: true, address: 0, {keys} }} ] }} }}"
    );
    let config = load_str("test", &yaml).unwrap_or_else(|faults| panic!("{faults}")).config;
    Arc::clone(&config.ports["p"])
}

async fn start_port(port_keys: &str, keys: &str) -> (Rig, SimHandle) {
    let rig = Rig::start(telnet_port(port_keys, keys));
    let wire = rig.plug();
    until(|| !rig.tries().is_empty()).await;
    (rig, wire)
}

/// A client that has got the modem state once.
pub(super) async fn join(rig: &Rig) -> DuplexStream {
    let mut client = rig.connect(1 << 16).await;
    client.write_all(HELLO).await.unwrap();
    let mut got = Vec::new();
    while answer_in(&got, 107).is_none() {
        got.push(read(&mut client, 1).await[0]);
    }
    client
}

pub(super) fn request(command: u8, value: &[u8]) -> Vec<u8> {
    [&[255, 250, 44, command][..], value, &[255, 240]].concat()
}

/// The value of the first answer of this kind, if it is whole.
fn answer_in(got: &[u8], command: u8) -> Option<Vec<u8>> {
    let begin = got.windows(4).position(|window| window == [255, 250, 44, command])? + 4;
    let end = got[begin..].windows(2).position(|window| window == [255, 240])?;
    Some(got[begin..begin + end].to_vec())
}

pub(super) async fn expect(client: &mut DuplexStream, bytes: &[u8]) {
    assert_eq!(read(client, bytes.len()).await, bytes);
}

/// Nothing is there for this client now.
async fn expect_nothing(client: &mut DuplexStream) {
    let mut byte = [0];
    let nothing = timeout(Duration::from_millis(100), client.read(&mut byte)).await;
    assert!(nothing.is_err(), "{byte:?} came");
}

#[tokio::test(start_paused = true)]
async fn what_a_device_said_last_comes_before_that_it_is_gone() {
    let mut port = ByHand::new(telnet_port("gather: 0ms", "notify: true"));
    let mut client = port.connect().await;
    port.wire.rx(b"Power down.");
    port.turn().await;
    port.wire.hang_up();
    port.turn().await;
    let mut got = vec![0; 1024];
    let n = timeout(SOON, client.read(&mut got)).await.expect("something comes").unwrap();
    let said = String::from_utf8_lossy(&got[..n]);
    assert!(said.ends_with("Power down.\r\n[port p: the device is disconnected]\r\n"), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn settings_that_the_line_has_are_answered_when_the_clients_bytes_before_them_are_written() {
    let (rig, wire) = start("").await;
    let (mut client, mut other) = (join(&rig).await, join(&rig).await);
    wire.block_tx(true);
    let fence = request(1, &9600_u32.to_be_bytes());
    client.write_all(&[b"before", &fence[..]].concat()).await.unwrap();
    expect_nothing(&mut client).await;
    other.write_all(&fence).await.unwrap();
    expect(&mut other, &request(101, &9600_u32.to_be_bytes())).await;
    expect_nothing(&mut client).await;
    wire.block_tx(false);
    expect(&mut client, &request(101, &9600_u32.to_be_bytes())).await;
    assert_eq!(wire.tx(), b"before");
    assert_eq!(wire.operations().iter().filter(|operation| matches!(operation, Operation::Configure(_))).count(), 0);
}

#[tokio::test(start_paused = true)]
async fn answers_go_to_who_asked_and_to_nobody_else() {
    let (rig, _wire) = start("").await;
    let (mut client, mut other) = (join(&rig).await, join(&rig).await);
    client.write_all(&request(1, &115_200_u32.to_be_bytes())).await.unwrap();
    expect(&mut client, &request(101, &115_200_u32.to_be_bytes())).await;
    expect_nothing(&mut other).await;
    other.write_all(&request(1, &[0; 4])).await.unwrap();
    expect(&mut other, &request(101, &115_200_u32.to_be_bytes())).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_without_control_is_told_what_is_there_and_changes_nothing() {
    let (rig, wire) = start("access: read-write").await;
    let mut client = join(&rig).await;
    wire.operations();
    for (asked, answer) in [
        (request(1, &115_200_u32.to_be_bytes()), request(101, &9600_u32.to_be_bytes())),
        (request(2, &[7]), request(102, &[8])),
        (request(5, &[9]), request(105, &[8])),
        (request(5, &[5]), request(105, &[6])),
        (request(12, &[3]), request(112, &[3])),
    ] {
        client.write_all(&asked).await.unwrap();
        expect(&mut client, &answer).await;
    }
    assert!(wire.operations().iter().all(|operation| *operation == Operation::Look), "the line was changed");
}

#[tokio::test(start_paused = true)]
async fn a_purge_throws_nothing_away_that_was_sent_after_it() {
    let (rig, wire) = start("").await;
    let mut client = join(&rig).await;
    for purge in [2, 3] {
        wire.block_tx(true);
        client.write_all(&[b"stale", &request(12, &[purge])[..], b"fresh"].concat()).await.unwrap();
        expect(&mut client, &request(112, &[purge])).await;
        wire.block_tx(false);
        let mut got = Vec::new();
        until(|| {
            got.extend(wire.tx());
            got.len() >= 5
        })
        .await;
        assert_eq!(got, b"fresh");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_after_a_purge_is_answered_after_it() {
    const ARE_YOU_THERE: &[u8] = &[255, 246];
    let (rig, _wire) = start("").await;
    let mut client = join(&rig).await;
    for purge in [1, 2, 3] {
        client.write_all(&[&request(12, &[purge])[..], ARE_YOU_THERE].concat()).await.unwrap();
        expect(&mut client, &[&request(112, &[purge])[..], b"\r\n[Yes]\r\n"].concat()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn inputs_that_change_are_told_to_each_client_that_wants_to_know() {
    let (rig, wire) = start("").await;
    let (mut told, mut masked, mut suspended) = (join(&rig).await, join(&rig).await, join(&rig).await);
    masked.write_all(&request(11, &[0])).await.unwrap();
    expect(&mut masked, &request(111, &[0])).await;
    expect(&mut masked, &request(107, &[0])).await;
    suspended.write_all(&request(8, &[])).await.unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    let changed_at = Instant::now();
    wire.set_inputs(ModemState { cts: true, dcd: true, ..ModemState::default() });
    expect(&mut told, &request(107, &[128 | 16 | 8 | 1])).await;
    assert!(changed_at.elapsed() < Duration::from_millis(20), "{:?}", changed_at.elapsed());
    expect_nothing(&mut masked).await;
    expect_nothing(&mut suspended).await;
    suspended.write_all(&request(9, &[])).await.unwrap();
    expect(&mut suspended, &request(107, &[128 | 16 | 8 | 1])).await;
}

#[tokio::test(start_paused = true)]
async fn what_the_receiver_notices_is_told_at_most_every_twenty_milliseconds() {
    let (rig, wire) = start("").await;
    let mut client = join(&rig).await;
    let mask = LineState { break_detected: true, parity_error: true, ..LineState::default() };
    client.write_all(&request(10, &[16 | 4])).await.unwrap();
    expect(&mut client, &request(110, &[16 | 4])).await;
    expect(&mut client, &request(106, &[64 | 32])).await;
    wire.notice(LineState { parity_error: true, ..LineState::default() });
    expect(&mut client, &request(106, &[4])).await;
    let told_at = Instant::now();
    wire.notice(LineState { break_detected: true, ..LineState::default() });
    wire.notice(LineState { framing_error: true, ..LineState::default() });
    wire.notice(mask);
    expect(&mut client, &request(106, &[16 | 4])).await;
    let waited = told_at.elapsed().as_millis();
    assert!((19..=22).contains(&waited), "{waited} ms");
}

#[tokio::test(start_paused = true)]
async fn a_suspended_client_gets_no_data_and_every_answer() {
    let (rig, wire) = start("").await;
    let (mut client, mut other) = (join(&rig).await, join(&rig).await);
    client.write_all(&request(8, &[])).await.unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    wire.rx(b"data \xff");
    expect(&mut other, b"data \xff\xff").await;
    expect_nothing(&mut client).await;
    client.write_all(&request(1, &[0; 4])).await.unwrap();
    expect(&mut client, &request(101, &9600_u32.to_be_bytes())).await;
    client.write_all(&request(9, &[])).await.unwrap();
    expect(&mut client, b"data \xff\xff").await;
}

#[tokio::test(start_paused = true)]
async fn a_break_ends_when_its_client_goes() {
    let (rig, wire) = start("").await;
    let mut client = join(&rig).await;
    wire.operations();
    client.write_all(&request(5, &[5])).await.unwrap();
    expect(&mut client, &request(105, &[5])).await;
    drop(client);
    let mut operations = wire.operations();
    until(|| {
        operations.extend(wire.operations());
        operations == [Operation::Break(true), Operation::Break(false)]
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn two_short_breaks_with_a_byte_between_them_are_two() {
    const IAC_BRK: &[u8] = &[255, 243];
    let (rig, wire) = start("").await;
    let mut client = join(&rig).await;
    wire.operations();
    client.write_all(&[IAC_BRK, b"x", IAC_BRK, b"y"].concat()).await.unwrap();
    let began = Instant::now();
    let mut got = Vec::new();
    until(|| {
        got.extend(wire.tx());
        got == b"xy"
    })
    .await;
    let breaks = [true, false, true, false].map(Operation::Break);
    assert_eq!(wire.operations(), breaks);
    let took = began.elapsed().as_millis();
    assert!((500..600).contains(&took), "{took} ms");
}

#[tokio::test(start_paused = true)]
async fn the_inputs_drop_when_the_device_goes_and_rise_when_it_is_back() {
    let (rig, wire) = start("").await;
    let mut client = join(&rig).await;
    wire.set_inputs(ModemState { dsr: true, ..ModemState::default() });
    expect(&mut client, &request(107, &[32 | 2])).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let again = rig.plug();
    wire.hang_up();
    expect(&mut client, &request(107, &[2])).await;
    until(|| rig.tries().len() == 2).await;
    again.set_inputs(ModemState { dsr: true, ..ModemState::default() });
    expect(&mut client, &request(107, &[32 | 2])).await;
}

#[tokio::test(start_paused = true)]
async fn purging_what_was_received_empties_what_waits_for_this_client_alone() {
    let (rig, wire) = start("").await;
    let (mut client, mut other) = (join(&rig).await, join(&rig).await);
    client.write_all(&request(8, &[])).await.unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    wire.rx(b"old");
    expect(&mut other, b"old").await;
    client.write_all(&request(12, &[1])).await.unwrap();
    expect(&mut client, &request(112, &[1])).await;
    client.write_all(&request(9, &[])).await.unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    wire.rx(b"new");
    expect(&mut client, b"new").await;
    expect(&mut other, b"new").await;
}

#[tokio::test(start_paused = true)]
async fn who_may_not_write_is_never_told_in_the_middle_of_a_line() {
    let (rig, wire) = start_port("write: first", "write-hold: 1min").await;
    let (mut holder, mut other) = (join(&rig).await, join(&rig).await);
    holder.write_all(b"first").await.unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    wire.rx(b"\r\nlogin: ");
    expect(&mut other, b"\r\nlogin: ").await;
    other.write_all(b"refused").await.unwrap();
    expect_nothing(&mut other).await;
    wire.rx(b"Pass");
    expect(&mut other, b"Pass").await;
    wire.rx(b"word\r\n");
    expect(&mut other, b"word\r\nyou are read-only\r\n").await;
    other.write_all(b"refused again").await.unwrap();
    expect_nothing(&mut other).await;
    expect(&mut holder, b"\r\nlogin: Password\r\n").await;
}

#[tokio::test(start_paused = true)]
async fn who_writes_without_the_pen_is_told_once_and_may_write_when_the_holder_was_silent() {
    let (rig, wire) = start_port("write: first", "write-hold: 10s").await;
    let (mut holder, mut other) = (join(&rig).await, join(&rig).await);
    holder.write_all(b"first").await.unwrap();
    tokio::time::sleep(Duration::from_secs(6)).await;
    other.write_all(b"refused").await.unwrap();
    expect(&mut other, b"you are read-only\r\n").await;
    holder.write_all(b" again").await.unwrap();
    tokio::time::sleep(Duration::from_secs(9)).await;
    other.write_all(b"refused too").await.unwrap();
    expect_nothing(&mut other).await;
    assert_eq!(wire.tx(), b"first again");

    other.write_all(&request(1, &4800u32.to_be_bytes())).await.unwrap();
    let mut got = Vec::new();
    while answer_in(&got, 101).is_none() {
        got.push(read(&mut other, 1).await[0]);
    }
    assert_eq!(answer_in(&got, 101).unwrap(), 4800u32.to_be_bytes(), "settings do not need the pen");

    tokio::time::sleep(Duration::from_secs(10)).await;
    other.write_all(b" and now the other").await.unwrap();
    holder.write_all(b"refused in its turn").await.unwrap();
    expect(&mut holder, b"you are read-only\r\n").await;
    assert_eq!(wire.tx(), b" and now the other");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_asks_for_notifications_and_refuses_them_in_a_loop_switches_the_watch_once_a_second() {
    const WILL: &[u8] = &[255, 251, 44];
    const WONT: &[u8] = &[255, 252, 44];
    let (rig, wire) = start("").await;
    let mut client = join(&rig).await;
    let (begin, (_, before)) = (Instant::now(), wire.watched());
    for _ in 0..500 {
        for word in [WONT, WILL] {
            client.write_all(word).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let seconds = usize::try_from(begin.elapsed().as_secs()).unwrap();
    assert!(seconds >= 5);
    let switches = wire.watched().1 - before;
    assert!(switches <= 2 * (seconds + 1), "{switches} times on or off in {seconds} s");
    // What it said last counts in the end.
    client.write_all(WONT).await.unwrap();
    until(|| !wire.watched().0.modem_state).await;
    client.write_all(WILL).await.unwrap();
    until(|| wire.watched().0.modem_state).await;
}
