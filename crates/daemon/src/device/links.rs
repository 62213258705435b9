//! The names that udev and the operator gave to a device: symbolic links in /dev that lead to its node.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::Root;

/// Folders below /dev that are looked through, and how deep: `serial/by-id/…`.
const DEPTH: usize = 2;

/// Where no name of a serial port is, or one for each device: `char/188:0`.
const ELSEWHERE: [&str; 14] =
    ["block", "bus", "char", "cpu", "disk", "dri", "fd", "hugepages", "input", "mapper", "mqueue", "pts", "shm", "snd"];

/// All links by the node that they lead to; those that stay with the adapter first, then those that stay with the
/// socket, then the others.
pub fn all(root: &Root) -> HashMap<PathBuf, Vec<PathBuf>> {
    let mut links: HashMap<PathBuf, Vec<PathBuf>> = HashMap::new();
    look(root, Path::new("/dev"), DEPTH, &mut links);
    for names in links.values_mut() {
        names.sort_by_key(|name| (rank(name), name.clone()));
    }
    links
}

fn rank(name: &Path) -> u8 {
    if name.starts_with("/dev/serial/by-id") {
        0
    } else if name.starts_with("/dev/serial/by-path") {
        1
    } else {
        2
    }
}

fn look(root: &Root, folder: &Path, depth: usize, links: &mut HashMap<PathBuf, Vec<PathBuf>>) {
    let Ok(dev) = fs::canonicalize(root.path("/dev")) else { return };
    for entry in fs::read_dir(root.path(folder)).into_iter().flatten().filter_map(Result::ok) {
        let (Ok(kind), name) = (entry.file_type(), folder.join(entry.file_name())) else { continue };
        if kind.is_dir() && depth > 0 && !ELSEWHERE.iter().any(|elsewhere| entry.file_name() == *elsewhere) {
            look(root, &name, depth - 1, links);
        } else if kind.is_symlink() {
            let Ok(target) = fs::canonicalize(entry.path()) else { continue };
            if let Ok(node) = target.strip_prefix(&dev) {
                links.entry(Path::new("/dev").join(node)).or_default().push(name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::{debian_pc, raspberry_pi_4};
    use super::*;

    #[test]
    fn every_name_of_a_device_is_found_the_most_lasting_first() {
        let pc = debian_pc();
        pc.link("/dev/meter", "/dev/ttyUSB0");
        pc.link("/dev/char/188:0", "/dev/ttyUSB0");
        pc.link("/dev/stdin", "/proc/self/fd/0");
        pc.link("/dev/serial/by-id/usb-gone", "/dev/ttyUSB9");
        let links = all(&pc.root());
        assert_eq!(
            links[Path::new("/dev/ttyUSB0")],
            [
                "/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A1B2C3D4-if00-port0",
                "/dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0-port0",
                "/dev/meter",
            ]
            .map(PathBuf::from)
        );
        assert!(!links.contains_key(Path::new("/dev/ttyUSB9")));
        let pi = all(&raspberry_pi_4().root());
        assert_eq!(pi[Path::new("/dev/ttyS0")], [PathBuf::from("/dev/serial0")]);
    }
}
