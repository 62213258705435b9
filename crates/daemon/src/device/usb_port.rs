//! A USB adapter's description of itself and of one of its serial ports.

use std::path::Path;

use super::{printable, text};

/// A serial port of an adapter. Texts are as the adapter has them: not for a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsbPort {
    /// idVendor.
    pub vendor: u16,
    /// idProduct.
    pub product: u16,
    /// iSerialNumber; cheap adapters have none.
    pub serial: Option<String>,
    /// iManufacturer.
    pub manufacturer: Option<String>,
    /// iProduct.
    pub product_text: Option<String>,
    /// bInterfaceNumber: which of the adapter's interfaces it is.
    pub interface: Option<u8>,
    /// Which port of that interface, where there can be several.
    pub port: Option<u8>,
    /// The interface as the bus names it: `1-1.2:1.0` is bus 1, port 1 of the machine, port 2 of the hub there.
    pub location: String,
    /// The adapter as the bus names it: `1-1.2`.
    pub adapter: String,
}

impl UsbPort {
    /// Of the device that a tty belongs to: a USB interface, or a usb-serial port below one.
    pub(super) fn of(hardware: &Path) -> Option<UsbPort> {
        let adapter = hardware.ancestors().find(|folder| folder.join("idVendor").exists())?;
        let interface = hardware.ancestors().find(|folder| folder.join("bInterfaceNumber").exists());
        let id = |name| u16::from_str_radix(&text(&adapter.join(name))?, 16).ok();
        let name_of = |folder: &Path| Some(folder.file_name()?.to_string_lossy().into_owned());
        Some(UsbPort {
            vendor: id("idVendor")?,
            product: id("idProduct")?,
            serial: text(&adapter.join("serial")),
            manufacturer: text(&adapter.join("manufacturer")),
            product_text: text(&adapter.join("product")),
            interface: interface
                .and_then(|folder| u8::from_str_radix(&text(&folder.join("bInterfaceNumber"))?, 16).ok()),
            port: text(&hardware.join("port_number")).and_then(|number| number.parse().ok()),
            location: name_of(interface.unwrap_or(adapter))?,
            adapter: name_of(adapter)?,
        })
    }

    /// For a person: `FTDI FT232R USB UART`.
    pub(super) fn description(&self) -> String {
        let product = self.product_text.as_deref().unwrap_or("USB serial adapter");
        printable(&match &self.manufacturer {
            Some(manufacturer) if !product.starts_with(manufacturer.as_str()) => format!("{manufacturer} {product}"),
            _ => product.to_owned(),
        })
    }

    /// The serial number as a terminal may have it.
    pub fn serial_text(&self) -> Option<String> {
        self.serial.as_deref().map(printable)
    }

    /// As a configuration names it, with the serial number if it has one.
    pub(super) fn name(&self) -> String {
        let ids = format!("{:04x}:{:04x}", self.vendor, self.product);
        match &self.serial {
            Some(serial) => format!("{ids} (serial number {})", printable(serial)),
            None => format!("{ids} (without serial number)"),
        }
    }
}
