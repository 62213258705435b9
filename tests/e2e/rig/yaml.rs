//! Configuration files, written the way a user writes them.

use std::fmt;
use std::path::Path;

/// One entry of `ports:`.
#[derive(Clone, Debug)]
pub(crate) struct PortYaml {
    name: String,
    keys: Vec<String>,
    listeners: Vec<String>,
}

impl PortYaml {
    pub(crate) fn new(name: &str, device: impl AsRef<Path>) -> Self {
        let device = format!("device: {}", device.as_ref().display());
        Self { name: name.to_owned(), keys: vec![device], listeners: Vec::new() }
    }

    /// A key of the port: `frame: dsmr`.
    pub(crate) fn key(mut self, key: &str) -> Self {
        self.keys.push(key.to_owned());
        self
    }

    /// A raw listener on 127.0.0.1 with these further keys: `max-clients: 1, access: read-only`.
    pub(crate) fn listen(self, keys: &str) -> Self {
        self.listen_on("127.0.0.1:0", keys)
    }

    /// A raw listener on this address.
    pub(crate) fn listen_on(self, address: &str, keys: &str) -> Self {
        self.listener("raw", address, keys)
    }

    /// A telnet listener on this address.
    pub(crate) fn telnet_on(self, address: &str, keys: &str) -> Self {
        self.listener("telnet", address, keys)
    }

    fn listener(mut self, protocol: &str, address: &str, keys: &str) -> Self {
        let comma = if keys.is_empty() { "" } else { ", " };
        self.listeners.push(format!("{{ protocol: {protocol}, address: \"{address}\"{comma}{keys} }}"));
        self
    }

    /// The entry alone, to stand below `ports:`.
    pub(crate) fn entry(&self) -> String {
        let mut text = format!("  {}:\n", self.name);
        for key in &self.keys {
            text += &format!("    {key}\n");
        }
        text += "    listen:\n";
        for listener in &self.listeners {
            text += &format!("      - {listener}\n");
        }
        text
    }
}

/// A file with this port alone.
impl fmt::Display for PortYaml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ports:\n{}", self.entry())
    }
}
