//! Files to [`Config`], or to all that is wrong with them.
//!
//! A file is UTF-8, at most [`MAX_FILE`] bytes, and one YAML document; JSON is YAML. `include` takes one glob or a list,
//! relative to the folder of the file it stands in; a glob that finds nothing is fine, a plain name that finds nothing is
//! not. The folders of a glob are as they are written: `*` and `?` do not search through folders below.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::capture_files;
use super::conflict::{self, Resolved};
use super::file::{file, FileLayer, MAX_PORTS};
use super::keys::Role;
use super::parse::parse;
use super::resolve::{port, Profiles};
pub use super::source::{Origin, YamlPiece};
use super::source::{Place, Problem, Sources};
use super::values::ValueAt;
use super::{Config, Control};
use crate::ser2net::{self, Imported, NoteKind};
use crate::{Fault, Faults};

/// The largest file, in bytes; 256 ports with every key are 200 KiB.
pub const MAX_FILE: usize = 1024 * 1024;

/// All files together, in bytes.
pub const MAX_TOTAL: usize = 16 * 1024 * 1024;

/// The most files that `include` may find.
pub const MAX_FILES: usize = 1000;

/// A text in no file that says more than the main file does, as one of the files it includes would.
#[derive(Clone, Debug)]
pub struct Text {
    /// What its faults are shown with in place of a file's name.
    pub name: String,
    /// YAML.
    pub text: String,
    /// What the YAML was made of. Faults are shown there.
    pub origin: Origin,
}

/// A configuration without faults.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What is in force.
    pub config: Config,
    /// What is allowed and yet unlikely to be meant.
    pub warnings: Vec<Fault>,
    /// What is wrong in a file of ser2net, whose other connections are in force all the same. A file of sermux has none.
    pub faults: Vec<Fault>,
}

/// Reads a file and those it includes.
///
/// A file of ser2net is taken as well, and known by what is in it ([`ser2net`]).
///
/// It may block: on the disk that the files are on, and on asking for the metadata of devices. No device is opened, and
/// nothing but ordinary files is read: a pipe would be waited for.
///
/// # Errors
///
/// All faults of all files, in their order. A file that cannot be read is a fault, too.
pub fn load(path: &Path) -> Result<Loaded, Faults> {
    load_with(path, &[])
}

/// Reads a file and those it includes, and texts that are read as included files are.
///
/// # Errors
///
/// As those of [`load`].
pub fn load_with(path: &Path, more: &[Text]) -> Result<Loaded, Faults> {
    let mut loader = Loader::default();
    match read_text(path) {
        Ok(text) if ser2net::is_ser2net(&text) => {
            let imported = ser2net::read(&path.display().to_string(), &text, &ser2net::Folder::of(path));
            return of_ser2net(imported, more);
        }
        Ok(text) => {
            loader.files.push(path.to_owned());
            loader.main(path.display().to_string(), text, Base::File(path));
        }
        Err(refusal) => {
            loader.refuse(path.display().to_string(), refusal);
        }
    }
    loader.more(more);
    loader.finish()
}

/// Reads a text that is in no file; faults are shown with `name` for the file's.
///
/// `include` is refused: there is no folder it could be relative to.
///
/// # Errors
///
/// All faults.
pub fn load_str(name: &str, text: &str) -> Result<Loaded, Faults> {
    load_str_with(name, text, &[])
}

/// Reads a text that is in no file, and others that are read as included files are.
///
/// # Errors
///
/// As those of [`load_str`].
pub fn load_str_with(name: &str, text: &str, more: &[Text]) -> Result<Loaded, Faults> {
    let mut loader = Loader::default();
    if text.len() > MAX_FILE {
        loader.refuse(name.to_owned(), Unreadable::too_large());
    } else if ser2net::is_ser2net(text) {
        return of_ser2net(ser2net::read(name, text, &ser2net::NoFiles), more);
    } else {
        loader.main(name.to_owned(), text.to_owned(), Base::Text);
    }
    loader.more(more);
    loader.finish()
}

/// Its good connections; what has no equivalent here are warnings. Where nothing is good there is nothing to be in force.
///
/// # Errors
///
/// All faults, if no connection could be imported.
pub fn of_ser2net(imported: Imported, more: &[Text]) -> Result<Loaded, Faults> {
    if imported.connections.0 == 0 && !imported.faults.is_empty() {
        return Err(Faults::new(imported.faults));
    }
    let mut loaded = imported.load_with(more)?;
    let notes = imported.notes.into_iter().filter(|note| note.kind == NoteKind::NoEquivalent);
    loaded.warnings.splice(0..0, notes.map(Fault::from));
    loaded.faults = imported.faults;
    Ok(loaded)
}

/// Reads what a file says of the control socket, whatever else is wrong with it; `None` is `off`. A running program has to
/// be found also when somebody has just broken its file.
///
/// # Errors
///
/// The file cannot be read, or is no YAML.
pub fn load_control(path: &Path) -> Result<Option<Control>, Faults> {
    let mut loader = Loader::default();
    let name = path.display().to_string();
    let layer = match read_text(path) {
        Ok(text) if ser2net::is_ser2net(&text) => return Ok(Some(Control::default())),
        Ok(text) => loader.layer(name, text, Role::Main),
        Err(refusal) => {
            loader.refuse(name, refusal);
            None
        }
    };
    layer.map(|layer| layer.control).ok_or_else(|| Faults::new(loader.sources.faults(loader.problems)))
}

/// What `include` is relative to.
#[derive(Clone, Copy)]
enum Base<'a> {
    File(&'a Path),
    Text,
}

#[derive(Default)]
struct Loader {
    sources: Sources,
    layers: Vec<FileLayer>,
    problems: Vec<Problem>,
    /// What was read.
    files: Vec<PathBuf>,
    /// Bytes read so far.
    total: usize,
}

impl Loader {
    fn main(&mut self, name: String, text: String, base: Base<'_>) {
        let Some(layer) = self.layer(name, text, Role::Main) else {
            return;
        };
        let include = layer.include.clone();
        self.layers.push(layer);
        match base {
            Base::Text => self.problems.extend(include.first().map(|set| {
                Problem::new(set.place, &set.path, "a text that is in no file cannot include files")
                    .help("write it to a file and name that")
            })),
            Base::File(main) => self.include(main, &include),
        }
    }

    fn more(&mut self, texts: &[Text]) {
        for Text { name, text, origin } in texts {
            let layer = self.layer(name.clone(), text.clone(), Role::Included);
            self.sources.comes_from(origin.clone());
            self.layers.extend(layer);
        }
    }

    /// `None` when it is no YAML at all.
    fn layer(&mut self, name: String, text: String, role: Role) -> Option<FileLayer> {
        self.total += text.len();
        let index = self.sources.add(name, text);
        let (root, mut found) = parse(index, text_without_mark(self.sources.text(index)));
        let stopped = root.is_none() && !found.is_empty();
        self.problems.append(&mut found);
        (!stopped).then(|| file(index, root.as_ref(), role, &mut self.problems))
    }

    fn include(&mut self, main: &Path, include: &[ValueAt<String>]) {
        let mut seen: HashSet<PathBuf> = fs::canonicalize(main).into_iter().collect();
        for set in include {
            let refuse = |message: String, help: &str| Problem::new(set.place, &set.path, message).help(help);
            let found = match glob_below(main, &set.value) {
                Ok(found) => found,
                Err((message, help)) => {
                    self.problems.push(refuse(message, help));
                    continue;
                }
            };
            for path in found {
                if seen.len() > MAX_FILES {
                    self.problems.push(refuse(format!("more than {MAX_FILES} files are included"), "name fewer"));
                    return;
                }
                // a file that two globs find is read once, and one that finds itself not again
                if !seen.insert(fs::canonicalize(&path).unwrap_or_else(|_| path.clone())) {
                    continue;
                }
                let name = path.display().to_string();
                match read_text(&path) {
                    Ok(text) if self.total + text.len() > MAX_TOTAL => {
                        let message = format!("{name}: with this file the configuration is larger than 16 MiB");
                        self.problems.push(refuse(message, "name fewer files, or smaller ones"));
                        return;
                    }
                    Ok(text) => {
                        self.files.push(path);
                        let layer = self.layer(name.clone(), text, Role::Included);
                        self.layers.extend(layer);
                        if self.layers.iter().map(|layer| layer.ports.len()).sum::<usize>() > MAX_PORTS {
                            let message = format!("{name}: with this file there are more than {MAX_PORTS} ports");
                            self.problems.push(refuse(message, "name fewer files, or smaller ones"));
                            self.layers.clear();
                            return;
                        }
                    }
                    Err(refusal) if refusal.place.line > 0 => self.refuse(name, refusal),
                    Err(refusal) => {
                        self.problems.push(refuse(format!("{name}: {}", refusal.message), refusal.help));
                    }
                }
            }
        }
    }

    /// The fault stands in that file itself.
    fn refuse(&mut self, name: String, refusal: Unreadable) {
        let file = self.sources.add(name, refusal.text);
        let place = Place { file, ..refusal.place };
        self.problems.push(Problem::new(place, "", refusal.message).help(refusal.help));
    }

    fn finish(mut self) -> Result<Loaded, Faults> {
        let mut warnings = Vec::new();
        let mut profiles = Profiles::default();
        let mut resolved: Vec<Resolved<'_>> = Vec::new();
        for layer in &self.layers {
            warnings.extend_from_slice(&layer.warnings);
            for named in &layer.ports {
                profiles.add(named, &layer.defaults, &mut self.sources, &mut self.problems);
                let port = port(named, &layer.defaults, &profiles, &mut self.problems, &mut warnings);
                resolved.push((named, port));
            }
        }
        conflict::check(&resolved, &mut self.problems, &mut warnings);
        capture_files::check(&resolved, &self.files, &mut self.problems);
        if let Some(main) = self.layers.first() {
            conflict::check_control(&resolved, main.control.as_ref(), main.control_place, &mut self.problems);
            conflict::check_http(&resolved, &main.http_addresses, &mut self.problems);
        }
        if !self.problems.is_empty() {
            return Err(Faults::new(self.sources.faults(self.problems)));
        }
        let ports: BTreeMap<_, _> =
            resolved.into_iter().filter_map(|(named, port)| Some((named.name.clone(), port?.into()))).collect();
        let mut config = Config { ports, ..Config::default() };
        if let Some(main) = self.layers.first() {
            config.log = main.log;
            config.control.clone_from(&main.control);
            config.http.clone_from(&main.http);
            config.limits = main.limits;
        }
        Ok(Loaded { config, warnings: self.sources.faults(warnings), faults: Vec::new() })
    }
}

/// Why a file is not read.
struct Unreadable {
    /// In that file, whatever its index.
    place: Place,
    /// What could be read.
    text: String,
    message: String,
    help: &'static str,
}

impl Unreadable {
    fn whole(message: String, help: &'static str) -> Unreadable {
        Unreadable { place: Place::whole(0), text: String::new(), message, help }
    }

    fn too_large() -> Unreadable {
        Unreadable::whole("the file is larger than 1 MiB".to_owned(), "split it, and name the parts in `include`")
    }
}

/// The text of an ordinary file, or in words why it is not read.
pub(crate) fn text_of_file(path: &Path, most: usize) -> Result<String, String> {
    let text = read_text(path).map_err(|refusal| refusal.message)?;
    if text.len() > most {
        return Err(format!("the file is larger than {} bytes", most));
    }
    Ok(text)
}

fn read_text(path: &Path) -> Result<String, Unreadable> {
    let whole = Unreadable::whole;
    let unread = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => whole(
            "there is no such file".to_owned(),
            "check the name, or write the file; `ports: {}` alone is a valid one",
        ),
        io::ErrorKind::PermissionDenied => whole(
            "permission denied".to_owned(),
            "let the user that sermux runs as read the file and enter its folders",
        ),
        _ => whole(format!("cannot be read: {error}"), "check the file and the disk it is on"),
    };
    // Looked at before it is opened: to open a device may do something to it.
    refuse_kind(&fs::metadata(path).map_err(unread)?)?;
    let bytes = read_bytes(path).map_err(unread)??;
    if bytes.len() > MAX_FILE {
        return Err(Unreadable::too_large());
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(&error.as_bytes()[..valid]).into_owned();
        let lines = super::source::lines(&before);
        let column = lines.last().map_or(0, |line| line.chars().count()) + 1;
        Unreadable {
            place: Place { file: 0, line: lines.len().max(1), column, width: 1 },
            text: String::from_utf8_lossy(error.as_bytes()).into_owned(),
            message: "the file is not UTF-8 from here on".to_owned(),
            help: "save it as UTF-8; most editors can",
        }
    })
}

/// Only an ordinary file is read.
fn refuse_kind(metadata: &Metadata) -> Result<(), Unreadable> {
    let kind = metadata.file_type();
    let what = if kind.is_file() {
        return Ok(());
    } else if kind.is_dir() {
        let help = "name the file in it; in `include`, write folder/*.yaml";
        return Err(Unreadable::whole("this is a folder, not a file".to_owned(), help));
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    Err(Unreadable::whole(
        format!("this is {what}, not an ordinary file"),
        "write the configuration to a file and name that",
    ))
}

fn read_bytes(path: &Path) -> io::Result<Result<Vec<u8>, Unreadable>> {
    // Something else may have taken its place meanwhile, and must not be waited for.
    let file = OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path)?;
    if let Err(refusal) = refuse_kind(&file.metadata()?) {
        return Ok(Err(refusal));
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE as u64 + 1).read_to_end(&mut bytes)?;
    Ok(Ok(bytes))
}

/// O_NONBLOCK of open(2), as it is on all machines but MIPS, SPARC and Alpha.
const O_NONBLOCK: i32 = 0o4000;

/// Without the byte order mark that some editors put at the beginning; the places count without it as well.
fn text_without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// The files that a pattern finds, in the order of their names.
fn glob_below(main: &Path, pattern: &str) -> Result<Vec<PathBuf>, (String, &'static str)> {
    const HELP: &str = "write `include: ports.d/*.yaml`";
    if pattern.is_empty() {
        return Err(("the pattern is empty".to_owned(), HELP));
    }
    if pattern.contains("**") {
        return Err(("`**` would search all folders below".to_owned(), HELP));
    }
    let folder = main.parent().unwrap_or(Path::new(""));
    if !pattern.contains(['*', '?', '[']) {
        return Ok(vec![folder.join(pattern)]);
    }
    let Some(folder) = folder.to_str() else {
        return Err(("the name of this file's folder is not UTF-8".to_owned(), "rename the folder"));
    };
    let whole = Path::new(&glob::Pattern::escape(folder)).join(pattern);
    let options = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::new() };
    let paths = glob::glob_with(&whole.to_string_lossy(), options)
        .map_err(|error| (format!("this is not a pattern: {}", error.msg), HELP))?;
    let mut found = Vec::new();
    for path in paths.take(MAX_FILES + 2) {
        let path = path.map_err(|error| {
            (
                format!("{} cannot be searched: {}", error.path().display(), error.error()),
                "let the user that sermux runs as read it",
            )
        })?;
        if !path.is_dir() {
            found.push(path);
        }
    }
    Ok(found)
}
