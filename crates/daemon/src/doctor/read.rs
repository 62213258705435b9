//! Files of a machine, read up to a limit, and where links lead inside a captured tree.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use crate::device::Root;

/// The most that is read of a file; what is behind it is not looked at.
const LARGEST: u64 = 256 * 1024;

/// Links that are followed.
const LINKS: usize = 8;

/// The text of a plain file; what is no text in it is replaced.
pub(super) fn text(root: &Root, path: impl AsRef<Path>) -> Option<String> {
    let path = root.path(path);
    // Never a fifo or a device, which could block.
    if !fs::metadata(&path).ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(LARGEST).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether there is something, be it a link to nowhere.
pub(super) fn is_there(root: &Root, path: impl AsRef<Path>) -> bool {
    fs::symlink_metadata(root.path(path)).is_ok()
}

/// What a name under /dev stands for, below this root.
pub(super) fn node(root: &Root, path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        let Ok(target) = fs::read_link(root.path(&path)) else { break };
        let joined = path.parent().unwrap_or(Path::new("/")).join(target);
        path = PathBuf::new();
        for part in joined.components() {
            match part {
                Component::ParentDir => {
                    path.pop();
                }
                Component::CurDir => {}
                part => path.push(part),
            }
        }
    }
    path
}

/// The name of a node as the kernel has it: `ttyAMA0`.
pub(super) fn name(node: &Path) -> String {
    node.strip_prefix("/dev").unwrap_or(node).display().to_string()
}

/// From somebody else's file, as a terminal may have it, and not endless.
pub(super) fn shown(text: &str) -> String {
    let text: String = text.chars().take(1024).collect();
    crate::device::printable(&text)
}
