//! Listeners on unix sockets: the file and its rights, who is there, and that the bytes are the same.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::Signal;
use nix::sys::termios::{cfgetospeed, tcgetattr, BaudRate};
use nix::unistd::{geteuid, Group, User};
use serde_json::Value;
use tempfile::TempDir;

use crate::rig::p1::telegram;
use crate::rig::{assert_same, eventually, field, is_event, Daemon, End, PortYaml, Pty, UnixClient, PATIENCE};

/// A folder for sockets.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

fn address(path: &Path) -> String {
    format!("unix:{}", path.display())
}

fn echo(path: &Path, keys: &str) -> PortYaml {
    PortYaml::new("echo", "sim:echo").listen_on(&address(path), keys)
}

/// Waits until sermux has listened there `n` times.
#[track_caller]
fn listens(daemon: &Daemon, path: &Path, n: usize) {
    let address = address(path);
    daemon.log().wait_for_nth(n, &address, |line| {
        is_event(line, "listener.listening") && field(line, "address") == Some(address.as_str())
    });
}

/// A client that is the n-th of all that the program knows of.
#[track_caller]
fn join(daemon: &Daemon, path: &Path, n: usize) -> UnixClient {
    listens(daemon, path, 1);
    let client = UnixClient::connect(path);
    daemon.log().wait_for_nth(n, "the client", |line| is_event(line, "client.connected"));
    client
}

#[track_caller]
fn echoes(client: &UnixClient) {
    client.send(b"hello");
    assert_eq!(client.receive(5), b"hello");
}

#[track_caller]
fn end(mut daemon: Daemon) {
    daemon.process.signal(Signal::SIGTERM);
    assert_eq!(daemon.process.wait(PATIENCE).and_then(|status| status.code()), Some(0));
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

#[track_caller]
fn status(daemon: &Daemon, name: &str) -> Value {
    serde_json::from_str(&daemon.run(&["status", name, "--json"]).stdout).unwrap()
}

#[test]
fn two_clients_and_one_on_tcp_share_the_line() {
    let (pty, folder) = (Pty::new(), Folder::new());
    let path = folder.path("p.sock");
    let port = PortYaml::new("p", pty.path()).listen_on(&address(&path), "").listen("");
    let daemon = Daemon::start(port);
    daemon.opened("p", 1);
    let clients = [join(&daemon, &path, 1), join(&daemon, &path, 2)];
    let other = daemon.connect("p");
    pty.send(b"to all");
    for client in &clients {
        assert_eq!(client.receive(6), b"to all");
        client.send(b"from one");
        assert_eq!(pty.receive(8), b"from one");
    }
    assert_eq!(other.receive(6), b"to all");
    let bytes = crate::rig::noise(3, 300_000);
    std::thread::scope(|scope| {
        let line = scope.spawn(|| pty.receive(bytes.len()));
        clients[0].send(&bytes);
        clients[0].half_close();
        assert_same(&line.join().unwrap(), &bytes, "what the line got");
    });
    pty.send(b"answer");
    assert_eq!(clients[0].receive(6), b"answer", "heard for as long as it is there");
}

#[test]
fn a_telnet_client_sets_the_line() {
    // IAC WILL COM-PORT; IAC SB COM-PORT SET-BAUDRATE 115200 IAC SE, and the answer (RFC 2217).
    const WILL: &[u8] = &[255, 251, 44];
    const SET: &[u8] = &[255, 250, 44, 1, 0, 1, 0xC2, 0, 255, 240];
    const ANSWER: &[u8] = &[255, 250, 44, 101, 0, 1, 0xC2, 0, 255, 240];
    let (pty, folder) = (Pty::new(), Folder::new());
    let path = folder.path("p.sock");
    let text = format!(
        "ports:\n  p:\n    device: {}\n    listen:\n      - {{ protocol: telnet, rfc2217: true, address: {} }}\n",
        pty.path().display(),
        address(&path)
    );
    let daemon = Daemon::start(text);
    daemon.opened("p", 1);
    let client = join(&daemon, &path, 1);
    client.send(&[WILL, SET].concat());
    client.receive_until(ANSWER);
    assert_eq!(cfgetospeed(&tcgetattr(pty.device()).unwrap()), BaudRate::B115200);
    client.send(b"a\xff\xffb");
    assert_eq!(pty.receive(3), b"a\xffb");
}

#[test]
fn the_file_has_its_rights_and_goes_with_the_program() {
    let folder = Folder::new();
    let paths = ["plain", "open", "mine"].map(|name| folder.path(name));
    let me = User::from_uid(geteuid()).unwrap().expect("a user with a name").name;
    let port = echo(&paths[0], "")
        .listen_on(&address(&paths[1]), "mode: '0666'")
        .listen_on(&address(&paths[2]), &format!("mode: '0600', owner: {me}"));
    let daemon = Daemon::start(port);
    for (path, rights) in paths.iter().zip([0o660, 0o666, 0o600]) {
        listens(&daemon, path, 1);
        assert!(fs::metadata(path).unwrap().file_type().is_socket());
        assert_eq!(mode(path), rights, "{}", path.display());
        echoes(&UnixClient::connect(path));
    }
    end(daemon);
    assert!(paths.iter().all(|path| !path.exists()), "left behind");
}

/// Needs root: who is not root cannot give a file away.
#[test]
fn the_file_is_given_to_its_owner_and_group() {
    if !geteuid().is_root() {
        eprintln!("skipped: needs root");
        return;
    }
    let folder = Folder::new();
    let path = folder.path("p.sock");
    let daemon = Daemon::start(echo(&path, "owner: daemon, group: daemon"));
    listens(&daemon, &path, 1);
    let file = fs::metadata(&path).unwrap();
    let (user, group) = (User::from_name("daemon").unwrap(), Group::from_name("daemon").unwrap());
    let expected = (user.expect("a user of every Debian").uid.as_raw(), group.expect("its group").gid.as_raw());
    assert_eq!((file.uid(), file.gid()), expected);
}

#[test]
fn without_its_group_it_does_not_listen_and_says_why() {
    let folder = Folder::new();
    let path = folder.path("p.sock");
    let daemon = Daemon::start(echo(&path, "group: no-such-group").listen(""));
    let said = daemon.log().wait_for("the warning", |line| is_event(line, "listener.bind-failed"));
    assert!(said.contains("WARN") && said.contains("there is no group no-such-group"), "{said}");
    daemon.connect("echo");
    assert!(!path.exists(), "left behind with other rights");
}

#[test]
fn what_a_dead_program_left_is_replaced() {
    let folder = Folder::new();
    let path = folder.path("p.sock");
    let mut first = Daemon::start(echo(&path, ""));
    listens(&first, &path, 1);
    first.process.signal(Signal::SIGKILL);
    first.process.wait(PATIENCE).unwrap();
    assert!(path.exists());
    let second = Daemon::start(echo(&path, ""));
    echoes(&join(&second, &path, 1));
}

#[test]
fn a_live_program_keeps_its_socket_unnoticed_and_it_is_taken_when_it_is_free() {
    let folder = Folder::new();
    let path = folder.path("p.sock");
    let first = Daemon::start(echo(&path, ""));
    let client = join(&first, &path, 1);
    let second = Daemon::start(echo(&path, "").listen(""));
    let said = second.log().wait_for("the warning", |line| is_event(line, "listener.bind-failed"));
    assert!(said.contains("another program listens there") && said.contains(&address(&path)), "{said}");
    echoes(&client);
    assert_eq!(first.log().count(|line| is_event(line, "client.connected")), 1, "somebody looked in");
    eventually("the status says it, too", || {
        let fault = status(&second, "echo")["listeners"][0]["fault"].clone();
        fault.as_str().is_some_and(|fault| fault.contains("another program listens there"))
    });
    end(first);
    echoes(&join(&second, &path, 1));
    assert_eq!(second.log().count(|line| is_event(line, "listener.bind-failed")), 1, "logged once");
}

#[test]
fn a_file_that_is_not_a_socket_stays_and_the_listener_comes_when_it_is_gone() {
    let folder = Folder::new();
    let path = folder.path("notes.txt");
    fs::write(&path, "mine").unwrap();
    let daemon = Daemon::start(echo(&path, "").listen(""));
    let said = daemon.log().wait_for("the warning", |line| is_event(line, "listener.bind-failed"));
    assert!(said.contains("a file that is not a socket is there"), "{said}");
    assert_eq!(fs::read(&path).unwrap(), b"mine");
    fs::remove_file(&path).unwrap();
    echoes(&join(&daemon, &path, 1));
}

#[test]
fn without_a_single_listener_it_ends_with_1() {
    let folder = Folder::new();
    let path = folder.path("no-such-folder/p.sock");
    let ended = Daemon::start(echo(&path, "")).finish();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("its folder cannot be opened"), "{}", ended.stderr);
}

#[test]
fn the_status_shows_who_is_there_and_a_kick_finds_them() {
    let folder = Folder::new();
    let path = folder.path("p.sock");
    let daemon = Daemon::start(echo(&path, "banner: '\\p \\I|'"));
    let (client, who) = (join(&daemon, &path, 1), UnixClient::shown());
    let greeting = format!("{} {who}|", path.display());
    assert_eq!(client.receive(greeting.len()), greeting.as_bytes());
    let said = daemon.log().wait_for("the client", |line| is_event(line, "client.connected"));
    assert_eq!(field(&said, "client"), Some(who.as_str()), "{said}");

    let report = status(&daemon, "echo");
    assert_eq!(report["listeners"][0]["configured"], address(&path), "{report}");
    assert_eq!(report["listeners"][0]["address"], address(&path), "{report}");
    assert_eq!(report["clients"][0]["address"], who, "{report}");
    let table = daemon.done(&["status", "echo"]);
    assert!(table.contains(&format!("#1 {who}")), "{table}");

    let kicked = daemon.done(&["kick", "echo", &who]);
    assert!(kicked.contains(&who), "{kicked}");
    assert_eq!(client.receive_to_end(), (vec![], End::Closed));
    assert_eq!(daemon.run(&["kick", "echo", "unix:pid=1/uid=4000000000"]).code, Some(1));
}

#[test]
fn one_client_more_is_turned_away_in_words_or_makes_the_oldest_go() {
    let folder = Folder::new();
    let (full, kicks) = (folder.path("full"), folder.path("kicks"));
    let port = echo(&full, "max-clients: 1").listen_on(&address(&kicks), "max-clients: 1, when-full: kick-oldest");
    let daemon = Daemon::start(port);
    let first = join(&daemon, &full, 1);
    let refused = UnixClient::connect(&full);
    assert_eq!(refused.receive_to_end(), (b"port echo is busy: 1 of 1 client\r\n".to_vec(), End::Closed));
    echoes(&first);
    let oldest = join(&daemon, &kicks, 2);
    let newest = join(&daemon, &kicks, 3);
    assert_eq!(oldest.receive_to_end().1, End::Closed);
    echoes(&newest);
}

#[test]
fn a_silent_client_is_closed_after_its_time() {
    let folder = Folder::new();
    let path = folder.path("p.sock");
    let daemon = Daemon::start(echo(&path, "idle-timeout: 300ms"));
    assert_eq!(join(&daemon, &path, 1).receive_to_end(), (vec![], End::Closed));
    daemon.log().wait_for("why", |line| is_event(line, "client.disconnected") && field(line, "cause") == Some("idle"));
}

#[test]
fn a_client_that_closes_is_gone_at_once_on_a_silent_line_and_one_that_half_closes_stays() {
    let (pty, folder) = (Pty::new(), Folder::new());
    let path = folder.path("p.sock");
    let daemon = Daemon::start(PortYaml::new("p", pty.path()).listen_on(&address(&path), ""));
    daemon.opened("p", 1);
    let stays = join(&daemon, &path, 1);
    stays.half_close();
    drop(join(&daemon, &path, 2));
    daemon.gone("p", 1);
    pty.send(b"still here");
    assert_eq!(stays.receive(10), b"still here");
    drop(stays);
    daemon.gone("p", 2);
    assert_eq!(
        daemon.log().count(|line| is_event(line, "client.disconnected") && field(line, "cause") == Some("closed")),
        2
    );
}

#[test]
fn what_a_client_sent_before_it_closed_reaches_the_line() {
    let (pty, folder) = (Pty::new(), Folder::new());
    let path = folder.path("p.sock");
    let daemon = Daemon::start(PortYaml::new("p", pty.path()).listen_on(&address(&path), ""));
    daemon.opened("p", 1);
    for n in 1..=3 {
        let client = join(&daemon, &path, n);
        client.send(b"reboot\r");
        drop(client);
        assert_eq!(pty.receive(7), b"reboot\r");
    }
    daemon.gone("p", 3);
}

#[test]
fn a_reader_of_telegrams_that_had_stopped_gets_the_newest_one_next() {
    const COUNT: u32 = 300;
    let (pty, folder) = (Pty::new(), Folder::new());
    let path = folder.path("p1.sock");
    let port = PortYaml::new("p1", pty.path()).key("write: none").key("frame: dsmr");
    let daemon = Daemon::start(port.listen_on(&address(&path), "").listen(""));
    daemon.opened("p1", 1);
    let stopped = join(&daemon, &path, 1);
    let reader = UnixClient::connect(&path);
    let witness = daemon.connect("p1");
    for number in 0..COUNT {
        let telegram = telegram(number);
        pty.send(&telegram);
        assert_same(&reader.receive(telegram.len()), &telegram, "the reader beside it");
        witness.receive(telegram.len());
    }
    let (newest, next) = (telegram(COUNT - 1), telegram(COUNT));
    let got = stopped.receive_until(&newest);
    assert!(got.len() <= 24 * 1024, "{} bytes of old telegrams were held for it", got.len());
    pty.send(&next);
    assert_same(&stopped.receive(next.len()), &next, "the next one");
}

#[track_caller]
fn reload(daemon: &mut Daemon, config: impl ToString, n: usize) {
    daemon.reload(config);
    daemon.log().wait_for_nth(n, "the reload", |line| is_event(line, "config.reloaded"));
}

#[test]
fn a_reload_changes_what_it_must_and_no_more() {
    let folder = Folder::new();
    let (kept, path, moved) = (folder.path("kept"), folder.path("p.sock"), folder.path("moved.sock"));
    let port = |path: &Path, keys: &str| echo(&kept, "").listen_on(&address(path), keys);
    let mut daemon = Daemon::start(port(&path, ""));
    let staying = join(&daemon, &kept, 1);
    let client = join(&daemon, &path, 2);

    reload(&mut daemon, port(&path, "access: read-only"), 1);
    client.send(b"refused");
    daemon.log().wait_for("the refusal", |line| is_event(line, "client.write-refused"));

    reload(&mut daemon, port(&path, "mode: '0600'"), 2);
    assert_eq!(client.receive_to_end().1, End::Closed);
    listens(&daemon, &path, 2);
    assert_eq!(mode(&path), 0o600);
    let client = join(&daemon, &path, 3);
    client.send(b"hello");
    assert_eq!((client.receive(5), staying.receive(5)), (b"hello".to_vec(), b"hello".to_vec()));

    reload(&mut daemon, port(&moved, "mode: '0600'"), 3);
    assert_eq!(client.receive_to_end().1, End::Closed);
    assert!(!path.exists(), "left behind");
    let client = join(&daemon, &moved, 4);
    client.send(b"moved");
    assert_eq!((client.receive(5), staying.receive(5)), (b"moved".to_vec(), b"moved".to_vec()));
    assert_eq!(daemon.log().count(|line| is_event(line, "listener.bind-failed")), 0);
}

#[test]
fn a_file_that_somebody_put_in_its_place_is_not_removed() {
    let folder = Folder::new();
    let path = folder.path("p.sock");
    let daemon = Daemon::start(echo(&path, ""));
    listens(&daemon, &path, 1);
    fs::remove_file(&path).unwrap();
    let _theirs = UnixListener::bind(&path).unwrap();
    end(daemon);
    assert!(UnixStream::connect(&path).is_ok());
}

/// Who may read the folder can hold a lock on it for as long as he likes.
#[test]
fn a_lock_on_the_folder_keeps_nobody_out() {
    let folder = Folder::new();
    let path = folder.path("p.sock");
    let opened = fs::File::open(folder.0.path()).unwrap();
    let _held = Flock::lock(opened, FlockArg::LockExclusiveNonblock).unwrap();
    let daemon = Daemon::start(echo(&path, ""));
    echoes(&join(&daemon, &path, 1));
    end(daemon);
    assert_eq!(fs::read_dir(folder.0.path()).unwrap().count(), 0, "left behind");
}

#[test]
fn in_a_folder_where_everybody_may_rename_files_there_is_no_socket_until_that_is_mended() {
    let folder = Folder::new();
    let path = folder.path("p.sock");
    let set = |mode| fs::set_permissions(folder.0.path(), fs::Permissions::from_mode(mode)).unwrap();
    set(0o777);
    let daemon = Daemon::start(echo(&path, "").listen(""));
    let said = daemon.log().wait_for("the warning", |line| is_event(line, "listener.bind-failed"));
    assert!(said.contains("every user may rename files in its folder"), "{said}");
    set(0o1777);
    echoes(&join(&daemon, &path, 1));
}

/// Stops the other thread also when this one fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The folder's owner puts a link in the socket's place again and again, while root makes it again and again.
#[test]
fn rights_and_owner_never_go_to_a_file_that_was_put_in_its_place() {
    if !geteuid().is_root() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "needs root");
        eprintln!("skipped: needs root");
        return;
    }
    let folder = Folder::new();
    let (path, secret) = (folder.path("p.sock"), folder.path("secret"));
    fs::write(&secret, "").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _stop = Stop(&stop);
        scope.spawn(|| {
            let aside = folder.path("aside");
            while !stop.load(Ordering::Relaxed) {
                // A link that has its name in one step, as soon as there is a socket to put it over.
                let _ = std::os::unix::fs::symlink(&secret, &aside);
                if fs::symlink_metadata(&path).is_ok_and(|file| file.file_type().is_socket()) {
                    let _ = fs::rename(&aside, &path);
                }
                if fs::symlink_metadata(&path).is_ok_and(|file| file.file_type().is_symlink()) {
                    let _ = fs::remove_file(&path);
                }
            }
        });
        let ports = |n: usize| {
            let keys = format!("mode: \"06{}6\", owner: daemon, group: daemon", if n % 2 == 0 { 6 } else { 0 });
            echo(&path, &keys).listen("")
        };
        let mut daemon = Daemon::start(ports(0));
        daemon.log().wait_for("the start", |line| is_event(line, "sermux.started"));
        for n in 1..300 {
            daemon.reload(ports(n));
            daemon.log().wait_for_nth(n, "the reload", |line| is_event(line, "config.reloaded"));
        }
        let file = fs::metadata(&secret).unwrap();
        assert_eq!((file.uid(), file.gid(), file.mode() & 0o777), (0, 0, 0o600), "it was given away");
    });
}
