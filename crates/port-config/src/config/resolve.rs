//! Layers to a [`Port`]: the port's own keys go before its profile, that before the file's `defaults`, and those before
//! what is built in. What cannot be together is refused with the places of both.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::capture;
use super::keys::Role;
use super::layer::{self, ClientLayer, KeepaliveLayer, ListenerLayer, NamedPort, PortLayer};
use super::limits;
use super::modem;
use super::parse::parse;
use super::rs485;
use super::socket_file;
use super::source::{Problem, Sources};
use super::telnet::{self, ProtocolWord};
use super::values::ValueAt;
use super::{
    profile, Access, AccessList, Banner, Crc, Device, Expect, Framing, Keepalive, LineSetup, Listener, Marker, OnLag,
    Open, Port, Protocol, Replay, Sim, Telnet, Usb, Write, LINGER, WRITE_HOLD,
};
use crate::line::{DataBits, FlowControl, LineSettings, StopBits};
use crate::signal::Step;
use crate::units::format_size;

/// A telegram is at most 16 KiB, and nearly always a twelfth of that: there is room for one that is being received, and for some
/// to skip to.
const LEAST_BACKLOG_WITH_FRAMES: usize = 32 * 1024;

/// The profiles that were asked for.
#[derive(Debug, Default)]
pub(super) struct Profiles(Vec<(&'static str, PortLayer)>);

impl Profiles {
    /// Reads the profiles of these ports that were not read before.
    pub(super) fn add(
        &mut self,
        named: &NamedPort,
        defaults: &PortLayer,
        sources: &mut Sources,
        problems: &mut Vec<Problem>,
    ) {
        let Some(name) = profile_of(&named.layer, defaults) else {
            return;
        };
        if self.0.iter().any(|(known, _)| *known == name) {
            return;
        }
        let text = profile::find(name).map_or("", |profile| profile.text);
        let file = sources.add(format!("profile {name}"), text.to_owned());
        let (root, mut found) = parse(file, text);
        problems.append(&mut found);
        let layer = root.map_or_else(PortLayer::default, |root| layer::port(&root, Role::Defaults, "", problems));
        self.0.push((name, layer));
    }

    fn layer(&self, name: &str) -> Option<&PortLayer> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, layer)| layer)
    }
}

fn profile_of(port: &PortLayer, defaults: &PortLayer) -> Option<&'static str> {
    port.profile.as_ref().or(defaults.profile.as_ref()).map(|set| set.value)
}

/// A port with every value decided; `None`, with a problem, if it has no device.
pub(super) fn port(
    named: &NamedPort,
    defaults: &PortLayer,
    profiles: &Profiles,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) -> Option<Port> {
    let own = &named.layer;
    let profile = profile_of(own, defaults).and_then(|name| profiles.layer(name));
    let layers = Layers(std::iter::once(own).chain(profile).chain(std::iter::once(defaults)).collect());

    let device = device(own, problems);
    // without a device it is no port, but its other keys are judged all the same
    let built_in = Port::new(device.clone().unwrap_or(Device::Sim(Sim::Echo)), LineSettings::default());

    let enable = layers.value(|layer| layer.enable.as_ref(), built_in.enable);
    let write = layers.value(|layer| layer.write.as_ref(), built_in.write);
    let frame = layers.value(|layer| layer.frame.as_ref(), built_in.frame);
    let line = line(&layers, problems, warnings);
    let reset = layers.reset();
    let modem = modem::resolve(&layers, &reset, problems);
    let open = layers.value(|layer| layer.open.as_ref(), built_in.open);
    check_linger(open, own, problems);
    let backlog = layers.first(|layer| layer.backlog.as_ref());
    let history = backlog.map_or(built_in.backlog, |set| set.value);
    let said =
        Said { write: layers.first(|layer| layer.write.as_ref()), frame: layers.first(|layer| layer.frame.as_ref()) };
    check_frame(frame, backlog, own, &said, problems);
    warn_of_line(frame, &layers, &line, &said, warnings);

    // Sized, because it stays for as long as the program runs, for each port.
    let mut listen = Vec::with_capacity(own.listen.as_ref().map_or(0, Vec::len));
    for listener in own.listen.iter().flatten() {
        let clients =
            ListenerKeys { listener, layers: &layers, write, frame, said: &said, port: &named.name, backlog: history };
        if let Some(listener) = clients.resolve(problems) {
            clients.warn_of_idle_timeout(&listener, warnings);
            listen.push(Arc::new(listener));
        }
        clients.warn_of_hold(own, &line, warnings);
    }
    warn_of_control(own, warnings);
    let written = |key: &str| own.written.iter().any(|written| written == key);
    if enable && own.listen.as_ref().map_or(!written("listen"), Vec::is_empty) {
        problems.push(
            Problem::new(named.place, &named.path, "nobody can reach this port: it has no listeners")
                .help("add `listen: [{ protocol: raw, address: \"*:4001\" }]`, or `enable: false`"),
        );
    }
    if !["device", "usb", "usb-serial"].into_iter().any(written) {
        problems.push(
            Problem::new(named.place, &named.path, "the port has no `device`")
                .help("add `device: /dev/…`; `sermux devices` lists what there is"),
        );
    }
    Some(Port {
        device: device?,
        enable,
        line,
        modem,
        on_release: layers.value(|layer| layer.on_release.as_ref(), built_in.on_release),
        reset,
        open,
        linger: match open {
            Open::Always => built_in.linger,
            Open::OnDemand => layers.value(|layer| layer.linger.as_ref(), built_in.linger),
        },
        exclusive: layers.value(|layer| layer.exclusive.as_ref(), built_in.exclusive),
        lock_file: layers.value(|layer| layer.lock_file.as_ref(), built_in.lock_file),
        write,
        frame,
        tx_frame: layers.value(|layer| layer.tx_frame.as_ref(), built_in.tx_frame),
        // what a default says about telegrams does not concern a port without them, nor the other way round
        crc: if frame == Framing::Dsmr { layers.value(|layer| layer.crc.as_ref(), built_in.crc) } else { built_in.crc },
        gather: if frame == Framing::None {
            layers.value(|layer| layer.gather.as_ref(), built_in.gather)
        } else {
            built_in.gather
        },
        backlog: history,
        expect: Expect { frame: layers.value(|layer| layer.expect_frame.as_ref(), built_in.expect.frame) },
        capture: capture::resolve(&layers, problems),
        limits: limits::resolve(&layers),
        listen,
    })
}

/// `device`, or `usb` and perhaps `usb-serial`: one of both.
fn device(own: &PortLayer, problems: &mut Vec<Problem>) -> Option<Device> {
    if let (Some(device), Some(usb)) = (&own.device, &own.usb) {
        problems.push(
            Problem::new(usb.place, &usb.path, "a port has one device: `usb` stands instead of `device`")
                .note("the other is at", device.place)
                .help("remove one of the two"),
        );
    }
    if let (Some(serial), false) = (&own.usb_serial, own.written.iter().any(|written| written == "usb")) {
        problems.push(
            Problem::new(serial.place, &serial.path, "`usb-serial` tells adapters apart that `usb` names")
                .help("add `usb: \"0403:6001\"`, with the adapter's numbers; `sermux devices` shows them"),
        );
    }
    let Some(usb) = &own.usb else { return own.device.as_ref().map(|set| set.value.clone()) };
    let (vendor, product) = usb.value;
    Some(Device::Usb(Usb { vendor, product, serial: own.usb_serial.as_ref().map(|set| set.value.clone()) }))
}

/// From the one that decides to the one that is asked last.
pub(super) struct Layers<'a>(Vec<&'a PortLayer>);

impl<'a> Layers<'a> {
    pub(super) fn first<T>(&self, get: fn(&PortLayer) -> Option<&ValueAt<T>>) -> Option<&'a ValueAt<T>> {
        self.0.iter().find_map(|layer| get(layer))
    }

    /// What stands on the port itself.
    pub(super) fn own(&self) -> Option<&'a PortLayer> {
        self.0.first().copied()
    }

    /// Macro by macro.
    fn reset(&self) -> BTreeMap<String, Vec<Step>> {
        self.0.iter().rev().flat_map(|layer| layer.reset.clone()).collect()
    }

    pub(super) fn value<T: Clone>(&self, get: fn(&PortLayer) -> Option<&ValueAt<T>>, built_in: T) -> T {
        self.first(get).map_or(built_in, |set| set.value.clone())
    }
}

fn line(layers: &Layers<'_>, problems: &mut Vec<Problem>, warnings: &mut Vec<Problem>) -> LineSetup {
    let built_in = LineSetup::default();
    let LineSettings { baud, data_bits, parity, stop_bits, flow_control } = built_in.settings;
    let settings = LineSettings {
        baud: layers.value(|layer| layer.line.baud.as_ref(), baud),
        data_bits: layers.value(|layer| layer.line.data_bits.as_ref(), data_bits),
        parity: layers.value(|layer| layer.line.parity.as_ref(), parity),
        stop_bits: layers.value(|layer| layer.line.stop_bits.as_ref(), stop_bits),
        flow_control: layers.value(|layer| layer.line.flow_control.as_ref(), flow_control),
    };
    LineSetup {
        settings,
        clocal: layers.value(|layer| layer.line.clocal.as_ref(), built_in.clocal),
        low_latency: layers.value(|layer| layer.line.low_latency.as_ref(), built_in.low_latency),
        ignore_break: layers.value(|layer| layer.line.ignore_break.as_ref(), built_in.ignore_break),
        rs485: rs485::resolve(layers, settings.flow_control, problems, warnings),
    }
}

fn check_linger(open: Open, own: &PortLayer, problems: &mut Vec<Problem>) {
    if let (Open::Always, Some(set)) = (open, &own.linger) {
        if set.value != LINGER {
            let message = "`linger` has no effect: the device is always open (`open: always`)";
            problems
                .push(Problem::new(set.place, &set.path, message).help("add `open: on-demand`, or remove `linger`"));
        }
    }
}

/// Where the values are written that others must not contradict.
struct Said<'a> {
    write: Option<&'a ValueAt<Write>>,
    frame: Option<&'a ValueAt<Framing>>,
}

fn check_frame(
    frame: Framing,
    backlog: Option<&ValueAt<usize>>,
    own: &PortLayer,
    said: &Said<'_>,
    problems: &mut Vec<Problem>,
) {
    if let (Framing::Dsmr, Some(set)) = (frame, backlog) {
        if set.value < LEAST_BACKLOG_WITH_FRAMES {
            let message = "a backlog below 32 KiB has no room for whole telegrams (`frame: dsmr`)";
            problems.push(
                Problem::new(set.place, &set.path, message)
                    .because("frame: dsmr", said.frame)
                    .help("write 32 KiB or more, or leave it at 256 KiB"),
            );
        }
    }
    if let (true, Some(set)) = (frame != Framing::None, &own.gather) {
        if !set.value.is_off() {
            let message = if frame == Framing::Dsmr {
                "with `frame: dsmr` there is nothing to gather: a telegram is sent when it is whole"
            } else {
                "with frames there is nothing to gather: each is sent when it is whole"
            };
            problems.push(
                Problem::new(set.place, &set.path, message)
                    .because(frame.written(), said.frame)
                    .help("remove one of the two"),
            );
        }
    }
    if let (true, Some(set)) = (frame != Framing::Dsmr, &own.crc) {
        if set.value == Crc::Drop {
            let message = format!("`crc` needs telegrams, and this port has none (`{}`)", frame.written());
            problems.push(
                Problem::new(set.place, &set.path, message)
                    .because(frame.written(), said.frame)
                    .help("add `frame: dsmr`, or remove `crc`"),
            );
        }
    }
}

/// What no meter sends and no UART does.
fn warn_of_line(frame: Framing, layers: &Layers<'_>, line: &LineSetup, said: &Said<'_>, warnings: &mut Vec<Problem>) {
    const METERS: &str = "meters have `line: 115200 8N1` (DSMR 4 and 5) or `line: 9600 7E1` (DSMR 2.2 and 3.0)";
    let is_simulated =
        layers.first(|layer| layer.device.as_ref()).is_some_and(|set| matches!(set.value, Device::Sim(_)));
    if frame == Framing::Dsmr && !is_simulated {
        match (layers.first(|layer| layer.line.baud.as_ref()), said.frame) {
            (Some(baud), _) if !matches!(baud.value.get(), 9600 | 115_200) => {
                let message = format!("no smart meter sends its telegrams at {} baud", baud.value);
                warnings.push(
                    Problem::new(baud.place, &baud.path, message).because("frame: dsmr", said.frame).help(METERS),
                );
            }
            (None, Some(frame)) => {
                let message = format!("the line is {}, the default", line.settings);
                warnings.push(Problem::new(frame.place, &frame.path, message).help(METERS));
            }
            _ => {}
        }
    }
    let stop_bits = layers.first(|layer| layer.line.stop_bits.as_ref());
    if let Some(set) = stop_bits.filter(|set| set.value == StopBits::OnePointFive) {
        if line.settings.data_bits != DataBits::Five {
            let message = format!("with {} data bits the driver makes 2 of 1.5 stop bits", line.settings.data_bits);
            warnings.push(
                Problem::new(set.place, &set.path, message).help("write 1 or 2; 1.5 goes with 5 data bits alone"),
            );
        }
    }
}

/// The keys of a listener, with those of its port below them.
struct ListenerKeys<'a> {
    listener: &'a ListenerLayer,
    layers: &'a Layers<'a>,
    write: Write,
    frame: Framing,
    said: &'a Said<'a>,
    port: &'a str,
    backlog: usize,
}

impl<'a> ListenerKeys<'a> {
    fn first<T>(&self, get: fn(&ClientLayer) -> Option<&ValueAt<T>>) -> Option<&'a ValueAt<T>> {
        get(&self.listener.client).or_else(|| self.layers.0.iter().find_map(|layer| get(&layer.client)))
    }

    fn value<T: Clone>(&self, get: fn(&ClientLayer) -> Option<&ValueAt<T>>, built_in: T) -> T {
        self.first(get).map_or(built_in, |set| set.value.clone())
    }

    fn resolve(&self, problems: &mut Vec<Problem>) -> Option<Listener> {
        let protocol = self.protocol(problems);
        let (access, on_lag) = (self.access(protocol.as_ref(), problems), self.on_lag(problems));
        let banner = self.banner(problems);
        let file = socket_file::rights(self.listener, problems);
        // Network settings for all listeners do not apply to those that are not on the network.
        let (hosts, keepalive) = match &file {
            Some(_) => (AccessList::default(), None),
            None => (self.hosts(), self.keepalive(on_lag)),
        };
        let built_in = Listener::new(protocol?, self.listener.address.as_ref()?.value.clone());
        Some(Listener {
            access,
            line: self.listener.line.as_ref().map(|set| set.value),
            hosts,
            file,
            max_clients: self.value(|layer| layer.max_clients.as_ref(), built_in.max_clients),
            when_full: self.value(|layer| layer.when_full.as_ref(), built_in.when_full),
            on_lag,
            on_gone: self.value(|layer| layer.on_gone.as_ref(), built_in.on_gone),
            idle_timeout: self.value(|layer| layer.idle_timeout.as_ref(), built_in.idle_timeout),
            half_close: self.value(|layer| layer.half_close.as_ref(), built_in.half_close),
            close_on: self.close_on(problems),
            write_hold: self.write_hold(problems),
            replay: self.replay(problems),
            keepalive,
            banner,
            busy_text: self.first(|layer| layer.busy_text.as_ref()).map(|set| set.value.clone()),
            protocol: built_in.protocol,
            address: built_in.address,
        })
    }

    /// Telegrams are sent whole, or not at all; what `defaults` says passes such ports by.
    fn close_on(&self, problems: &mut Vec<Problem>) -> Option<Marker> {
        if self.frame != Framing::Dsmr {
            return self.first(|layer| layer.close_on.as_ref()).map(|set| set.value.clone());
        }
        let own = self.layers.0.first().and_then(|layer| layer.client.close_on.as_ref());
        if let Some(set) = self.listener.client.close_on.as_ref().or(own) {
            problems.push(
                Problem::new(
                    set.place,
                    &set.path,
                    "readers of telegrams are not disconnected by what a telegram contains",
                )
                .because("frame: dsmr", self.said.frame)
                .help("remove one of the two"),
            );
        }
        None
    }

    fn hosts(&self) -> AccessList {
        AccessList {
            allow: self.value(|layer| layer.allow.as_ref(), Vec::new()),
            deny: self.value(|layer| layer.deny.as_ref(), Vec::new()),
        }
    }

    fn protocol(&self, problems: &mut Vec<Problem>) -> Option<Protocol> {
        let listener = self.listener;
        if listener.protocol.as_ref()?.value == ProtocolWord::Raw {
            telnet::refuse_on_raw(listener, problems);
            return Some(Protocol::Raw);
        }
        let built_in = Telnet::new(self.port);
        Some(Protocol::Telnet(Telnet {
            rfc2217: listener.rfc2217.as_ref().map_or(built_in.rfc2217, |set| set.value),
            signature: self.value(|layer| layer.signature.as_ref(), built_in.signature),
            break_on_sync: self.value(|layer| layer.break_on_sync.as_ref(), built_in.break_on_sync),
            enter: self.value(|layer| layer.enter.as_ref(), built_in.enter),
            notify: listener.notify.as_ref().map_or(built_in.notify, |set| set.value),
        }))
    }

    /// Between whole telegrams there is no place for another text; what `defaults` says passes such listeners by.
    fn banner(&self, problems: &mut Vec<Problem>) -> Banner {
        let raw = self.listener.protocol.as_ref().is_some_and(|set| set.value == ProtocolWord::Raw);
        if !raw || self.frame == Framing::None {
            return self.value(|layer| layer.banner.as_ref(), Banner::default());
        }
        let own = self.layers.0.first().and_then(|layer| layer.client.banner.as_ref());
        if let Some(set) = self.listener.client.banner.as_ref().or(own).filter(|set| !set.value.is_empty()) {
            let what = if self.frame == Framing::Dsmr { "telegrams" } else { "frames" };
            let message = format!("readers of {what} on a raw listener get nothing else: no banner");
            problems.push(
                Problem::new(set.place, &set.path, message)
                    .because(self.frame.written(), self.said.frame)
                    .help("remove the banner, or write `banner: \"\"` on the raw listener"),
            );
        }
        Banner::default()
    }

    fn access(&self, protocol: Option<&Protocol>, problems: &mut Vec<Problem>) -> Access {
        match (self.first(|layer| layer.access.as_ref()), self.write) {
            (None, Write::None) => Access::ReadOnly,
            (None, _) if protocol.is_some_and(Protocol::has_rfc2217) => Access::Control,
            (None, _) => Access::ReadWrite,
            (Some(set), Write::None) if set.value != Access::ReadOnly => {
                let message = format!("nobody may write to the port `{}` (`write: none`)", self.port);
                problems.push(
                    Problem::new(set.place, &set.path, message)
                        .because("write: none", self.said.write)
                        .help("write `access: read-only` here, or `write: any` on the port"),
                );
                set.value
            }
            (Some(set), _) => set.value,
        }
    }

    fn on_lag(&self, problems: &mut Vec<Problem>) -> OnLag {
        match (self.first(|layer| layer.on_lag.as_ref()), self.frame) {
            (None, Framing::None) => OnLag::Disconnect,
            (None, _) => OnLag::Skip,
            (Some(set), Framing::Dsmr) if set.value != OnLag::Skip => {
                let message = format!("a reader of the port `{}` skips whole telegrams (`frame: dsmr`)", self.port);
                problems.push(
                    Problem::new(set.place, &set.path, message)
                        .because("frame: dsmr", self.said.frame)
                        .help("write `on-lag: skip`, or leave it out on this port and in `defaults`"),
                );
                set.value
            }
            (Some(set), _) => set.value,
        }
    }

    /// Bytes where there are bytes, frames where there are frames, and no more than the backlog can spare.
    fn replay(&self, problems: &mut Vec<Problem>) -> Replay {
        let Some(set) = self.first(|layer| layer.replay.as_ref()) else { return Replay::None };
        let wrong = match (set.value, self.frame) {
            (Replay::None, _) => None,
            (Replay::Bytes(bytes), Framing::None) if bytes <= self.backlog / 2 => None,
            (Replay::Bytes(_), Framing::None) => {
                let half = format_size(self.backlog / 2);
                Some((format!("at most half the backlog can be history, here {half}"), "make `backlog` larger"))
            }
            (Replay::Frames(_), frame) if frame != Framing::None => None,
            (Replay::Bytes(_), _) => {
                Some(("a port with frames has frames as its history".to_owned(), "write `replay: 1 frame`"))
            }
            (Replay::Frames(_), _) => {
                Some(("there are no frames on this port".to_owned(), "write a size, such as `replay: 16 KiB`"))
            }
        };
        if let Some((message, help)) = wrong {
            problems.push(Problem::new(set.place, &set.path, message).help(help));
        }
        set.value
    }

    /// From the layer that is asked last to the one that decides, key by key.
    fn keepalive(&self, on_lag: OnLag) -> Option<Keepalive> {
        let mut built_in = Keepalive::default();
        if on_lag != OnLag::Disconnect {
            // a client that may be behind for long is not dead because its bytes wait
            built_in.user_timeout = Duration::ZERO;
        }
        let ports = self.layers.0.iter().rev().map(|layer| &layer.client);
        let mut keepalive = Some(built_in);
        for layer in ports.chain([&self.listener.client]).filter_map(|client| client.keepalive.as_ref()) {
            keepalive = layer.value.over(keepalive, built_in);
        }
        keepalive
    }

    /// What `defaults` say about the pen does not concern a port without one.
    fn write_hold(&self, problems: &mut Vec<Problem>) -> Duration {
        if matches!(self.write, Write::First | Write::Last) {
            return self.value(|layer| layer.write_hold.as_ref(), WRITE_HOLD);
        }
        let own = self.layers.0.first().and_then(|layer| layer.client.write_hold.as_ref());
        if let Some(set) = self.listener.client.write_hold.as_ref().or(own).filter(|set| set.value != WRITE_HOLD) {
            let message = "`write-hold` has no effect: clients do not write one at a time here";
            problems.push(
                Problem::new(set.place, &set.path, message)
                    .because("write", self.said.write)
                    .help("add `write: first` or `write: last` to the port, or remove `write-hold`"),
            );
        }
        WRITE_HOLD
    }

    /// A reader that may not write is as silent as the line is.
    fn warn_of_idle_timeout(&self, resolved: &Listener, warnings: &mut Vec<Problem>) {
        let Some(set) = self.first(|layer| layer.idle_timeout.as_ref()) else {
            return;
        };
        let message = "clients that may not write are disconnected when the line is silent for this time";
        let problem = Problem::new(set.place, &set.path, message)
            .help("leave it out here: `keepalive` finds vanished peers, `expect` reports a silent line");
        if resolved.access == Access::ReadOnly && !set.value.is_zero() {
            warnings.push(problem);
        }
    }

    fn warn_of_hold(&self, own: &PortLayer, line: &LineSetup, warnings: &mut Vec<Problem>) {
        let Some(set) = self.first(|layer| layer.on_lag.as_ref()) else {
            return;
        };
        let is_simulated = own.device.as_ref().is_some_and(|device| matches!(device.value, Device::Sim(_)));
        if set.value == OnLag::Hold && !is_simulated && line.settings.flow_control == FlowControl::None {
            let message = "`hold` without flow control: what arrives while a client is slow is lost in the driver";
            warnings.push(
                Problem::new(set.place, &set.path, message)
                    .help("set `flow-control` under `line`, if the device has it"),
            );
        }
    }
}

/// `access: control` where no listener that it applies to has a protocol to control with.
fn warn_of_control(own: &PortLayer, warnings: &mut Vec<Problem>) {
    let is_raw =
        |listener: &&ListenerLayer| listener.protocol.as_ref().is_some_and(|set| set.value == ProtocolWord::Raw);
    let listeners = || own.listen.iter().flatten();
    let for_all = own.client.access.as_ref().filter(|_| listeners().all(|listener| is_raw(&listener)));
    let for_one = listeners().filter(is_raw).filter_map(|listener| listener.client.access.as_ref());
    for access in for_one.chain(for_all).filter(|access| access.value == Access::Control) {
        telnet::warn_of_control(access, warnings);
    }
}

impl KeepaliveLayer {
    /// What `off` takes away does not come back: above it, keys that are left out are as built in.
    fn over(&self, below: Option<Keepalive>, built_in: Keepalive) -> Option<Keepalive> {
        let KeepaliveLayer::On { idle, interval, count, user_timeout } = self else {
            return None;
        };
        let below = below.unwrap_or(built_in);
        Some(Keepalive {
            idle: idle.unwrap_or(below.idle),
            interval: interval.unwrap_or(below.interval),
            count: count.unwrap_or(below.count),
            user_timeout: user_timeout.unwrap_or(below.user_timeout),
        })
    }
}
