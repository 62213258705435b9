//! SIGHUP: the files are read again.

use crate::rig::{field, Daemon, PortYaml, Pty};

fn echo(name: &str) -> PortYaml {
    PortYaml::new(name, "sim:echo").listen("")
}

fn file(ports: &[&PortYaml]) -> String {
    ports.iter().fold("ports:\n".to_owned(), |file, port| file + &port.entry())
}

fn wait_for_reload(daemon: &Daemon, n: usize) -> String {
    daemon.log().wait_for_nth(n, "the reload", |line| line.contains("configuration read again"))
}

#[test]
fn a_new_port_comes_and_a_removed_one_goes_while_the_clients_of_others_notice_nothing() {
    let pty = Pty::new();
    let kept = PortYaml::new("kept", pty.path()).listen("");
    let mut daemon = Daemon::start(file(&[&kept, &echo("old")]));
    daemon.opened("kept", 1);
    let (client, leaving) = (daemon.connect("kept"), daemon.connect("old"));

    daemon.reload(file(&[&kept, &echo("new")]));
    let said = wait_for_reload(&daemon, 1);
    for (what, n) in [("added", "1"), ("removed", "1"), ("changed", "0")] {
        assert_eq!(field(&said, what), Some(n), "{said}");
    }
    let (rest, _) = leaving.receive_to_end();
    assert!(rest.is_empty());
    let coming = daemon.connect("new");
    coming.send(b"hello");
    assert_eq!(coming.receive(5), b"hello");
    pty.send(b"as before");
    assert_eq!(client.receive(9), b"as before");
    assert_eq!(daemon.log().count(|line| line.contains("opened") && field(line, "port") == Some("kept")), 1);
}

#[test]
fn a_port_that_changed_is_started_again_on_the_address_it_had() {
    let mut daemon = Daemon::start(file(&[&echo("p")]));
    let address = daemon.address("p");
    let fixed = PortYaml::new("p", "sim:echo").listen_on(&address.to_string(), "");
    daemon.reload(file(&[&fixed]));
    wait_for_reload(&daemon, 1);
    daemon.reload(file(&[&fixed.clone().key("line: 115200 8N1")]));
    let said = wait_for_reload(&daemon, 2);
    assert_eq!(field(&said, "changed"), Some("1"), "{said}");
    let client = crate::rig::Client::connect(address);
    client.send(b"hello");
    assert_eq!(client.receive(5), b"hello");
}

#[test]
fn a_file_with_faults_changes_nothing_and_says_why() {
    let good = file(&[&echo("p")]);
    let mut daemon = Daemon::start(&good);
    let client = daemon.connect("p");
    daemon.reload(good.replace("listen", "lisen"));
    let fault = daemon.log().wait_for("the fault", |line| line.contains("ports.p.lisen: unknown key"));
    assert!(fault.contains("ERROR") && fault.contains("did you mean `listen`?"), "{fault}");
    daemon.log().wait_for("the verdict", |line| line.contains("nothing was changed"));
    client.send(b"still here");
    assert_eq!(client.receive(10), b"still here");
}
