//! The files that an import may read. The caller decides what is read, and from where.

use std::path::{Path, PathBuf};

/// Reads files for an import.
pub trait Files {
    /// The text of a file that `*{file}` or `include` names, `most` bytes at most.
    ///
    /// # Errors
    ///
    /// Why it is not read, in words.
    fn read(&self, path: &Path, most: usize) -> Result<String, String>;

    /// The files that a pattern finds, in the order of their names.
    ///
    /// # Errors
    ///
    /// Why it is not looked for, in words.
    fn matching(&self, pattern: &str) -> Result<Vec<PathBuf>, String>;

    /// Where the path of a device leads, when there is something: two names of one device lead to the same.
    fn real(&self, device: &Path) -> Option<PathBuf>;
}

/// No files at all, for a text that is in none.
#[derive(Clone, Copy, Debug)]
pub struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _: &Path, _: usize) -> Result<String, String> {
        Err("a text that is in no file cannot read files; write it to a file and name that".to_owned())
    }

    fn matching(&self, _: &str) -> Result<Vec<PathBuf>, String> {
        Err("a text that is in no file cannot include files; write it to a file and name that".to_owned())
    }

    fn real(&self, _: &Path) -> Option<PathBuf> {
        None
    }
}
