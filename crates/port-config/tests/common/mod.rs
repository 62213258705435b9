//! Configurations without files.
#![allow(dead_code, missing_docs, unreachable_pub, reason = "not every test needs all of it")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use sermux_port_config::config::{
    Access, AccessList, Address, Banner, Capture, CaptureFormat, Config, ConnectRate, Control, ControlSocket, Crc,
    Delimiter, Device, Direction, Enter, Expect, Framing, Gap, HalfClose, Hangup, Http, HttpAccess, Keepalive, Limits,
    LineSetup, Listener, Log, LogFormat, LogLevel, Modem, Network, OnConnect, OnDisconnect, OnGone, OnLag, OnRelease,
    Open, Port, Protocol, Replay, Rs485, Sim, SocketRights, Telnet, Usb, WhenFull, Write,
};
use sermux_port_config::line::{BaudRate, DataBits, FlowControl, LineSettings, Parity, StopBits};
use sermux_port_config::signal::{Output, Step};

/// Integration tests have no place where proptest would keep failing cases; what it finds becomes a test of its own.
pub fn proptest_config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

/// Every key, in one text: the example that the shipped file has in its comments.
pub fn every_key() -> String {
    let shipped = include_str!("../../../../config/sermux.yaml");
    let begin = shipped.find("# log:").expect("the example begins with `log`");
    shipped[begin..]
        .lines()
        .map(|line| format!("{}\n", line.trim_start_matches('#').strip_prefix(' ').unwrap_or_default()))
        .collect()
}

pub fn any_line_settings() -> impl Strategy<Value = LineSettings> {
    (
        BaudRate::MIN..=BaudRate::MAX,
        select(vec![DataBits::Five, DataBits::Six, DataBits::Seven, DataBits::Eight]),
        select(vec![Parity::None, Parity::Even, Parity::Odd, Parity::Mark, Parity::Space]),
        select(vec![StopBits::One, StopBits::OnePointFive, StopBits::Two]),
        select(vec![FlowControl::None, FlowControl::RtsCts, FlowControl::XonXoff, FlowControl::DtrDsr]),
    )
        .prop_map(|(baud, data_bits, parity, stop_bits, flow_control)| LineSettings {
            baud: BaudRate::new(baud).expect("in range"),
            data_bits,
            parity,
            stop_bits,
            flow_control,
        })
}

fn any_output() -> impl Strategy<Value = Output> {
    select(vec![Output::On, Output::Off, Output::Keep])
}

fn any_rs485(settings: &LineSettings) -> impl Strategy<Value = Option<Rs485>> {
    // RTS cannot do both
    let may = settings.flow_control != FlowControl::RtsCts;
    let delay = || (0..=100u64).prop_map(Duration::from_millis);
    prop::option::of((any::<[bool; 3]>(), delay(), delay()).prop_map(move |(bools, before, after)| {
        let [enabled, rts_on_send, rx_during_tx] = bools;
        Rs485 {
            enabled: enabled && may,
            rts_on_send,
            rts_after_send: !rts_on_send,
            delay_before_send: before,
            delay_after_send: after,
            rx_during_tx,
        }
    }))
}

fn any_line() -> impl Strategy<Value = LineSetup> {
    any_line_settings().prop_flat_map(|settings| {
        (any::<bool>(), any::<bool>(), any_rs485(&settings)).prop_map(move |(clocal, low_latency, rs485)| LineSetup {
            settings,
            clocal,
            low_latency,
            ignore_break: clocal != low_latency,
            rs485,
        })
    })
}

fn any_modem() -> impl Strategy<Value = Modem> {
    let on_connect = (any_output(), any_output(), any::<bool>(), prop::option::of(1..=5000u64)).prop_map(
        |(dtr, rts, reset, break_for)| OnConnect {
            dtr,
            rts,
            reset: reset.then(|| "arduino".into()),
            break_for: break_for.map(Duration::from_millis),
            send: if reset { "ATZ\\r \\N".parse().unwrap() } else { Banner::default() },
        },
    );
    let on_disconnect =
        (any_output(), any_output(), any_banner()).prop_map(|(dtr, rts, send)| OnDisconnect { dtr, rts, send });
    let hangup = select(vec![Hangup::Ignore, Hangup::Disconnect]);
    (any_output(), any_output(), any::<bool>(), on_connect, on_disconnect, hangup).prop_map(
        |(dtr, rts, hangup_on_close, on_connect, on_disconnect, hangup)| Modem {
            dtr,
            rts,
            hangup_on_close,
            on_connect,
            on_disconnect,
            hangup,
        },
    )
}

fn any_macros() -> impl Strategy<Value = BTreeMap<String, Vec<Step>>> {
    let step = prop_oneof![
        any::<bool>().prop_map(|dtr| Step::Set { dtr: Some(dtr), rts: None }),
        any::<[bool; 2]>().prop_map(|[dtr, rts]| Step::Set { dtr: Some(dtr), rts: Some(rts) }),
        (1..=10_000u64).prop_map(|time| Step::Wait(Duration::from_millis(time))),
    ];
    prop::collection::btree_map("[a-z0-9][a-z0-9-]{0,9}", vec(step, 1..5), 0..3)
}

fn any_keepalive() -> impl Strategy<Value = Option<Keepalive>> {
    let seconds = || (1..=32_767u64).prop_map(Duration::from_secs);
    let milliseconds = (0..=86_400_000u64).prop_map(Duration::from_millis);
    prop::option::of(
        (seconds(), seconds(), 1..=127u32, milliseconds).prop_map(|(idle, interval, count, user_timeout)| Keepalive {
            idle,
            interval,
            count,
            user_timeout,
        }),
    )
}

fn any_host() -> impl Strategy<Value = String> {
    select(vec!["127.0.0.1", "0.0.0.0", "::1", "::", "fe80::1%eth0", "meter.home.arpa", "localhost"])
        .prop_map(str::to_owned)
}

fn any_networks() -> impl Strategy<Value = Vec<Network>> {
    let networks = ["10.0.0.7", "192.168.1.0/24", "0.0.0.0/0", "::1", "fd00::/8", "::/0"];
    vec(select(networks.map(|network| network.parse().expect("well-formed")).to_vec()), 0..3)
}

fn any_protocol() -> impl Strategy<Value = Protocol> {
    let telnet = (any::<[bool; 3]>(), "[ -~é]{1,40}", select(vec![Enter::AsIs, Enter::Cr])).prop_map(
        |(bools, signature, enter)| {
            let [rfc2217, break_on_sync, notify] = bools;
            Protocol::Telnet(Telnet { rfc2217, signature, break_on_sync, enter, notify })
        },
    );
    prop_oneof![Just(Protocol::Raw), telnet]
}

fn any_banner() -> impl Strategy<Value = Banner> {
    "([ -\\[\\]-~\r\n\t\u{1b}é]|\\\\[NdspIBYen]|\\\\x[0-9a-f]{1,2}){0,20}"
        .prop_map(|text| text.parse().expect("well-formed"))
}

pub fn any_control() -> impl Strategy<Value = Option<Control>> {
    let socket = prop_oneof![
        Just(ControlSocket::Usual),
        "/[ -~]{0,100}".prop_map(|path| ControlSocket::Path(path.trim_end().into()))
    ];
    let control = (socket, prop::option::of("[a-z_][a-z0-9_-]{0,31}"), 0..=0o177u32)
        .prop_map(|(socket, group, mode)| Control { socket, group, mode: mode | 0o600 });
    prop::option::of(control)
}

fn frames() -> Vec<Framing> {
    let delimiter = Delimiter::new(b"\r\n").expect("two bytes");
    let gap = Gap::Time(Duration::from_millis(20));
    vec![
        Framing::None,
        Framing::Dsmr,
        Framing::Line,
        Framing::Delimiter(delimiter),
        Framing::Gap(gap),
        Framing::Gap(Gap::Modbus),
    ]
}

fn any_rights() -> impl Strategy<Value = SocketRights> {
    let name = || prop::option::of("[a-z_][a-z0-9_-]{0,31}");
    (0..=0o177u32, name(), name()).prop_map(|(mode, owner, group)| SocketRights { mode: mode | 0o600, owner, group })
}

/// Of a port that is written to so, with frames of that kind.
fn any_listener(write: Write, frame: Framing) -> impl Strategy<Value = Listener> {
    let access = match write {
        Write::None => vec![Access::ReadOnly],
        Write::Any | Write::First | Write::Last => {
            vec![Access::ReadOnly, Access::WriteOnly, Access::ReadWrite, Access::Control]
        }
    };
    let on_lag = match frame {
        Framing::Dsmr => vec![OnLag::Skip],
        _ => vec![OnLag::Disconnect, OnLag::Skip, OnLag::Hold],
    };
    let hosts = (any_networks(), any_networks()).prop_map(|(allow, deny)| AccessList { allow, deny });
    let when_full = select(vec![WhenFull::Refuse, WhenFull::KickOldest, WhenFull::KickIdle]);
    let replay = match frame {
        Framing::None => vec![Replay::None, Replay::Bytes(1), Replay::Bytes(16 * 1024)],
        _ => vec![Replay::None, Replay::Frames(1), Replay::Frames(100)],
    };
    let idle_timeout = (0..=86_400u64).prop_map(Duration::from_secs);
    let half_close = prop::option::of((0..=86_400_000u64).prop_map(Duration::from_millis))
        .prop_map(|time| time.map_or(HalfClose::Off, HalfClose::For));
    let write_hold = match write {
        Write::First | Write::Last => 100..=86_400_000u64,
        Write::Any | Write::None => 30_000..=30_000,
    };
    let write_hold = write_hold.prop_map(Duration::from_millis);
    let on_gone = select(vec![OnGone::Hold, OnGone::Disconnect]);
    let policies = ((select(on_lag), on_gone), when_full, select(replay), idle_timeout, half_close, write_hold);
    let limits = (select(access), 1..=100_000usize, any_keepalive(), hosts);
    let place = (prop::option::of(any_host()), prop::option::of(any_rights()));
    (limits, policies, place, any_protocol(), any_banner()).prop_map(
        move |(
            (access, max_clients, keepalive, hosts),
            ((on_lag, on_gone), when_full, replay, idle_timeout, half_close, write_hold),
            (host, file),
            protocol,
            banner,
        )| {
            let address = match (&file, host) {
                (Some(_), _) => Address::Unix { path: "/run/x".into() },
                (None, Some(host)) if host == "localhost" => Address::Localhost { port: 0 },
                (None, Some(host)) => Address::Host { host, port: 0 },
                (None, None) => Address::Any { port: 0 },
            };
            Listener {
                banner: if frame == Framing::None || protocol != Protocol::Raw { banner } else { Banner::default() },
                access,
                hosts: if file.is_some() { AccessList::default() } else { hosts },
                keepalive: keepalive.filter(|_| file.is_none()),
                file,
                max_clients,
                when_full,
                on_lag,
                on_gone,
                idle_timeout,
                half_close,
                write_hold,
                replay,
                ..Listener::new(protocol, address)
            }
        },
    )
}

/// Its device, the TCP ports of its listeners (0) and their paths are the same for all: [`any_config`] tells them apart.
fn any_port() -> impl Strategy<Value = Port> {
    let kind = (select(vec![Write::Any, Write::First, Write::Last, Write::None]), select(frames()));
    kind.prop_flat_map(|(write, frame)| {
        let listen = vec(any_listener(write, frame), 1..4);
        let device = (any_line(), any_modem(), any_macros(), prop::option::of(0..=86_400_000u64));
        let rest = (any::<bool>(), any::<bool>(), any::<bool>(), 0..=10_000u64, 32 * 1024..=64 * 1024 * 1024usize);
        (listen, device, rest).prop_map(move |(listen, (line, modem, reset, linger), rest)| Port {
            enable: rest.0,
            line,
            modem,
            on_release: if rest.1 { OnRelease::Keep } else { OnRelease::Restore },
            reset,
            open: if linger.is_some() { Open::OnDemand } else { Open::Always },
            linger: linger.map_or(Duration::from_secs(5), Duration::from_millis),
            exclusive: rest.1,
            lock_file: rest.2.then(|| "/run/a folder: #".into()),
            write,
            frame,
            tx_frame: frames()[rest.4 % 6].delimiter(),
            crc: if rest.2 && frame == Framing::Dsmr { Crc::Drop } else { Crc::Pass },
            gather: if frame == Framing::None { Duration::from_millis(rest.3) } else { Duration::ZERO }.into(),
            backlog: rest.4,
            expect: Expect { frame: Duration::from_millis(rest.3) },
            capture: rest.0.then(|| any_capture(rest.3, rest.4).into()),
            limits: any_limits(rest.3),
            listen: listen.into_iter().map(Arc::new).collect(),
            ..Port::new(Device::Sim(Sim::Echo), LineSettings::default())
        })
    })
}

fn any_limits(some: u64) -> Limits {
    let some = u32::try_from(some).unwrap_or_default();
    let time = Duration::from_secs([1, 60, 3600][some as usize % 3]);
    let connect_rate = (some % 2 == 0).then_some(ConnectRate { connects: some + 1, time });
    Limits { max_clients: some / 2, max_per_address: some / 3, connect_rate }
}

/// Its file is the same for all: [`any_config`] tells them apart.
fn any_capture(some: u64, size: usize) -> Capture {
    let few = u8::try_from(some % 3).unwrap_or_default();
    Capture {
        file: "/run".into(),
        direction: [Direction::Rx, Direction::Tx, Direction::Both][usize::from(few)],
        format: [CaptureFormat::Hex, CaptureFormat::Json, CaptureFormat::Text][usize::from(few)],
        timestamp: few == 0,
        max_size: if few == 1 { 0 } else { size },
        max_age: if few == 2 { Duration::from_secs(some * 86_400 % 315_360_000) } else { Duration::from_millis(some) },
        keep: u32::from(few) * 500,
    }
}

/// A configuration that could be in force: no two ports are in each other's way.
pub fn any_config() -> impl Strategy<Value = Config> {
    let log = (
        select(vec![LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace]),
        select(vec![LogFormat::Auto, LogFormat::Text, LogFormat::Json]),
    );
    // few names, so that two configurations have some in common
    let name = prop_oneof![4 => select(vec!["a", "b", "c", "1", "true", "null"]).prop_map(str::to_owned),
                           1 => "[A-Za-z0-9_][A-Za-z0-9._-]{0,63}"];
    let ports = prop::collection::btree_map(name, (any_port(), 0..4u8), 0..6);
    (log, any_control(), any_http(), ports).prop_map(|(log, control, http, ports)| Config {
        control,
        http,
        limits: any_limits(ports.len() as u64),
        log: Log { level: log.0, format: log.1 },
        ports: ports
            .into_iter()
            .map(|(name, (port, kind))| (name.clone(), distinct(port, kind, &name).into()))
            .collect(),
    })
}

fn any_http() -> impl Strategy<Value = Option<Http>> {
    let port = 0;
    let host = |host: &str| Address::Host { host: host.to_owned(), port };
    let address = select(vec![
        vec![Address::Localhost { port }],
        vec![host("127.0.0.1")],
        vec![Address::Any { port }, host("::1"), host("meter.home.arpa")],
    ]);
    let access = select(vec![HttpAccess::Usual, HttpAccess::None, HttpAccess::ReadOnly]);
    let names = select(vec![vec![], vec!["meter.home.arpa".to_owned(), "a_b".to_owned()]]);
    let http = (address, access, names).prop_map(|(address, access, names)| Http { address, access, names });
    prop::option::of(http)
}

fn distinct(mut port: Port, kind: u8, name: &str) -> Port {
    if let Some(capture) = &mut port.capture {
        capture.file = format!("/run/captures/{name}: #").into();
    }
    port.device = match kind {
        0 => Device::Sim(Sim::DsmrP1),
        1 => Device::Sim(Sim::Echo),
        2 => Device::Usb(Usb { vendor: 0x0403, product: 0x6001, serial: Some(format!("00 {name}: #, 'x'")) }),
        _ => Device::Path(format!("/nonexistent/tty {name}: #").into()),
    };
    for (index, listener) in port.listen.iter_mut().enumerate() {
        if let Address::Unix { path } = &mut Arc::make_mut(listener).address {
            *path = format!("/run/{name} {index}: #").into();
        }
    }
    port
}

/// A mapping of ports by name, for short tests.
pub fn named(ports: impl IntoIterator<Item = (&'static str, Port)>) -> Config {
    let ports: BTreeMap<_, _> = ports.into_iter().map(|(name, port)| (name.to_owned(), port.into())).collect();
    Config { ports, ..Config::default() }
}
