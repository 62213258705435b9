//! Why a device is busy: another port of this program, other programs, a login console, a lock file.

use std::path::Path;

use super::console::Console;
use super::holder::{Holders, Process};
use super::{claim, lock_file, Root};

/// Processes that are named in a text.
const NAMED: usize = 4;

/// Who has it, in words that stay the same for as long as it is for the same reason. `node` is no link.
pub(crate) fn who(root: &Root, node: &Path) -> String {
    if let Some(text) = claim::text(node) {
        return text;
    }
    let holders = Holders::of(root, &[node.to_owned()]);
    // This process has it open to look at it.
    let others: Vec<&Process> = holders.processes(node).filter(|process| process.pid != std::process::id()).collect();
    let console = Console::of(root, node, &others);
    let mut reasons = Vec::new();
    let held: Vec<&Process> = others.into_iter().filter(|process| !console.is(process)).collect();
    if !held.is_empty() {
        reasons.push(held_by(&held));
    }
    reasons.extend(console.login_text());
    if reasons.is_empty() {
        let lock = lock_file::Seen::on(root, node).into_iter().find(|lock| lock.alive);
        reasons.extend(lock.map(|lock| lock.to_string()));
    }
    if reasons.is_empty() {
        reasons.push(if holders.complete {
            "by a process that cannot be seen from here, in another container perhaps".to_owned()
        } else {
            "perhaps by a process of another user: `sudo sermux devices` shows it".to_owned()
        });
    }
    reasons.join("; ")
}

fn held_by(processes: &[&Process]) -> String {
    let mut names: Vec<String> = processes.iter().take(NAMED).map(ToString::to_string).collect();
    if processes.len() > NAMED {
        names.push("others".to_owned());
    }
    let last = names.pop().unwrap_or_default();
    let list = if names.is_empty() { last } else { format!("{} and {last}", names.join(", ")) };
    let prober = processes.iter().find_map(|process| prober(process.program.as_deref()?));
    match prober {
        Some(advice) => format!("held by {list}, {advice}"),
        None => format!("held by {list}"),
    }
}

/// Programs that open every serial port they find, so that nobody knows that they do.
fn prober(program: &str) -> Option<&'static str> {
    match program {
        "ModemManager" => Some(
            "which looks whether it is a modem, for half a minute after it was plugged in; where there is no modem: \
             sudo systemctl disable --now ModemManager",
        ),
        "brltty" => Some("which looks whether it is a Braille display; where there is none: sudo apt remove brltty"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::tree::{debian_pc, raspberry_pi_4, Tree};
    use super::*;

    fn usb0() -> PathBuf {
        "/dev/ttyUSB0".into()
    }

    fn seen_by_root(tree: Tree) -> Tree {
        tree.process(1, "systemd", &[]);
        tree
    }

    #[test]
    fn a_process_that_may_not_be_looked_into_is_a_reason_for_doubt() {
        let pc = debian_pc();
        pc.file("/proc/99/comm", "hidden");
        assert!(!Holders::of(&pc.root(), &[usb0()]).complete, "the first process is not to be seen");
        assert_eq!(who(&pc.root(), &usb0()), "perhaps by a process of another user: `sudo sermux devices` shows it");
        pc.process(1, "systemd", &[]);
        assert!(Holders::of(&pc.root(), &[usb0()]).complete);
        assert_eq!(
            who(&pc.root(), &usb0()),
            "by a process that cannot be seen from here, in another container perhaps"
        );
        // As a folder that may not be read, which root may.
        pc.file("/proc/98/fd", "");
        assert!(!Holders::of(&pc.root(), &[usb0()]).complete);
    }

    #[test]
    fn many_processes_are_not_all_named() {
        let pc = seen_by_root(debian_pc());
        pc.process(99, "screen", &["/dev/ttyUSB0"]);
        pc.process(412, "minicom", &["/dev/ttyUSB0"]);
        assert_eq!(who(&pc.root(), &usb0()), "held by pid 99 (screen) and pid 412 (minicom)");
        for pid in 10..20 {
            pc.process(pid, "cat", &["/dev/ttyUSB0"]);
        }
        let list = "held by pid 10 (cat), pid 11 (cat), pid 12 (cat), pid 13 (cat) and others";
        assert_eq!(who(&pc.root(), &usb0()), list);
    }

    #[test]
    fn programs_that_open_whatever_they_find_are_told_how_to_stop() {
        let pc = seen_by_root(debian_pc());
        pc.process(500, "ModemManager", &["/dev/ttyUSB0"]);
        let text = who(&pc.root(), &usb0());
        assert!(text.starts_with("held by pid 500 (ModemManager), which looks whether it is a modem"), "{text}");
    }

    #[test]
    fn a_login_console_is_told_from_a_program() {
        let pi = seen_by_root(raspberry_pi_4());
        pi.process(300, "agetty", &["/dev/ttyS0"]);
        pi.file("/proc/300/cgroup", "0::/system.slice/system-serial\\x2dgetty.slice/serial-getty@ttyS0.service");
        let login = "a login console (serial-getty@ttyS0) runs on it: sudo systemctl disable --now serial-getty@ttyS0";
        assert_eq!(who(&pi.root(), Path::new("/dev/ttyS0")), login);
        pi.process(412, "minicom", &["/dev/ttyS0"]);
        assert_eq!(who(&pi.root(), Path::new("/dev/ttyS0")), format!("held by pid 412 (minicom); {login}"));
    }

    #[test]
    fn a_lock_file_names_who_cannot_be_seen() {
        let pc = debian_pc();
        pc.file("/run/lock/LCK..ttyUSB0", "       412");
        pc.file("/proc/412/comm", "picocom");
        assert_eq!(who(&pc.root(), &usb0()), "held by pid 412 (picocom), by its lock file /run/lock/LCK..ttyUSB0");
    }
}
