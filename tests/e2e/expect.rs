//! `expect`: sermux reports a port that has fallen silent, and reports when something comes again.

use crate::rig::p1::{telegram, telegram_with_wrong_crc};
use crate::rig::{eventually, is_event, Daemon, PortYaml, Pty};

/// Waits until the log said it for the n-th time.
#[track_caller]
fn said(daemon: &Daemon, n: usize, what: &str) -> String {
    daemon.log().wait_for_nth(n, what, |line| is_event(line, what))
}

#[test]
fn a_silent_port_is_quiet_in_the_log_and_in_the_status_until_a_byte_comes() {
    let pty = Pty::new();
    let daemon = Daemon::start(PortYaml::new("p", pty.path()).key("expect: { frame: 100ms }").listen(""));
    daemon.opened("p", 1);
    let line = said(&daemon, 1, "line.quiet");
    assert!(line.contains("nothing came for 100ms"), "{line}");
    assert!(line.contains("port=p"), "{line}");
    let shown = daemon.run(&["status", "p"]);
    assert_eq!(shown.code, Some(1), "{shown:?}");
    assert!(shown.stdout.contains("quiet for"), "{shown:?}");
    let json = daemon.run(&["status", "p", "--json"]);
    assert_eq!(json.code, Some(1));
    assert!(json.stdout.contains("\"quiet\""), "{json:?}");
    pty.send(b"x");
    said(&daemon, 1, "line.heard");
    // And the clock runs again.
    said(&daemon, 2, "line.quiet");
}

#[test]
fn telegrams_with_a_wrong_crc_do_not_count() {
    let pty = Pty::new();
    let port = PortYaml::new("p", pty.path()).key("profile: dsmr-p1").key("expect: { frame: 300ms }").listen("");
    let daemon = Daemon::start(port);
    daemon.opened("p", 1);
    pty.send(&telegram_with_wrong_crc(1));
    said(&daemon, 1, "telegram.crc-bad");
    let line = said(&daemon, 1, "line.quiet");
    assert!(line.contains("no good telegram came for 300ms (expect): the only one had a wrong CRC"), "{line}");
    assert!(line.contains(&probe_it(&pty)), "{line}");
    pty.send(&telegram_with_wrong_crc(2));
    pty.was_read();
    assert_eq!(daemon.run(&["status", "p"]).code, Some(1));
    pty.send(&telegram(3));
    said(&daemon, 1, "line.heard");
}

/// What the program advises where bytes come.
fn probe_it(pty: &Pty) -> String {
    format!("run `sermux probe {}`", pty.path().display())
}

/// Bytes in which there is no telegram.
fn garbage(len: usize) -> Vec<u8> {
    (0..len).map(|at| [0xE5, 0xEB, 0x9F, 0x9D][at % 4]).collect()
}

#[test]
fn of_bytes_without_telegrams_it_says_how_many_and_what_to_run() {
    let pty = Pty::new();
    let port = PortYaml::new("p", pty.path()).key("profile: dsmr-p1").key("expect: { frame: 300ms }").listen("");
    let daemon = Daemon::start(port);
    daemon.opened("p", 1);
    let line = said(&daemon, 1, "line.quiet");
    assert!(line.contains("nothing came for 300ms (expect)"), "{line}");
    assert!(!line.contains("probe"), "{line}");
    pty.send(&telegram(1));
    said(&daemon, 1, "line.heard");
    pty.send(&garbage(300));
    let line = said(&daemon, 2, "line.quiet");
    assert!(line.contains("no telegram came for 300ms (expect), only 300 bytes without one"), "{line}");
    assert!(line.contains(&probe_it(&pty)), "{line}");
    let shown = daemon.run(&["status", "p"]);
    assert!(shown.code == Some(1) && shown.stdout.contains("quiet for"), "{shown:?}");
    let words = shown.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains(&format!("no telegram in 300 B; {}", probe_it(&pty))), "{words}");
}

#[test]
fn a_meters_port_that_gets_only_garbage_is_not_well_until_a_good_telegram_comes() {
    for (what, said_of_it) in
        [(garbage(5000), "no telegram in 4."), (telegram_with_wrong_crc(7).repeat(12), "wrong CRC")]
    {
        let pty = Pty::new();
        let daemon = Daemon::start(PortYaml::new("p", pty.path()).key("profile: dsmr-p1").listen(""));
        daemon.opened("p", 1);
        pty.send(&telegram(1));
        pty.was_read();
        assert_eq!(daemon.run(&["status", "p"]).code, Some(0));
        for piece in what.chunks(1000) {
            pty.send(piece);
        }
        let line = said(&daemon, 1, "line.garbled");
        assert!(line.contains(said_of_it) && line.contains(&probe_it(&pty)), "{line}");
        let shown = daemon.run(&["status", "p"]);
        assert_eq!(shown.code, Some(1), "{shown:?}");
        assert!(shown.stdout.contains("! p  garbage for"), "{shown:?}");
        let words = shown.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(said_of_it.trim_end_matches(" 4.")) && words.contains(&probe_it(&pty)), "{words}");
        let json = daemon.run(&["status", "p", "--json"]);
        assert_eq!(json.code, Some(1));
        let port: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
        assert_eq!((port["state"].as_str(), port["well"].as_bool()), (Some("garbage"), Some(false)), "{port}");
        assert!(port["advice"].as_str().unwrap().contains(&probe_it(&pty)), "{port}");
        assert_eq!(daemon.run(&["status"]).code, Some(1));
        pty.send(b"\r\n");
        pty.send(&telegram(3));
        said(&daemon, 1, "line.ungarbled");
        assert_eq!(daemon.run(&["status", "p"]).code, Some(0));
    }
}

#[test]
fn garbage_is_garbage_where_something_is_expected_too() {
    let pty = Pty::new();
    let port = PortYaml::new("p", pty.path()).key("profile: dsmr-p1").key("expect: { frame: 300ms }").listen("");
    let daemon = Daemon::start(port);
    daemon.opened("p", 1);
    pty.send(&garbage(2500));
    pty.send(&garbage(2500));
    said(&daemon, 1, "line.garbled");
    said(&daemon, 1, "line.quiet");
    let shown = daemon.run(&["status", "p", "--json"]);
    assert_eq!(shown.code, Some(1), "{shown:?}");
    let port: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!((port["state"].as_str(), port["well"].as_bool()), (Some("garbage"), Some(false)), "{port}");
    assert!(port["advice"].as_str().unwrap().contains(&probe_it(&pty)), "{port}");
}

#[test]
fn a_port_that_expects_a_day_or_nothing_is_well() {
    let (day, never) = (Pty::new(), Pty::new());
    let port = |name: &str, pty: &Pty, time: &str| {
        PortYaml::new(name, pty.path()).key(&format!("expect: {{ frame: {time} }}")).listen("").entry()
    };
    let daemon = Daemon::start(format!("ports:\n{}{}", port("day", &day, "24h"), port("never", &never, "0s")));
    daemon.opened("day", 1);
    daemon.opened("never", 1);
    assert_eq!(daemon.run(&["status"]).code, Some(0));
    assert_eq!(daemon.log().count(|line| is_event(line, "line.quiet")), 0);
}

#[test]
fn a_reload_changes_what_is_expected() {
    let pty = Pty::new();
    let port = |time: &str| PortYaml::new("p", pty.path()).key(&format!("expect: {{ frame: {time} }}")).listen("");
    let mut daemon = Daemon::start(port("24h"));
    daemon.opened("p", 1);
    daemon.reload(port("50ms"));
    said(&daemon, 1, "line.quiet");
    daemon.reload(port("24h"));
    eventually("the port is well again", || daemon.run(&["status"]).code == Some(0));
}
