//! What a configuration without faults means.
#![allow(clippy::unwrap_used, reason = "in a test it says where")]

use std::sync::Arc;
use std::time::Duration;

use sermux_port_config::config::load::load_str;
use sermux_port_config::config::{
    profile, reset, Access, AccessList, Address, CaptureFormat, Config, Control, ControlSocket, Crc, Device, Direction,
    Enter, Framing, Gap, Hangup, Keepalive, Listener, LogFormat, LogLevel, Modem, OnConnect, OnDisconnect, OnGone,
    OnLag, OnRelease, Open, Port, Protocol, Rs485, Sim, SocketRights, Telnet, Usb, Write,
};
use sermux_port_config::line::{FlowControl, LineSettings};
use sermux_port_config::signal::{Output, Step};

fn config(text: &str) -> Config {
    load_str("x.yaml", text).unwrap_or_else(|faults| panic!("{faults}")).config
}

/// A port `p` with these keys, below `top`.
fn port_below(top: &str, keys: &str) -> Port {
    let text = format!("{top}\nports: {{ p: {{ device: sim:echo, {keys} }} }}");
    config(&text).ports["p"].as_ref().clone()
}

fn device(keys: &str) -> Device {
    config(&format!("ports: {{ p: {{ {keys}, enable: no }} }}")).ports["p"].device.clone()
}

fn port(keys: &str) -> Port {
    port_below("", &format!("listen: [{{ protocol: raw, address: 4001 }}], {keys}"))
}

#[test]
fn a_port_that_is_made_is_one_of_a_file_that_says_nothing_else() {
    let mut made = Port::new(Device::Sim(Sim::Echo), LineSettings::default());
    let rfc2217 = Telnet { rfc2217: true, ..Telnet::new("p") };
    for (protocol, address) in [
        (Protocol::Raw, "4001"),
        (Protocol::Telnet(Telnet::new("p")), "*:4002"),
        (Protocol::Telnet(rfc2217), "*:4003"),
        (Protocol::Raw, "unix:/run/x"),
    ] {
        made.listen.push(Arc::new(Listener::new(protocol, address.parse().unwrap())));
    }
    let written = "listen: [{ protocol: raw, address: 4001 }, { protocol: telnet, address: '*:4002' }, \
                   { protocol: telnet, rfc2217: true, address: '*:4003' }, { protocol: raw, address: unix:/run/x }]";
    assert_eq!(made, port_below("", written));
}

#[test]
fn the_built_in_defaults_are_those_of_the_documentation() {
    let port = port("");
    assert_eq!(port.device, Device::Sim(Sim::Echo));
    assert_eq!(port.line.settings.to_string(), "9600 8N1");
    assert!(port.enable && port.exclusive && port.line.clocal && port.line.low_latency);
    let modem = Modem {
        dtr: Output::On,
        rts: Output::On,
        hangup_on_close: false,
        on_connect: OnConnect::default(),
        on_disconnect: OnDisconnect::default(),
        hangup: Hangup::Ignore,
    };
    assert_eq!((&port.modem, port.on_release), (&modem, OnRelease::Restore));
    assert_eq!((port.open, port.linger, port.line.rs485), (Open::Always, Duration::from_secs(5), None));
    assert!(port.reset.is_empty(), "the built-in macros need no entry");
    assert_eq!((port.write, port.frame, port.crc), (Write::Any, Framing::None, Crc::Pass));
    assert_eq!((port.gather.max, port.backlog), (Duration::ZERO, 256 * 1024));
    let listener = &port.listen[0];
    assert_eq!(listener.address, Address::Localhost { port: 4001 });
    assert_eq!((listener.access, listener.max_clients, listener.on_lag), (Access::ReadWrite, 64, OnLag::Disconnect));
    let seconds = Duration::from_secs;
    let keepalive = Keepalive { idle: seconds(30), interval: seconds(10), count: 3, user_timeout: seconds(60) };
    assert_eq!(listener.keepalive, Some(keepalive));
    assert_eq!(config("ports:\n"), Config::default());
    let log = config("log: { level: debug, format: json }\nports: {}").log;
    assert_eq!((log.level, log.format), (LogLevel::Debug, LogFormat::Json));
}

#[test]
fn a_usb_adapter_is_a_device_of_its_own() {
    let adapter =
        |serial: Option<&str>| Device::Usb(Usb { vendor: 0x10c4, product: 0xea60, serial: serial.map(str::to_owned) });
    assert_eq!(device("usb: 10c4:EA60"), adapter(None));
    assert_eq!(device("usb: \"10c4:ea60\", usb-serial: \"0001\""), adapter(Some("0001")));
    assert_eq!(device("usb: \"10c4:ea60\", usb-serial: A1 B2"), adapter(Some("A1 B2")));
    assert_eq!(device("device: usb:10c4:ea60"), adapter(None));
    assert_eq!(device("device: \"usb:10c4:ea60,a,b\""), adapter(Some("a,b")));
}

#[test]
fn a_lock_file_is_in_the_usual_folder_or_in_another_or_not_there() {
    for (keys, folder) in [
        ("", None),
        ("lock-file: false", None),
        ("lock-file: off", None),
        ("lock-file: true", Some("/var/lock")),
        ("lock-file: /run/lock/lockdev", Some("/run/lock/lockdev")),
    ] {
        assert_eq!(port(keys).lock_file, folder.map(Into::into), "{keys}");
    }
    let below = port_below("defaults: { lock-file: yes }", "listen: [{ protocol: raw, address: 0 }]");
    assert_eq!(below.lock_file, Some("/var/lock".into()));
}

#[test]
fn the_port_goes_before_the_profile_and_that_before_the_files_defaults() {
    let defaults =
        "defaults: { profile: dsmr-p1-v2, line: 1200 8N2, modem: { dtr: off }, backlog: 64 KiB, max-clients: 3 }";
    let listen = "listen: [{ protocol: raw, address: 0 }, { protocol: raw, address: 0, max-clients: 9 }]";
    let port = port_below(defaults, &format!("line: {{ parity: odd }}, max-clients: 5, {listen}"));
    assert_eq!(port.line.settings.to_string(), "9600 7O1", "parity: port, the rest: profile");
    assert_eq!(port.modem.dtr, Output::On, "profile");
    assert_eq!(port.backlog, 64 * 1024, "defaults");
    assert_eq!(port.listen.iter().map(|listener| listener.max_clients).collect::<Vec<_>>(), [5, 9]);

    let other = port_below(defaults, &format!("profile: console, {listen}"));
    assert_eq!(other.line.settings.to_string(), "115200 8N1");
    assert_eq!((other.frame, other.modem.dtr), (Framing::None, Output::Off));
}

#[test]
fn macros_and_rs485_are_laid_over_key_by_key() {
    let listen = "listen: [{ protocol: raw, address: 0 }]";
    let defaults =
        "defaults: { reset: { a: [dtr=on], b: [dtr=on] }, line: { rs485: { enabled: true, rx-during-tx: on } } }";
    let keys = "reset: { b: [rts=off, wait=1s], arduino: builtin }, line: { rs485: { delay-after-send: 2ms } }";
    let port = port_below(defaults, &format!("{keys}, {listen}"));
    let set = |dtr, rts| Step::Set { dtr, rts };
    assert_eq!(port.reset["a"], [set(Some(true), None)]);
    assert_eq!(port.reset["b"], [set(None, Some(false)), Step::Wait(Duration::from_secs(1))]);
    assert_eq!(port.reset["arduino"], reset::builtin("arduino").unwrap());
    let two = Duration::from_millis(2);
    let rs485 = Rs485 { enabled: true, rx_during_tx: true, delay_after_send: two, ..Rs485::default() };
    assert_eq!(port.line.rs485, Some(rs485));
    assert_eq!(
        port_below("", &format!("line: {{ rs485: {{ enabled: no }} }}, {listen}")).line.rs485,
        Some(Rs485::default())
    );
}

#[test]
fn a_device_that_is_opened_on_demand_lingers() {
    assert_eq!(port("open: on-demand").linger, Duration::from_secs(5));
    let lingering = port("open: on-demand, linger: 0s");
    assert_eq!((lingering.open, lingering.linger), (Open::OnDemand, Duration::ZERO));
    let default = port_below("defaults: { linger: 1min }", "listen: [{ protocol: raw, address: 0 }]");
    assert_eq!(default.linger, Duration::from_secs(5), "it does not concern a port that is always open");
    assert_eq!(port("open: always, linger: 5s").open, Open::Always);
}

#[test]
fn the_short_form_of_a_line_is_complete() {
    let port = port_below(
        "defaults: { line: { flow-control: rts-cts, clocal: no } }",
        "line: 9600, listen: [{ protocol: raw, address: 0 }]",
    );
    assert_eq!(port.line.settings.flow_control, FlowControl::None);
    assert!(!port.line.clocal, "the short form has no word for it");
}

#[test]
fn a_port_that_nobody_writes_to_is_read_only() {
    assert_eq!(port("write: none").listen[0].access, Access::ReadOnly);
}

#[test]
fn telnet_is_as_the_documentation_says_and_a_port_may_have_defaults_for_it() {
    let listen = |protocol: &str| format!("listen: [{{ {protocol}, address: 0 }}]");
    let plain = port_below("", &listen("protocol: telnet")).listen[0].clone();
    let telnet = Telnet {
        rfc2217: false,
        signature: format!("sermux {} p", env!("CARGO_PKG_VERSION")),
        break_on_sync: false,
        enter: Enter::AsIs,
        notify: false,
    };
    assert_eq!((plain.protocol.clone(), plain.access), (Protocol::Telnet(telnet.clone()), Access::ReadWrite));
    assert!(plain.banner.is_empty());

    let rfc2217 = listen("protocol: telnet, rfc2217: true");
    let control = port_below("", &rfc2217).listen[0].clone();
    assert_eq!(control.access, Access::Control);
    assert_eq!(control.protocol, Protocol::Telnet(Telnet { rfc2217: true, ..telnet }));
    assert_eq!(port_below("", &format!("write: none, {rfc2217}")).listen[0].access, Access::ReadOnly);

    let top = "defaults: { signature: lab, enter: cr, banner: 'to \\N' }";
    let keys = "break-on-sync: yes, listen: [{ protocol: telnet, address: 0, enter: as-is, notify: on }, { protocol: raw, address: 0 }]";
    let both = port_below(top, keys).listen;
    let expected =
        Telnet { rfc2217: false, signature: "lab".into(), break_on_sync: true, enter: Enter::AsIs, notify: true };
    assert_eq!(both[0].protocol, Protocol::Telnet(expected));
    assert_eq!(both[1].protocol, Protocol::Raw);
    assert_eq!(both.iter().map(|listener| listener.banner.as_str()).collect::<Vec<_>>(), ["to \\N", "to \\N"]);
}

#[test]
fn the_control_socket_is_on_unless_it_is_off() {
    let control = |text: &str| config(&format!("{text}\nports: {{}}\n")).control;
    let usual = Control { socket: ControlSocket::Usual, group: None, mode: 0o660 };
    for text in ["", "control:", "control: {}", "control: on"] {
        assert_eq!(control(text), Some(usual.clone()), "{text}");
    }
    for text in ["control: off", "control: false", "control: 'no'"] {
        assert_eq!(control(text), None, "{text}");
    }
    let all = control("control: { socket: /run/x.sock, group: lab, mode: \"600\" }");
    let path = ControlSocket::Path("/run/x.sock".into());
    assert_eq!(all, Some(Control { socket: path, group: Some("lab".into()), mode: 0o600 }));
}

#[test]
fn framed_ports_skip_and_clients_that_may_lag_have_no_user_timeout() {
    let listener = |keys: &str| port(keys).listen[0].clone();
    let user_timeout = |keys: &str| listener(keys).keepalive.unwrap().user_timeout;
    assert_eq!(listener("frame: dsmr").on_lag, OnLag::Skip);
    assert_eq!(user_timeout("frame: dsmr"), Duration::ZERO);
    assert_eq!(user_timeout("on-lag: hold"), Duration::ZERO);
    assert_eq!(user_timeout("on-lag: skip, keepalive: { user-timeout: 5s }"), Duration::from_secs(5));
    assert_eq!(user_timeout("keepalive: { idle: 5s }"), Duration::from_secs(60));
}

#[test]
fn keepalive_is_laid_over_key_by_key_and_can_be_off() {
    assert_eq!(port("keepalive: off").listen[0].keepalive, None);
    assert_eq!(port("keepalive: on").listen[0].keepalive, Some(Keepalive::default()));
    let listener = "listen: [{ protocol: raw, address: 0, keepalive: { count: 9 } }]";
    let over =
        |defaults: &str, port: &str| port_below(defaults, &format!("{port} {listener}")).listen[0].keepalive.unwrap();
    let seconds = Duration::from_secs;
    let built_in = Keepalive::default();
    assert_eq!(
        over("defaults: { keepalive: { idle: 5s } }", "keepalive: { interval: 2s },"),
        Keepalive { idle: seconds(5), interval: seconds(2), count: 9, ..built_in }
    );
    assert_eq!(
        over("defaults: { keepalive: { idle: 5s } }", "keepalive: off,"),
        Keepalive { count: 9, ..built_in },
        "what `off` took away does not come back"
    );
}

#[test]
fn defaults_about_telegrams_pass_ports_without_them_by() {
    let top = "defaults: { crc: drop, gather: 5ms }";
    let listen = "listen: [{ protocol: raw, address: 0 }]";
    let plain = port_below(top, listen);
    assert_eq!((plain.crc, plain.gather.max), (Crc::Pass, Duration::from_millis(5)));
    let framed = port_below(top, &format!("frame: dsmr, {listen}"));
    assert_eq!((framed.crc, framed.gather.max), (Crc::Drop, Duration::ZERO));
}

#[test]
fn a_listener_on_a_unix_socket_has_a_file_and_no_network() {
    let listen = |keys: &str| format!("listen: [{{ protocol: raw, address: unix:/run/x{keys} }}]");
    let top = "defaults: { keepalive: on, deny: [10.0.0.7] }";
    let listener = |keys: &str| port_below(top, &format!("allow: [10.0.0.0/8], {}", listen(keys))).listen[0].clone();
    let plain = listener("");
    assert_eq!(plain.address, Address::Unix { path: "/run/x".into() });
    assert_eq!(plain.file, Some(SocketRights { mode: 0o660, owner: None, group: None }));
    assert_eq!((plain.hosts.clone(), plain.keepalive), (AccessList::default(), None), "they speak of others");
    let name = |name: &str| Some(name.to_owned());
    let given = listener(", mode: '0666', owner: root, group: dialout, allow: [], keepalive: off").file.clone();
    assert_eq!(given, Some(SocketRights { mode: 0o666, owner: name("root"), group: name("dialout") }));
    assert_eq!(port("").listen[0].file, None);
}

/// Line settings, who may write, frames, DTR and RTS, clients and what becomes of them when the device goes.
type Set = (&'static str, Write, Framing, Output, Output, usize, OnGone);

#[test]
fn every_profile_sets_what_its_device_needs() {
    use OnGone::{Disconnect, Hold};
    use Output::{Keep, Off, On};
    let usual = |line| -> Set { (line, Write::Any, Framing::None, On, On, 64, Hold) };
    let meter = |line| -> Set { (line, Write::None, Framing::Dsmr, On, On, 64, Hold) };
    let spoken = |line, frame| -> Set { (line, Write::None, frame, On, On, 64, Hold) };
    let stick = |line| -> Set { (line, Write::Any, Framing::None, On, On, 1, Disconnect) };
    let alone = |line| -> Set { (line, Write::Any, Framing::None, On, On, 1, Hold) };
    let expected: [(&str, Set); 33] = [
        ("console", usual("115200 8N1")),
        ("console-9600", usual("9600 8N1")),
        ("cisco", usual("9600 8N1")),
        ("dsmr-p1", meter("115200 8N1")),
        ("dsmr-p1-v2", meter("9600 7E1")),
        ("p1-luxembourg", spoken("115200 8N1", Framing::None)),
        ("linky", spoken("9600 7E1", Framing::None)),
        ("linky-historic", spoken("1200 7E1", Framing::None)),
        ("sml", spoken("9600 8N1", Framing::None)),
        ("iec62056", usual("300 7E1")),
        ("m-bus", usual("2400 8E1")),
        ("esp32", ("115200 8N1", Write::Any, Framing::None, Off, Off, 64, Hold)),
        ("native-usb", usual("115200 8N1")),
        ("arduino", usual("9600 8N1")),
        ("printer-3d", ("115200 8N1", Write::Any, Framing::None, Keep, On, 1, Disconnect)),
        ("cat-radio", ("9600 8N1", Write::Any, Framing::None, Off, Off, 64, Hold)),
        ("zigbee", ("115200 8N1", Write::Any, Framing::None, Off, Off, 1, Disconnect)),
        ("zigbee-rts-cts", stick("115200 8N1 rts-cts")),
        ("zigbee-xon-xoff", stick("115200 8N1 xon-xoff")),
        ("conbee", stick("115200 8N1")),
        ("thread-rcp", stick("460800 8N1")),
        ("z-wave", stick("115200 8N1")),
        ("enocean", alone("57600 8N1")),
        ("rfxtrx", alone("38400 8N1")),
        ("rflink", ("57600 8N1", Write::Any, Framing::Line, On, On, 64, Hold)),
        ("cul", usual("38400 8N1")),
        ("modbus-rtu", ("19200 8E1", Write::Any, Framing::Gap(Gap::Modbus), On, On, 64, Hold)),
        ("knx-tpuart", alone("19200 8E1")),
        ("gps-nmea", spoken("9600 8N1", Framing::Line)),
        ("nmea-0183", spoken("4800 8N1", Framing::Line)),
        ("ve-direct", spoken("19200 8N1", Framing::None)),
        ("apc-ups", alone("2400 8N1")),
        ("davis", alone("19200 8N1")),
    ];
    assert_eq!(
        expected.map(|(name, _)| name)[..],
        profile::all().iter().map(|profile| profile.name).collect::<Vec<_>>()
    );
    for (name, set) in expected {
        let port = port(&format!("profile: {name}"));
        let (line, modem) = (port.line.settings.to_string(), &port.modem);
        let clients = port.listen[0].max_clients;
        let is: (&str, _, _, _, _, _, _) =
            (&line, port.write, port.frame, modem.dtr, modem.rts, clients, port.listen[0].on_gone);
        assert_eq!(is, set, "{name}");
        assert!(!modem.hangup_on_close, "{name}");
        let access = if set.1 == Write::None { Access::ReadOnly } else { Access::ReadWrite };
        assert_eq!(port.listen[0].access, access, "{name}");
    }
}

/// What a line of a profile says to a person.
#[test]
fn profiles_say_what_no_setting_can() {
    let text = |name: &str| {
        let lines = profile::find(name).unwrap().text.lines();
        lines.map(|line| line.trim_start_matches('#').trim()).collect::<Vec<_>>().join(" ")
    };
    for name in ["modbus-rtu", "m-bus", "iec62056"] {
        assert!(text(name).contains("One client asks at a time"), "{name}");
    }
    for part in ["Z-Stack", "115200 hw", "zigbee-rts-cts", "zigbee-xon-xoff", "ConBee III has 115200"] {
        assert!(text("zigbee").contains(part), "{part}");
    }
    assert!(text("esp32").contains("send nothing while DTR is off: profile native-usb"));
    assert!(text("printer-3d").contains("line: 250000 8N1"));
    assert!(!text("modbus-rtu").contains("once it is built"));
    port("profile: printer-3d, line: 250000 8N1");
}

#[test]
fn booleans_are_those_of_yaml_1_1_with_or_without_quotes() {
    for word in ["true", "True", "YES", "on", "'on'"] {
        assert!(port(&format!("exclusive: {word}")).exclusive, "{word}");
    }
    for word in ["false", "No", "OFF", "\"no\""] {
        assert!(!port(&format!("exclusive: {word}")).exclusive, "{word}");
    }
    assert_eq!(port("modem: { dtr: false, rts: true }").modem.dtr, Output::Off, "as JSON made from YAML has it");
}

#[test]
fn yaml_is_read_in_all_its_forms() {
    let expected = config(
        "ports:\n  p:\n    device: sim:echo\n    line: 9600 7E1\n    listen:\n      - { protocol: raw, address: 0 }\n",
    );
    for (form, text) in [
        ("JSON", "{\"ports\":{\"p\":{\n\t\"device\":\"sim:echo\",\"line\":\"9600 7E1\",\n\t\"listen\":[{\"protocol\":\"raw\",\"address\":0}]}}}"),
        ("CR LF", "ports:\r\n  p:\r\n    device: sim:echo\r\n    line: 9600 7E1\r\n    listen:\r\n    - protocol: raw\r\n      address: 0\r\n"),
        ("byte order mark", "\u{feff}ports: { p: { device: sim:echo, line: 9600 7E1, listen: [{ protocol: raw, address: 0 }] } }"),
        ("%YAML 1.1", "%YAML 1.1\n---\nports: { p: { device: sim:echo, line: 9600 7E1, listen: [{ protocol: raw, address: 0 }] } }\n...\n"),
        ("%YAML 1.2", "%YAML 1.2\n---\nports: { p: { device: sim:echo, line: !!str 9600 7E1, listen: [{ protocol: raw, address: 0 }] } }"),
        ("anchors", "ports:\n  p:\n    line: &l 9600 7E1\n    device: &d sim:echo\n    listen: &here [{ protocol: raw, address: 0 }]\n"),
        ("merge keys", "defaults: &base { line: 9600 7E1 }\nports: { p: { <<: [*base, { line: 1200 }], device: sim:echo, listen: [{ protocol: raw, address: 0 }] } }"),
        ("block scalars", "ports: { p: { device: \"sim:ec\\x68o\", 'line': '9600 7E1', listen: [{ protocol: raw, address: '0' }] } }"),
    ] {
        assert_eq!(config(text), expected, "{form}");
    }
}

#[test]
fn an_alias_repeats_what_it_names() {
    let text = "ports:\n  a: { device: /nonexistent/a, listen: &l [{ protocol: raw, address: 0 }] }\n  b: { device: /nonexistent/b, listen: *l }\n";
    let config = config(text);
    assert_eq!(config.ports["a"].listen, config.ports["b"].listen);
}

#[test]
fn a_capture_takes_each_key_from_the_layer_that_has_it() {
    let text = "defaults: { capture: { format: json, keep: 9, max-age: 3d } }\nports:\n  a:\n    device: sim:echo\n    capture: { file: /run/a.log, keep: 1 }\n    listen: [{ protocol: raw, address: 4001 }]\n  b:\n    device: sim:echo\n    listen: [{ protocol: raw, address: 4002 }]\n";
    let config = config(text);
    let capture = config.ports["a"].capture.clone().expect("a capture");
    assert_eq!(capture.file.to_str(), Some("/run/a.log"));
    assert_eq!((capture.keep, capture.max_size, capture.timestamp), (1, 10 * 1024 * 1024, true));
    assert_eq!((capture.format, capture.direction), (CaptureFormat::Json, Direction::Both));
    assert_eq!(capture.max_age, Duration::from_secs(3 * 24 * 60 * 60));
    assert_eq!(config.ports["b"].capture, None, "what defaults say is for ports that name a file");
}

#[test]
fn an_address_alone_is_one_raw_listener() {
    let loaded = |listen: &str| {
        let text = format!("ports: {{ p: {{ device: sim:echo, listen: {listen} }} }}");
        load_str("x.yaml", &text).unwrap_or_else(|faults| panic!("{faults}")).config
    };
    for address in ["\"*:9000\"", "9000", "127.0.0.1:9000", "unix:/run/x.sock"] {
        assert_eq!(loaded(address), loaded(&format!("[ {{ protocol: raw, address: {address} }} ]")), "{address}");
    }
}
