//! Which processes have a device open: /proc/PID/fd, as far as this user may look.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::{printable, Root};

/// A process and the name of its program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// The program's name as the kernel has it, cut to 15 characters (proc_pid_comm(5)); `None` when it cannot be seen.
    pub program: Option<String>,
}

impl Process {
    pub(super) fn of(root: &Root, pid: u32) -> Self {
        Self { pid, program: root.text(format!("/proc/{pid}/comm")).map(|program| printable(&program)) }
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.program {
            Some(program) => write!(f, "pid {} ({program})", self.pid),
            None => write!(f, "pid {}", self.pid),
        }
    }
}

/// Who has which device open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holders {
    processes: HashMap<PathBuf, BTreeSet<Process>>,
    /// Whether the files of every process could be seen; only root sees those of other users.
    pub complete: bool,
}

impl Holders {
    /// Looks through all processes once, for all these nodes: `/dev/ttyUSB0`, no links.
    pub fn of(root: &Root, nodes: &[PathBuf]) -> Self {
        let mut holders = Self { processes: HashMap::new(), complete: true };
        let wanted: Vec<SoughtNode<'_>> = nodes.iter().map(|path| SoughtNode::new(root, path)).collect();
        // With hidepid (proc(5)) the processes of others do not even have a folder; the first one is always root's.
        holders.complete = root.path("/proc/1").exists();
        for pid in pids(root) {
            if holders.look(root, pid, &wanted).is_err() {
                holders.complete = false;
            }
        }
        holders
    }

    /// Those that have this node open, by their numbers.
    pub fn processes(&self, node: &Path) -> impl Iterator<Item = &Process> {
        self.processes.get(node).into_iter().flatten()
    }

    fn look(&mut self, root: &Root, pid: u32, wanted: &[SoughtNode<'_>]) -> io::Result<()> {
        let entries = match fs::read_dir(root.path(format!("/proc/{pid}/fd"))) {
            // It has ended.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for file in entries.filter_map(Result::ok).map(|entry| entry.path()) {
            let Ok(target) = fs::read_link(&file) else { continue };
            if let Some(node) = wanted.iter().find(|node| node.is(&target, &file)) {
                self.processes.entry(node.path.to_owned()).or_default().insert(Process::of(root, pid));
            }
        }
        Ok(())
    }
}

/// A node that is looked for.
struct SoughtNode<'a> {
    path: &'a Path,
    /// The device's number; `None` for what is no device.
    number: Option<u64>,
}

impl<'a> SoughtNode<'a> {
    fn new(root: &Root, path: &'a Path) -> Self {
        let metadata = fs::metadata(root.path(path)).ok();
        // The numbers of ptys are their container's own.
        let number = metadata.filter(|node| node.file_type().is_char_device() && !path.starts_with("/dev/pts"));
        Self { path, number: number.map(|node| node.rdev()) }
    }

    /// Whether an open file is this node, perhaps by the path that it has in a container. Asks after a file's number only when
    /// the name is right: a file on a network that is down would not answer.
    fn is(&self, target: &Path, file: &Path) -> bool {
        target == self.path
            || (self.number.is_some()
                && target.file_name() == self.path.file_name()
                && fs::metadata(file).ok().filter(|file| file.file_type().is_char_device()).map(|file| file.rdev())
                    == self.number)
    }
}

pub(super) fn pids(root: &Root) -> Vec<u32> {
    let entries = fs::read_dir(root.path("/proc")).into_iter().flatten();
    let mut pids: Vec<u32> = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    pids
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::super::tree::debian_pc;
    use super::*;

    fn usb0() -> PathBuf {
        "/dev/ttyUSB0".into()
    }

    #[test]
    fn the_processes_that_have_a_device_open_are_named() {
        let pc = debian_pc();
        pc.process(1, "systemd", &[]);
        pc.process(412, "minicom", &["/dev/ttyUSB0", "/dev/ttyUSB0", "/dev/ttyUSB1"]);
        pc.process(99, "screen", &["/dev/ttyUSB0"]);
        pc.process(7, "cat", &["/dev/ttyUSB01", "/dev/ttyUSB0 (deleted)", "/home/ttyUSB0"]);
        pc.file("/proc/self/comm", "no process");
        let nodes = [usb0(), "/dev/ttyUSB1".into(), "/dev/ttyUSB2".into()];
        let holders = Holders::of(&pc.root(), &nodes);
        let names = |node: &Path| holders.processes(node).map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            nodes.each_ref().map(|node| names(node).join(", ")),
            ["pid 99 (screen), pid 412 (minicom)", "pid 412 (minicom)", ""]
        );
        assert!(holders.complete);
    }

    #[test]
    fn on_this_machine_a_file_that_this_process_has_open_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().join("ttyX");
        let file = File::create(&path).unwrap();
        let mine = |holders: &Holders| holders.processes(&path).any(|process| process.pid == std::process::id());
        assert!(mine(&Holders::of(&Root::default(), std::slice::from_ref(&path))));
        drop(file);
        assert!(!mine(&Holders::of(&Root::default(), std::slice::from_ref(&path))));
    }
}
