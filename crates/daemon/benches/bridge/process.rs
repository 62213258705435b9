//! A subject's process, or all of them where it takes one for each port: started, watched through /proc, and ended by
//! their pids whatever happens.

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{killpg, SigSet, Signal};
use nix::time::{clock_getcpuclockid, ClockId};
use nix::unistd::Pid;

use crate::pause;
use crate::trouble::{Deadline, Outcome, Trouble};

/// All processes of one subject.
pub(crate) struct Processes(Vec<Process>);

struct Process {
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

impl Processes {
    /// Starts them with their messages going to files in `folder`.
    pub(crate) fn start(commands: &mut [Command], folder: &Path) -> Outcome<Self> {
        let mut processes = Vec::new();
        for (index, command) in commands.iter_mut().enumerate() {
            processes.push(Process::start(command, folder.join(format!("stderr-{index}")))?);
        }
        Ok(Self(processes))
    }

    /// Processor time of all their threads so far, ended ones included, to the nanosecond.
    pub(crate) fn cpu(&self) -> Outcome<Duration> {
        self.0.iter().map(Process::cpu).sum()
    }

    /// How long threads were ready to run and had no core: the measure of how much else disturbs.
    pub(crate) fn waited_for_core(&self) -> Duration {
        self.0.iter().map(Process::waited_for_core).sum()
    }

    /// How often each thread has given up its core of its own will, that is, went to sleep.
    pub(crate) fn sleeps(&self) -> HashMap<u32, u64> {
        self.0.iter().flat_map(Process::sleeps).collect()
    }

    /// Of several, what they share counts once.
    pub(crate) fn memory(&self) -> Outcome<Memory> {
        if let [only] = self.0.as_slice() {
            return only.memory();
        }
        let mut sum = Memory { all: 0, anonymous: 0 };
        for process in &self.0 {
            let memory = process.proportional_memory()?;
            sum = Memory { all: sum.all + memory.all, anonymous: sum.anonymous + memory.anonymous };
        }
        Ok(sum)
    }

    /// How many pseudo-terminals they have open.
    pub(crate) fn open_lines(&self) -> usize {
        self.0.iter().map(|process| process.open_files("/dev/pts/")).sum()
    }

    pub(crate) fn open_sockets(&self) -> usize {
        self.0.iter().map(|process| process.open_files("socket:")).sum()
    }

    pub(crate) fn have_ended(&mut self) -> bool {
        self.0.iter_mut().any(Process::has_ended)
    }

    /// The last lines that the first one with anything to say wrote on stderr.
    pub(crate) fn last_words(&self) -> String {
        self.0.iter().map(Process::last_words).find(|words| !words.is_empty()).unwrap_or_default()
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for process in &mut self.0 {
            if process.has_ended() {
                *obituary() = Some(format!("it had ended: {}", process.last_words()));
            } else {
                // Each is waited for when it is dropped itself.
                let _ = killpg(process.pid, Signal::SIGTERM);
            }
        }
    }
}

/// The last words of a process that ended by itself, since the last call.
pub(crate) fn take_obituary() -> Option<String> {
    obituary().take()
}

fn obituary() -> std::sync::MutexGuard<'static, Option<String>> {
    static OBITUARY: Mutex<Option<String>> = Mutex::new(None);
    OBITUARY.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Process {
    /// Starts it with its messages going to `log`, and leading a group, so that its children end with it.
    fn start(command: &mut Command, log: PathBuf) -> Outcome<Self> {
        command.process_group(0);
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
    fn cpu(&self) -> Outcome<Duration> {
        Ok(self.clock.now()?.into())
    }

    /// How long its threads were ready to run and had no core: the measure of how much else disturbs.
    fn waited_for_core(&self) -> Duration {
        let waited = |tid| fs::read_to_string(self.path(&format!("task/{tid}/schedstat"))).ok();
        let waits = self.threads().into_iter().filter_map(waited);
        let nanoseconds =
            waits.filter_map(|text| text.split_whitespace().nth(1).and_then(|word| word.parse::<u64>().ok()));
        Duration::from_nanos(nanoseconds.sum())
    }

    /// How often each thread has given up its core of its own will, that is, went to sleep.
    fn sleeps(&self) -> HashMap<u32, u64> {
        let count = |tid: u32| {
            let status = fs::read_to_string(self.path(&format!("task/{tid}/status"))).ok()?;
            Some((tid, field(&status, "voluntary_ctxt_switches:")?))
        };
        self.threads().into_iter().filter_map(count).collect()
    }

    fn memory(&self) -> Outcome<Memory> {
        let status = fs::read_to_string(self.path("status"))?;
        let part = |name| field(&status, name).ok_or_else(|| Trouble::Failed(format!("no {name} in /proc/PID/status")));
        Ok(Memory { all: part("VmRSS:")?, anonymous: part("RssAnon:")? })
    }

    /// The same, of a page that several processes have only this one's part.
    fn proportional_memory(&self) -> Outcome<Memory> {
        let rollup = fs::read_to_string(self.path("smaps_rollup"))?;
        let part = |name| field(&rollup, name).ok_or_else(|| Trouble::Failed(format!("no {name} in smaps_rollup")));
        Ok(Memory { all: part("Pss:")?, anonymous: part("Pss_Anon:")? })
    }

    fn open_files(&self, kind: &str) -> usize {
        let Ok(entries) = fs::read_dir(self.path("fd")) else {
            return 0;
        };
        let targets = entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        targets.filter(|target| target.to_string_lossy().starts_with(kind)).count()
    }

    fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// The last lines that it wrote on stderr.
    fn last_words(&self) -> String {
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

/// Ends the processes, too, when a signal ends the benchmark. To be called before any thread is started.
pub(crate) fn end_all_on_signal() -> Outcome<()> {
    end_signals().thread_block()?;
    thread::spawn(|| {
        if end_signals().wait().is_ok() {
            for (pid, log) in running().iter() {
                let _ = killpg(*pid, Signal::SIGTERM);
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
    let _ = killpg(pid, Signal::SIGTERM);
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

/// What to clear away when a signal ends the benchmark: the processes, and their logs with the folders they are in.
fn running() -> std::sync::MutexGuard<'static, Vec<(Pid, PathBuf)>> {
    static RUNNING: Mutex<Vec<(Pid, PathBuf)>> = Mutex::new(Vec::new());
    RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The number behind `name` in a /proc status file.
fn field(status: &str, name: &str) -> Option<u64> {
    let rest = status.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}
