//! The files of the configuration that setup writes. Each appears whole, and the old file is kept next to the new one.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::{eaccess, AccessFlags};

/// A longer file is surely another one.
const LARGEST: u64 = 64 * 1024;

/// What becomes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileChange {
    /// The file does not exist yet.
    New,
    /// The file has this content already.
    Same,
    /// The file has other content.
    Different,
}

/// A file to be written.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    pub(crate) change: FileChange,
}

impl Planned {
    /// Looks at what is there.
    ///
    /// # Errors
    ///
    /// There is something that cannot be read.
    pub(crate) fn new(path: PathBuf, text: String) -> io::Result<Self> {
        let change = match File::open(&path) {
            Ok(file) => {
                let mut old = Vec::new();
                file.take(LARGEST).read_to_end(&mut old)?;
                if old == text.as_bytes() {
                    FileChange::Same
                } else {
                    FileChange::Different
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => FileChange::New,
            Err(error) => return Err(error),
        };
        Ok(Self { path, text, change })
    }

    /// Where the old file is kept.
    pub(crate) fn backup(&self) -> PathBuf {
        beside(&self.path, ".bak")
    }

    /// Writes it: readers see the old file or the new one, never a part.
    ///
    /// # Errors
    ///
    /// It cannot be written; then everything is as it was.
    pub(crate) fn write(&self) -> io::Result<()> {
        if self.change == FileChange::Same {
            return Ok(());
        }
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        if self.change == FileChange::Different {
            fs::copy(&self.path, self.backup())?;
        }
        let temporary = beside(&self.path, ".new");
        let written = (|| {
            let mut file = File::create(&temporary)?;
            file.write_all(self.text.as_bytes())?;
            // The service's user reads it, whatever the umask of root is.
            let mode = fs::metadata(&self.path).map_or(0o644, |old| old.permissions().mode() & 0o7777);
            file.set_permissions(fs::Permissions::from_mode(mode))?;
            file.sync_all()?;
            fs::rename(&temporary, &self.path)
        })();
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    /// Restores what was there before [`Planned::write`].
    ///
    /// # Errors
    ///
    /// The file cannot be restored; the old content is still in the backup.
    pub(crate) fn undo(&self) -> io::Result<()> {
        match self.change {
            FileChange::Same => Ok(()),
            FileChange::New => fs::remove_file(&self.path),
            FileChange::Different => fs::rename(self.backup(), &self.path),
        }
    }
}

/// Whether this user may make a file here, as far as the kernel tells without writing anything.
///
/// # Errors
///
/// Why not, and the folder that does not permit it. Missing folders will be made.
pub(crate) fn may_write(path: &Path) -> Result<(), (PathBuf, io::Error)> {
    let folders = path.ancestors().skip(1).map(|folder| if folder == Path::new("") { Path::new(".") } else { folder });
    let Some(folder) = folders.into_iter().find(|folder| folder.exists()) else { return Ok(()) };
    eaccess(folder, AccessFlags::W_OK | AccessFlags::X_OK).map_err(|errno| (folder.to_owned(), errno.into()))
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_is_kept_and_can_be_put_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ports.d/p1.yaml");
        let plan = |text: &str| Planned::new(path.clone(), text.to_owned()).unwrap();
        let first = plan("one");
        assert_eq!(first.change, FileChange::New);
        first.write().unwrap();
        assert_eq!(plan("one").change, FileChange::Same);
        let second = plan("two");
        assert_eq!(second.change, FileChange::Different);
        second.write().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::read_to_string(second.backup()).unwrap(), "one");
        second.undo().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
        first.undo().unwrap();
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 0, "nothing is left behind");
    }
}
