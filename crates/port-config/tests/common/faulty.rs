//! Small configurations, and what can be wrong with them.
#![allow(dead_code, missing_docs, unreachable_pub, reason = "not every test needs all of it")]

/// The keys of a port, from line 5 on, below a device and a listener.
pub fn port(keys: &str) -> String {
    let keys: String = keys.lines().map(|line| format!("    {line}\n")).collect();
    format!("ports:\n  p:\n    device: sim:echo\n    listen: [{{ protocol: raw, address: 0 }}]\n{keys}")
}

/// A device at 4:13.
pub fn device(device: &str) -> String {
    format!("ports:\n  p:\n    listen: [{{ protocol: raw, address: 0 }}]\n    device: {device}\n")
}

/// An address at 5:35.
pub fn address(address: &str) -> String {
    format!("ports:\n  p:\n    device: sim:echo\n    listen:\n      - {{ protocol: raw, address: {address} }}\n")
}

/// A listener with these keys, which begin at 5:38, or at 5:41 with telnet.
pub fn listener(protocol: &str, keys: &str) -> String {
    address("0").replace("raw", protocol).replace("address: 0", &format!("address: 0, {keys}"))
}

/// Keys of a port from line 5 on, the fault without `5:`, and what is in its help.
pub const WRONG_VALUES: &[(&str, &str, &str)] = &[
    ("line: 11520O", "11: ports.p.line: `11520O` is not a baud rate", "9600 or 115200"),
    ("line: 9600 8X1", "11: ports.p.line: `8X1` is not data bits, parity and stop bits", "8N1"),
    ("line: [9600]", "11: ports.p.line: a mapping is needed here, not a list", "`line: 9600 8N1`"),
    ("line: { baud: 44 }", "19: ports.p.line.baud: a baud rate of 44 is out of range", "45 to 4294967295"),
    ("line: { baud: }", "13: ports.p.line.baud: a single value is needed here, not nothing", "9600"),
    ("line: { data-bits: 9 }", "24: ports.p.line.data-bits: `9` is not a number of data bits", "5, 6, 7 or 8"),
    ("line: { parity: odds }", "21: ports.p.line.parity: `odds` is not a parity", "none, even, odd"),
    ("line: { stop-bits: 3 }", "24: ports.p.line.stop-bits: `3` is not a number of stop bits", "1, 1.5 or 2"),
    ("line: { flow-control: rtscts }", "27: ports.p.line.flow-control: `rtscts` is not a flow control", "rts-cts"),
    ("line: { clocal: maybe }", "21: ports.p.line.clocal: `maybe` is neither true nor false", "true or false"),
    ("modem: { dtr: maybe }", "19: ports.p.modem.dtr: `maybe` is not possible here", "on, off or keep"),
    ("modem: { on-connect: { rts: up } }", "33: ports.p.modem.on-connect.rts: `up` is not possible here", "on, off or"),
    ("modem: { hangup: close }", "22: ports.p.modem.hangup: `close` is not possible here", "ignore or disconnect"),
    ("on-release: drop", "17: ports.p.on-release: `drop` is not possible here", "restore or keep"),
    ("modem: { on-connect: { break: 6s } }", "35: ports.p.modem.on-connect.break: 6s is out of range", "1ms to 5s"),
    (
        "modem: { on-connect: on }",
        "26: ports.p.modem.on-connect: a mapping is needed here, not a single value",
        "{ dtr: on, rts: keep }",
    ),
    (
        "capture: { file: /x, format: txt }",
        "34: ports.p.capture.format: `txt` is not possible here",
        "did you mean `text`?",
    ),
    (
        "capture: { direction: in, file: /x }",
        "27: ports.p.capture.direction: `in` is not possible here",
        "rx, tx or both",
    ),
    ("capture: { file: x.log }", "22: ports.p.capture.file: `x.log` is not the full path of a file", "/var/log/sermux"),
    (
        "capture: { file: /x/ }",
        "22: ports.p.capture.file: `/x/` is a folder; a capture needs a file",
        "/var/log/sermux",
    ),
    ("capture: { file: /x, max-age: 5 }", "35: ports.p.capture.max-age: `5` has no unit", "`7d`"),
    ("capture: { file: /x, max-size: 10 GB }", "36: ports.p.capture.max-size: `10 GB` is not a size", "10240 MiB"),
    ("capture: { file: /x, keep: 1001 }", "32: ports.p.capture.keep: 1001 is out of range", "0 to 1000"),
    ("capture: /x", "14: ports.p.capture: a mapping is needed here, not a single value", "{ file: "),
    ("limits: { max-clients: -1 }", "28: ports.p.limits.max-clients: `-1` is not a whole number", "0 to 100000"),
    ("limits: { connect-rate: 10 }", "29: ports.p.limits.connect-rate: `10` is not a rate", "`10/s`"),
    ("limits: { connect-rate: 0/s }", "29: ports.p.limits.connect-rate: `0/s` is not a rate", "or off"),
    ("limits: 5", "13: ports.p.limits: a mapping is needed here, not a single value", "{ max-clients: 100"),
    ("open: on_demand", "11: ports.p.open: `on_demand` is not possible here", "did you mean `on-demand`?"),
    ("linger: 5", "13: ports.p.linger: `5` has no unit", "`250ms`"),
    (
        "line: { rs485: { delay-after-send: 101ms } }",
        "40: ports.p.line.rs485.delay-after-send: 101ms is out of range",
        "0s to 100ms",
    ),
    (
        "line: { rs485: true }",
        "20: ports.p.line.rs485: a mapping is needed here, not a single value",
        "{ enabled: true }",
    ),
    ("reset: dtr=on", "12: ports.p.reset: a mapping is needed here, not a single value", "\"wait=100ms\""),
    ("reset: { a b: [dtr=on] }", "14: ports.p.reset.a b: `a b` cannot be the name of a macro", "A-Z a-z 0-9"),
    ("reset: { x: dtr=on }", "17: ports.p.reset.x: a list of steps is needed here, not a single value", "\"dtr=off\""),
    ("reset: { x: [] }", "17: ports.p.reset.x: 0 steps are out of range", "1 to 64 steps"),
    ("reset: { x: [dtr=on, dts=off] }", "26: ports.p.reset.x[1]: `dts=off` is not a step", "mean `dtr=off`?"),
    ("reset: { x: [{ dtr: on }] }", "18: ports.p.reset.x[0]: a single value is needed here, not a mapping", "`dtr=on`"),
    ("reset: { esp32: builtin }", "21: ports.p.reset.esp32: there is no built-in macro `esp32`", "`esp32-run`?"),
    (
        "reset: { foo: builtin }",
        "19: ports.p.reset.foo: there is no built-in macro `foo`",
        "esp32-bootloader and arduino",
    ),
    (
        "lock-file: run/lock",
        "16: ports.p.lock-file: `run/lock` is neither true, false nor the full path of a folder",
        "/run/lock",
    ),
    ("exclusive: 1", "16: ports.p.exclusive: `1` is neither true nor false", "true or false"),
    ("write: all", "12: ports.p.write: `all` is not possible here", "any, first, last or none"),
    ("frame: { delimiter: \"\" }", "12: ports.p.frame: a delimiter has 1 to 16 bytes, not 0", "\\r\\n"),
    ("frame: { gap: 0s }", "12: ports.p.frame: 0s is out of range", "10s"),
    ("frame: { gap: 20ms, delimiter: x }", "12: ports.p.frame: a frame ends by one thing", "gap: 20ms"),
    ("frame: { gpa: 20ms }", "12: ports.p.frame: a frame has no `gpa`", "gap: 20ms"),
    ("frame: dmsr", "12: ports.p.frame: `dmsr` is not possible here", "did you mean `dsmr`?"),
    ("gather: 5", "13: ports.p.gather: `5` has no unit", "`250ms`"),
    ("gather: 11s", "13: ports.p.gather: 11s is out of range", "0s to 10s"),
    ("backlog: 256 KB", "14: ports.p.backlog: `256 KB` is not a size", "did you mean `256 KiB`?"),
    ("backlog: 0.25 MiB", "14: ports.p.backlog: `0.25 MiB` is not a size", "`64 KiB`"),
    ("backlog: 1 KiB", "14: ports.p.backlog: 1 KiB is out of range", "4 KiB to 64 MiB"),
    ("backlog: 65 MiB", "14: ports.p.backlog: 65 MiB is out of range", "4 KiB to 64 MiB"),
    ("max-clients: 0", "18: ports.p.max-clients: 0 is out of range", "1 to 100000"),
    ("max-clients: 99999999999999999999", "18: ports.p.max-clients: 99999999999999999999 is out of range", "1 to"),
    ("max-clients: many", "18: ports.p.max-clients: `many` is not a whole number", "1 to 100000"),
    ("access: readonly", "13: ports.p.access: `readonly` is not possible here", "did you mean `read-only`?"),
    ("allow: 10.0.0.7", "12: ports.p.allow: a list is needed here, not a single value", "[192.168.1.0/24"),
    ("allow: [10.0.0.7, nas]", "23: ports.p.allow[1]: `nas` is neither an IP address nor a network", "not looked up"),
    ("deny: [10.0.0.0/33]", "12: ports.p.deny[0]: `33` is not the length of a network's prefix", "0 to 32"),
    ("when-full: kick", "16: ports.p.when-full: `kick` is not possible here", "refuse, kick-oldest or kick-idle"),
    ("idle-timeout: 300", "19: ports.p.idle-timeout: `300` has no unit", "`250ms`"),
    ("idle-timeout: 25h", "19: ports.p.idle-timeout: 25h is out of range", "0s to 24h"),
    ("half-close: 25h", "17: ports.p.half-close: 25h is out of range", "0s to 24h"),
    ("write-hold: 10ms", "17: ports.p.write-hold: 10ms is out of range", "100ms to 24h"),
    ("on-gone: close", "14: ports.p.on-gone: `close` is not possible here", "hold or disconnect"),
    ("on-lag: drop", "13: ports.p.on-lag: `drop` is not possible here", "disconnect, skip or hold"),
    ("keepalive: 3", "16: ports.p.keepalive: a mapping is needed here, not a single value", "`off`"),
    ("keepalive: { idle: 1500ms }", "24: ports.p.keepalive.idle: the system takes whole seconds here", "1s"),
    ("keepalive: { interval: 0 }", "28: ports.p.keepalive.interval: 0s is out of range", "1s to"),
    ("keepalive: { count: 200 }", "25: ports.p.keepalive.count: 200 is out of range", "1 to 127"),
    ("profile: dsmr", "14: ports.p.profile: there is no profile `dsmr`", "did you mean `dsmr-p1`?"),
    ("profile: zzzzz", "14: ports.p.profile: there is no profile `zzzzz`", "console, console-9600, cisco, dsmr-p1"),
];

/// Devices, the fault, and what is in its help.
pub const WRONG_DEVICES: &[(&str, &str, &str)] = &[
    ("sim:dsmr", "there is no simulated device `dsmr`", "did you mean `sim:dsmr-p1`?"),
    ("sim:zzz", "there is no simulated device `zzz`", "sim:dsmr-p1 or sim:echo"),
    ("ttyUSB0", "`ttyUSB0` is not a full path", "did you mean `/dev/ttyUSB0`?"),
    ("dev/ttyUSB0", "`dev/ttyUSB0` is not a full path", "did you mean `/dev/ttyUSB0`?"),
    ("COM3", "`COM3` is not a full path", "on Linux"),
    ("usb:0403", "`0403` is not vendor and product of a USB adapter", "usb:0403:6001"),
    ("'usb:0403:6001,'", "`` is no serial number", "sermux devices"),
];

/// Addresses, the fault, and what is in its help.
pub const WRONG_ADDRESSES: &[(&str, &str, &str)] = &[
    ("65536", "`65536` is not a TCP port", "1 to 65535"),
    ("host", "`host` has no TCP port", "host:port"),
    ("':9000'", "`:9000` has no host", "\"*:9000\""),
    ("'::1:9000'", "`::1:9000` is ambiguous", "in brackets"),
    ("127.0.0.256:1", "`127.0.0.256:1` is not an address", "\"*:4001\""),
    ("unix:run/x", "`run/x` is not a full path", "unix:/run/sermux/NAME.sock"),
    ("unix:@x", "`@x` is not a full path", "unix:/run/sermux/NAME.sock"),
    ("unix:/run/", "`/run/` is a folder, not a socket", "unix:/run/sermux/NAME.sock"),
    (
        "unix:/123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678",
        "the path of a socket has at most 107 bytes, not 109",
        "unix:/run/sermux/NAME.sock",
    ),
    ("'tcp,4001'", "`tcp,4001` is how ser2net writes it", "\"*:4001\""),
    ("'tcp:4001'", "`tcp:4001` begins with `tcp`, which is a protocol and not a host", "\"*:4001\""),
    ("/run/x", "`/run/x` is a path", "unix:/run/x"),
];

/// Keys of a telnet listener, the fault without `5:`, and what is in its help.
pub const WRONG_TELNET: &[(&str, &str, &str)] = &[
    ("rfc2217: maybe", "50: ports.p.listen[0].rfc2217: `maybe` is neither true nor false", "true or false"),
    ("enter: lf", "48: ports.p.listen[0].enter: `lf` is not possible here", "as-is or cr"),
    ("signature: ''", "52: ports.p.listen[0].signature: the signature is empty", "1 to 255"),
    (r"banner: '\N \z'", r"49: ports.p.listen[0].banner: `\z` is not an escape of a banner", r"\N (port), \d (device)"),
    (r"banner: 'x\'", "49: ports.p.listen[0].banner: the banner ends with a single backslash", r"\\ for a backslash"),
    (
        r#"banner: "\N""#,
        r"49: ports.p.listen[0].banner: between double quotes `\N` is a special character of YAML, not an escape of the banner",
        r#""\\N""#,
    ),
    (
        r#"banner: "\d""#,
        "49: this is not YAML: while parsing a quoted scalar, found unknown escape character",
        "write the backslash twice",
    ),
];

/// Keys of a listener on a unix socket, the fault without `5:`, and what is in its help.
pub const WRONG_UNIX: &[(&str, &str, &str)] = &[
    (
        "mode: 660",
        "54: ports.p.listen[0].mode: `660` without quotes is octal in YAML 1.1 and decimal in YAML 1.2",
        "\"0660\"",
    ),
    ("mode: '0888'", "54: ports.p.listen[0].mode: `0888` are not access rights", "\"0660\""),
    ("mode: '0060'", "54: ports.p.listen[0].mode: with `0060` not even the owner could use the socket", "\"0660\""),
    ("owner: a b", "55: ports.p.listen[0].owner: `a b` cannot be the name of a user", "getent passwd"),
    ("group: [a]", "55: ports.p.listen[0].group: a single value is needed here, not a list", "name of a group"),
];

/// A listener on a unix socket with these keys, which begin at 5:48.
pub fn unix(keys: &str) -> String {
    address(&format!("unix:/run/x, {keys}"))
}

/// Keys that a port does not have, and what is in the fault's help.
pub const UNKNOWN_KEYS: &[(&str, &str)] = &[
    ("modemm: {}", "did you mean `modem`?"),
    ("mode: {}", "did you mean `modem`?"),
    ("maxClients: 3", "did you mean `max-clients`?"),
    ("MAX_CLIENTS: 3", "did you mean `max-clients`?"),
    ("max_clients: 3", "did you mean `max-clients`?"),
    ("baud: 9600", "`baud` belongs under `line`"),
    ("address: 1", "`address` belongs on an entry of `listen`"),
    ("idle: 3s", "`idle` belongs under `keepalive`"),
    ("speed: 9600", "`baud`, under `line`"),
    ("accepter: tcp,4001", "`listen: [{ protocol: raw, address: \"*:4001\" }]`"),
    ("zzz: 1", "the keys here are device, usb, usb-serial, enable"),
];
