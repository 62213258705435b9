//! The settings that only telnet listeners have.
//!
//! On a port these keys are defaults, which its raw listeners pass by; on a raw listener itself they are faults.

use super::layer::ListenerLayer;
use super::source::Problem;
use super::tree::Node;
use super::values::{text, visible, written, ValueAt, Wrong};
use super::{Access, Banner, BannerError, Telnet};

/// The word of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProtocolWord {
    Raw,
    Telnet,
}

pub(super) fn banner(node: &Node) -> Result<Banner, Wrong> {
    let text = text(node, "a text such as \"\\\\N \\\\d \\\\s\\r\\n\"")?;
    text.parse().map_err(|error: BannerError| Wrong::new(error.to_string(), error.help()))
}

/// An answer without a text would be a question (RFC 2217, SIGNATURE).
pub(super) fn signature(node: &Node) -> Result<String, Wrong> {
    let text = visible(node, "a text such as \"sermux\"")?;
    if (1..=Telnet::MAX_SIGNATURE).contains(&text.len()) {
        return Ok(text.to_owned());
    }
    Err(Wrong::new(
        if text.is_empty() { "the signature is empty" } else { "the signature is longer than 255 bytes" },
        "write 1 to 255 characters, or leave the key out",
    ))
}

/// What a raw listener has no words for.
pub(super) fn refuse_on_raw(listener: &ListenerLayer, problems: &mut Vec<Problem>) {
    let client = &listener.client;
    for (place, path) in [
        written(listener.rfc2217.as_ref()),
        written(listener.notify.as_ref()),
        written(client.signature.as_ref()),
        written(client.break_on_sync.as_ref()),
        written(client.enter.as_ref()),
    ]
    .into_iter()
    .flatten()
    {
        let key = path.rsplit('.').next().unwrap_or_default();
        let message = format!("a raw listener has no `{key}`: it hands over the bytes and nothing else");
        problems.push(Problem::new(place, path, message).help("write `protocol: telnet`, or remove the key"));
    }
}

/// `access: control` where there are no words to control with.
pub(super) fn warn_of_control(access: &ValueAt<Access>, warnings: &mut Vec<Problem>) {
    warnings.push(
        Problem::new(access.place, &access.path, "`control` on a raw listener is no more than `read-write`")
            .help("write `read-write`; settings and modem lines need `protocol: telnet` with `rfc2217: true`"),
    );
}
