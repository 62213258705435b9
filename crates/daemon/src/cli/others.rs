//! Which other sermux programs run on this machine: for a command that does not find the one it looks for.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::unistd::{Uid, User};

use super::text::printable;

/// Not more of them are listed.
const MOST: usize = 4;

/// A program that serves ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OtherSermux {
    pid: u32,
    user: String,
    /// Behind the name of the program.
    arguments: Vec<String>,
}

impl OtherSermux {
    /// Those whose command line this user may read, which on most machines are all.
    pub(super) fn all() -> Vec<OtherSermux> {
        all_below(Path::new("/proc"))
    }

    /// `pid 812, user pi: sermux serve --config a.yaml`
    pub(super) fn text(&self) -> String {
        format!("pid {}, user {}: sermux {}", self.pid, self.user, printable(&self.arguments.join(" ")))
    }

    /// The option that has a command find it, when its command line names one.
    pub(super) fn option(&self) -> Option<String> {
        ["--control", "--config"].iter().find_map(|option| {
            let is_it = |argument: &String| argument == option || argument.starts_with(&format!("{option}="));
            let at = self.arguments.iter().position(is_it)?;
            match self.arguments[at].split_once('=') {
                Some((_, value)) => Some(format!("{option} {value}")),
                None => Some(format!("{option} {}", self.arguments.get(at + 1)?)),
            }
            .filter(|option| !option.ends_with(" -"))
        })
    }
}

/// These, a line each, and no more of them than a person reads.
pub(super) fn list(others: &[OtherSermux]) -> Vec<String> {
    let mut lines: Vec<String> = others.iter().take(MOST).map(OtherSermux::text).collect();
    if others.len() > MOST {
        lines.push(format!("and {} more", others.len() - MOST));
    }
    lines
}

fn all_below(proc: &Path) -> Vec<OtherSermux> {
    let entries = fs::read_dir(proc).into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut found: Vec<OtherSermux> = numbers.filter_map(|pid| of_process(proc, pid)).collect();
    found.sort_by_key(|other| other.pid);
    found
}

fn of_process(proc: &Path, pid: u32) -> Option<OtherSermux> {
    let folder = proc.join(pid.to_string());
    if fs::read_to_string(folder.join("comm")).ok()?.trim_end() != "sermux" || pid == std::process::id() {
        return None;
    }
    let line = fs::read(folder.join("cmdline")).ok()?;
    let mut words = line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned());
    words.next()?;
    let mut arguments: Vec<String> = words.collect();
    // Each word ends with a NUL, the last one too.
    arguments.pop();
    if !arguments.iter().any(|word| matches!(word.as_str(), "serve" | "demo")) {
        return None;
    }
    let uid = fs::metadata(&folder).ok()?.uid();
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten().map_or_else(|| format!("{uid}"), |user| user.name);
    Some(OtherSermux { pid, user, arguments })
}

/// Whether systemd has given up on the service.
pub(super) fn service_has_failed() -> bool {
    if !Path::new("/run/systemd/system").exists() {
        return false;
    }
    let asked = std::process::Command::new("systemctl").args(["is-failed", "--quiet", "sermux.service"]).status();
    asked.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_that_serve_are_found_and_commands_are_not() {
        let proc = tempfile::TempDir::new().unwrap();
        for (pid, comm, line) in [
            (1, "systemd", "/sbin/init\0"),
            (7, "sermux", "sermux\0status\0"),
            (8, "sermux", "/usr/bin/sermux\0serve\0--config\0a.yaml\0"),
            (30, "sermux", "sermux\0demo\0"),
            (9, "sermux", "sermux\0--control=/tmp/c\0serve\0"),
            (10, "bash", "sermux\0serve\0"),
        ] {
            let folder = proc.path().join(pid.to_string());
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("comm"), format!("{comm}\n")).unwrap();
            fs::write(folder.join("cmdline"), line).unwrap();
        }
        let found = all_below(proc.path());
        let options: Vec<_> = found.iter().map(|other| (other.pid, other.option())).collect();
        let expected = [(8, Some("--config a.yaml".to_owned())), (9, Some("--control /tmp/c".to_owned())), (30, None)];
        assert_eq!(options, expected);
        assert!(found[0].text().ends_with(": sermux serve --config a.yaml"), "{}", found[0].text());
    }
}
