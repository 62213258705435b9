//! The configuration in force: every value resolved, no `Option` that means "default".
//!
//! A [`Config`] comes out of [`load::load`] only when nothing at all is wrong with the files it was read from.

mod address;
pub mod banner;
mod capture;
mod capture_files;
mod conflict;
mod control;
mod cut;
mod device;
pub mod diff;
pub(crate) mod file;
mod gather;
mod half_close;
mod http;
pub(crate) mod keys;
mod layer;
mod limits;
pub mod load;
mod marker;
mod modem;
mod network;
pub(crate) mod parse;
pub mod profile;
mod replay;
pub mod reset;
mod resolve;
mod rs485;
pub mod schema;
mod sim_meter;
mod socket_file;
pub(crate) mod source;
mod syntax;
mod telnet;
mod tree;
mod values;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::line::LineSettings;
use crate::signal::Step;

pub use address::{Address, AddressError};
pub use banner::{Banner, BannerError};
pub use capture::{Capture, CaptureFormat, Direction};
pub use control::{Control, ControlSocket};
pub use cut::{Delimiter, Gap};
pub use device::{Device, DeviceError, Sim, Usb};
pub use gather::{Gather, Silence};
pub use half_close::HalfClose;
pub use http::{Http, HttpAccess};
pub use limits::{ConnectRate, Limits};
pub use marker::Marker;
pub use modem::{Hangup, Modem, OnConnect, OnDisconnect};
pub use network::{AccessList, Network, NetworkError};
pub use replay::Replay;
pub use rs485::Rs485;
pub use sim_meter::{SimMeter, SimVersion};
pub use socket_file::SocketRights;

/// Everything that the files say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Config {
    /// The socket that commands come in by; `None` is `off`.
    #[serde(serialize_with = "control::control_or_off")]
    pub control: Option<Control>,
    /// Where metrics, health and readings are served; `None` is `off`.
    #[serde(serialize_with = "http::http_or_off")]
    pub http: Option<Http>,
    /// What is logged and how.
    pub log: Log,
    /// Of all ports together.
    pub limits: Limits,
    /// The ports by name, shared with the tasks that run them.
    pub ports: BTreeMap<String, Arc<Port>>,
}

impl Default for Config {
    /// What a file says that says nothing: no ports.
    fn default() -> Self {
        Config {
            control: Some(Control::default()),
            http: None,
            log: Log::default(),
            limits: Limits::default(),
            ports: BTreeMap::new(),
        }
    }
}

/// `log:`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Log {
    /// The least important level that is written.
    pub level: LogLevel,
    /// How a record looks.
    pub format: LogFormat,
}

/// `log: { level: … }`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names are the documentation")]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

/// `log: { format: … }`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// The journal where standard error goes there (a service of systemd), text elsewhere.
    #[default]
    Auto,
    /// A line of text a record.
    Text,
    /// A JSON object a record.
    Json,
    /// The native protocol of systemd's journal, with fields such as PORT= and CLIENT=.
    Journal,
}

/// One serial device and how it is offered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Port {
    /// What is opened.
    pub device: Device,
    /// A port that is not enabled is checked and then left alone.
    pub enable: bool,
    /// How the line is set.
    pub line: LineSetup,
    /// What is done with DTR and RTS.
    pub modem: Modem,
    /// What becomes of what network clients changed about the line when the last one with [`Access::Control`] has left.
    pub on_release: OnRelease,
    /// Reset macros by name; the built-in ones are there without ([`reset::find`]).
    pub reset: BTreeMap<String, Vec<Step>>,
    /// When the device is open.
    pub open: Open,
    /// With [`Open::OnDemand`]: how long the device stays open after the last client. Else the default.
    #[serde(serialize_with = "crate::units::serialize_duration")]
    pub linger: Duration,
    /// flock and TIOCEXCL on the device.
    pub exclusive: bool,
    /// The folder of a UUCP lock file that is kept while the device is open; `None` is `false`.
    #[serde(serialize_with = "folder_or_false")]
    pub lock_file: Option<PathBuf>,
    /// Whose bytes go to the line.
    pub write: Write,
    /// The unit that is never cut.
    pub frame: Framing,
    /// What ends the frames that clients send and that go to the line whole; `None` is `none`, LF is `line`.
    #[serde(serialize_with = "cut::tx_frame_or_none")]
    pub tx_frame: Option<Delimiter>,
    /// What happens to a telegram whose CRC is wrong.
    pub crc: Crc,
    /// How long received bytes wait for more before they are handed out.
    pub gather: Gather,
    /// Bytes of history kept for clients that are behind.
    #[serde(serialize_with = "crate::units::serialize_size")]
    pub backlog: usize,
    /// What is missed when it does not come.
    pub expect: Expect,
    /// The file that everything goes into; `None` is `off`.
    #[serde(serialize_with = "capture::capture_or_off")]
    pub capture: Option<Box<Capture>>,
    /// Of all its listeners together.
    pub limits: Limits,
    /// Where it is offered.
    pub listen: Vec<Arc<Listener>>,
}

/// How long a device stays open after the last client.
const LINGER: Duration = Duration::from_secs(5);

impl Port {
    /// A port with this device and these line settings. All other keys have their defaults; it has no listeners.
    pub fn new(device: Device, line: LineSettings) -> Port {
        Port {
            device,
            enable: true,
            line: LineSetup { settings: line, ..LineSetup::default() },
            modem: Modem::default(),
            on_release: OnRelease::default(),
            reset: BTreeMap::new(),
            open: Open::default(),
            linger: LINGER,
            exclusive: true,
            lock_file: None,
            write: Write::default(),
            frame: Framing::default(),
            tx_frame: None,
            crc: Crc::default(),
            gather: Gather::default(),
            backlog: 256 * 1024,
            expect: Expect::default(),
            capture: None,
            limits: Limits::default(),
            listen: Vec::new(),
        }
    }
}

/// `expect:`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Expect {
    /// The port is quiet after this time without a frame (a telegram with a right CRC, or without one), or without a byte
    /// where there are no frames. Zero is never.
    #[serde(serialize_with = "crate::units::serialize_duration")]
    pub frame: Duration,
}

/// `line:`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LineSetup {
    /// Baud rate, data bits, parity, stop bits, flow control.
    #[serde(flatten)]
    pub settings: LineSettings,
    /// Whether the modem state is ignored (CLOCAL).
    pub clocal: bool,
    /// Whether the driver is asked to hand bytes over at once (ASYNC_LOW_LATENCY), where it can.
    pub low_latency: bool,
    /// Whether a break of the other end gives no byte (IGNBRK); otherwise it is received as a zero.
    pub ignore_break: bool,
    /// What the kernel does to RTS around sending. `None` is no default: it stays as the driver has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rs485: Option<Rs485>,
}

impl Default for LineSetup {
    fn default() -> Self {
        LineSetup {
            settings: LineSettings::default(),
            clocal: true,
            low_latency: true,
            ignore_break: false,
            rs485: None,
        }
    }
}

/// `on-release:`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnRelease {
    /// Settings, DTR and RTS are as configured again.
    #[default]
    Restore,
    /// They stay until the device is opened again.
    Keep,
}

/// `open:`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Open {
    /// As long as the program runs.
    #[default]
    Always,
    /// While there is a client, and a while longer ([`Port::linger`]).
    OnDemand,
}

/// `write:`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Write {
    /// Every client whose listener lets it.
    #[default]
    Any,
    /// One client at a time: the first that writes, until it has been silent for [`Listener::write_hold`] or goes.
    First,
    /// One client at a time: the latest that began to write.
    Last,
    /// Nobody.
    None,
}

/// `frame:`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// Bytes.
    #[default]
    None,
    /// Lines, ended by LF.
    Line,
    /// Ended by these bytes.
    Delimiter(Delimiter),
    /// Ended by silence.
    Gap(Gap),
    /// DSMR P1 telegrams.
    Dsmr,
}

/// `crc:`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Crc {
    /// Handed out as it is, and counted.
    #[default]
    Pass,
    /// Kept back, and counted.
    Drop,
}

/// One entry of `listen:`
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Listener {
    /// What is spoken there.
    #[serde(flatten)]
    pub protocol: Protocol,
    /// Where it is.
    pub address: Address,
    /// What the line is set to while clients are connected here, and none through a listener with others; `None`: the
    /// port's settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<LineSettings>,
    /// What its clients may do.
    pub access: Access,
    /// Which hosts may connect; empty on a unix socket.
    #[serde(flatten)]
    pub hosts: AccessList,
    /// On a unix socket: who on this machine may connect. `None` at any other address.
    #[serde(flatten)]
    pub file: Option<SocketRights>,
    /// How many clients it takes.
    pub max_clients: usize,
    /// What happens to one client more.
    pub when_full: WhenFull,
    /// What happens to a client that falls behind by the whole backlog.
    pub on_lag: OnLag,
    /// What happens to a client when the device is closed under it.
    pub on_gone: OnGone,
    /// Silence in both directions after which a client is closed; zero is never.
    #[serde(serialize_with = "crate::units::serialize_duration")]
    pub idle_timeout: Duration,
    /// What a client that has closed its sending side still receives, and how long what it sent may wait for a line that takes
    /// nothing. On a unix socket it receives until the other side is gone, unless this is [`HalfClose::Off`].
    pub half_close: HalfClose,
    /// What the device sends to have clients disconnected; `None`: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub close_on: Option<Marker>,
    /// With [`Write::First`] and [`Write::Last`]: others may write after so much silence of a client. Else the default.
    #[serde(serialize_with = "crate::units::serialize_duration")]
    pub write_hold: Duration,
    /// What of the past a new client gets first.
    pub replay: Replay,
    /// How a peer that vanished without a word is found out; `None` is `off`, and so on a unix socket.
    #[serde(serialize_with = "keepalive_or_off")]
    pub keepalive: Option<Keepalive>,
    /// What its clients are greeted with.
    pub banner: Banner,
    /// What a client is sent that is closed because others are served; `None` is a line that says by whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub busy_text: Option<Banner>,
}

impl Listener {
    /// Whether its connections tell when the other side is gone altogether, and not only that it sends no more: a unix
    /// socket's do.
    #[must_use]
    pub fn tells_close(&self) -> bool {
        matches!(self.address, Address::Unix { .. })
    }

    /// Whether its clients get a message when the device is unplugged or opened (`notify`).
    #[must_use]
    pub fn notifies(&self) -> bool {
        matches!(&self.protocol, Protocol::Telnet(telnet) if telnet.notify)
    }
}

/// How long a client that is silent keeps the pen.
const WRITE_HOLD: Duration = Duration::from_secs(30);

impl Listener {
    /// A listener for this protocol at this address. All other keys have the defaults of a port without frames whose clients may
    /// write.
    pub fn new(protocol: Protocol, address: Address) -> Listener {
        let is_unix = address.is_unix();
        Listener {
            access: if protocol.has_rfc2217() { Access::Control } else { Access::ReadWrite },
            protocol,
            address,
            line: None,
            hosts: AccessList::default(),
            file: is_unix.then(SocketRights::default),
            max_clients: 64,
            when_full: WhenFull::default(),
            on_lag: OnLag::Disconnect,
            on_gone: OnGone::default(),
            idle_timeout: Duration::ZERO,
            half_close: HalfClose::default(),
            close_on: None,
            write_hold: WRITE_HOLD,
            replay: Replay::default(),
            keepalive: (!is_unix).then(Keepalive::default),
            banner: Banner::default(),
            busy_text: None,
        }
    }
}

/// `protocol:`, with the keys that only this protocol has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "protocol", rename_all = "kebab-case")]
pub enum Protocol {
    /// The bytes and nothing else.
    Raw,
    /// Telnet (RFC 854), binary both ways.
    Telnet(Telnet),
}

impl Protocol {
    /// The word of the file.
    pub fn name(&self) -> &'static str {
        match self {
            Protocol::Raw => "raw",
            Protocol::Telnet(_) => "telnet",
        }
    }

    /// Whether it has words for line settings and modem lines.
    pub fn has_rfc2217(&self) -> bool {
        matches!(self, Protocol::Telnet(Telnet { rfc2217: true, .. }))
    }
}

/// `protocol: telnet`
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Telnet {
    /// Whether clients are offered line settings and modem lines (RFC 2217).
    pub rfc2217: bool,
    /// What is answered when a client asks who this is (RFC 2217, SIGNATURE): 1 to [`Telnet::MAX_SIGNATURE`] bytes.
    pub signature: String,
    /// Whether a Synch (RFC 854: urgent data with a DM) is a break on the line.
    pub break_on_sync: bool,
    /// What the end of a line from the client becomes.
    pub enter: Enter,
    /// Whether clients get a line of text when the device is unplugged or plugged in.
    pub notify: bool,
}

impl Telnet {
    /// The longest signature, in bytes.
    pub const MAX_SIGNATURE: usize = 255;

    /// The defaults of a listener of this port; a client that asks is answered with the program, its version and the port.
    pub fn new(port: &str) -> Telnet {
        Telnet {
            rfc2217: false,
            signature: format!("sermux {} {port}", env!("CARGO_PKG_VERSION")),
            break_on_sync: false,
            enter: Enter::default(),
            notify: false,
        }
    }
}

/// `enter:`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Enter {
    /// CR LF stays CR LF.
    #[default]
    AsIs,
    /// CR LF becomes CR.
    Cr,
}

/// `access:`
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// What the client sends is thrown away and counted.
    ReadOnly,
    /// What the client sends goes to the line, and it gets nothing that comes from there.
    WriteOnly,
    /// What the client sends goes to the line.
    ReadWrite,
    /// Also settings and modem lines, where the protocol has words for them.
    Control,
}

impl Access {
    /// The word of the file.
    pub fn name(self) -> &'static str {
        match self {
            Access::ReadOnly => "read-only",
            Access::WriteOnly => "write-only",
            Access::ReadWrite => "read-write",
            Access::Control => "control",
        }
    }
}

/// `when-full:`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhenFull {
    /// It is turned away.
    #[default]
    Refuse,
    /// The client that has been there for the longest time makes room.
    KickOldest,
    /// The client that has neither sent nor received anything for the longest time makes room.
    KickIdle,
}

/// `on-lag:`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnLag {
    /// The client is cut off: a reconnect is better than a silent hole.
    Disconnect,
    /// The client goes on at the newest byte or frame, and the gap is counted.
    Skip,
    /// The line is not read until the client has caught up.
    Hold,
}

/// `on-gone:`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnGone {
    /// The client stays and goes on with the next device.
    #[default]
    Hold,
    /// The client is disconnected, and none gets in while there is no device.
    Disconnect,
}

/// `keepalive:`, tcp(7)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Keepalive {
    /// Silence before the first probe (TCP_KEEPIDLE).
    #[serde(serialize_with = "crate::units::serialize_duration")]
    pub idle: Duration,
    /// Between probes (TCP_KEEPINTVL).
    #[serde(serialize_with = "crate::units::serialize_duration")]
    pub interval: Duration,
    /// Probes without an answer before the peer is dead (TCP_KEEPCNT).
    pub count: u32,
    /// How long sent bytes may stay without an acknowledgement (TCP_USER_TIMEOUT); zero is the system's default.
    #[serde(serialize_with = "crate::units::serialize_duration")]
    pub user_timeout: Duration,
}

impl Default for Keepalive {
    /// A vanished peer is noticed after a minute.
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Keepalive { idle: seconds(30), interval: seconds(10), count: 3, user_timeout: seconds(60) }
    }
}

fn folder_or_false<S: Serializer>(folder: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    match folder {
        Some(folder) => folder.serialize(serializer),
        None => serializer.serialize_bool(false),
    }
}

fn keepalive_or_off<S: Serializer>(keepalive: &Option<Keepalive>, serializer: S) -> Result<S::Ok, S::Error> {
    match keepalive {
        Some(keepalive) => keepalive.serialize(serializer),
        None => serializer.serialize_str("off"),
    }
}
