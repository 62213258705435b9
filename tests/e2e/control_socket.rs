//! The control socket itself: where it is, who may use it, who has it, and what it bears.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::Signal;
use nix::unistd::{geteuid, Group};
use serde_json::Value;
use tempfile::TempDir;

use crate::rig::{is_event, run, sermux, Daemon, Finished, PortYaml, Process, PATIENCE};

fn echo() -> PortYaml {
    PortYaml::new("echo", "sim:echo").listen("")
}

#[track_caller]
fn ready(daemon: &Daemon) {
    daemon.log().wait_for("the control socket", |line| is_event(line, "control.listening"));
}

/// Runs a command with `--control`.
#[track_caller]
fn at(socket: &Path, arguments: &[&str]) -> Finished {
    Process::start(sermux().arg("--control").arg(socket).args(arguments)).finish()
}

#[test]
fn without_a_running_program_a_command_says_so_and_what_was_tried() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("control.sock");
    for left_over in [false, true] {
        if left_over {
            drop(UnixListener::bind(&socket).unwrap());
        }
        for command in [&["status"][..], &["reload"], &["kick", "p"]] {
            let finished = at(&socket, command);
            assert_eq!((finished.code, finished.stdout.as_str()), (Some(3), ""));
            let said = &finished.stderr;
            assert!(said.contains("nothing listens on ") && said.contains(socket.to_str().unwrap()), "{said}");
            assert!(said.contains("--control names this socket"), "{said}");
        }
    }
}

#[test]
fn sermux_control_names_the_socket_for_every_command() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("named.sock");
    let mut command = sermux();
    command.env("SERMUX_CONTROL", &socket);
    let daemon = Daemon::start_as(echo(), command);
    ready(&daemon);
    assert!(!daemon.control_socket().exists());
    let status = Process::start(sermux().env("SERMUX_CONTROL", &socket).arg("status")).finish();
    assert_eq!(status.code, Some(0), "{status:?}");
    let elsewhere = folder.path().join("other.sock");
    let status = Process::start(sermux().env("SERMUX_CONTROL", &elsewhere).arg("status")).finish();
    assert_eq!(status.code, Some(3));
    assert!(status.stderr.contains("SERMUX_CONTROL names this socket"), "{status:?}");
}

#[test]
fn a_program_with_another_socket_is_not_called_not_running() {
    let daemon = Daemon::start(echo());
    let moved = daemon.folder().join("moved.sock");
    ready(&daemon);
    let finished = at(&moved, &["status"]);
    assert_eq!(finished.code, Some(3));
    assert!(finished.stderr.contains("cannot find the control socket of the sermux that runs"), "{finished:?}");
    assert!(finished.stderr.contains(&format!("pid {}, user ", daemon.pid())) || finished.stderr.contains(" more\n"));
    assert!(finished.stderr.contains("ask it with `sermux --") && !finished.stderr.contains("not running"));
    let nope = Process::start(sermux().arg("--config").arg(daemon.folder().join("nope")).arg("status")).finish();
    assert_eq!(nope.code, Some(78));
    assert!(nope.stderr.contains("nope: there is no such file"), "{nope:?}");
}

#[test]
fn it_is_in_the_folder_of_the_user_and_goes_with_the_program() {
    let mut daemon = Daemon::start(echo());
    ready(&daemon);
    let socket = daemon.control_socket();
    let folder = fs::metadata(socket.parent().unwrap()).unwrap();
    assert_eq!(folder.mode() & 0o777, 0o700);
    assert!(fs::metadata(&socket).unwrap().file_type().is_socket());
    daemon.process.signal(Signal::SIGTERM);
    assert_eq!(daemon.process.wait(PATIENCE).and_then(|status| status.code()), Some(0));
    assert!(!socket.exists(), "it was left behind");
}

#[test]
fn it_is_in_the_folder_of_a_service_and_where_it_is_named() {
    let service = TempDir::new().unwrap();
    let mut command = sermux();
    command.env("RUNTIME_DIRECTORY", service.path());
    let daemon = Daemon::start_as(echo(), command);
    ready(&daemon);
    assert_eq!(at(&service.path().join("control.sock"), &["status"]).code, Some(0));

    let named = service.path().join("named.sock");
    let mut command = sermux();
    command.arg("--control").arg(&named);
    let daemon = Daemon::start_as(format!("control: off\n{}", echo()), command);
    ready(&daemon);
    assert_eq!(at(&named, &["status"]).code, Some(0));
}

#[test]
fn without_a_place_for_it_the_ports_work() {
    let mut command = sermux();
    // It is not empty, and no folder either.
    command.env("RUNTIME_DIRECTORY", "/dev/null");
    let daemon = Daemon::start_as(echo(), command);
    daemon.log().wait_for("the warning", |line| is_event(line, "control.bind-failed"));
    let client = daemon.connect("echo");
    client.send(b"hello");
    assert_eq!(client.receive(5), b"hello");
}

#[test]
fn a_port_that_listens_there_keeps_its_place() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("both.sock");
    let mut command = sermux();
    command.arg("--control").arg(&socket);
    let port = PortYaml::new("echo", "sim:echo").listen_on(&format!("unix:{}", socket.display()), "");
    let daemon = Daemon::start_as(port, command);
    let said = daemon.log().wait_for("the warning", |line| is_event(line, "control.bind-failed"));
    assert!(said.contains("this port listens there") && said.contains("port=echo"), "{said}");
    let mut client = UnixStream::connect(&socket).unwrap();
    client.write_all(b"hello").unwrap();
    let mut echoed = [0; 5];
    client.read_exact(&mut echoed).unwrap();
    assert_eq!(&echoed, b"hello");
}

#[test]
fn what_a_dead_program_left_is_replaced() {
    let mut first = Daemon::start(echo());
    ready(&first);
    first.process.signal(Signal::SIGKILL);
    first.process.wait(PATIENCE).unwrap();
    assert!(first.control_socket().exists());
    let mut command = sermux();
    command.arg("--control").arg(first.control_socket());
    let second = Daemon::start_as(echo(), command);
    ready(&second);
    assert_eq!(at(&first.control_socket(), &["status"]).code, Some(0));
}

#[test]
fn a_live_program_keeps_it_and_the_other_takes_it_when_it_ends() {
    let mut first = Daemon::start(echo());
    ready(&first);
    let mut command = sermux();
    command.arg("--control").arg(first.control_socket());
    let second = Daemon::start_as(echo(), command);
    let said = second.log().wait_for("the warning", |line| is_event(line, "control.bind-failed"));
    assert!(said.contains("another program listens there"), "{said}");
    let client = second.connect("echo");
    client.send(b"hello");
    assert_eq!(client.receive(5), b"hello");
    let pid = |socket: &Path| -> Value {
        let status: Value = serde_json::from_str(&at(socket, &["status", "--json"]).stdout).unwrap();
        status["program"]["pid"].clone()
    };
    assert_eq!(pid(&first.control_socket()), first.pid());
    first.process.signal(Signal::SIGTERM);
    first.process.wait(PATIENCE).unwrap();
    ready(&second);
    assert_eq!(pid(&first.control_socket()), second.pid());
}

#[test]
fn control_off_is_off_and_systemctl_reload_works_all_the_same() {
    let off = format!("control: off\n{}", echo());
    let daemon = Daemon::start(&off);
    daemon.opened("echo", 1);
    assert!(!daemon.control_socket().exists());
    let status = Process::start(&mut daemon.command(&["status"])).finish();
    assert_eq!(status.code, Some(3));
    assert!(status.stderr.contains("`control: off`"), "{}", status.stderr);

    // As systemd runs ExecReload=.
    let mut reload = daemon.command(&["reload"]);
    let reload = Process::start(reload.env("MAINPID", daemon.pid().to_string())).finish();
    assert_eq!(reload.code, Some(0));
    assert!(reload.stderr.contains("sermux sent SIGHUP instead"), "{}", reload.stderr);
    daemon.log().wait_for("the reload", |line| is_event(line, "config.reloaded"));
    assert_eq!(Process::start(&mut daemon.command(&["reload"])).finish().code, Some(3), "there is no pid to signal");
}

#[test]
fn a_reload_moves_it() {
    let daemon = Daemon::start(echo());
    let moved = daemon.folder().join("moved.sock");
    ready(&daemon);
    daemon.write(format!("control: {{ socket: {}, mode: \"0600\" }}\n{}", moved.display(), echo()));
    // The command itself goes by the file as it is now.
    assert_eq!(at(&daemon.control_socket(), &["reload"]).code, Some(0));
    assert!(!daemon.control_socket().exists());
    assert_eq!(fs::metadata(&moved).unwrap().mode() & 0o777, 0o600);
    daemon.done(&["status"]);
    daemon.write(format!("control: off\n{}", echo()));
    assert_eq!(at(&moved, &["reload"]).code, Some(0));
    assert!(!moved.exists());
}

/// Needs root: who is not root cannot be somebody else.
#[test]
fn only_the_owner_the_group_and_root_may_use_it() {
    if !geteuid().is_root() {
        eprintln!("skipped: needs root");
        return;
    }
    const NOBODY: u32 = 65_534;
    let group = Group::from_name("daemon").unwrap().expect("a group of every Debian");
    let daemon = Daemon::start(echo());
    let socket = daemon.folder().join("shared.sock");
    ready(&daemon);
    daemon.write(format!("control: {{ socket: {}, group: daemon }}\n{}", socket.display(), echo()));
    assert_eq!(at(&daemon.control_socket(), &["reload"]).code, Some(0));
    // The program may be in a folder that only root may enter.
    let program = daemon.folder().join("program");
    fs::copy(env!("CARGO_BIN_EXE_sermux"), &program).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let as_somebody = |gid: u32| {
        let mut command = std::process::Command::new(&program);
        command.arg("--control").arg(&socket).arg("status").uid(NOBODY).gid(gid).current_dir("/");
        Process::start(&mut command).finish()
    };
    let stranger = as_somebody(NOBODY);
    assert_eq!(stranger.code, Some(77), "{}", stranger.stdout);
    assert!(stranger.stderr.contains("permission denied"), "{}", stranger.stderr);
    assert!(stranger.stderr.contains("join group daemon"), "{}", stranger.stderr);
    let member = as_somebody(group.gid.as_raw());
    assert_eq!(member.code, Some(0), "{}", member.stderr);
}

#[test]
fn a_group_that_does_not_exist_is_a_warning() {
    let daemon = Daemon::start(format!("control: {{ group: no-such-group }}\n{}", echo()));
    let said = daemon.log().wait_for("the warning", |line| is_event(line, "control.restricted"));
    assert!(said.contains("there is no group no-such-group"), "{said}");
    ready(&daemon);
    assert_eq!(fs::metadata(daemon.control_socket()).unwrap().mode() & 0o777, 0o600);
    daemon.done(&["status"]);
}

/// What comes back for these bytes until the connection is closed.
fn exchange(socket: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    // It may be closed before it has read all of it.
    let _ = stream.write_all(bytes);
    let mut got = Vec::new();
    let _ = stream.read_to_end(&mut got);
    String::from_utf8_lossy(&got).into_owned()
}

fn request(method: &str, path: &str, body: &str) -> Vec<u8> {
    format!("{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[test]
fn what_is_wrong_with_a_request_is_said_in_json() {
    let daemon = Daemon::start(echo());
    daemon.opened("echo", 1);
    ready(&daemon);
    let socket = daemon.control_socket();
    for (method, path, body, status, part) in [
        ("GET", "/", "", 404, "there is no path /"),
        ("GET", "/v1/ports/nope", "", 404, "no port `nope`"),
        ("GET", "/v1/ports/%1b%5b2J", "", 404, "no port"),
        ("POST", "/v1/ports/nope/pause", "", 404, "no port `nope`"),
        ("POST", "/v1/status", "", 405, "method not allowed; use GET"),
        ("GET", "/v1/reload", "", 405, "method not allowed; use POST"),
        ("POST", "/v1/ports/echo/set", "{", 400, "not understood"),
        ("POST", "/v1/ports/echo/set", "{}", 400, "missing field `line`"),
        ("POST", "/v1/ports/echo/set", "{\"line\":\"9600\",\"x\":1}", 400, "unknown field `x`"),
        ("POST", "/v1/ports/echo/modem", "{\"dtr\":\"up\"}", 400, "not understood"),
        ("POST", "/v1/ports/echo/break", "{\"duration-ms\":0}", 400, "cannot be sent"),
        ("POST", "/v1/ports/echo/break", "{\"duration-ms\":-1}", 400, "not understood"),
        ("POST", "/v1/ports/echo/purge", "{\"queue\":\"all\"}", 400, "not understood"),
        ("POST", "/v1/ports/echo/set", &format!("\"{}\"", "x".repeat(100_000)), 413, "cannot be read"),
    ] {
        let answer = exchange(&socket, &request(method, path, body));
        let (head, json) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{method} {path}: {answer:?}"));
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{method} {path} {body:.40}: {head}");
        let refused: Value = serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"));
        assert!(refused["error"].as_str().unwrap().contains(part), "{method} {path}: {json}");
        assert!(refused["help"].is_string(), "{method} {path}: {json}");
        assert!(!json.contains('\x1b'), "{json:?}");
    }
    let answer = exchange(&socket, &request("POST", "/v1/ports/echo/break", "{ \"duration-ms\": 1 }"));
    assert!(answer.contains("\"break\": true"), "{answer}");
    // An empty body is as good as {}.
    for (path, body) in [("modem", ""), ("modem", "{}"), ("kick", ""), ("purge", " \r\n")] {
        let answer = exchange(&socket, &request("POST", &format!("/v1/ports/echo/{path}"), body));
        assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
    }
}

#[test]
fn nonsense_and_clients_that_do_nothing_hold_up_nobody() {
    let daemon = Daemon::start(echo());
    daemon.opened("echo", 1);
    ready(&daemon);
    let socket = daemon.control_socket();
    exchange(&socket, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n");
    exchange(&socket, &[b"GET /v1/status HTTP/1.1\r\nx: ".to_vec(), vec![b'y'; 1 << 20]].concat());
    // More than there may be: some say half of what they want, some nothing, some do not read.
    let idle: Vec<UnixStream> = (0..40)
        .map(|n| {
            let mut stream = UnixStream::connect(&socket).unwrap();
            let said: &[u8] = match n % 3 {
                0 => b"",
                1 => b"GET /v1/sta",
                _ => b"POST /v1/ports/echo/set HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{",
            };
            // It may be cut off already.
            let _ = stream.write_all(said);
            stream
        })
        .collect();
    let client = daemon.connect("echo");
    client.send(b"meanwhile");
    assert_eq!(client.receive(9), b"meanwhile");
    // Those that do nothing are cut off before long.
    daemon.done(&["status"]);
    drop(idle);
    assert_eq!(run(&["--control", socket.to_str().unwrap(), "status", "echo"]).code, Some(0));
}

#[test]
fn a_place_that_is_no_good_is_said_and_taken_when_it_is() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("later/control.sock");
    let config = format!("control: {{ socket: {} }}\n{}", socket.display(), echo());
    let daemon = Daemon::start(config);
    daemon.log().wait_for("the warning", |line| is_event(line, "control.bind-failed"));
    fs::create_dir(folder.path().join("later")).unwrap();
    daemon.log().wait_for("the socket", |line| is_event(line, "control.listening"));
    assert_eq!(at(&socket, &["status"]).code, Some(0));
    assert_eq!(daemon.log().count(|line| is_event(line, "control.bind-failed")), 1, "logged once");
}

#[test]
fn a_lock_on_its_folder_does_not_keep_it_away() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("control.sock");
    let opened = fs::File::open(folder.path()).unwrap();
    let _held = Flock::lock(opened, FlockArg::LockExclusiveNonblock).unwrap();
    let daemon = Daemon::start(format!("control: {{ socket: {} }}\n{}", socket.display(), echo()));
    daemon.log().wait_for("the socket", |line| is_event(line, "control.listening"));
    assert_eq!(at(&socket, &["status"]).code, Some(0));
}

#[test]
fn connections_that_do_not_say_what_they_want_make_room() {
    for said in ["", "GET /v1/st", "POST /v1/ports/echo/set HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"] {
        make_room(said);
    }
}

/// Connections that have said so much, and do not go on.
#[track_caller]
fn make_room(said: &str) {
    let daemon = Daemon::start(echo());
    ready(&daemon);
    let silent: Vec<UnixStream> = (0..35)
        .map(|_| {
            let mut stream = UnixStream::connect(daemon.control_socket()).unwrap();
            stream.write_all(said.as_bytes()).unwrap();
            stream
        })
        .collect();
    let asked = daemon.run(&["status"]);
    assert_eq!(asked.code, Some(0), "{}", asked.stderr);
    // It had not to wait until they were closed for their silence: of the latest of them most are there.
    let is_open = |stream: &&UnixStream| {
        stream.set_nonblocking(true).unwrap();
        let mut stream = *stream;
        stream.read(&mut [0; 100]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    };
    let open = silent.iter().rev().take(15).filter(is_open).count();
    assert!(open >= 12, "{open} of the last 15 that said {said:?} were there when the status came");
}
