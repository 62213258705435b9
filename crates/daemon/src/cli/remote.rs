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

use super::Arguments;
use crate::control::client::{segment, Answer, AnswerLines, Connection};
use crate::control::place;
use crate::control::request::RefusedShape;

/// A daemon that cannot be reached, and why.
#[derive(Debug)]
pub(super) struct Unreachable {
    what: String,
    help: String,
    is_forbidden: bool,
}

impl Unreachable {
    /// It is there, and not for this user.
    pub(super) fn is_forbidden(&self) -> bool {
        self.is_forbidden
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  {}", self.what, self.help)
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
    /// In a line or a few.
    pub(super) fn text(&self) -> String {
        match self {
            NotDone::Unreachable(why) => why.to_string(),
            NotDone::Refused(_, refused) => refused.error.clone(),
            NotDone::Broken(error) => format!("the daemon does not answer: {error}"),
        }
    }

    /// Says it on standard error.
    pub(super) fn complain(self) -> ExitCode {
        match self {
            NotDone::Unreachable(why) => note!("{why}"),
            NotDone::Refused(_, RefusedShape { error, help, faults }) => {
                faults.iter().for_each(|fault| note_part!("{fault}"));
                note!("{error}");
                if let Some(help) = help {
                    note!("  {help}");
                }
            }
            NotDone::Broken(error) => note!("the daemon does not answer: {error}"),
        }
        ExitCode::FAILURE
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
    let (places, note) = places(arguments);
    for place in &places {
        match Connection::open(place) {
            Ok(connection) => return Ok(connection),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(forbidden(place)),
            Err(error) => {
                let what = format!("{}: {error}", place.display());
                let help = "is another program's socket there?".to_owned();
                return Err(Unreachable { what, help, is_forbidden: false });
            }
        }
    }
    let tried: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
    let what = format!("sermux is not running: nobody listens on {}", tried.join(" or "));
    let help = "start it with `systemctl start sermux`, or with `sermux serve`; --control names another socket";
    Err(Unreachable { what, help: note.unwrap_or_else(|| help.to_owned()), is_forbidden: false })
}

/// Where to look, and what there is to say if nobody is there.
fn places(arguments: &Arguments) -> (Vec<PathBuf>, Option<String>) {
    if let Some(place) = &arguments.control {
        return (vec![place.clone()], None);
    }
    let file = arguments.config.display();
    match load_control(&arguments.config) {
        Ok(Some(control)) => match control.socket {
            ControlSocket::Path(place) => (vec![place], None),
            ControlSocket::Usual => (place::usual(), None),
        },
        Ok(None) => (place::usual(), Some(format!("{file} says `control: off`, so there may be nobody to ask"))),
        // Whoever may not read it looks where it usually is.
        Err(_) => (place::usual(), None),
    }
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
        Some((user, None)) => format!("it is for {user} and root; `control: {{ group: … }}` lets others in"),
        None => "use sudo".to_owned(),
    };
    Unreachable { what, help, is_forbidden: true }
}
