//! The line exactly as its keys say, and connections in quick succession.

use nix::libc;
use nix::sys::termios::tcgetattr;

use crate::rig::{eventually, is_event, Client, Daemon, End, PortYaml, Pty};

fn settings(pty: &Pty) -> libc::termios {
    tcgetattr(pty.device()).unwrap().into()
}

#[test]
fn a_line_has_what_its_keys_say_and_nothing_that_another_program_left() {
    let base = libc::CREAD | libc::CS8 | libc::B9600;
    for (keys, modem, iflag, cflag) in [
        ("ignore-break: true, clocal: false", "hangup-on-close: true", libc::IGNBRK, base | libc::HUPCL),
        ("ignore-break: true", "hangup-on-close: false", libc::IGNBRK, base | libc::CLOCAL),
        (
            "flow-control: xon-xoff, ignore-break: true",
            "dtr: keep",
            libc::IGNBRK | libc::IXON | libc::IXOFF,
            base | libc::CLOCAL,
        ),
        ("flow-control: rts-cts, stop-bits: 2", "rts: keep", 0, base | libc::CLOCAL | libc::CRTSCTS | libc::CSTOPB),
    ] {
        let pty = Pty::new();
        let mut before = tcgetattr(pty.device()).unwrap();
        before.control_chars = [7; 32];
        before.input_flags = nix::sys::termios::InputFlags::all();
        before.output_flags = nix::sys::termios::OutputFlags::all();
        before.local_flags = nix::sys::termios::LocalFlags::ICANON | nix::sys::termios::LocalFlags::ECHO;
        nix::sys::termios::tcsetattr(pty.device(), nix::sys::termios::SetArg::TCSANOW, &before).unwrap();
        let port = PortYaml::new("p", pty.path());
        let port = port.key(&format!("line: {{ {keys} }}")).key(&format!("modem: {{ {modem} }}"));
        let daemon = Daemon::start(port.listen(""));
        daemon.opened("p", 1);
        let is = settings(&pty);
        assert_eq!((is.c_iflag, is.c_oflag, is.c_lflag), (iflag, 0, 0), "{keys}");
        assert_eq!(is.c_cflag, cflag, "{keys}");
        let others = is.c_cc.iter().enumerate().filter(|(_, c)| **c != 0).map(|(at, c)| (at, *c));
        assert_eq!(others.collect::<Vec<_>>(), [(libc::VMIN, 1), (libc::VSTART, 17), (libc::VSTOP, 19)], "{keys}");
    }
}

#[test]
fn each_of_a_hundred_clients_in_a_row_gets_its_banner_and_the_line() {
    let pty = Pty::new();
    let listener = r"max-clients: 1, half-close: off, banner: 'port \N\r\n'";
    let daemon = Daemon::start(PortYaml::new("p", pty.path()).listen(listener));
    daemon.opened("p", 1);
    for round in 0..100_u8 {
        let client = Client::connect(daemon.address("p"));
        assert_eq!(client.receive(8), b"port p\r\n", "the banner of client {round}");
        client.send(&[round]);
        client.half_close();
        assert_eq!(client.receive_to_end(), (vec![], End::Closed));
        assert_eq!(pty.receive(1), [round]);
    }
}

#[test]
fn what_the_device_sent_before_it_went_reaches_the_clients() {
    let pty = Pty::new();
    let daemon = Daemon::start(PortYaml::new("p", pty.path()).key("on-gone: disconnect").listen(""));
    daemon.opened("p", 1);
    let client = daemon.connect("p");
    let bytes = crate::rig::noise(3, 3000);
    pty.send(&bytes);
    pty.was_read();
    drop(pty);
    let (got, _) = client.receive_to_end();
    crate::rig::assert_same(&got, &bytes, "the last bytes");
    eventually("the port knows", || daemon.log().all().iter().any(|line| is_event(line, "line.lost")));
}
