//! Where a configuration comes from, at the start and at each reload.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sermux_port_config::config::load::{load_str_with, load_with, of_ser2net, Loaded, Text, MAX_FILE};
use sermux_port_config::config::{Banner, Protocol, Telnet};
use sermux_port_config::{ser2net, Faults};

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
    /// What the name `ser2net` was given.
    Ser2net(Arc<Ser2netSource>),
}

/// ser2net's file and the texts of its command line, and how what they say is changed by the rest of that.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ser2netSource {
    pub(crate) file: Option<PathBuf>,
    /// Each with what its faults are shown with.
    pub(crate) texts: Vec<(String, String)>,
    pub(crate) uucp_locks: UucpLocks,
    /// In place of sermux's own.
    pub(crate) signature: Option<String>,
    pub(crate) has_control: bool,
}

/// Whether ports take the lock files that they are configured with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum UucpLocks {
    #[default]
    AsConfigured,
    None,
}

/// What ser2net tells a client that finds the port taken; programs look for it.
const PORT_IN_USE: &str = "Port already in use\r\n";

impl Ser2netSource {
    fn load_blocking(&self, more: &[Text]) -> Result<Loaded, Faults> {
        let imported = ser2net::load_with(self.file.as_deref(), &self.texts)?;
        let mut loaded = of_ser2net(imported, more)?;
        if !self.has_control {
            loaded.config.control = None;
        }
        // It parses: a test serves it.
        let busy: Option<Banner> = PORT_IN_USE.parse().ok();
        for (name, port) in &mut loaded.config.ports {
            let port = Arc::make_mut(port);
            if self.uucp_locks == UucpLocks::None {
                port.lock_file = None;
            }
            for listener in &mut port.listen {
                let listener = Arc::make_mut(listener);
                listener.busy_text = listener.busy_text.take().or_else(|| busy.clone());
                if let (Protocol::Telnet(telnet), Some(signature)) = (&mut listener.protocol, &self.signature) {
                    if telnet.signature == Telnet::new(name).signature {
                        telnet.signature.clone_from(signature);
                    }
                }
            }
        }
        Ok(loaded)
    }

    fn name(&self) -> String {
        self.file.as_ref().map_or_else(|| "the command line".to_owned(), |file| file.display().to_string())
    }
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

    /// What the name `ser2net` was given.
    pub(crate) fn ser2net(source: Ser2netSource) -> ConfigSource {
        ConfigSource { main: Main::Ser2net(Arc::new(source)), ports: Vec::new() }
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
            Main::Ser2net(source) => source.load_blocking(&self.ports),
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
            Main::Ser2net(source) => source.name(),
        }
    }

    /// The file, when there is one.
    pub(crate) fn file(&self) -> Option<&Path> {
        match &self.main {
            Main::File(path) => Some(path),
            Main::Ser2net(source) => source.file.as_deref(),
            Main::Input(_) | Main::Nothing => None,
        }
    }
}
