//! `sermux kick`, `pause` and `resume`.

use std::process::ExitCode;

use super::remote::{of_port, post};
use super::text::{count, printable};
use super::Arguments;
use crate::control::request::{KickBody, KickedShape};
use crate::control::status::{PortShape, StateShape};

pub(super) fn kick(arguments: &Arguments, port: &str, client: Option<&str>) -> ExitCode {
    let body = KickBody { client: client.map(str::to_owned) };
    match post::<KickedShape>(arguments, &of_port(port, "kick"), &body) {
        Ok(KickedShape { port, clients }) if clients.is_empty() => {
            super::print(&format!("{port}: there are no clients\n"))
        }
        Ok(KickedShape { port, clients }) => {
            let names: Vec<String> =
                clients.iter().map(|client| format!("#{} {}", client.id, client.address)).collect();
            let number = count(clients.len(), "client");
            super::print(&format!("{port}: {number} disconnected: {}\n", names.join(", ")))
        }
        Err(why) => why.complain(),
    }
}

pub(super) fn pause(arguments: &Arguments, port: &str) -> ExitCode {
    match post::<PortShape>(arguments, &of_port(port, "pause"), &()) {
        Ok(port) => {
            let clients = match port.clients.len() {
                0 => String::new(),
                1 => "; its client stays".to_owned(),
                n => format!("; its {n} clients stay"),
            };
            let device = printable(&port.device.configured);
            super::print(&format!("{}: paused; {device} is free{clients}\n", port.name))
        }
        Err(why) => why.complain(),
    }
}

pub(super) fn resume(arguments: &Arguments, port: &str) -> ExitCode {
    let port = match post::<PortShape>(arguments, &of_port(port, "resume"), &()) {
        Ok(port) => port,
        Err(why) => return why.complain(),
    };
    match (port.state, &port.line.actual) {
        (StateShape::Open, Some(line)) => super::print(&format!("{}: open, {line}\n", port.name)),
        (state, _) if port.well => super::print(&format!("{}: {}\n", port.name, state.name())),
        (state, _) => {
            let why = port.fault.map(|fault| format!(": {}", printable(&fault.what))).unwrap_or_default();
            note!("{}: resumed, and {}{why}", port.name, state.name());
            ExitCode::FAILURE
        }
    }
}
