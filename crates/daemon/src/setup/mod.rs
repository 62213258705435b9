//! Setting up a port: which device, which file, and putting it there so that it can be taken back.
//!
//! Nothing here asks anybody or talks to a daemon; `cli/setup.rs` does. No device is opened: whoever has listened on the
//! candidates may say by [`Candidate`] which there are.

pub(crate) mod choice;
pub(crate) mod files;

/// The port that is set up.
pub(crate) const PORT: &str = "p1";

/// Its file, as text: a device and an address are quoted, so that nothing in them is read as YAML.
pub(crate) fn yaml(device: &str, address: &str) -> String {
    let (device, address) = (quoted(device), quoted(address));
    format!(
        "# The P1 port of a smart meter; written by `sermux setup p1`.\nports:\n  {PORT}:\n    device: {device}\n    \
         profile: dsmr-p1\n    listen:\n      - {{ protocol: raw, address: {address} }}\n"
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
            let config = load_str("p1.yaml", &yaml(device, "*:9000")).unwrap().config;
            assert_eq!(config.ports[PORT].device.to_string(), device);
            assert_eq!(config.ports[PORT].listen[0].address.to_string(), "*:9000");
        }
    }
}
