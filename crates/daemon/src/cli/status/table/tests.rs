use super::*;

/// A port as the daemon reports it; fields left out here have the values of an idle port.
fn port(json: &str) -> PortShape {
    let mut port = serde_json::json!({
        "name": "router", "state": "open", "since": "2026-01-31T07:05:09Z", "since-seconds": 11_520, "well": true,
        "device": { "configured": "/dev/ttyUSB0", "path": "/dev/ttyUSB0" },
        "line": { "configured": "9600 8N1", "actual": "9600 8N1", "differences": [], "not-carried": [] },
        "modem": { "dtr": true, "rts": true, "cts": false, "dsr": false, "ri": false, "dcd": false },
        "break": false, "counters": {}, "frames": null, "errors": null, "listeners": [], "clients": [], "fault": null,
    });
    let more: serde_json::Value = serde_json::from_str(json).unwrap();
    for (key, value) in more.as_object().unwrap() {
        port[key] = value.clone();
    }
    serde_json::from_value(port).unwrap()
}

fn plain(json: &str) -> String {
    one(&port(json), Style::Plain)
}

#[test]
fn a_port_that_is_well_is_told_in_few_lines() {
    assert_eq!(
        plain("{}"),
        "  router  open for 3 h 12 min
    device     /dev/ttyUSB0
    line       9600 8N1
    modem      on: DTR RTS; off: CTS DSR RI DCD
    traffic    rx 0 B, tx 0 B
"
    );
}

#[test]
fn a_port_with_everything() {
    let text = plain(
        r##"{
        "device": { "configured": "/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A1B2C3D4-if00-port0", "path": "/dev/ttyUSB0" },
        "line": { "configured": "9600 8N1", "actual": "115200 8N1",
                  "differences": ["asked for 250000 baud, the device has 115200"], "not-carried": ["parity"] },
        "break": true,
        "counters": { "rx-bytes": 13002400, "tx-bytes": 12, "tx-lost-bytes": 2048, "clients-refused": 3 },
        "frames": { "telegrams": 86400, "crc-failures": 2, "stray-bytes": 100 },
        "errors": { "framing": 7, "breaks": 1 },
        "history": { "bytes": null, "frames": 1, "since": "2026-01-31T07:05:09Z", "since-seconds": 10 },
        "listeners": [
            { "protocol": "telnet", "rfc2217": true, "configured": "*:4002", "address": "[::]:4002", "fault": null,
              "access": "control", "clients": 2, "max-clients": 4 },
            { "protocol": "raw", "rfc2217": false, "configured": "4001", "address": null,
              "fault": "the address is in use by another program (`ss -ltnp` shows which)", "access": "read-write",
              "clients": 0, "max-clients": 64 }
        ],
        "clients": [
            { "id": 9, "address": "10.0.0.7:51234", "listener": "*:4002", "protocol": "telnet", "access": "control",
              "since": "2026-01-31T07:05:09Z", "since-seconds": 30, "sent-bytes": 13002400, "received-bytes": 12,
              "refused-bytes": 0, "gap-bytes": 0, "purged-bytes": 0, "skipped-frames": 0, "lag-bytes": 3200,
              "lag-seconds": 4, "history": { "bytes": 16384, "frames": null, "since": "", "since-seconds": 190 },
              "suspended": true, "half-closed": false, "signature": "pyserial 3.5" },
            { "id": 10, "address": "10.0.0.12:40000", "listener": "*:4002", "protocol": "telnet", "access": "control",
              "since": "2026-01-31T07:05:09Z", "since-seconds": 7200, "sent-bytes": 0, "received-bytes": 0,
              "refused-bytes": 0, "gap-bytes": 0, "purged-bytes": 0, "skipped-frames": 0, "lag-bytes": 0,
              "suspended": false, "half-closed": false, "signature": null }
        ],
        "well": false,
        "fault": { "what": "device disconnected: hung up", "at": "2026-01-31T07:05:09Z", "at-seconds": 7200, "over": true, "over-seconds": 7198 }
    }"##,
    );
    assert_eq!(
        text,
        "! router  open for 3 h 12 min
    device     /dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A1B2C3D4-if00-port0
               -> /dev/ttyUSB0
    line       115200 8N1 (configured: 9600 8N1); no wire for parity
    differs    asked for 250000 baud, the device has 115200
    modem      on: DTR RTS; off: CTS DSR RI DCD
    break      sending a break
    traffic    rx 12.4 MiB, tx 12 B
    history    1 frame for the next client, the oldest 10 s ago
    telegrams  86400, 2 with a wrong CRC, 100 B between them
    counters   tx lost 2.0 KiB, 3 clients refused
    errors     7 framing, 1 break
    rfc2217    [::]:4002, control, 2 of 4 clients
               #9 10.0.0.7:51234    30 s, sent 12.4 MiB, received 12 B,
                 lag 3.1 KiB (4 s), history 16.0 KiB (3 min old), suspended,
                 pyserial 3.5
               #10 10.0.0.12:40000  2 h, sent 0 B
    raw        4001: the address is in use by another program (`ss -ltnp` shows
               which)
    last fault (resolved 1 h 59 min ago): device disconnected: hung up
"
    );
    assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "wider than a terminal");
}

#[test]
fn a_port_without_a_device_says_what_would_be_set_and_what_to_do() {
    let text = plain(
        r#"{ "state": "waiting", "since-seconds": 12, "well": false, "modem": null,
             "device": { "configured": "/dev/ttyUSB0", "path": null },
             "line": { "configured": "9600 8N1", "actual": null, "differences": [], "not-carried": [] },
             "fault": { "what": "/dev/ttyUSB0: not there (yet); plug it in", "at": "", "at-seconds": 12, "over": false } }"#,
    );
    assert_eq!(
        text,
        "! router  waiting for 12 s
    device     /dev/ttyUSB0
    line       (9600 8N1)
    traffic    rx 0 B, tx 0 B
    fault      not there (yet); plug it in
"
    );
}

#[test]
fn what_a_client_or_a_file_says_does_not_steer_the_terminal() {
    let text = plain(r#"{ "device": { "configured": "/dev/\u001b[2J", "path": null } }"#);
    assert!(!text.contains('\u{1b}'), "{text:?}");
}

#[test]
fn colour_adds_nothing_but_colour() {
    let port = port(r#"{ "well": false, "state": "faulted" }"#);
    let coloured = one(&port, Style::Colour);
    assert!(coloured.contains("\u{1b}[31mfaulted\u{1b}[0m"), "{coloured:?}");
    let mut bare = coloured;
    for code in ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m"] {
        bare = bare.replace(code, "");
    }
    assert_eq!(bare, one(&port, Style::Plain));
}

#[test]
fn above_all_ports_stands_how_many_are_how() {
    let program = serde_json::json!({ "version": "1.2.3", "pid": 42, "started": "", "uptime-seconds": 273_600,
                                      "config": "/etc/sermux/sermux.yaml" });
    let ports = vec![
        port(r#"{ "name": "a" }"#),
        port(r#"{ "name": "b", "state": "paused", "well": false }"#),
        port(r#"{ "name": "c", "state": "disabled", "since": null }"#),
    ];
    let status = StatusShape { program: serde_json::from_value(program).unwrap(), well: false, ports };
    let text = all(&status, &[], Style::Plain, None);
    let head: Vec<&str> = text.lines().take(3).collect();
    assert_eq!(
        head,
        [
            "sermux 1.2.3, pid 42, up 3 d 4 h, /etc/sermux/sermux.yaml",
            "3 ports: 1 open, 1 paused, 1 disabled; 0 clients",
            "not well: b",
        ]
    );
    assert!(text.contains("\n  disabled  c     /dev/ttyUSB0"), "{text}");
}

#[test]
fn a_log_that_loses_records_is_told_above_the_ports() {
    let program = serde_json::json!({ "version": "1.2.3", "pid": 42, "started": "", "uptime-seconds": 1, "config": null,
                                      "log": { "lost-records": 1200, "fault": "no space left on device" } });
    let status = StatusShape { program: serde_json::from_value(program).unwrap(), well: true, ports: vec![port("{}")] };
    let text = all(&status, &[], Style::Plain, None);
    assert_eq!(text.lines().nth(2), Some("log: 1200 records lost; no space left on device"), "{text}");
}

#[test]
fn a_state_that_only_a_newer_daemon_knows_is_told() {
    assert!(plain(r#"{ "state": "asleep" }"#).starts_with("  router  unknown for"));
}

#[test]
fn a_capture_is_told_with_what_is_wrong_with_it() {
    let capture = r#"{ "file": "/x.log", "captured-bytes": 10, "lost-bytes": 2048,
        "fault": "/x.log cannot be written: No space left on device" }"#;
    let text = plain(&format!(r#"{{ "capture": {capture}, "last-rx-seconds": 3 }}"#));
    assert!(text.contains("traffic    rx 0 B, tx 0 B; last byte 3 s ago\n"), "{text}");
    let told =
        "    capture    /x.log, 10 B, 2.0 KiB missing\n               cannot be written: No space left on device\n";
    assert!(text.ends_with(told), "{text}");
}
