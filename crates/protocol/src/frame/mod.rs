//! Frames: units in what the line sends that must not be cut.
//!
//! A framer sees every received byte once and returns the frames by their place in the stream; the bytes stay in the
//! caller's buffer, where it may look at them again.

pub mod crc16;
pub mod delimited;
pub mod held;
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
    /// The frame carries a check, and it is right by another rule than the standard's.
    GoodBy(OtherCrc),
    /// The frame carries a check that is wrong or unreadable, or none where there should be one.
    Bad,
    /// The frame carries no check (DSMR 2 and 3).
    Absent,
}

/// How a CRC is right that is none of the standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherCrc {
    /// It is a CRC-16/X-25: some Hungarian meters.
    X25,
    /// It was computed while lines ended in CR LF; since then something has taken each CR away.
    OverCrLf,
}

impl Check {
    /// Whether there is a check, and it is right by any rule.
    pub fn is_good(self) -> bool {
        matches!(self, Check::Good | Check::GoodBy(_))
    }
}
