//! `sermux serve` with a configuration in a folder of its own.

use std::ffi::OsStr;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::{field, is_event, sermux, Client, Finished, Lines, Process};

/// A running `sermux serve`. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Daemon {
    pub(crate) process: Process,
    folder: TempDir,
}

impl Daemon {
    /// Starts with this configuration and waits for nothing.
    #[track_caller]
    pub(crate) fn start(config: impl ToString) -> Self {
        Self::start_as(config, sermux())
    }

    /// Starts some other command with `serve --config FILE` behind it.
    #[track_caller]
    pub(crate) fn start_as(config: impl ToString, mut command: Command) -> Self {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("sermux.yaml");
        fs::write(&file, config.to_string()).unwrap();
        // The program may run as somebody else.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        // Its control socket is below.
        command.env("XDG_RUNTIME_DIR", folder.path());
        let process = Process::start(command.arg("serve").arg("--config").arg(&file));
        Self { process, folder }
    }

    /// Runs to its end, which is expected to come by itself.
    #[track_caller]
    pub(crate) fn finish(self) -> Finished {
        // The folder lives until the program has ended.
        let Self { process, folder: _folder } = self;
        process.finish()
    }

    /// Writes another configuration and asks for it to be read.
    pub(crate) fn reload(&mut self, config: impl ToString) {
        self.write(config);
        self.process.signal(Signal::SIGHUP);
    }

    /// Writes another configuration without asking for anything.
    pub(crate) fn write(&self, config: impl ToString) {
        fs::write(self.folder.path().join("sermux.yaml"), config.to_string()).unwrap();
    }

    /// The folder of its configuration.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where its control socket is.
    pub(crate) fn control_socket(&self) -> PathBuf {
        self.folder.path().join("sermux/control.sock")
    }

    /// A command that talks to it: its configuration and its circumstances are the daemon's.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = sermux();
        command.env("XDG_RUNTIME_DIR", self.folder.path());
        command.arg("--config").arg(self.folder.path().join("sermux.yaml")).args(arguments);
        command
    }

    /// Waits until it can be asked, and runs a command that talks to it to its end.
    #[track_caller]
    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Finished {
        self.log().wait_for("the control socket", |line| is_event(line, "control.listening"));
        Process::start(&mut self.command(arguments)).finish()
    }

    /// … which must succeed; what it prints.
    #[track_caller]
    pub(crate) fn done<S: AsRef<OsStr>>(&self, arguments: &[S]) -> String {
        let finished = self.run(arguments);
        assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""), "{}", finished.stdout);
        finished.stdout
    }

    pub(crate) fn log(&self) -> &Lines {
        &self.process.stderr
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Where the only listener of the port is.
    #[track_caller]
    pub(crate) fn address(&self, port: &str) -> SocketAddr {
        self.wait_address(port, |_| true)
    }

    /// Where the port's listener on this IP address is.
    #[track_caller]
    pub(crate) fn address_on(&self, port: &str, ip: &str) -> SocketAddr {
        let ip: IpAddr = ip.parse().unwrap();
        self.wait_address(port, |address| address.ip() == ip)
    }

    #[track_caller]
    fn wait_address(&self, port: &str, is_it: impl Fn(SocketAddr) -> bool) -> SocketAddr {
        self.log().wait(&format!("{port} listens"), |lines| {
            let of_port = lines.iter().filter(|line| about(line, "listener.listening", port));
            let mut addresses = of_port.filter_map(|line| field(line, "address")?.parse().ok());
            addresses.find(|&address| is_it(address))
        })
    }

    /// Waits until the port's device has been opened for the n-th time.
    #[track_caller]
    pub(crate) fn opened(&self, port: &str, n: usize) -> String {
        self.log().wait_for_nth(n, &format!("{port} opened"), |line| about(line, "line.opened", port))
    }

    /// A client that the port knows: what the line brings from now on is for it too.
    #[track_caller]
    pub(crate) fn connect(&self, port: &str) -> Client {
        self.join(port, || Client::connect(self.address(port)))
    }

    #[track_caller]
    pub(crate) fn connect_on(&self, port: &str, ip: &str) -> Client {
        self.join(port, || Client::connect(self.address_on(port, ip)))
    }

    #[track_caller]
    pub(crate) fn connect_narrow(&self, port: &str) -> Client {
        self.join(port, || Client::connect_narrow(self.address(port)))
    }

    #[track_caller]
    pub(crate) fn join(&self, port: &str, connect: impl FnOnce() -> Client) -> Client {
        let client = connect();
        let known_as = client.0.local_addr().unwrap().to_string();
        self.log().wait_for("client connected", |line| {
            about(line, "client.connected", port) && field(line, "client") == Some(known_as.as_str())
        });
        client
    }

    /// Waits until `n` clients of the port have disconnected.
    #[track_caller]
    pub(crate) fn gone(&self, port: &str, n: usize) {
        let is_so = |line: &str| about(line, "client.disconnected", port);
        self.log().wait_for_nth(n, &format!("{n} clients of {port} disconnected"), is_so);
    }
}

/// Whether a line of the log is the record of this event at this port.
fn about(line: &str, event: &str, port: &str) -> bool {
    is_event(line, event) && field(line, "port") == Some(port)
}
