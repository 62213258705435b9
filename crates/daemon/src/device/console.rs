//! Consoles on a serial port: a login prompt, which takes half of what comes in, and the kernel, which writes its messages.

use std::path::Path;

use super::holder::{pids, Process};
use super::Root;

/// Programs that wait for somebody to log in, and the one they become.
const LOGINS: [&str; 6] = ["agetty", "getty", "mgetty", "mingetty", "fgetty", "login"];

/// Where control groups are: version 2, and version 1 beside it or alone.
const CGROUPS: [&str; 3] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"];

/// Consoles on one serial port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Console {
    /// The port's name.
    name: String,
    /// Who waits there for somebody to log in.
    pub login: Option<Login>,
    /// The kernel writes its messages there (`console=` on its command line).
    pub kernel: bool,
    /// The machine is a Raspberry Pi, which has a tool that ends both.
    is_raspberry_pi: bool,
}

/// A login prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// systemd keeps it: `serial-getty@ttyAMA0`.
    Unit(String),
    /// Something else started it.
    Process(Process),
}

impl Console {
    /// On a node, which some processes have open. These may be fewer than there are.
    pub fn of(root: &Root, node: &Path, processes: &[&Process]) -> Console {
        let name = node.strip_prefix("/dev").unwrap_or(node).display().to_string();
        let login = unit(root, &name).or_else(|| process(root, &name, processes));
        let model = root.text("/sys/firmware/devicetree/base/model").unwrap_or_default();
        let is_raspberry_pi = model.contains("Raspberry Pi");
        Console { login, kernel: is_kernel_console(root, &name), is_raspberry_pi, name }
    }

    /// Whether a process is part of the login prompt.
    pub fn is(&self, process: &Process) -> bool {
        self.login.is_some() && is_login(process)
    }

    /// That there is a login prompt, and how to be rid of it.
    pub fn login_text(&self) -> Option<String> {
        Some(match self.login.as_ref()? {
            Login::Unit(unit) => {
                format!("a login console ({unit}) runs on it: sudo systemctl disable --now {unit}")
            }
            Login::Process(process) => {
                format!("a login console, {process}, runs on it: remove the prompt from /etc/inittab, or from whatever starts it")
            }
        })
    }

    /// That the kernel writes there, and how to stop it.
    pub fn kernel_text(&self) -> Option<String> {
        self.kernel.then(|| {
            if self.is_raspberry_pi {
                "the kernel writes its messages to it: sudo raspi-config, interface options, serial port: login shell \
                 no, hardware yes"
                    .to_owned()
            } else {
                format!(
                    "the kernel writes its messages to it: take `console={}` off the kernel command line (in \
                     /etc/default/grub, or where the boot loader has it)",
                    self.name
                )
            }
        })
    }
}

/// Why a node that is there for everybody may have been taken. `node` is no link.
pub(crate) fn login(root: &Root, node: &Path) -> Option<String> {
    Console::of(root, node, &[]).login_text()
}

/// What to say when a device was opened that is not ours alone. `node` is no link.
pub(crate) fn warning(root: &Root, node: &Path) -> Option<String> {
    let console = Console::of(root, node, &[]);
    let texts: Vec<String> = console.login_text().into_iter().chain(console.kernel_text()).collect();
    (!texts.is_empty()).then(|| texts.join("; "))
}

fn is_login(process: &Process) -> bool {
    process.program.as_deref().is_some_and(|program| LOGINS.contains(&program))
}

/// systemd's unit, by its control group: that may be seen by everybody, also from a sandbox.
fn unit(root: &Root, name: &str) -> Option<Login> {
    let unit = format!("serial-getty@{}", name.replace('/', "-"));
    let running = CGROUPS.into_iter().any(|cgroups| {
        root.path(cgroups).join(format!("system.slice/system-serial\\x2dgetty.slice/{unit}.service")).exists()
    });
    running.then_some(Login::Unit(unit))
}

/// A login program that has the device open, or has its name as an argument.
fn process(root: &Root, name: &str, processes: &[&Process]) -> Option<Login> {
    let has_it_open = processes.iter().find(|process| is_login(process)).map(|process| (*process).clone());
    let found = has_it_open.or_else(|| {
        // There its unit would have been found, and looking through all processes takes a while.
        if root.path("/run/systemd/system").exists() {
            return None;
        }
        let all = pids(root).into_iter().map(|pid| Process::of(root, pid));
        all.filter(is_login).find(|process| {
            let arguments = root.text(format!("/proc/{}/cmdline", process.pid)).unwrap_or_default();
            arguments.split('\0').any(|argument| argument.strip_prefix("/dev/").unwrap_or(argument) == name)
        })
    })?;
    // systemd's, where its control groups are out of sight.
    let unit = format!("serial-getty@{name}");
    let group = root.text(format!("/proc/{}/cgroup", found.pid)).unwrap_or_default();
    Some(if group.contains(&format!("/{unit}.service")) { Login::Unit(unit) } else { Login::Process(found) })
}

fn is_kernel_console(root: &Root, name: &str) -> bool {
    // In force; the command line also names what is not there. A sandbox hides the one or the other.
    if let Some(active) = root.text("/sys/class/tty/console/active") {
        return active.split_whitespace().any(|console| console == name);
    }
    let words = root.text("/proc/cmdline").unwrap_or_default();
    let mut consoles = words.split_whitespace().filter_map(|word| word.strip_prefix("console="));
    consoles.any(|console| console.split(',').next() == Some(name))
}

#[cfg(test)]
mod tests {
    use super::super::tree::{debian_pc, raspberry_pi_4};
    use super::*;

    const UNIT: &str =
        "/sys/fs/cgroup/system.slice/system-serial\\x2dgetty.slice/serial-getty@ttyS0.service/cgroup.procs";

    #[test]
    fn a_raspberry_pi_as_it_comes_has_both_on_its_pins() {
        let pi = raspberry_pi_4();
        pi.file(UNIT, "300");
        assert_eq!(
            warning(&pi.root(), Path::new("/dev/ttyS0")).unwrap(),
            "a login console (serial-getty@ttyS0) runs on it: sudo systemctl disable --now serial-getty@ttyS0; the kernel \
             writes its messages to it: sudo raspi-config, interface options, serial port: login shell no, hardware yes"
        );
        assert_eq!(warning(&pi.root(), Path::new("/dev/ttyAMA0")), None);
    }

    #[test]
    fn a_port_that_nobody_logs_in_on_has_none() {
        let pc = debian_pc();
        pc.process(200, "agetty", &["/dev/tty1"]);
        pc.file("/proc/200/cmdline", "agetty\0--noclear\0tty1\0linux");
        for node in ["/dev/ttyS0", "/dev/ttyUSB1", "/dev/pts/1"] {
            assert_eq!(warning(&pc.root(), Path::new(node)), None, "{node}");
        }
    }

    #[test]
    fn a_prompt_is_found_without_systemd() {
        for program in ["getty", "agetty", "mgetty"] {
            let pc = debian_pc();
            pc.file("/proc/77/comm", program);
            pc.file("/proc/77/cmdline", "/sbin/getty\0-L\0/dev/ttyS0\0vt100");
            assert_eq!(
                warning(&pc.root(), Path::new("/dev/ttyS0")).unwrap(),
                format!("a login console, pid 77 ({program}), runs on it: remove the prompt from /etc/inittab, or from whatever starts it")
            );
            assert_eq!(warning(&pc.root(), Path::new("/dev/ttyS1")), None);
        }
    }

    #[test]
    fn the_kernels_messages_are_switched_off_at_the_boot_loader() {
        let pc = debian_pc();
        pc.file("/sys/class/tty/console/active", "tty0 ttyS0");
        assert_eq!(
            warning(&pc.root(), Path::new("/dev/ttyS0")).unwrap(),
            "the kernel writes its messages to it: take `console=ttyS0` off the kernel command line (in \
             /etc/default/grub, or where the boot loader has it)"
        );
    }

    #[test]
    fn somebody_who_has_logged_in_is_still_a_login_console() {
        let pc = debian_pc();
        let login = Process { pid: 80, program: Some("login".to_owned()) };
        let console = Console::of(&pc.root(), Path::new("/dev/ttyS0"), &[&login]);
        assert_eq!(console.login, Some(Login::Process(login)));
    }

    #[test]
    fn the_command_line_counts_where_the_kernels_list_is_out_of_sight() {
        let pi = raspberry_pi_4();
        pi.file("/sys/class/tty/console/active", "tty1");
        assert!(!Console::of(&pi.root(), Path::new("/dev/ttyS0"), &[]).kernel);
        pi.file("/sys/class/tty/console/active", "");
        assert!(Console::of(&pi.root(), Path::new("/dev/ttyS0"), &[]).kernel);
        assert!(!Console::of(&pi.root(), Path::new("/dev/ttyS01"), &[]).kernel);
    }
}
