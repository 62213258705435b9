//! What a port opens: a path, a USB adapter wherever it is plugged in, or a simulated device.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::Serialize;

use super::keys::nearest_or_longer;
use super::sim_meter;
use super::values::one_of;
use crate::error::shown;

/// `device:`
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "String")]
pub enum Device {
    /// A path under /dev (or wherever a tty is).
    Path(PathBuf),
    /// A USB adapter by what it says of itself.
    Usb(Usb),
    /// A simulated device: no hardware.
    Sim(Sim),
}

/// `usb:` and `usb-serial:`, or `device: usb:…`
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Usb {
    /// idVendor of its device descriptor (USB 2.0, 9.6.1).
    pub vendor: u16,
    /// idProduct.
    pub product: u16,
    /// The text of iSerialNumber; `None`: any.
    pub serial: Option<String>,
}

impl Usb {
    /// Longest serial number in characters: a string descriptor has 255 bytes (USB 2.0, 9.6.7).
    const LONGEST_SERIAL: usize = 126;

    /// Vendor and product as lsusb(8) writes them: `0403:6001`.
    pub(super) fn ids(text: &str) -> Result<(u16, u16), DeviceError> {
        let number = |text: &str| {
            let is_number = text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            u16::from_str_radix(text, 16).ok().filter(|_| is_number)
        };
        text.split_once(':')
            .and_then(|(vendor, product)| Some((number(vendor)?, number(product)?)))
            .ok_or_else(|| DeviceError::NotUsbIds(text.to_owned()))
    }

    /// A serial number as sysfs shows it.
    pub(super) fn serial(text: &str) -> Result<String, DeviceError> {
        let fits = (1..=Self::LONGEST_SERIAL).contains(&text.chars().count());
        if fits && !text.chars().any(char::is_control) {
            return Ok(text.to_owned());
        }
        Err(DeviceError::NotUsbSerial(text.to_owned()))
    }
}

impl fmt::Display for Usb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "usb:{:04x}:{:04x}", self.vendor, self.product)?;
        match &self.serial {
            Some(serial) => write!(f, ",{serial}"),
            None => Ok(()),
        }
    }
}

/// `device: sim:…`
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "String")]
pub enum Sim {
    /// `sim:dsmr-p1`: a DSMR 5 meter, a telegram each second.
    DsmrP1,
    /// `sim:echo`: gives back what is written to it.
    Echo,
    /// `sim:dsmr-p1?…`: a meter at the end of a wire, read as a UART with the line's settings would read it.
    Meter(sim_meter::SimMeter),
}

impl Sim {
    /// All of them by the name behind `sim:`.
    pub(crate) const NAMES: [&'static str; 2] = ["dsmr-p1", "echo"];
}

impl fmt::Display for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sim::DsmrP1 => f.write_str("sim:dsmr-p1"),
            Sim::Echo => f.write_str("sim:echo"),
            Sim::Meter(meter) => write!(f, "sim:dsmr-p1?{meter}"),
        }
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
            Device::Usb(usb) => usb.fmt(f),
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
                _ if name.starts_with("dsmr-p1?") => Ok(Device::Sim(Sim::Meter(name["dsmr-p1?".len()..].parse()?))),
                _ => Err(DeviceError::UnknownSim(name.to_owned())),
            };
        }
        if let Some(usb) = text.strip_prefix("usb:") {
            let (ids, serial) = match usb.split_once(',') {
                Some((ids, serial)) => (ids, Some(Usb::serial(serial)?)),
                None => (usb, None),
            };
            let (vendor, product) = Usb::ids(ids)?;
            return Ok(Device::Usb(Usb { vendor, product, serial }));
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
    /// A simulated meter has no such parameter, or not with this value; and what is right.
    SimParameter(String, String),
    /// A later version opens it.
    NotBuilt(&'static str),
    /// A path must say where it begins.
    NotAbsolute(String),
    /// Vendor and product of a USB adapter are four hexadecimal digits each.
    NotUsbIds(String),
    /// No USB adapter has such a serial number.
    NotUsbSerial(String),
}

impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceError::UnknownSim(name) => write!(f, "there is no simulated device `{}`", shown(name)),
            DeviceError::SimParameter(text, _) => {
                write!(f, "a simulated meter does not take `{}`", shown(text))
            }
            DeviceError::NotBuilt(scheme) => write!(f, "`{scheme}` devices are not built yet in this version"),
            DeviceError::NotAbsolute(text) => write!(f, "`{}` is not a full path", shown(text)),
            DeviceError::NotUsbIds(text) => write!(f, "`{}` is not vendor and product of a USB adapter", shown(text)),
            DeviceError::NotUsbSerial(text) => write!(f, "`{}` is no serial number", shown(text)),
        }
    }
}

impl std::error::Error for DeviceError {}

const NO_SERIAL: &str = "`sermux devices` shows the serial numbers; leave `usb-serial` out for an adapter without one";

impl DeviceError {
    /// What would be right.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            DeviceError::UnknownSim(name) => match nearest_or_longer(name, Sim::NAMES.into_iter()) {
                Some(near) => format!("did you mean `sim:{near}`?"),
                None => format!("write {}", one_of(["sim:dsmr-p1", "sim:echo"].into_iter())),
            },
            DeviceError::SimParameter(_, help) => help.clone(),
            DeviceError::NotBuilt(_) => "a device is a path such as /dev/ttyUSB0, sim:dsmr-p1 or sim:echo".to_owned(),
            DeviceError::NotAbsolute(text) if text.starts_with("COM") => {
                "on Linux a serial device is /dev/ttyS0, /dev/ttyUSB0 or the like".to_owned()
            }
            DeviceError::NotAbsolute(text) if text.is_empty() => "write `device: /dev/…`".to_owned(),
            // `serialdev,/dev/ttyS0,9600n81,local` of ser2net, `serial:/dev/ttyS0`, `file:///dev/ttyS0`
            DeviceError::NotAbsolute(text) if text.contains("/dev/") => {
                let path = text[text.find("/dev/").unwrap_or_default()..].split([',', '(']).next().unwrap_or_default();
                format!("write `device: {}`; what follows it at ser2net stands in `line`", shown(path))
            }
            DeviceError::NotAbsolute(text) => {
                format!("did you mean `/dev/{}`?", shown(text.trim_start_matches("dev/")))
            }
            DeviceError::NotUsbIds(_) => "write `device: usb:0403:6001`, as lsusb shows it".to_owned(),
            DeviceError::NotUsbSerial(_) => NO_SERIAL.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_and_written_back() {
        for text in [
            "/dev/ttyAMA0",
            "/dev/serial/by-id/usb-FTDI_FT232R-if00-port0",
            "sim:dsmr-p1",
            "sim:echo",
            "usb:0403:6001",
            "usb:10c4:ea60,0001",
            "usb:1a86:7523,a, b:c",
        ] {
            assert_eq!(text.parse::<Device>().unwrap().to_string(), text);
        }
        let usb = Usb { vendor: 0x10c4, product: 0xea60, serial: Some("A1".into()) };
        assert_eq!("usb:10C4:EA60,A1".parse(), Ok(Device::Usb(usb)), "digits are no matter of capitals");
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
        for text in ["serialdev,/dev/ttyS0,9600n81,local", "serial:/dev/ttyS0", "file:///dev/ttyS0"] {
            let help = text.parse::<Device>().unwrap_err().help();
            assert!(help.starts_with("write `device: /dev/ttyS0`"), "{text}: {help}");
        }
        assert_eq!("".parse::<Device>(), Err(DeviceError::NotAbsolute(String::new())));
        for ids in ["", "0403", "0403:", "403:6001", "0x0403:0x6001", "+403:6001", "0403:60010", "0403:6001:1", "ftdi"]
        {
            assert_eq!(format!("usb:{ids}").parse::<Device>(), Err(DeviceError::NotUsbIds(ids.into())));
        }
        for serial in [String::new(), "a\nb".to_owned(), "x".repeat(127)] {
            assert_eq!(format!("usb:0403:6001,{serial}").parse::<Device>(), Err(DeviceError::NotUsbSerial(serial)));
        }
    }
}
