use super::*;

fn port(json: &str) -> PortShape {
    let mut port = serde_json::json!({
        "name": "router", "state": "open", "since": "2026-01-31T07:05:09Z", "since-seconds": 11_520, "well": true,
        "device": { "configured": "/dev/ttyUSB0", "path": "/dev/ttyUSB0" },
        "line": { "configured": "9600 8N1", "actual": "9600 8N1", "differences": [], "not-carried": [] },
        "modem": null, "break": false, "counters": {}, "frames": null, "errors": null, "listeners": [], "clients": [],
        "fault": null,
    });
    let more: serde_json::Value = serde_json::from_str(json).unwrap();
    for (key, value) in more.as_object().unwrap() {
        port[key] = value.clone();
    }
    serde_json::from_value(port).unwrap()
}

fn some() -> Vec<PortShape> {
    vec![
        port(r#"{ "name": "board10", "last-rx-seconds": 3 }"#),
        port(
            r#"{ "name": "board2", "state": "waiting", "well": false,
                 "device": { "configured": "/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A1B2C3D4-if00-port0", "path": null },
                 "line": { "configured": "115200 8N1", "actual": null, "differences": [], "not-carried": [] },
                 "fault": { "what": "/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A1B2C3D4-if00-port0: not there; plug it in",
                            "at": "", "at-seconds": 12, "over": false } }"#,
        ),
        port(r#"{ "name": "spare", "state": "paused", "well": false }"#),
        port(
            r#"{ "name": "was", "fault": { "what": "device disconnected", "at": "", "at-seconds": 9, "over": true, "over-seconds": 2 } }"#,
        ),
    ]
}

#[test]
fn each_port_has_a_row_in_natural_order_and_the_next_step_below() {
    assert_eq!(
        rows(&some(), Style::Plain, None),
        "  STATE    PORT     DEVICE                                                          LINE          CLIENTS  LAST BYTE
! waiting  board2   /dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A1B2C3D4-if00-port0  (115200 8N1)  0        -
    not there; plug it in
  open     board10  /dev/ttyUSB0                                                    9600 8N1      0        3 s ago
! paused   spare    /dev/ttyUSB0                                                    9600 8N1      0        -
    `sermux resume spare` opens the device again
  open     was      /dev/ttyUSB0                                                    9600 8N1      0        -
"
    );
}

#[test]
fn a_narrow_terminal_shortens_devices_and_leaves_columns_out() {
    let first = |width| {
        let text = rows(&some(), Style::Plain, Some(width));
        let rows = text.lines().filter(|line| !line.starts_with("    "));
        assert!(rows.clone().all(|line| line.chars().count() <= width), "{text}");
        text.lines().nth(1).unwrap().to_owned()
    };
    assert_eq!(
        first(100),
        "! waiting  board2   usb-FTDI_FT232R_USB_UART_A1B2C3D4-if00-port0    (115200 8N1)  0        -"
    );
    assert_eq!(first(80), "! waiting  board2   usb-FTDI_FT2…D4-if00-port0  (115200 8N1)  0        -");
    assert_eq!(first(60), "! waiting  board2   usb-FTDI_…if00-port0  0        -");
    assert_eq!(first(40), "! waiting  board2   usb-FTDI_…if00-port0");
}

#[test]
fn colour_adds_nothing_but_colour() {
    let mut bare = rows(&some(), Style::Colour, Some(80));
    assert!(bare.contains("\u{1b}[33mwaiting\u{1b}[0m"), "{bare:?}");
    for code in ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m"] {
        bare = bare.replace(code, "");
    }
    assert_eq!(bare, rows(&some(), Style::Plain, Some(80)));
}
