//! Machines as they come and as they should be: the right cause, and the right line to change.

use std::path::Path;

use sermux_port_config::config::load::load_str;
use sermux_port_config::line::Parity;

use super::trees::{self, bookworm, bullseye, Left, ALL, FRESH};
use super::{Finding, Machine, Severity, WantedDevice};
use crate::device::tree::Tree;

const PI_1: &str = trees::PI_1.name;
const PI_3: &str = trees::PI_3.name;
const PI_4: &str = trees::PI_4.name;
const PI_5: &str = trees::PI_5.name;
const ZERO_W: &str = trees::ZERO_W.name;
const ZERO_2: &str = trees::ZERO_2.name;

const CONFIG: &str = "/boot/firmware/config.txt";
const CMDLINE: &str = "/boot/firmware/cmdline.txt";
const GROUP: &str = "/etc/group";

/// A Raspberry Pi that is set up as one would have it.
fn pi(model: &str, config: &str, nodes: &[&str], serial0: &str) -> Tree {
    let pi = Tree::new();
    pi.file("/proc/device-tree/model", &format!("{model}\0"));
    pi.file(CONFIG, config);
    pi.file(CMDLINE, "console=tty1 root=PARTUUID=1-02 rootwait");
    pi.file("/proc/cmdline", "console=tty1 root=PARTUUID=1-02 rootwait");
    pi.file("/etc/passwd", "root:x:0:0::/root:/bin/bash\nsermux:x:990:990::/run/sermux:/sbin/nologin\nanna:x:1000:1000::/home/anna:/bin/sh");
    pi.file(GROUP, "root:x:0:\ndialout:x:20:sermux,anna");
    for node in nodes {
        pi.file(node, "");
    }
    pi.link("/dev/serial0", serial0);
    pi
}

fn good(model: &str) -> Tree {
    let (config, serial0) = match model {
        PI_5 => ("[all]\ndtparam=uart0=on", "/dev/ttyAMA10"),
        PI_1 => ("[all]\nenable_uart=1", "/dev/ttyAMA0"),
        _ => ("[all]\nenable_uart=1\ndtoverlay=disable-bt", "/dev/ttyAMA0"),
    };
    pi(model, config, &["/dev/ttyAMA0", "/dev/ttyAMA10"], serial0)
}

fn look(tree: &Tree, device: &str) -> Vec<Finding> {
    let root = tree.root();
    let found = Machine::of(&root).examine(&[WantedDevice::path(device)], &[], Path::new("/none"), Some("anna"));
    found.into_iter().filter(|finding| finding.severity != Severity::Good).collect()
}

#[track_caller]
fn only(tree: &Tree, device: &str, severity: Severity, what: &str, place: (&str, Option<usize>), to_do: &str) {
    let found = look(tree, device);
    let [finding] = &found[..] else { panic!("not one finding: {found:#?}") };
    assert_eq!(finding.severity, severity, "{finding:#?}");
    assert!(finding.what.contains(what), "{finding:#?}");
    assert_eq!((finding.file.as_deref(), finding.line), (Some(place.0), place.1), "{finding:#?}");
    assert!(finding.to_do.iter().any(|step| step.contains(to_do)), "{finding:#?}");
}

#[test]
fn there_is_nothing_to_complain_about_on_a_good_one() {
    for model in [PI_1, PI_3, PI_4, PI_5, ZERO_W, ZERO_2] {
        assert_eq!(look(&good(model), "/dev/ttyAMA0"), [], "{model}");
    }
}

#[test]
fn bluetooth_has_the_uart_unless_an_overlay_says_otherwise() {
    for model in [PI_3, PI_4, ZERO_W, ZERO_2] {
        let pi = pi(model, "[all]\nenable_uart=1", &["/dev/ttyAMA0", "/dev/ttyS0"], "/dev/ttyS0");
        only(
            &pi,
            "/dev/ttyAMA0",
            Severity::Bad,
            "Bluetooth has this UART",
            (CONFIG, None),
            "[all]: dtoverlay=disable-bt",
        );
        only(&pi, "/dev/serial0", Severity::Warning, "mini UART", (CONFIG, None), "dtoverlay=disable-bt");
        pi.file("/etc/systemd/system/multi-user.target.wants/hciuart.service", "");
        only(&pi, "/dev/ttyAMA0", Severity::Bad, "Bluetooth", (CONFIG, None), "sudo systemctl disable hciuart");
    }
}

#[test]
fn an_overlay_without_effect_is_shown_in_its_line() {
    let nodes = ["/dev/ttyAMA0", "/dev/ttyS0"];
    let remark = pi(PI_4, "enable_uart=1\n\n#dtoverlay=miniuart-bt", &nodes, "/dev/ttyS0");
    only(&remark, "/dev/ttyAMA0", Severity::Bad, "Bluetooth", (CONFIG, Some(3)), "remove the # from line 3");
    let other = pi(PI_4, "enable_uart=1\n[pi3]\ndtoverlay=disable-bt\n[all]", &nodes, "/dev/ttyS0");
    only(&other, "/dev/ttyAMA0", Severity::Bad, "Bluetooth", (CONFIG, Some(3)), "line 3 applies to other boards");
    let own = pi(PI_4, "enable_uart=1\n[pi4]\ndtoverlay=disable-bt", &nodes, "/dev/ttyAMA0");
    assert_eq!(look(&own, "/dev/ttyAMA0"), []);
}

#[test]
fn the_mini_uart_is_off_without_enable_uart_and_knows_no_parity() {
    let pi = pi(ZERO_2, "dtparam=audio=on\nenable_uart=0", &["/dev/ttyAMA0", "/dev/ttyS0"], "/dev/ttyS0");
    let found = look(&pi, "/dev/ttyS0");
    assert_eq!((found[0].severity, found[0].line), (Severity::Bad, Some(2)), "{found:#?}");
    assert!(found[0].to_do[0].ends_with("write in line 2: enable_uart=1"), "{found:#?}");
    pi.file(CONFIG, "enable_uart=1");
    let root = pi.root();
    let wanted = WantedDevice { parity: Parity::Even, ..WantedDevice::path("/dev/ttyS0") };
    let found = Machine::of(&root).examine(&[wanted], &[], Path::new("/none"), None);
    assert!(found[0].severity == Severity::Bad && found[0].what.contains("no parity"), "{found:#?}");
}

#[test]
fn bluetooth_that_is_off_needs_no_service_and_the_pins_have_another_name() {
    let pi = good(PI_3);
    let service = "/etc/systemd/system/multi-user.target.wants/hciuart.service";
    pi.file(service, "");
    only(&pi, "/dev/ttyAMA0", Severity::Warning, "hciuart", (service, None), "disable --now hciuart");
    let pi = good(PI_3);
    pi.file("/dev/ttyS0", "");
    let found = look(&pi, "/dev/ttyS0");
    assert!(found[0].to_do[0].ends_with("device: /dev/ttyAMA0"), "{found:#?}");
}

#[test]
fn a_console_is_found_in_the_command_line_with_the_line_as_it_should_be() {
    for model in [PI_1, PI_3, PI_4, ZERO_W, ZERO_2] {
        let pi = good(model);
        pi.file(CMDLINE, "console=serial0,115200 console=tty1 root=PARTUUID=1-02");
        let line = "so that line 1 is: console=tty1 root=PARTUUID=1-02";
        only(&pi, "/dev/ttyAMA0", Severity::Bad, "kernel writes", (CMDLINE, Some(1)), line);
    }
    // There it is the debug connector, which is in nobody's way.
    let five = good(PI_5);
    five.file(CMDLINE, "console=serial0,115200 console=tty1");
    assert_eq!(look(&five, "/dev/ttyAMA0"), []);
    five.file(CMDLINE, "console=ttyAMA0,115200 console=tty1");
    only(&five, "/dev/ttyAMA0", Severity::Bad, "kernel writes", (CMDLINE, Some(1)), "remove `console=ttyAMA0,115200`");
}

#[test]
fn a_console_that_was_taken_out_needs_a_restart_and_the_old_place_is_known() {
    let old = good(PI_1);
    old.file("/sys/class/tty/console/active", "ttyAMA0 tty1");
    only(&old, "/dev/ttyAMA0", Severity::Bad, "kernel writes", ("/proc/cmdline", Some(1)), "sudo reboot");
    let before_bookworm = Tree::new();
    before_bookworm.file("/proc/device-tree/model", PI_1);
    before_bookworm.file("/dev/ttyAMA0", "");
    before_bookworm.file("/boot/config.txt", "");
    before_bookworm.file("/boot/cmdline.txt", "console=ttyAMA0,115200 root=x");
    only(
        &before_bookworm,
        "/dev/ttyAMA0",
        Severity::Bad,
        "kernel",
        ("/boot/cmdline.txt", Some(1)),
        "so that line 1 is: root=x",
    );
}

#[test]
fn a_login_prompt_is_found_by_its_link_and_by_its_unit() {
    let link = "/etc/systemd/system/getty.target.wants/serial-getty@ttyAMA0.service";
    for model in [PI_1, PI_4, PI_5] {
        let pi = good(model);
        pi.file(link, "");
        let to_do = "sudo systemctl disable --now serial-getty@ttyAMA0";
        only(&pi, "/dev/ttyAMA0", Severity::Bad, "login prompt", (link, None), to_do);
        pi.absolute_link("/etc/systemd/system/serial-getty@ttyAMA0.service", "/dev/null");
        assert_eq!(look(&pi, "/dev/ttyAMA0"), [], "it is masked");
    }
}

#[test]
fn a_five_has_its_pins_off_and_a_debug_connector() {
    let off = pi(PI_5, "[all]\n#dtparam=uart0=on", &["/dev/ttyAMA10"], "/dev/ttyAMA10");
    let found = look(&off, "/dev/ttyAMA0");
    assert_eq!((found[0].file.as_deref(), found[0].line), (Some(CONFIG), Some(2)), "{found:#?}");
    assert!(found[0].to_do[0].contains("dtparam=uart0=on"), "{found:#?}");
    assert_eq!(found.len(), 1, "that there is no such device follows from it: {found:#?}");
    let found = look(&good(PI_5), "/dev/serial0");
    assert!(found[0].what.contains("debug connector"), "{found:#?}");
    assert_eq!(found[0].to_do, ["use: device: /dev/ttyAMA0"]);
    let dma = good(PI_5);
    dma.file("/proc/device-tree/aliases/uart0", "/axi/pcie@1000120000/rp1/serial@30000\0");
    dma.file("/proc/device-tree/axi/pcie@1000120000/rp1/serial@30000/dmas", "");
    let found = look(&dma, "/dev/ttyAMA0");
    assert!(found.len() == 1 && found[0].what.contains("DMA") && found[0].severity == Severity::Warning, "{found:#?}");
}

#[test]
fn the_group_is_told_for_the_service_and_for_the_caller() {
    let pi = good(PI_4);
    pi.file(GROUP, "root:x:0:\ndialout:x:20:anna");
    only(&pi, "/dev/ttyAMA0", Severity::Bad, "user sermux", (GROUP, Some(2)), "usermod -aG dialout sermux");
    pi.file(GROUP, "root:x:0:\ndialout:x:20:sermux");
    only(&pi, "/dev/ttyAMA0", Severity::Warning, "user anna", (GROUP, Some(2)), "usermod -aG dialout anna");
    pi.file("/etc/passwd", "anna:x:1000:1000::/:/bin/sh");
    only(&pi, "/dev/ttyAMA0", Severity::Bad, "user anna", (GROUP, Some(2)), "usermod -aG dialout anna");
}

#[test]
fn who_holds_it_is_named_and_what_is_missing_is_said_with_what_there_is() {
    let pi = good(PI_4);
    pi.process(500, "minicom", &["/dev/ttyAMA0"]);
    let found = look(&pi, "/dev/ttyAMA0");
    assert!(found.len() == 1 && found[0].what.contains("pid 500 (minicom)"), "{found:#?}");
    let pi = good(PI_4);
    pi.file("/dev/ttyUSB0", "");
    pi.by_id("usb-FTDI_P1-if00-port0", "ttyUSB0");
    let found = look(&pi, "/dev/ttyUSB1");
    assert!(found[0].to_do[0].ends_with("/dev/serial/by-id/usb-FTDI_P1-if00-port0"), "{found:#?}");
    assert_eq!(look(&pi, "/dev/serial/by-id/usb-FTDI_P1-if00-port0"), []);
}

#[test]
fn for_a_meter_on_the_pins_it_names_what_can_invert() {
    let pi = good(PI_4);
    let root = pi.root();
    let said_of = |device: &str, frame: &str| {
        let yaml = format!(
            "ports: {{ p: {{ device: {device}, line: 115200 8N1, frame: {frame}, listen: [ {{ protocol: raw, address: 0 }} ] }} }}"
        );
        let config = load_str("doctor", &yaml).unwrap().config;
        let wanted = WantedDevice::of_port(&root, "p", &config.ports["p"]).unwrap().unwrap();
        let found = Machine::of(&root).examine(&[wanted], &[("p", &config.ports["p"])], Path::new("c.yaml"), None);
        found.into_iter().any(|finding| {
            let names = ["inverted", "FT232R", "EEPROM", "ESP8266", "ESP32"];
            finding.severity == Severity::Good && names.iter().all(|name| finding.what.contains(name))
        })
    };
    assert!(said_of("/dev/ttyAMA0", "dsmr"));
    assert!(!said_of("/dev/ttyAMA0", "none"));
    assert!(!said_of("/dev/ttyUSB0", "dsmr"), "the cable may have one");
}

#[test]
fn a_listener_that_others_cannot_reach_is_told() {
    let pi = good(PI_4);
    let told = |listen: &str| {
        let text = format!("ports:\n  p1:\n    device: /dev/ttyAMA0\n    profile: dsmr-p1\n    listen:\n      - {{ protocol: raw, address: {listen} }}\n");
        pi.file("/etc/sermux/sermux.yaml", &text);
        let config = load_str("sermux.yaml", &text).unwrap().config;
        let root = pi.root();
        let port = &config.ports["p1"];
        let wanted = WantedDevice::of_port(&root, "p1", port).unwrap().unwrap();
        let found = Machine::of(&root).examine(&[wanted], &[("p1", port)], Path::new("/etc/sermux/sermux.yaml"), None);
        found.into_iter().filter(|finding| finding.severity != Severity::Good).collect::<Vec<_>>()
    };
    let found = told("9000");
    assert_eq!((found.len(), found[0].line), (1, Some(6)), "{found:#?}");
    assert_eq!(found[0].to_do, ["to let readers on other machines connect, write: address: \"*:9000\""]);
    assert_eq!(told("\"*:9000\""), []);
    pi.file("/etc/ufw/ufw.conf", "# on\nENABLED=yes");
    let found = told("\"*:9000\"");
    assert_eq!((found[0].line, &found[0].to_do[..]), (Some(2), &["sudo ufw allow 9000/tcp".to_owned()][..]));
    pi.file("/etc/ufw/user.rules", "-A ufw-user-input -p tcp --dport 9000 -j ACCEPT");
    assert_eq!(told("\"*:9000\""), []);
}

#[test]
fn files_that_are_missing_binary_or_huge_do_no_harm() {
    let empty = Tree::new();
    empty.file("/proc/device-tree/model", PI_4);
    assert!(!look(&empty, "/dev/ttyAMA0").is_empty());
    let pi = good(PI_4);
    let root = pi.root();
    let noise: Vec<u8> = (0..2_000_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
    for file in [CONFIG, CMDLINE, GROUP, "/etc/passwd", "/proc/cmdline", "/proc/device-tree/model", "/etc/ufw/ufw.conf"]
    {
        let path = root.path(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, &noise).unwrap();
        for finding in look(&pi, "/dev/ttyAMA0") {
            assert!(finding.what.len() < 8192 && !finding.what.contains('\u{1b}'), "{finding:?}");
        }
    }
}

#[test]
fn an_ordinary_machine_is_looked_at_too() {
    let pc = crate::device::tree::debian_pc();
    assert_eq!(look(&pc, "/dev/ttyUSB0"), []);
    pc.file("/sys/class/tty/console/active", "tty0 ttyS0");
    pc.file("/etc/default/grub", "GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX=\"console=ttyS0,115200\"");
    only(&pc, "/dev/ttyS0", Severity::Bad, "kernel", ("/etc/default/grub", Some(2)), "update-grub");
}

#[test]
fn an_adapter_is_found_by_its_numbers_or_said_to_be_missing() {
    let pc = crate::device::tree::debian_pc();
    let root = pc.root();
    let of = |numbers: &str| {
        let text =
            format!("ports:\n  p1:\n    usb: \"{numbers}\"\n    listen: [ {{ protocol: raw, address: 9000 }} ]\n");
        let config = load_str("sermux.yaml", &text).unwrap().config;
        WantedDevice::of_port(&root, "p1", &config.ports["p1"])
    };
    assert_eq!(of("0403:6001").unwrap().unwrap().path, Path::new("/dev/ttyUSB0"));
    let missing = of("0403:6015").unwrap_err();
    assert!(missing.severity == Severity::Bad && missing.what.contains("0403:6015"), "{missing:?}");
}

/// What is to be changed on a card as it was written, and what is left to change after that and a restart.
#[test]
fn what_a_fresh_card_needs_is_said_at_once_and_done_after_one_restart() {
    for model in ALL {
        let five = model.name == PI_5;
        let fresh = bookworm(model, FRESH);
        let found = look(&fresh, "/dev/ttyAMA0");
        let has = |what: &str, file: &str| {
            found.iter().any(|finding| finding.what.contains(what) && finding.file.as_deref() == Some(file))
        };
        let what = match model.bluetooth {
            Some(_) => has("Bluetooth has this UART", CONFIG),
            None if five => has("the UART on the pins of a Raspberry Pi 5 is off", CONFIG),
            None => has("a login prompt", "/run/systemd/generator/getty.target.wants/serial-getty@ttyAMA0.service"),
        };
        assert!(what, "{model:?}: {found:#?}");
        // There the console is on the debug connector.
        assert_eq!(
            has("the kernel writes its messages to the device (console=serial0,115200)", CMDLINE),
            !five,
            "{model:?}: {found:#?}"
        );
        assert_eq!(found.len(), if five { 1 } else { 2 }, "{model:?}: {found:#?}");
        assert!(found.iter().all(|finding| finding.severity == Severity::Bad), "{found:#?}");

        let config = match model.bluetooth {
            Some(_) => "dtoverlay=disable-bt",
            None if five => "dtparam=uart0=on",
            None => "",
        };
        assert_eq!(look(&bookworm(model, Left { config, console: five }), "/dev/ttyAMA0"), [], "{model:?}");
        if model.bluetooth.is_some() {
            let other = Left { config: "dtoverlay=miniuart-bt", console: false };
            assert_eq!(look(&bookworm(model, other), "/dev/ttyAMA0"), [], "{model:?}");
        }
    }
}

#[test]
fn a_card_of_bullseye_has_its_files_in_boot_and_bluetooth_by_a_service() {
    for model in [trees::PI_3, trees::PI_4, trees::ZERO_W, trees::ZERO_2] {
        let found = look(&bullseye(model, FRESH), "/dev/ttyAMA0");
        let files: Vec<_> = found.iter().filter_map(|finding| finding.file.as_deref()).collect();
        assert_eq!(files, ["/boot/config.txt", "/boot/cmdline.txt"], "{found:#?}");
        assert!(found[0].to_do.iter().any(|step| step == "sudo systemctl disable hciuart"), "{found:#?}");
        let done = bullseye(model, Left { config: "dtoverlay=disable-bt", console: false });
        let service = "/etc/systemd/system/multi-user.target.wants/hciuart.service";
        only(&done, "/dev/ttyAMA0", Severity::Warning, "hciuart", (service, None), "disable --now hciuart");
    }
}

#[test]
fn what_was_written_and_has_no_effect_before_a_restart_is_said() {
    for (model, line) in [(trees::PI_4, "dtoverlay=disable-bt"), (trees::PI_5, "dtparam=uart0=on")] {
        let pi = bookworm(model, Left { config: "", console: false });
        let text = format!("[all]\n{line}");
        pi.file(CONFIG, &text);
        let found = look(&pi, "/dev/ttyAMA0");
        let [finding] = &found[..] else { panic!("{found:#?}") };
        assert!(finding.what.contains("but it is not there") && finding.to_do == ["sudo reboot"], "{finding:#?}");
    }
}

#[test]
fn on_a_five_serial0_is_on_the_pins_where_the_firmware_has_put_it_there() {
    let pi = pi(PI_5, "[all]\nenable_uart=1", &["/dev/ttyAMA0", "/dev/ttyAMA10"], "/dev/ttyAMA0");
    for device in ["/dev/serial0", "/dev/ttyAMA0"] {
        assert_eq!(look(&pi, device), [], "{device}");
    }
    pi.file(CMDLINE, "console=serial0,115200 console=tty1");
    only(&pi, "/dev/ttyAMA0", Severity::Bad, "kernel writes", (CMDLINE, Some(1)), "remove `console=serial0,115200`");
}

/// A four whose config.txt says this, with Bluetooth where it comes or not.
fn four(config: &str, serial0: &str) -> Tree {
    let pi = bookworm(trees::PI_4, Left { config: "dtoverlay=disable-bt", console: false });
    pi.file(CONFIG, config);
    pi.file("/dev/ttyS0", "");
    std::fs::remove_file(pi.root().path("/dev/serial0")).unwrap();
    pi.link("/dev/serial0", serial0);
    pi
}

#[test]
fn filters_are_judged_by_this_board_and_what_cannot_be_known_is_said() {
    for filters in
        ["[pi4]", "[0xa1b2c3d4]", "[board-type=0x11]", "[pi3]\n[pi4]", "[pi4]\n[0xA1B2C3D4]", "[gpio4=1]\n[all]"]
    {
        let pi = four(&format!("{filters}\ndtoverlay=disable-bt"), "/dev/ttyAMA0");
        assert_eq!(look(&pi, "/dev/ttyAMA0"), [], "{filters}");
    }
    for filters in ["[pi5]", "[pi0w]", "[cm4]", "[none]", "[0x12345678]", "[EDID=a]\n[pi3]", "[0x12345678]\n[pi4]"] {
        let pi = four(&format!("{filters}\ndtoverlay=disable-bt"), "/dev/ttyS0");
        let line = filters.lines().count() + 1;
        let to_do =
            format!("line {line} applies to other boards; write at the end, below a line [all]: dtoverlay=disable-bt");
        only(&pi, "/dev/ttyAMA0", Severity::Bad, "Bluetooth", (CONFIG, Some(line)), &to_do);
    }
    for filter in ["[gpio4=1]", "[EDID=DEL-DELL_U2422H]", "[tryboot]"] {
        let config = format!("[pi4]\n{filter}\ndtoverlay=disable-bt");
        // It did, when it started.
        let place = (CONFIG, Some(3));
        let what = format!("`dtoverlay=disable-bt` counts only where {filter} applies");
        only(&four(&config, "/dev/ttyAMA0"), "/dev/ttyAMA0", Severity::Warning, &what, place, "below a line [all]");
        let found = look(&four(&config, "/dev/ttyS0"), "/dev/ttyAMA0");
        assert_eq!(
            found.iter().map(|finding| finding.severity).collect::<Vec<_>>(),
            [Severity::Bad, Severity::Warning]
        );
        assert!(
            found[0].to_do[0].starts_with(&format!("doctor cannot tell whether line 3 counts, because of {filter}; ")),
            "{found:#?}"
        );
    }
}

#[test]
fn files_that_config_txt_includes_are_read_where_they_stand() {
    let extra = "/boot/firmware/extra.txt";
    let pi = four("[pi4]\ninclude extra.txt", "/dev/ttyAMA0");
    pi.file(extra, "# mine\ndtoverlay=disable-bt");
    assert_eq!(look(&pi, "/dev/ttyAMA0"), []);
    // A filter in it goes on behind it.
    pi.file(CONFIG, "include extra.txt\nenable_uart=0");
    pi.file(extra, "dtoverlay=disable-bt\n[pi3]");
    assert_eq!(look(&pi, "/dev/ttyAMA0"), []);
    // Where it is not included, nothing in it counts, whatever it says.
    let pi = four("[pi3]\ninclude extra.txt", "/dev/ttyS0");
    pi.file(extra, "[all]\ndtoverlay=disable-bt");
    let to_do = "line 2 applies to other boards; write at the end of /boot/firmware/config.txt, below a line [all]: dtoverlay=disable-bt";
    only(&pi, "/dev/ttyAMA0", Severity::Bad, "Bluetooth", (extra, Some(2)), to_do);
    let lost = four("dtoverlay=disable-bt\ninclude extra.txt", "/dev/ttyAMA0");
    only(
        &lost,
        "/dev/ttyAMA0",
        Severity::Warning,
        "`include extra.txt`: this file does not exist",
        (CONFIG, Some(2)),
        "",
    );
    let endless = four("dtoverlay=disable-bt\ninclude config.txt\ninclude ../../etc/passwd", "/dev/ttyAMA0");
    assert!(look(&endless, "/dev/ttyAMA0").iter().all(|finding| finding.severity == Severity::Warning));
}

#[test]
fn another_name_of_cmdline_txt_is_followed() {
    let pi = four("dtoverlay=disable-bt\ncmdline=other.txt", "/dev/ttyAMA0");
    let other = "/boot/firmware/other.txt";
    pi.file(other, "console=serial0,115200 root=x");
    only(&pi, "/dev/ttyAMA0", Severity::Bad, "kernel writes", (other, Some(1)), "so that line 1 is: root=x");
}
