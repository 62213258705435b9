//! A device that takes nothing: a printer that is off, an adapter that hangs.

use serde_json::Value;

use crate::rig::{is_event, noise, Daemon, PortYaml, Pty};

#[test]
fn a_device_that_takes_nothing_is_stuck_in_the_log_in_the_status_and_in_its_exit_code() {
    let pty = Pty::new();
    let daemon = Daemon::start(PortYaml::new("p", pty.path()).listen(""));
    daemon.opened("p", 1);
    let client = daemon.connect("p");
    // More than a pty holds: the rest waits in the program.
    let sent = noise(7, 24 * 1024);
    client.send(&sent);
    let said = daemon.log().wait_for("it is stuck", |line| is_event(line, "line.stuck"));
    assert!(said.contains("the device has taken nothing for 5s") && said.contains("bytes wait"), "{said}");

    let finished = daemon.run(&["status", "p", "--json"]);
    assert_eq!(finished.code, Some(1));
    let port: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!((port["state"].as_str(), port["stuck"]["flow"].as_str()), (Some("stuck"), Some("none")));
    let queued = port["stuck"]["queued-bytes"].as_u64().unwrap();
    assert!(queued > 0 && queued < 24 * 1024, "{queued}");
    let table = daemon.run(&["status"]).stdout;
    assert!(table.contains("! stuck ") && table.contains("not well: p"), "{table}");

    assert!(pty.receive(sent.len()) == sent);
    daemon.log().wait_for("its end", |line| is_event(line, "line.unstuck"));
    assert_eq!(daemon.run(&["status", "p"]).code, Some(0));
    assert_eq!(daemon.log().count(|line| is_event(line, "line.stuck")), 1);
}
