//! One run of a program: started, listened to, ended by its pid and never left behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::signal::unix::{signal, SignalKind};

use super::{look_again, Lines, PATIENCE};

/// A running program.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pub(crate) stdout: Lines,
    pub(crate) stderr: Lines,
}

/// A program that has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The program under test, with an environment that says nothing about it.
pub(crate) fn sermux() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sermux"));
    for name in ["RUST_LOG", "NO_COLOR", "XDG_RUNTIME_DIR", "RUNTIME_DIRECTORY", "MAINPID"] {
        command.env_remove(name);
    }
    command.env("RUST_BACKTRACE", "1");
    command
}

/// The program where nobody can run it, as nobody.
pub(crate) fn as_nobody(folder: &TempDir) -> Command {
    const NOBODY: u32 = 65534;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let copy = folder.path().join("sermux");
    fs::copy(env!("CARGO_BIN_EXE_sermux"), &copy).unwrap();
    let mut command = Command::new(copy);
    command.env_clear().uid(NOBODY).gid(NOBODY);
    command
}

/// Runs `sermux` with these arguments to its end.
#[track_caller]
pub(crate) fn run<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Finished {
    Process::start(sermux().args(arguments)).finish()
}

impl Process {
    #[track_caller]
    pub(crate) fn start(command: &mut Command) -> Self {
        catch_ignored_signals();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = Lines::collect(child.stdout.take().unwrap());
        let stderr = Lines::collect(child.stderr.take().unwrap());
        Self { child, stdout, stderr }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal; to nobody when the program has ended (its pid is not free before it was waited for).
    pub(crate) fn signal(&mut self, signal: Signal) {
        if let Ok(None) = self.child.try_wait() {
            let _ = kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal);
        }
    }

    /// The exit status, if it comes within `time`.
    pub(crate) fn wait(&mut self, time: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + time;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            if Instant::now() >= deadline {
                return None;
            }
            look_again();
        }
    }

    /// Waits for the end and says all that it said.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Finished {
        match self.wait(PATIENCE) {
            Some(status) => {
                Finished { code: status.code(), stdout: self.stdout.until_closed(), stderr: self.stderr.until_closed() }
            }
            None => panic!("does not end; stderr:\n{}\nstdout:\n{}", self.stderr.text(), self.stdout.text()),
        }
    }
}

/// Gives children the default signals wherever the tests are started. nohup and a shell's job in the background ignore some, and
/// what is ignored stays so across exec; what is caught has its default effect again.
fn catch_ignored_signals() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let _entered = runtime.enter();
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
        let ignored = u64::from_str_radix(ignored.trim(), 16).unwrap();
        for number in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM].map(|signal| signal as i32) {
            if ignored & 1 << (number - 1) != 0 {
                // The handler stays without the runtime.
                drop(signal(SignalKind::from_raw(number)).unwrap());
            }
        }
    });
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::SIGTERM);
        if self.wait(Duration::from_secs(3)).is_none() {
            self.signal(Signal::SIGKILL);
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- stderr of {}:\n{}---", self.child.id(), self.stderr.text());
        }
    }
}
