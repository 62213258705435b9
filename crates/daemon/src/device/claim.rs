//! Which port of this process has a device open: `/proc` shows only which process has.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sermux_port_config::config::Device;

use super::printable;

/// An open line's entry in the list of this process's devices. It is taken out when this is dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    node: PathBuf,
    device: String,
}

/// One for the process, as the descriptors are. Opening and closing happen on many threads.
static CLAIMS: Mutex<Vec<(PathBuf, String)>> = Mutex::new(Vec::new());

fn claims() -> MutexGuard<'static, Vec<(PathBuf, String)>> {
    CLAIMS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Claim {
    /// Of a node that was just opened, for the port with this device.
    pub(crate) fn new(node: &Path, device: &Device) -> Self {
        let (node, device) = (node.to_owned(), device.to_string());
        claims().push((node.clone(), device.clone()));
        Self { node, device }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut claims = claims();
        let mine = claims.iter().position(|(node, device)| (node, device) == (&self.node, &self.device));
        if let Some(index) = mine {
            claims.remove(index);
        }
    }
}

/// That a port of this process has a node open, and which: by its device as it is configured.
pub(super) fn text(node: &Path) -> Option<String> {
    let claims = claims();
    let (_, device) = claims.iter().find(|(claimed, _)| claimed == node)?;
    Some(format!("another port of this sermux has it open, the one with `device: {}`", printable(device)))
}

#[cfg(test)]
mod tests {
    use super::super::{busy, Root};
    use super::*;

    #[test]
    fn another_port_of_this_process_is_named_by_its_device() {
        let node = Path::new("/dev/ttyCLAIM0");
        let device: Device = "/dev/serial/by-id/usb-CLAIM".parse().unwrap();
        let claim = Claim::new(node, &device);
        let text = "another port of this sermux has it open, the one with `device: /dev/serial/by-id/usb-CLAIM`";
        assert_eq!(busy::who(&Root::default(), node), text);
        drop(claim);
        assert_ne!(busy::who(&Root::default(), node), text);
    }
}
