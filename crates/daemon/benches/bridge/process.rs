//! A subject as a process: started, watched through /proc, and ended by its pid whatever happens.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{kill, SigSet, Signal};
use nix::time::{clock_getcpuclockid, ClockId};
use nix::unistd::Pid;

use crate::pause;
use crate::trouble::{Deadline, Outcome, Trouble};

pub(crate) struct Process {
    child: Child,
    pid: Pid,
    clock: ClockId,
    log: PathBuf,
}

/// Resident memory in KiB.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) all: u64,
    /// What is not backed by a file: heap and stacks.
    pub(crate) anonymous: u64,
}

impl Process {
    /// Starts it with its messages going to `log`.
    pub(crate) fn start(command: &mut Command, log: PathBuf) -> Outcome<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::from(File::create(&log)?));
        // A child starts with its parent's mask, and one that blocks SIGTERM would not end.
        end_signals().thread_unblock()?;
        let spawned = command.spawn();
        end_signals().thread_block()?;
        let mut child = spawned?;
        let pid = Pid::from_raw(i32::try_from(child.id()).map_err(|error| Trouble::Failed(error.to_string()))?);
        running().push((pid, log.clone()));
        match clock_getcpuclockid(pid) {
            Ok(clock) => Ok(Self { child, pid, clock, log }),
            Err(error) => {
                terminate(&mut child, pid);
                Err(error.into())
            }
        }
    }

    /// Processor time of all its threads so far, ended ones included, to the nanosecond.
    pub(crate) fn cpu(&self) -> Outcome<Duration> {
        Ok(self.clock.now()?.into())
    }

    /// How long its threads were ready to run and had no core: the measure of how much else disturbs.
    pub(crate) fn waited_for_core(&self) -> Duration {
        let waited = |tid| fs::read_to_string(self.path(&format!("task/{tid}/schedstat"))).ok();
        let waits = self.threads().into_iter().filter_map(waited);
        let nanoseconds =
            waits.filter_map(|text| text.split_whitespace().nth(1).and_then(|word| word.parse::<u64>().ok()));
        Duration::from_nanos(nanoseconds.sum())
    }

    /// How often each thread has given up its core of its own will, that is, went to sleep.
    pub(crate) fn sleeps(&self) -> HashMap<u32, u64> {
        let count = |tid: u32| {
            let status = fs::read_to_string(self.path(&format!("task/{tid}/status"))).ok()?;
            Some((tid, field(&status, "voluntary_ctxt_switches:")?))
        };
        self.threads().into_iter().filter_map(count).collect()
    }

    pub(crate) fn memory(&self) -> Outcome<Memory> {
        let status = fs::read_to_string(self.path("status"))?;
        let part = |name| field(&status, name).ok_or_else(|| Trouble::Failed(format!("no {name} in /proc/PID/status")));
        Ok(Memory { all: part("VmRSS:")?, anonymous: part("RssAnon:")? })
    }

    /// How many pseudo-terminals it has open.
    pub(crate) fn open_lines(&self) -> usize {
        self.open_files("/dev/pts/")
    }

    pub(crate) fn open_sockets(&self) -> usize {
        self.open_files("socket:")
    }

    fn open_files(&self, kind: &str) -> usize {
        let Ok(entries) = fs::read_dir(self.path("fd")) else {
            return 0;
        };
        let targets = entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        targets.filter(|target| target.to_string_lossy().starts_with(kind)).count()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// The last lines that it wrote on stderr.
    pub(crate) fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(5)..].join(" | ")
    }

    fn threads(&self) -> Vec<u32> {
        let Ok(entries) = fs::read_dir(self.path("task")) else {
            return Vec::new();
        };
        entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
    }

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.pid))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        terminate(&mut self.child, self.pid);
    }
}

/// Has the processes ended, too, when the benchmark itself is told to end. To be called before any thread is started.
pub(crate) fn end_all_on_signal() -> Outcome<()> {
    end_signals().thread_block()?;
    thread::spawn(|| {
        if end_signals().wait().is_ok() {
            for (pid, log) in running().iter() {
                let _ = kill(*pid, Signal::SIGTERM);
                let _ = log.parent().map(fs::remove_dir_all);
            }
            #[allow(clippy::disallowed_methods, reason = "a second thread's only way to end the benchmark")]
            std::process::exit(130);
        }
    });
    Ok(())
}

fn end_signals() -> SigSet {
    SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP])
}

fn terminate(child: &mut Child, pid: Pid) {
    // Out of the list before it is reaped: afterwards the number may be another process's.
    running().retain(|(other, _)| *other != pid);
    if !matches!(child.try_wait(), Ok(None)) {
        return;
    }
    let _ = kill(pid, Signal::SIGTERM);
    let deadline = Deadline::after(Duration::from_secs(5));
    while matches!(child.try_wait(), Ok(None)) {
        if deadline.is_over() {
            let _ = child.kill();
            let _ = child.wait();
            return;
        }
        pause(Duration::from_millis(1));
    }
}

/// What to clear away when the benchmark is told to end: the processes, and their logs with the folders they are in.
fn running() -> std::sync::MutexGuard<'static, Vec<(Pid, PathBuf)>> {
    static RUNNING: Mutex<Vec<(Pid, PathBuf)>> = Mutex::new(Vec::new());
    RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The number behind `name` in a /proc status file.
fn field(status: &str, name: &str) -> Option<u64> {
    let rest = status.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}
