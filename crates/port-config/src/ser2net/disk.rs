//! The files of the disk: what `include` names only in the folder of the main file and below it.

use std::fs;
use std::path::{Component, Path, PathBuf};

use super::files::Files;
use crate::config::load::{text_of_file, MAX_FILES};

/// The folder that a file of ser2net is in.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// That of this file.
    pub fn of(main: &Path) -> Folder {
        Folder(main.parent().unwrap_or(Path::new("")).to_owned())
    }

    /// Where it is, links followed.
    fn real(&self) -> Option<PathBuf> {
        let is_here = self.0.as_os_str().is_empty();
        fs::canonicalize(if is_here { Path::new(".") } else { &self.0 }).ok()
    }

    /// Whether a path leads into the folder, links followed.
    fn holds(&self, path: &Path) -> bool {
        let path_here = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        match (self.real(), fs::canonicalize(path_here)) {
            (Some(folder), Ok(path)) => path.starts_with(folder),
            // What is not there is judged as it is written.
            (Some(folder), Err(_)) => {
                let is_plain = path.components().all(|part| part != Component::ParentDir);
                is_plain && (path.starts_with(&self.0) || path.starts_with(folder))
            }
            _ => false,
        }
    }
}

impl Files for Folder {
    fn read(&self, path: &Path, most: usize) -> Result<String, String> {
        text_of_file(&self.0.join(path), most)
    }

    fn matching(&self, pattern: &str) -> Result<Vec<PathBuf>, String> {
        const OUTSIDE: &str = "this leads out of the folder of the main file, and nothing is included from there";
        if pattern.contains("**") {
            return Err("`**` would search all folders below".to_owned());
        }
        let is_pattern = |text: &str| text.contains(['*', '?', '[']);
        let whole = self.0.join(pattern);
        let plain: PathBuf =
            whole.components().take_while(|part| !part.as_os_str().to_str().is_some_and(is_pattern)).collect();
        if !self.holds(&plain) {
            return Err(OUTSIDE.to_owned());
        }
        if !is_pattern(pattern) {
            return Ok(vec![whole]);
        }
        let text = if Path::new(pattern).is_absolute() {
            pattern.to_owned()
        } else {
            let folder = self.0.to_str().ok_or("the name of this file's folder is not UTF-8")?;
            Path::new(&glob::Pattern::escape(folder)).join(pattern).to_string_lossy().into_owned()
        };
        let options = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::new() };
        let paths = glob::glob_with(&text, options).map_err(|error| format!("this is not a pattern: {}", error.msg))?;
        let mut found = Vec::new();
        for path in paths.take(MAX_FILES + 1) {
            let path =
                path.map_err(|error| format!("{} cannot be searched: {}", error.path().display(), error.error()))?;
            if path.is_dir() {
                continue;
            }
            if !self.holds(&path) {
                return Err(format!("{}: {OUTSIDE}", path.display()));
            }
            found.push(path);
        }
        Ok(found)
    }

    fn real(&self, device: &Path) -> Option<PathBuf> {
        fs::canonicalize(device).ok()
    }
}
