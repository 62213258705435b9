//! The programs that sermux is compared with, where they are installed. Nothing is installed here: `apt-get install ser2net socat
//! gensio-bin` brings three of them, and `tests/run --interop` makes the Python environment and fetches pyserial's source,
//! which has tcp_serial_redirect among its examples.
//!
//! A peer gets what makes it fast and costs it nothing: no locks, no echo, TCP_NODELAY; only "ser2net as it comes" has its
//! own defaults, except for the number of clients.

use std::env;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::protocol::Protocol;
use crate::subject::{first_line, Abilities, Habit, Opening, Role, Setup, Subject, Telnet};
use crate::trouble::Outcome;

/// The peer, or why it cannot take part.
type Find = fn() -> Result<Subject, String>;

/// In the order of the table, by the names that they have there.
pub(crate) fn all() -> [(&'static str, Find); 5] {
    [
        (AS_IT_COMES, || ser2net(AS_IT_COMES, ser2net_as_it_comes)),
        (TUNED, || ser2net(TUNED, ser2net_tuned)),
        ("socat", || {
            let program = in_path("socat")?;
            let version = second_line_of_socat(&program);
            let abilities = Abilities { ports: PROCESSES, clients: 1, telnet: Telnet::No };
            Ok(peer("socat", program, version, abilities, socat))
        }),
        ("redirect", || {
            let python = given("SERMUX_BENCH_PYTHON", "interop-venv/bin/python")?;
            redirect_script()?;
            let version = first_line(Command::new(&python).args(["-c", PYSERIAL_VERSION]))
                .filter(|line| line.starts_with("pyserial"))
                .ok_or_else(|| format!("{} has no pyserial", python.display()))?;
            let version = format!("tcp_serial_redirect of {version}");
            // A Python for each port would be a measurement of Python.
            let abilities = Abilities { ports: 1, clients: 1, telnet: Telnet::No };
            Ok(peer("redirect", python, version, abilities, redirect))
        }),
        ("gensiot", || {
            let program = in_path("gensiot")?;
            let version = first_line(Command::new(&program).arg("--version"));
            let abilities = Abilities { ports: PROCESSES, clients: 1, telnet: Telnet::Speaks };
            Ok(peer("gensiot", program, version, abilities, gensiot))
        }),
    ]
}

fn peer(
    name: &'static str,
    program: PathBuf,
    version: impl Into<Option<String>>,
    abilities: Abilities,
    commands: fn(&Path, &Setup<'_>) -> Outcome<Vec<Command>>,
) -> Subject {
    let version = version.into().unwrap_or_else(|| "says no version".to_owned());
    Subject { name, program, version, role: Role::Peer, abilities, opening: Opening::Otherwise, commands }
}

fn ser2net(name: &'static str, commands: fn(&Path, &Setup<'_>) -> Outcome<Vec<Command>>) -> Result<Subject, String> {
    let program = in_path("ser2net")?;
    let version = first_line(Command::new(&program).arg("-v"));
    let abilities = Abilities { ports: usize::MAX, clients: usize::MAX, telnet: Telnet::Speaks };
    Ok(peer(name, program, version, abilities, commands))
}

fn ser2net_as_it_comes(program: &Path, setup: &Setup<'_>) -> Outcome<Vec<Command>> {
    ser2net_command(program, setup, "tcp", "")
}

fn ser2net_tuned(program: &Path, setup: &Setup<'_>) -> Outcome<Vec<Command>> {
    let options = "    chardelay: false\n    dev-to-net-bufsize: 16384\n    net-to-dev-bufsize: 16384\n";
    ser2net_command(program, setup, "tcp(nodelay=true)", options)
}

fn ser2net_command(program: &Path, setup: &Setup<'_>, tcp: &str, options: &str) -> Outcome<Vec<Command>> {
    let telnet = match setup.protocol {
        Protocol::Raw => "",
        Protocol::Telnet => "telnet(rfc2217=true),",
    };
    let mut config = "%YAML 1.1\n---\n".to_owned();
    for (index, (tty, address)) in setup.ports.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = write!(
            config,
            "connection: &p{index}\n  accepter: {telnet}{tcp},{},{}\n  \
             connector: serialdev(nouucplock=true),{},115200n81,local\n  options:\n    max-connections: {}\n{options}",
            address.ip(),
            address.port(),
            tty.display(),
            setup.clients
        );
    }
    let file = setup.folder.join("ser2net.yaml");
    fs::write(&file, config)?;
    let mut command = Command::new(program);
    command.arg("-n").arg("-c").arg(file);
    Ok(vec![command])
}

fn socat(program: &Path, setup: &Setup<'_>) -> Outcome<Vec<Command>> {
    let command = |(tty, address): &(PathBuf, std::net::SocketAddr)| {
        let line = format!("FILE:{},raw,echo=0,b115200", tty.display());
        let listener = format!("TCP-LISTEN:{},bind={},reuseaddr,nodelay", address.port(), address.ip());
        let mut command = Command::new(program);
        match setup.habit {
            Habit::Stay => command.arg(line).arg(listener),
            // It has no other way to serve one client after the other than a child for each.
            Habit::ComeAndGo => command.arg(format!("{listener},fork")).arg(line),
        };
        command
    };
    Ok(setup.ports.iter().map(command).collect())
}

fn redirect(python: &Path, setup: &Setup<'_>) -> Outcome<Vec<Command>> {
    let script = redirect_script()?;
    let command = |(tty, address): &(PathBuf, std::net::SocketAddr)| {
        let mut command = Command::new(python);
        command.args(["-c", ON_LOOPBACK]).arg(&script).arg("--quiet");
        command.arg("--localport").arg(address.port().to_string()).arg(tty).arg("115200");
        command
    };
    Ok(setup.ports.iter().map(command).collect())
}

fn gensiot(program: &Path, setup: &Setup<'_>) -> Outcome<Vec<Command>> {
    let telnet = match setup.protocol {
        Protocol::Raw => "",
        Protocol::Telnet => "telnet(rfc2217=true),",
    };
    let command = |(tty, address): &(PathBuf, std::net::SocketAddr)| {
        let mut command = Command::new(program);
        command.args(["--accepter", "--server", "--input"]);
        command.arg(format!("serialdev(nouucplock=true),{},115200n81,local", tty.display()));
        command.arg(format!("{telnet}tcp(nodelay=true),{},{}", address.ip(), address.port()));
        command
    };
    Ok(setup.ports.iter().map(command).collect())
}

/// Its first line is about its author.
fn second_line_of_socat(program: &Path) -> Option<String> {
    let output = Command::new(program).arg("-V").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|line| line.starts_with("socat version"))?;
    Some(line.split(" on ").next().unwrap_or(line).to_owned())
}

fn redirect_script() -> Result<PathBuf, String> {
    given("SERMUX_BENCH_REDIRECT", "pyserial-3.5/examples/tcp_serial_redirect.py")
}

/// What the variable names, or what the tests have put into the target folder.
fn given(variable: &str, in_target: &str) -> Result<PathBuf, String> {
    let named = env::var_os(variable).map(PathBuf::from);
    let file = named.or_else(|| Some(target_folder()?.join(in_target)));
    file.filter(|file| file.is_file()).ok_or_else(|| {
        format!("{variable} names no file, and target/{in_target}, which `tests/run --interop` makes, is not there")
    })
}

/// Where cargo builds.
pub(crate) fn target_folder() -> Option<PathBuf> {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().map(Path::to_owned)
}

/// The program of that name; Debian has ser2net where only root's PATH leads.
fn in_path(name: &str) -> Result<PathBuf, String> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = folders.map(|folder| folder.join(name)).find(|file| file.is_file());
    found.ok_or_else(|| "not installed".to_owned())
}

const AS_IT_COMES: &str = "ser2net";
const TUNED: &str = "ser2net-tuned";

/// How many processes a peer may be that takes one for each port.
const PROCESSES: usize = 256;

const PYSERIAL_VERSION: &str =
    "import serial, sys; print('pyserial', serial.__version__, 'on Python', sys.version.split()[0])";

/// Runs the script as it is, only that it does not listen on every address of the machine.
const ON_LOOPBACK: &str = "\
import runpy, socket, sys
bind = socket.socket.bind
socket.socket.bind = lambda self, address: bind(self, ('127.0.0.1', address[1]))
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name='__main__')
";
