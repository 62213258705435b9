//! The answer to `GET /v1/status`: its shape in JSON. [`filled`] fills it from a port's report.
//!
//! Names are stable: within `/v1` fields may be added, but none is removed or changes its meaning, and clients must ignore
//! fields they do not know. A command may query an older daemon, so later fields have a default here.

mod filled;

pub(super) use self::filled::trouble;

use serde::{Deserialize, Serialize};

use crate::port::PortState;

/// Everything.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct StatusShape {
    pub(crate) program: ProgramShape,
    /// Every port is well.
    pub(crate) well: bool,
    /// In the order of their names.
    pub(crate) ports: Vec<PortShape>,
}

/// The daemon.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ProgramShape {
    pub(crate) version: String,
    pub(crate) pid: u32,
    pub(crate) started: String,
    pub(crate) uptime_seconds: u64,
    /// The file that a reload reads; none in the demo.
    pub(crate) config: Option<String>,
    #[serde(default)]
    pub(crate) log: LogShape,
    /// The latest failure of each part that belongs to no port.
    #[serde(default)]
    pub(crate) defects: Vec<FaultShape>,
}

/// The log.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct LogShape {
    /// Since the start: the disk was full, or nobody read them.
    pub(crate) lost_records: u64,
    /// What is wrong with it now.
    pub(crate) fault: Option<String>,
}

/// How a port is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum StateShape {
    /// The device is being opened, and nothing is wrong so far.
    Opening,
    Open,
    /// The device is open, and takes nothing of what is queued for it.
    Stuck,
    /// The device is open, and what the port is for has been missing for too long (`expect`).
    Quiet,
    /// The device is open, and what comes holds no good telegram, on a port for telegrams.
    Garbage,
    Closing,
    /// The device is not there; it is opened when it appears.
    Waiting,
    /// The device is there and cannot be used, or does not answer; it is tried again.
    Faulted,
    /// The device is left alone until `resume`.
    Paused,
    /// The device is closed until a client comes (`open: on-demand`).
    Idle,
    /// `enable: false`
    Disabled,
    /// A newer daemon knows it.
    #[serde(other)]
    Unknown,
}

impl StateShape {
    pub(crate) fn name(self) -> &'static str {
        match self {
            StateShape::Opening => "opening",
            StateShape::Open => "open",
            StateShape::Stuck => "stuck",
            StateShape::Quiet => "quiet",
            StateShape::Garbage => "garbage",
            StateShape::Closing => "closing",
            StateShape::Waiting => "waiting",
            StateShape::Faulted => "faulted",
            StateShape::Paused => "paused",
            StateShape::Idle => "idle",
            StateShape::Disabled => "disabled",
            StateShape::Unknown => "unknown",
        }
    }

    fn is_well(self) -> bool {
        !matches!(
            self,
            StateShape::Waiting
                | StateShape::Faulted
                | StateShape::Paused
                | StateShape::Stuck
                | StateShape::Quiet
                | StateShape::Garbage
        )
    }

    /// Whether the device is open.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, StateShape::Open | StateShape::Stuck | StateShape::Quiet | StateShape::Garbage)
    }
}

impl From<PortState> for StateShape {
    fn from(state: PortState) -> StateShape {
        match state {
            PortState::Opening => StateShape::Opening,
            PortState::Open => StateShape::Open,
            PortState::Stuck => StateShape::Stuck,
            PortState::Quiet => StateShape::Quiet,
            PortState::Garbage => StateShape::Garbage,
            PortState::Closing => StateShape::Closing,
            PortState::Waiting => StateShape::Waiting,
            PortState::Faulted => StateShape::Faulted,
            PortState::Paused => StateShape::Paused,
            PortState::Idle => StateShape::Idle,
        }
    }
}

/// A port.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct PortShape {
    pub(crate) name: String,
    pub(crate) state: StateShape,
    /// Since when it is in this state.
    pub(crate) since: Option<String>,
    pub(crate) since_seconds: u64,
    /// The device serves, or will as soon as somebody comes, every listener listens, and the capture is written.
    pub(crate) well: bool,
    pub(crate) device: DeviceShape,
    pub(crate) line: LineShape,
    /// Only of an open device.
    pub(crate) modem: Option<ModemShape>,
    /// A break is being sent.
    #[serde(rename = "break")]
    pub(crate) break_on: bool,
    pub(crate) counters: CountersShape,
    /// When the last byte came from the line.
    #[serde(default)]
    pub(crate) last_rx: Option<String>,
    #[serde(default)]
    pub(crate) last_rx_seconds: Option<u64>,
    /// What a client that comes now is given of the past (`replay`).
    #[serde(default)]
    pub(crate) history: Option<HistoryShape>,
    /// Only with `frame: dsmr`.
    pub(crate) frames: Option<FramesShape>,
    /// Since the device was opened; only where its driver counts.
    pub(crate) errors: Option<ErrorsShape>,
    pub(crate) listeners: Vec<ListenerShape>,
    /// In the order in which they came.
    pub(crate) clients: Vec<ClientShape>,
    /// Only with `capture`.
    #[serde(default)]
    pub(crate) capture: Option<CaptureShape>,
    /// What does not come although the device is open, and what to do.
    #[serde(default)]
    pub(crate) advice: Option<String>,
    /// Only while the line takes nothing.
    #[serde(default)]
    pub(crate) stuck: Option<StuckShape>,
    /// The latest thing that was wrong with the device.
    pub(crate) fault: Option<FaultShape>,
}

/// A device.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct DeviceShape {
    pub(crate) configured: String,
    /// Where that leads now; none when there is no such node.
    pub(crate) path: Option<String>,
}

/// Line settings, in the short form (`9600 7E1 rts-cts`).
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct LineShape {
    pub(crate) configured: String,
    /// What the device has, read back; only of an open one.
    pub(crate) actual: Option<String>,
    /// Where the device does something else than it was asked.
    pub(crate) differences: Vec<String>,
    /// What has no wire on this device.
    pub(crate) not_carried: Vec<String>,
}

/// The modem lines: true is raised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ModemShape {
    pub(crate) dtr: bool,
    pub(crate) rts: bool,
    pub(crate) cts: bool,
    pub(crate) dsr: bool,
    pub(crate) ri: bool,
    pub(crate) dcd: bool,
}

/// Since the port was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct CountersShape {
    /// From the line.
    pub(crate) rx_bytes: u64,
    /// To the line.
    pub(crate) tx_bytes: u64,
    /// Sent by clients and thrown away because there was no device.
    pub(crate) tx_lost_bytes: u64,
    /// Sent by clients that may not write, and thrown away.
    pub(crate) tx_refused_bytes: u64,
    /// Sent by clients and purged, or in the way of a break.
    pub(crate) tx_purged_bytes: u64,
    /// Sent by clients that had gone before the line took it, and thrown away.
    pub(crate) tx_discarded_bytes: u64,
    /// Of the line that clients never got; each counts its own.
    pub(crate) gap_bytes: u64,
    pub(crate) skipped_frames: u64,
    /// Longer than a quarter of the backlog, and therefore cut.
    pub(crate) cut_frames: u64,
    /// Of clients: half frames that went to the line as they were.
    pub(crate) tx_cut_frames: u64,
    /// Of telnet clients: too long, or without an end.
    pub(crate) dropped_subnegotiations: u64,
    /// Of telnet clients: none of telnet or of RFC 2217.
    pub(crate) unknown_commands: u64,
    /// Clients so far.
    pub(crate) clients: u64,
    /// Turned away because the listener was full, or because the device was not there (`on-gone: disconnect`).
    pub(crate) clients_refused: u64,
    /// What clients asked of the line by RFC 2217.
    pub(crate) control_requests: u64,
    /// Changes that were made although bytes before them had not left.
    pub(crate) control_late: u64,
    /// Operations that the device refused.
    pub(crate) control_failed: u64,
    /// Requests that were not carried out: their client had gone, or somebody purged the port.
    pub(crate) control_dropped: u64,
}

/// What the framer has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct FramesShape {
    pub(crate) telegrams: u64,
    pub(crate) crc_failures: u64,
    /// Those of the failures that have no CRC where there should be one.
    pub(crate) crc_missing: u64,
    /// Right by another rule than the standard's.
    pub(crate) crc_x25: u64,
    pub(crate) crc_over_cr_lf: u64,
    pub(crate) oversized: u64,
    pub(crate) abandoned: u64,
    pub(crate) stray_bytes: u64,
    /// Since the last one came whose CRC is not wrong.
    pub(crate) last_telegram_seconds: Option<u64>,
}

/// What the device's driver has counted, in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct ErrorsShape {
    pub(crate) framing: u64,
    pub(crate) parity: u64,
    pub(crate) overrun: u64,
    pub(crate) breaks: u64,
    pub(crate) buffer_overrun: u64,
}

/// A listener.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ListenerShape {
    pub(crate) protocol: String,
    pub(crate) rfc2217: bool,
    pub(crate) configured: String,
    /// Where it listens; none while it does not.
    pub(crate) address: Option<String>,
    /// All of them: there are two on the loopback.
    #[serde(default)]
    pub(crate) addresses: Vec<String>,
    /// Why it does not.
    pub(crate) fault: Option<String>,
    pub(crate) access: String,
    pub(crate) clients: usize,
    pub(crate) max_clients: usize,
    /// Connections that were closed because of `allow` and `deny`.
    #[serde(default)]
    pub(crate) turned_away: u64,
    /// Connections that were closed because of `limits`.
    #[serde(default)]
    pub(crate) limited: u64,
    /// Clients that seemed to speak another protocol.
    #[serde(default)]
    pub(crate) wrong_protocol: u64,
}

/// A client.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ClientShape {
    /// Its number on this port, never given out again.
    pub(crate) id: u64,
    pub(crate) address: String,
    /// The `configured` of its listener.
    pub(crate) listener: String,
    pub(crate) protocol: String,
    pub(crate) access: String,
    pub(crate) since: String,
    pub(crate) since_seconds: u64,
    /// Of the line, to it.
    pub(crate) sent_bytes: u64,
    /// From it.
    pub(crate) received_bytes: u64,
    /// From it, and thrown away: it may not write, or there was no device.
    pub(crate) refused_bytes: u64,
    /// Of the line that it never got.
    pub(crate) gap_bytes: u64,
    /// Of the line that it purged.
    pub(crate) purged_bytes: u64,
    pub(crate) skipped_frames: u64,
    /// From it, by telnet: too long, or without an end.
    #[serde(default)]
    pub(crate) dropped_subnegotiations: u64,
    /// From it, by telnet: none of telnet or of RFC 2217.
    #[serde(default)]
    pub(crate) unknown_commands: u64,
    /// Of the line that it has not got yet.
    pub(crate) lag_bytes: u64,
    /// How long the oldest of these has been here.
    #[serde(default)]
    pub(crate) lag_seconds: Option<u64>,
    /// What it was given of the past when it came.
    #[serde(default)]
    pub(crate) history: Option<HistoryShape>,
    /// It asked for no data for now (RFC 2217).
    pub(crate) suspended: bool,
    /// It is the one that may write (`write: first` and `last`).
    #[serde(default)]
    pub(crate) has_pen: bool,
    /// It sends no more, and stays as a reader.
    pub(crate) half_closed: bool,
    /// What it says it is (RFC 2217).
    pub(crate) signature: Option<String>,
}

/// A part of the past: bytes or frames.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct HistoryShape {
    pub(crate) bytes: Option<u64>,
    pub(crate) frames: Option<u64>,
    /// When the oldest of it came.
    pub(crate) since: String,
    pub(crate) since_seconds: u64,
}

/// The capture of a port.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct CaptureShape {
    pub(crate) file: String,
    /// Of the line, and in it.
    pub(crate) captured_bytes: u64,
    /// Of the line, and missing in it.
    pub(crate) lost_bytes: u64,
    /// What is wrong with it now.
    pub(crate) fault: Option<String>,
}

/// A line that takes nothing.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct StuckShape {
    pub(crate) since: String,
    pub(crate) since_seconds: u64,
    /// What waits, in the program and in the kernel.
    pub(crate) queued_bytes: u64,
    /// `cts-off`, `cts-on`, `xoff` or `none`.
    pub(crate) flow: String,
}

/// Something that was wrong with the device.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct FaultShape {
    /// What happened, and what to do.
    pub(crate) what: String,
    pub(crate) at: String,
    pub(crate) at_seconds: u64,
    pub(crate) over: bool,
    /// How long it is past.
    #[serde(default)]
    pub(crate) over_seconds: Option<u64>,
}

impl StatusShape {
    /// Of these ports.
    pub(super) fn new(program: ProgramShape, mut ports: Vec<PortShape>) -> StatusShape {
        ports.sort_by(|a, b| a.name.cmp(&b.name));
        let well = ports.iter().all(|port| port.well) && program.defects.iter().all(|defect| defect.over);
        StatusShape { program, well, ports }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::super::openapi::tests::assert_described;
    use super::*;

    /// Everything that can be there.
    fn full() -> StatusShape {
        let text = String::new;
        let client = ClientShape {
            id: 1,
            address: text(),
            listener: text(),
            protocol: text(),
            access: text(),
            since: text(),
            since_seconds: 0,
            sent_bytes: 0,
            received_bytes: 0,
            refused_bytes: 0,
            gap_bytes: 0,
            purged_bytes: 0,
            skipped_frames: 0,
            dropped_subnegotiations: 0,
            unknown_commands: 0,
            lag_bytes: 0,
            lag_seconds: None,
            history: Some(HistoryShape::default()),
            suspended: false,
            has_pen: false,
            half_closed: false,
            signature: None,
        };
        let listener = ListenerShape {
            protocol: text(),
            rfc2217: true,
            configured: text(),
            address: None,
            addresses: Vec::new(),
            fault: None,
            access: text(),
            clients: 0,
            max_clients: 0,
            turned_away: 0,
            limited: 0,
            wrong_protocol: 0,
        };
        let port = PortShape {
            name: text(),
            state: StateShape::Open,
            since: None,
            since_seconds: 0,
            well: true,
            device: DeviceShape { configured: text(), path: None },
            line: LineShape { configured: text(), actual: None, differences: Vec::new(), not_carried: Vec::new() },
            modem: Some(ModemShape::default()),
            break_on: false,
            counters: CountersShape::default(),
            last_rx: None,
            last_rx_seconds: None,
            history: Some(HistoryShape::default()),
            frames: Some(FramesShape::default()),
            errors: Some(ErrorsShape::default()),
            listeners: vec![listener],
            clients: vec![client],
            capture: Some(CaptureShape::default()),
            advice: Some(text()),
            stuck: Some(StuckShape::default()),
            fault: Some(FaultShape { what: text(), at: text(), at_seconds: 0, over: true, over_seconds: Some(0) }),
        };
        let program = ProgramShape {
            version: text(),
            pid: 1,
            started: text(),
            uptime_seconds: 0,
            config: None,
            log: LogShape::default(),
            defects: Vec::new(),
        };
        StatusShape { program, well: true, ports: vec![port] }
    }

    fn fields(value: &Value, into: &mut BTreeSet<String>) {
        match value {
            Value::Object(entries) => {
                for (name, value) in entries {
                    into.insert(name.clone());
                    fields(value, into);
                }
            }
            Value::Array(values) => values.iter().for_each(|value| fields(value, into)),
            _ => {}
        }
    }

    /// The words that the manual marks as literal, on lines that begin with them.
    fn in_manual() -> BTreeSet<String> {
        let manual = include_str!("../../../../packaging/man/sermux-api.7");
        let lines = manual.lines().filter_map(|line| line.strip_prefix(".It Li ").or(line.strip_prefix(".Li ")));
        lines.flat_map(str::split_whitespace).map(|word| word.trim_matches([',', ':']).to_owned()).collect()
    }

    #[test]
    fn every_field_is_in_the_description() {
        assert_described("Status", &serde_json::to_value(full()).unwrap());
    }

    #[test]
    fn every_field_and_every_state_is_in_the_manual() {
        let mut names = BTreeSet::new();
        fields(&serde_json::to_value(full()).unwrap(), &mut names);
        assert!(names.len() > 60, "{names:?}");
        let states = [
            StateShape::Opening,
            StateShape::Open,
            StateShape::Stuck,
            StateShape::Quiet,
            StateShape::Garbage,
            StateShape::Closing,
            StateShape::Waiting,
            StateShape::Faulted,
            StateShape::Paused,
            StateShape::Idle,
            StateShape::Disabled,
        ];
        for state in states {
            assert_eq!(serde_json::to_value(state).unwrap(), state.name());
            names.insert(state.name().to_owned());
        }
        let manual = in_manual();
        let missing: Vec<_> = names.difference(&manual).collect();
        assert!(missing.is_empty(), "not in sermux-api(7): {missing:?}");
    }
}
