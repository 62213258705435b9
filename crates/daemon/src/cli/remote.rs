//! The commands that talk to a running daemon: where it is, what it is asked, what it refuses.

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nix::unistd::{Gid, Group, Uid, User};
use serde::de::DeserializeOwned;
use serde::Serialize;
use sermux_port_config::config::load::load_control;
use sermux_port_config::config::ControlSocket;

use super::others::{self, OtherSermux};
use super::Arguments;
use crate::control::client::{segment, Answer, AnswerLines, Connection};
use crate::control::place;
use crate::control::request::{RefusedKind, RefusedShape};
use crate::supervisor::ConfigSource;

/// A daemon that cannot be reached, and why.
#[derive(Debug)]
pub(super) struct Unreachable {
    why: Why,
    what: String,
    help: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// Nothing listens on its socket.
    NotRunning,
    /// It is there, and not for this user.
    Forbidden,
    /// The configuration that the command line names is not there.
    NoFile,
    Other,
}

impl Unreachable {
    pub(super) fn is_forbidden(&self) -> bool {
        self.why == Why::Forbidden
    }

    pub(super) fn is_not_running(&self) -> bool {
        self.why == Why::NotRunning
    }

    pub(super) fn code(&self) -> u8 {
        match self.why {
            Why::NotRunning => super::NOT_RUNNING,
            Why::Forbidden => super::FORBIDDEN,
            Why::NoFile => super::CONFIGURATION,
            Why::Other => 1,
        }
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        self.help.iter().try_for_each(|help| write!(f, "\n  {help}"))
    }
}

/// What a command comes to when it is not done.
#[derive(Debug)]
pub(super) enum NotDone {
    /// The daemon cannot be reached.
    Unreachable(Unreachable),
    /// The daemon says no.
    Refused(u16, RefusedShape),
    /// The connection broke, or what came makes no sense.
    Broken(io::Error),
}

impl NotDone {
    /// The running program is not of this version, which matters for this reason.
    pub(super) fn other_version(why: &str) -> NotDone {
        let error = format!("the running sermux is of another version, and {why}");
        NotDone::Refused(
            501,
            RefusedShape { error, help: Some("restart it".to_owned()), kind: None, faults: Vec::new() },
        )
    }

    /// There is no such port among these.
    pub(super) fn no_port<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> NotDone {
        let known: Vec<&str> = known.collect();
        let help =
            if known.is_empty() { "there are no ports".to_owned() } else { format!("there is {}", known.join(", ")) };
        let error = format!("there is no port `{}`", name.escape_debug());
        let refused = RefusedShape { error, help: Some(help), kind: Some(RefusedKind::NoPort), faults: Vec::new() };
        NotDone::Refused(404, refused)
    }

    /// Whether it may be over in a moment.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            NotDone::Unreachable(why) => why.is_not_running(),
            NotDone::Refused(status, _) => *status == 503,
            NotDone::Broken(_) => true,
        }
    }

    /// In a line or a few.
    pub(super) fn text(&self) -> String {
        match self {
            NotDone::Unreachable(why) => why.to_string(),
            NotDone::Refused(_, refused) => refused.error.clone(),
            NotDone::Broken(error) => format!("the running sermux does not answer: {error}"),
        }
    }

    /// Reports it on standard error.
    pub(super) fn complain(self) -> ExitCode {
        let code = match &self {
            NotDone::Unreachable(why) => why.code(),
            NotDone::Refused(_, refused) if refused.kind == Some(RefusedKind::NoPort) => super::NO_PORT,
            NotDone::Refused(..) | NotDone::Broken(_) => 1,
        };
        match self {
            NotDone::Unreachable(why) => note!("{why}"),
            NotDone::Refused(_, RefusedShape { error, help, faults, .. }) => {
                faults.iter().for_each(|fault| note_part!("{fault}"));
                note!("{error}");
                if let Some(help) = help {
                    note!("  {help}");
                }
            }
            NotDone::Broken(error) => note!("the running sermux does not answer: {error}"),
        }
        ExitCode::from(code)
    }
}

/// Asks how something is; the answer as the daemon writes it.
pub(super) fn get(arguments: &Arguments, path: &str) -> Result<Vec<u8>, NotDone> {
    done(ask(arguments, "GET", path, b"")?)
}

/// Asks for something to be done.
pub(super) fn post<T: DeserializeOwned>(
    arguments: &Arguments,
    path: &str,
    body: &impl Serialize,
) -> Result<T, NotDone> {
    let body = serde_json::to_vec(body).map_err(|error| NotDone::Broken(error.into()))?;
    understand(&done(ask(arguments, "POST", path, &body)?)?)
}

/// The path of a port, or of something that is done to it.
pub(super) fn of_port(port: &str, what: &str) -> String {
    let slash = if what.is_empty() { "" } else { "/" };
    format!("/v1/ports/{}{slash}{what}", segment(port))
}

/// What an answer says.
pub(super) fn understand<T: DeserializeOwned>(body: &[u8]) -> Result<T, NotDone> {
    serde_json::from_slice(body).map_err(|error| NotDone::Broken(error.into()))
}

fn done(Answer { status, body }: Answer) -> Result<Vec<u8>, NotDone> {
    if status == 200 {
        return Ok(body);
    }
    Err(NotDone::Refused(status, understand(&body)?))
}

/// Asks for an answer that goes on, line by line.
pub(super) fn follow(arguments: &Arguments, path: &str) -> Result<AnswerLines, NotDone> {
    let connection = connect(arguments).map_err(NotDone::Unreachable)?;
    match connection.follow(path).map_err(NotDone::Broken)? {
        Ok(lines) => Ok(lines),
        Err(Answer { status, body }) => Err(NotDone::Refused(status, understand(&body)?)),
    }
}

fn ask(arguments: &Arguments, method: &str, path: &str, body: &[u8]) -> Result<Answer, NotDone> {
    let connection = connect(arguments).map_err(NotDone::Unreachable)?;
    connection.ask(method, path, body).map_err(NotDone::Broken)
}

/// To the first place where somebody listens.
fn connect(arguments: &Arguments) -> Result<Connection, Unreachable> {
    let places = places(arguments)?;
    for place in &places.sockets {
        match Connection::open(place) {
            Ok(connection) => return Ok(connection),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(forbidden(place)),
            Err(error) => {
                let what = format!("{}: {error}", place.display());
                let help = vec!["is another program's socket there?".to_owned()];
                return Err(Unreachable { why: Why::Other, what, help });
            }
        }
    }
    Err(not_running(arguments, &places))
}

/// Where to look.
struct Places {
    sockets: Vec<PathBuf>,
    /// How the one that was named was named; nothing for the usual ones.
    named_by: Option<String>,
    /// The configuration turns it off.
    is_off: bool,
}

fn places(arguments: &Arguments) -> Result<Places, Unreachable> {
    let named = |place: PathBuf, by: String| Places { sockets: vec![place], named_by: Some(by), is_off: false };
    let usual = |is_off| Places { sockets: place::usual(), named_by: None, is_off };
    if let Some(place) = &arguments.control {
        let by = if arguments.names_control { "--control" } else { "SERMUX_CONTROL" };
        return Ok(named(place.clone(), by.to_owned()));
    }
    let file = &arguments.config;
    if arguments.names_config && !file.exists() && file.as_os_str() != ConfigSource::STDIN {
        let what = format!("{}: there is no such file", file.display());
        let help = vec!["--config names the configuration of the sermux that runs".to_owned()];
        return Err(Unreachable { why: Why::NoFile, what, help });
    }
    Ok(match load_control(file) {
        Ok(Some(control)) => match control.socket {
            ControlSocket::Path(place) => named(place, format!("`control.socket` in {}", file.display())),
            ControlSocket::Usual => usual(false),
        },
        Ok(None) => usual(true),
        // A user who may not read it finds the socket where it usually is.
        Err(_) => usual(false),
    })
}

/// What is known about why nothing listens, and what to do.
fn not_running(arguments: &Arguments, places: &Places) -> Unreachable {
    let tried: Vec<String> = places.sockets.iter().map(|place| place.display().to_string()).collect();
    let nobody = format!("nothing listens on {}", tried.join(" or "));
    let mut help = Vec::new();
    if places.is_off {
        help.push(format!("{} has `control: off`, so sermux has no control socket", arguments.config.display()));
    }
    if let Some(by) = &places.named_by {
        help.push(format!("{by} names this socket"));
    }
    let others = OtherSermux::all();
    let what = if others.is_empty() {
        help.push(if others::service_has_failed() {
            "the service has failed: `sermux check` checks the configuration, `journalctl -u sermux` shows the log"
                .to_owned()
        } else {
            "start it with `sudo systemctl start sermux`, or with `sermux serve`".to_owned()
        });
        format!("sermux is not running: {nobody}")
    } else {
        help.extend(others::list(&others));
        help.push(match others.iter().find_map(OtherSermux::option) {
            Some(option) => format!("ask it with `sermux {option} ...`"),
            None => "name its socket with --control SOCKET, or its configuration with --config FILE".to_owned(),
        });
        format!("cannot find the control socket of the sermux that runs: {nobody}")
    };
    Unreachable { why: Why::NotRunning, what, help }
}

fn forbidden(place: &Path) -> Unreachable {
    let what = format!("{}: permission denied", place.display());
    let owner = std::fs::metadata(place).ok().map(|metadata| {
        let user = User::from_uid(Uid::from_raw(metadata.uid())).ok().flatten().map(|user| user.name);
        let group = Group::from_gid(Gid::from_raw(metadata.gid())).ok().flatten().map(|group| group.name);
        let group = group.filter(|_| metadata.mode() & 0o020 != 0);
        (user.unwrap_or_else(|| format!("uid {}", metadata.uid())), group)
    });
    let help = match owner {
        Some((_, Some(group))) => {
            format!("use sudo, or join group {group}: `sudo usermod -aG {group} $USER`, then log in again")
        }
        Some((user, None)) => format!("only {user} and root can use it; `control: {{ group: … }}` admits a group"),
        None => "use sudo".to_owned(),
    };
    Unreachable { why: Why::Forbidden, what, help: vec![help] }
}
