//! RS-485: RTS switches a transceiver between sending and receiving (Documentation/driver-api/serial/serial-rs485.rst).
//!
//! Few drivers can. Those that cannot refuse, or take what they can do and leave out the rest, so it is read back.

use std::os::fd::OwnedFd;
use std::time::Duration;

use sermux_port_config::config::Rs485;
use sermux_port_config::units::format_duration;

use crate::sys::{self, KernelRs485};

/// Applies it; says where the device does something else. It stays with the device from one open to the next.
pub(super) fn apply(fd: &OwnedFd, asked: &Rs485) -> Vec<String> {
    let applied = sys::rs485(fd).and_then(|before| {
        sys::set_rs485(fd, &wanted(before, asked))?;
        sys::rs485(fd)
    });
    match applied {
        Ok(actual) => differences(asked, &read_back(&actual)),
        Err(_) if !asked.enabled => Vec::new(),
        Err(errno) => {
            let why = errno.desc().to_lowercase();
            vec![format!("line.rs485: asked for, this driver has none ({why}); RTS will not switch a transceiver")]
        }
    }
}

/// What a device tree may have set beside stays: bus termination.
fn wanted(before: KernelRs485, asked: &Rs485) -> KernelRs485 {
    let mut wanted = before;
    for (flag, on) in [
        (ENABLED, asked.enabled),
        (RTS_ON_SEND, asked.rts_on_send),
        (RTS_AFTER_SEND, asked.rts_after_send),
        (RX_DURING_TX, asked.rx_during_tx),
    ] {
        wanted.flags = if on { wanted.flags | flag } else { wanted.flags & !flag };
    }
    wanted.delay_before_send = milliseconds(asked.delay_before_send);
    wanted.delay_after_send = milliseconds(asked.delay_after_send);
    wanted
}

fn read_back(actual: &KernelRs485) -> Rs485 {
    let has = |flag| actual.flags & flag != 0;
    Rs485 {
        enabled: has(ENABLED),
        rts_on_send: has(RTS_ON_SEND),
        rts_after_send: has(RTS_AFTER_SEND),
        delay_before_send: Duration::from_millis(actual.delay_before_send.into()),
        delay_after_send: Duration::from_millis(actual.delay_after_send.into()),
        rx_during_tx: has(RX_DURING_TX),
    }
}

fn differences(asked: &Rs485, actual: &Rs485) -> Vec<String> {
    let mut differences = Vec::new();
    if asked.enabled != actual.enabled {
        differences.push(said("enabled", asked.enabled, actual.enabled));
    }
    // The kernel forgets the rest of what is off.
    if !asked.enabled || !actual.enabled {
        return differences;
    }
    for (key, asked, actual) in [
        ("rts-on-send", asked.rts_on_send, actual.rts_on_send),
        ("rts-after-send", asked.rts_after_send, actual.rts_after_send),
        ("rx-during-tx", asked.rx_during_tx, actual.rx_during_tx),
    ] {
        if asked != actual {
            differences.push(said(key, asked, actual));
        }
    }
    for (key, asked, actual) in [
        ("delay-before-send", asked.delay_before_send, actual.delay_before_send),
        ("delay-after-send", asked.delay_after_send, actual.delay_after_send),
    ] {
        if asked != actual {
            differences.push(said(key, format_duration(asked), format_duration(actual)));
        }
    }
    differences
}

fn said(key: &str, asked: impl std::fmt::Display, actual: impl std::fmt::Display) -> String {
    format!("line.rs485.{key}: asked {asked}, the driver has {actual}")
}

fn milliseconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

/// linux/serial.h: SER_RS485_…
const ENABLED: u32 = 1 << 0;
const RTS_ON_SEND: u32 = 1 << 1;
const RTS_AFTER_SEND: u32 = 1 << 2;
const RX_DURING_TX: u32 = 1 << 4;

#[cfg(test)]
mod tests {
    use super::*;

    const TERMINATE_BUS: u32 = 1 << 5;

    fn asked() -> Rs485 {
        Rs485 { enabled: true, delay_after_send: Duration::from_millis(2), ..Rs485::default() }
    }

    #[test]
    fn what_is_asked_for_is_set_and_the_rest_left_alone() {
        let before =
            KernelRs485 { flags: TERMINATE_BUS | RTS_AFTER_SEND, delay_before_send: 7, ..KernelRs485::default() };
        let wanted = wanted(before, &asked());
        assert_eq!(wanted.flags, ENABLED | RTS_ON_SEND | TERMINATE_BUS);
        assert_eq!((wanted.delay_before_send, wanted.delay_after_send), (0, 2));
        assert_eq!(read_back(&wanted), asked());
        assert_eq!(differences(&asked(), &read_back(&wanted)), [""; 0]);
    }

    #[test]
    fn what_a_driver_leaves_out_is_said() {
        let actual = KernelRs485 { flags: ENABLED | RTS_AFTER_SEND, ..KernelRs485::default() };
        let asked = Rs485 { rx_during_tx: true, ..asked() };
        assert_eq!(
            differences(&asked, &read_back(&actual)),
            [
                "line.rs485.rts-on-send: asked true, the driver has false",
                "line.rs485.rts-after-send: asked false, the driver has true",
                "line.rs485.rx-during-tx: asked true, the driver has false",
                "line.rs485.delay-after-send: asked 2ms, the driver has 0s",
            ]
        );
        assert_eq!(
            differences(&asked, &read_back(&KernelRs485::default())),
            ["line.rs485.enabled: asked true, the driver has false"]
        );
        assert_eq!(differences(&Rs485::default(), &read_back(&KernelRs485::default())), [""; 0], "both off");
    }
}
