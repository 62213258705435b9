//! The file descriptors that clients may not take.
//!
//! Clients come in by the thousands, and each takes a descriptor. Devices, the control socket, captures and the log need one now and
//! then, and there would be none: accept(2) takes each that is freed. So the last ones are a reserve. The kernel hands out the
//! lowest number that is free, so one with a high number says that few are left, without anything being counted.

use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicI32, Ordering};

use nix::sys::resource::{getrlimit, Resource};

/// What the program needs in addition to its ports: connections to the control socket, what they look at, the log.
const OF_PROGRAM: u64 = 64;

/// What a port needs: its device, what watches that for room, a lock file, a capture and its successor.
const OF_PORT: u64 = 5;

/// From here on they are reserved.
static RESERVED: AtomicI32 = AtomicI32::new(RawFd::MAX);

/// Reserves descriptors for the program and this number of ports; a quarter of all at most.
pub(crate) fn reserve(ports: usize) {
    // Without a limit there is nothing to run out of.
    let Ok((limit, _)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    RESERVED.store(first_reserved(limit, ports as u64), Ordering::Relaxed);
}

/// Whether this descriptor is one of the reserve, which no client may have.
pub(super) fn is_reserved(descriptor: &impl AsRawFd) -> bool {
    descriptor.as_raw_fd() >= RESERVED.load(Ordering::Relaxed)
}

fn first_reserved(limit: u64, ports: u64) -> RawFd {
    let reserve = (OF_PROGRAM + OF_PORT * ports).min(limit / 4);
    RawFd::try_from(limit - reserve).unwrap_or(RawFd::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_grows_with_the_ports_and_leaves_clients_three_quarters() {
        assert_eq!(first_reserved(65_536, 1), 65_536 - 69);
        assert_eq!(first_reserved(65_536, 256), 65_536 - 64 - 5 * 256);
        assert_eq!(first_reserved(1024, 1000), 768);
        assert_eq!(first_reserved(u64::MAX, 1), RawFd::MAX);
    }
}
