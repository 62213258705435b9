//! Bytes that a device sends and that mean something: `close-on`, and `until` of `gather`.

use serde::Serialize;

use super::banner::{plain, BannerError};
use super::tree::Node;
use super::values::{text, Wrong};
use crate::error::shown;

/// A text with the escapes of C, as it is written, and the bytes that it stands for: 1 to [`Marker::MAX`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub struct Marker {
    text: Box<str>,
    bytes: Box<[u8]>,
}

impl Marker {
    /// The longest, in bytes.
    pub const MAX: usize = 64;

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl From<Marker> for String {
    fn from(marker: Marker) -> String {
        marker.text.into()
    }
}

pub(super) fn marker(node: &Node) -> Result<Marker, Wrong> {
    let text = text(node, "a text such as 'logout\\r\\n'")?;
    let help = "the escapes are \\r \\n \\t and others of C, \\xFF and \\377 for a byte, and \\\\ for a backslash";
    let bytes = plain(text).map_err(|error| match error {
        BannerError::Unknown(escape) if !escape.is_empty() => {
            Wrong::new(format!("`\\{}` is not an escape of C", shown(&escape)), help)
        }
        _ => Wrong::new("the text ends with a single backslash", help),
    })?;
    if (1..=Marker::MAX).contains(&bytes.len()) {
        return Ok(Marker { text: text.into(), bytes: bytes.into() });
    }
    let message = format!("the text stands for {} bytes, and 1 to {} are possible", bytes.len(), Marker::MAX);
    Err(Wrong::new(message, "write a shorter text, or leave the key out"))
}
