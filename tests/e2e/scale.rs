//! Many ports, many clients.

use std::process::Command;

use nix::sys::resource::{getrlimit, setrlimit, Resource};

use crate::rig::{assert_same, noise, Client, Daemon, PortYaml, Pty};

/// Ours, so that so many connections fit.
fn raise_our_limit() {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    }
}

/// The program with a soft limit of 256 open files, which it has to raise itself.
fn with_few_files() -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -Sn 256 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_sermux")]);
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
