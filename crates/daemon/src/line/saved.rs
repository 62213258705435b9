//! The state of a tty that lasts from one open to the next, saved in order to restore it: settings, the low-latency flag, DTR
//! and RTS. Restores only when it is called to.
//!
//! Linux raises DTR and RTS at each open, before a program can read them; so they are restored to their state after the open.
//! When the device is closed, its HUPCL, which is one of the settings, drops them or not, as before.

use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use sermux_port_config::config::Device;

use crate::device::{usb, Root};
use crate::sys::{self, SerialStruct};

/// A tty as it was, and a descriptor to restore it by.
pub(crate) struct Saved {
    fd: OwnedFd,
    termios: libc::termios2,
    /// `None`: it has no modem lines.
    lines: Option<libc::c_int>,
    /// `None`: its driver has no flags.
    serial: Option<SerialStruct>,
}

/// What of the modem lines is ours.
const OUTPUTS: libc::c_int = libc::TIOCM_DTR | libc::TIOCM_RTS;

impl Saved {
    /// Of a device; `None` for what is no tty or cannot be opened, which opening it as a line then explains. May block.
    pub(crate) fn of_blocking(device: &Device) -> Option<Saved> {
        match device {
            Device::Path(path) => Self::at_blocking(path),
            Device::Usb(adapter) => Self::at_blocking(&usb::find(&Root::default(), adapter).ok()?),
            Device::Sim(_) => None,
        }
    }

    fn at_blocking(path: &Path) -> Option<Saved> {
        if !std::fs::metadata(path).ok()?.file_type().is_char_device() {
            return None;
        }
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let fd = nix::fcntl::open(path, flags, Mode::empty()).ok()?;
        let termios = sys::termios2(&fd).ok()?;
        let (lines, serial) = (sys::modem_lines(&fd).ok(), sys::serial(&fd).ok());
        Some(Saved { fd, termios, lines, serial })
    }

    /// Puts it back. A device that is disconnected needs nothing.
    pub(crate) fn restore_blocking(&self) {
        told("settings", sys::set_termios2(&self.fd, &self.termios));
        if let Some(saved) = &self.serial {
            told("low-latency flag", self.restore_flags(saved));
        }
        // Last, because settings move RTS where it is flow control.
        if let Some(saved) = self.lines {
            told("dtr and rts", self.restore_lines(saved));
        }
    }

    fn restore_flags(&self, saved: &SerialStruct) -> nix::Result<()> {
        let now = sys::serial(&self.fd)?;
        if now.flags == saved.flags {
            return Ok(());
        }
        sys::set_serial(&self.fd, saved)
    }

    fn restore_lines(&self, saved: libc::c_int) -> nix::Result<()> {
        let now = sys::modem_lines(&self.fd)?;
        if now & OUTPUTS == saved & OUTPUTS {
            return Ok(());
        }
        sys::set_modem_lines(&self.fd, (now & !OUTPUTS) | (saved & OUTPUTS))
    }
}

fn told(what: &str, result: Result<(), Errno>) {
    if let Err(errno) = result {
        tracing::debug!(event = %"line.restore-failed", %errno, "could not restore the {what}");
    }
}
