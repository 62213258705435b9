//! Every key of the configuration, a row each: its section, the form of its value, its description, its default, and what a
//! reload restarts when it has changed.
//!
//! From these rows come the schema for editors, the proposals for misspelt keys, and the class of a reload; tests hold
//! `config/sermux.yaml` and sermux.yaml(5) to them.

use super::super::diff::ChangeClass;
use super::super::schema::shape::Shape;
use super::super::schema::shape::Shape::{
    Any, AnyText, Boolean, Integer, List, ListOrNothing, Names, Only, Pattern, Ref, Section, Size, Text, Time, Values,
    Words,
};
use super::Section as In;

/// A key of the configuration.
#[derive(Debug)]
pub(in crate::config) struct KnownKey {
    /// The mapping that it stands in.
    pub(in crate::config) section: In,
    pub(in crate::config) name: &'static str,
    /// What may stand behind it.
    pub(in crate::config) shape: Shape,
    /// A sentence for the schema.
    pub(in crate::config) text: &'static str,
    /// The value of a file that does not have it, as the file would write it. `None`: the sentence says it, or there is none.
    pub(in crate::config) default: Option<&'static str>,
    /// What a reload touches when the value has changed.
    pub(in crate::config) change: ChangeClass,
    pub(in crate::config) status: Status,
}

/// Whether this version does what a key says.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) enum Status {
    Built,
    NotBuilt,
}

/// A key that is built, has no default, and is changed while everything goes on: what differs is added behind it.
const fn key(section: In, name: &'static str, shape: Shape, text: &'static str) -> KnownKey {
    KnownKey { section, name, shape, text, default: None, change: ChangeClass::Live, status: Status::Built }
}

impl KnownKey {
    const fn or(mut self, default: &'static str) -> KnownKey {
        self.default = Some(default);
        self
    }

    const fn relistens(mut self) -> KnownKey {
        self.change = ChangeClass::Relisten;
        self
    }

    const fn reopens(mut self) -> KnownKey {
        self.change = ChangeClass::Reopen;
        self
    }

    const fn at_next_start(mut self) -> KnownKey {
        self.change = ChangeClass::NextStart;
        self
    }

    const fn not_built(mut self) -> KnownKey {
        self.status = Status::NotBuilt;
        self
    }

    pub(in crate::config) fn is_built(&self) -> bool {
        matches!(self.status, Status::Built)
    }
}

const OFF: Shape = Words(&["off"]);
const PATH: Shape = Pattern("^/");
const MODE: Shape = Pattern("^0?[67][0-7]{2}$");
/// Of a user or a group.
const NAME: Shape = Pattern("^[A-Za-z0-9_.$][A-Za-z0-9_.$-]{0,31}$");

pub(in crate::config) const KEYS: &[KnownKey] = &[
    key(
        In::Top,
        "include",
        Any(&[AnyText, List(&AnyText)]),
        "Files with more ports: a pattern or a list, relative to this file.",
    ),
    key(In::Top, "defaults", Section(In::Port), "For every port of this file that does not say otherwise."),
    key(
        In::Top,
        "control",
        Any(&[Words(&["off", "on"]), Section(In::Control)]),
        "The socket that `sermux status` and the like talk to, or off.",
    )
    .relistens(),
    key(
        In::Top,
        "http",
        Any(&[OFF, Section(In::Http)]),
        "Metrics, health and readings for other programs and hosts, read-only. Default: off.",
    )
    .relistens(),
    key(In::Top, "log", Section(In::Log), "What is logged and how.").at_next_start(),
    key(
        In::Top,
        "limits",
        Section(In::Limits),
        "How many clients there may be of all ports together, and how fast they come.",
    ),
    key(In::Top, "ports", Names(&Ref("port")), "The ports by their names."),
    key(
        In::Control,
        "socket",
        PATH,
        "Its full path. Default: /run/sermux/control.sock as a service, else under $XDG_RUNTIME_DIR.",
    )
    .relistens(),
    key(In::Control, "group", NAME, "The group that may use it too. Default: none.").relistens(),
    key(In::Control, "mode", MODE, "Its access rights, a quoted octal number.").or("0660").relistens(),
    key(In::Http, "address", Any(&[ADDRESS, List(&ADDRESS)]), "Where it listens: a TCP address, or a list.")
        .relistens(),
    key(
        In::Http,
        "access",
        Words(&["none", "read-only", "read-write", "control"]),
        "What anybody may do there. Default: read-only where only this machine reaches it, else none. read-write and \
         control are not built yet.",
    )
    .relistens(),
    key(
        In::Http,
        "names",
        Any(&[HOST, List(&HOST)]),
        "Host names that clients may use for this machine, in addition to localhost, IP addresses and names in `address`.",
    )
    .relistens(),
    key(In::Http, "token-file", PATH, "Tokens with their rights.").not_built(),
    key(In::Http, "tls", Section(In::Tls), "Encryption.").not_built(),
    key(In::Http, "history", PATH, "A folder in which the past of the plots survives a restart.").not_built(),
    key(
        In::Log,
        "level",
        Words(&["error", "warn", "info", "debug", "trace"]),
        "The least important level that is written.",
    )
    .or("info")
    .at_next_start(),
    key(
        In::Log,
        "format",
        Words(&["auto", "text", "json", "journal"]),
        "How a record looks; auto is the journal under systemd, else text.",
    )
    .or("auto")
    .at_next_start(),
    key(In::Port, "device", DEVICE, "The full path of the device, or sim:dsmr-p1 or sim:echo, which need no hardware.")
        .reopens(),
    key(
        In::Port,
        "usb",
        Pattern("^[0-9A-Fa-f]{4}:[0-9A-Fa-f]{4}$"),
        "Instead of device: vendor and product of a USB adapter, as in \"0403:6001\".",
    )
    .reopens(),
    key(In::Port, "usb-serial", Text(1, 126), "With usb: the adapter's serial number.").reopens(),
    key(In::Port, "enable", Boolean, "false: the port is checked, and then left alone.").or("true"),
    key(In::Port, "profile", Ref("profile"), "A set of defaults; `sermux profiles` lists them."),
    key(In::Port, "expect", Section(In::Expect), "The port is reported as quiet when nothing was received for this time."),
    key(
        In::Port,
        "line",
        Any(&[Integer(45, 4_294_967_295), Pattern(LINE), Section(In::Line)]),
        "The line settings, as 9600 8N1 or as a mapping.",
    )
    .or("9600 8N1"),
    key(In::Port, "modem", Section(In::Modem), "What is done with DTR and RTS."),
    key(
        In::Port,
        "on-release",
        Words(&["restore", "keep"]),
        "When the last client with control leaves: set the line, DTR and RTS as configured, or keep \
         what clients changed.",
    )
    .or("restore"),
    key(In::Port, "reset", Ref("macros"), "Macros for `sermux reset`, by name."),
    key(
        In::Port,
        "open",
        Words(&["always", "on-demand"]),
        "When the device is open: always, or while there is a client.",
    )
    .or("always"),
    key(In::Port, "linger", Time, "With on-demand: how long the device stays open after the last client.").or("5s"),
    key(
        In::Port,
        "exclusive",
        Boolean,
        "No other program may open the device (flock and TIOCEXCL; on a pty flock alone).",
    )
    .or("true")
    .reopens(),
    key(In::Port, "lock-file", Any(&[Boolean, PATH]), "A UUCP lock file as well: true (/var/lock), or a folder.")
        .or("false")
        .reopens(),
    key(In::Port, "write", Words(&["any", "first", "last", "none"]), "Whose bytes go to the line.").or("any"),
    key(
        In::Port,
        "frame",
        Any(&[
            Words(&["none", "line", "dsmr"]),
            Only("delimiter", &Text(1, 64)),
            Only("gap", &Any(&[Time, Words(&["modbus"])])),
        ]),
        "The unit that is never cut: a line, up to a delimiter, up to a silence, a P1 telegram.",
    )
    .or("none"),
    key(
        In::Port,
        "tx-frame",
        Any(&[Words(&["none", "line"]), Only("delimiter", &Text(1, 64))]),
        "What a client sends goes to the line in whole lines, or whole up to a delimiter, not mixed \
         with what others send.",
    )
    .or("none"),
    key(In::Port, "crc", Words(&["pass", "drop"]), "Telegrams with a wrong CRC (frame: dsmr); counted either way.")
        .or("pass"),
    key(
        In::Port,
        "gather",
        Any(&[Time, Section(In::Gather)]),
        "How long received bytes wait for more so that they are sent in one piece, 0 to 10s (frame: none).",
    )
    .or("0ms"),
    key(
        In::Gather,
        "chars",
        Any(&[Shape::Number, Pattern("^[0-9]{1,3}(\\.[0-9])?$")]),
        "How many characters of silence are enough, 0.1 to 100. Default: silence is not waited for.",
    ),
    key(In::Gather, "min", Time, "With chars: the least silence.").or("1ms"),
    key(In::Gather, "max", Time, "How long the first byte waits at most, 1ms to 10s.").or("20ms"),
    key(
        In::Gather,
        "until",
        Text(1, 256),
        "What is sent at once, and all before it, with the escapes of C. Default: nothing.",
    ),
    key(In::Port, "backlog", Size, "Kept for clients that are behind: 4 KiB to 64 MiB, with frames from 32 KiB.")
        .or("256 KiB"),
    key(
        In::Port,
        "listen",
        Any(&[ListOrNothing(&Section(In::Listener)), ADDRESS]),
        "Where the port is offered: a list of listeners, or the address of one raw listener.",
    ),
    key(In::Port, "capture", Any(&[OFF, Section(In::Capture)]), "Everything that passes, into a file; or off."),
    key(In::Port, "limits", Section(In::Limits), "How many clients the port may have by all its listeners together."),
    key(In::Expect, "frame", Time, "How long no frame may come, without frames no byte; 0s is never.").or("0s"),
    key(
        In::Line,
        "baud",
        Integer(45, 4_294_967_295),
        "Symbols a second, from 45 on; the device's driver sets the upper limit.",
    )
    .or("9600"),
    key(In::Line, "data-bits", Values(&["5", "6", "7", "8"]), "Data bits of a character.").or("8"),
    key(In::Line, "parity", Words(&["none", "even", "odd", "mark", "space"]), "The check bit of a character.")
        .or("none"),
    key(In::Line, "stop-bits", Values(&["1", "1.5", "2"]), "The pause after a character; 1.5 with 5 data bits.")
        .or("1"),
    key(In::Line, "flow-control", Words(&FLOW_CONTROL), "How either end stops the other.").or("none"),
    key(In::Line, "clocal", Boolean, "true: the modem state does not matter for reading.").or("true").reopens(),
    key(In::Line, "low-latency", Boolean, "The driver is asked to hand bytes over at once, where it can.")
        .or("true")
        .reopens(),
    key(
        In::Line,
        "ignore-break",
        Boolean,
        "A break of the other end gives no byte; otherwise it is received as a zero.",
    )
    .or("false")
    .reopens(),
    key(In::Line, "rs485", Section(In::Rs485), "RS-485 by the driver: RTS turns the line round.").reopens(),
    key(In::Rs485, "enabled", Boolean, "Whether the driver does it.").or("false").reopens(),
    key(In::Rs485, "rts-on-send", Boolean, "RTS while sending.").or("true").reopens(),
    key(In::Rs485, "rts-after-send", Boolean, "RTS after sending.").or("false").reopens(),
    key(In::Rs485, "delay-before-send", Time, "How long RTS stands before the first byte.").or("0ms").reopens(),
    key(In::Rs485, "delay-after-send", Time, "How long RTS stands after the last byte.").or("0ms").reopens(),
    key(In::Rs485, "rx-during-tx", Boolean, "What is sent is received as well.").or("false").reopens(),
    key(In::Modem, "dtr", OUTPUT, "DTR when the device is opened.").or("on"),
    key(In::Modem, "rts", OUTPUT, "RTS when the device is opened.").or("on"),
    key(In::Modem, "hangup-on-close", Boolean, "true: DTR and RTS drop when the device is closed.")
        .or("false")
        .reopens(),
    key(In::Modem, "on-connect", Section(In::OnConnect), "What is done with DTR and RTS when the first client comes."),
    key(In::OnConnect, "dtr", OUTPUT, "DTR when the first client comes.").or("keep"),
    key(In::OnConnect, "rts", OUTPUT, "RTS when the first client comes.").or("keep"),
    key(
        In::OnConnect,
        "reset",
        Pattern("^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$"),
        "A reset macro that is run when the first client comes, such as esp32-run.",
    ),
    key(In::OnConnect, "break", Time, "A break that is sent when the first client comes, 1ms to 5s."),
    key(
        In::OnConnect,
        "send",
        Text(0, 1024),
        "What the device is sent when the first client comes, with the escapes of a banner. Default: nothing.",
    ),
    key(In::Modem, "on-disconnect", Section(In::OnDisconnect), "What is done with DTR and RTS after the last client."),
    key(In::OnDisconnect, "dtr", OUTPUT, "DTR after the last client.").or("keep"),
    key(In::OnDisconnect, "rts", OUTPUT, "RTS after the last client.").or("keep"),
    key(
        In::OnDisconnect,
        "send",
        Text(0, 1024),
        "What the device is sent after the last client, with the escapes of a banner. Default: nothing.",
    ),
    key(In::Modem, "hangup", Words(&["ignore", "disconnect"]), "What happens to clients when DCD drops.").or("ignore"),
    key(
        In::Listener,
        "protocol",
        Words(&["raw", "telnet"]),
        "raw: the bytes and nothing else. telnet: with its negotiation.",
    )
    .relistens(),
    key(
        In::Listener,
        "address",
        ADDRESS,
        "\"*:4001\": every address of this machine. \"host:4001\", \"[::1]:4001\". 4001: this machine \
         alone. unix:/path.",
    )
    .relistens(),
    key(
        In::Listener,
        "line",
        Any(&[Integer(45, 4_294_967_295), Pattern(LINE)]),
        "The line settings while clients are connected here, as 115200 8N1. Default: the port's.",
    ),
    key(In::Listener, "rfc2217", Boolean, "telnet: line settings and modem lines by network.").or("false").relistens(),
    key(In::Listener, "notify", Boolean, "telnet: clients get a line of text when the device is unplugged or plugged in.")
        .or("false"),
    key(In::Listener, "mode", MODE, "unix:/path: the access rights of the file, a quoted octal number.")
        .or("0660")
        .relistens(),
    key(In::Listener, "owner", NAME, "unix:/path: the user that the file is given to. Default: the program's own.")
        .relistens(),
    key(In::Listener, "group", NAME, "unix:/path: the group that the file is given to. Default: the program's own.")
        .relistens(),
    key(In::Listener, "tls", Section(In::Tls), "Encryption.").relistens().not_built(),
    key(
        In::Client,
        "access",
        Words(&["read-only", "write-only", "read-write", "control"]),
        "What clients may do; control: also line settings and modem lines.",
    ),
    key(In::Client, "allow", ListOrNothing(&NETWORK), "Addresses and networks that may connect. Default: all."),
    key(
        In::Client,
        "deny",
        ListOrNothing(&NETWORK),
        "Addresses and networks that may not; goes before allow. Default: none.",
    ),
    key(In::Client, "max-clients", Integer(1, 100_000), "Of each listener, 1 to 100000.").or("64"),
    key(In::Client, "when-full", Words(&["refuse", "kick-oldest", "kick-idle"]), "What happens to one client more.")
        .or("refuse"),
    key(
        In::Client,
        "on-lag",
        Words(&["disconnect", "skip", "hold"]),
        "When a client is behind by the whole backlog. Default: disconnect, with frames skip.",
    ),
    key(
        In::Client,
        "on-gone",
        Words(&["hold", "disconnect"]),
        "When the device is closed or unplugged: keep clients connected, or disconnect them.",
    )
    .or("hold"),
    key(
        In::Client,
        "idle-timeout",
        Time,
        "Silence in both directions after which a client is disconnected; 0 is never.",
    )
    .or("0s"),
    key(
        In::Client,
        "half-close",
        Any(&[OFF, Time]),
        "How long a client that has sent and then closed its sending side still receives, up to 24h; or off.",
    )
    .or("10s"),
    key(
        In::Client,
        "close-on",
        Text(1, 256),
        "What the device sends to have clients disconnected, with the escapes of C. Default: nothing.",
    ),
    key(
        In::Client,
        "keepalive",
        Any(&[Words(&["off", "on"]), Section(In::Keepalive)]),
        "How peers that vanished without a word are found out, or off.",
    ),
    key(
        In::Client,
        "banner",
        Text(0, 1024),
        "What a client is greeted with: \\N port, \\d device, \\s line settings, \\r\\n. Use single quotes.",
    ),
    key(
        In::Client,
        "busy-text",
        Text(0, 1024),
        "What a client is sent that cannot be served because others are, with the escapes of a banner.",
    ),
    key(
        In::Client,
        "signature",
        Text(1, 255),
        "telnet: what RFC 2217 says of itself. Default: sermux, version, port's name.",
    ),
    key(
        In::Client,
        "replay",
        Any(&[Size, Pattern("^[0-9]+ frames?$")]),
        "History that a new client gets first: a size, or \"1 frame\".",
    )
    .or("0"),
    key(In::Client, "break-on-sync", Boolean, "telnet: a Synch of the client is a break on the line.").or("false"),
    key(In::Client, "write-hold", Time, "write first, last: others may write after so much silence.").or("30s"),
    key(In::Client, "enter", Words(&["as-is", "cr"]), "telnet: what CR LF of the client becomes.").or("as-is"),
    key(In::Keepalive, "idle", Time, "Silence before the first probe, 1s to 32767s.").or("30s"),
    key(In::Keepalive, "interval", Time, "Between probes, 1s to 32767s.").or("10s"),
    key(In::Keepalive, "count", Integer(1, 127), "Probes without an answer, 1 to 127.").or("3"),
    key(
        In::Keepalive,
        "user-timeout",
        Time,
        "How long sent bytes may stay unacknowledged, 0 to 24h. Default: 60s, with skip and hold 0.",
    ),
    key(In::Tls, "certificate", PATH, "The server's certificate, a file.").relistens().not_built(),
    key(In::Tls, "key", PATH, "Its key, a file.").relistens().not_built(),
    key(In::Tls, "client-ca", PATH, "Clients must have a certificate of this authority; a file.")
        .relistens()
        .not_built(),
    key(
        In::Capture,
        "file",
        Pattern("^/.*[^/]$"),
        "Its full path; older files have .1, .2 and so on behind their name. A port of its own for each.",
    ),
    key(In::Capture, "direction", Words(&["rx", "tx", "both"]), "From the line, to the line, or both.").or("both"),
    key(
        In::Capture,
        "format",
        Words(&["text", "hex", "json", "raw"]),
        "text: a line for each line. hex: 16 bytes a line. json: an object for each read and write. raw: the bytes alone.",
    )
    .or("text"),
    key(In::Capture, "timestamp", Boolean, "The time of each line, in UTC, to the microsecond.").or("true"),
    key(In::Capture, "max-size", Size, "A new file is begun before it is larger: 4 KiB to 1024 MiB; 0 is never.")
        .or("10 MiB"),
    key(
        In::Capture,
        "max-age",
        Any(&[Time, Pattern("^[0-9]{1,4} ?d$")]),
        "A new file is begun when it is so old, up to 3650d; 0 is never.",
    )
    .or("7d"),
    key(In::Capture, "keep", Integer(0, 1000), "How many older files are kept, 0 to 1000.").or("5"),
    key(In::Limits, "max-clients", Integer(0, 100_000), "Clients at a time; 0 is any number.").or("0"),
    key(
        In::Limits,
        "max-per-address",
        Integer(0, 100_000),
        "Of these from one address (IPv6: one network of 64 bits); 0 is any number.",
    )
    .or("0"),
    key(
        In::Limits,
        "connect-rate",
        Any(&[OFF, Pattern("^[1-9][0-9]{0,5} ?/ ?(s|min|h)$")]),
        "How fast one address may connect, as in 10/s, 30/min or 100/h; or off.",
    )
    .or("off"),
];

const OUTPUT: Shape = Words(&["on", "off", "keep"]);

const FLOW_CONTROL: [&str; 6] = ["none", "rts-cts", "xon-xoff", "dtr-dsr", "xon-xoff-in", "xon-xoff-out"];

/// A bare port number, `*:port`, `[v6]:port`, an IPv4 address or a name with a port, the path of a unix socket, and
/// what is not built yet.
const ADDRESS: Shape = Any(&[
    Integer(0, 65_535),
    Pattern("^([0-9]{1,5}|\\*:[0-9]{1,5})$"),
    Pattern("^\\[[0-9A-Fa-f:.]+(%[A-Za-z0-9_-]+)?\\]:[0-9]{1,5}$"),
    Pattern("^((25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\\.){3}(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9]):[0-9]{1,5}$"),
    Pattern("^([A-Za-z0-9_-]+\\.)*[A-Za-z0-9_-]*[A-Za-z_-][A-Za-z0-9_-]*\\.?:[0-9]{1,5}$"),
    Pattern("^unix:/[^\\x00-\\x1f\\x7f]{0,105}[^/\\x00-\\x1f\\x7f]$"),
    Pattern("^udp:.+$"),
]);

/// The name of a host.
const HOST: Shape = Pattern("^[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*\\.?$");

/// An IPv4 or IPv6 address, perhaps with the length of a prefix.
const NETWORK: Shape = Any(&[
    Pattern("^((25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\\.){3}(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])(/(3[0-2]|[0-2]?[0-9]))?$"),
    Pattern("^[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(/(12[0-8]|1[01][0-9]|[0-9]{1,2}))?$"),
]);

const DEVICE: Shape = Pattern(
    "^(/.+|usb:[0-9A-Fa-f]{4}:[0-9A-Fa-f]{4}(,.{1,126})?|sim:(dsmr-p1|echo)|(tcp|rfc2217|rfc2217s|tls)://.+|replay:.+)$",
);

/// `9600`, `9600 8N1`, `9600 8N1 rts-cts`, ser2net's `9600n81`; a comma does as well as a space.
const LINE: &str = "^[0-9]+(([NEOMSneoms][5-8](1|1\\.5|2)|[ ,]+[5-8][NEOMSneoms](1|1\\.5|2))\
                    ([ ,]+(none|rts-cts|xon-xoff|dtr-dsr|xon-xoff-in|xon-xoff-out))?)?$";

/// The steps of a reset macro.
pub(in crate::config) const STEPS: Shape = List(&Any(&[
    Pattern("^(dtr=(on|off)( +rts=(on|off))?|rts=(on|off)( +dtr=(on|off))?)$"),
    Pattern("^wait=(0|[0-9]+(ms|s|min|h))$"),
]));
