//! Setting up a port: chooses the device, writes the file, and can undo it.
//!
//! Nothing here asks anybody, opens a device or talks to a daemon; `cli/setup.rs` does.

pub(crate) mod choice;
pub(crate) mod files;

use sermux_port_config::line::LineSettings;
use sermux_protocol::verdict::Cause;

/// The port that is set up.
pub(crate) const PORT: &str = "p1";

/// How a meter is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MeterSetup {
    /// The profile that fits.
    pub(crate) profile: &'static str,
    /// Where the profile has other settings.
    pub(crate) line: Option<LineSettings>,
    /// A meter was heard like this.
    pub(crate) is_meter: bool,
}

impl Default for MeterSetup {
    /// DSMR 4 and 5: almost every meter.
    fn default() -> MeterSetup {
        MeterSetup { profile: "dsmr-p1", line: None, is_meter: false }
    }
}

impl MeterSetup {
    /// As the meter was heard; `None`: what was heard is no meter.
    pub(crate) fn of(cause: &Cause, settings: LineSettings) -> Option<MeterSetup> {
        let reading = match cause {
            Cause::P1(_) => MeterSetup::with(settings),
            Cause::SevenBitParity => MeterSetup::of_old_meter(),
            Cause::EncryptedP1 => {
                let is_usual = settings.to_string() == "115200 8N1";
                MeterSetup { profile: "p1-luxembourg", line: (!is_usual).then_some(settings), ..MeterSetup::default() }
            }
            _ => return None,
        };
        Some(MeterSetup { is_meter: true, ..reading })
    }

    /// The keys of the configuration, in words.
    pub(crate) fn keys(&self) -> String {
        let line = self.line.map_or_else(String::new, |line| format!(" with `line: {line}`"));
        format!("`profile: {}`{line}", self.profile)
    }

    /// DSMR 2 and 3.
    pub(crate) fn of_old_meter() -> MeterSetup {
        MeterSetup { profile: "dsmr-p1-v2", ..MeterSetup::default() }
    }

    /// With these settings.
    pub(crate) fn with(settings: LineSettings) -> MeterSetup {
        match settings.to_string().as_str() {
            "115200 8N1" => MeterSetup::default(),
            "9600 7E1" => MeterSetup::of_old_meter(),
            _ => MeterSetup { line: Some(settings), ..MeterSetup::default() },
        }
    }
}

/// Its file, as text: a device and an address are quoted, so that nothing in them is read as YAML.
pub(crate) fn yaml(device: &str, reading: MeterSetup, address: &str) -> String {
    let (device, address) = (quoted(device), quoted(address));
    let MeterSetup { profile, line, .. } = reading;
    let line = line.map_or_else(String::new, |line| format!("    line: {line}\n"));
    format!(
        "# The P1 port of a smart meter; written by `sermux setup p1`.\nports:\n  {PORT}:\n    device: {device}\n    \
         profile: {profile}\n{line}    listen:\n      - {{ protocol: raw, address: {address} }}\n"
    )
}

/// In double quotes of YAML (1.2.2, 7.3.1): JSON's are among them.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use sermux_port_config::config::load::load_str;

    use super::*;

    #[test]
    fn the_file_is_a_good_configuration_whatever_the_device_is_called() {
        for device in ["/dev/ttyAMA0", "/dev/serial/by-id/usb-a b\"c#: d", "sim:dsmr-p1"] {
            let config = load_str("p1.yaml", &yaml(device, MeterSetup::default(), "*:9000")).unwrap().config;
            assert_eq!(config.ports[PORT].device.to_string(), device);
            assert_eq!(config.ports[PORT].listen[0].address.to_string(), "*:9000");
        }
    }

    #[test]
    fn a_meter_is_read_as_it_was_heard() {
        for (heard, profile) in [("115200 8N1", "dsmr-p1"), ("9600 7E1", "dsmr-p1-v2"), ("9600 8N1", "dsmr-p1")] {
            let reading = MeterSetup::with(heard.parse().unwrap());
            assert_eq!((reading.profile, reading.line.is_some()), (profile, heard == "9600 8N1"));
            let config = load_str("p1.yaml", &yaml("/dev/ttyUSB0", reading, "*:9000")).unwrap().config;
            assert_eq!(config.ports[PORT].line.settings.to_string(), heard);
        }
    }

    #[test]
    fn an_encrypted_meter_has_its_own_profile() {
        for heard in ["115200 8N1", "9600 8N1"] {
            let reading = MeterSetup::of(&Cause::EncryptedP1, heard.parse().unwrap()).unwrap();
            let text = yaml("/dev/ttyUSB0", reading, "*:9000");
            assert!(text.contains("profile: p1-luxembourg\n"), "{text}");
            let config = load_str("p1.yaml", &text).unwrap().config;
            assert_eq!(config.ports[PORT].line.settings.to_string(), heard);
        }
    }
}
