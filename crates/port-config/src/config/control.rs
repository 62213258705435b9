//! `control:`: the socket that `sermux status` and the other commands talk to.

use std::path::PathBuf;

use serde::{Serialize, Serializer};

use super::keys::{find, Role, Section};
use super::layer::entries;
use super::socket_file::{self, group, mode, socket};
use super::source::{Place, Problem};
use super::tree::{join, Node};
use super::values::{read, FALSE, TRUE};

/// `control:`
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Control {
    /// Where it is.
    #[serde(skip_serializing_if = "ControlSocket::is_usual")]
    pub socket: ControlSocket,
    /// The group that it is given to; `None`: it keeps the program's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Its access rights, up to 0o777.
    #[serde(serialize_with = "socket_file::octal")]
    pub mode: u32,
}

impl Default for Control {
    fn default() -> Self {
        Control { socket: ControlSocket::Usual, group: None, mode: 0o660 }
    }
}

/// `control: { socket: … }`
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ControlSocket {
    /// Where the program's circumstances say: /run/sermux/control.sock as a service, else
    /// $XDG_RUNTIME_DIR/sermux/control.sock. In a file: the key is left out.
    Usual,
    /// This full path.
    Path(PathBuf),
}

impl ControlSocket {
    /// Where it usually is, of the service.
    pub const OF_SERVICE: &'static str = "/run/sermux/control.sock";

    fn is_usual(&self) -> bool {
        *self == ControlSocket::Usual
    }
}

/// For serde's `serialize_with`: `None` is `off`.
pub(super) fn control_or_off<S: Serializer>(control: &Option<Control>, serializer: S) -> Result<S::Ok, S::Error> {
    match control {
        Some(control) => control.serialize(serializer),
        None => serializer.serialize_str("off"),
    }
}

/// The section as it is written, and where its socket is; `None` is `off`.
pub(super) fn control(
    node: &Node,
    path: &str,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) -> (Option<Control>, Option<Place>) {
    if node.is_word(FALSE) {
        return (None, None);
    }
    let (mut control, mut place) = (Control::default(), None);
    if node.is_word(TRUE) {
        return (Some(control), None);
    }
    for entry in entries(node, path, "`off`, or { socket: /run/sermux/control.sock, mode: \"0660\" }", problems) {
        let path = join(path, &entry.key.text);
        let value = &entry.value;
        let Some(key) = find(Role::Inside(Section::Control), entry, &path, problems) else {
            continue;
        };
        match key.name {
            "socket" => {
                if let Some(set) = read(value, &path, problems, socket) {
                    control.socket = ControlSocket::Path(set.value);
                    place = Some(set.place);
                }
            }
            "group" => control.group = read(value, &path, problems, group).map(|set| set.value),
            _ => {
                let Some(set) = read(value, &path, problems, mode) else { continue };
                control.mode = set.value;
                if set.value & 0o002 != 0 {
                    warnings.push(
                        Problem::new(set.place, &set.path, "everybody on this machine may command the ports")
                            .help("write \"0660\" and name a `group` for those who may"),
                    );
                }
            }
        }
    }
    (Some(control), place)
}
