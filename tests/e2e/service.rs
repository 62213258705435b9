//! As a service of systemd: what sd_notify(3) says, on a socket that the test holds.

use std::os::unix::net::UnixDatagram;
use std::process::Command;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::rig::{sermux, Daemon, PortYaml, PATIENCE};

/// systemd as the program sees it: a socket that takes notifications.
pub(crate) struct Systemd {
    socket: UnixDatagram,
    folder: TempDir,
}

impl Systemd {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, folder }
    }

    fn start(&self, watchdog_usec: Option<u32>) -> Daemon {
        let mut command = sermux();
        self.tell(&mut command, watchdog_usec);
        Daemon::start_as(PortYaml::new("p", "sim:echo").listen(""), command)
    }

    /// Sets the socket and the watchdog's time in the program's environment.
    pub(crate) fn tell(&self, command: &mut Command, watchdog_usec: Option<u32>) {
        command.env("NOTIFY_SOCKET", self.folder.path().join("notify"));
        if let Some(usec) = watchdog_usec {
            command.env("WATCHDOG_USEC", usec.to_string());
        }
    }

    /// The next message that begins so.
    #[track_caller]
    pub(crate) fn told(&self, what: &str) -> String {
        let mut message = [0; 1000];
        loop {
            let n = self.socket.recv(&mut message).unwrap_or_else(|error| panic!("{what} does not come: {error}"));
            let text = String::from_utf8_lossy(&message[..n]).into_owned();
            if text.lines().any(|line| line.starts_with(what)) {
                return text;
            }
        }
    }
}

#[test]
fn systemd_is_told_when_it_is_ready_how_it_stands_and_when_it_stops() {
    let systemd = Systemd::new();
    let mut daemon = systemd.start(None);
    systemd.told("READY=1");
    systemd.told("STATUS=ports open: 1 of 1; clients: 0");
    let _client = daemon.connect("p");
    systemd.told("STATUS=ports open: 1 of 1; clients: 1");
    daemon.process.signal(Signal::SIGHUP);
    systemd.told("RELOADING=1");
    systemd.told("READY=1");
    daemon.process.signal(Signal::SIGTERM);
    systemd.told("STOPPING=1");
}

#[test]
fn the_watchdog_hears_of_it_twice_in_its_time() {
    let systemd = Systemd::new();
    let _daemon = systemd.start(Some(200_000));
    systemd.told("READY=1");
    systemd.told("WATCHDOG=1");
    systemd.told("WATCHDOG=1");
}
