//! Trees of /sys, /proc, /dev and /run as machines have them, for tests.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::Root;

/// A machine in a folder. Nodes in /dev are plain files.
pub(crate) struct Tree(TempDir);

/// Where PCI's USB host controller is.
const XHCI: &str = "/sys/devices/pci0000:00/0000:00:14.0/usb1";

impl Tree {
    pub(crate) fn new() -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        for name in ["console", "ptmx", "tty", "tty0", "tty1", "ttyprintk"] {
            tree.folder(&format!("/sys/devices/virtual/tty/{name}"));
            tree.tty_class(name, &format!("/sys/devices/virtual/tty/{name}"));
        }
        tree.file("/sys/class/tty/console/active", "tty0");
        tree.file("/proc/cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro quiet");
        tree
    }

    pub(crate) fn root(&self) -> Root {
        Root::at(self.0.path())
    }

    pub(crate) fn folder(&self, path: &str) -> PathBuf {
        let path = self.root().path(path);
        fs::create_dir_all(&path).unwrap();
        path
    }

    pub(crate) fn file(&self, path: &str, text: &str) {
        let path = self.root().path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{text}\n")).unwrap();
    }

    /// A link between two places of the machine, relative as the kernel's and udev's are.
    pub(crate) fn link(&self, from: &str, to: &str) {
        let up: PathBuf = Path::new(from).parent().unwrap().components().skip(1).map(|_| "..").collect();
        let path = self.root().path(from);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(up.join(to.trim_start_matches('/')), path).unwrap();
    }

    /// A link with this text, as in /proc/PID/fd.
    pub(crate) fn absolute_link(&self, from: &str, text: &str) {
        let path = self.root().path(from);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(text, path).unwrap();
    }

    fn tty_class(&self, name: &str, folder: &str) {
        self.link(&format!("/sys/class/tty/{name}"), folder);
        self.file(&format!("/dev/{name}"), "");
    }

    /// A bus and a driver for a device.
    fn bound(&self, device: &str, bus: &str, driver: &str) {
        self.folder(&format!("/sys/bus/{bus}/drivers/{driver}"));
        self.link(&format!("{device}/subsystem"), &format!("/sys/bus/{bus}"));
        self.link(&format!("{device}/driver"), &format!("/sys/bus/{bus}/drivers/{driver}"));
    }

    /// A UART as kernels before 6.5 have it.
    fn uart(&self, name: &str, device: &str, bus: &str, driver: &str, kind: u32) {
        self.bound(device, bus, driver);
        self.tty_of(name, device, kind);
    }

    /// A UART as kernels since 6.5 have it: on a port of a controller.
    fn managed_uart(&self, name: &str, device: &str, bus: &str, driver: &str, kind: u32) {
        self.bound(device, bus, driver);
        let hardware = device.rsplit('/').next().unwrap();
        let controller = format!("{device}/{hardware}:0");
        self.bound(&controller, "serial-base", "ctrl");
        let port = format!("{controller}/{hardware}:0.0");
        self.bound(&port, "serial-base", "port");
        self.tty_of(name, &port, kind);
    }

    fn tty_of(&self, name: &str, device: &str, kind: u32) {
        let folder = format!("{device}/tty/{name}");
        self.folder(&folder);
        self.link(&format!("{folder}/device"), device);
        self.file(&format!("{folder}/type"), &kind.to_string());
        self.tty_class(name, &folder);
    }

    fn usb_folder(location: &str) -> String {
        match location.split_once('.') {
            Some((hub, _)) => format!("{XHCI}/{hub}/{location}"),
            None => format!("{XHCI}/{location}"),
        }
    }

    /// What is plugged in at a place such as `1-2.1`, without a driver.
    pub(crate) fn usb_adapter(&self, location: &str, vendor: &str, product: &str, texts: &[(&str, &str)]) {
        let folder = Self::usb_folder(location);
        self.file(&format!("{folder}/idVendor"), vendor);
        self.file(&format!("{folder}/idProduct"), product);
        for (name, text) in texts {
            self.file(&format!("{folder}/{name}"), text);
        }
        self.bound(&folder, "usb", "usb");
        self.link(&format!("/sys/bus/usb/devices/{location}"), &folder);
        self.interface(location, 0);
    }

    fn interface(&self, location: &str, interface: usize) -> String {
        let name = format!("{location}:1.{interface}");
        let folder = format!("{}/{name}", Self::usb_folder(location));
        let path = self.root().path(&folder);
        if !path.exists() {
            self.file(&format!("{folder}/bInterfaceNumber"), &format!("{interface:02x}"));
            self.link(&format!("{folder}/subsystem"), "/sys/bus/usb");
            self.link(&format!("/sys/bus/usb/devices/{name}"), &folder);
        }
        folder
    }

    /// A port of a usb-serial driver on an adapter, with the links that udev makes.
    pub(crate) fn usb_serial(&self, location: &str, interface: usize, name: &str, driver: &str) {
        let port = format!("{}/{name}", self.interface(location, interface));
        self.file(&format!("{port}/port_number"), "0");
        self.bound(&port, "usb-serial", driver);
        let folder = format!("{port}/tty/{name}");
        self.folder(&folder);
        self.link(&format!("{folder}/device"), &port);
        self.tty_class(name, &folder);
        let by_path = format!("/dev/serial/by-path/pci-0000:00:14.0-usb-0:{}:1.{interface}-port0", &location[2..]);
        self.link(&by_path, &format!("/dev/{name}"));
    }

    /// The port of a CDC ACM device.
    fn cdc_acm(&self, location: &str, name: &str) {
        let interface = self.interface(location, 0);
        self.folder("/sys/bus/usb/drivers/cdc_acm");
        self.link(&format!("{interface}/driver"), "/sys/bus/usb/drivers/cdc_acm");
        let folder = format!("{interface}/tty/{name}");
        self.folder(&folder);
        self.link(&format!("{folder}/device"), &interface);
        self.tty_class(name, &folder);
    }

    pub(crate) fn by_id(&self, id: &str, name: &str) {
        self.link(&format!("/dev/serial/by-id/{id}"), &format!("/dev/{name}"));
    }

    /// A process with open files.
    pub(crate) fn process(&self, pid: u32, program: &str, files: &[&str]) {
        self.file(&format!("/proc/{pid}/comm"), program);
        self.absolute_link(&format!("/proc/{pid}/fd/0"), "/dev/null");
        self.absolute_link(&format!("/proc/{pid}/fd/1"), "socket:[4711]");
        for (index, file) in files.iter().enumerate() {
            self.absolute_link(&format!("/proc/{pid}/fd/{}", index + 3), file);
        }
    }
}

/// A PC with one real UART of the four that its kernel reserves, and with FTDI, CP2102, CH340, a Pico and a modem.
pub(crate) fn debian_pc() -> Tree {
    let pc = Tree::new();
    pc.managed_uart("ttyS0", "/sys/devices/pnp0/00:05", "pnp", "serial", 4);
    for name in ["ttyS1", "ttyS2", "ttyS3"] {
        pc.uart(name, &format!("/sys/devices/platform/serial8250/{name}"), "platform", "serial8250", 0);
    }
    let ftdi = [("manufacturer", "FTDI"), ("product", "FT232R USB UART"), ("serial", "A1B2C3D4")];
    pc.usb_adapter("1-1", "0403", "6001", &ftdi);
    pc.usb_serial("1-1", 0, "ttyUSB0", "ftdi_sio");
    pc.by_id("usb-FTDI_FT232R_USB_UART_A1B2C3D4-if00-port0", "ttyUSB0");
    // A hub between.
    pc.usb_adapter("1-2", "05e3", "0608", &[("product", "USB2.0 Hub")]);
    let silabs =
        [("manufacturer", "Silicon Labs"), ("product", "CP2102 USB to UART Bridge Controller"), ("serial", "0001")];
    pc.usb_adapter("1-2.1", "10c4", "ea60", &silabs);
    pc.usb_serial("1-2.1", 0, "ttyUSB1", "cp210x");
    pc.by_id("usb-Silicon_Labs_CP2102_USB_to_UART_Bridge_Controller_0001-if00-port0", "ttyUSB1");
    pc.usb_adapter("1-2.2", "1a86", "7523", &[("product", "USB Serial")]);
    pc.usb_serial("1-2.2", 0, "ttyUSB2", "ch341-uart");
    pc.by_id("usb-1a86_USB_Serial-if00-port0", "ttyUSB2");
    let pico = [("manufacturer", "Raspberry Pi"), ("product", "Pico"), ("serial", "E6614C311B4C8A2F")];
    pc.usb_adapter("1-3", "2e8a", "0005", &pico);
    pc.cdc_acm("1-3", "ttyACM0");
    pc.by_id("usb-Raspberry_Pi_Pico_E6614C311B4C8A2F-if00", "ttyACM0");
    pc.usb_adapter("1-4", "12d1", "1001", &[("manufacturer", "HUAWEI"), ("product", "HUAWEI Mobile")]);
    pc.usb_serial("1-4", 0, "ttyUSB3", "option1");
    pc.usb_serial("1-4", 1, "ttyUSB10", "option1");
    pc
}

/// A Raspberry Pi 4 as it comes: PL011 for Bluetooth, mini UART on the pins, with the console on it.
pub(crate) fn raspberry_pi_4() -> Tree {
    let pi = Tree::new();
    pi.uart("ttyAMA0", "/sys/devices/platform/soc/fe201000.serial", "amba", "uart-pl011", 32);
    pi.uart("ttyS0", "/sys/devices/platform/soc/fe215040.serial", "platform", "bcm2835-aux-uart", 3);
    pi.file("/sys/firmware/devicetree/base/model", "Raspberry Pi 4 Model B Rev 1.4\0");
    pi.link("/dev/serial0", "/dev/ttyS0");
    pi.link("/dev/serial1", "/dev/ttyAMA0");
    pi.file("/sys/class/tty/console/active", "ttyS0 tty1");
    pi.file("/proc/cmdline", "console=ttyS0,115200 console=tty1 root=PARTUUID=1-02 rootwait");
    pi
}
