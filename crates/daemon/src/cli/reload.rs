//! `sermux reload`: the daemon reads its configuration again, and says what came of it.

use std::fmt::Write as _;
use std::process::ExitCode;

use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;

use super::remote::{self, NotDone};
use super::{Arguments, CONFIGURATION};
use crate::control::request::{ChangedShape, ReloadedShape};

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match remote::post::<ReloadedShape>(arguments, "/v1/reload", &()) {
        Ok(reloaded) => {
            say_warnings(&reloaded);
            super::print(&plan(&reloaded))
        }
        Err(NotDone::Unreachable(why)) => match main_process() {
            Some(daemon) => by_signal(daemon, &why),
            None => NotDone::Unreachable(why).complain(),
        },
        Err(NotDone::Refused(422, refused)) => {
            let _ = NotDone::Refused(422, refused).complain();
            ExitCode::from(CONFIGURATION)
        }
        Err(why) => why.complain(),
    }
}

fn say_warnings(reloaded: &ReloadedShape) {
    for warning in &reloaded.warnings {
        note!("warning: {warning}");
    }
}

/// systemd says which process the service is (systemd.service(5), ExecReload=).
fn main_process() -> Option<Pid> {
    let pid: i32 = std::env::var("MAINPID").ok()?.parse().ok()?;
    (pid > 1).then(|| Pid::from_raw(pid))
}

/// For `control: off`. Nobody tells how it came out but the log.
fn by_signal(daemon: Pid, why: &impl std::fmt::Display) -> ExitCode {
    match kill(daemon, Signal::SIGHUP) {
        Ok(()) => {
            note!("{why}\n  sermux sent SIGHUP instead; the log shows the result");
            ExitCode::SUCCESS
        }
        Err(error) => {
            note!("{why}\n  SIGHUP could not be sent either: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What was done, a line for each port.
fn plan(reloaded: &ReloadedShape) -> String {
    let mut text = String::new();
    for name in &reloaded.removed {
        let _ = writeln!(text, "- {name}: ended");
    }
    for ChangedShape { port, class } in &reloaded.changed {
        let _ = writeln!(text, "~ {port}: {}", consequence(class));
    }
    for name in &reloaded.added {
        let _ = writeln!(text, "+ {name}: started");
    }
    let (removed, changed, added) = (reloaded.removed.len(), reloaded.changed.len(), reloaded.added.len());
    let _ = writeln!(text, "{removed} removed, {changed} changed, {added} added, {} untouched", reloaded.untouched);
    text
}

fn consequence(class: &str) -> &str {
    match class {
        "live" => "changed in place; device and clients stayed",
        "relisten" => "listeners were closed or opened; the device stayed open",
        "reopen" => "the device was opened again; clients stayed where their listener did",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_says_what_became_of_each_port() {
        let changed = |port: &str, class: &str| ChangedShape { port: port.to_owned(), class: class.to_owned() };
        let reloaded = ReloadedShape {
            added: vec!["new".to_owned()],
            removed: vec!["old".to_owned()],
            changed: vec![changed("a", "live"), changed("b", "reopen")],
            untouched: 3,
            ..ReloadedShape::default()
        };
        assert_eq!(
            plan(&reloaded),
            "- old: ended
~ a: changed in place; device and clients stayed
~ b: the device was opened again; clients stayed where their listener did
+ new: started
1 removed, 2 changed, 1 added, 3 untouched
"
        );
    }
}
