//! Many ports, many clients.

use std::process::Command;
use std::thread;
use std::time::Duration;

use nix::sys::resource::{getrlimit, setrlimit, Resource};
use socket2::SockRef;

use crate::rig::{anonymous_kib, assert_same, is_event, noise, Client, Daemon, PortYaml, Pty};

/// Raises our limit of open files, so that all connections fit.
fn raise_our_limit() {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    }
}

/// The program with a soft limit of 256 open files, which it has to raise itself. It logs each of many clients.
fn with_few_files() -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -Sn 256 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_sermux"), "-v"]);
    shell
}

#[test]
fn three_hundred_ports_start_and_all_of_them_work() {
    const PORTS: usize = 300;
    raise_our_limit();
    let port = |index: usize| PortYaml::new(&format!("echo{index}"), "sim:echo").listen("").entry();
    let config = format!("ports:\n{}", (0..PORTS).map(port).collect::<String>());
    let daemon = Daemon::start_as(config, with_few_files());
    let clients: Vec<Client> =
        (0..PORTS).map(|index| Client::connect(daemon.address(&format!("echo{index}")))).collect();
    for (index, client) in clients.iter().enumerate() {
        client.send(format!("number {index:03}").as_bytes());
    }
    for (index, client) in clients.iter().enumerate() {
        assert_eq!(client.receive(10), format!("number {index:03}").as_bytes());
    }
}

#[test]
fn three_hundred_clients_of_one_port_all_get_everything() {
    const CLIENTS: usize = 300;
    raise_our_limit();
    let pty = Pty::new();
    let port = PortYaml::new("p", pty.path()).key("on-lag: hold").listen("max-clients: 300");
    let daemon = Daemon::start_as(port, with_few_files());
    daemon.opened("p", 1);
    let clients: Vec<Client> = (0..CLIENTS).map(|_| daemon.connect("p")).collect();
    let refused = Client::connect(daemon.address("p"));
    assert_eq!(refused.receive_to_end().0, b"port p is busy: 300 of 300 clients\r\n");
    let bytes = noise(51, 20_000);
    pty.send(&bytes);
    for client in &clients {
        assert_same(&client.receive(bytes.len()), &bytes, "a client");
    }
}

#[test]
fn sixty_four_clients_are_the_default() {
    let pty = Pty::new();
    let daemon = Daemon::start(PortYaml::new("p", pty.path()).listen(""));
    daemon.opened("p", 1);
    let clients: Vec<Client> = (0..64).map(|_| daemon.connect("p")).collect();
    let refused = Client::connect(daemon.address("p"));
    assert_eq!(refused.receive_to_end().0, b"port p is busy: 64 of 64 clients\r\n");
    pty.send(b"x");
    for client in &clients {
        assert_eq!(client.receive(1), b"x");
    }
}

/// Each client on a thread of its own: what it received.
fn receive_all(clients: &[Client], len: usize, expected: impl Fn(usize) -> Vec<u8> + Sync, send: impl FnOnce()) {
    thread::scope(|scope| {
        for (index, client) in clients.iter().enumerate() {
            let expected = &expected;
            let read = move || assert_same(&client.receive(len), &expected(index), &format!("client {index}"));
            thread::Builder::new().stack_size(256 * 1024).spawn_scoped(scope, read).unwrap();
        }
        send();
    });
}

#[test]
fn a_stopped_one_of_a_thousand_clients_is_cut_off_and_the_others_lose_nothing() {
    const CLIENTS: usize = 1000;
    const LEN: usize = 1 << 20;
    raise_our_limit();
    let pty = Pty::new();
    let port = PortYaml::new("p", pty.path()).key("backlog: 64 KiB");
    // The readers' own threads may be late on a busy machine: the line waits for them, as it may on a pty.
    let daemon = Daemon::start_as(
        port.listen_on("127.0.0.1:0", "max-clients: 1000, on-lag: hold").listen_on("127.0.0.2:0", "on-lag: disconnect"),
        with_few_files(),
    );
    daemon.opened("p", 1);
    let stopped = daemon.join("p", || Client::connect_narrow(daemon.address_on("p", "127.0.0.2")));
    let clients: Vec<Client> = (1..CLIENTS).map(|_| Client::connect(daemon.address_on("p", "127.0.0.1"))).collect();
    daemon.log().wait_for_nth(CLIENTS, "all are connected", |line| is_event(line, "client.connected"));
    let bytes = noise(52, LEN);
    receive_all(&clients, LEN, |_| bytes.clone(), || pty.send(&bytes));
    // What a narrow socket holds is far less than what was sent, and the backlog is smaller still.
    daemon.gone("p", 1);
    let (got, _) = stopped.receive_to_end();
    assert!(got.len() < LEN);
    assert_same(&got, &bytes[..got.len()], "what the stopped client had got");
}

#[test]
fn four_clients_on_each_of_256_ports_lose_nothing_while_everything_flows() {
    const PORTS: usize = 256;
    const LEN: usize = 24 << 10;
    raise_our_limit();
    let ptys: Vec<Pty> = (0..PORTS).map(|_| Pty::new()).collect();
    let entry = |(n, pty): (usize, &Pty)| {
        PortYaml::new(&format!("p{n}"), pty.path()).key("line: 115200 8N1").listen("").entry()
    };
    let config = format!("ports:\n{}", ptys.iter().enumerate().map(entry).collect::<String>());
    let daemon = Daemon::start_as(config, with_few_files());
    daemon.log().wait_for_nth(PORTS, "all are open", |line| is_event(line, "line.opened"));
    let addresses: Vec<_> = (0..PORTS).map(|n| daemon.address(&format!("p{n}"))).collect();
    let clients: Vec<Client> = (0..4 * PORTS).map(|n| Client::connect(addresses[n % PORTS])).collect();
    daemon.log().wait_for_nth(4 * PORTS, "all are connected", |line| is_event(line, "client.connected"));
    let bytes: Vec<Vec<u8>> = (0..PORTS).map(|n| noise(60 + n as u64, LEN)).collect();
    receive_all(
        &clients,
        LEN,
        |index| bytes[index % PORTS].clone(),
        || {
            // A little on each in turn, as lines do.
            for from in (0..LEN).step_by(512) {
                for (pty, bytes) in ptys.iter().zip(&bytes) {
                    pty.send(&bytes[from..from + 512]);
                }
            }
        },
    );
}

#[test]
fn memory_is_what_the_configuration_says_ports_by_backlog_and_a_little_for_each_client() {
    const PORTS: usize = 32;
    const BACKLOG_KIB: u64 = 128;
    const CLIENTS: usize = 30;
    /// What a connected client may cost, all told; a KiB as a rule (the assertion below says what it was).
    const CLIENT_KIB: u64 = 2;
    raise_our_limit();
    let ptys: Vec<Pty> = (0..PORTS).map(|_| Pty::new()).collect();
    let entry = |(n, pty): (usize, &Pty)| {
        PortYaml::new(&format!("p{n}"), pty.path()).key("backlog: 128 KiB").key("on-lag: skip").listen("").entry()
    };
    let config = format!("ports:\n{}", ptys.iter().enumerate().map(entry).collect::<String>());
    let daemon = Daemon::start_as(config, with_few_files());
    daemon.log().wait_for_nth(PORTS, "all are open", |line| is_event(line, "line.opened"));
    let addresses: Vec<_> = (0..PORTS).map(|n| daemon.address(&format!("p{n}"))).collect();

    let empty = anonymous_kib(daemon.pid());
    let idle: Vec<Client> = (0..CLIENTS * PORTS).map(|n| Client::connect(addresses[n % PORTS])).collect();
    daemon.log().wait_for_nth(idle.len(), "all are connected", |line| is_event(line, "client.connected"));
    let with_clients = anonymous_kib(daemon.pid());
    let of_clients = with_clients.saturating_sub(empty);
    assert!(of_clients <= idle.len() as u64 * CLIENT_KIB, "{} clients cost {of_clients} KiB", idle.len());
    // A reset: one that closes silently looks like a reader that has half-closed, and stays.
    for client in idle {
        SockRef::from(&client.0).set_linger(Some(Duration::ZERO)).unwrap();
    }
    daemon.log().wait_for_nth(CLIENTS * PORTS, "all have gone", |line| is_event(line, "client.disconnected"));

    // Every ring is filled by a client that does not read, beside one that does: it is given more than its socket and the
    // backlog hold together.
    let stopped: Vec<Client> = addresses.iter().map(|&address| Client::connect_narrow(address)).collect();
    let reading: Vec<Client> = addresses.iter().map(|&address| Client::connect(address)).collect();
    daemon.log().wait_for_nth((CLIENTS + 2) * PORTS, "all are connected", |line| is_event(line, "client.connected"));
    let bytes = noise(53, 4 << 20);
    for (pty, reader) in ptys.iter().zip(&reading) {
        thread::scope(|scope| {
            scope.spawn(|| assert_same(&reader.receive(bytes.len()), &bytes, "a reader"));
            pty.send(&bytes);
        });
    }
    let full = anonymous_kib(daemon.pid()).saturating_sub(with_clients);
    // Growing copies: for a moment the old memory is there beside the new, and malloc may keep it.
    let bound = PORTS as u64 * BACKLOG_KIB * 5 / 4 + 1024;
    assert!(full <= bound, "{PORTS} full backlogs cost {full} KiB, more than {bound}");
    // They were full: each of these clients has a gap.
    daemon.log().wait_for_nth(PORTS, "all of them have gaps", |line| is_event(line, "client.lagging"));
    drop(stopped);
}
