//! The settings of a socket's file: its path, and who may connect.

use std::path::PathBuf;

use serde::{Serialize, Serializer};

use super::layer::{KeepaliveLayer, ListenerLayer};
use super::source::Problem;
use super::tree::{Node, Scalar, Style, Value};
use super::values::{text, visible, written, Wrong};
use super::Address;
use crate::error::shown;

/// Who may connect to a listener on a unix socket: users who may write to its file (unix(7)).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SocketRights {
    /// Its access rights, up to 0o777.
    #[serde(serialize_with = "octal")]
    pub mode: u32,
    /// The user that it is given to; `None`: it keeps the program's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The group that it is given to; `None`: it keeps the program's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

impl Default for SocketRights {
    fn default() -> Self {
        SocketRights { mode: 0o660, owner: None, group: None }
    }
}

/// The rights of a listener's file; `None` where it has none. What speaks of the other kind of listener is a fault.
pub(super) fn rights(listener: &ListenerLayer, problems: &mut Vec<Problem>) -> Option<SocketRights> {
    if !listener.address.as_ref()?.value.is_unix() {
        let keys =
            [written(listener.mode.as_ref()), written(listener.owner.as_ref()), written(listener.group.as_ref())];
        for (place, path) in keys.into_iter().flatten() {
            let key = path.rsplit('.').next().unwrap_or_default();
            let message = format!("`{key}` is for the file of a unix socket, and this address has none");
            problems.push(Problem::new(place, path, message).help(
                "write `address: unix:/run/sermux/NAME.sock`, or remove the key; `allow` says which hosts may connect",
            ));
        }
        return None;
    }
    let client = &listener.client;
    let networks = [client.allow.as_ref(), client.deny.as_ref()].into_iter().flatten();
    for set in networks.filter(|set| !set.value.is_empty()) {
        let message = "clients of a unix socket have no network address";
        problems.push(
            Problem::new(set.place, &set.path, message)
                .help("remove it; the rights of the socket's file say who may connect: `mode`, `owner`, `group`"),
        );
    }
    if let Some(set) = client.keepalive.as_ref().filter(|set| !matches!(set.value, KeepaliveLayer::Off)) {
        let message = "a unix socket has no `keepalive`: the system reports at once when the other end disconnects";
        problems.push(Problem::new(set.place, &set.path, message).help("remove the key"));
    }
    let built_in = SocketRights::default();
    Some(SocketRights {
        mode: listener.mode.as_ref().map_or(built_in.mode, |set| set.value),
        owner: listener.owner.as_ref().map(|set| set.value.clone()),
        group: listener.group.as_ref().map(|set| set.value.clone()),
    })
}

/// For serde's `serialize_with`.
pub(super) fn octal<S: Serializer>(mode: &u32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{mode:04o}"))
}

pub(super) fn socket(node: &Node) -> Result<PathBuf, Wrong> {
    let text = visible(node, "a path such as /run/sermux/control.sock")?;
    if !text.starts_with('/') {
        let message = format!("`{}` is not a full path", shown(text));
        return Err(Wrong::new(message, "write a path such as /run/sermux/control.sock"));
    }
    if text.len() > Address::LONGEST_PATH {
        return Err(Wrong::new("the path of a socket has at most 107 bytes", "choose a shorter one, under /run"));
    }
    Ok(PathBuf::from(text))
}

pub(super) fn group(node: &Node) -> Result<String, Wrong> {
    name(node, "group", "write a group that `getent group` lists")
}

pub(super) fn owner(node: &Node) -> Result<String, Wrong> {
    name(node, "user", "write a user that `getent passwd` lists")
}

fn name(node: &Node, of: &str, help: &str) -> Result<String, Wrong> {
    let text = text(node, &format!("the name of a {of}"))?;
    let is_name = (1..=32).contains(&text.len())
        && !text.starts_with('-')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'$'));
    if !is_name {
        return Err(Wrong::new(format!("`{}` cannot be the name of a {of}", shown(text)), help));
    }
    Ok(text.to_owned())
}

pub(super) fn mode(node: &Node) -> Result<u32, Wrong> {
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
