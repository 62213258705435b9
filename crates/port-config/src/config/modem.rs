//! `modem:`: what is done with DTR and RTS, when the device is opened and when clients connect and disconnect.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::keys::{Role, Section};
use super::layer::{each_key, entries};
use super::reset;
use super::resolve::Layers;
use super::source::Problem;
use super::telnet::banner;
use super::tree::Node;
use super::values::{boolean, duration, one_of, read, text, word, ValueAt, Wrong};
use super::Banner;
use crate::error::shown;
use crate::signal::{Output, Step};

/// `modem:`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Modem {
    /// DTR at open.
    pub dtr: Output,
    /// RTS at open.
    pub rts: Output,
    /// Whether closing drops DTR and RTS (HUPCL).
    pub hangup_on_close: bool,
    /// What the first client changes.
    pub on_connect: OnConnect,
    /// What changes after the last client.
    pub on_disconnect: OnDisconnect,
    /// What happens to clients when DCD drops.
    pub hangup: Hangup,
}

/// `modem: { on-connect: … }`: when a client connects and there was none. Outputs first, then the macro, then the break,
/// then the text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct OnConnect {
    /// Data terminal ready.
    pub dtr: Output,
    /// Request to send.
    pub rts: Output,
    /// The name of a reset macro; one that [`reset::find`] knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reset: Option<Box<str>>,
    /// How long a break is sent.
    #[serde(rename = "break", skip_serializing_if = "Option::is_none", serialize_with = "some_duration")]
    pub break_for: Option<Duration>,
    /// What the device is sent then.
    #[serde(skip_serializing_if = "Banner::is_empty")]
    pub send: Banner,
}

impl Default for OnConnect {
    fn default() -> Self {
        OnConnect { dtr: Output::Keep, rts: Output::Keep, reset: None, break_for: None, send: Banner::default() }
    }
}

/// `modem: { on-disconnect: … }`: when the last client has left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct OnDisconnect {
    /// Data terminal ready.
    pub dtr: Output,
    /// Request to send.
    pub rts: Output,
    /// What the device is sent then, behind all that clients have sent.
    #[serde(skip_serializing_if = "Banner::is_empty")]
    pub send: Banner,
}

impl Default for OnDisconnect {
    fn default() -> Self {
        OnDisconnect { dtr: Output::Keep, rts: Output::Keep, send: Banner::default() }
    }
}

/// `modem: { hangup: … }`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hangup {
    /// Nothing.
    #[default]
    Ignore,
    /// They are disconnected.
    Disconnect,
}

/// What one layer says.
#[derive(Debug, Default)]
pub(super) struct ModemLayer {
    pub(super) dtr: Option<ValueAt<Output>>,
    pub(super) rts: Option<ValueAt<Output>>,
    hangup_on_close: Option<ValueAt<bool>>,
    dtr_on_connect: Option<ValueAt<Output>>,
    rts_on_connect: Option<ValueAt<Output>>,
    reset_on_connect: Option<ValueAt<String>>,
    break_on_connect: Option<ValueAt<Duration>>,
    send_on_connect: Option<ValueAt<Banner>>,
    dtr_on_disconnect: Option<ValueAt<Output>>,
    rts_on_disconnect: Option<ValueAt<Output>>,
    send_on_disconnect: Option<ValueAt<Banner>>,
    hangup: Option<ValueAt<Hangup>>,
}

pub(super) fn modem(node: &Node, path: &str, problems: &mut Vec<Problem>) -> ModemLayer {
    let mut layer = ModemLayer::default();
    let entries = entries(node, path, "{ dtr: on, rts: on, hangup-on-close: false }", problems);
    each_key(entries, Role::Inside(Section::Modem), path, problems, |key, value, path, problems| match key {
        "dtr" => layer.dtr = read(value, path, problems, output),
        "rts" => layer.rts = read(value, path, problems, output),
        "hangup-on-close" => layer.hangup_on_close = read(value, path, problems, boolean),
        "on-connect" => on_connect(&mut layer, value, path, problems),
        "on-disconnect" => on_disconnect(&mut layer, value, path, problems),
        _ => {
            let words = [("ignore", Hangup::Ignore), ("disconnect", Hangup::Disconnect)];
            layer.hangup = read(value, path, problems, |node| word(node, &words, &[]));
        }
    });
    layer
}

fn on_connect(layer: &mut ModemLayer, node: &Node, path: &str, problems: &mut Vec<Problem>) {
    let entries = entries(node, path, "{ dtr: on, rts: keep }", problems);
    each_key(entries, Role::Inside(Section::OnConnect), path, problems, |key, value, path, problems| match key {
        "dtr" => layer.dtr_on_connect = read(value, path, problems, output),
        "rts" => layer.rts_on_connect = read(value, path, problems, output),
        "reset" => {
            let name = |node: &Node| text(node, "the name of a reset macro").map(str::to_owned);
            layer.reset_on_connect = read(value, path, problems, name);
        }
        "send" => layer.send_on_connect = read(value, path, problems, banner),
        _ => {
            let range = Duration::from_millis(1)..=LONGEST_BREAK;
            layer.break_on_connect = read(value, path, problems, |node| duration(node, range));
        }
    });
}

fn on_disconnect(layer: &mut ModemLayer, node: &Node, path: &str, problems: &mut Vec<Problem>) {
    let entries = entries(node, path, "{ dtr: off, rts: keep }", problems);
    each_key(entries, Role::Inside(Section::OnDisconnect), path, problems, |key, value, path, problems| match key {
        "dtr" => layer.dtr_on_disconnect = read(value, path, problems, output),
        "send" => layer.send_on_disconnect = read(value, path, problems, banner),
        _ => layer.rts_on_disconnect = read(value, path, problems, output),
    });
}

fn output(node: &Node) -> Result<Output, Wrong> {
    word(node, &[("on", Output::On), ("off", Output::Off), ("keep", Output::Keep)], &[])
}

/// `macros` are the port's own.
pub(super) fn resolve(layers: &Layers<'_>, macros: &BTreeMap<String, Vec<Step>>, problems: &mut Vec<Problem>) -> Modem {
    let (on_connect, on_disconnect) = (OnConnect::default(), OnDisconnect::default());
    let reset = layers.first(|layer| layer.modem.reset_on_connect.as_ref());
    if let Some(set) = reset.filter(|set| reset::find(macros, &set.value).is_none()) {
        let known: Vec<String> = macros.keys().cloned().chain(reset::names().map(str::to_owned)).collect();
        let message = format!("there is no reset macro `{}`", shown(&set.value));
        problems.push(Problem::new(set.place, &set.path, message).help(format!(
            "the macros of this port are {}",
            one_of(known.iter().map(String::as_str)).replace(" or ", " and ")
        )));
    }
    Modem {
        dtr: layers.value(|layer| layer.modem.dtr.as_ref(), Output::default()),
        rts: layers.value(|layer| layer.modem.rts.as_ref(), Output::default()),
        hangup_on_close: layers.value(|layer| layer.modem.hangup_on_close.as_ref(), false),
        on_connect: OnConnect {
            dtr: layers.value(|layer| layer.modem.dtr_on_connect.as_ref(), on_connect.dtr),
            rts: layers.value(|layer| layer.modem.rts_on_connect.as_ref(), on_connect.rts),
            reset: reset.map(|set| set.value.as_str().into()),
            break_for: layers.first(|layer| layer.modem.break_on_connect.as_ref()).map(|set| set.value),
            send: layers.value(|layer| layer.modem.send_on_connect.as_ref(), on_connect.send),
        },
        on_disconnect: OnDisconnect {
            dtr: layers.value(|layer| layer.modem.dtr_on_disconnect.as_ref(), on_disconnect.dtr),
            rts: layers.value(|layer| layer.modem.rts_on_disconnect.as_ref(), on_disconnect.rts),
            send: layers.value(|layer| layer.modem.send_on_disconnect.as_ref(), on_disconnect.send),
        },
        hangup: layers.value(|layer| layer.modem.hangup.as_ref(), Hangup::default()),
    }
}

/// Longer ones are ended in any case.
const LONGEST_BREAK: Duration = Duration::from_secs(5);

fn some_duration<S: serde::Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => crate::units::serialize_duration(time, serializer),
        None => serializer.serialize_none(),
    }
}
