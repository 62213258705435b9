//! `sermux probe`: what a device sends, or why it looks like garbage.

use std::io::{stderr, IsTerminal as _};
use std::process::ExitCode;
use std::time::Duration;

use sermux_port_config::config::load::load_str;
use sermux_port_config::config::{Device, Port};
use sermux_protocol::verdict::Cause;

use super::remote::{get, understand};
use super::Arguments;
use crate::control::status::{self, State, Status};
use crate::line::Saved;
use crate::probe::{self, words, Found};

#[expect(clippy::print_stderr, reason = "progress, and why there is no result")]
pub(super) fn run(arguments: &Arguments, device: &Device, seconds: u32, json: bool) -> ExitCode {
    if let Some(port) = held_by_daemon(arguments, device) {
        return of_daemon(&port, json);
    }
    let Some(port) = port(device) else {
        eprintln!("{device}: cannot be made a port");
        return ExitCode::FAILURE;
    };
    let saved = match device {
        Device::Path(path) => Saved::of_blocking(path),
        _ => None,
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let shown = stderr().is_terminal();
    let mut opened = false;
    let progress = |found: &Found| {
        opened = true;
        if shown {
            eprint!("\r\x1b[K{}: {} bytes in {} s", found.settings, found.bytes, found.spent.as_secs());
        }
    };
    let ended = runtime.block_on(async {
        tokio::select! {
            ended = probe::run(port, Duration::from_secs(u64::from(seconds)), progress) => ended,
            _ = tokio::signal::ctrl_c() => Err("interrupted; the settings are as they were".to_owned()),
        }
    });
    runtime.shutdown_background();
    if shown && opened {
        eprintln!();
    }
    if let Some(saved) = saved.filter(|_| opened) {
        saved.restore_blocking();
    }
    match ended {
        Ok(found) => {
            let printed = super::print(&if json { document(device, &found) } else { text(device, &found) });
            if words::is_good(&found.verdict.cause) {
                printed
            } else {
                ExitCode::FAILURE
            }
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// With nothing but a device.
fn port(device: &Device) -> Option<Port> {
    let config =
        load_str("probe", "ports: { probe: { device: \"sim:echo\", listen: [ { protocol: raw, address: 9000 } ] } }")
            .ok()?
            .config;
    let mut port = config.ports.into_values().next()?;
    port.device = device.clone();
    port.line.settings = probe::TRIES[0].0.parse().ok()?;
    Some(port)
}

/// The running daemon's port with this device, while it has it.
fn held_by_daemon(arguments: &Arguments, device: &Device) -> Option<status::Port> {
    let Device::Path(path) = device else { return None };
    let node = path.canonicalize().ok()?.display().to_string();
    let status: Status = understand(&get(arguments, "/v1/status").ok()?).ok()?;
    status.ports.into_iter().find(|port| port.state == State::Open && port.device.path.as_ref() == Some(&node))
}

fn of_daemon(port: &status::Port, json: bool) -> ExitCode {
    let (telegrams, bad) = port.frames.map_or((0, 0), |frames| (frames.telegrams, frames.crc_failures));
    let (bytes, name) = (port.counters.rx_bytes, &port.name);
    let help = format!("`sermux pause {name}` lets go of it for a probe, `sermux resume {name}` takes it again");
    let text = if json {
        let document = serde_json::json!({
            "device": port.device.path, "held-by-port": name, "rx-bytes": bytes, "telegrams": telegrams, "crc-bad": bad, "advice": help,
        });
        format!("{document:#}\n")
    } else {
        format!(
            "the running sermux has it open as port {name}, {}\n  received: {bytes} bytes, {telegrams} telegrams, {bad} with a wrong CRC\n  {help}\n",
            port.line.actual.as_deref().unwrap_or(&port.line.configured)
        )
    };
    let printed = super::print(&text);
    if telegrams > bad {
        printed
    } else {
        ExitCode::FAILURE
    }
}

fn text(device: &Device, found: &Found) -> String {
    let verdict = &found.verdict;
    let mut text = format!("{device}: {} ({})\n", words::what(&verdict.cause), verdict.certainty.name());
    if verdict.cause != Cause::Silence {
        text += &format!("  settings   {}\n", found.settings);
    }
    if let Cause::P1(meter) = &verdict.cause {
        let rate = f64::from(u32::try_from(meter.telegrams).unwrap_or(u32::MAX)) / found.spent.as_secs_f64().max(0.001);
        text += &format!("  version    {}\n  telegrams  {}, {rate:.1} per second\n", meter.version, meter.telegrams);
        text += &format!("  CRC        {} good, {} bad\n", meter.crc_good, meter.crc_bad);
        text += &format!("  meter      {}\n", meter.id.as_deref().unwrap_or("does not say"));
    }
    text + &format!("  {}\n", words::advice(&verdict.cause))
}

fn document(device: &Device, found: &Found) -> String {
    let verdict = &found.verdict;
    let meter = match &verdict.cause {
        Cause::P1(meter) => serde_json::json!({
            "version": meter.version, "id": meter.id, "telegrams": meter.telegrams,
            "crc-good": meter.crc_good, "crc-bad": meter.crc_bad,
        }),
        _ => serde_json::Value::Null,
    };
    let document = serde_json::json!({
        "device": device.to_string(), "cause": words::name(&verdict.cause), "certainty": verdict.certainty.name(),
        "evidence": verdict.evidence, "settings": found.settings.to_string(), "bytes": found.bytes,
        "framing-errors": found.framing_errors, "breaks": found.breaks, "seconds": found.spent.as_secs_f64(),
        "meter": meter, "what": words::what(&verdict.cause), "advice": words::advice(&verdict.cause),
    });
    format!("{document:#}\n")
}
