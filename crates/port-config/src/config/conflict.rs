//! What two ports cannot share: a name, a device, an address. Disabled ports conflict with none.

use std::collections::HashMap;
use std::fs;
use std::hash::Hash;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::address::reach::{Reach, Trait};
use super::http;
use super::layer::NamedPort;
use super::source::{Place, Problem};
use super::values::ValueAt;
use super::{Address, Control, ControlSocket, Device, Port, Usb};

/// A port as it is written, and as it was resolved if it could be.
pub(super) type Resolved<'a> = (&'a NamedPort, Option<Port>);

/// All that is between the ports.
pub(super) fn check(ports: &[Resolved<'_>], problems: &mut Vec<Problem>, warnings: &mut Vec<Problem>) {
    names(ports, problems);
    devices(ports, problems, warnings);
    adapters(ports, problems);
    addresses(ports, problems);
}

fn names(ports: &[Resolved<'_>], problems: &mut Vec<Problem>) {
    let mut seen: HashMap<&str, Place> = HashMap::new();
    for (named, _) in ports {
        match seen.get(named.name.as_str()) {
            Some(first) => problems.push(
                Problem::new(named.place, &named.path, "there are two ports of this name")
                    .note("the other is at", *first)
                    .help("give one of them another name, or remove it"),
            ),
            None => {
                seen.insert(&named.name, named.place);
            }
        }
    }
}

/// Where a device is written.
#[derive(Clone)]
struct DeviceOwner<'a> {
    port: &'a str,
    path: &'a Path,
    place: Place,
}

fn devices(ports: &[Resolved<'_>], problems: &mut Vec<Problem>, warnings: &mut Vec<Problem>) {
    let mut by_text: HashMap<&Path, DeviceOwner<'_>> = HashMap::new();
    let mut by_target: HashMap<PathBuf, DeviceOwner<'_>> = HashMap::new();
    let mut by_number: HashMap<u64, DeviceOwner<'_>> = HashMap::new();
    for (named, port) in ports {
        let Some(device) = &named.layer.device else { continue };
        let Device::Path(path) = &device.value else { continue };
        let metadata = fs::metadata(path).ok();
        if let Some(kind) = metadata.as_ref().and_then(not_a_device) {
            // What is there may be another thing tomorrow: a folder that a container made because the device was missing, a
            // file that somebody wrote to the name of an adapter that was unplugged. The port waits, as for a device that is absent.
            let message =
                format!("{} is {kind}, not a serial device: the port waits until there is one", path.display());
            warnings.push(
                Problem::new(device.place, &device.path, message)
                    .help("`sermux devices` lists the serial ports of this machine"),
            );
            continue;
        }
        if !port.as_ref().is_some_and(|port| port.enable) {
            continue;
        }
        let owner = DeviceOwner { port: &named.name, path, place: device.place };
        let number = metadata.map(|metadata| metadata.rdev());
        let others = [
            claim(&mut by_text, path.as_path(), &owner),
            fs::canonicalize(path).ok().and_then(|target| claim(&mut by_target, target, &owner)),
            number.and_then(|number| claim(&mut by_number, number, &owner)),
        ];
        if let Some(other) = others.into_iter().flatten().next() {
            let message = if other.path == path.as_path() {
                format!("the port `{}` has this device already", other.port)
            } else {
                format!("this is the device of the port `{}` by another name: {}", other.port, other.path.display())
            };
            problems.push(
                Problem::new(device.place, &device.path, message)
                    .note("it is at", other.place)
                    .help("one port can have any number of listeners: move those of this port there"),
            );
        }
    }
}

/// Where an adapter is written.
#[derive(Clone, Copy)]
struct Adapter<'a> {
    usb: &'a Usb,
    port: &'a str,
    place: Place,
    /// How many of its kind stand before it.
    number: usize,
}

/// Adapters of one kind: those that another one may meet.
#[derive(Default)]
struct AdapterKind<'a> {
    count: usize,
    first: Option<Adapter<'a>>,
    /// The first that takes any of its kind.
    any: Option<Adapter<'a>>,
    by_serial: HashMap<&'a str, Adapter<'a>>,
}

impl<'a> AdapterKind<'a> {
    /// The first adapter that may be the same as this one.
    fn other(&self, usb: &Usb) -> Option<Adapter<'a>> {
        let Some(serial) = &usb.serial else { return self.first };
        self.any.into_iter().chain(self.by_serial.get(serial.as_str()).copied()).min_by_key(|other| other.number)
    }

    fn add(&mut self, usb: &'a Usb, port: &'a str, place: Place) {
        let adapter = Adapter { usb, port, place, number: self.count };
        self.count += 1;
        self.first.get_or_insert(adapter);
        match &usb.serial {
            None => {
                self.any.get_or_insert(adapter);
            }
            Some(serial) => {
                self.by_serial.entry(serial).or_insert(adapter);
            }
        }
    }
}

/// One adapter that two ports mean. A port without `usb-serial` takes any of its kind, also that of the other.
fn adapters(ports: &[Resolved<'_>], problems: &mut Vec<Problem>) {
    let mut by_ids: HashMap<(u16, u16), AdapterKind<'_>> = HashMap::new();
    for (named, port) in ports {
        let Some(Port { enable: true, device: Device::Usb(usb), .. }) = port else { continue };
        let layer = &named.layer;
        let written = layer.usb.as_ref().map(|set| (set.place, &set.path));
        let Some((place, path)) = written.or(layer.device.as_ref().map(|set| (set.place, &set.path))) else { continue };
        let kind = by_ids.entry((usb.vendor, usb.product)).or_default();
        if let Some(other) = kind.other(usb) {
            let port = other.port;
            let (message, help) = if other.usb.serial.is_some() && usb.serial.is_some() {
                (
                    format!("the port `{port}` has this adapter already"),
                    "one port can have any number of listeners: move those of this port there",
                )
            } else {
                (
                    format!("this means the adapter of the port `{port}` as well"),
                    "write `usb-serial` on both; for adapters without serial numbers `device: /dev/serial/by-path/…`",
                )
            };
            problems.push(Problem::new(place, path, message).note("it is at", other.place).help(help));
        }
        kind.add(usb, &named.name, place);
    }
}

/// The one that was there before.
fn claim<'a, K: Eq + Hash>(
    claims: &mut HashMap<K, DeviceOwner<'a>>,
    key: K,
    owner: &DeviceOwner<'a>,
) -> Option<DeviceOwner<'a>> {
    match claims.entry(key) {
        std::collections::hash_map::Entry::Occupied(first) => Some(first.get().clone()),
        std::collections::hash_map::Entry::Vacant(free) => {
            free.insert(owner.clone());
            None
        }
    }
}

fn not_a_device(metadata: &fs::Metadata) -> Option<&'static str> {
    let kind = metadata.file_type();
    if kind.is_char_device() {
        None
    } else if kind.is_dir() {
        Some("a folder")
    } else if kind.is_file() {
        Some("an ordinary file")
    } else if kind.is_block_device() {
        Some("a disk")
    } else {
        Some("a pipe or a socket")
    }
}

/// A listener's address and where it is written.
struct BoundAddress<'a> {
    address: &'a Address,
    place: Place,
    path: &'a str,
}

/// Addresses with the same TCP port, or the same path.
#[derive(Default)]
struct TakenAddress<'a> {
    bound: Vec<BoundAddress<'a>>,
    /// The first of `bound` for each of what it can be found by.
    first: HashMap<Trait, usize>,
}

impl<'a> TakenAddress<'a> {
    /// The first that cannot be bound at the same time.
    fn other(&self, reach: &Reach) -> Option<&BoundAddress<'a>> {
        let first = reach.met_by().into_iter().filter_map(|key| self.first.get(&key)).min()?;
        self.bound.get(*first)
    }

    fn add(&mut self, reach: Reach, bound: BoundAddress<'a>) {
        for key in reach.traits() {
            self.first.entry(key).or_insert(self.bound.len());
        }
        self.bound.push(bound);
    }
}

fn addresses(ports: &[Resolved<'_>], problems: &mut Vec<Problem>) {
    // by what two that overlap have in common: the TCP port, or the path
    let mut by_number: HashMap<(Option<u16>, Option<&Path>), TakenAddress<'_>> = HashMap::new();
    for (named, port) in ports {
        if !port.as_ref().is_some_and(|port| port.enable) {
            continue;
        }
        // port 0 is another one each time
        let addresses = named.layer.listen.iter().flatten().filter_map(|listener| listener.address.as_ref());
        for address in addresses.filter(|address| address.value.port() != Some(0)) {
            let reach = address.value.reach();
            let file = match &address.value {
                Address::Unix { path } => Some(path.as_path()),
                Address::Any { .. } | Address::Localhost { .. } | Address::Host { .. } => None,
            };
            let taken = by_number.entry((address.value.port(), file)).or_default();
            if let Some(other) = taken.other(&reach) {
                let message = if *other.address == address.value {
                    format!("`{}` is taken by {}", other.address, other.path)
                } else {
                    format!("`{}` overlaps with `{}` of {}", address.value, other.address, other.path)
                };
                problems.push(Problem::new(address.place, &address.path, message).note("it is at", other.place).help(
                    if address.value.is_unix() {
                        "give each listener a path of its own"
                    } else {
                        "give each listener a port number of its own"
                    },
                ));
            }
            taken.add(reach, BoundAddress { address: &address.value, place: address.place, path: &address.path });
        }
    }
}

/// A listener where the control socket is to be; `place` is where that is written.
pub(super) fn check_control(
    ports: &[Resolved<'_>],
    control: Option<&Control>,
    place: Option<Place>,
    problems: &mut Vec<Problem>,
) {
    let Some(control) = control else { return };
    let socket = match &control.socket {
        ControlSocket::Path(path) => path,
        ControlSocket::Usual => Path::new(ControlSocket::OF_SERVICE),
    };
    let enabled = ports.iter().filter(|(_, port)| port.as_ref().is_some_and(|port| port.enable));
    let addresses =
        enabled.flat_map(|(named, _)| named.layer.listen.iter().flatten()).filter_map(|l| l.address.as_ref());
    for address in addresses.filter(|address| matches!(&address.value, Address::Unix { path } if path == socket)) {
        let what = "the control socket is there, which `sermux status` and the other commands talk to";
        let problem = Problem::new(address.place, &address.path, format!("`{}`: {what}", address.value));
        let problem = match place {
            Some(place) => problem.note("it is at", place),
            None => problem,
        };
        problems.push(problem.help("give the listener a path of its own"));
    }
}

/// A listener where `http` is to listen, or two of the latter.
pub(super) fn check_http(ports: &[Resolved<'_>], addresses: &[ValueAt<Address>], problems: &mut Vec<Problem>) {
    if addresses.is_empty() {
        return;
    }
    let enabled = ports.iter().filter(|(_, port)| port.as_ref().is_some_and(|port| port.enable));
    let listeners = enabled.flat_map(|(named, _)| named.layer.listen.iter().flatten());
    let listeners = listeners.filter_map(|listener| listener.address.as_ref());
    let listeners: Vec<_> = listeners.map(|set| (&set.value, set.place, set.path.as_str())).collect();
    http::overlaps(addresses, &listeners, problems);
}
