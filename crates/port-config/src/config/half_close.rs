//! `half-close:`: what a client still gets after it has closed its sending side.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::tree::Node;
use super::values::{duration, Wrong, FALSE};
use crate::units::serialize_duration;

/// `half-close:`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HalfClose {
    /// A client that has sent something still receives for this time; one that has sent nothing, until it disconnects.
    For(Duration),
    /// A client that closes its sending side is disconnected. What it sent goes to the line.
    Off,
}

impl HalfClose {
    /// How long a client that has sent something still receives.
    pub fn time(self) -> Duration {
        match self {
            HalfClose::For(time) => time,
            HalfClose::Off => Duration::ZERO,
        }
    }
}

impl Default for HalfClose {
    fn default() -> Self {
        HalfClose::For(Duration::from_secs(10))
    }
}

impl Serialize for HalfClose {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            HalfClose::For(time) => serialize_duration(time, serializer),
            HalfClose::Off => serializer.serialize_str("off"),
        }
    }
}

pub(super) fn half_close(node: &Node) -> Result<HalfClose, Wrong> {
    if node.is_word(FALSE) {
        return Ok(HalfClose::Off);
    }
    let range = Duration::ZERO..=Duration::from_secs(24 * 60 * 60);
    duration(node, range).map(HalfClose::For)
}
