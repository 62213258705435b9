//! `replay:`, what a new client gets of the past.

use serde::{Serialize, Serializer};

use super::tree::Node;
use super::values::{size, text, Wrong};
use crate::units::format_size;

/// What of the past a new client gets before anything new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Replay {
    /// Nothing.
    #[default]
    None,
    /// The newest bytes, at most this number.
    Bytes(usize),
    /// The newest frames, at most this number.
    Frames(u64),
}

impl Replay {
    /// The most frames: more than that is a recording.
    pub const MOST_FRAMES: u64 = 100;

    /// As the file has it.
    fn written(self) -> String {
        match self {
            Replay::None => "0".to_owned(),
            Replay::Bytes(bytes) => format_size(bytes),
            Replay::Frames(1) => "1 frame".to_owned(),
            Replay::Frames(frames) => format!("{frames} frames"),
        }
    }
}

impl Serialize for Replay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.written())
    }
}

/// `0`, `16 KiB` or `1 frame`.
pub(super) fn replay(node: &Node) -> Result<Replay, Wrong> {
    let written = text(node, "a size such as `16 KiB`, or `1 frame`")?;
    let Some(frames) = written.strip_suffix("frame").or_else(|| written.strip_suffix("frames")) else {
        return match size(node, 0..=64 * 1024 * 1024)? {
            0 => Ok(Replay::None),
            bytes => Ok(Replay::Bytes(bytes)),
        };
    };
    match frames.trim_end().parse::<u64>() {
        Ok(0) => Ok(Replay::None),
        Ok(frames) if frames <= Replay::MOST_FRAMES => Ok(Replay::Frames(frames)),
        _ => Err(Wrong::new(
            format!("`{}` is not a number of frames", crate::error::shown(written)),
            format!("write `1 frame`, or up to `{} frames`", Replay::MOST_FRAMES),
        )),
    }
}
