//! What a port opens: a path, or a simulated device.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::Serialize;

use crate::error::shown;

/// `device:`
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "String")]
pub enum Device {
    /// A path under /dev (or wherever a tty is).
    Path(PathBuf),
    /// A simulated device: no hardware.
    Sim(Sim),
}

/// `device: sim:…`
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "String")]
pub enum Sim {
    /// `sim:dsmr-p1`: a DSMR 5 meter, a telegram each second.
    DsmrP1,
    /// `sim:echo`: gives back what is written to it.
    Echo,
}

impl Sim {
    /// All of them by the name behind `sim:`.
    pub(crate) const NAMES: [&'static str; 2] = ["dsmr-p1", "echo"];
}

impl fmt::Display for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Sim::DsmrP1 => "sim:dsmr-p1",
            Sim::Echo => "sim:echo",
        })
    }
}

impl From<Sim> for String {
    fn from(sim: Sim) -> String {
        sim.to_string()
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Path(path) => path.display().fmt(f),
            Device::Sim(sim) => sim.fmt(f),
        }
    }
}

impl From<Device> for String {
    fn from(device: Device) -> String {
        device.to_string()
    }
}

impl FromStr for Device {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        if let Some(name) = text.strip_prefix("sim:") {
            return match name {
                "dsmr-p1" => Ok(Device::Sim(Sim::DsmrP1)),
                "echo" => Ok(Device::Sim(Sim::Echo)),
                _ => Err(DeviceError::UnknownSim(name.to_owned())),
            };
        }
        if let Some(scheme) = LATER.into_iter().find(|scheme| text.starts_with(scheme)) {
            return Err(DeviceError::NotBuilt(scheme));
        }
        if !text.starts_with('/') {
            return Err(DeviceError::NotAbsolute(text.to_owned()));
        }
        Ok(Device::Path(PathBuf::from(text)))
    }
}

/// What later versions open.
const LATER: [&str; 5] = ["tcp://", "rfc2217://", "rfc2217s://", "tls://", "replay:"];

/// Text that is not a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceError {
    /// There is no simulated device of that name.
    UnknownSim(String),
    /// A later version opens it.
    NotBuilt(&'static str),
    /// A path must say where it begins.
    NotAbsolute(String),
}

impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceError::UnknownSim(name) => write!(f, "there is no simulated device `{}`", shown(name)),
            DeviceError::NotBuilt(scheme) => write!(f, "`{scheme}` devices are not built yet in this version"),
            DeviceError::NotAbsolute(text) => write!(f, "`{}` is not a full path", shown(text)),
        }
    }
}

impl std::error::Error for DeviceError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_and_written_back() {
        for text in ["/dev/ttyAMA0", "/dev/serial/by-id/usb-FTDI_FT232R-if00-port0", "sim:dsmr-p1", "sim:echo"] {
            assert_eq!(text.parse::<Device>().unwrap().to_string(), text);
        }
        assert_eq!(
            Sim::NAMES.map(|name| format!("sim:{name}").parse::<Device>().is_ok()),
            [true, true],
            "every name that is suggested exists"
        );
    }

    #[test]
    fn what_cannot_be_opened_is_told_apart() {
        assert_eq!("sim:meter".parse::<Device>(), Err(DeviceError::UnknownSim("meter".into())));
        assert_eq!("tcp://10.0.0.1:23".parse::<Device>(), Err(DeviceError::NotBuilt("tcp://")));
        assert_eq!("ttyUSB0".parse::<Device>(), Err(DeviceError::NotAbsolute("ttyUSB0".into())));
        assert_eq!("".parse::<Device>(), Err(DeviceError::NotAbsolute(String::new())));
    }
}
