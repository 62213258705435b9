//! `http:` metrics, health and readings for other hosts, where nothing can be changed.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};

use crate::rig::p1::telegram;
use crate::rig::web::{ask, get, request};
use crate::rig::{eventually, field, is_event, Daemon, PortYaml, Pty, PATIENCE};

const HTTP: &str = "http: { address: \"127.0.0.1:0\" }";

/// Where the n-th address that is served is.
#[track_caller]
fn served(daemon: &Daemon, n: usize) -> SocketAddr {
    let line = daemon.log().wait_for_nth(n, "http is served", |line| is_event(line, "http.listening"));
    field(&line, "address").unwrap().parse().unwrap()
}

#[track_caller]
fn start(http: &str, port: &PortYaml) -> (Daemon, SocketAddr) {
    let daemon = Daemon::start(format!("{http}\n{port}"));
    let address = served(&daemon, 1);
    (daemon, address)
}

fn echo() -> PortYaml {
    PortYaml::new("p", "sim:echo").listen("")
}

/// The value of a sample.
fn sample(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[test]
fn nothing_is_served_unless_it_is_written() {
    let daemon = Daemon::start(echo());
    daemon.opened("p", 1);
    daemon.log().wait_for("the control socket", |line| is_event(line, "control.listening"));
    assert!(!daemon.log().all().iter().any(|line| line.contains("event=http.")), "{:?}", daemon.log().all());
}

#[test]
fn metrics_tell_of_the_ports_and_of_what_meters_say_if_that_is_asked_for() {
    let pty = Pty::new();
    let port = PortYaml::new("p1", pty.path()).key("frame: dsmr").listen("").listen("max-clients: 1");
    let (daemon, address) = start(HTTP, &port);
    daemon.opened("p1", 1);
    pty.send(&telegram(42));
    let mut text = String::new();
    eventually("the telegram is counted", || {
        text = get(address, "/metrics").text();
        sample(&text, "sermux_port_telegrams_total{port=\"p1\"}") == Some(1.0)
    });
    let value = |name: &str| sample(&text, name).unwrap_or_else(|| panic!("no {name}: {text}"));
    assert!((value("sermux_port_received_bytes_total{port=\"p1\"}") - telegram(42).len() as f64).abs() < 0.1);
    for (name, expected) in [
        ("sermux_port_up{port=\"p1\"}", 1.0),
        ("sermux_port_well{port=\"p1\"}", 1.0),
        ("sermux_port_state{port=\"p1\",state=\"open\"}", 1.0),
        ("sermux_port_clients{port=\"p1\"}", 0.0),
        ("sermux_port_crc_failures_total{port=\"p1\"}", 0.0),
        ("sermux_port_discarded_bytes_total{port=\"p1\",reason=\"not-allowed\"}", 0.0),
        ("sermux_listener_up{port=\"p1\",listener=\"1\",address=\"127.0.0.1:0\"}", 1.0),
    ] {
        assert!((value(name) - expected).abs() < 0.001, "{name}");
    }
    assert!(value("sermux_port_telegram_age_seconds{port=\"p1\"}") < PATIENCE.as_secs_f64());
    assert!(text.contains("sermux_build_info{version=\""));
    assert!(!text.contains("sermux_reading"));

    let answer = get(address, "/metrics?readings=1");
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = answer.text();
    let power = sample(&text, "sermux_reading{port=\"p1\",name=\"power-import\",unit=\"kW\"}");
    assert_eq!(power, Some(0.52), "{text}");
    assert_eq!(get(address, "/metrics?readings=2").status, 400);
}

#[test]
fn twenty_clients_are_as_many_series_as_none() {
    let (daemon, address) = start(HTTP, &echo());
    daemon.opened("p", 1);
    let names = |text: &str| -> Vec<String> {
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        samples.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect()
    };
    let before = names(&get(address, "/metrics").text());
    let clients: Vec<_> = (0..20).map(|_| daemon.connect("p")).collect();
    let after = get(address, "/metrics").text();
    assert_eq!(sample(&after, "sermux_port_clients{port=\"p\"}"), Some(20.0));
    assert_eq!(names(&after), before);
    drop(clients);
}

#[test]
fn health_is_503_with_the_reason_while_a_port_is_not_well() {
    let (mut daemon, address) = start(HTTP, &PortYaml::new("p", "/nonexistent/tty").listen(""));
    let mut unwell = None;
    eventually("the device is known to be absent", || {
        let answer = get(address, "/health");
        let status = answer.status;
        let said = answer.json();
        let is_it = status == 503 && said["unwell"][0]["state"] == "waiting";
        unwell = Some(said);
        is_it
    });
    let unwell = unwell.unwrap();
    assert_eq!(
        (&unwell["well"], &unwell["ports"], &unwell["unwell"][0]["port"]),
        (&false.into(), &1.into(), &"p".into())
    );
    assert!(unwell["unwell"][0]["why"].as_str().unwrap().contains("/nonexistent/tty"), "{unwell}");
    daemon.reload(format!("{HTTP}\n{}", echo()));
    eventually("all is well", || get(address, "/health").status == 200);
    let well = get(address, "/health").json();
    assert_eq!((&well["well"], &well["unwell"]), (&true.into(), &serde_json::json!([])));
}

#[test]
fn what_asks_is_answered_and_what_changes_is_not_done() {
    let (daemon, address) = start(HTTP, &echo());
    daemon.opened("p", 1);
    let client = daemon.connect("p");
    for path in ["/v1/status", "/v1/ports/p", "/v1/ports/p/history", "/health", "/metrics"] {
        assert_eq!(get(address, path).status, 200, "{path}");
    }
    let host = format!("host: {address}");
    for path in ["/v1/reload", "/v1/ports/p/kick", "/v1/ports/p/pause", "/v1/ports/p/set", "/v1/status", "/metrics"] {
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "NONSENSE"] {
            let answer =
                ask(address, &request(method, path, &[&host, "content-length: 2"]).replace("\r\n\r\n", "\r\n\r\n{}"));
            assert_eq!(answer.status, 405, "{method} {path}");
            let text = answer.text();
            assert!(text.contains("nothing can be changed here"), "{method} {path}: {text}");
        }
    }
    for path in
        ["/", "/v1", "/v1/config", "/v1/panic", "/v1/ports/p/kick", "/v1/ports/p/nonsense", "/metrics/", "/v1/ports/q"]
    {
        assert_eq!(get(address, path).status, 404, "{path}");
    }
    // Connected clients stay, and nothing was read again.
    client.send(b"still there");
    assert_eq!(client.receive(11), b"still there");
    assert!(!daemon.log().all().iter().any(|line| is_event(line, "control.requested")), "{:?}", daemon.log().all());
}

#[test]
fn a_name_that_may_be_anybody_elses_is_refused() {
    let (_daemon, address) = start("http: { address: \"127.0.0.1:0\", names: Meter.home.arpa }", &echo());
    for (host, status) in [
        ("localhost:1", 200),
        ("127.0.0.1", 200),
        ("meter.home.arpa", 200),
        ("evil.example", 421),
        ("localhost.evil.example:80", 421),
    ] {
        let answer = ask(address, &request("GET", "/v1/status", &[&format!("host: {host}")]));
        assert_eq!(answer.status, status, "{host}");
        if status != 200 {
            assert!(answer.text().contains("names"));
        }
    }
    assert_eq!(ask(address, "GET /health HTTP/1.0\r\n\r\n").status, 200, "an old tool names nobody");
}

#[test]
fn who_asks_for_too_much_or_for_nothing_is_in_nobodys_way() {
    let (_daemon, address) = start(HTTP, &echo());
    let mut long = TcpStream::connect(address).unwrap();
    long.set_read_timeout(Some(PATIENCE)).unwrap();
    let _ = long.write_all(format!("GET /metrics HTTP/1.1\r\nx: {}", "y".repeat(1 << 20)).as_bytes());
    let mut said = Vec::new();
    // It is closed without having been read, so the answer may be lost.
    let _ = long.read_to_end(&mut said);
    assert!(said.is_empty() || said.starts_with(b"HTTP/1.1 431"), "{}", said.escape_ascii());
    let host = format!("host: {address}");
    let body = request("GET", "/metrics", &[&host, "content-length: 1000000"]) + &"x".repeat(1_000_000);
    let mut large = TcpStream::connect(address).unwrap();
    large.set_read_timeout(Some(PATIENCE)).unwrap();
    let _ = large.write_all(body.as_bytes());
    let _ = large.shutdown(Shutdown::Write);
    // More than there are places for.
    let silent: Vec<_> = (0..40).map(|_| TcpStream::connect(address).unwrap()).collect();
    assert_eq!(get(address, "/health").status, 200);
    drop(silent);
}

#[test]
fn who_does_not_read_its_answer_is_in_nobodys_way() {
    let pty = Pty::new();
    let (daemon, address) = start(HTTP, &PortYaml::new("p1", pty.path()).key("frame: dsmr").listen(""));
    daemon.opened("p1", 1);
    let words = request("GET", "/v1/ports/p1/telegram", &[&format!("host: {address}"), "accept: text/event-stream"]);
    let deaf: Vec<_> = (0..8)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(words.as_bytes()).unwrap();
            stream
        })
        .collect();
    let reader = daemon.connect("p1");
    for number in 0..200 {
        pty.send(&telegram(number));
        assert_eq!(reader.receive(telegram(number).len()), telegram(number));
    }
    assert_eq!(get(address, "/health").status, 200);
    drop(deaf);
}

#[test]
fn a_reload_listens_where_it_is_written_and_no_longer_where_it_was() {
    let (mut daemon, first) = start(HTTP, &echo());
    daemon.opened("p", 1);
    let client = daemon.connect("p");
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let second = other.local_addr().unwrap();
    daemon.reload(format!("http: {{ address: \"{second}\" }}\n{}", echo()));
    daemon.log().wait_for("it is taken", |line| is_event(line, "http.bind-failed") && line.contains("in use"));
    assert!(TcpStream::connect(first).is_err(), "it listens where it was");
    drop(other);
    assert_eq!(served(&daemon, 2), second);
    assert_eq!(get(second, "/health").status, 200);
    daemon.reload(echo());
    eventually("nothing is served", || TcpStream::connect(second).is_err());
    client.send(b"still there");
    assert_eq!(client.receive(11), b"still there");
}

#[test]
fn nobody_may_read_where_access_is_none() {
    let (_daemon, address) = start("http: { address: \"127.0.0.1:0\", access: none }", &echo());
    for path in ["/metrics", "/health", "/v1/status", "/"] {
        let answer = get(address, path);
        assert_eq!(answer.status, 403, "{path}");
        assert!(answer.text().contains("access: read-only"));
    }
}

#[cfg(debug_assertions)]
#[test]
fn a_server_that_panics_is_said_and_serves_again_and_the_ports_do_not_notice() {
    let (daemon, address) = start(HTTP, &echo());
    daemon.opened("p", 1);
    let client = daemon.connect("p");
    daemon.log().wait_for("the control socket", |line| is_event(line, "control.listening"));
    let mut control = std::os::unix::net::UnixStream::connect(daemon.control_socket()).unwrap();
    control.write_all(request("POST", "/v1/panic/http", &["host: x", "content-length: 0"]).as_bytes()).unwrap();
    control.read_to_end(&mut Vec::new()).unwrap();
    drop(TcpStream::connect(address).unwrap());
    daemon.log().wait_for("the panic", |line| is_event(line, "part.failed") && field(line, "part") == Some("http"));
    daemon.log().wait_for("the new start", |line| is_event(line, "part.restarted"));
    assert_eq!(get(served(&daemon, 2), "/health").status, 200);
    client.send(b"still there");
    assert_eq!(client.receive(11), b"still there");
}
