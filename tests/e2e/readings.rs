//! `GET /v1/ports/NAME/telegram` and `…/reading`: what a meter said last, for programs that are not clients of its port.

use serde_json::json;

use crate::rig::p1::{telegram, telegram_with_wrong_crc, telegram_without_crc};
use crate::rig::web::{get_at, Answer};
use crate::rig::{eventually, is_event, Daemon, PortYaml, Pty};

const EVENTS: &[&str] = &["accept: text/event-stream"];

fn started(pty: &Pty, keys: &str) -> Daemon {
    let daemon = Daemon::start(PortYaml::new("p1", pty.path()).key(keys).listen(""));
    daemon.opened("p1", 1);
    daemon.log().wait_for("the control socket", |line| is_event(line, "control.listening"));
    daemon
}

#[track_caller]
fn get(daemon: &Daemon, path: &str) -> Answer {
    get_at(&daemon.control_socket(), &format!("/v1/ports/{path}"), &[])
}

#[track_caller]
fn follow(daemon: &Daemon, path: &str) -> Answer {
    let answer = get_at(&daemon.control_socket(), &format!("/v1/ports/{path}"), EVENTS);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/event-stream")));
    answer
}

/// Waits until this is the latest telegram.
#[track_caller]
fn is_latest(daemon: &Daemon, telegram: &[u8]) {
    eventually("the telegram is the latest", || {
        let answer = get(daemon, "p1/telegram");
        answer.status == 200 && answer.bytes() == telegram
    });
}

#[test]
fn the_latest_valid_telegram_is_told_though_the_port_has_no_clients() {
    let pty = Pty::new();
    let daemon = started(&pty, "frame: dsmr");
    let none = get(&daemon, "p1/telegram");
    assert_eq!(none.status, 404);
    assert!(none.text().contains("no valid telegram has come yet"));
    for number in [1, 2] {
        pty.send(&telegram(number));
        is_latest(&daemon, &telegram(number));
    }
    // Neither a damaged one nor a part of one takes its place.
    pty.send(&telegram_with_wrong_crc(3));
    pty.send(&telegram(4)[..100]);
    pty.was_read();
    eventually("the damaged one was counted", || {
        daemon.done(&["status", "--json", "p1"]).contains("\"crc-failures\": 1")
    });
    is_latest(&daemon, &telegram(2));
    pty.send(&telegram(4)[100..]);
    is_latest(&daemon, &telegram(4));
    assert_eq!(get(&daemon, "p1/telegram").header("content-type"), Some("text/plain; charset=utf-8"));
}

#[test]
fn a_reading_is_what_the_telegram_says() {
    let pty = Pty::new();
    let daemon = started(&pty, "frame: dsmr");
    pty.send(&telegram(123_456));
    is_latest(&daemon, &telegram(123_456));
    let reading = get(&daemon, "p1/reading").json();
    assert_eq!(reading["port"], "p1");
    assert_eq!((&reading["number"], &reading["crc"]), (&json!(1), &json!("good")));
    assert_eq!(reading["identification"], "XMX5LGBBFG1012345678");
    assert_eq!(reading["time"], json!({ "local": "2018-01-03T22:03:22", "dst": false }));
    assert_eq!((&reading["equipment"], &reading["tariff"]), (&json!("E0031003212345678"), &json!(2)));
    let phase = json!({ "phase": 1, "voltage": 233.0, "current": 2.0, "power-import": 0.52, "power-export": 0.0,
        "sags": 0, "swells": 0 });
    assert_eq!(reading["phases"], json!([phase]));
    let object = json!({ "code": "1-0:1.8.1", "name": "energy-import-tariff-1", "value": 123.456, "unit": "kWh",
        "text": null, "time": null });
    assert!(reading["objects"].as_array().unwrap().contains(&object), "{reading}");
}

#[test]
fn a_reading_of_a_meter_that_sends_no_crc_says_so() {
    let pty = Pty::new();
    let daemon = started(&pty, "frame: dsmr");
    pty.send(&telegram_without_crc(7));
    is_latest(&daemon, &telegram_without_crc(7));
    let reading = get(&daemon, "p1/reading").json();
    assert_eq!((&reading["number"], &reading["crc"]), (&json!(1), &json!("absent")));
}

#[test]
fn who_follows_gets_the_latest_and_each_new_one_as_an_event() {
    let pty = Pty::new();
    let mut daemon = started(&pty, "frame: dsmr");
    let lines = |number| String::from_utf8(telegram(number)).unwrap().replace("\r\n", "\n").trim_end().to_owned();
    let mut early = follow(&daemon, "p1/telegram");
    pty.send(&telegram(1));
    assert_eq!(early.event(), Some((1, "telegram".to_owned(), lines(1))));
    let mut late = follow(&daemon, "p1/reading");
    let (id, name, data) = late.event().unwrap();
    let reading: serde_json::Value = serde_json::from_str(&data).unwrap();
    assert_eq!((id, name.as_str(), &reading["number"]), (1, "reading", &json!(1)));
    pty.send(&telegram(2));
    assert_eq!(early.event(), Some((2, "telegram".to_owned(), lines(2))));
    assert_eq!(late.event().unwrap().0, 2);
    // The port goes, and with it what tells of it.
    daemon.reload("ports: {}");
    assert_eq!((early.event(), late.event()), (None, None));
}

#[test]
fn who_follows_and_has_gone_makes_room() {
    let pty = Pty::new();
    let daemon = started(&pty, "frame: dsmr");
    let followers: Vec<Answer> = (0..8).map(|_| follow(&daemon, "p1/telegram")).collect();
    let ask = || get_at(&daemon.control_socket(), "/v1/ports/p1/reading", EVENTS);
    let refused = ask();
    assert_eq!(refused.status, 503);
    assert!(refused.text().contains("too many programs follow"));
    assert!(daemon.done(&["status"]).contains("p1"), "others are served all the time");
    drop(followers);
    eventually("there is room again", || ask().status == 200);
}

#[test]
fn a_port_without_telegrams_says_so() {
    let pty = Pty::new();
    let daemon = started(&pty, "frame: line");
    for path in ["p1/telegram", "p1/reading"] {
        let answer = get(&daemon, path);
        assert_eq!(answer.status, 409);
        let text = answer.text();
        assert!(text.contains("port p1 has no telegrams") && text.contains("frame: dsmr"), "{text}");
    }
    assert_eq!(get(&daemon, "p2/reading").status, 404);
}
