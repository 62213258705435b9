//! Time that passes because something happens, for the few tests that must let time pass.

use super::{p1, Client, Daemon, PortYaml};

/// A simulated meter in a process of its own: it says something each second.
#[derive(Debug)]
pub(crate) struct Clock {
    meter: Client,
    _daemon: Daemon,
}

impl Clock {
    #[track_caller]
    pub(crate) fn start() -> Self {
        let daemon = Daemon::start(PortYaml::new("clock", "sim:dsmr-p1").key("frame: dsmr").listen(""));
        let meter = daemon.connect("clock");
        meter.receive_until(b"\r\n");
        let clock = Self { meter, _daemon: daemon };
        clock.seconds(1);
        clock
    }

    /// Lets this number of seconds pass.
    #[track_caller]
    pub(crate) fn seconds(&self, count: usize) {
        // A telegram that came in the meantime counts for nothing.
        self.meter.0.set_nonblocking(true).unwrap();
        while matches!(std::io::Read::read(&mut &self.meter.0, &mut [0; 4096]), Ok(1..)) {}
        self.meter.0.set_nonblocking(false).unwrap();
        for _ in 0..=count {
            let telegram = self.meter.receive_once();
            p1::split_first(&telegram);
        }
    }
}
