//! The chip behind a tty, by its kernel driver, for the differences between chips that no system call shows.

use std::fs;

use nix::sys::stat::{major, minor, FileStat};

/// Chips whose drivers differ from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chip {
    /// No UART, and so no wires.
    Pty,
    /// drivers/usb/serial/ftdi_sio.c takes five data bits and reads back five, where the chip goes on with eight. (It is
    /// honest about six.)
    FtdiSio,
    /// drivers/usb/serial/cp210x.c has error counters and TIOCMIWAIT, and moves and wakes them only while INPCK is set
    /// (event insertion).
    Cp210x,
    /// drivers/usb/serial/pl2303.c has error counters and does not move them.
    Pl2303,
    /// Any other.
    Other,
}

impl Chip {
    /// Of the device behind an open node.
    pub(super) fn of(node: &FileStat) -> Chip {
        let (major, minor) = (major(node.st_rdev), minor(node.st_rdev));
        // Unix98 pty slaves (Documentation/admin-guide/devices.txt).
        if (136..=143).contains(&major) {
            return Chip::Pty;
        }
        let link = fs::read_link(format!("/sys/dev/char/{major}:{minor}/device/driver"));
        let name = link.as_ref().ok().and_then(|link| link.file_name()?.to_str());
        match name.unwrap_or_default() {
            "ftdi_sio" => Chip::FtdiSio,
            "cp210x" => Chip::Cp210x,
            "pl2303" => Chip::Pl2303,
            _ => Chip::Other,
        }
    }
}
