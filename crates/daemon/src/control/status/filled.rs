//! Fills the shapes of a port's status from its report.

use std::net::SocketAddr;
use std::time::{Instant, SystemTime};

use sermux_port_config::config::{self, Device as ConfigDevice};

use super::{
    CaptureShape, ClientShape, CountersShape, DeviceShape, ErrorsShape, FaultShape, FramesShape, HistoryShape,
    LineShape, ListenerShape, ModemShape, PortShape, StateShape, StuckShape,
};
use crate::crash::Crash;
use crate::device::{usb, Root};
use crate::net::peer::Endpoint;
use crate::port::{ClientReport, FlowState, Kept, ListenerReport, PortReport};
use crate::time::at;

impl PortShape {
    /// Of a running port. Looks at the device's node: on the blocking pool.
    pub(in crate::control) fn of_blocking(name: &str, report: &PortReport, now: (Instant, SystemTime)) -> PortShape {
        let state = StateShape::from(report.state);
        let open = state.is_open();
        let (since, since_seconds) = at(report.since, now);
        let listeners: Vec<ListenerShape> =
            report.listeners.iter().zip(&report.port.listen).map(|(is, config)| listener(is, config)).collect();
        let mut clients: Vec<&ClientReport> = report.clients.iter().collect();
        clients.sort_by_key(|client| client.number);
        let counters = report.counters;
        let last_rx = report.last_rx.map(|moment| at(moment, now));
        PortShape {
            name: name.to_owned(),
            state,
            since: Some(since),
            since_seconds,
            well: trouble(report).is_none(),
            device: device_blocking(&report.port.device),
            line: LineShape {
                configured: report.port.line.settings.to_string(),
                actual: open.then(|| report.view.settings.to_string()),
                differences: if open { report.differences.clone() } else { Vec::new() },
                not_carried: report.not_carried.iter().filter(|_| open).map(ToString::to_string).collect(),
            },
            modem: open.then(|| ModemShape::from(&report.view)),
            break_on: report.view.break_on,
            counters: CountersShape {
                rx_bytes: counters.rx,
                tx_bytes: counters.tx,
                tx_lost_bytes: counters.tx_lost,
                tx_refused_bytes: counters.tx_refused,
                tx_purged_bytes: counters.tx_purged,
                tx_discarded_bytes: counters.tx_discarded,
                gap_bytes: counters.gap,
                skipped_frames: counters.skipped_frames,
                cut_frames: counters.cut_frames,
                tx_cut_frames: counters.tx_cut_frames,
                dropped_subnegotiations: counters.dropped_subnegotiations,
                unknown_commands: counters.unknown_commands,
                clients: counters.clients,
                clients_refused: counters.refused,
                control_requests: report.control.requests,
                control_late: report.control.late,
                control_failed: report.control.failed,
                control_dropped: report.control.dropped,
            },
            last_rx: last_rx.as_ref().map(|(at, _)| at.clone()),
            last_rx_seconds: last_rx.map(|(_, ago)| ago),
            history: report.held.map(|held| HistoryShape::of(held, now)),
            frames: report.p1.map(|p1| FramesShape {
                telegrams: p1.telegrams,
                crc_failures: p1.crc_bad,
                crc_missing: p1.crc_missing,
                crc_x25: p1.crc_x25,
                crc_over_cr_lf: p1.crc_over_cr_lf,
                oversized: p1.oversized,
                abandoned: p1.abandoned,
                stray_bytes: p1.stray_bytes,
                last_telegram_seconds: report.last_telegram.map(|came| at(came, now).1),
            }),
            errors: report.line_counters.map(|errors| ErrorsShape {
                framing: errors.framing,
                parity: errors.parity,
                overrun: errors.overrun,
                breaks: errors.breaks,
                buffer_overrun: errors.buffer_overrun,
            }),
            listeners,
            clients: clients.into_iter().map(|client| ClientShape::of(client, report, now)).collect(),
            capture: report.capture.as_ref().map(|capture| CaptureShape {
                file: capture.file.display().to_string(),
                captured_bytes: capture.captured,
                lost_bytes: capture.lost,
                fault: capture.fault.clone(),
            }),
            advice: match report.stuck {
                Some(stuck) => Some(stuck.now(now.0)),
                None => report.missing.map(|missing| missing.now(&report.port.device)),
            },
            stuck: report.stuck.map(|stuck| {
                let (since, since_seconds) = at(stuck.since, now);
                let flow = match stuck.flow {
                    FlowState::CtsOff => "cts-off",
                    FlowState::CtsOn => "cts-on",
                    FlowState::Xoff => "xoff",
                    FlowState::Nothing => "none",
                };
                StuckShape { since, since_seconds, queued_bytes: stuck.queued, flow: flow.to_owned() }
            }),
            fault: report.fault.as_ref().map(|fault| {
                let (at, at_seconds) = self::at(fault.at, now);
                let over_seconds = fault.over.map(|over| self::at(over, now).1);
                FaultShape { what: fault.what.clone(), at, at_seconds, over: fault.over.is_some(), over_seconds }
            }),
        }
    }

    /// What a port that runs again died of, if nothing else is wrong with it.
    pub(in crate::control) fn after(mut self, crash: Option<&Crash>, now: (Instant, SystemTime)) -> PortShape {
        if self.fault.is_none() {
            self.fault = crash.map(|crash| FaultShape::of(crash, now));
        }
        self
    }

    /// Of a port that has failed by a defect of the program and is not started again yet.
    pub(in crate::control) fn crashed_blocking(
        name: &str,
        port: &config::Port,
        crash: &Crash,
        now: (Instant, SystemTime),
    ) -> PortShape {
        let (since, since_seconds) = at(crash.at, now);
        let closed = ListenerReport {
            key: 0,
            bound: Some(Err("closed until the port is started again".to_owned())),
            clients: 0,
            turned_away: 0,
            limited: 0,
            mistaken: Default::default(),
        };
        PortShape {
            state: StateShape::Faulted,
            since: Some(since),
            since_seconds,
            well: false,
            listeners: port.listen.iter().map(|config| listener(&closed, config)).collect(),
            fault: Some(FaultShape::of(crash, now)),
            ..PortShape::disabled_blocking(name, port)
        }
    }

    /// Of a port that is not enabled.
    pub(in crate::control) fn disabled_blocking(name: &str, port: &config::Port) -> PortShape {
        PortShape {
            name: name.to_owned(),
            state: StateShape::Disabled,
            since: None,
            since_seconds: 0,
            well: true,
            device: device_blocking(&port.device),
            line: LineShape {
                configured: port.line.settings.to_string(),
                actual: None,
                differences: Vec::new(),
                not_carried: Vec::new(),
            },
            modem: None,
            break_on: false,
            counters: CountersShape::default(),
            last_rx: None,
            last_rx_seconds: None,
            history: None,
            frames: None,
            errors: None,
            listeners: Vec::new(),
            clients: Vec::new(),
            capture: None,
            advice: None,
            stuck: None,
            fault: None,
        }
    }
}

/// Why the port is not well: the device does not serve, a listener does not listen, or the capture is not written.
pub(in crate::control) fn trouble(report: &PortReport) -> Option<String> {
    let state = StateShape::from(report.state);
    if !state.is_well() {
        let stuck = report.stuck.map(|stuck| stuck.now(Instant::now()));
        let missing = || report.missing.map(|missing| missing.now(&report.port.device));
        let fault = || report.fault.as_ref().filter(|fault| fault.over.is_none()).map(|fault| fault.what.clone());
        return Some(stuck.or_else(missing).or_else(fault).unwrap_or_else(|| format!("the port is {}", state.name())));
    }
    let mut listeners = report.listeners.iter().zip(&report.port.listen);
    let listener = listeners.find_map(|(is, config)| match &is.bound {
        Some(Err(fault)) => Some(format!("{}: {fault}", config.address)),
        _ => None,
    });
    listener.or_else(|| report.capture.as_ref()?.fault.clone())
}

impl FaultShape {
    /// What a part of the program died of. It is over when that runs again.
    pub(in crate::control) fn of(crash: &Crash, now: (Instant, SystemTime)) -> FaultShape {
        let (at, at_seconds) = self::at(crash.at, now);
        let over_seconds = crash.over().map(|over| self::at(over.into_std(), now).1);
        FaultShape { what: crash.what.clone(), at, at_seconds, over: over_seconds.is_some(), over_seconds }
    }
}

impl ClientShape {
    fn of(client: &ClientReport, report: &PortReport, now: (Instant, SystemTime)) -> ClientShape {
        let index = report.listeners.iter().position(|listener| listener.key == client.state.listener);
        let listener = index.and_then(|index| report.port.listen.get(index));
        let counters = client.state.counters;
        let (since, since_seconds) = at(client.since, now);
        ClientShape {
            id: client.number,
            address: client.peer.to_string(),
            listener: listener.map(|listener| listener.address.to_string()).unwrap_or_default(),
            protocol: listener.map(|listener| listener.protocol.name().to_owned()).unwrap_or_default(),
            access: client.state.terms.access.name().to_owned(),
            since,
            since_seconds,
            sent_bytes: counters.sent,
            received_bytes: counters.received,
            refused_bytes: counters.refused,
            gap_bytes: counters.gap,
            purged_bytes: counters.purged,
            skipped_frames: counters.skipped_frames,
            dropped_subnegotiations: counters.dropped_subnegotiations,
            unknown_commands: counters.unknown_commands,
            lag_bytes: client.state.lag,
            lag_seconds: client.state.lag_since.map(|since| at(since, now).1),
            history: client.state.replayed.map(|held| HistoryShape::of(held, now)),
            suspended: client.state.suspended,
            has_pen: client.state.has_pen,
            half_closed: client.state.half_closed,
            signature: client.state.signature.clone(),
        }
    }
}

impl HistoryShape {
    fn of(Kept { amount, frames, since }: Kept, now: (Instant, SystemTime)) -> HistoryShape {
        let (since, since_seconds) = at(since, now);
        let of = |are_so: bool| are_so.then_some(amount);
        HistoryShape { bytes: of(!frames), frames: of(frames), since, since_seconds }
    }
}

impl From<&sermux_protocol::rfc2217::View> for ModemShape {
    fn from(view: &sermux_protocol::rfc2217::View) -> ModemShape {
        let (outputs, inputs) = (view.outputs, view.inputs);
        ModemShape {
            dtr: outputs.dtr,
            rts: outputs.rts,
            cts: inputs.cts,
            dsr: inputs.dsr,
            ri: inputs.ri,
            dcd: inputs.dcd,
        }
    }
}

fn listener(is: &ListenerReport, config: &config::Listener) -> ListenerShape {
    let addresses = is.bound.iter().flatten().flat_map(canonical).collect();
    let (address, fault) = match &is.bound {
        Some(Ok(address)) => (canonical(address).next(), None),
        Some(Err(fault)) => (None, Some(fault.clone())),
        None => (None, None),
    };
    ListenerShape {
        protocol: config.protocol.name().to_owned(),
        rfc2217: config.protocol.has_rfc2217(),
        configured: config.address.to_string(),
        address,
        addresses,
        fault,
        access: config.access.name().to_owned(),
        clients: is.clients,
        max_clients: config.max_clients,
        turned_away: is.turned_away,
        limited: is.limited,
        wrong_protocol: is.mistaken,
    }
}

/// An IPv4 address is shown as one.
fn canonical(endpoint: &Endpoint) -> impl Iterator<Item = String> + '_ {
    let file = matches!(endpoint, Endpoint::Unix(_)).then(|| endpoint.to_string());
    let shown = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port()).to_string();
    file.into_iter().chain(endpoint.addresses().map(shown))
}

fn device_blocking(device: &ConfigDevice) -> DeviceShape {
    let path = match device {
        ConfigDevice::Path(path) => std::fs::canonicalize(path).ok().map(|path| path.display().to_string()),
        ConfigDevice::Usb(adapter) => usb::find(&Root::default(), adapter).ok().map(|path| path.display().to_string()),
        ConfigDevice::Sim(_) => Some(device.to_string()),
    };
    DeviceShape { configured: device.to_string(), path }
}
