//! `sermux demo`: two simulated devices, for a first look on a machine without hardware.

use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;

use sermux_port_config::config::load::load_str;

use super::{serve, Arguments};

const METER: u16 = 9000;
const ECHO: u16 = 9001;

/// How far to look for a port that nobody has.
const TRIES: u16 = 100;

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "the result of the command, or why there is none")]
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let meter = free_port(METER, ECHO);
    let (Some(meter), Some(echo)) = (meter, free_port(ECHO, meter.unwrap_or(METER))) else {
        eprintln!("no free port in {METER} to {}: end a program that listens there", ECHO + TRIES);
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
            eprint!("{faults}");
            return ExitCode::FAILURE;
        }
    };
    for (wanted, got) in [(METER, meter), (ECHO, echo)] {
        if wanted != got {
            println!("Port {wanted} is taken; using {got} instead.");
        }
    }
    serve::run_with(config, None, arguments, move || {
        println!(
            "sermux {}: two simulated devices, no hardware

  127.0.0.1:{meter}  a smart meter: DSMR 5, a telegram each second   try: nc 127.0.0.1 {meter}
  127.0.0.1:{echo}  a device that echoes what it is sent            try: nc 127.0.0.1 {echo}

Open either as often as you like, all at the same time. Ctrl-C ends the demo.",
            env!("CARGO_PKG_VERSION")
        );
    })
}

/// The first port from `wanted` on that nobody listens on, and that is not the other device's.
fn free_port(wanted: u16, others: u16) -> Option<u16> {
    (wanted..wanted + TRIES).filter(|port| *port != others).find(|port| {
        // Bound for a moment only: whoever takes it in between is met as any address in use.
        TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()
    })
}
