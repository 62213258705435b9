//! The limits on clients' requests, and what happens to the requests when their client disconnects.

use sermux_port_config::signal::{Effect, Purge, Step};
use tokio::io::AsyncWrite as _;
use tokio::sync::oneshot;
use tokio::task::unconstrained;

use super::*;
use crate::line::Operation;
use crate::port::hub::Outcome;

const IAC_BRK: &[u8] = &[255, 243];
const OFFERS: usize = 15;

fn telnet_port(keys: &str) -> Arc<Port> {
    let yaml = format!(
        "ports: {{ p: {{ device: sim:echo, line: 9600 8N1, gather: 0ms, \
         listen: [ {{ protocol: telnet, rfc2217: true, address: 0, {keys} }} ] }} }}"
    );
    let config = load_str("test", &yaml).unwrap_or_else(|faults| panic!("{faults}")).config;
    Arc::clone(&config.ports["p"])
}

async fn start() -> (Rig, SimHandle) {
    let rig = Rig::start(telnet_port(""));
    let wire = rig.plug();
    until(|| !rig.tries().is_empty()).await;
    (rig, wire)
}

async fn join(rig: &Rig) -> DuplexStream {
    let mut client = rig.connect(1 << 20).await;
    read(&mut client, OFFERS).await;
    client
}

fn baud(rate: u32) -> Vec<u8> {
    [&[255, 250, 44, 1][..], &rate.to_be_bytes(), &[255, 240]].concat()
}

/// The line's bytes and operations, in order, until it has got this number of bytes.
async fn course(wire: &SimHandle, bytes: usize) -> Vec<String> {
    let (mut course, mut seen) = (Vec::new(), 0);
    until(|| {
        for operation in wire.operations() {
            match operation {
                Operation::Configure(settings) => course.push(settings.baud.to_string()),
                Operation::Break(true) => course.push("break".to_owned()),
                _ => {}
            }
        }
        let tx = wire.tx();
        seen += tx.len();
        if !tx.is_empty() {
            course.push(String::from_utf8_lossy(&tx).into_owned());
        }
        seen >= bytes
    })
    .await;
    course
}

#[tokio::test(start_paused = true)]
async fn breaks_that_are_asked_for_while_one_waits_are_one() {
    let (rig, wire) = start().await;
    let (mut client, mut other) = (join(&rig).await, join(&rig).await);
    client.write_all(&[&IAC_BRK.repeat(30_000)[..], b"x"].concat()).await.unwrap();
    other.write_all(b"y").await.unwrap();
    let began = Instant::now();
    let course = course(&wire, 2).await;
    let breaks = course.iter().filter(|what| *what == "break").count();
    // The 64 KiB of one read are decoded in one go; what comes in the next may find the first break begun.
    assert!((1..=3).contains(&breaks), "{course:?}");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_beyond_two_seconds_of_the_lines_time_is_not_read() {
    let (rig, wire) = start().await;
    let (mut client, mut other) = (join(&rig).await, join(&rig).await);
    client.write_all(&[IAC_BRK, b"a"].concat().repeat(1000)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    other.write_all(b"y").await.unwrap();
    let mut got = Vec::new();
    let began = Instant::now();
    until(|| {
        got.extend(wire.tx());
        got.contains(&b'y')
    })
    .await;
    assert!(began.elapsed() < Duration::from_millis(2500), "{:?}", began.elapsed());
    drop(client);
    // Its connection fails.
    wire.rx(b"!");
    // What it had sent goes to the line for the time of `half-close`, and no longer.
    tokio::time::sleep(Duration::from_secs(11)).await;
    wire.operations();
    wire.tx();
    other.write_all(b"z").await.unwrap();
    assert_eq!(course(&wire, 1).await, ["z"], "what was left has gone with its client");
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(wire.operations(), []);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_settings_in_one_write_are_all_answered_in_order() {
    let (rig, _wire) = start().await;
    let mut client = join(&rig).await;
    let rates: Vec<u32> = (10_000..).filter(|rate| rate % 256 != 255).take(1000).collect();
    client.write_all(&rates.iter().flat_map(|rate| baud(*rate)).collect::<Vec<u8>>()).await.unwrap();
    let mut answers = read(&mut client, 1000 * 10 + 7).await;
    // The inputs are sent once, behind the first answer.
    answers.drain(10..17);
    let got: Vec<u32> = answers.chunks(10).map(|answer| u32::from_be_bytes(answer[4..8].try_into().unwrap())).collect();
    assert_eq!(got, rates);
}

#[tokio::test(start_paused = true)]
async fn what_a_client_asked_between_its_bytes_is_done_between_them_though_it_has_gone() {
    let (rig, wire) = start().await;
    let mut client = join(&rig).await;
    wire.operations();
    // The last one is for nobody.
    let sent = [b"x", &baud(2400)[..], b"y", &baud(1200)[..], b"z", &baud(300)[..]].concat();
    client.write_all(&sent).await.unwrap();
    drop(client);
    assert_eq!(course(&wire, 3).await, ["x", "2400", "y", "1200", "z"]);
    tokio::time::sleep(Duration::from_secs(5)).await;
    // Behind all of it the line is given back.
    assert_eq!(wire.operations(), [Operation::Configure("9600 8N1".parse().unwrap())]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_gone_takes_along_what_none_of_its_bytes_waits_for() {
    let (rig, wire) = start().await;
    let (mut client, mut other) = (join(&rig).await, join(&rig).await);
    wire.block_tx(true);
    other.write_all(b"stays").await.unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    client.write_all(&[IAC_BRK, &baud(300)[..]].concat()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    drop(client);
    // Its connection fails.
    wire.rx(b"!");
    tokio::time::sleep(Duration::from_millis(10)).await;
    wire.operations();
    wire.block_tx(false);
    assert_eq!(course(&wire, 5).await, ["stays"]);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(wire.operations(), []);
}

#[tokio::test(start_paused = true)]
async fn a_purge_of_the_operator_frees_the_line_of_the_breaks_that_wait() {
    let (rig, wire) = start().await;
    let (mut client, mut other) = (join(&rig).await, join(&rig).await);
    client.write_all(&[IAC_BRK, b"a"].concat().repeat(8)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    let (reply, answer) = oneshot::channel();
    assert!(rig.link.send(Command::Ask { effect: Effect::Purge(Purge::Tx), reply }).await);
    assert_eq!(answer.await.unwrap().0, Outcome::Done);
    wire.operations();
    let began = Instant::now();
    other.write_all(b"y").await.unwrap();
    assert_eq!(course(&wire, 1).await, ["y"]);
    assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_macro_that_nobody_waits_for_any_more_is_not_run() {
    let (rig, wire) = start().await;
    let steps = |ms| -> Arc<[Step]> { [Step::Wait(Duration::from_millis(ms))].into() };
    wire.stick();
    let ask = |effect| {
        let (reply, answer) = oneshot::channel();
        (Command::Ask { effect, reply }, answer)
    };
    wire.operations();
    let (first, runs) = ask(Effect::Run(steps(300)));
    let (second, given_up) = ask(Effect::Run(steps(200)));
    let (third, last) = ask(Effect::Run(steps(100)));
    for command in [first, second, third] {
        assert!(rig.link.send(command).await);
    }
    let mut ran = Vec::new();
    while ran.is_empty() {
        tokio::task::yield_now().await;
        ran = wire.operations();
    }
    drop(given_up);
    wire.unstick();
    assert_eq!(runs.await.unwrap().0, Outcome::Done);
    assert_eq!(last.await.unwrap().0, Outcome::Done);
    ran.extend(wire.operations());
    assert_eq!(ran, [Operation::Run(steps(300)), Operation::Run(steps(100))]);
}

/// How much of what a client has said the port has read since the last time: there is room for as much more of the same.
async fn refill(client: &mut DuplexStream, said: &[u8]) -> usize {
    let mut room = 0;
    loop {
        let wrote =
            poll_fn(|cx| Poll::Ready(Pin::new(&mut *client).poll_write(cx, &said[..said.len().min(1 << 16)]))).await;
        match wrote {
            Poll::Ready(n) => room += n.unwrap(),
            Poll::Pending => return room,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn clients_that_ask_and_ask_leave_other_ports_their_turns() {
    // Are you there? A query. Options that are refused. A subnegotiation of nothing. Nothing at all, which costs the least.
    for said in [
        &b"\xFF\xF6"[..],
        b"\xFF\xFA\x2C\x05\x00\xFF\xF0",
        b"\xFF\xFD\x63\xFF\xFB\x63",
        b"\xFF\xFA\xFF\xF0",
        b"\xFF\xF1",
    ] {
        let mut port = ByHand::new(telnet_port("max-clients: 100"));
        let said = said.repeat(1 << 14);
        let mut clients = Vec::new();
        for _ in 0..40 {
            clients.push(port.connect().await);
        }
        for client in &mut clients {
            unconstrained(refill(client, &said)).await;
        }
        let mut all = 0;
        for _ in 0..40 {
            unconstrained(port.turn()).await;
            let mut read = 0;
            for client in &mut clients {
                read += unconstrained(refill(client, &said)).await;
            }
            assert!(read <= 64 << 10, "{read} bytes of {:?} in one turn", &said[..6]);
            all += read;
        }
        assert!(all >= 40 * 4096, "{all} bytes of all clients");
    }
}

#[tokio::test]
async fn the_runtime_looks_for_other_sockets_between_two_turns_of_a_flooded_port() {
    let mut port = ByHand::new(telnet_port("max-clients: 100"));
    let mut clients = Vec::new();
    for _ in 0..40 {
        let mut client = port.connect().await;
        // As much as there is room for: the client waits for nothing, and so the port is woken by itself alone.
        client.write_all(&b"\xFF\xF1".repeat(1 << 15)).await.unwrap();
        clients.push(client);
    }
    let turns = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&turns);
    let flooded = tokio::spawn(unconstrained(poll_fn(move |cx| {
        counted.fetch_add(1, Ordering::Relaxed);
        port.driver.as_mut().poll(cx)
    })));
    let (mut here, mut there) = tokio::net::UnixStream::pair().unwrap();
    for _ in 0..4 {
        let before = turns.load(Ordering::Relaxed);
        here.write_all(b"x").await.unwrap();
        there.read_exact(&mut [0]).await.unwrap();
        let between = turns.load(Ordering::Relaxed) - before;
        assert!(between <= 4, "the port had {between} turns before a socket that was ready");
    }
    let before = turns.load(Ordering::Relaxed);
    for _ in 0..4 {
        tokio::task::yield_now().await;
    }
    assert!(turns.load(Ordering::Relaxed) > before, "the flood was over before the end of the test");
    flooded.abort();
}
