//! Raspberry Pis as a fresh Raspberry Pi OS leaves them, after what its makers publish: the documentation ("Configuring
//! UARTs"), cmdline.txt and config.txt of pi-gen, the udev rules of raspberrypi-sys-mods, and a report about bookworm
//! (pi-gen, issue 745): a UART that the kernel uses for Bluetooth has no node.

use crate::device::tree::Tree;

/// A model with what its kernel tells about it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Model {
    pub(super) name: &'static str,
    revision: &'static str,
    serial: &'static str,
    /// The UART on the pins once it is switched on, and whether it is without being asked for.
    primary: &'static str,
    is_on: bool,
    /// Where Bluetooth is.
    pub(super) bluetooth: Option<&'static str>,
    uarts: &'static [(&'static str, &'static str)],
}

const OLD: &[(&str, &str)] = &[("uart0", "/soc/serial@7e201000"), ("uart1", "/soc/serial@7e215040")];
const RP1: &[(&str, &str)] =
    &[("uart0", "/axi/pcie@1000120000/rp1/serial@30000"), ("uart10", "/soc@107c000000/serial@7d001000")];

pub(super) const PI_1: Model = Model {
    name: "Raspberry Pi Model B Rev 2",
    revision: "000e",
    serial: "00000000b2c3d4e5",
    primary: "ttyAMA0",
    is_on: true,
    bluetooth: None,
    uarts: OLD,
};
pub(super) const PI_3: Model = Model {
    name: "Raspberry Pi 3 Model B Plus Rev 1.3",
    revision: "a020d3",
    serial: "00000000a1b2c3d4",
    ..WITH_BLUETOOTH
};
pub(super) const PI_4: Model =
    Model { name: "Raspberry Pi 4 Model B Rev 1.4", revision: "c03114", serial: "10000000a1b2c3d4", ..WITH_BLUETOOTH };
pub(super) const PI_5: Model = Model {
    name: "Raspberry Pi 5 Model B Rev 1.0",
    revision: "d04170",
    serial: "a1b2c3d4e5f60718",
    primary: "ttyAMA10",
    is_on: true,
    bluetooth: None,
    uarts: RP1,
};
pub(super) const ZERO_W: Model =
    Model { name: "Raspberry Pi Zero W Rev 1.1", revision: "9000c1", serial: "00000000131a2b3c", ..WITH_BLUETOOTH };
pub(super) const ZERO_2: Model =
    Model { name: "Raspberry Pi Zero 2 W Rev 1.0", revision: "902120", serial: "00000000d1e2f304", ..WITH_BLUETOOTH };

const WITH_BLUETOOTH: Model = Model {
    name: "",
    revision: "",
    serial: "",
    primary: "ttyS0",
    is_on: false,
    bluetooth: Some("ttyAMA0"),
    uarts: OLD,
};

pub(super) const ALL: [Model; 6] = [PI_1, PI_3, PI_4, PI_5, ZERO_W, ZERO_2];

/// What pi-gen writes, without its remarks.
const CONFIG: &str = "# For more options and information see\n# http://rptl.io/configtxt\n\n#dtparam=i2c_arm=on\n#dtparam=spi=on\n\n\
    dtparam=audio=on\ncamera_auto_detect=1\ndisplay_auto_detect=1\nauto_initramfs=1\ndtoverlay=vc4-kms-v3d\nmax_framebuffers=2\n\
    disable_fw_kms_setup=1\narm_64bit=1\ndisable_overscan=1\narm_boost=1\n\n[cm4]\notg_mode=1\n\n[cm5]\ndtoverlay=dwc2,dr_mode=host\n\n[all]";

/// What is behind the consoles in cmdline.txt.
const ROOT: &str = "root=PARTUUID=4c4e106f-02 rootfstype=ext4 fsck.repair=yes rootwait";

/// How somebody has left it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left<'a> {
    /// Below the `[all]` at the end of config.txt.
    pub(super) config: &'a str,
    /// Whether the console is still on serial0.
    pub(super) console: bool,
}

/// As the card was written.
pub(super) const FRESH: Left<'_> = Left { config: "", console: true };

/// Bookworm and later, once it has started with this.
pub(super) fn bookworm(model: Model, left: Left<'_>) -> Tree {
    let has = |text: &str| left.config.lines().any(|line| line == text);
    let (primary, bluetooth) = match model.bluetooth {
        Some(_) if has("dtoverlay=disable-bt") => ("ttyAMA0", None),
        Some(_) if has("dtoverlay=miniuart-bt") => ("ttyAMA0", Some("ttyS0")),
        bluetooth => (model.primary, bluetooth),
    };
    let is_on = model.is_on || primary == "ttyAMA0" || has("enable_uart=1");
    let pi = machine(model, primary, left, "/boot/firmware");
    if is_on {
        pi.file(&format!("/dev/{primary}"), "");
        pi.link("/dev/serial0", &format!("/dev/{primary}"));
    }
    if has("dtparam=uart0=on") && primary == "ttyAMA10" {
        pi.file("/dev/ttyAMA0", "");
    }
    assert_ne!(bluetooth, Some(primary), "the kernel has it, so that there is no node");
    console(&pi, primary, is_on && left.console);
    pi.absolute_link("/boot/config.txt", "firmware/config.txt");
    pi
}

/// Bullseye and earlier: Bluetooth by a service, on a UART with a node.
pub(super) fn bullseye(model: Model, left: Left<'_>) -> Tree {
    let is_off = left.config.lines().any(|line| line == "dtoverlay=disable-bt");
    let primary = if model.bluetooth.is_some() && is_off { "ttyAMA0" } else { model.primary };
    let pi = machine(model, primary, left, "/boot");
    pi.file(&format!("/dev/{primary}"), "");
    pi.link("/dev/serial0", &format!("/dev/{primary}"));
    if let Some(other) = model.bluetooth {
        let secondary = if primary == other { "ttyS0" } else { other };
        pi.file(&format!("/dev/{secondary}"), "");
        pi.link("/dev/serial1", &format!("/dev/{secondary}"));
        pi.absolute_link(
            "/etc/systemd/system/multi-user.target.wants/hciuart.service",
            "/lib/systemd/system/hciuart.service",
        );
    }
    console(&pi, primary, left.console);
    pi
}

fn machine(model: Model, primary: &str, left: Left<'_>, boot: &str) -> Tree {
    let pi = Tree::new();
    pi.file("/proc/device-tree/model", &format!("{}\0", model.name));
    pi.file("/proc/device-tree/serial-number", &format!("{}\0", model.serial));
    for (alias, path) in model.uarts {
        pi.file(&format!("/proc/device-tree/aliases/{alias}"), &format!("{path}\0"));
    }
    let (revision, serial, name) = (model.revision, model.serial, model.name);
    pi.file(
        "/proc/cpuinfo",
        &format!(
            "processor\t: 0\nBogoMIPS\t: 108.00\n\nRevision\t: {revision}\nSerial\t\t: {serial}\nModel\t\t: {name}"
        ),
    );
    pi.file(&format!("{boot}/config.txt"), &format!("{CONFIG}\n{}", left.config));
    let serial0 = if left.console { "console=serial0,115200 " } else { "" };
    pi.file(&format!("{boot}/cmdline.txt"), &format!("{serial0}console=tty1 {ROOT}"));
    // The firmware puts the name of the node in, and things of its own before.
    let serial0 = if left.console { format!("console={primary},115200 ") } else { String::new() };
    pi.file("/proc/cmdline", &format!("coherent_pool=1M vc_mem.mem_base=0x3ec00000 {serial0}console=tty1 {ROOT}"));
    pi.file(
        "/etc/passwd",
        "root:x:0:0:root:/root:/bin/bash\nsermux:x:990:990::/run/sermux:/usr/sbin/nologin\nanna:x:1000:1000:,,,:/home/anna:/bin/bash",
    );
    pi.file("/etc/group", "root:x:0:\ntty:x:5:\ndialout:x:20:sermux,anna");
    pi
}

/// The kernel's console, and the login prompt that systemd-getty-generator makes for it.
fn console(pi: &Tree, primary: &str, is_on: bool) {
    let active = if is_on { format!("{primary} tty1") } else { "tty1".to_owned() };
    pi.file("/sys/class/tty/console/active", &active);
    if is_on {
        pi.absolute_link(
            &format!("/run/systemd/generator/getty.target.wants/serial-getty@{primary}.service"),
            "/lib/systemd/system/serial-getty@.service",
        );
    }
}
