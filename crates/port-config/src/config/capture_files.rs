//! Files that captures must not write into: devices, the configuration, each other's files and the older ones of those. A file
//! is the same however its path is written.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Component, Path, PathBuf};

use super::conflict::Resolved;
use super::source::{Place, Problem};
use super::{Capture, Port};

/// A capture, by where its file really is.
struct CaptureOwner<'a> {
    port: &'a str,
    capture: &'a Capture,
    place: Place,
    path: &'a str,
    real: PathBuf,
}

/// `files` are those that the configuration was read from.
pub(super) fn check(ports: &[Resolved<'_>], files: &[PathBuf], problems: &mut Vec<Problem>) {
    let mut owners: Vec<CaptureOwner<'_>> = Vec::new();
    for (named, port) in ports {
        let Some(Port { enable: true, capture: Some(capture), .. }) = port else { continue };
        let written = named.layer.capture.file.as_ref();
        let (place, path) = written.map_or((named.place, named.path.as_str()), |file| (file.place, file.path.as_str()));
        let (port, real) = (named.name.as_str(), real(&capture.file));
        owners.push(CaptureOwner { port, capture, place, path, real });
    }
    let mut by_file: HashMap<&Path, usize> = HashMap::new();
    let files: Vec<PathBuf> = files.iter().map(|file| real(file)).collect();
    for (index, owner) in owners.iter().enumerate() {
        if let Some(kind) = not_a_file(&owner.capture.file) {
            let message = format!("{} is {kind}; a capture needs a file", owner.capture.file.display());
            problems.push(Problem::new(owner.place, owner.path, message).help("write the path of an ordinary file"));
        }
        if let Some(file) = files.iter().find(|file| owner.has(file)) {
            let message = format!("the capture would overwrite the configuration: {}", file.display());
            problems.push(Problem::new(owner.place, owner.path, message).help("write the capture into another folder"));
        }
        match by_file.get(owner.real.as_path()) {
            None => {
                by_file.insert(&owner.real, index);
            }
            Some(other) => problems.push(owner.shared(&owners[*other], "this file")),
        }
    }
    for owner in &owners {
        // `x.log.3` of a port that captures into `x.log`
        let older = split_number(&owner.real);
        let other = older.and_then(|(base, number)| Some((&owners[*by_file.get(base.as_path())?], number)));
        if let Some((other, _)) = other.filter(|(other, number)| *number <= other.capture.keep) {
            problems.push(owner.shared(other, "this file among its older ones"));
        }
    }
}

impl CaptureOwner<'_> {
    /// Whether it is the file, or one of the older ones.
    fn has(&self, file: &Path) -> bool {
        let keep = self.capture.keep;
        file == self.real || split_number(file).is_some_and(|(base, number)| base == self.real && number <= keep)
    }

    fn shared(&self, other: &CaptureOwner<'_>, what: &str) -> Problem {
        let message = format!("the capture of the port `{}` has {what}: {}", other.port, self.capture.file.display());
        Problem::new(self.place, self.path, message).help("write a `file` of its own under `capture` of each port")
    }
}

/// `/var/log/x.log` and 3 of `/var/log/x.log.3`, as they are numbered when a new file begins.
fn split_number(file: &Path) -> Option<(PathBuf, u32)> {
    let (base, number) = file.to_str()?.rsplit_once('.')?;
    let is_plain = number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
    Some((PathBuf::from(base), number.parse().ok().filter(|_| is_plain)?))
}

fn not_a_file(path: &Path) -> Option<&'static str> {
    let kind = fs::metadata(path).ok()?.file_type();
    if kind.is_char_device() || kind.is_block_device() {
        Some("a device")
    } else if kind.is_socket() {
        Some("a socket")
    } else if kind.is_dir() {
        Some("a folder")
    } else {
        None
    }
}

/// Where a path leads: links are followed as far as there is something, the rest is taken as it is written.
fn real(path: &Path) -> PathBuf {
    let mut rest: Vec<OsString> = Vec::new();
    let mut there = path.to_owned();
    let mut real = loop {
        if let Ok(real) = fs::canonicalize(&there) {
            break real;
        }
        let last = there.components().next_back().map(|part| part.as_os_str().to_owned());
        match (last, there.parent()) {
            (Some(last), Some(parent)) => {
                rest.push(last);
                there = if parent.as_os_str().is_empty() { PathBuf::from(".") } else { parent.to_owned() };
            }
            _ => break there,
        }
    };
    for part in rest.iter().rev() {
        match Path::new(part).components().next() {
            Some(Component::ParentDir) => {
                real.pop();
            }
            Some(Component::Normal(part)) => real.push(part),
            _ => {}
        }
    }
    real
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_the_same_however_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let real_folder = fs::canonicalize(folder.path()).unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("link")).unwrap();
        for name in ["a.log", "x/../a.log", "./a.log", "link/a.log", "link/x/y/../../a.log", "no/../a.log"] {
            assert_eq!(real(&folder.path().join(name)), real_folder.join("a.log"), "{name}");
        }
    }

    #[test]
    fn older_files_are_numbered_from_one() {
        let split =
            |text: &str| split_number(Path::new(text)).map(|(base, number)| (base.display().to_string(), number));
        assert_eq!(split("/a/x.log.3"), Some(("/a/x.log".to_owned(), 3)));
        for none in ["/a/x.log", "/a/x.log.0", "/a/x.log.03", "/a/x.log.+3", "/a/x.log."] {
            assert_eq!(split(none), None, "{none}");
        }
    }
}
