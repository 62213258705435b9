//! A log that does not work, and one that there is too much of: records are lost or summed up, and ports do not notice.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::Value;
use tempfile::TempDir;

use crate::rig::{eventually, field, is_event, Client, Daemon, Finished, PortYaml, Process, SHUTDOWN};

fn echo() -> PortYaml {
    PortYaml::new("echo", "sim:echo").listen("max-clients: 4")
}

/// The program with its standard error there.
fn logging_to(file: &Path) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec \"$0\" \"$@\" 2>>\"$LOG\"", env!("CARGO_BIN_EXE_sermux")]).env("LOG", file);
    shell
}

/// A pipe with a name, and both ends of it.
fn pipe() -> (TempDir, PathBuf, File) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("log");
    mkfifo(&path, Mode::S_IRWXU).unwrap();
    let ends = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    (folder, path, ends)
}

/// What `sermux status` says, as soon as it can be asked. The log says nothing that could be waited for.
#[track_caller]
fn status(daemon: &Daemon, arguments: &[&str]) -> Finished {
    eventually("there is a control socket", || daemon.control_socket().exists());
    Process::start(&mut daemon.command(arguments)).finish()
}

#[track_caller]
fn json(daemon: &Daemon) -> Value {
    serde_json::from_str(&status(daemon, &["status", "--json"]).stdout).unwrap()
}

#[track_caller]
fn address(daemon: &Daemon) -> SocketAddr {
    json(daemon)["ports"][0]["listeners"][0]["address"].as_str().unwrap().parse().unwrap()
}

#[track_caller]
fn echoes(client: &Client) {
    client.send(b"ping");
    assert_eq!(client.receive(4), b"ping");
}

#[track_caller]
fn ends_in_time(mut daemon: Daemon) {
    daemon.process.signal(Signal::SIGTERM);
    let status = daemon.process.wait(SHUTDOWN).expect("it ends in time");
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_full_disk_costs_records_and_nothing_else() {
    for format in ["text", "json"] {
        let mut daemon =
            Daemon::start_as(format!("log: {{ format: {format} }}\n{}", echo()), logging_to(Path::new("/dev/full")));
        let address = address(&daemon);
        let stays = Client::connect(address);
        for _ in 0..3 {
            echoes(&Client::connect(address));
        }
        echoes(&stays);
        daemon.reload(format!(
            "log: {{ format: {format} }}\n{}{}",
            echo(),
            PortYaml::new("new", "sim:echo").listen("").entry()
        ));
        eventually("the new port is there", || json(&daemon)["ports"].as_array().unwrap().len() == 2);
        echoes(&stays);
        let now = json(&daemon);
        assert!(now["program"]["log"]["lost-records"].as_u64().unwrap() >= 3, "{now}");
        assert_eq!(now["program"]["log"]["fault"], "no space left on device");
        assert_eq!(now["well"], true, "{now}");
        let text = status(&daemon, &["status"]).stdout;
        assert!(text.contains("records lost; no space left on device\n"), "{text}");
        ends_in_time(daemon);
    }
}

#[test]
fn what_a_dead_reader_missed_is_counted_for_the_next_one() {
    let (_folder, path, ends) = pipe();
    let daemon = Daemon::start_as(echo(), logging_to(&path));
    let address = address(&daemon);
    drop(ends);
    for _ in 0..3 {
        echoes(&Client::connect(address));
    }
    eventually("records are lost", || json(&daemon)["program"]["log"]["fault"] == "broken pipe");
    let lost = json(&daemon)["program"]["log"]["lost-records"].as_u64().unwrap();
    assert!(lost >= 1);

    let mut reader = Reader::open(&path);
    echoes(&Client::connect(address));
    let said = reader.wait_for("log.lost");
    assert!(field(&said, "count").unwrap().parse::<u64>().unwrap() >= lost, "{said}");
    assert!(said.contains("broken pipe"), "{said}");
    eventually("it is well again", || json(&daemon)["program"]["log"]["fault"].is_null());
    ends_in_time(daemon);
}

#[test]
fn a_reader_that_stalls_holds_up_neither_bytes_nor_the_end() {
    let (_folder, path, ends) = pipe();
    // Each connection is some records at this level.
    let config = format!("log: {{ level: debug }}\n{}", echo());
    let daemon = Daemon::start_as(&config, logging_to(&path));
    let address = address(&daemon);
    let stays = Client::connect(address);
    let lost = || json(&daemon)["program"]["log"]["lost-records"].as_u64().unwrap();
    eventually("more is logged than may wait", || {
        for _ in 0..200 {
            drop(Client::connect(address));
        }
        echoes(&stays);
        lost() > 0
    });
    eventually("the status has the fault", || {
        json(&daemon)["program"]["log"]["fault"].as_str().is_some_and(|why| why.contains("stalled"))
    });

    let mut reader = Reader(ends, Vec::new());
    let said = reader.wait_for("log.lost");
    assert!(field(&said, "count").unwrap().parse::<u64>().unwrap() > 0, "{said}");
    drop(daemon);

    // And once more, to its end.
    let (_folder, path, _ends) = pipe();
    let daemon = Daemon::start_as(&config, logging_to(&path));
    let address = self::address(&daemon);
    eventually("more is logged than may wait", || {
        for _ in 0..200 {
            drop(Client::connect(address));
        }
        json(&daemon)["program"]["log"]["lost-records"].as_u64().unwrap() > 0
    });
    ends_in_time(daemon);
}

/// Reads the log at last.
struct Reader(File, Vec<u8>);

impl Reader {
    fn open(path: &Path) -> Self {
        Self(OpenOptions::new().read(true).write(true).open(path).unwrap(), Vec::new())
    }

    /// The line with this event. It comes, or the test hangs until it is ended.
    fn wait_for(&mut self, event: &str) -> String {
        let mut piece = vec![0; 65536];
        loop {
            let text = String::from_utf8_lossy(&self.1).into_owned();
            let mut lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            if let Some(line) = lines.find(|line| is_event(line, event)) {
                return line.trim_end().to_owned();
            }
            let n = self.0.read(&mut piece).unwrap();
            self.1.extend_from_slice(&piece[..n]);
        }
    }
}

#[test]
fn what_one_address_does_over_and_over_is_summed_up() {
    const CONNECTIONS: u64 = 1000;
    const REFUSED: u64 = 300;
    let mut daemon = Daemon::start(echo());
    daemon.opened("echo", 1);
    let address = daemon.address("echo");
    for _ in 0..CONNECTIONS {
        drop(Client::connect(address));
    }
    let stay: Vec<Client> = (0..4).map(|_| Client::connect(address)).collect();
    stay.iter().for_each(echoes);
    // All at once: each waits for a moment until those who have the places have shown that they are still there.
    let refused: Vec<Client> = (0..REFUSED).map(|_| Client::connect(address)).collect();
    for client in refused {
        client.receive_to_end();
    }
    daemon.log().wait_for("a line that sums up", |line| is_event(line, "client.summed-up"));
    drop(stay);
    daemon.process.signal(Signal::SIGTERM);
    let log = daemon.finish().stderr;
    let one_by_one = |event| log.lines().filter(|line| is_event(line, event)).count() as u64;
    let summed_up = |name| -> u64 {
        let sums = log.lines().filter(|line| is_event(line, "client.summed-up"));
        sums.filter_map(|line| field(line, name)?.parse::<u64>().ok()).sum()
    };
    assert!(log.lines().count() < 600, "{log}");
    assert_eq!(one_by_one("client.connected") + summed_up("connected"), CONNECTIONS + 4, "{log}");
    assert_eq!(one_by_one("client.refused") + summed_up("refused"), REFUSED, "{log}");
    assert_eq!(one_by_one("client.disconnected") + summed_up("disconnected"), CONNECTIONS + 4, "{log}");
    assert!(one_by_one("client.connected") >= 64, "{log}");
}

#[test]
fn a_command_whose_words_nobody_hears_ends_as_it_would() {
    for (arguments, code) in [("check nowhere.yaml", 78), ("status --control nowhere.sock", 3), ("profiles show no", 1)]
    {
        for heard in ["2>/dev/full", "2>&-", ">/dev/full 2>&1"] {
            let line = format!("exec \"$0\" {arguments} {heard}");
            let mut shell = Command::new("sh");
            let finished = Process::start(shell.args(["-c", &line, env!("CARGO_BIN_EXE_sermux")])).finish();
            assert_eq!(finished.code, Some(code), "{line}: {}{}", finished.stdout, finished.stderr);
        }
    }
}
