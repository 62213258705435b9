//! What is known of serial devices without opening them: an open raises DTR, which resets boards and wakes modems.
//!
//! [`tty`] has the serial ports of the machine as sysfs describes them, [`usb`] finds one by what its adapter says of
//! itself, [`links`] are the names that udev gives it. Who is in the way of opening one: [`holder`], [`console`],
//! [`lock_file`], [`access`]; an open that failed for it says so as an [`OpenError`]. [`inventory`] is all of it together.
//! [`hotplug`] tells when one appears.
//!
//! All of it is read below a [`Root`], which is `/` but in tests.

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
