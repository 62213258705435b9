//! Warnings: settings that are allowed but probably a mistake.
#![allow(clippy::unwrap_used, reason = "in a test it says where")]

#[path = "common/faulty.rs"]
mod faulty;

use faulty::{device, listener, port};
use sermux_port_config::config::load::load_str;

fn warnings(text: &str) -> Vec<String> {
    let warnings = load_str("x.yaml", text).unwrap_or_else(|faults| panic!("{faults}")).warnings;
    warnings.iter().map(|warning| warning.to_string().lines().next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn control_without_words_for_it_is_allowed_with_a_warning() {
    let expected = |place: &str| format!("x.yaml:{place}: `control` on a raw listener is no more than `read-write`");
    let on_listener = listener("raw", "access: control");
    assert_eq!(warnings(&on_listener), [expected("5:46: ports.p.listen[0].access")]);
    let on_port = port("access: control");
    assert_eq!(warnings(&on_port), [expected("5:13: ports.p.access")]);
    assert!(warnings(&on_port.replace("raw", "telnet")).is_empty());
    let mixed = on_port.replace("}]", "}, { protocol: telnet, address: 0 }]");
    assert!(warnings(&mixed).is_empty(), "the default is meant for the other one");
}

#[test]
fn telegrams_at_a_speed_that_no_meter_has_are_allowed_with_a_warning() {
    let meter = |keys: &str| warnings(&port(keys).replace("sim:echo", "/nonexistent"));
    let at = |place: &str, baud: u32| [format!("x.yaml:{place}: no smart meter sends its telegrams at {baud} baud")];
    assert_eq!(meter("frame: dsmr\nline: 57600"), at("6:11: ports.p.line", 57600));
    assert_eq!(meter("profile: dsmr-p1\nline: { baud: 2400 }"), at("6:19: ports.p.line.baud", 2400));
    assert_eq!(meter("frame: dsmr"), ["x.yaml:5:12: ports.p.frame: the line is 9600 8N1, the default"]);
    for good in ["frame: dsmr\nline: 115200", "profile: dsmr-p1", "profile: dsmr-p1-v2", "line: 57600"] {
        assert!(meter(good).is_empty(), "{good}");
    }
    assert!(warnings(&port("frame: dsmr")).is_empty(), "a simulated meter has no speed");
}

#[test]
fn stop_bits_that_no_driver_makes_are_allowed_with_a_warning() {
    let message = "x.yaml:5:11: ports.p.line: with 8 data bits the driver makes 2 of 1.5 stop bits";
    assert_eq!(warnings(&port("line: 9600 8N1.5")), [message]);
    assert!(warnings(&port("line: 50 5N1.5")).is_empty());
}

#[test]
fn a_control_socket_for_everybody_is_allowed_with_a_warning() {
    let mode = |mode: &str| warnings(&format!("control: {{ mode: '{mode}' }}\nports: {{}}\n"));
    assert_eq!(mode("0666"), ["x.yaml:1:18: control.mode: everybody on this machine may command the ports"]);
    assert!(mode("0660").is_empty());
}

#[test]
fn rs485_that_is_not_enabled_is_allowed_with_a_warning() {
    let warnings = |keys: &str| load_str("x.yaml", &port(keys)).unwrap().warnings;
    let forgotten = warnings("line: { rs485: { delay-after-send: 1ms } }");
    assert_eq!(forgotten.len(), 1);
    let said = "x.yaml:5:40: ports.p.line.rs485.delay-after-send: `rs485` has no effect without `enabled`";
    assert!(forgotten[0].to_string().starts_with(said), "{}", forgotten[0]);
    assert!(warnings("line: { rs485: { enabled: false, delay-after-send: 1ms } }").is_empty());
}

#[test]
fn hold_without_flow_control_is_allowed_with_a_warning() {
    let text = device("/nonexistent").replace("address: 0", "address: 0, on-lag: hold");
    let warnings = load_str("x.yaml", &text).unwrap().warnings;
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].to_string().starts_with("x.yaml:3:51: ports.p.listen[0].on-lag: `hold` without flow control"));
    let with_flow_control = format!("{text}    line: 9600 8N1 rts-cts\n");
    assert!(load_str("x.yaml", &with_flow_control).unwrap().warnings.is_empty());
}

#[test]
fn an_idle_timeout_for_clients_that_may_not_write_is_allowed_with_a_warning() {
    let message = "clients that may not write are disconnected when the line is silent for this time";
    let on_port = port("idle-timeout: 5min\nwrite: none").replace("}]", "}, { protocol: telnet, address: 0 }]");
    assert_eq!(warnings(&on_port), [format!("x.yaml:5:19: ports.p.idle-timeout: {message}")], "once");
    let on_listener = listener("raw", "idle-timeout: 5min, access: read-only");
    assert_eq!(warnings(&on_listener), [format!("x.yaml:5:52: ports.p.listen[0].idle-timeout: {message}")]);
    for good in ["idle-timeout: 5min", "idle-timeout: 0\nwrite: none", "access: read-only"] {
        assert!(warnings(&port(good)).is_empty(), "{good}");
    }
}

#[test]
fn http_that_answers_nobody_is_allowed_with_a_warning() {
    let http = |keys: &str| warnings(&format!("http: {{ {keys} }}\nports: {{}}\n"));
    let at = |place: &str, address: &str| {
        [format!("x.yaml:{place}: `{address}` refuses every request, because other hosts can reach it")]
    };
    assert_eq!(http("address: '*:8217'"), at("1:18: http.address", "*:8217"));
    assert_eq!(http("address: [8217, 'pi.lan:8218']"), at("1:25: http.address[1]", "pi.lan:8218"));
    assert_eq!(http("address: '10.0.0.7:8217'"), at("1:18: http.address", "10.0.0.7:8217"));
    for open in ["address: 8217", "address: '127.0.0.2:8217'", "address: '[::1]:8217'", "address: 'localhost:8217'"] {
        assert!(http(open).is_empty(), "{open}");
    }
    assert!(http("address: '*:8217', access: read-only").is_empty());
    assert!(http("address: '*:8217', access: none").is_empty());
}
