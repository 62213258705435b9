//! `sermux status`: how the running daemon and its ports are, for a person or as JSON.

mod table;

use std::process::ExitCode;

use super::remote::{get, of_port, understand, NotDone};
use super::terminal::Style;
use super::Arguments;
use crate::control::status::{PortShape, StatusShape};
use crate::hex::json_for_terminals;

pub(super) fn run(arguments: &Arguments, port: Option<&str>, as_json: bool) -> ExitCode {
    let shown = match port {
        Some(port) => one(arguments, port, as_json),
        None => all(arguments, as_json),
    };
    match shown {
        Ok((text, well)) => match (super::print(&text), well) {
            (printed, true) => printed,
            (_, false) => ExitCode::FAILURE,
        },
        Err(why) => why.complain(),
    }
}

fn all(arguments: &Arguments, as_json: bool) -> Result<(String, bool), NotDone> {
    let body = get(arguments, "/v1/status")?;
    let status: StatusShape = understand(&body)?;
    let text = if as_json { as_it_came(&body) } else { table::all(&status, Style::of_stdout()) };
    Ok((text, status.well))
}

fn one(arguments: &Arguments, port: &str, as_json: bool) -> Result<(String, bool), NotDone> {
    let body = get(arguments, &of_port(port, ""))?;
    let port: PortShape = understand(&body)?;
    let text = if as_json { as_it_came(&body) } else { table::one(&port, Style::of_stdout()) };
    Ok((text, port.well))
}

/// Whatever this version knows of it. Clients choose their signatures.
fn as_it_came(body: &[u8]) -> String {
    json_for_terminals(String::from_utf8_lossy(body).into_owned())
}
