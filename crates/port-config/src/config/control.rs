//! `control:`: the socket that `sermux status` and the other commands talk to.

use std::path::PathBuf;

use serde::{Serialize, Serializer};

use super::keys::{find, Role, Section};
use super::layer::entries;
use super::parse::join;
use super::source::Problem;
use super::tree::{Node, Scalar, Style, Value};
use super::values::{read, text, visible, Wrong, FALSE, TRUE};
use crate::error::shown;

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
    #[serde(serialize_with = "octal")]
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
    fn is_usual(&self) -> bool {
        *self == ControlSocket::Usual
    }
}

fn octal<S: Serializer>(mode: &u32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{mode:04o}"))
}

/// For serde's `serialize_with`: `None` is `off`.
pub(super) fn control_or_off<S: Serializer>(control: &Option<Control>, serializer: S) -> Result<S::Ok, S::Error> {
    match control {
        Some(control) => control.serialize(serializer),
        None => serializer.serialize_str("off"),
    }
}

/// The section as it is written; `None` is `off`.
pub(super) fn control(
    node: &Node,
    path: &str,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) -> Option<Control> {
    if node.is_word(FALSE) {
        return None;
    }
    let mut control = Control::default();
    if node.is_word(TRUE) {
        return Some(control);
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
    Some(control)
}

fn socket(node: &Node) -> Result<PathBuf, Wrong> {
    /// Of `sun_path` without its closing NUL (unix(7)).
    const LONGEST: usize = 107;
    let text = visible(node, "a path such as /run/sermux/control.sock")?;
    if !text.starts_with('/') {
        let message = format!("`{}` is not a full path", shown(text));
        return Err(Wrong::new(message, "write a path such as /run/sermux/control.sock"));
    }
    if text.len() > LONGEST {
        return Err(Wrong::new("the path of a socket has at most 107 bytes", "choose a shorter one, under /run"));
    }
    Ok(PathBuf::from(text))
}

fn group(node: &Node) -> Result<String, Wrong> {
    let text = text(node, "the name of a group")?;
    let is_name = (1..=32).contains(&text.len())
        && !text.starts_with('-')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'$'));
    if !is_name {
        let message = format!("`{}` cannot be the name of a group", shown(text));
        return Err(Wrong::new(message, "write a group that `getent group` lists"));
    }
    Ok(text.to_owned())
}

fn mode(node: &Node) -> Result<u32, Wrong> {
    const HELP: &str =
        "write access rights as a quoted octal number: \"0660\" for owner and group, \"0600\" for the owner";
    let text = text(node, "\"0660\"")?;
    if let Value::Scalar(Scalar { style: Style::Plain, .. }) = node.value {
        let digits = text.trim_start_matches("0o");
        if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Wrong::new(
                format!("`{}` without quotes is octal in YAML 1.1 and decimal in YAML 1.2", shown(text)),
                format!("quote it: \"{:0>4}\"", shown(digits)),
            ));
        }
    }
    if !(3..=4).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Wrong::new(format!("`{}` is not an octal number", shown(text)), HELP));
    }
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777);
    let mode = mode.ok_or_else(|| Wrong::new(format!("`{text}` are not access rights"), HELP))?;
    if mode & 0o600 != 0o600 {
        return Err(Wrong::new(format!("with `{text}` not even the owner could use the socket"), HELP));
    }
    Ok(mode)
}
