//! A port's report: its state for status and metrics.

use std::sync::Arc;
use std::time::Instant;

use sermux_port_config::config::Port;
use sermux_protocol::frame::p1::P1Counters;
use sermux_protocol::rfc2217::View;

use super::hub::{ClientState, Kept, Missing, PortCounters, RequestCounters, StuckReport};
pub use crate::capture::CaptureReport;
use crate::line::{LineCounters, NotCarried};
use crate::net::peer::{Endpoint, Peer};

/// A port as it is now.
#[derive(Clone, Debug)]
pub struct PortReport {
    /// Its configuration.
    pub port: Arc<Port>,
    /// How it is.
    pub state: PortState,
    /// Since when.
    pub since: Instant,
    /// What is known of the line. Without one: the settings that it will be opened with.
    pub view: View,
    /// Where the device does something else than it was asked.
    pub differences: Vec<String>,
    /// What has no wire on this device.
    pub not_carried: Vec<NotCarried>,
    /// What happened so far.
    pub counters: PortCounters,
    /// What happened in the line queue so far.
    pub control: RequestCounters,
    /// What the line's driver has counted since it was opened; `None`: it does not count, or there is no line.
    pub line_counters: Option<LineCounters>,
    /// What the framer has counted, where telegrams are framed.
    pub p1: Option<P1Counters>,
    /// When the last telegram came whose CRC is not wrong.
    pub last_telegram: Option<Instant>,
    /// When the last byte came from the line.
    pub last_rx: Option<Instant>,
    /// What of the past a client would get now.
    pub held: Option<Kept>,
    /// The capture, if there is one.
    pub capture: Option<CaptureReport>,
    /// What does not come although the device is open, of a port that is quiet or gets garbage.
    pub missing: Option<Missing>,
    /// How the line is stuck, if it is.
    pub stuck: Option<StuckReport>,
    /// The latest thing that went wrong with the device.
    pub fault: Option<PortFault>,
    /// Its listeners, in the order of the configuration.
    pub listeners: Vec<ListenerReport>,
    /// Its clients, in no particular order.
    pub clients: Vec<ClientReport>,
}

/// How a port is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortState {
    /// The device is being opened for the first time, or again after it was closed on purpose.
    Opening,
    /// The device is open.
    Open,
    /// The device is open, and takes nothing of what is queued for it.
    Stuck,
    /// The device is open, and what the port is for has been missing for too long (`expect`).
    Quiet,
    /// The device is open, and what comes holds no good telegram, on a port for telegrams.
    Garbage,
    /// The device is being closed.
    Closing,
    /// The device is not there; it is opened when it appears.
    Waiting,
    /// The device is there and cannot be used; it is tried again.
    Faulted,
    /// Somebody asked for the device to be left alone.
    Paused,
    /// The device is closed because nobody uses it (`open: on-demand`).
    Idle,
}

impl PortState {
    /// Whether the device is open.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, PortState::Open | PortState::Stuck | PortState::Quiet | PortState::Garbage)
    }
}

/// Something that went wrong with the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortFault {
    /// What happened, and what to do.
    pub what: String,
    /// When it was first seen.
    pub at: Instant,
    /// Since when it is past.
    pub over: Option<Instant>,
}

/// A listener as it is now.
#[derive(Clone, Debug)]
pub struct ListenerReport {
    /// Its key.
    pub key: usize,
    /// Where it listens, or why it does not; `None`: that is not known yet.
    pub bound: Option<Result<Endpoint, String>>,
    /// How many clients came through it and are there.
    pub clients: usize,
    /// How many connections it closed because of `allow` and `deny`.
    pub turned_away: u64,
    /// How many because of `limits`.
    pub limited: u64,
    /// How many clients seemed to speak something else than it does.
    pub mistaken: u64,
}

/// A client as it is now.
#[derive(Clone, Debug)]
pub struct ClientReport {
    /// The number of the client on this port, counted from 1; never given out again.
    pub number: u64,
    /// Who it is.
    pub peer: Peer,
    /// Where it came in.
    pub local: Option<Endpoint>,
    /// When it connected.
    pub since: Instant,
    /// How it is served now.
    pub state: ClientState,
}
