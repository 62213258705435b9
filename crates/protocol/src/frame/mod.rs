//! Frames: units in what the line sends that must not be cut.
//!
//! A framer is told every received byte and names the frames by their place in the stream; the bytes stay in the
//! caller's buffer.

pub mod crc16;
pub mod delimited;
pub mod p1;

/// One whole frame, by its place in the received stream: the bytes `start..end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Absolute offset of the first byte.
    pub start: u64,
    /// Absolute offset behind the last byte.
    pub end: u64,
    /// What the frame's own check says about its bytes.
    pub check: Check,
}

/// Whether a frame arrived as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// The frame carries a check, and it is right.
    Good,
    /// The frame carries a check, and it is wrong or unreadable.
    Bad,
    /// The frame carries no check (DSMR 2 and 3).
    Absent,
}
