//! The command line: what may be asked for, and how it ends.
//!
//! Results go to standard output, everything else to standard error.

#[macro_use]
mod note;

mod check;
mod clients;
mod demo;
mod devices;
mod diff;
mod doctor;
mod held;
mod import;
mod line;
mod others;
mod port;
mod probe;
mod profiles;
mod reload;
mod remote;
mod serve;
mod setup;
mod show;
mod status;
mod support;
mod text;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::parser::ValueSource;
use clap::{FromArgMatches as _, Parser, Subcommand, ValueEnum};
use sermux_port_config::config::load::Loaded;
use sermux_port_config::config::{Device, DeviceError, LogFormat};
use sermux_port_config::Faults;

use crate::control::request::BreakBody;
use crate::supervisor::ConfigSource;

/// What is wrong is in the configuration (EX_CONFIG of sysexits.h).
const CONFIGURATION: u8 = 78;

/// The command line is wrong, as clap ends then.
const USAGE: u8 = 2;

/// Nothing listens on the control socket, as `systemctl status` ends when a service does not run.
const NOT_RUNNING: u8 = 3;

/// The running program has no port of this name, as `systemctl status` ends when there is no such unit.
const NO_PORT: u8 = 4;

/// This user may not use the control socket (EX_NOPERM of sysexits.h).
const FORBIDDEN: u8 = 77;

/// The service's configuration.
const DEFAULT_CONFIG: &str = "/etc/sermux/sermux.yaml";

/// Share serial ports with many network clients at the same time.
#[derive(Debug, Parser)]
#[command(name = "sermux", version, disable_help_subcommand = true)]
struct Arguments {
    /// The configuration file; `serve`, `check`, `show` and `diff` read standard input for -
    #[arg(long, value_name = "FILE", global = true, default_value = DEFAULT_CONFIG)]
    config: PathBuf,

    /// Whether the command line names it.
    #[arg(skip)]
    names_config: bool,

    /// The control socket, whatever the configuration says
    #[arg(long, value_name = "SOCKET", global = true, env = "SERMUX_CONTROL", hide_env_values = true)]
    control: Option<PathBuf>,

    /// Whether the command line names it, and not the environment.
    #[arg(skip)]
    names_control: bool,

    /// Log more: -v for debug, -vv for trace, which shows every byte
    #[arg(short, action = clap::ArgAction::Count, global = true)]
    verbose: u8,

    /// How log records look, whatever the configuration says
    #[arg(long, value_name = "FORMAT", global = true)]
    log_format: Option<Format>,

    #[command(subcommand)]
    command: SubCommand,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Auto,
    Text,
    Json,
    Journal,
}

impl From<Format> for LogFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Auto => Self::Auto,
            Format::Text => Self::Text,
            Format::Json => Self::Json,
            Format::Journal => Self::Journal,
        }
    }
}

#[derive(Debug, Subcommand)]
enum SubCommand {
    /// Open the configured ports and serve them until SIGTERM or Ctrl-C
    Serve {
        /// A port without a file: device=/dev/ttyUSB0,line=115200 8N1,listen=raw:*:4001. May be repeated
        ///
        /// What stands there is key=value, separated by commas; each key of a port in sermux.yaml(5) may be there (profile=, frame=,
        /// write=, max-clients=). listen= takes an address, with raw:, telnet: or rfc2217: before it, and may be repeated. name=
        /// names the port; ports without it are port1, port2 and so on. The configuration file is read only if --config is given,
        /// too. A reload keeps these ports.
        #[arg(long = "port", value_name = "KEY=VALUE,...")]
        ports: Vec<String>,
    },
    /// Try it without hardware: a simulated smart meter and an echo device on 127.0.0.1
    Demo,
    /// Say whether a configuration is good; list everything that is wrong with it
    Check {
        /// The file to check, instead of --config
        file: Option<PathBuf>,
    },
    /// Compare the configuration with the running program: show what a reload would change
    ///
    /// Changes nothing. Without FILE, the running program's own configuration file is compared with what it runs by. If no
    /// sermux runs, FILE is compared with --config.
    Diff {
        /// Compare this file instead of the running program's own; - reads standard input
        #[arg(value_name = "FILE")]
        old_or_new: Option<PathBuf>,
        /// Compare two files: FILE is the old one, NEW the new one. The running program is not asked
        new: Option<PathBuf>,
    },
    /// Print a configuration of ser2net as one of sermux
    ///
    /// Reads ser2net.yaml of either version, and ser2net.conf. The configuration goes to standard output; what was translated,
    /// what is better now and what has no equivalent goes to standard error, a line each, with its place. Ends with 1 if
    /// something is wrong in the file; the connections that are right are printed all the same
    Import {
        /// The file of ser2net; - is standard input
        file: PathBuf,
        /// End with 1 also if something has no equivalent
        #[arg(long)]
        strict: bool,
    },
    /// Say how the running program is: its ports, their devices and clients. Ends with 1 if a port is not well
    Status {
        /// Only this port
        port: Option<String>,
        /// As JSON, as sermux-api(7) describes it
        #[arg(long)]
        json: bool,
    },
    /// Have the running program read its configuration again, and say what that changed; ends with 78 if it has faults
    Reload,
    /// Disconnect a client of a port, or all of them
    Kick {
        /// The port
        port: String,
        /// Its number in the status, its address there (10.0.0.7:51234, unix:pid=1234/uid=1000), or that of its host; without
        /// it all clients of the port
        client: Option<String>,
    },
    /// Change the settings of a port's line until its device is opened again, and say what it has then
    Set {
        /// The port
        port: String,
        /// A baud rate, 8N1 and the like, flow control; settings you leave out keep their value. Or default: settings, DTR and
        /// RTS as configured
        #[arg(required = true)]
        settings: Vec<String>,
    },
    /// Raise or drop DTR and RTS of a port; without an assignment, say how its modem lines are
    Modem {
        /// The port
        port: String,
        /// dtr=on, dtr=off, rts=on or rts=off
        #[arg(value_name = "dtr|rts=on|off")]
        assignments: Vec<line::Assignment>,
    },
    /// Send a break on a port's line
    Break {
        /// The port
        port: String,
        /// How long, in milliseconds: 1 to 5000, and 250 if it is not said
        #[arg(value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=BreakBody::LONGEST_MS))]
        duration_ms: Option<u64>,
    },
    /// Throw away what is queued on a port's line; this also frees a line that is stuck
    Purge {
        /// The port
        port: String,
        /// Only in this direction
        direction: Option<line::QueueArg>,
    },
    /// Let go of a port's device until it is resumed, for another program; clients stay, what they send is thrown away
    Pause {
        /// The port
        port: String,
    },
    /// Open the device of a paused port again
    Resume {
        /// The port
        port: String,
    },
    /// Reset what is connected to a port by a macro on DTR and RTS, such as esp32-run
    Reset {
        /// The port
        port: String,
        /// One of the port's `reset` macros, or a built-in one: esp32-run, esp32-bootloader, arduino
        #[arg(value_name = "MACRO")]
        name: String,
    },
    /// Print the configuration
    Show {
        /// With every default filled in
        #[arg(long, required = true)]
        resolved: bool,
    },
    /// List the serial ports of this machine: what they are, the names they keep, and who uses them.
    ///
    /// None of them is opened. The state of each is the first of these that is so: no-node (there is hardware and nothing in
    /// /dev), held (a program has it open, or a lock file), login (a login prompt runs on it), forbidden (for this user),
    /// console (the kernel writes its messages to it), free. Only root sees the programs of other users.
    Devices {
        /// As JSON, for programs: an object with `devices`, a list of objects with path, links, state, notes,
        /// description, driver, location, usb (vendor, product, serial, manufacturer, product-text, interface, adapter), may-open,
        /// processes (pid, program), login, kernel-console and lock-files (path, pid, alive, program); and with
        /// `all-processes-seen`. What is not known is null
        #[arg(long)]
        json: bool,
    },
    /// Say what is wrong with the serial set-up of this machine, where that stands, and what to do. Ends with 1 if
    /// something is bad.
    ///
    /// Looks at the devices of the configuration; without one at the UART on the pins of a Raspberry Pi. Reads files
    /// only: no device is opened and nothing is changed.
    Doctor {
        /// Only this device
        device: Option<PathBuf>,
        /// As JSON: an object with `well` and `findings`, a list of objects with severity (bad, warning, good), what,
        /// file, line and to-do, a list. What is not known is null
        #[arg(long)]
        json: bool,
        /// Read /boot, /dev, /etc, /proc and /sys below this folder
        #[arg(long, value_name = "FOLDER", hide = true)]
        root: Option<PathBuf>,
    },
    /// Set up a port: find the device, write its file, have the running program read it, and say where readers connect
    Setup {
        #[command(subcommand)]
        what: Setup,
    },
    /// Write what a person needs to know who is to help: version, machine, findings of the doctor, configuration without
    /// its secrets, status, devices.
    Support {
        /// The port whose data to add
        #[arg(long, value_name = "PORT")]
        data: Option<String>,
        /// Only the status of this port
        port: Option<String>,
        /// Into this file, and not to standard output
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Say what a device sends, or why it looks like garbage and what to do. Ends with 0 if it is good data, otherwise
    /// with 1.
    ///
    /// Opens the device and tries the likely settings; when it ends, also by Ctrl-C or SIGTERM, settings, DTR and RTS are
    /// put back. A device that the running program has open is left to it: the program is asked what comes, and telegrams with
    /// a right CRC count as good, or any bytes on a port that does not look for telegrams. Only what comes in the meantime
    /// counts.
    Probe {
        /// A path, usb:…, or sim:…
        #[arg(value_parser = device)]
        device: Device,
        /// How long to look at most, in seconds; many meters send each 10 s only
        #[arg(long, value_name = "SECONDS", default_value_t = 66, value_parser = clap::value_parser!(u32).range(1..=3600))]
        time: u32,
        /// As JSON, for programs: an object with device; held-by-port, the running program's port that was asked; cause (p1,
        /// p1-encrypted, p1-fragments, inverted, seven-bit-parity, speed-too-high, speed-too-low, console, nmea, text, silence, unknown); certainty
        /// (possible, likely, certain); evidence, a count of what shows the cause; settings; bytes; framing-errors and breaks, as
        /// the driver counts them; seconds; per-second, of telegrams, from one to the next; meter (version, id, telegrams,
        /// crc-good, crc-bad, crc-by, x25 or over-cr-lf where the standard's rule is not what makes it right, before-each, the bytes before each telegram in hexadecimal); tried, a list of objects with settings, bytes, seconds and cause; what and advice, in words.
        /// What is not known is null
        #[arg(long)]
        json: bool,
    },
    /// List the profiles that a port can name
    Profiles {
        #[command(subcommand)]
        command: Option<ProfilesCommand>,
    },
}

#[derive(Debug, Subcommand)]
enum Setup {
    /// The P1 port of a smart meter.
    ///
    /// Takes the only USB cable; of several, which it listens to all at once, the one on which telegrams come; or else the UART
    /// on the pins of a Raspberry Pi. Listens there as probe does, asks the running program where that has the device open, and
    /// chooses the profile by what it hears; shows ports.d/p1.yaml beside the configuration and what is in the way, and asks
    /// before it writes. Without a terminal it only shows, unless --yes is given. A configuration that has faults with it is put
    /// back as it was. Then it waits up to 30 seconds for a telegram
    P1(setup::SetupOptions),
}

#[derive(Debug, Subcommand)]
enum ProfilesCommand {
    /// Print a profile as YAML
    Show {
        /// Its name
        name: String,
    },
}

/// The command line as clap knows it, for man pages and completions.
#[must_use]
pub fn command() -> clap::Command {
    <Arguments as clap::CommandFactory>::command()
}

/// Runs the program by the arguments of the process.
#[must_use]
pub fn run() -> ExitCode {
    let matches = command().get_matches();
    let mut arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    arguments.names_config = matches.value_source("config") == Some(ValueSource::CommandLine);
    arguments.names_control = matches.value_source("control") == Some(ValueSource::CommandLine);
    match &arguments.command {
        SubCommand::Serve { ports } => serve::run(&arguments, ports),
        SubCommand::Demo => demo::run(&arguments),
        SubCommand::Check { file } => check::run(file.as_deref().unwrap_or(&arguments.config)),
        SubCommand::Devices { json } => devices::run(*json),
        SubCommand::Doctor { device, json, root } => doctor::run(&arguments, device.as_deref(), *json, root.as_deref()),
        SubCommand::Setup { what: Setup::P1(options) } => setup::run(&arguments, options),
        SubCommand::Support { data, port, output } => {
            support::run(&arguments, port.as_deref(), data.as_deref(), output.as_deref())
        }
        SubCommand::Probe { device, time, json } => probe::run(&arguments, device, *time, *json),
        SubCommand::Diff { old_or_new, new } => match (old_or_new, new) {
            (Some(old), Some(new)) => diff::files(old, new),
            (file, _) => diff::run(&arguments, file.as_deref()),
        },
        SubCommand::Import { file, strict: false } => import::run(file, import::NoEquivalent::Allowed),
        SubCommand::Import { file, strict: true } => import::run(file, import::NoEquivalent::Refused),
        SubCommand::Status { port, json } => status::run(&arguments, port.as_deref(), *json),
        SubCommand::Reload => reload::run(&arguments),
        SubCommand::Kick { port, client } => clients::kick(&arguments, port, client.as_deref()),
        SubCommand::Set { port, settings } => line::set(&arguments, port, settings),
        SubCommand::Modem { port, assignments } => line::modem(&arguments, port, assignments),
        SubCommand::Break { port, duration_ms } => line::send_break(&arguments, port, *duration_ms),
        SubCommand::Purge { port, direction } => line::purge(&arguments, port, *direction),
        SubCommand::Pause { port } => clients::pause(&arguments, port),
        SubCommand::Resume { port } => clients::resume(&arguments, port),
        SubCommand::Reset { port, name } => line::reset(&arguments, port, name),
        SubCommand::Show { resolved: _ } => show::run(&arguments.config),
        SubCommand::Profiles { command: None } => profiles::list(),
        SubCommand::Profiles { command: Some(ProfilesCommand::Show { name }) } => profiles::show(name),
    }
}

fn device(text: &str) -> Result<Device, String> {
    text.parse().map_err(|error: DeviceError| format!("{error}; {}", error.help()))
}

/// Loads a configuration, with its warnings on standard error, or all its faults there.
fn load_or_complain(path: &Path) -> Result<Loaded, ExitCode> {
    load_source_or_complain(&open_source(path)?)
}

/// A file, or standard input.
fn open_source(path: &Path) -> Result<ConfigSource, ExitCode> {
    ConfigSource::of_blocking(path).map_err(|error| {
        note!("standard input: {error}");
        ExitCode::from(CONFIGURATION)
    })
}

fn load_source_or_complain(source: &ConfigSource) -> Result<Loaded, ExitCode> {
    let loaded = source.load_blocking().map_err(|faults| complain(Path::new(&source.name()), &faults))?;
    for fault in &loaded.faults {
        note!("left out: {fault}");
    }
    for warning in &loaded.warnings {
        note!("warning: {warning}");
    }
    Ok(loaded)
}

/// All that is wrong with a configuration, on standard error.
fn complain(path: &Path, faults: &Faults) -> ExitCode {
    note_part!("{faults}");
    let count = faults.len();
    note!("{}: {count} {}", path.display(), if count == 1 { "fault" } else { "faults" });
    ExitCode::from(CONFIGURATION)
}

/// Prints a result. A reader that has had enough of it, as in `| head -1`, is no failure.
fn print(result: &str) -> ExitCode {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(result.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            note!("standard output: {error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}
