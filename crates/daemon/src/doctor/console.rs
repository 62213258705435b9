//! Consoles on a device: the kernel's, by `console=`, and a login prompt.

use std::path::Path;

use super::board::Family;
use super::{pins, read, Finding, Machine};
use crate::device::console::{Console, Login};

pub(super) fn check(machine: &Machine<'_>, node: &Path) -> Vec<Finding> {
    let name = read::name(node);
    let mut found = Vec::new();
    let stands = in_cmdline_txt(machine, &name);
    let console = Console::of(machine.root, node, &[]);
    let has_kernel = stands.is_some() || console.kernel;
    if let Some(finding) = stands {
        found.push(finding);
    } else if console.kernel {
        found.push(in_force(machine, &name, &console));
    }
    let unit = format!("serial-getty@{name}");
    let mask = format!("/etc/systemd/system/{unit}.service");
    let wants = ["/etc/systemd/system", "/run/systemd/generator"]
        .map(|folder| format!("{folder}/getty.target.wants/{unit}.service"));
    let is_masked = read::node(machine.root, Path::new(&mask)) == Path::new("/dev/null");
    let link = wants.iter().find(|link| !is_masked && read::is_there(machine.root, link));
    let prompt = |what: String| Finding::bad(format!("{}: {what} and takes what the meter sends", node.display()));
    match (&console.login, link) {
        (Some(Login::Process(process)), None) => found.push(
            prompt(format!("a login prompt ({process}) runs on the device"))
                .so("remove the prompt from /etc/inittab, or from whatever starts it"),
        ),
        (None, None) => {}
        (_, link) => {
            let finding =
                prompt(format!("a login prompt ({unit}) runs on the device, or will run there after a restart"));
            let finding = match link {
                Some(link) => finding.at(link, None),
                None => finding,
            };
            let is_made = link.is_some_and(|link| link.starts_with("/run/"));
            let give_back =
                format!("sudo udevadm trigger --action=add {}    # restores the rights: the prompt has left the device to root alone", node.display());
            found.push(match (is_made, has_kernel) {
                (true, true) => finding
                    .so("systemd starts this prompt for the kernel's console: without that console it does not return after a restart")
                    .so(format!("until then: sudo systemctl stop {unit}"))
                    .so(give_back),
                // What a generator made comes again with each start; only a mask holds then.
                (true, false) => finding.so(format!("sudo systemctl mask --now {unit}")).so(give_back),
                (false, _) => finding.so(format!("sudo systemctl disable --now {unit}")).so(give_back),
            });
        }
    }
    found
}

/// `console=serial0,115200` and its like, and the line as it should be.
fn in_cmdline_txt(machine: &Machine<'_>, name: &str) -> Option<Finding> {
    let (file, line) = machine.boot.cmdline.as_ref()?;
    let board = machine.board.as_ref()?;
    let serial0 = Path::new("/dev/serial0");
    let primary = if read::is_there(machine.root, serial0) {
        read::name(&read::node(machine.root, serial0))
    } else {
        read::name(Path::new(pins::expected(machine.root, board, &machine.boot)))
    };
    // Once Bluetooth is off the PL011 that is serial0, and the console would come along.
    let comes_along = primary != name && name == "ttyAMA0" && board.family == Family::Bluetooth;
    let is_it = |word: &str| {
        let console = word.strip_prefix("console=").and_then(|value| value.split(',').next());
        console.is_some_and(|console| console == name || (console == "serial0" && (primary == name || comes_along)))
    };
    let words: Vec<&str> = line.split_whitespace().filter(|word| is_it(word)).collect();
    if words.is_empty() {
        return None;
    }
    let rest: Vec<&str> = line.split_whitespace().filter(|word| !is_it(word)).collect();
    let words = read::shown(&words.join(" "));
    let writes = if comes_along { "once this UART is on the pins, the kernel writes" } else { "the kernel writes" };
    Some(
        Finding::bad(format!("/dev/{name}: {writes} its messages to the device ({words})"))
            .at(file, Some(1))
            .so(format!("remove `{words}`, so that line 1 is: {}", read::shown(&rest.join(" "))))
            .so("or: sudo raspi-config, interface options, serial port: login shell no, hardware yes")
            .so("sudo reboot"),
    )
}

/// In force, and not from cmdline.txt as it is now.
fn in_force(machine: &Machine<'_>, name: &str, console: &Console) -> Finding {
    let finding = Finding::bad(format!("/dev/{name}: the kernel writes its messages to the device"));
    if let Some((file, _)) = &machine.boot.cmdline {
        return finding
            .at("/proc/cmdline", Some(1))
            .so(format!("{} no longer has this console; it ends with a restart: sudo reboot", file.display()));
    }
    let grub = "/etc/default/grub";
    let text = read::text(machine.root, grub).unwrap_or_default();
    let word = format!("console={name}");
    let line = text.lines().position(|line| !line.trim_start().starts_with('#') && line.contains(&word));
    match line {
        Some(at) => finding
            .at(grub, Some(at + 1))
            .so(format!("remove `{word}…` from this line, then: sudo update-grub && sudo reboot")),
        None => finding.at("/proc/cmdline", Some(1)).so(console.kernel_text().unwrap_or_default()),
    }
}
