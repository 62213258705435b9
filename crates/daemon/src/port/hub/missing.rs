//! The text for a port that receives nothing good, for the log and for the status: what is missing.

use std::time::Duration;

use sermux_port_config::config::Device;
use sermux_port_config::units::format_duration;

/// What came instead of what the port is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Nothing at all.
    Everything,
    /// This number of bytes, and no telegram in them.
    Telegrams(u64),
    /// This number of telegrams, each with a wrong CRC, or without the one that it should have.
    GoodTelegrams(u64),
}

impl Missing {
    /// For the log, once a port is quiet; `limit` is what `expect` allows.
    pub(in crate::port) fn for_so_long(self, limit: Duration, device: &Device) -> String {
        let (limit, advice) = (format_duration(limit), self.advice(device));
        match self {
            Missing::Everything => format!("nothing came for {limit} (expect); {advice}"),
            Missing::Telegrams(1) => format!("no telegram came for {limit} (expect), only 1 byte; {advice}"),
            Missing::Telegrams(n) => {
                format!("no telegram came for {limit} (expect), only {n} bytes without one; {advice}")
            }
            Missing::GoodTelegrams(n) => {
                format!("no good telegram came for {limit} (expect): {} a wrong CRC or none; {advice}", all_had(n))
            }
        }
    }

    /// For the status, and the log where nothing is expected.
    pub(crate) fn now(self, device: &Device) -> String {
        let advice = self.advice(device);
        match self {
            Missing::Everything => format!("nothing comes; {advice}"),
            Missing::Telegrams(n) => format!("no telegram in {}; {advice}", size(n)),
            Missing::GoodTelegrams(n) => format!("no good telegram: {} a wrong CRC or none; {advice}", all_had(n)),
        }
    }

    fn advice(self, device: &Device) -> String {
        match self {
            Missing::Everything => "is the device on, and connected?".to_owned(),
            Missing::Telegrams(_) => format!("run `sermux probe {device}`"),
            Missing::GoodTelegrams(_) => format!("is the cable long or loose? run `sermux probe {device}`"),
        }
    }
}

fn all_had(n: u64) -> String {
    match n {
        1 => "the only one had".to_owned(),
        n => format!("all {n} had"),
    }
}

/// `300 B`, `3.1 KiB`; a port that gets more is in trouble for long.
fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        0x10_0000.. => format!("{} MiB", bytes / 0x10_0000),
        _ => format!("{}.{} KiB", bytes / 1024, bytes % 1024 * 10 / 1024),
    }
}
