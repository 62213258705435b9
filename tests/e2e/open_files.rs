//! Each client takes a file descriptor, and their number is limited.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::lifecycle::Socket;
use crate::rig::{eventually, is_event, Client, Daemon, PortYaml, PATIENCE};

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
        daemon.log().wait_for("the table is full", |line| is_event(line, "client.turned-away"));
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

#[test]
fn clients_that_have_closed_make_room_for_new_ones_also_where_the_line_is_silent() {
    let port = PortYaml::new("p", "sim:echo").listen("max-clients: 1000");
    let daemon = Daemon::start_as(port, with_files(64));
    let address = daemon.address("p");
    // Nobody reads, so only a look at each of them would show that they have disconnected.
    for _ in 0..200 {
        drop(TcpStream::connect_timeout(&address, PATIENCE).unwrap());
    }
    daemon.log().wait_for("the table is full", |line| is_event(line, "client.turned-away"));
    eventually("one is let in", || {
        let client = Client::connect(address);
        client.0.set_read_timeout(Some(PATIENCE)).unwrap();
        // It may be closed at once.
        let _ = (&client.0).write_all(b"ping");
        let mut got = [0; 4];
        (&client.0).read_exact(&mut got).is_ok() && got == *b"ping"
    });
}

struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
