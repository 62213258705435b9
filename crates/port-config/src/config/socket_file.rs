//! What is said of a socket's file: where it is, and who may connect.

use std::path::PathBuf;

use serde::Serializer;

use super::tree::{Node, Scalar, Style, Value};
use super::values::{text, visible, Wrong};
use crate::error::shown;

/// For serde's `serialize_with`.
pub(super) fn octal<S: Serializer>(mode: &u32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{mode:04o}"))
}

pub(super) fn socket(node: &Node) -> Result<PathBuf, Wrong> {
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

pub(super) fn group(node: &Node) -> Result<String, Wrong> {
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
