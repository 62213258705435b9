//! A client takes a file descriptor, and there are only so many.

use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::lifecycle::Socket;
use crate::rig::{Daemon, PortYaml, PATIENCE};

/// The program with a limit of open files that it cannot raise.
fn with_files(files: u32) -> Command {
    let mut shell = Command::new("sh");
    let line = format!("ulimit -n {files} && exec \"$0\" \"$@\"");
    shell.args(["-c", &line, env!("CARGO_BIN_EXE_sermux")]);
    shell
}

#[test]
fn clients_that_fill_the_table_leave_the_device_and_the_control_socket_what_they_need() {
    const FILES: u32 = 128;
    let socket = Socket::new();
    let mut pty = socket.plug();
    let port = PortYaml::new("p", socket.path()).key("on-lag: skip").listen("max-clients: 1000");
    let daemon = Daemon::start_as(port, with_files(FILES));
    daemon.opened("p", 1);
    let address = daemon.address("p");
    let reader = daemon.connect("p");
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        // More of them than there are files, and always one that waits for the next.
        scope.spawn(|| {
            let mut clients = Vec::new();
            while !done.load(Ordering::SeqCst) {
                clients.extend(TcpStream::connect_timeout(&address, PATIENCE));
                thread::park_timeout(Duration::from_millis(1));
                if clients.len() > 300 {
                    clients.remove(0);
                }
            }
        });
        let _done = Done(&done);
        daemon.log().wait_for("the table is full", |line| line.contains("open files"));
        for n in 2..4 {
            socket.unplug(pty);
            pty = socket.plug();
            daemon.opened("p", n);
            pty.send(b"here again");
            assert!(reader.receive_until(b"here again").len() >= 10);
        }
        assert_eq!(daemon.run(&["status"]).code, Some(0));
    });
}

struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
