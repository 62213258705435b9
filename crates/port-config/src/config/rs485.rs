//! `line: { rs485: … }`: RTS switches the transceiver between sending and receiving.

use std::time::Duration;

use serde::Serialize;

use super::keys::{Role, Section};
use super::layer::{each_key, entries};
use super::resolve::Layers;
use super::source::Problem;
use super::tree::Node;
use super::values::{boolean, duration, read, ValueAt};
use crate::line::FlowControl;

/// What the kernel does to RTS around sending (linux/serial.h, `struct serial_rs485`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Rs485 {
    /// Whether it does anything.
    pub enabled: bool,
    /// RTS while sending: true is raised.
    pub rts_on_send: bool,
    /// RTS otherwise.
    pub rts_after_send: bool,
    /// From the switch of RTS to the first bit; whole milliseconds, at most 100.
    #[serde(serialize_with = "crate::units::serialize_duration")]
    pub delay_before_send: Duration,
    /// From the last bit to the switch back; whole milliseconds, at most 100.
    #[serde(serialize_with = "crate::units::serialize_duration")]
    pub delay_after_send: Duration,
    /// Whether what is sent is received as well.
    pub rx_during_tx: bool,
}

impl Default for Rs485 {
    fn default() -> Self {
        Rs485 {
            enabled: false,
            rts_on_send: true,
            rts_after_send: false,
            delay_before_send: Duration::ZERO,
            delay_after_send: Duration::ZERO,
            rx_during_tx: false,
        }
    }
}

/// What one layer says.
#[derive(Debug, Default)]
pub(super) struct Rs485Layer {
    enabled: Option<ValueAt<bool>>,
    rts_on_send: Option<ValueAt<bool>>,
    rts_after_send: Option<ValueAt<bool>>,
    delay_before_send: Option<ValueAt<Duration>>,
    delay_after_send: Option<ValueAt<Duration>>,
    rx_during_tx: Option<ValueAt<bool>>,
}

pub(super) fn rs485(node: &Node, path: &str, problems: &mut Vec<Problem>) -> Rs485Layer {
    let mut layer = Rs485Layer::default();
    let entries = entries(node, path, "{ enabled: true }", problems);
    // the kernel cuts longer ones (RS485_MAX_RTS_DELAY, drivers/tty/serial/serial_core.c)
    let delay = |node: &Node| duration(node, Duration::ZERO..=Duration::from_millis(100));
    each_key(entries, Role::Inside(Section::Rs485), path, problems, |key, value, path, problems| match key {
        "enabled" => layer.enabled = read(value, path, problems, boolean),
        "rts-on-send" => layer.rts_on_send = read(value, path, problems, boolean),
        "rts-after-send" => layer.rts_after_send = read(value, path, problems, boolean),
        "delay-before-send" => layer.delay_before_send = read(value, path, problems, delay),
        "delay-after-send" => layer.delay_after_send = read(value, path, problems, delay),
        _ => layer.rx_during_tx = read(value, path, problems, boolean),
    });
    layer
}

/// `None`: no layer says whether it is enabled, so it stays as the driver has it (a device tree may have set it).
pub(super) fn resolve(
    layers: &Layers<'_>,
    flow_control: FlowControl,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) -> Option<Rs485> {
    let built_in = Rs485::default();
    let rts_on_send = layers.first(|layer| layer.line.rs485.rts_on_send.as_ref());
    let rts_after_send = layers.first(|layer| layer.line.rs485.rts_after_send.as_ref());
    let delay_before_send = layers.first(|layer| layer.line.rs485.delay_before_send.as_ref());
    let delay_after_send = layers.first(|layer| layer.line.rs485.delay_after_send.as_ref());
    let rx_during_tx = layers.first(|layer| layer.line.rs485.rx_during_tx.as_ref());
    let Some(enabled) = layers.first(|layer| layer.line.rs485.enabled.as_ref()) else {
        let written =
            [rts_on_send, rts_after_send, rx_during_tx].into_iter().flatten().map(|set| (set.place, &set.path));
        let delays = [delay_before_send, delay_after_send].into_iter().flatten().map(|set| (set.place, &set.path));
        if let Some((place, path)) = written.chain(delays).next() {
            let message = "`rs485` has no effect without `enabled`";
            warnings.push(Problem::new(place, path, message).help("add `enabled: true` there"));
        }
        return None;
    };
    let rs485 = Rs485 {
        enabled: enabled.value,
        rts_on_send: rts_on_send.map_or(built_in.rts_on_send, |set| set.value),
        rts_after_send: rts_after_send.map_or(built_in.rts_after_send, |set| set.value),
        delay_before_send: delay_before_send.map_or(built_in.delay_before_send, |set| set.value),
        delay_after_send: delay_after_send.map_or(built_in.delay_after_send, |set| set.value),
        rx_during_tx: rx_during_tx.map_or(built_in.rx_during_tx, |set| set.value),
    };
    if rs485.enabled && rs485.rts_on_send == rs485.rts_after_send {
        let set = rts_after_send.or(rts_on_send).unwrap_or(enabled);
        let message = "RTS would never change: `rts-on-send` and `rts-after-send` are the same";
        problems.push(Problem::new(set.place, &set.path, message).help("one of them is true and the other false"));
    }
    if rs485.enabled && flow_control == FlowControl::RtsCts {
        let message = "RTS cannot both switch the transceiver and control the flow";
        let help = "remove `rs485`, or write another `flow-control`";
        problems.push(Problem::new(enabled.place, &enabled.path, message).help(help));
    }
    Some(rs485)
}
