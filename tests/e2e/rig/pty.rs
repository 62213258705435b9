//! A pseudo terminal whose slave is the device and whose master is the wire.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::fcntl::{fcntl, FcntlArg, OFlag};
use nix::libc;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::termios::{cfmakeraw, tcgetattr, tcsetattr, SetArg};

use super::{eventually, find, Finished, Process, PATIENCE};

/// Both ends. The slave is held open, or a master that nobody has opened yet would hang up (and a closed device would
/// take what it had written with it).
#[derive(Debug)]
pub(crate) struct Pty {
    master: File,
    slave: File,
    path: PathBuf,
}

impl Pty {
    pub(crate) fn new() -> Self {
        // Close-on-exec, both: a copy in some other test's program would keep this one's device alive.
        let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let path = PathBuf::from(ptsname_r(&master).unwrap());
        let master = File::from(OwnedFd::from(master));
        fcntl(&master, FcntlArg::F_SETFL(OFlag::O_RDWR | OFlag::O_NONBLOCK)).unwrap();
        let flags = (OFlag::O_NOCTTY | OFlag::O_NONBLOCK).bits();
        let slave = OpenOptions::new().read(true).write(true).custom_flags(flags).open(&path).unwrap();
        let mut settings = tcgetattr(&slave).unwrap();
        cfmakeraw(&mut settings);
        tcsetattr(&slave, SetArg::TCSANOW, &settings).unwrap();
        Self { master, slave, path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Another handle on the device, as another program would have it.
    pub(crate) fn device(&self) -> File {
        self.slave.try_clone().unwrap()
    }

    /// Puts all of it on the wire; the device has to read.
    #[track_caller]
    pub(crate) fn send(&self, bytes: &[u8]) {
        let sent = self.send_for(bytes, PATIENCE);
        assert_eq!(sent, bytes.len(), "the device does not read");
    }

    /// Puts on the wire what goes in until nothing has gone in for `quiet`; how much that was.
    pub(crate) fn send_for(&self, bytes: &[u8], quiet: Duration) -> usize {
        let mut sent = 0;
        while sent < bytes.len() {
            match (&self.master).write(&bytes[sent..]) {
                Ok(n) => sent += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if !ready(&self.master, PollFlags::POLLOUT, quiet) {
                        return sent;
                    }
                }
                Err(error) => panic!("pty master: {error}"),
            }
        }
        sent
    }

    /// Waits until somebody has opened it to read it as a meter is read.
    #[track_caller]
    pub(crate) fn was_opened(&self) {
        // nix has no word for a rate without a name, which it may be given before.
        eventually("the device is open", || {
            let settings: libc::termios = tcgetattr(&self.slave).unwrap().into();
            settings.c_cflag & libc::CBAUD == libc::B115200
        });
    }

    /// Puts something on the wire five times a second until a program has ended.
    #[track_caller]
    pub(crate) fn send_while(&self, mut process: Process, mut next: impl FnMut(u32) -> Vec<u8>) -> Finished {
        let mut number = 0;
        while process.wait(Duration::from_millis(200)).is_none() {
            number += 1;
            self.send(&next(number));
        }
        process.finish()
    }

    /// Waits until the program has read all that was sent to it.
    #[track_caller]
    pub(crate) fn was_read(&self) {
        eventually("what is on the wire is read", || !ready(&self.slave, PollFlags::POLLIN, Duration::ZERO));
    }

    /// The next `len` bytes that the device sent.
    #[track_caller]
    pub(crate) fn receive(&self, len: usize) -> Vec<u8> {
        let mut got = vec![0; len];
        let mut have = 0;
        while have < len {
            have += self.receive_some(&mut got[have..]);
        }
        got
    }

    /// What there is, at least a byte.
    #[track_caller]
    pub(crate) fn receive_some(&self, into: &mut [u8]) -> usize {
        loop {
            match (&self.master).read(into) {
                Ok(n) => return n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    assert!(ready(&self.master, PollFlags::POLLIN, PATIENCE), "the device sends nothing");
                }
                Err(error) => panic!("pty master: {error}"),
            }
        }
    }

    /// All that was written to the device until now. Nothing can come after it that was written before it: a mark
    /// goes the same way.
    #[track_caller]
    pub(crate) fn receive_fence(&self) -> Vec<u8> {
        const MARK: &[u8] = b"\x00<the fence of the test>\xff";
        let deadline = Instant::now() + PATIENCE;
        let mut got = Vec::new();
        let mut marked = 0;
        let mut buffer = [0; 4096];
        loop {
            if marked < MARK.len() {
                match (&self.slave).write(&MARK[marked..]) {
                    Ok(n) => marked += n,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => panic!("pty slave: {error}"),
                }
            }
            match (&self.master).read(&mut buffer) {
                Ok(n) => got.extend_from_slice(&buffer[..n]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    ready(&self.master, PollFlags::POLLIN, Duration::from_millis(50));
                }
                Err(error) => panic!("pty master: {error}"),
            }
            if let Some(at) = find(&got, MARK) {
                got.truncate(at);
                return got;
            }
            assert!(Instant::now() < deadline, "the fence does not come through");
        }
    }
}

/// Waits until the file is ready for it; `false` when it is not within `time`.
fn ready(file: &File, flags: PollFlags, time: Duration) -> bool {
    let mut fds = [PollFd::new(file.as_fd(), flags)];
    matches!(poll(&mut fds, PollTimeout::try_from(time).unwrap()), Ok(1..))
}
