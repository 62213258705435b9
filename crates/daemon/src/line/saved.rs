//! The settings of a tty as they were, to be put back. Changes nothing until it is told to.

use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

use super::sys;

/// A tty's settings, and a descriptor to restore them by.
pub(crate) struct Saved {
    fd: OwnedFd,
    termios: libc::termios2,
}

impl Saved {
    /// Of a device; `None` for what is no tty or cannot be opened, which opening it as a line then explains. May block.
    pub(crate) fn of_blocking(path: &Path) -> Option<Saved> {
        if !std::fs::metadata(path).ok()?.file_type().is_char_device() {
            return None;
        }
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let fd = nix::fcntl::open(path, flags, Mode::empty()).ok()?;
        let termios = sys::termios2(&fd).ok()?;
        Some(Saved { fd, termios })
    }

    /// Puts them back. A device that is gone needs nothing.
    pub(crate) fn restore_blocking(&self) {
        if let Err(errno) = sys::set_termios2(&self.fd, &self.termios) {
            tracing::debug!(%errno, "the settings could not be put back");
        }
    }
}
