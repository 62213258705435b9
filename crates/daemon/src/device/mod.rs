//! What can be known about serial devices without opening them: opening raises DTR, which resets boards and wakes modems.
//!
//! [`tty`] lists the serial ports of the machine as sysfs describes them, [`usb`] finds one by its adapter's numbers, [`links`]
//! are the names that udev gives it. [`holder`], [`console`], [`lock_file`] and [`access`] find what prevents opening one; an
//! open that failed reports it as an [`OpenError`]. [`inventory`] combines all of this. [`hotplug`] reports when a device appears.
//!
//! All of it is read below a [`Root`], which is `/` except in tests.

pub mod access;
mod busy;
pub(crate) mod claim;
pub mod console;
pub mod holder;
pub mod hotplug;
pub mod inventory;
pub mod links;
pub mod lock_file;
pub(crate) mod open_error;
pub mod tty;
pub mod usb;
pub mod usb_port;

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use sermux_port_config::is_unprintable;

pub use open_error::OpenError;

/// Where /dev, /proc, /run and /sys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root(PathBuf);

impl Default for Root {
    fn default() -> Self {
        Self(PathBuf::from("/"))
    }
}

impl Root {
    /// Below this folder, for a tree that was captured.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// A full path of the machine as it is found below here.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.0.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// What stands in a small file, without the line's end; `None` also for one that may not be read or is empty.
    fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        text(&self.path(path))
    }
}

/// The most that is read of a file that should be small.
const LARGEST: u64 = 64 * 1024;

fn text(file: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    fs::File::open(file).ok()?.take(LARGEST).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// The last part of where a link leads.
fn link_name(link: &Path) -> Option<String> {
    Some(fs::read_link(link).ok()?.file_name()?.to_string_lossy().into_owned())
}

/// Text from a device, a process or a file as a log and a terminal may have it.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if is_unprintable(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
pub(crate) mod tree;
