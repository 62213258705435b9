//! `sermux demo`: a simulated meter and an echo device for somebody who has nothing but the program.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Mutex, PoisonError};

use nix::sys::signal::Signal;

use crate::rig::{is_event, p1, sermux, Client, Process, SHUTDOWN};

/// The demo has fixed ports, so there is one at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The addresses that it tells people to try, in the order in which it names them.
fn to_try(stdout: &[String]) -> Vec<SocketAddr> {
    let words: Vec<&str> = stdout.iter().flat_map(|line| line.split_whitespace()).collect();
    let commands = words.windows(3).filter(|words| words[0].ends_with("nc") && words[1] == "127.0.0.1");
    let ports = commands.filter_map(|words| words[2].trim_matches(|c: char| !c.is_ascii_digit()).parse().ok());
    let mut addresses: Vec<SocketAddr> = ports.map(|port: u16| SocketAddr::from(([127, 0, 0, 1], port))).collect();
    addresses.dedup();
    addresses
}

#[track_caller]
fn start() -> (Process, SocketAddr, SocketAddr) {
    let demo = Process::start(sermux().arg("demo"));
    let addresses = demo.stdout.wait("two addresses to try with nc", |lines| {
        let addresses = to_try(lines);
        (addresses.len() >= 2).then_some(addresses)
    });
    (demo, addresses[0], addresses[1])
}

#[test]
fn what_it_tells_to_try_works() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut demo, meter, echo) = start();
    let readers = [Client::connect(meter), Client::connect(meter)];
    let mut first = Vec::new();
    for reader in &readers {
        let got = reader.receive_once();
        let (telegram, rest) = p1::split_first(&got);
        assert!(rest.is_empty());
        first = telegram.to_vec();
    }
    let next = readers[1].receive_once();
    p1::split_first(&next);
    assert_ne!(next, first, "the values move");
    for code in ["1-3:0.2.8(50)", "0-0:1.0.0(", "0-0:96.1.1(", "1-0:1.8.1(", "1-0:1.7.0("] {
        assert!(crate::rig::find(&next, code.as_bytes()).is_some(), "{code} in {}", next.escape_ascii());
    }

    let client = Client::connect(echo);
    client.send(b"anybody there?\r\n");
    assert_eq!(client.receive(16), b"anybody there?\r\n");

    demo.signal(Signal::SIGINT);
    assert_eq!(demo.wait(SHUTDOWN).and_then(|status| status.code()), Some(0));
}

#[test]
fn what_it_is_comes_before_what_the_log_says() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    // Both in one pipe, so that their order shows.
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "exec \"$0\" demo 2>&1", env!("CARGO_BIN_EXE_sermux")]);
    let mut demo = Process::start(&mut command);
    demo.stdout.wait_for("the log", |line| is_event(line, "sermux.started"));
    let said = demo.stdout.all();
    let at =
        |what: &str| said.iter().position(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}: {said:#?}"));
    assert!(at("Ctrl-C ends the demo") < at(" INFO "), "{said:#?}");
    demo.signal(Signal::SIGINT);
    assert_eq!(demo.wait(SHUTDOWN).and_then(|status| status.code()), Some(0));
}

#[test]
fn a_taken_port_is_named_and_the_next_free_one_is_used() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    // Somebody else may have it already, which is as good.
    let _squatter = TcpListener::bind("127.0.0.1:9000");
    let (mut demo, meter, echo) = start();
    assert_ne!(meter.port(), 9000);
    assert_ne!(echo.port(), 9000);
    assert_ne!(echo, meter);
    let got = Client::connect(meter).receive_once();
    p1::split_first(&got);
    let client = Client::connect(echo);
    client.send(b"x");
    assert_eq!(client.receive(1), b"x");
    demo.signal(Signal::SIGTERM);
    let ended = demo.finish();
    assert_eq!(ended.code, Some(0));
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert!(said.contains("9000"), "which one was taken: {said}");
}

#[test]
fn two_of_them_run_beside_each_other() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let (_one, ..) = start();
    let (_two, meter, echo) = start();
    let client = Client::connect(echo);
    client.send(b"x");
    assert_eq!(client.receive(1), b"x");
    let got = Client::connect(meter).receive_once();
    p1::split_first(&got);
}
