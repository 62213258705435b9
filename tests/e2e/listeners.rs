//! Addresses: which ones are bound, and what happens when one cannot be.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;

use crate::rig::{field, is_event, Client, Clock, Daemon, End, PortYaml, Pty, PATIENCE};

#[track_caller]
fn echoes(client: &Client) {
    client.send(b"hello");
    assert_eq!(client.receive(5), b"hello");
}

#[test]
fn several_listeners_share_one_port() {
    let pty = Pty::new();
    let port = PortYaml::new("p", pty.path()).listen("").listen_on("127.0.0.2:0", "").listen_on("127.0.0.3:0", "");
    let daemon = Daemon::start(port);
    daemon.opened("p", 1);
    let clients = ["127.0.0.1", "127.0.0.2", "127.0.0.3"].map(|ip| daemon.connect_on("p", ip));
    pty.send(b"to all");
    for client in &clients {
        assert_eq!(client.receive(6), b"to all");
        client.send(b"from one");
        assert_eq!(pty.receive(8), b"from one");
    }
}

#[test]
fn a_bare_port_number_is_loopback_only() {
    let daemon =
        Daemon::start("ports:\n  echo:\n    device: sim:echo\n    listen:\n      - { protocol: raw, address: 0 }\n");
    let address = daemon.address("echo");
    assert_eq!(address.ip(), Ipv4Addr::LOCALHOST);
    echoes(&daemon.connect("echo"));
}

#[test]
fn a_bare_port_and_localhost_are_both_loopbacks_with_one_port() {
    if !ipv6() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "no IPv6 here");
        eprintln!("skipped: no IPv6 here");
        return;
    }
    for address in ["0", "localhost:0"] {
        let daemon = Daemon::start(PortYaml::new("echo", "sim:echo").listen_on(address, "max-clients: 2"));
        let (v4, v6) = (daemon.address_on("echo", "127.0.0.1"), daemon.address_on("echo", "::1"));
        assert_eq!(v4.port(), v6.port());
        let clients = [daemon.connect_on("echo", "127.0.0.1"), daemon.connect_on("echo", "::1")];
        clients[0].send(b"hello");
        clients.iter().for_each(|client| assert_eq!(client.receive(5), b"hello"));
        // They are one listener.
        let third = Client::connect(v6);
        assert!(matches!(third.receive_to_end().1, End::Closed), "a third client of two");
        let shown = daemon.done(&["status", "echo"]);
        assert!(shown.contains(&format!("{v4} and {v6}")), "{shown}");
        let status: serde_json::Value = serde_json::from_str(&daemon.done(&["status", "--json"])).unwrap();
        let listener = &status["ports"][0]["listeners"][0];
        assert_eq!(listener["addresses"], serde_json::json!([v4.to_string(), v6.to_string()]), "{listener}");
        assert_eq!(listener["address"], v4.to_string());
    }
}

#[test]
fn one_loopback_that_is_in_use_is_not_half_a_listener() {
    if !ipv6() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "no IPv6 here");
        return;
    }
    let squatter = TcpListener::bind("[::1]:0").unwrap();
    let port = squatter.local_addr().unwrap().port();
    let daemon = Daemon::start(PortYaml::new("echo", "sim:echo").listen_on(&port.to_string(), "").listen(""));
    daemon.log().wait_for("it is in use", |line| {
        is_event(line, "listener.bind-failed") && line.contains(&format!("localhost:{port}"))
    });
    drop(squatter);
    daemon
        .log()
        .wait_for("both", |line| is_event(line, "listener.listening") && line.contains(&format!("[::1]:{port}")));
    echoes(&Client::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))));
}

#[test]
fn where_ipv6_is_off_a_bare_port_is_the_other_loopback() {
    if !nix::unistd::Uid::effective().is_root() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "this takes root");
        eprintln!("skipped: this takes root");
        return;
    }
    let mut command = Command::new("unshare");
    let off = "ip link set lo up && echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6 && exec \"$@\"";
    command.args(["--net", "sh", "-ec", off, "sh", env!("CARGO_BIN_EXE_sermux")]);
    let daemon = Daemon::start_as(PortYaml::new("echo", "sim:echo").listen_on("0", ""), command);
    let address = daemon.address_on("echo", "127.0.0.1");
    let status: serde_json::Value = serde_json::from_str(&daemon.done(&["status", "--json"])).unwrap();
    let addresses = &status["ports"][0]["listeners"][0]["addresses"];
    assert_eq!(*addresses, serde_json::json!([address.to_string()]));
    assert!(!daemon.log().text().contains("::1"), "{}", daemon.log().text());
}

#[test]
fn a_star_is_every_address_of_both_kinds() {
    let daemon = Daemon::start(PortYaml::new("echo", "sim:echo").listen_on("*:0", ""));
    let port = daemon.address("echo").port();
    echoes(&Client::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))));
    echoes(&Client::connect(SocketAddr::from(([127, 1, 2, 3], port))));
    if ipv6() {
        echoes(&Client::connect(SocketAddr::from((Ipv6Addr::LOCALHOST, port))));
    }
}

#[test]
fn an_ipv6_address_is_written_in_brackets() {
    if !ipv6() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "no IPv6 here");
        eprintln!("skipped: no IPv6 here");
        return;
    }
    let daemon = Daemon::start(PortYaml::new("echo", "sim:echo").listen_on("[::1]:0", ""));
    assert_eq!(daemon.address("echo").ip(), Ipv6Addr::LOCALHOST);
    echoes(&daemon.connect("echo"));
}

fn ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

#[test]
fn a_second_program_on_the_same_address_names_the_first_one() {
    let first = Daemon::start(PortYaml::new("echo", "sim:echo").listen(""));
    let taken = first.address("echo");
    let second = Daemon::start(PortYaml::new("echo", "sim:echo").listen_on(&taken.to_string(), ""));
    let said = second.log().wait_for("it is in use", |line| is_event(line, "listener.bind-failed"));
    assert!(said.contains(&format!("the address is in use by sermux, pid {}", first.pid())), "{said}");
    let finished = second.finish();
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
}

#[test]
fn an_address_in_use_is_said_once_leaves_the_others_alone_and_comes_when_it_is_free() {
    let clock = Clock::start();
    let squatter = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = squatter.local_addr().unwrap();
    let port = PortYaml::new("echo", "sim:echo").listen_on(&taken.to_string(), "").listen_on("127.0.0.2:0", "");
    let daemon = Daemon::start(port);
    let other = daemon.connect_on("echo", "127.0.0.2");
    echoes(&other);
    clock.seconds(4);
    let loud = |line: &String| line.contains("WARN") || line.contains("ERROR");
    let said: Vec<String> = daemon.log().all().into_iter().filter(loud).collect();
    assert_eq!(said.len(), 1, "{said:#?}");
    assert_eq!(field(&said[0], "port"), Some("echo"), "{said:?}");
    assert!(said[0].contains(&taken.to_string()), "{said:?}");
    assert!(said[0].to_lowercase().contains("in use"), "{said:?}");

    drop(squatter);
    assert_eq!(daemon.address_on("echo", "127.0.0.1"), taken);
    echoes(&daemon.connect_on("echo", "127.0.0.1"));
    assert_eq!(other.receive(5), b"hello");
}

#[test]
fn without_a_single_listener_it_ends_with_1() {
    let squatter = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = squatter.local_addr().unwrap();
    let again = SocketAddr::from(([127, 0, 0, 1], taken.port())).to_string();
    let port = |name: &str| PortYaml::new(name, "sim:echo").listen_on(&again, "").entry();
    let ended = Daemon::start(format!("ports:\n{}", port("one"))).finish();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains(&again), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
}

#[test]
fn an_address_that_the_machine_does_not_have_leaves_the_others_alone() {
    // TEST-NET-1 (RFC 5737) is nobody's.
    let port = PortYaml::new("echo", "sim:echo").listen_on("192.0.2.1:0", "").listen("");
    let daemon = Daemon::start(port);
    echoes(&daemon.connect_on("echo", "127.0.0.1"));
}

#[test]
fn a_port_without_enable_is_left_alone() {
    let off = PortYaml::new("off", "sim:echo").key("enable: false").listen_on("127.0.0.2:0", "");
    let on = PortYaml::new("on", "sim:echo").listen("");
    let mut daemon = Daemon::start(format!("ports:\n{}{}", off.entry(), on.entry()));
    echoes(&daemon.connect("on"));
    daemon.process.signal(nix::sys::signal::Signal::SIGTERM);
    let ended = daemon.finish();
    assert!(!ended.stderr.contains("127.0.0.2"), "{}", ended.stderr);
}

#[test]
fn a_listener_is_bound_again_at_once_after_a_restart_with_clients() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for _ in 0..3 {
        let daemon = Daemon::start(PortYaml::new("echo", "sim:echo").listen_on(&free.to_string(), ""));
        assert_eq!(daemon.address("echo"), free);
        let client = daemon.connect("echo");
        echoes(&client);
        // The daemon closes first, so that the connection lingers in TIME_WAIT on its side.
        drop(daemon);
        client.receive_to_end();
    }
}

#[test]
fn clients_that_come_and_go_quickly_do_no_harm() {
    let pty = Pty::new();
    let port = PortYaml::new("p", pty.path()).listen("max-clients: 8");
    // So that each client is logged.
    let daemon = Daemon::start(format!("log: {{ level: debug }}\n{port}"));
    daemon.opened("p", 1);
    let address = daemon.address("p");
    let reader = daemon.connect("p");
    for round in 0..200 {
        let passer_by = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
        if round % 2 == 0 {
            // With a reset instead of a close.
            socket2::SockRef::from(&passer_by).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        }
    }
    pty.send(b"undisturbed");
    assert_eq!(reader.receive(11), b"undisturbed");
    // Closed clients differ from half-closed readers once something is sent to them, or make room.
    let next = daemon.connect("p");
    pty.send(b"x");
    assert_eq!(next.receive(1), b"x");
}

/// Lines of the log about connections that `allow` and `deny` did not admit.
fn refusals(daemon: &Daemon) -> usize {
    daemon.log().count(|line| is_event(line, "client.turned-away"))
}

#[test]
fn who_is_not_allowed_is_closed_without_a_word_and_said_once() {
    let pty = Pty::new();
    let port = PortYaml::new("p", pty.path())
        .listen("banner: 'not for you', allow: [127.0.0.2, 192.168.0.0/16]")
        .listen_on("127.0.0.3:0", "deny: [127.0.0.1]");
    let daemon = Daemon::start(port);
    daemon.opened("p", 1);
    for ip in ["127.0.0.1", "127.0.0.3"] {
        let address = daemon.address_on("p", ip);
        for _ in 0..20 {
            assert_eq!(Client::connect(address).receive_to_end(), (vec![], End::Closed), "{ip}");
        }
        let allowed = daemon.join("p", || Client::connect_from("127.0.0.2", address));
        if ip == "127.0.0.1" {
            assert_eq!(allowed.receive(11), b"not for you");
        }
        pty.send(b"x");
        assert_eq!(allowed.receive(1), b"x");
    }
    assert_eq!(refusals(&daemon), 2, "once for each listener:\n{}", daemon.log().text());
    assert_eq!(daemon.log().count(|line| is_event(line, "client.connected")), 2);
}

#[test]
fn an_ipv4_client_of_a_listener_for_both_is_known_by_its_ipv4_address() {
    let daemon = Daemon::start(PortYaml::new("echo", "sim:echo").listen_on("*:0", "deny: [127.0.0.0/8]"));
    let port = daemon.address("echo").port();
    let refused = Client::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    assert_eq!(refused.receive_to_end(), (vec![], End::Closed));
    if ipv6() {
        echoes(&Client::connect(SocketAddr::from((Ipv6Addr::LOCALHOST, port))));
    }
}

#[track_caller]
fn read_again(daemon: &Daemon, n: usize) {
    daemon.log().wait_for_nth(n, "the reload", |line| is_event(line, "config.reloaded"));
}

#[test]
fn a_reload_changes_who_may_connect_and_clients_that_are_there_stay() {
    let port = |hosts: &str| PortYaml::new("echo", "sim:echo").listen(hosts);
    let mut daemon = Daemon::start(port(""));
    let first = daemon.connect("echo");
    echoes(&first);
    daemon.reload(port("allow: [10.0.0.0/8]"));
    read_again(&daemon, 1);
    assert_eq!(Client::connect(daemon.address("echo")).receive_to_end(), (vec![], End::Closed));
    echoes(&first);
    daemon.reload(port("allow: [127.0.0.1, 10.0.0.0/8]"));
    read_again(&daemon, 2);
    echoes(&daemon.connect("echo"));
}

#[test]
fn only_listeners_without_allow_are_said_to_be_open_to_any_host() {
    let port = PortYaml::new("echo", "sim:echo")
        .listen_on("*:0", "allow: [127.0.0.0/8]")
        .listen_on("0.0.0.0:0", "deny: [10.0.0.0/8]")
        .listen("");
    let daemon = Daemon::start(port);
    daemon.log().wait_for("the start", |line| is_event(line, "sermux.started"));
    let open: Vec<String> =
        daemon.log().all().into_iter().filter(|line| is_event(line, "listener.unrestricted")).collect();
    assert_eq!(open.len(), 1, "{open:#?}");
    assert!(field(&open[0], "address").is_some_and(|address| address.starts_with("0.0.0.0:")), "{open:?}");
}
