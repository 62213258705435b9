//! The file of a capture, and its older ones.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sermux_port_config::config::Capture;

/// Who may read it: the owner and the group.
const MODE: u32 = 0o640;

/// The file of a capture.
#[derive(Debug)]
pub(super) struct CaptureFile {
    path: PathBuf,
    max_size: u64,
    max_age: Duration,
    keep: u32,
    open: Option<OpenFile>,
}

#[derive(Debug)]
struct OpenFile {
    file: File,
    /// Its size; since the last try, if it could not be renamed.
    size: u64,
    born: SystemTime,
    /// Not a device or a pipe: it can be cut, and renamed.
    is_regular: bool,
}

impl CaptureFile {
    pub(super) fn new(capture: &Capture) -> Self {
        Self {
            path: capture.file.clone(),
            max_size: capture.max_size as u64,
            max_age: capture.max_age,
            keep: capture.keep,
            open: None,
        }
    }

    /// From here on it is another file, or kept otherwise.
    pub(super) fn set(&mut self, capture: &Capture) {
        let open = self.open.take().filter(|_| self.path == capture.file);
        *self = Self { open, ..Self::new(capture) };
    }

    /// Lets go of the file; it is opened again when it is needed.
    pub(super) fn close(&mut self) {
        self.open = None;
    }

    /// Makes sure that there is a file to write into.
    pub(super) fn open(&mut self) -> io::Result<()> {
        if self.open.is_none() {
            self.open = Some(OpenFile::open(&self.path).map_err(|error| about("cannot be opened", &error))?);
        }
        Ok(())
    }

    /// Whether `more` bytes, at `now`, belong into a new file when `pending` are about to be written into this one.
    pub(super) fn is_due(&self, pending: usize, more: usize, now: SystemTime) -> bool {
        let Some(open) = self.open.as_ref().filter(|open| open.is_regular) else { return false };
        let size = open.size + pending as u64;
        if size == 0 {
            return false;
        }
        let is_large = self.max_size > 0 && size + more as u64 > self.max_size;
        let age = now.duration_since(open.born).unwrap_or_default();
        is_large || (!self.max_age.is_zero() && age >= self.max_age)
    }

    /// Begins a new file.
    pub(super) fn rotate(&mut self) -> io::Result<()> {
        if let Err(error) = self.shift() {
            // It goes on as it is, and is tried again when it has grown once more.
            if let Some(open) = &mut self.open {
                (open.size, open.born) = (0, SystemTime::now());
            }
            return Err(about("cannot be renamed", &error));
        }
        self.open = None;
        self.open()
    }

    fn shift(&self) -> io::Result<()> {
        if self.keep == 0 {
            return unless_missing(fs::remove_file(&self.path));
        }
        for number in (1..self.keep).rev() {
            unless_missing(fs::rename(self.older(number), self.older(number + 1)))?;
        }
        unless_missing(fs::rename(&self.path, self.older(1)))
    }

    fn older(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }

    /// Writes all of it, or, as far as that can be done, nothing.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.open()?;
        let Some(open) = &mut self.open else { return Ok(()) };
        let mut written = 0;
        while written < bytes.len() {
            match open.file.write(&bytes[written..]) {
                Ok(n) if n > 0 => written += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => {
                    let error = result.err().unwrap_or_else(|| io::ErrorKind::WriteZero.into());
                    open.undo(written);
                    return Err(about("cannot be written", &error));
                }
            }
        }
        open.size += written as u64;
        Ok(())
    }
}

impl OpenFile {
    fn open(path: &Path) -> io::Result<Self> {
        // A pipe that nobody reads must not hold up the thread.
        let mut options = OpenOptions::new();
        // Who may write to the folder could have a link there, to a file that only this program may write to.
        let flags = libc::O_NONBLOCK | libc::O_NOFOLLOW | libc::O_NOCTTY;
        let opened = options.append(true).create(true).mode(MODE).custom_flags(flags).open(path);
        let file = opened.map_err(|error| match error.raw_os_error() {
            Some(libc::ELOOP) => {
                io::Error::new(error.kind(), "it is a link, which is not followed; name the file that it leads to")
            }
            _ => error,
        })?;
        let metadata = file.metadata()?;
        if metadata.is_file() && metadata.nlink() > 1 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the file has another name as well; move it away"));
        }
        // Where the file system does not know when it was made, it is as old as its last change.
        let born = metadata.created().or_else(|_| metadata.modified()).unwrap_or_else(|_| SystemTime::now());
        Ok(Self { file, size: metadata.len(), born, is_regular: metadata.is_file() })
    }

    /// Takes back the beginning of what was not written to its end.
    fn undo(&mut self, written: usize) {
        if written == 0 || !self.is_regular {
            return;
        }
        let whole = self.file.metadata().map(|metadata| metadata.len().saturating_sub(written as u64));
        if whole.and_then(|whole| self.file.set_len(whole)).is_err() {
            self.size += written as u64;
        }
    }
}

fn about(what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

fn unless_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture(folder: &Path, keep: u32) -> Capture {
        Capture {
            file: folder.join("x.log"),
            direction: Default::default(),
            format: Default::default(),
            timestamp: true,
            max_size: 10,
            max_age: Duration::from_secs(60),
            keep,
        }
    }

    fn text(folder: &Path, name: &str) -> Option<String> {
        fs::read_to_string(folder.join(name)).ok()
    }

    #[test]
    fn a_full_file_becomes_the_first_of_the_older_ones() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = CaptureFile::new(&capture(folder.path(), 2));
        for line in ["first\n", "second\n", "third\n", "fourth\n"] {
            file.open().unwrap();
            if file.is_due(0, line.len(), SystemTime::now()) {
                file.rotate().unwrap();
            }
            file.write(line.as_bytes()).unwrap();
        }
        let name = |name| text(folder.path(), name);
        assert_eq!(name("x.log").as_deref(), Some("fourth\n"));
        assert_eq!(name("x.log.1").as_deref(), Some("third\n"));
        assert_eq!(name("x.log.2").as_deref(), Some("second\n"));
        assert_eq!(name("x.log.3"), None);
    }

    #[test]
    fn an_old_file_is_due_and_an_empty_one_never() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = CaptureFile::new(&capture(folder.path(), 0));
        file.open().unwrap();
        let later = SystemTime::now() + Duration::from_secs(61);
        assert!(!file.is_due(0, 100, later));
        file.write(b"x").unwrap();
        assert!(!file.is_due(0, 1, SystemTime::now()));
        assert!(file.is_due(0, 1, later));
        file.rotate().unwrap();
        assert_eq!(text(folder.path(), "x.log").as_deref(), Some(""), "none is kept");
    }

    #[test]
    fn one_that_cannot_be_renamed_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = CaptureFile::new(&capture(folder.path(), 1));
        file.write(b"0123456789").unwrap();
        // A folder with something in it is in the way.
        fs::create_dir_all(folder.path().join("x.log.1/in the way")).unwrap();
        assert!(file.is_due(0, 1, SystemTime::now()));
        assert!(file.rotate().unwrap_err().to_string().contains("cannot be renamed"));
        assert!(!file.is_due(0, 1, SystemTime::now()));
        file.write(b"ab").unwrap();
        assert_eq!(text(folder.path(), "x.log").as_deref(), Some("0123456789ab"));
    }
}
