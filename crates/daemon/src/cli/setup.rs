//! `sermux setup p1`: from a meter's cable to a port that readers can be pointed at.

mod ears;
mod meter;

use std::fmt::Write as _;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::unistd::{access, AccessFlags};
use sermux_port_config::config::load::load;
use sermux_port_config::config::Device;

use self::meter::FoundMeter;
use super::remote::{self, get, of_port, understand, NotDone};
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
    /// The device, and not what is found: a path, or sim:dsmr-p1
    #[arg(long)]
    device: Option<String>,
    /// Where readers connect
    #[arg(long, default_value = "*:9000")]
    address: String,
    /// Do not listen on the device first: the meter is one of DSMR 4 or 5, on the only cable or else on the pins
    #[arg(long)]
    no_probe: bool,
    /// Write without asking, also in place of another file, which is kept with .bak at its end
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
    // Before it listens, which may take a minute.
    if options.yes || (!options.dry_run && io::stdin().is_terminal()) {
        check_rights(&arguments.config)?;
        check_name(&arguments.config)?;
    }
    let FoundMeter { device, reading } = meter::find(arguments, options)?;
    let plan = plan(&arguments.config, &yaml(&device, reading, &options.address))?;
    super::print(&findings(arguments, options, &device));
    if options.yes {
        write(&plan)?;
        super::print(&shown(&plan, Writing::Done));
        check(arguments, &plan, &device)?;
        return start(arguments);
    }
    super::print(&shown(&plan, Writing::Planned));
    if options.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(other) = plan.iter().find(|planned| planned.change == FileChange::Different) {
        say(&format!(
            "{} says something else, and stays; --yes replaces it and keeps it as {}",
            other.path.display(),
            other.backup().display()
        ));
        return Err(ExitCode::FAILURE);
    }
    let is_new = plan.iter().any(|planned| planned.change != FileChange::Same);
    if is_new {
        if !io::stdin().is_terminal() {
            say("nothing was written: there is nobody to ask; --yes writes it");
            return Ok(ExitCode::SUCCESS);
        }
        if !agreed() {
            say("nothing was written");
            return Ok(ExitCode::SUCCESS);
        }
    }
    write(&plan)?;
    check(arguments, &plan, &device)?;
    start(arguments)
}

/// Whether the port's file can be written, and the configuration where there is none yet.
fn check_rights(config: &Path) -> Result<(), ExitCode> {
    let file = port_file(config);
    let written = [Some(file.as_path()), (!config.exists()).then_some(config)];
    for path in written.into_iter().flatten() {
        let there = path.ancestors().skip(1).find(|folder| folder.exists() || folder.as_os_str().is_empty());
        let folder = there.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if access(folder, AccessFlags::W_OK) == Err(Errno::EACCES) {
            say(&format!("{}: no permission to write it; nothing was changed. Use sudo", path.display()));
            return Err(ExitCode::from(FORBIDDEN));
        }
    }
    Ok(())
}

/// Whether another file has a port of this name, which then could not be there twice.
fn check_name(config: &Path) -> Result<(), ExitCode> {
    if port_file(config).exists() {
        // It is compared with what would be written.
        return Ok(());
    }
    // Faults are reported once the port's file is written, all at once.
    match load(config).ok().and_then(|loaded| loaded.config.ports.get(PORT).cloned()) {
        Some(port) => {
            say(&format!(
                "{} has a port {PORT} already, with the device {}: `sermux status {PORT}` shows how it is. Remove it there to set \
                 it up anew",
                config.display(),
                port.device
            ));
            Err(ExitCode::from(CONFIGURATION))
        }
        None => Ok(()),
    }
}

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

/// What is wrong with the device, if it is one of this machine.
fn findings(arguments: &Arguments, options: &SetupOptions, device: &str) -> String {
    let mut text = String::new();
    let is_path = matches!(device.parse::<Device>(), Ok(Device::Path(_)));
    if is_path {
        let mut found = doctor::findings(arguments, Some(Path::new(device)), options.root.as_deref());
        found.retain(|finding| finding.severity != Severity::Good);
        if !found.is_empty() {
            text.push_str(&doctor::text(&found));
        }
    }
    text
}

/// Whether files are written yet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Writing {
    Planned,
    Done,
}

fn shown(plan: &[Planned], writing: Writing) -> String {
    let mut text = String::new();
    for planned in plan {
        let Planned { path, text: content, change } = planned;
        let word = match (change, writing) {
            (FileChange::New, Writing::Planned) => "would be new".to_owned(),
            (FileChange::New, Writing::Done) => "written".to_owned(),
            (FileChange::Same, _) => "is as it should be".to_owned(),
            (FileChange::Different, Writing::Planned) => "says something else and would be replaced".to_owned(),
            (FileChange::Different, Writing::Done) => {
                format!("written; what was there is kept as {}", planned.backup().display())
            }
        };
        let _ = writeln!(text, "{} {word}:", path.display());
        for line in content.lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    text
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

/// The whole configuration, as `sermux check` sees it. One with faults is taken back.
fn check(arguments: &Arguments, plan: &[Planned], device: &str) -> Result<(), ExitCode> {
    let why = match load(&arguments.config) {
        Err(faults) => {
            let code = super::complain(&arguments.config, &faults);
            undo(plan);
            return Err(code);
        }
        Ok(loaded) => match loaded.config.ports.get(PORT) {
            Some(port) if device.parse().as_ref() == Ok(&port.device) => return Ok(()),
            Some(port) => format!("its port {PORT} has the device {}, not {device}", port.device),
            None => "it does not take in ports.d: write into it: include: ports.d/*.yaml".to_owned(),
        },
    };
    say(&format!("{}: {why}", arguments.config.display()));
    undo(plan);
    Err(ExitCode::from(CONFIGURATION))
}

fn undo(plan: &[Planned]) {
    for planned in plan.iter().rev() {
        if let Err(error) = planned.undo() {
            failed(&planned.path, &error);
        }
    }
    if plan.iter().any(|planned| planned.change != FileChange::Same) {
        say("what was written was taken back");
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
            say(&format!("{}\nstart it now: sudo systemctl enable --now sermux", why.text()));
            Ok(ExitCode::SUCCESS)
        }
        Err(why) => Err(why.complain()),
    }
}

fn wait(arguments: &Arguments, before: u64) -> Result<ExitCode, ExitCode> {
    let deadline = Instant::now() + PATIENCE;
    say(&format!("waiting for a telegram, at most {} s", PATIENCE.as_secs()));
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
                None => format!("{} bytes came, no whole telegram", port.counters.rx_bytes),
            });
            say(&format!(
                "no telegram within {} s ({}); what to look at: sermux doctor, sermux status {PORT}",
                PATIENCE.as_secs(),
                what.as_deref().unwrap_or("the port is not there")
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
    let mut text = "the meter's telegrams arrive\n".to_owned();
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
        "the telegrams are encrypted: enter the key in each of these; the grid operator hands it out\n"
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
    let help = if error.kind() == io::ErrorKind::PermissionDenied { "; use sudo" } else { "" };
    say(&format!("{}: {error}{help}", path.display()));
    ExitCode::FAILURE
}
