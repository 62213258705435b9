//! Whether a device exists, and which program uses it.

use std::fs;
use std::path::Path;

use super::{read, shown, Finding, WantedDevice};
use crate::device::holder::Holders;
use crate::device::lock_file::Seen;
use crate::device::Root;

/// Names that are offered instead of a missing one.
const OFFERED: usize = 8;

/// Programs that are supposed to have it: this one, and login prompts, which have their own finding.
const EXPECTED: [&str; 4] = ["sermux", "agetty", "getty", "login"];

pub(super) fn check(root: &Root, wanted: &WantedDevice, node: &Path) -> Vec<Finding> {
    if !read::is_there(root, node) {
        return vec![missing(root, wanted, node)];
    }
    let holders = Holders::of(root, &[node.to_owned()]);
    let mut found = Vec::new();
    for process in holders.processes(node) {
        let program = process.program.as_deref().unwrap_or_default();
        if EXPECTED.contains(&program) {
            continue;
        }
        found.push(
            Finding::bad(format!(
                "{}: {process} has the device open and takes the received bytes",
                shown(wanted, node)
            ))
            .so(format!(
                "stop the program (sudo kill {}), or the service that it belongs to (systemctl status {0} names it)",
                process.pid
            )),
        );
    }
    let is_named = |lock: &Seen| {
        lock.process.as_ref().is_some_and(|process| {
            holders.processes(node).any(|holder| holder == process)
                || process.program.as_deref().is_some_and(|program| EXPECTED.contains(&program))
        })
    };
    for lock in Seen::on(root, node).into_iter().filter(|lock| lock.alive && !is_named(lock)) {
        found.push(
            Finding::bad(format!("{}: {lock}", shown(wanted, node))).at(&lock.path, None).so("stop that program"),
        );
    }
    found
}

fn missing(root: &Root, wanted: &WantedDevice, node: &Path) -> Finding {
    let finding = Finding::bad(format!("{}: there is no such device", shown(wanted, node)));
    let folder = "/dev/serial/by-id";
    let mut names: Vec<String> = fs::read_dir(root.path(folder))
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(format!("{folder}/{}", read::shown(entry.ok()?.file_name().to_str()?))))
        .take(OFFERED)
        .collect();
    names.sort();
    let finding = if names.is_empty() {
        finding.so("plug the device in; `sermux devices` lists the devices of this machine")
    } else {
        names.into_iter().fold(finding, |finding, name| finding.so(format!("perhaps: device: {name}")))
    };
    if read::is_there(root, "/.dockerenv") || read::is_there(root, "/run/.containerenv") {
        return finding.so(format!("give this container the device: --device {}", node.display()));
    }
    finding
}
