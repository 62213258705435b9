//! `sermux demo`: two simulated devices, for a first look on a machine without hardware.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::process::ExitCode;

use sermux_port_config::config::load::load_str;
use socket2::Socket;

use super::{serve, Arguments};

const METER: u16 = 9000;
const ECHO: u16 = 9001;

/// How far to look for a port that nobody has.
const TRIES: u16 = 100;

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let (Some((meter, mut sockets)), Some((echo, more))) = (listen_from(METER, ECHO), listen_from(ECHO, METER)) else {
        note!("no free port in {METER} to {}: end a program that listens there", ECHO + TRIES);
        return ExitCode::FAILURE;
    };
    let yaml = format!(
        "ports:
  meter:
    device: sim:dsmr-p1
    profile: dsmr-p1
    listen: [ {{ protocol: raw, address: {meter} }} ]
  echo:
    device: sim:echo
    listen: [ {{ protocol: raw, address: {echo} }} ]
"
    );
    let config = match load_str("demo", &yaml) {
        Ok(loaded) => loaded.config,
        Err(faults) => {
            note_part!("{faults}");
            return ExitCode::FAILURE;
        }
    };
    for (wanted, got) in [(METER, meter), (ECHO, echo)] {
        if wanted != got {
            super::print(&format!("Port {wanted} is taken; using {got} instead.\n"));
        }
    }
    // Before the log says anything: a client that has just connected waits a moment.
    super::print(&format!(
        "sermux {}: two simulated devices, no hardware

  127.0.0.1:{meter}  a smart meter: DSMR 5, a telegram each second   try: nc 127.0.0.1 {meter}
  127.0.0.1:{echo}  a device that echoes what it is sent            try: nc 127.0.0.1 {echo}

Open either as often as you like, all at the same time. Ctrl-C ends the demo.
",
        env!("CARGO_PKG_VERSION")
    ));
    sockets.extend(more);
    serve::run_with(config, None, &serve::Conduct::of(arguments), sockets)
}

/// Listens on the first port from `wanted` on that nobody has, and that is not the one the other device begins with.
fn listen_from(wanted: u16, others: u16) -> Option<(u16, Vec<Socket>)> {
    let ports = (wanted..wanted + TRIES).filter(|port| *port != others);
    ports.into_iter().find_map(|port| {
        let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?;
        match TcpListener::bind((Ipv6Addr::LOCALHOST, port)) {
            Ok(v6) => Some((port, vec![v4.into(), v6.into()])),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => None,
            // There is no IPv6 here.
            Err(_) => Some((port, vec![v4.into()])),
        }
    })
}
