//! Telnet clients as a user meets them: breaks, rates, what never ends, and clients that came to the wrong listener.

use serde_json::{json, Value};

use crate::rig::{eventually, is_event, Client, Daemon, PortYaml, Pty};

const RFC2217: &str = "rfc2217: true";

/// What a telnet client is offered first, and what is added where there is RFC 2217.
const OFFERS: usize = 12;
const DO_COM_PORT: usize = 3;

fn start(port: PortYaml) -> Daemon {
    let daemon = Daemon::start(port);
    daemon.opened("p", 1);
    daemon
}

fn echo() -> PortYaml {
    PortYaml::new("p", "sim:echo")
}

fn status(daemon: &Daemon) -> Value {
    let finished = daemon.run(&["status", "p", "--json"]);
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"))
}

fn breaks(daemon: &Daemon) -> u64 {
    status(daemon)["errors"]["breaks"].as_u64().unwrap_or(0)
}

/// A telnet client that has its offers.
fn telnet(daemon: &Daemon, ip: &str, rfc2217: bool) -> Client {
    let client = daemon.connect_on("p", ip);
    client.receive(OFFERS + if rfc2217 { DO_COM_PORT } else { 0 });
    client
}

fn com_port(command: u8, value: &[u8]) -> Vec<u8> {
    let value = value.iter().flat_map(|byte| std::iter::repeat_n(*byte, if *byte == 255 { 2 } else { 1 }));
    [255, 250, 44, command].into_iter().chain(value).chain([255, 240]).collect()
}

#[test]
fn a_brk_is_a_break_for_every_client_that_may_write() {
    let daemon = start(
        echo()
            .telnet_on("127.0.0.1:0", "")
            .telnet_on("127.0.0.2:0", "break-on-sync: true")
            .telnet_on("127.0.0.3:0", "access: read-only")
            .telnet_on("127.0.0.4:0", "rfc2217: true, access: read-write"),
    );
    let fence = |client: &Client| {
        client.send(b"x");
        client.receive(1);
    };
    let plain = telnet(&daemon, "127.0.0.1", false);
    plain.send(b"\xFF\xF2");
    fence(&plain);
    assert_eq!(breaks(&daemon), 0, "a Synch is none unless configured");
    plain.send(b"\xFF\xF3");
    fence(&plain);
    assert_eq!(breaks(&daemon), 1);
    let sync = telnet(&daemon, "127.0.0.2", false);
    sync.send(b"\xFF\xF2");
    fence(&sync);
    assert_eq!(breaks(&daemon), 2);
    let reader = telnet(&daemon, "127.0.0.3", false);
    reader.send(b"\xFF\xF3\xFF\xF6");
    let answer = b"you are read-only\r\n\r\n[Yes]\r\n";
    assert_eq!(reader.receive_until(b"[Yes]\r\n"), answer);
    // RFC 2217's own break is a matter of its rights.
    let writer = telnet(&daemon, "127.0.0.4", true);
    writer.send(&[com_port(5, &[5]), b"\xFF\xF6".to_vec()].concat());
    assert!(writer.receive_until(b"[Yes]\r\n").starts_with(&com_port(105, &[6])));
    assert_eq!(breaks(&daemon), 2);
    writer.send(b"\xFF\xF3");
    fence(&writer);
    assert_eq!(breaks(&daemon), 3);
}

#[test]
fn a_rate_is_what_the_driver_makes_of_it() {
    let pty = Pty::new();
    let daemon = start(PortYaml::new("p", pty.path()).telnet_on("127.0.0.1:0", RFC2217));
    let client = telnet(&daemon, "127.0.0.1", true);
    client.send(b"\xFF\xFB\x2C");
    assert_eq!(client.receive(7), com_port(107, &[0]));
    for rate in [16_776_960_u32, 20_000_000, u32::MAX] {
        client.send(&com_port(1, &rate.to_be_bytes()));
        let answer = com_port(101, &rate.to_be_bytes());
        assert!(client.receive_until(&answer).ends_with(&answer));
        assert_eq!(status(&daemon)["line"]["actual"], json!(format!("{rate} 8N1")), "read back");
    }
}

#[test]
fn a_client_that_only_reflects_offers_hears_nothing_of_rfc2217() {
    let daemon = start(echo().telnet_on("127.0.0.1:0", RFC2217));
    let client = telnet(&daemon, "127.0.0.1", true);
    client.send(b"\xFF\xFD\x03\xFF\xFD\x01\xFF\xFD\x00\xFF\xFC\x00\xFF\xFC\x2C\xFF\xFD\x2C\xFF\xF6");
    assert_eq!(client.receive_until(b"[Yes]\r\n"), b"\xFF\xFB\x2C\r\n[Yes]\r\n");
}

#[test]
fn a_subnegotiation_without_end_costs_1_kib_and_is_reported() {
    let daemon = start(echo().telnet_on("127.0.0.1:0", "half-close: 0s"));
    let client = telnet(&daemon, "127.0.0.1", false);
    let bytes = vec![b'x'; 100_000];
    for _ in 0..2 {
        client.send(&[b"\xFF\xFA", &bytes[..]].concat());
        assert_eq!(client.receive(bytes.len() - 1024), bytes[1024..]);
    }
    let told = &status(&daemon)["clients"][0];
    assert_eq!((&told["dropped-subnegotiations"], &told["unknown-commands"]), (&json!(2), &json!(0)));
    let text = daemon.done(&["status", "p"]);
    assert!(text.contains("2 subnegotiations discarded"), "{text}");
    client.send(b"\xFF\x01\xFF\x02\xFF\x03!");
    client.receive(1);
    assert_eq!(status(&daemon)["clients"][0]["unknown-commands"], json!(3));
    drop(client);
    daemon.gone("p", 1);
    let counters = &status(&daemon)["counters"];
    assert_eq!(counters["dropped-subnegotiations"], json!(2), "they stay when the client has disconnected");
    assert_eq!(counters["unknown-commands"], json!(3));
    let lines = daemon.log().all();
    assert_eq!(lines.iter().filter(|line| is_event(line, "client.subnegotiation-discarded")).count(), 1, "{lines:#?}");
}

#[test]
fn a_client_that_came_to_the_wrong_listener_is_reported_with_the_one_that_fits() {
    let daemon =
        start(echo().listen_on("127.0.0.1:0", "").telnet_on("127.0.0.2:0", "").telnet_on("127.0.0.3:0", RFC2217));
    let (raw, plain, rfc2217) =
        (daemon.address_on("p", "127.0.0.1"), daemon.address_on("p", "127.0.0.2"), daemon.address_on("p", "127.0.0.3"));
    let fits = |n: usize, what: &str, is: String| {
        let line = daemon.log().wait_for_nth(n, what, |line| is_event(line, "client.protocol-wrong"));
        assert!(line.contains(what) && line.contains(&is), "{what}, {is} in {line}");
    };
    // Binary data may have a 0xFF in it, and a telnet client may know options that we do not.
    let innocent = daemon.connect_on("p", "127.0.0.1");
    innocent.send(b"\xFF\xFF\xFE\x00");
    innocent.receive(4);
    for _ in 0..2 {
        let wrong = daemon.connect_on("p", "127.0.0.1");
        wrong.send(b"\xFF\xFD\x01\xFF\xFB\x2C");
        wrong.receive(6);
    }
    fits(1, "seems to speak RFC 2217, and this listener is raw", format!("connect it to {rfc2217}"));
    let wrong = telnet(&daemon, "127.0.0.2", false);
    wrong.send(b"\x01\xFF\x03x");
    wrong.receive(2);
    fits(2, "seems to send raw bytes, and this listener is telnet", format!("connect it to {raw}"));
    let wrong = telnet(&daemon, "127.0.0.3", true);
    wrong.send(b"\xFF\xFB\x18\xFF\x03x");
    wrong.receive_until(b"x");
    let listeners = status(&daemon)["listeners"].clone();
    let counts: Vec<&Value> = (0..3).map(|index| &listeners[index]["wrong-protocol"]).collect();
    assert_eq!(counts, [&json!(2), &json!(1), &json!(0)], "{plain}");
    let lines = daemon.log().all();
    assert_eq!(lines.iter().filter(|line| is_event(line, "client.protocol-wrong")).count(), 2, "{lines:#?}");
    let text = daemon.done(&["status"]);
    assert!(text.contains("2 clients seem to speak another protocol"), "{text}");
}

#[test]
fn without_a_listener_that_fits_the_one_to_add_is_named() {
    let daemon = start(echo().telnet_on("127.0.0.1:0", ""));
    let wrong = telnet(&daemon, "127.0.0.1", false);
    wrong.send(b"\xFF\xFB\x2C");
    let line = daemon.log().wait_for("the protocol", |line| is_event(line, "client.protocol-wrong"));
    assert!(line.contains("this listener is telnet without RFC 2217; add `rfc2217: true` to it"), "{line}");
    eventually("it is counted", || status(&daemon)["listeners"][0]["wrong-protocol"] == json!(1));
}
