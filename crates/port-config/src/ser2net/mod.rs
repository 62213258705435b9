//! ser2net's files to a configuration of sermux: `ser2net.yaml` in both its versions, and `ser2net.conf` of the time before.
//!
//! What comes out is the text of a native file as a person would have written it, a note for each thing that has become
//! something else, and a fault for each that is wrong. A connection is imported whole or not at all.
//!
//! What this must not do: read anything but by the [`Files`] that are handed in. No environment, no shell.
//!
//! ```
//! use sermux_port_config::ser2net;
//!
//! let text = "connection: &console\n  accepter: tcp,2001\n  connector: serialdev,/dev/ttyS0,9600n81,local\n";
//! let imported = ser2net::read("ser2net.yaml", text, &ser2net::NoFiles);
//! assert!(imported.faults.is_empty());
//! assert!(imported.yaml.contains("console:\n    device: /dev/ttyS0\n    line: 9600 8N1\n"));
//! let loaded = imported.load().expect("what is imported can be loaded");
//! assert_eq!(loaded.config.ports.len(), 1);
//! ```

mod accepter;
mod banner;
mod comments;
mod conf;
mod connection;
mod connector;
mod defaults;
mod disk;
mod expand;
mod files;
mod gensio;
mod native;
mod options;
mod reader;
mod remark;
mod translate;
mod yaml;

use std::fmt;
use std::path::Path;

use crate::config::load::{load_str_with, text_of_file, Loaded, Text, MAX_FILE};
use crate::error::shown;
use crate::{Fault, Faults};

pub use disk::Folder;
pub use files::{Files, NoFiles};
pub use remark::NoteKind;

/// What has become of a file of ser2net.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The text of a native file with all connections that could be imported.
    pub yaml: String,
    /// What has become of what, in the order of the file.
    pub notes: Vec<ImportNote>,
    /// What is wrong in the file; these connections are not imported.
    pub faults: Vec<Fault>,
    /// How many connections are in it: those that are imported, and all.
    pub connections: (usize, usize),
}

/// What has become of a part of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportNote {
    /// The file's name as it was given.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// How it is compared to what it was.
    pub kind: NoteKind,
    /// The connection, or what else it is about.
    pub subject: String,
    /// In words.
    pub text: String,
}

impl fmt::Display for ImportNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ImportNote { file, line, column, kind, subject, text } = self;
        write!(f, "{file}:{line}:{column}: {}: ", kind.name())?;
        if !subject.is_empty() {
            write!(f, "{}: ", shown(subject))?;
        }
        f.write_str(text)
    }
}

impl From<ImportNote> for Fault {
    fn from(note: ImportNote) -> Fault {
        let ImportNote { file, line, column, subject, text, .. } = note;
        let message = if subject.is_empty() { text } else { format!("{}: {text}", shown(&subject)) };
        Fault { file, line, column, path: String::new(), message, notes: Vec::new(), help: None, source: None }
    }
}

/// Reads a file of ser2net and those it includes.
///
/// It may block: on the disk that the files are on, and on asking for the metadata of devices.
///
/// # Errors
///
/// Why the file cannot be read, in words.
pub fn load(path: &Path) -> Result<Imported, String> {
    let text = text_of_file(path, MAX_FILE)?;
    Ok(read(&path.display().to_string(), &text, &Folder::of(path)))
}

/// Reads a file of ser2net, of whichever kind; `name` is what it is called in notes and faults.
pub fn read(name: &str, text: &str, files: &dyn Files) -> Imported {
    let mut reader = reader::Ser2netReader::new(files);
    reader.has_read(Path::new(name));
    reader.file(name, text);
    translate::finish(reader)
}

/// Reads a file of ser2net, if there is one, and then texts that are in none, each with what it is called; names and defaults
/// hold for what is read after them.
///
/// It may block, as [`load`] does.
///
/// # Errors
///
/// The file cannot be read.
pub fn load_with(file: Option<&Path>, texts: &[(String, String)]) -> Result<Imported, Faults> {
    let folder = Folder::of(file.unwrap_or(Path::new("")));
    let mut reader = reader::Ser2netReader::new(&folder);
    if let Some(path) = file {
        reader.has_read(path);
        let name = path.display().to_string();
        let text = text_of_file(path, MAX_FILE).map_err(|why| Faults::new(vec![Fault::of_file(&name, &why)]))?;
        reader.file(&name, &text);
    }
    for (name, text) in texts {
        reader.file(name, text);
    }
    Ok(translate::finish(reader))
}

/// Whether a text is a file of ser2net and not one of sermux, by its words and not by its name.
pub fn is_ser2net(text: &str) -> bool {
    let mut is_ser2net = conf::is_conf(text);
    for line in text.lines() {
        let key = line.split(':').next().filter(|_| line.contains(':')).unwrap_or("").trim_end();
        match key {
            "ports" => return false,
            key => is_ser2net |= reader::is_statement(key),
        }
    }
    is_ser2net
}

impl Imported {
    /// The configuration, with texts that say more than the file does. What is wrong in ser2net's file is not in it.
    ///
    /// # Errors
    ///
    /// What is wrong in these texts, or between them and the file.
    pub fn load_with(&self, more: &[Text]) -> Result<Loaded, Faults> {
        load_str_with("imported from ser2net", &self.yaml, more)
    }

    /// The configuration.
    ///
    /// # Errors
    ///
    /// A defect: what is imported can be loaded. Only another device that two ports have in common is found here.
    pub fn load(&self) -> Result<Loaded, Faults> {
        self.load_with(&[])
    }
}

/// `true`, `yes`, `on` and `1`, and their opposites, in any case.
fn switch(word: &str) -> Option<bool> {
    match word.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}
