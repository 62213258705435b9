//! Where a configuration comes from, at the start and at each reload.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use sermux_port_config::config::load::{load_str_with, load_with, Loaded, Text, MAX_FILE};
use sermux_port_config::Faults;

/// A file, standard input or neither, and ports of the command line.
#[derive(Clone, Debug)]
pub struct ConfigSource {
    main: Main,
    ports: Vec<Text>,
}

#[derive(Clone, Debug)]
enum Main {
    File(PathBuf),
    /// What was read from standard input, which gives it once.
    Input(String),
    /// There are the ports of the command line alone.
    Nothing,
}

impl ConfigSource {
    /// What stands for standard input.
    pub(crate) const STDIN: &'static str = "-";

    /// This file, or standard input, which is read to its end.
    pub(crate) fn of_blocking(path: &Path) -> io::Result<ConfigSource> {
        let main = if path.as_os_str() == Self::STDIN {
            let mut bytes = Vec::new();
            io::stdin().take(MAX_FILE as u64 + 1).read_to_end(&mut bytes)?;
            Main::Input(String::from_utf8(bytes).map_err(|_| io::Error::other("the text is not UTF-8"))?)
        } else {
            Main::File(path.to_owned())
        };
        Ok(ConfigSource { main, ports: Vec::new() })
    }

    /// No file at all.
    pub(crate) fn nothing() -> ConfigSource {
        ConfigSource { main: Main::Nothing, ports: Vec::new() }
    }

    /// … and these ports.
    pub(crate) fn with(self, ports: Vec<Text>) -> ConfigSource {
        ConfigSource { ports, ..self }
    }

    /// Reads all of it, as [`load`](sermux_port_config::config::load::load) does.
    pub(crate) fn load_blocking(&self) -> Result<Loaded, Faults> {
        match &self.main {
            Main::File(path) => load_with(path, &self.ports),
            Main::Input(text) => load_str_with(&self.name(), text, &self.ports),
            Main::Nothing => load_str_with(&self.name(), "ports: {}", &self.ports),
        }
    }

    /// The ports of the command line, as they were written there.
    pub(crate) fn command_line(&self) -> Vec<String> {
        self.ports.iter().map(|text| text.origin.text.clone()).collect()
    }

    /// Whether it says the same for ever.
    pub(crate) fn is_read_once(&self) -> bool {
        matches!(self.main, Main::Input(_))
    }

    /// What it is called in a log.
    pub(crate) fn name(&self) -> String {
        match &self.main {
            Main::File(path) => path.display().to_string(),
            Main::Input(_) => "standard input".to_owned(),
            Main::Nothing => "the command line".to_owned(),
        }
    }

    /// The file, when there is one.
    pub(crate) fn file(&self) -> Option<&Path> {
        match &self.main {
            Main::File(path) => Some(path),
            Main::Input(_) | Main::Nothing => None,
        }
    }
}
