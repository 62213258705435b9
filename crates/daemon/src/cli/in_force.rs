//! The configuration of the running program, as a command knows it.

use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use sermux_port_config::config::load::{load_str_with, Origin, Text};
use sermux_port_config::config::Config;
use sermux_port_config::Faults;

use super::remote::{self, NotDone};
use super::{port, Arguments};
use crate::control::request::ConfigShape;
use crate::supervisor::ConfigSource;

/// How long it may take to read the files for a comparison that nobody has asked for.
const READING: Duration = Duration::from_millis(300);

/// The stack that it has: a file may nest deeply.
const STACK: usize = 4 * 1024 * 1024;

/// What the running program runs by.
#[derive(Debug)]
pub(super) struct InForce {
    pub(super) config: Config,
    /// The file that a reload reads.
    pub(super) file: Option<PathBuf>,
    /// The ports of its command line, which a reload keeps.
    pub(super) command_line: Vec<String>,
}

/// What has become of the running program's files since it read them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FilesNow {
    Same,
    Changed,
    /// Changed, and with faults.
    Faulty,
}

impl InForce {
    /// Asks the running program.
    pub(super) fn ask(arguments: &Arguments) -> Result<InForce, NotDone> {
        let body = match remote::get(arguments, "/v1/config") {
            Err(NotDone::Refused(404, _)) => return Err(NotDone::other_version("it cannot report its configuration")),
            body => body?,
        };
        let ConfigShape { file, command_line, config } = remote::understand::<ConfigShape<serde_json::Value>>(&body)?;
        let config =
            load(config).map_err(|_| NotDone::other_version("this one does not know all of its configuration"))?;
        Ok(InForce { config, file: file.map(PathBuf::from), command_line })
    }

    /// Whether this is the file that the running program has read.
    pub(super) fn is_of(&self, file: &Path) -> bool {
        let same = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        self.file.as_deref().is_some_and(|own| same(own) == same(file))
    }

    /// What its files say now, for a user who may read them. `None`: they are on a disk that takes its time.
    pub(super) fn files_now(self) -> Option<FilesNow> {
        let (tell, told) = sync_channel(1);
        // It may hang for as long as the disk does; the end of the program does not wait for it.
        thread::Builder::new().stack_size(STACK).spawn(move || tell.send(self.files_now_blocking())).ok()?;
        told.recv_timeout(READING).ok()
    }

    fn files_now_blocking(&self) -> FilesNow {
        let Some(file) = self.file.as_deref().filter(|file| std::fs::File::open(file).is_ok()) else {
            return FilesNow::Same;
        };
        let texts = port::texts(&self.command_line);
        match (ConfigSource::of_blocking(file), texts) {
            (Ok(source), Ok(texts)) => match source.with(texts).load_blocking() {
                Ok(loaded) if loaded.config == self.config => FilesNow::Same,
                Ok(_) => FilesNow::Changed,
                Err(_) => FilesNow::Faulty,
            },
            _ => FilesNow::Same,
        }
    }
}

/// A configuration as the control socket has it. Each port is a text of its own: there is no limit to all of them together.
fn load(mut config: serde_json::Value) -> Result<Config, Faults> {
    let ports = match config.get_mut("ports").map(serde_json::Value::take) {
        Some(serde_json::Value::Object(ports)) => ports,
        _ => serde_json::Map::new(),
    };
    config["ports"] = serde_json::Map::new().into();
    let text = |(name, port): (String, serde_json::Value)| {
        let text = serde_json::json!({ "ports": { (&name): port } }).to_string();
        let origin = Origin { text: text.clone(), pieces: Vec::new() };
        Text { name: format!("the running port {name}"), text, origin }
    };
    let ports: Vec<Text> = ports.into_iter().map(text).collect();
    load_str_with("the running configuration", &config.to_string(), &ports).map(|loaded| loaded.config)
}
