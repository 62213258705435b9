//! Every kind of fault: where it is shown, what it says, and what it proposes.
#![allow(clippy::unwrap_used, reason = "in a test it says where")]

#[path = "common/faulty.rs"]
mod faulty;
#[path = "common/one.rs"]
mod one;

use faulty::{
    address, device, listener, port, unix, UNKNOWN_KEYS, WRONG_ADDRESSES, WRONG_DEVICES, WRONG_TELNET, WRONG_UNIX,
    WRONG_VALUES,
};
use one::{faults, one};
use sermux_port_config::config::load::load_str;

#[test]
fn the_whole_of_a_fault_looks_like_a_compilers() {
    assert_eq!(
        faults(&port("line:\n  baud: 11520O")).to_string(),
        "\
x.yaml:6:13: ports.p.line.baud: `11520O` is not a baud rate
   |
 6 |       baud: 11520O
   |             ^^^^^^
   = help: write a number such as 9600 or 115200
"
    );
}

#[test]
fn all_faults_are_listed_in_the_order_of_the_file() {
    let text = port("line: fast\nmax_clients: 5\nusb: x\nbacklog: 5 GB\nkeepalive: { count: 0, idel: 3s }");
    let lines: Vec<_> = faults(&text).iter().map(|fault| fault.line).collect();
    assert_eq!(lines, [5, 6, 7, 8, 9, 9]);
}

#[test]
fn what_is_wrong_in_the_defaults_is_said_once() {
    let text = "defaults: { gather: 5 }\nports:\n  a: { device: sim:echo, enable: no }\n  b: { device: sim:echo, enable: no }\n";
    one(text, "1:21: defaults.gather: `5` has no unit", "`250ms`");
}

#[test]
fn what_is_not_yaml_is_said_with_its_usual_cause() {
    let unquoted_star = "5:35: this is not YAML: while parsing node, found unknown anchor";
    for (text, first_line, help) in [
        ("ports:\n\tp: 1\n", "2:1: a tab cannot indent a line in YAML", "indent with spaces"),
        ("ports:\n  p:\n  \tdevice: x\n", "3:3: a tab cannot indent a line in YAML", "indent with spaces"),
        (
            "ports:\n  p:\n    device: sim:echo\n    listen:\n\t- { protocol: raw, address: 0 }\n",
            "5:1: a tab cannot indent a line in YAML",
            "indent with spaces",
        ),
        (
            "ports:\n  p:\n    device: sim:echo\n\n\n    \twrite: any\n",
            "6:5: a tab cannot indent a line in YAML",
            "indent with spaces",
        ),
        (
            "ports:\n  p:\n  \u{a0} device: sim:echo\n    write: any\n",
            "3:3: a no-break space (U+00A0) cannot indent a line in YAML",
            "ordinary space",
        ),
        (
            "ports:\n  p:\n    device: sim:echo\n   \u{a0}write: any\n",
            "4:4: a no-break space (U+00A0) cannot indent a line in YAML",
            "ordinary space",
        ),
        (&address("*:9000"), unquoted_star, "address: \"*:9000\""),
        (
            &address("[::1]:9000"),
            "5:40: this is not YAML: while parsing a flow mapping, did not find expected ',' or '}'",
            "address: \"[::1]:9000\"",
        ),
        (
            "ports:\n  p:\n    profile:console\n    device: sim:echo\n",
            "3:13: a space is missing after `profile:`",
            "`profile: console`",
        ),
        (
            "ports:\n  p:\n    device: sim:echo\n      line: 9600\n",
            "4:7: this line is indented further than the one above, which is complete",
            "column 5",
        ),
        (
            "log: { level: info\n\n\n",
            "1:19: this is not YAML: while parsing a flow mapping, did not find expected ',' or '}'",
            "close",
        ),
        (
            "log: { level: \"info }\n",
            "1:15: this is not YAML: while scanning a quoted scalar, found unexpected end of stream",
            "close the quote",
        ),
        ("a: b: c\n", "1:5: this is not YAML: mapping values are not allowed in this context", "missing `:`"),
        ("@x: 1\n", "1:1: this is not YAML: unexpected character: `@'", ""),
        ("ports: {}\n---\nports: {}\n", "2:1: a second document begins here", "remove the `---`"),
        ("a: &a [*a]\n", "1:8: a[0]: this alias stands inside of what it repeats", ""),
        ("ports: {{ x }}\n", "1:9: ports: a key is a single word, not a list or a mapping", "quote"),
        ("ports: !include x\n", "1:8: ports: tags (`!name`) mean nothing here", "remove the tag"),
        ("log: info\n\u{feff}ports: {}\n", "2:1: an invisible byte order mark (U+FEFF) stands here", "remove it"),
        ("log: info # a\u{feff}\nports: {}\n", "1:14: an invisible byte order mark (U+FEFF) stands here", "remove it"),
        ("%DA x\u{feff}.1\n---\nports: {}\n", "1:6: an invisible byte order mark (U+FEFF) stands here", "remove it"),
        ("ports: \0{}\n", "1:8: the character U+0000 cannot stand in a configuration", "remove it"),
        ("ports:\r\n  x: \u{1b}\r\n", "2:6: the character U+001B cannot stand in a configuration", "remove it"),
    ] {
        one(text, first_line, help);
    }
}

#[test]
fn curly_quotes_are_named_and_nothing_else_is_wrong() {
    for (device, inside) in [("\u{201c}sim:echo\u{201d}", "sim:echo"), ("\u{2018}sim:echo\u{2019}", "sim:echo")] {
        let text = format!("ports:\n  p:\n    device: {device}\n    listen: [{{ protocol: raw, address: 0 }}]\n");
        one(&text, "3:13: ports.p.device: curly quotes do not quote a value in YAML", &format!("write \"{inside}\""));
    }
    let inside_of_quotes = "ports: { p: { device: sim:echo, listen: [{ protocol: telnet, address: 0, banner: \"\u{201c}a\u{201d}\" }] } }\n";
    assert!(load_str("x.yaml", inside_of_quotes).is_ok());
}

#[test]
fn a_file_without_ports_is_shown_the_smallest_one() {
    let missing = "1:1: there are no `ports`";
    for (text, first_line) in [
        ("", missing),
        ("# nothing\n", missing),
        ("log: {}\n", missing),
        ("just text\n", "1:1: a configuration is a mapping, not a single value"),
        ("- a\n", "1:1: a configuration is a mapping, not a list"),
    ] {
        one(text, first_line, "device: /dev/ttyUSB0");
        let help = faults(text).iter().next().unwrap().help.clone().unwrap();
        let (_, smallest) = help.split_once('\n').unwrap();
        assert!(load_str("smallest.yaml", smallest).is_ok(), "{smallest}");
    }
}

#[test]
fn a_key_that_is_written_twice_is_shown_with_both_places() {
    let twice = faults(&port("write: any\nwrite: none"));
    assert_eq!(twice.len(), 1);
    let shown = twice.to_string();
    assert!(shown.starts_with("x.yaml:6:5: ports.p.write: `write` is written twice\n"), "{shown}");
    assert!(shown.contains("= note: the first time at x.yaml:5:5\n"), "{shown}");
    one("ports: { a: {enable: no, device: sim:echo}, a: {} }", "1:45: ports.a: `a` is written twice", "keep one");
}

#[test]
fn keys_of_a_port_that_stand_beside_its_name_are_one_mistake() {
    let text =
        "ports:\n  p:\n  device: sim:echo\n  line: { baud: 9600 }\n  listen:\n    - { protocol: raw, address: 0 }\n";
    let message = "3:3: ports.device: `device` is a key of a port, written where the names of ports belong";
    one(text, message, "further than its name");
    one("ports: { p: /dev/ttyUSB0 }\n", "1:13: ports.p: a mapping is needed here, not a single value", "indented");
    assert!(load_str("x.yaml", "ports: { line: { device: sim:echo, enable: no } }\n").is_ok(), "a name like others");
}

#[test]
fn words_of_other_programs_on_a_listener_are_one_mistake_each() {
    let listen = |entry: &str| format!("ports: {{ p: {{ device: sim:echo, listen: [{entry}] }} }}");
    one(&listen("{ raw: 4001 }"), "1:44: ports.p.listen[0].raw: unknown key", "`protocol: raw`");
    one(&listen("{ protocol: raw, port: 4001 }"), "1:59: ports.p.listen[0].port: unknown key", "`address: 4001`");
    one(
        &listen("{ protocol:raw, address: 1 }"),
        "1:44: ports.p.listen[0].protocol:raw: a space is missing after the colon",
        "`protocol: raw`",
    );
    let impossible = |word: &str| format!("1:54: ports.p.listen[0].protocol: `{word}` is not possible here");
    one(&listen("{ protocol: tcp, address: 1 }"), &impossible("tcp"), "`protocol: raw`");
    let rfc2217 = listen("{ protocol: telnet(rfc2217), address: 1 }");
    one(&rfc2217, &impossible("telnet(rfc2217)"), "`rfc2217: true`");
}

#[test]
fn what_is_contradicted_is_shown_where_it_is_written_be_it_in_a_profile() {
    let note = |text: &str| faults(text).iter().next().unwrap().notes.join("; ");
    assert_eq!(note(&port("write: none\naccess: control")), "`write: none` is at x.yaml:5:12");
    assert_eq!(note(&port("profile: dsmr-p1\naccess: control")), "`write: none` is at profile dsmr-p1:4:8");
    assert_eq!(note(&port("profile: dsmr-p1\non-lag: hold")), "`frame: dsmr` is at profile dsmr-p1:5:8");
    assert_eq!(note(&port("frame: dsmr\nbacklog: 31 KiB")), "`frame: dsmr` is at x.yaml:5:12");
    assert_eq!(note(&port("crc: drop")), "", "what is built in is nowhere");
}

#[test]
fn an_unknown_key_is_named_with_what_was_probably_meant() {
    for (key, help) in UNKNOWN_KEYS {
        let name = key.split(':').next().unwrap();
        one(&port(key), &format!("5:5: ports.p.{name}: unknown key"), help);
    }
    one(
        "max-clients: 4\nports: {}\n",
        "1:1: max-clients: unknown key",
        "belongs on a port or on an entry of its `listen`",
    );
    one("port: {}\n", "1:1: port: unknown key", "did you mean `ports`?");
    one("ports: {}\nconnection: &con1\n  x: 1\n", "2:1: connection: unknown key", "ser2net's word");
    one(&port("line: { bauds: 1 }"), "5:13: ports.p.line.bauds: unknown key", "did you mean `baud`?");
    let listener =
        "ports:\n  p:\n    device: sim:echo\n    listen:\n      - { protocol: raw, address: 0, device: /dev/x }\n";
    one(listener, "5:38: ports.p.listen[0].device: unknown key", "`device` belongs on a port");
    one(
        "defaults: { device: /dev/x }\nports: {}\n",
        "1:13: defaults.device: `device` cannot be a default",
        "on the port",
    );
    one("defaults: { listen: [] }\nports: {}\n", "1:13: defaults.listen: `listen` cannot be a default", "on the port");
}

#[test]
fn what_is_not_built_yet_is_refused_by_name() {
    let tls = "6:9: ports.p.listen[0].tls: `tls` is not built yet in this version";
    let listener = "ports:\n  p:\n    device: sim:echo\n    listen:\n      - { protocol: raw, address: 0,\n        tls: { key: /x } }\n";
    one(listener, tls, "remove the key");
    one(
        "http: { address: 1, history: /x }\nports: {}\n",
        "1:21: http.history: `history` is not built yet in this version",
        "",
    );
    let access = "1:29: http.access: `control` is not built yet in this version";
    one("http: { address: 1, access: control }\nports: {}\n", access, "");
    one(
        "log: { format: jornal }
ports: {}",
        "1:16: log.format: `jornal` is not possible here",
        "journal",
    );
    let addresses = "5:35: ports.p.listen[0].address: ";
    one(&address("\"udp:*:1\""), &format!("{addresses}`udp:` addresses are not built yet in this version"), "TCP");
    let devices = "4:13: ports.p.device: ";
    one(&device("tcp://h:1"), &format!("{devices}`tcp://` devices are not built yet in this version"), "/dev/ttyUSB0");
    one(&device("rfc2217://h:1"), &format!("{devices}`rfc2217://` devices are not built yet in this version"), "");
    one(&device("replay:x"), &format!("{devices}`replay:` devices are not built yet in this version"), "");
}

#[test]
fn what_is_wrong_with_http_is_said() {
    let shown = faults("http: { adress: 1 }\nports: {}\n").to_string();
    assert!(shown.contains("x.yaml:1:9: http.adress: unknown key"), "{shown}");
    assert!(shown.contains("did you mean `address`?"), "{shown}");
    let one = |http: &str, first_line: &str, help: &str| one(&format!("http: {http}\nports: {{}}\n"), first_line, help);
    one("{}", "1:7: http: there is no `address`", "write { address: \"127.0.0.1:8217\" }, or off");
    one("on", "1:7: http: a mapping is needed here, not a single value", "address");
    one("{ address: unix:/x }", "1:18: http.address: a unix socket is not possible here", "control socket");
    one("{ address: 1, names: [a, b c] }", "1:32: http.names[1]: `b c` is not the name of a host", "without a port");
    one(
        "{ address: [1, \"*:1\"] }",
        "1:22: http.address[1]: `*:1` overlaps with `localhost:1` of http.address[0]",
        "own",
    );
}

#[test]
fn a_listener_and_http_cannot_have_the_same_address() {
    let text = format!("http: {{ address: 8217 }}\n{}", address("\"*:8217\""));
    let shown = faults(&text).to_string();
    assert!(
        shown.contains("1:18: http.address: `localhost:8217` overlaps with `*:8217` of ports.p.listen[0].address"),
        "{shown}"
    );
}

#[test]
fn a_value_that_is_wrong_is_shown_with_one_that_is_right() {
    for (key, first_line, help) in WRONG_VALUES {
        one(&port(key), &format!("5:{first_line}"), help);
    }
    one("log: { level: infoo }\nports: {}", "1:15: log.level: `infoo` is not possible here", "did you mean `info`?");
    one("ports: []\n", "1:8: ports: a mapping is needed here, not a list", "a name for each port");
}

#[test]
fn a_delimiter_whose_quotes_leave_its_backslashes_is_refused() {
    let message = "5:12: ports.p.frame: `\\r\\n` has a backslash in it, which no device sends as the end of a line";
    one(&port("frame: { delimiter: '\\r\\n' }"), message, "use double quotes");
}

#[test]
fn a_device_that_cannot_be_one_is_refused() {
    for (text, message, help) in WRONG_DEVICES {
        one(&device(text), &format!("4:13: ports.p.device: {message}"), help);
    }
    one(&device("\"/dev/tty\\u202eUSB0\""), "4:13: ports.p.device: the character U+202E cannot stand here", "copying");
    one("ports: { p: { enable: no } }", "1:10: ports.p: the port has no `device`", "add `device: /dev/…`");
}

#[test]
fn a_lock_file_has_no_invisible_characters() {
    let text = "ports: { p: { device: /dev/ttyUSB0, lock-file: \"/run/\\u2028lock\", enable: no } }";
    one(text, "1:48: ports.p.lock-file: the character U+2028 cannot stand here", "copying");
}

#[test]
fn two_ports_cannot_mean_one_adapter() {
    let two = |a: &str, b: &str| {
        let listen = "listen: [{ protocol: raw, address: 0 }]";
        load_str("x.yaml", &format!("ports:\n  a: {{ {a}, {listen} }}\n  b: {{ {b}, {listen} }}\n"))
    };
    let (any, one, other) =
        ("usb: '0403:6001'", "usb: '0403:6001', usb-serial: A1", "usb: '0403:6001', usb-serial: A2");
    for (a, b, message, help) in [
        (one, one, "the port `a` has this adapter already", "any number of listeners"),
        (any, any, "this means the adapter of the port `a` as well", "`usb-serial` on both"),
        (any, one, "this means the adapter of the port `a` as well", "`usb-serial` on both"),
        (one, any, "this means the adapter of the port `a` as well", "`usb-serial` on both"),
        ("device: 'usb:0403:6001,A1'", one, "the port `a` has this adapter already", "any number of listeners"),
    ] {
        let faults = two(a, b).unwrap_err();
        assert_eq!(faults.len(), 1, "{faults}");
        let shown = faults.to_string();
        assert!(shown.starts_with(&format!("x.yaml:3:13: ports.b.usb: {message}\n")), "{shown}");
        assert!(shown.contains(help) && shown.contains("note: it is at x.yaml:2:"), "{shown}");
    }
    for (a, b) in [(one, other), (any, "usb: '0403:6010'"), (any, "usb: '0403:6001', enable: no")] {
        assert!(two(a, b).is_ok(), "{a} {b}");
    }
}

#[test]
fn an_address_that_cannot_be_one_is_refused() {
    for (text, message, help) in WRONG_ADDRESSES {
        one(&address(text), &format!("5:35: ports.p.listen[0].address: {message}"), help);
    }
}

#[test]
fn what_speaks_of_the_network_cannot_stand_on_a_unix_socket_nor_rights_of_a_file_on_the_network() {
    for (keys, first_line, help) in WRONG_UNIX {
        one(&unix(keys), &format!("5:{first_line}"), help);
    }
    let nobody = "clients of a unix socket have no network address";
    one(&unix("allow: [10.0.0.7]"), &format!("5:55: ports.p.listen[0].allow: {nobody}"), "`mode`, `owner`, `group`");
    one(&unix("deny: ['::1']"), &format!("5:54: ports.p.listen[0].deny: {nobody}"), "`mode`, `owner`, `group`");
    one(
        &unix("keepalive: { count: 3 }"),
        "5:59: ports.p.listen[0].keepalive: a unix socket has no `keepalive`: the system reports at once when the other end disconnects",
        "remove",
    );
    let file = "is for the file of a unix socket, and this address has none";
    for (key, value) in [("mode", "'0660'"), ("owner", "root"), ("group", "dialout")] {
        let column = 38 + key.len() + 2;
        let message = format!("5:{column}: ports.p.listen[0].{key}: `{key}` {file}");
        one(&listener("raw", &format!("{key}: {value}")), &message, "unix:/run/sermux/NAME.sock");
    }
    one(&port("mode: '0660'"), "5:5: ports.p.mode: unknown key", "did you mean `modem`?");
    let key = "1:54: ports.p.listen[0].unix: unknown key";
    one(
        "ports: { p: { device: sim:echo, listen: [{ unix: /x }] } }",
        &key.replace("54", "44"),
        "unix:/run/sermux/NAME",
    );
}

#[test]
fn two_listeners_cannot_have_the_same_path() {
    let two = |a: &str, b: &str| {
        format!("ports:\n  a: {{ device: /nonexistent/a, listen: [{{ protocol: raw, address: {a} }}] }}\n  b: {{ device: /nonexistent/b, listen: [{{ protocol: telnet, address: {b} }}] }}\n")
    };
    let taken = "3:70: ports.b.listen[0].address: `unix:/run/x` is taken by ports.a.listen[0].address";
    one(&two("unix:/run/x", "unix:/run/x"), taken, "a path of its own");
    assert!(faults(&two("unix:/run/x", "unix:/run//x")).len() == 1 && load_str("", &two("unix:/x", "unix:/y")).is_ok());
}

#[test]
fn a_listener_cannot_be_where_the_control_socket_is() {
    let file = |control| {
        format!("control: {control}\nports: {{ a: {{ device: sim:echo, listen: [{{ protocol: raw, address: unix:/run/sermux//control.sock }}] }} }}")
    };
    let shown = faults(&file("{ socket: /run/sermux/control.sock }")).to_string();
    assert!(shown.contains(": the control socket is there") && shown.contains("it is at x.yaml:1:20"), "{shown}");
    assert!(load_str("", &file("{ group: dialout }")).is_err() && load_str("", &file("{ socket: /run/c }")).is_ok());
}

#[test]
fn a_port_that_nobody_can_reach_is_refused_unless_it_is_not_enabled() {
    let nobody = "1:10: ports.p: nobody can reach this port: it has no listeners";
    one("ports: { p: { device: sim:echo } }", nobody, "enable: false");
    one("ports: { p: { device: sim:echo, listen: [] } }", nobody, "enable: false");
    assert!(load_str("x.yaml", "ports: { p: { device: sim:echo, enable: false } }").is_ok());
}

#[test]
fn a_listener_has_a_protocol_and_an_address() {
    let listen = |listen: &str| format!("ports: {{ p: {{ device: sim:echo, listen: {listen} }} }}");
    one(&listen("[{ address: 1 }]"), "1:42: ports.p.listen[0]: the listener has no `protocol`", "protocol: raw");
    one(&listen("[{ protocol: raw }]"), "1:42: ports.p.listen[0]: the listener has no `address`", "address: ");
    one(&listen("[4001]"), "1:42: ports.p.listen[0]: a mapping is needed here, not a single value", "{ protocol: raw");
    one(&listen("'*:x'"), "1:41: ports.p.listen: `x` is not a TCP port", "");
    one(&listen("{ protocol: raw }"), "1:41: ports.p.listen: a list is needed here, not a mapping", "listen: [{");
}

#[test]
fn the_name_of_a_port_is_a_plain_word() {
    for name in ["-p", ".p", "a b", "é", "a/b", "''", &"x".repeat(65)] {
        let text = format!("ports: {{ {name}: {{ device: sim:echo, enable: no }} }}");
        let faults = faults(&text);
        assert_eq!(faults.len(), 1);
        assert!(faults.to_string().contains("cannot be the name of a port"), "{faults}");
    }
    for name in ["p", "1", "null", "true", "a.b_c-d", &"x".repeat(64)] {
        let text = format!("ports: {{ {name}: {{ device: sim:echo, enable: no }} }}");
        assert!(load_str("x.yaml", &text).is_ok_and(|loaded| loaded.config.ports.contains_key(name)), "{name}");
    }
}

#[test]
fn what_cannot_be_together_is_refused() {
    for (keys, first_line, help) in [
        (
            "frame: dsmr\non-lag: hold",
            "13: ports.p.on-lag: a reader of the port `p` skips whole telegrams (`frame: dsmr`)",
            "skip",
        ),
        (
            "frame: dsmr\non-lag: disconnect",
            "13: ports.p.on-lag: a reader of the port `p` skips whole telegrams (`frame: dsmr`)",
            "skip",
        ),
        (
            "write: none\naccess: control",
            "13: ports.p.access: nobody may write to the port `p` (`write: none`)",
            "read-only",
        ),
        (
            "frame: dsmr\nbacklog: 31 KiB",
            "14: ports.p.backlog: a backlog below 32 KiB has no room for whole telegrams (`frame: dsmr`)",
            "32 KiB",
        ),
        (
            "frame: dsmr\ngather: 5ms",
            "13: ports.p.gather: with `frame: dsmr` there is nothing to gather: a telegram is sent when it is whole",
            "remove",
        ),
        (
            "open: always\nlinger: 6s",
            "13: ports.p.linger: `linger` has no effect: the device is always open (`open: always`)",
            "open: on-demand",
        ),
        (
            "gather: 0\nline: { rs485: { enabled: true, rts-on-send: false } }",
            "50: ports.p.line.rs485.rts-on-send: RTS would never change: `rts-on-send` and `rts-after-send` are the same",
            "the other false",
        ),
        (
            "gather: 0\nline: { flow-control: rts-cts, rs485: { enabled: true } }",
            "54: ports.p.line.rs485.enabled: RTS cannot both switch the transceiver and control the flow",
            "another `flow-control`",
        ),
        (
            "frame: none\ncrc: drop",
            "10: ports.p.crc: `crc` needs telegrams, and this port has none (`frame: none`)",
            "dsmr",
        ),
    ] {
        one(&port(keys), &format!("6:{first_line}"), help);
    }
    let listener = "ports:\n  p:\n    device: sim:echo\n    profile: dsmr-p1\n    listen:\n      - { protocol: raw, address: 0, access: read-write }\n";
    one(listener, "6:46: ports.p.listen[0].access: nobody may write to the port `p` (`write: none`)", "read-only");
    let default = format!("defaults: {{ on-lag: hold }}\n{}", port("frame: dsmr"));
    one(&default, "1:21: defaults.on-lag: a reader of the port `p` skips whole telegrams (`frame: dsmr`)", "skip");
}

#[test]
fn what_only_telnet_has_is_refused_on_a_raw_listener() {
    for (keys, key, column) in [
        ("rfc2217: true", "rfc2217", 47),
        ("notify: true", "notify", 46),
        ("signature: x", "signature", 49),
        ("break-on-sync: on", "break-on-sync", 53),
        ("enter: cr", "enter", 45),
    ] {
        let first_line = format!(
            "5:{column}: ports.p.listen[0].{key}: a raw listener has no `{key}`: it hands over the bytes and nothing else"
        );
        one(&listener("raw", keys), &first_line, "protocol: telnet");
    }
    let default = port("enter: cr\nsignature: x\nbreak-on-sync: yes");
    assert!(load_str("x.yaml", &default).is_ok(), "on the port it is a default that raw listeners pass by");
}

#[test]
fn words_for_telnet_that_are_wrong_are_shown_with_those_that_are_right() {
    for (keys, first_line, help) in WRONG_TELNET {
        one(&listener("telnet", keys), &format!("5:{first_line}"), help);
    }
    let long = listener("telnet", &format!("signature: {}", "x".repeat(256)));
    one(&long, "5:52: ports.p.listen[0].signature: the signature is longer than 255 bytes", "255");
    one(
        &address("0").replace("raw", "telnett"),
        "5:21: ports.p.listen[0].protocol: `telnett` is not possible here",
        "`telnet`",
    );
}

#[test]
fn a_banner_does_not_stand_before_telegrams_on_a_raw_listener() {
    let message = "readers of telegrams on a raw listener get nothing else: no banner";
    let on_port = port("frame: dsmr\nbanner: hello");
    one(&on_port, &format!("6:13: ports.p.banner: {message}"), "banner: \"\"");
    let on_listener = listener("raw", "banner: hello") + "    frame: dsmr\n";
    one(&on_listener, &format!("5:46: ports.p.listen[0].banner: {message}"), "remove");
    for allowed in [
        on_port.replace("raw", "telnet"),
        on_port.replace("address: 0", "address: 0, banner: ''"),
        on_port.replace("dsmr", "none"),
        format!("defaults: {{ banner: hello }}\n{}", port("frame: dsmr")),
    ] {
        assert!(load_str("x.yaml", &allowed).is_ok(), "{allowed}");
    }
}

#[test]
fn what_the_control_socket_cannot_be_is_refused() {
    let long = format!("/run/{}", "x".repeat(103));
    for (keys, first_line, help) in [
        ("sockett: /x", "12: control.sockett: unknown key", "did you mean `socket`?"),
        ("socket: run/x", "20: control.socket: `run/x` is not a full path", "/run/sermux/control.sock"),
        (&format!("socket: {long}"), "20: control.socket: the path of a socket has at most 107 bytes", "shorter"),
        ("group: ''", "19: control.group: `` cannot be the name of a group", "getent group"),
        ("group: a b", "19: control.group: `a b` cannot be the name of a group", "getent group"),
        (
            "mode: 0660",
            "18: control.mode: `0660` without quotes is octal in YAML 1.1 and decimal in YAML 1.2",
            "quote it: \"0660\"",
        ),
        (
            "mode: 660",
            "18: control.mode: `660` without quotes is octal in YAML 1.1 and decimal in YAML 1.2",
            "quote it: \"0660\"",
        ),
        (
            "mode: 0o660",
            "18: control.mode: `0o660` without quotes is octal in YAML 1.1 and decimal in YAML 1.2",
            "\"0660\"",
        ),
        ("mode: '0680'", "18: control.mode: `0680` are not access rights", "\"0660\""),
        ("mode: '1777'", "18: control.mode: `1777` are not access rights", "\"0660\""),
        ("mode: rw", "18: control.mode: `rw` is not an octal number", "\"0660\""),
        ("mode: '0060'", "18: control.mode: with `0060` not even the owner could use the socket", "\"0600\""),
    ] {
        one(&format!("control: {{ {keys} }}\nports: {{}}\n"), &format!("1:{first_line}"), help);
    }
    one("control: never\nports: {}\n", "1:10: control: a mapping is needed here, not a single value", "`off`");
}

#[test]
fn two_listeners_on_one_address_are_refused() {
    let two = |a: &str, b: &str| {
        format!(
            "ports:\n  a: {{ device: sim:echo, listen: [{{ protocol: raw, address: {a} }}] }}\n  \
             b: {{ device: sim:echo, listen: [{{ protocol: raw, address: {b} }}] }}\n"
        )
    };
    let taken = faults(&two("'*:9000'", "'*:9000'")).to_string();
    assert!(
        taken.starts_with("x.yaml:3:61: ports.b.listen[0].address: `*:9000` is taken by ports.a.listen[0].address\n"),
        "{taken}"
    );
    assert!(taken.contains("note: it is at x.yaml:2:61\n"), "{taken}");
    let overlap = faults(&two("'*:9000'", "9000")).to_string();
    assert!(overlap.contains("`localhost:9000` overlaps with `*:9000` of ports.a.listen[0].address"), "{overlap}");
    for (a, b) in [("0", "0"), ("'*:0'", "'*:0'"), ("1", "2"), ("127.0.0.1:1", "127.0.0.2:1")] {
        assert!(load_str("x.yaml", &two(a, b)).is_ok(), "{a} {b}");
    }
    let disabled = two("1", "1").replacen("{ device", "{ enable: no, device", 1);
    assert!(load_str("x.yaml", &disabled).is_ok(), "a port that is not enabled is in nobody's way");
}

#[test]
fn a_hold_without_a_pen_is_refused_once() {
    let message = "`write-hold` has no effect: clients do not write one at a time here";
    let on_port = port("write-hold: 5s").replace("}]", "}, { protocol: telnet, address: 0 }]");
    one(&on_port, &format!("5:17: ports.p.write-hold: {message}"), "write: first");
    let on_listener = listener("raw", "write-hold: 5s");
    one(&on_listener, &format!("5:50: ports.p.listen[0].write-hold: {message}"), "remove");
    for allowed in [
        port("write-hold: 5s\nwrite: first"),
        port("write-hold: 30s"),
        format!("defaults: {{ write-hold: 5s }}\n{}", port("")),
    ] {
        assert!(load_str("x.yaml", &allowed).is_ok(), "{allowed}");
    }
}

#[test]
fn a_capture_needs_a_file_of_its_own() {
    one(&port("capture: { format: hex }"), "5:14: ports.p.capture: `capture` lacks the key `file`", "`capture: off`");
    let listen = |port: u16| format!("listen: [{{ protocol: raw, address: {port} }}]");
    let ports = format!(
        "defaults: {{ capture: {{ file: /x }} }}\nports:\n  a: {{ device: sim:echo, {} }}\n  b: {{ device: sim:echo, {} }}\n",
        listen(4001),
        listen(4002)
    );
    one(&ports, "4:3: ports.b: the capture of the port `a` has this file: /x", "of its own");
    one(
        &ports.replace("sim:echo, listen", "sim:echo, capture: { file: /y }, listen"),
        "4:43: ports.b.capture.file: the capture of the port `a` has this file: /y",
        "of its own",
    );
}

#[test]
fn a_silence_ends_no_frame_for_the_line() {
    let shown = faults(&port("tx-frame: { gap: 20ms }")).to_string();
    assert!(shown.contains("a silence ends no frame") && shown.contains("tx-frame: line"), "{shown}");
}

#[test]
fn the_frame_that_is_in_the_way_is_the_one_that_is_named() {
    for (frame, named) in [("line", "`frame: line` is at"), ("{ gap: 20ms }", "`frame: { gap: … }` is at")] {
        let shown = faults(&port(&format!("frame: {frame}\ngather: 5ms"))).to_string();
        assert!(shown.contains(named), "{shown}");
        let shown = faults(&port(&format!("frame: {frame}\nbanner: hello"))).to_string();
        assert!(shown.contains(named) && shown.contains("readers of frames"), "{shown}");
        let shown = faults(&port(&format!("frame: {frame}\ncrc: drop"))).to_string();
        assert!(shown.contains(&named.replace(" is at", "")), "{shown}");
    }
}
