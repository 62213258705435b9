//! `sermux setup p1`: from a meter's cable to a port that readers can be pointed at.

mod before;
mod ears;
mod meter;

use std::fmt::Write as _;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use sermux_port_config::config::load::load;
use sermux_port_config::config::Device;

use self::meter::FoundMeter;
use super::remote::{self, get, of_port, understand, NotDone};
use super::terminal::{Colour, Paper};
use super::text::{bytes, meaning};
use super::{doctor, Arguments, CONFIGURATION, FORBIDDEN};
use crate::control::request::ReloadedShape;
use crate::control::status::PortShape;
use crate::doctor::Severity;
use crate::setup::files::{FileChange, Planned};
use crate::setup::{yaml, PORT};

/// How long a telegram may take: an old meter sends one each 10 s.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two looks at the status.
const LOOK: Duration = Duration::from_millis(250);

/// What a configuration says that only takes in the files of ports.
const INCLUDE: &str = "include: ports.d/*.yaml\nports: {}\n";

/// What was asked for.
#[derive(Debug, clap::Args)]
pub(super) struct SetupOptions {
    /// Use this device instead of searching for one: a path, or sim:dsmr-p1
    #[arg(long)]
    device: Option<String>,
    /// Where readers connect
    #[arg(long, default_value = "*:9000")]
    address: String,
    /// Do not listen on the device first. Assumes a meter of DSMR 4 or 5, on the only USB cable or else on the pins
    #[arg(long)]
    no_probe: bool,
    /// Write without asking. An existing file with other content is replaced and kept with .bak at the end of its name
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
    /// Only show what would be written
    #[arg(long)]
    dry_run: bool,
    /// Look for devices below this folder
    #[arg(long, value_name = "FOLDER", hide = true)]
    root: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, options: &SetupOptions) -> ExitCode {
    set_up(arguments, options).unwrap_or_else(|code| code)
}

fn set_up(arguments: &Arguments, options: &SetupOptions) -> Result<ExitCode, ExitCode> {
    before::check(arguments, options)?;
    let FoundMeter { device, reading } = meter::find(arguments, options)?;
    let plan = plan(&arguments.config, &yaml(&device, reading, &options.address))?;
    super::print(&faults(arguments, options, &device));
    if !options.yes {
        super::print(&shown(&plan));
    }
    if options.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(other) = plan.iter().find(|planned| planned.change == FileChange::Different && !options.yes) {
        say(&format!(
            "{} exists with other content and was not changed\n  --yes replaces it and keeps the old file as {}",
            other.path.display(),
            other.backup().display()
        ));
        return Err(ExitCode::FAILURE);
    }
    let is_new = plan.iter().any(|planned| planned.change != FileChange::Same);
    if is_new && !options.yes {
        if !io::stdin().is_terminal() {
            say("nothing was written: without a terminal, setup cannot ask you; --yes writes without asking");
            return Ok(ExitCode::SUCCESS);
        }
        if !agreed() {
            say("nothing was written");
            return Ok(ExitCode::SUCCESS);
        }
    }
    write(&plan)?;
    check(arguments, &plan, &device)?;
    super::print(&written(&plan, options));
    start(arguments)
}

/// The file of the port that setup writes.
fn port_file(config: &Path) -> PathBuf {
    config.parent().unwrap_or(Path::new("")).join("ports.d").join(format!("{PORT}.yaml"))
}

/// The port's file, and the configuration that takes it in where there is none yet.
fn plan(config: &Path, port: &str) -> Result<Vec<Planned>, ExitCode> {
    let mut files: Vec<(PathBuf, &str)> = vec![(port_file(config), port)];
    if !config.exists() {
        files.push((config.to_owned(), INCLUDE));
    }
    let planned = files
        .into_iter()
        .map(|(path, text)| Planned::new(path.clone(), text.to_owned()).map_err(|error| failed(&path, &error)));
    planned.collect()
}

/// What is wrong with the device, as the doctor reports it.
fn faults(arguments: &Arguments, options: &SetupOptions, device: &str) -> String {
    if !matches!(device.parse::<Device>(), Ok(Device::Path(_))) {
        return String::new();
    }
    let mut found = doctor::findings(arguments, Some(Path::new(device)), options.root.as_deref());
    found.retain(|finding| finding.severity != Severity::Good);
    if found.is_empty() {
        String::new()
    } else {
        doctor::text(&found, Paper::of_stdout())
    }
}

/// The files as they would be.
fn shown(plan: &[Planned]) -> String {
    let one = |planned: &Planned| {
        let what = match planned.change {
            FileChange::New => "does not exist yet and would be written",
            FileChange::Same => "exists already with this content",
            FileChange::Different => "exists with other content and would be replaced",
        };
        with_content(planned, what)
    };
    plan.iter().map(one).collect()
}

/// The files as they are now; their content only where it was not shown before.
fn written(plan: &[Planned], options: &SetupOptions) -> String {
    let one = |planned: &Planned| {
        let what = match planned.change {
            FileChange::New => "written".to_owned(),
            FileChange::Same => "exists already with this content".to_owned(),
            FileChange::Different => format!("written; the old file is kept as {}", planned.backup().display()),
        };
        if options.yes {
            with_content(planned, &what)
        } else if planned.change == FileChange::Same {
            String::new()
        } else {
            format!("{} {what}\n", planned.path.display())
        }
    };
    plan.iter().map(one).collect()
}

fn with_content(Planned { path, text, .. }: &Planned, what: &str) -> String {
    let lines = text.lines().map(|line| format!("  {line}\n"));
    let path = Paper::of_stdout().paint(&path.display().to_string(), Colour::Bold);
    format!("{path} {what}:\n{}", lines.collect::<String>())
}

fn agreed() -> bool {
    note_part!("write this? (y/N) ");
    let _ = io::stderr().flush();
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

fn write(plan: &[Planned]) -> Result<(), ExitCode> {
    for (at, planned) in plan.iter().enumerate() {
        if let Err(error) = planned.write() {
            undo(&plan[..at]);
            return Err(failed(&planned.path, &error));
        }
    }
    Ok(())
}

/// The whole configuration, as `sermux check` sees it. If it has faults, the files are restored.
fn check(arguments: &Arguments, plan: &[Planned], device: &str) -> Result<(), ExitCode> {
    let why = match load(&arguments.config) {
        Err(faults) => {
            let code = super::complain(&arguments.config, &faults);
            undo(plan);
            return Err(code);
        }
        Ok(loaded) => match loaded.config.ports.get(PORT) {
            Some(port) if device.parse().as_ref() == Ok(&port.device) => return Ok(()),
            Some(port) => format!("its port {PORT} has the device {} and not {device}", port.device),
            None => "it does not include ports.d/p1.yaml; add this line to it: include: ports.d/*.yaml".to_owned(),
        },
    };
    say(&format!("{}: {why}", arguments.config.display()));
    undo(plan);
    Err(ExitCode::from(CONFIGURATION))
}

/// Restores the files that were written, and reports which.
fn undo(written: &[Planned]) {
    for planned in written.iter().rev().filter(|planned| planned.change != FileChange::Same) {
        match planned.undo() {
            Ok(()) if planned.change == FileChange::New => say(&format!("{} removed again", planned.path.display())),
            Ok(()) => say(&format!("{} restored", planned.path.display())),
            Err(error) => {
                failed(&planned.path, &error);
            }
        }
    }
}

/// Tells the daemon, and waits for the meter.
fn start(arguments: &Arguments) -> Result<ExitCode, ExitCode> {
    let before = telegrams(arguments).map_or(0, |(good, _)| good);
    match remote::post::<ReloadedShape>(arguments, "/v1/reload", &()) {
        Ok(reloaded) => {
            let is_new = reloaded.added.iter().any(|name| name == PORT)
                || reloaded.changed.iter().any(|changed| changed.port == PORT);
            wait(arguments, if is_new { before } else { 0 })
        }
        Err(why @ NotDone::Unreachable(_)) => {
            say(&format!("{}\nstart the service with `sudo systemctl enable --now sermux`", why.text()));
            Ok(ExitCode::SUCCESS)
        }
        Err(why) => Err(why.complain()),
    }
}

fn wait(arguments: &Arguments, before: u64) -> Result<ExitCode, ExitCode> {
    let deadline = Instant::now() + PATIENCE;
    say(&format!("waiting up to {} s for a telegram", PATIENCE.as_secs()));
    loop {
        let now = telegrams(arguments);
        if let Some((good, port)) = &now {
            // A port that was started anew counts from nothing.
            if *good > before || (*good > 0 && port.since_seconds == 0) {
                super::print(&addresses(port));
                return Ok(ExitCode::SUCCESS);
            }
        }
        if Instant::now() >= deadline {
            let what = now.map(|(_, port)| match port.fault.filter(|fault| !fault.over) {
                Some(fault) => fault.what,
                None => format!("{} received, but no complete telegram", bytes(port.counters.rx_bytes)),
            });
            say(&format!(
                "no telegram was received within {} s ({})\n  `sermux doctor` and `sermux status {PORT}` show why",
                PATIENCE.as_secs(),
                what.as_deref().unwrap_or("the running sermux has no such port")
            ));
            return Err(ExitCode::FAILURE);
        }
        std::thread::park_timeout(LOOK);
    }
}

/// Those whose CRC is right, or the bytes of a port on which telegrams are not framed; and the port.
fn telegrams(arguments: &Arguments) -> Option<(u64, PortShape)> {
    let port: PortShape = understand(&get(arguments, &of_port(PORT, "")).ok()?).ok()?;
    let bytes = port.counters.rx_bytes;
    Some((port.frames.as_ref().map_or(bytes, |frames| frames.telegrams.saturating_sub(frames.crc_failures)), port))
}

/// Where to point readers.
fn addresses(port: &PortShape) -> String {
    let mut text = Paper::of_stdout().paint("the meter's telegrams arrive", Colour::Green) + "\n";
    for address in port.listeners.iter().filter_map(|listener| listener.address.as_ref()?.parse::<SocketAddr>().ok()) {
        let host = if address.ip().is_unspecified() { own_address() } else { address.ip().to_string() };
        let number = address.port();
        let in_url = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let _ = write!(
            text,
            "  Domoticz        hardware \"P1 Smart Meter with LAN interface\", address {host}, port {number}\n  \
             Home Assistant  integration \"DSMR Smart Meter\", device socket://{in_url}:{number}\n  \
             {:16}(before mid-2026: connection type network, host {host}, port {number})\n  \
             DSMR-reader     datalogger, network socket, host {host}, port {number}\n",
            ""
        );
    }
    text.push_str(if port.frames.is_some() {
        "each telegram goes out in one write, as the readers of Domoticz and Home Assistant need it\n"
    } else {
        "the telegrams are encrypted: enter the key in each of these programs; the grid operator provides it\n"
    });
    text
}

/// The address by which others reach this machine; connecting a datagram socket sends nothing.
fn own_address() -> String {
    let local = || {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        // A documentation address (RFC 5737): anything that is not on this machine.
        socket.connect("192.0.2.1:9")?;
        socket.local_addr()
    };
    local().map_or_else(|_: io::Error| "(this machine's address)".to_owned(), |address| address.ip().to_string())
}

fn say(text: &str) {
    note!("{text}");
}

fn failed(path: &Path, error: &io::Error) -> ExitCode {
    say(&format!("cannot write {}: {}", path.display(), meaning(error)));
    if error.kind() == io::ErrorKind::PermissionDenied {
        say("  use sudo");
        return ExitCode::from(FORBIDDEN);
    }
    ExitCode::FAILURE
}
