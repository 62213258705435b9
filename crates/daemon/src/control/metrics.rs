//! `GET /metrics`: numbers for Prometheus.
//!
//! They tell how the ports are known to be: no line is looked at for them, and nothing is counted between two scrapes that is
//! not counted in any case. Labels are ports, listeners and fixed words, so that a thousand clients are as many series as one.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::State;
use axum::http::{header, HeaderValue, StatusCode, Uri};
use axum::response::Response;
use sermux_protocol::reading::{decode, BusMeter, ObjectValue, Quantity};

use super::api::{ask, Api};
use super::ask::Ports;
use super::exposition::{Exposition, MetricKind};
use super::http::Refusal;
use super::status::{trouble, StateShape};
use crate::log;
use crate::port::{Command, Link, ListenerReport, PortReport, Telegram};

/// Readings of one port; a telegram with more is none of a meter.
const MOST_READINGS: usize = 128;

/// A metric of each port.
type OfPort = (&'static str, &'static str, fn(&PortReport) -> Option<u64>);

/// … that is a time that has passed since then.
type AgeOfPort = (&'static str, &'static str, fn(&PortReport) -> Option<Instant>);

/// A part of what is counted, with its label.
type LabelledPart<T> = (&'static str, fn(&T) -> u64);

const COUNTERS: &[OfPort] = &[
    ("sermux_port_received_bytes_total", "Bytes from the line.", |port| Some(port.counters.rx)),
    ("sermux_port_sent_bytes_total", "Bytes to the line.", |port| Some(port.counters.tx)),
    ("sermux_port_gap_bytes_total", "Bytes of the line that clients never got; each client counts its own.", |port| {
        Some(port.counters.gap)
    }),
    (
        "sermux_port_skipped_frames_total",
        "Frames of the line that clients never got; each client counts its own.",
        |port| Some(port.counters.skipped_frames),
    ),
    ("sermux_port_connects_total", "Clients that connected.", |port| Some(port.counters.clients)),
    (
        "sermux_port_refused_clients_total",
        "Clients that were refused: the listener was full, or the device was absent.",
        |port| Some(port.counters.refused),
    ),
    ("sermux_port_requests_total", "What clients asked of the line by RFC 2217.", |port| Some(port.control.requests)),
    ("sermux_port_failed_requests_total", "Operations that the device refused.", |port| Some(port.control.failed)),
    ("sermux_port_telegrams_total", "Whole telegrams, those with a wrong CRC included.", |port| {
        port.p1.map(|p1| p1.telegrams)
    }),
    (
        "sermux_port_crc_failures_total",
        "Telegrams with a wrong CRC, or without one where there should be one.",
        |port| port.p1.map(|p1| p1.crc_bad),
    ),
    ("sermux_port_abandoned_telegrams_total", "Telegrams that ended in silence or grew too large.", |port| {
        port.p1.map(|p1| p1.abandoned + p1.oversized)
    }),
    ("sermux_port_stray_bytes_total", "Bytes between telegrams.", |port| port.p1.map(|p1| p1.stray_bytes)),
    ("sermux_port_captured_bytes_total", "Bytes that were written to the capture.", |port| {
        port.capture.as_ref().map(|capture| capture.captured)
    }),
    ("sermux_port_uncaptured_bytes_total", "Bytes that are missing in the capture.", |port| {
        port.capture.as_ref().map(|capture| capture.lost)
    }),
];

const GAUGES: &[OfPort] = &[
    ("sermux_port_up", "Whether the device is open.", |port| Some(u64::from(port.state.is_open()))),
    ("sermux_port_well", "1 if the port is well; /health reports it for all ports together.", |port| {
        Some(u64::from(trouble(port).is_none()))
    }),
    ("sermux_port_clients", "Clients that are connected.", |port| Some(port.clients.len() as u64)),
    ("sermux_port_lag_bytes", "Bytes that the client furthest behind has not got yet.", |port| {
        Some(port.clients.iter().map(|client| client.state.lag).max().unwrap_or_default())
    }),
];

const AGES: &[AgeOfPort] = &[
    ("sermux_port_lag_seconds", "How long the oldest of these bytes has waited.", |port| {
        port.clients.iter().filter_map(|client| client.state.lag_since).min()
    }),
    ("sermux_port_received_age_seconds", "Since the last byte came from the line.", |port| port.last_rx),
    ("sermux_port_telegram_age_seconds", "Time since the last telegram without a wrong CRC.", |port| {
        port.last_telegram
    }),
];

const DISCARDED: &[LabelledPart<PortReport>] = &[
    ("no-device", |port| port.counters.tx_lost),
    ("not-allowed", |port| port.counters.tx_refused),
    ("purged", |port| port.counters.tx_purged),
    ("client-gone", |port| port.counters.tx_discarded),
];

const TURNED_AWAY: &[LabelledPart<ListenerReport>] = &[
    ("not-admitted", |listener| listener.turned_away),
    ("limits", |listener| listener.limited),
    ("wrong-protocol", |listener| listener.mistaken),
];

/// `GET /metrics`, and with `?readings=1` what the meters say.
pub(super) async fn metrics(State(api): State<Arc<Api>>, uri: Uri) -> Result<Response, Refusal> {
    let with_readings = with_readings(uri.query().unwrap_or_default())?;
    let Ports { running, crashed, .. } = api.ports().await?;
    let telegrams = if with_readings { telegrams(&running).await } else { Vec::new() };
    let reports = api.reports(running).await;
    let now = Instant::now();
    // What one port has in text, a little more than that.
    let mut text = Exposition::with_capacity(4096 * (reports.len() + 1));
    program(&mut text, &api, now);
    for (name, help, value) in COUNTERS {
        each(&mut text, (name, MetricKind::Counter, help), &reports, *value);
    }
    ports(&mut text, &reports, now);
    let mut down =
        text.family("sermux_port_crashed", MetricKind::Gauge, "The port failed by a defect of sermux and is down.");
    for (name, ..) in &crashed {
        down.sample(&[("port", name)], 1);
    }
    listeners(&mut text, &reports);
    readings(&mut text, &telegrams);
    let mut response = Response::new(Body::from(text.into_text()));
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

fn with_readings(query: &str) -> Result<bool, Refusal> {
    match query {
        "" | "readings=0" => Ok(false),
        "readings=1" => Ok(true),
        other => Err(Refusal::new(StatusCode::BAD_REQUEST, format!("`{}` is not understood", other.escape_debug()))
            .help("use /metrics, or /metrics?readings=1 to include the values of meters")),
    }
}

fn program(text: &mut Exposition, api: &Api, now: Instant) {
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    text.family("sermux_build_info", MetricKind::Gauge, "The version of sermux.").sample(&version, 1);
    let uptime = now.saturating_duration_since(api.started()).as_secs();
    text.family("sermux_uptime_seconds", MetricKind::Gauge, "Since sermux was started.").sample(&[], uptime);
    let lost = log::health().lost;
    text.family("sermux_lost_log_records_total", MetricKind::Counter, "Log records that were lost.").sample(&[], lost);
}

/// A sample of each port that has the value.
fn each(
    text: &mut Exposition,
    (name, kind, help): (&str, MetricKind, &str),
    reports: &[(String, PortReport)],
    value: fn(&PortReport) -> Option<u64>,
) {
    let mut family = text.family(name, kind, help);
    for (port, report) in reports {
        if let Some(value) = value(report) {
            family.sample(&[("port", port)], value);
        }
    }
}

fn ports(text: &mut Exposition, reports: &[(String, PortReport)], now: Instant) {
    let mut discarded = text.family(
        "sermux_port_discarded_bytes_total",
        MetricKind::Counter,
        "Bytes from clients that were discarded, by the reason.",
    );
    for (port, report) in reports {
        for (reason, value) in DISCARDED {
            discarded.sample(&[("port", port), ("reason", reason)], value(report));
        }
    }
    let mut errors = text.family(
        "sermux_port_line_errors_total",
        MetricKind::Counter,
        "What the device's driver has counted since the device was opened, by its kind.",
    );
    for (port, report) in reports {
        let Some(counted) = report.line_counters else { continue };
        for (kind, value) in [
            ("framing", counted.framing),
            ("parity", counted.parity),
            ("overrun", counted.overrun),
            ("break", counted.breaks),
            ("buffer-overrun", counted.buffer_overrun),
        ] {
            errors.sample(&[("port", port), ("kind", kind)], value);
        }
    }
    for (name, help, value) in GAUGES {
        each(text, (name, MetricKind::Gauge, help), reports, *value);
    }
    let mut states = text.family("sermux_port_state", MetricKind::Gauge, "1, with the state as a label.");
    for (port, report) in reports {
        states.sample(&[("port", port), ("state", StateShape::from(report.state).name())], 1);
    }
    for (name, help, since) in AGES {
        let mut family = text.family(name, MetricKind::Gauge, help);
        for (port, report) in reports {
            if let Some(since) = since(report) {
                let age = now.saturating_duration_since(since);
                family.sample(&[("port", port)], format_args!("{}.{:03}", age.as_secs(), age.subsec_millis()));
            }
        }
    }
}

fn listeners(text: &mut Exposition, reports: &[(String, PortReport)]) {
    // The key tells two listeners apart that have the same address: port 0, which is another one each time.
    let all = || {
        reports.iter().flat_map(|(port, report)| {
            let both = report.listeners.iter().zip(&report.port.listen);
            both.map(move |(listener, config)| (port, listener, config.address.to_string(), listener.key.to_string()))
        })
    };
    let mut up = text.family("sermux_listener_up", MetricKind::Gauge, "Whether the listener listens.");
    for (port, listener, address, key) in all() {
        let labels = [("port", port.as_str()), ("listener", &key), ("address", &address)];
        up.sample(&labels, u8::from(matches!(listener.bound, Some(Ok(_)))));
    }
    let help = "Connections that were closed at once, by the reason.";
    let mut away = text.family("sermux_listener_turned_away_total", MetricKind::Counter, help);
    for (port, listener, address, key) in all() {
        for (reason, value) in TURNED_AWAY {
            let labels = [("port", port.as_str()), ("listener", &key), ("address", &address), ("reason", reason)];
            away.sample(&labels, value(listener));
        }
    }
}

/// The latest telegram of each port that has telegrams.
async fn telegrams(running: &[(String, Link)]) -> Vec<(String, Arc<Telegram>)> {
    let mut found = Vec::new();
    for (name, link) in running {
        let telegrams = ask(link, Command::Telegrams).await.flatten();
        let telegram = telegrams.and_then(|telegrams| telegrams.borrow().clone());
        found.extend(telegram.map(|telegram| (name.clone(), telegram)));
    }
    found
}

fn readings(text: &mut Exposition, telegrams: &[(String, Arc<Telegram>)]) {
    let help = "The values of a smart meter, in the unit that the meter uses.";
    let mut family = text.family("sermux_reading", MetricKind::Gauge, help);
    for (port, telegram) in telegrams {
        // A telegram of the framer begins and ends as it should.
        let Ok(reading) = decode(&telegram.bytes) else { continue };
        let meters = reading.meters();
        let mut told = HashSet::new();
        for object in &reading.objects {
            let (Some(quantity), ObjectValue::Measure(measure)) = (object.quantity, &object.value) else { continue };
            if told.len() >= MOST_READINGS || !told.insert(quantity) {
                continue;
            }
            let name = quantity.to_string();
            let mut labels = vec![("port", port.as_str()), ("name", name.as_str())];
            labels.extend(measure.unit.map(|unit| ("unit", unit.name())));
            let kind = kind(quantity, &meters);
            labels.extend(kind.as_deref().map(|kind| ("meter", kind)));
            family.sample(&labels, measure.number);
        }
    }
}

/// What the meter on the M-Bus measures of which this tells.
fn kind(quantity: Quantity, meters: &[BusMeter<'_>]) -> Option<String> {
    let Quantity::MeterValue(channel) = quantity else { return None };
    let meter = meters.iter().find(|meter| meter.channel == channel)?;
    meter.kind.map(|kind| kind.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_are_told_when_they_are_asked_for() {
        assert!(!with_readings("").unwrap() && !with_readings("readings=0").unwrap());
        assert!(with_readings("readings=1").unwrap());
        for wrong in ["readings", "readings=yes", "reading=1", "readings=1&x"] {
            assert!(with_readings(wrong).is_err(), "{wrong}");
        }
    }
}
