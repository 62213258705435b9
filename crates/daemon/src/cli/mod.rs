//! The command line: its arguments, its sub-commands and their exit codes.
//!
//! Results go to standard output, everything else to standard error.

#[macro_use]
mod note;

mod check;
mod clients;
mod completions;
mod demo;
mod devices;
mod diff;
mod doctor;
mod faults;
mod held;
mod help;
mod import;
mod in_force;
mod line;
mod names;
mod others;
mod port;
mod probe;
mod profiles;
mod reload;
mod remote;
mod ser2net;
mod serve;
mod setup;
mod show;
mod status;
mod support;
mod terminal;
mod text;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::parser::ValueSource;
use clap::{FromArgMatches as _, Parser, Subcommand, ValueEnum};
use sermux_port_config::config::load::Loaded;
use sermux_port_config::config::{Device, DeviceError, LogFormat};
use sermux_port_config::Faults;

use self::terminal::Paper;
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
#[command(name = "sermux", version)]
struct Arguments {
    /// Configuration file. For serve, check, show and diff, - is standard input
    #[arg(long, value_name = "FILE", global = true, default_value = DEFAULT_CONFIG, help_heading = help::GLOBAL)]
    config: PathBuf,

    /// Whether the command line names it.
    #[arg(skip)]
    names_config: bool,

    /// Control socket, instead of the one in the configuration
    #[arg(
        long,
        value_name = "SOCKET",
        global = true,
        env = "SERMUX_CONTROL",
        hide_env_values = true,
        help_heading = help::GLOBAL
    )]
    control: Option<PathBuf>,

    /// Whether the command line names it, and not the environment.
    #[arg(skip)]
    names_control: bool,

    /// Log more: -v for debug, -vv for trace, which logs every byte
    #[arg(short, action = clap::ArgAction::Count, global = true, help_heading = help::GLOBAL)]
    verbose: u8,

    /// Log format, instead of the one in the configuration
    #[arg(long, value_name = "FORMAT", global = true, help_heading = help::GLOBAL)]
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
        /// Serve a port without a file: device=/dev/ttyUSB0,line=115200 8N1,listen=raw:*:4001. May be repeated
        ///
        /// Write key=value pairs, separated by commas. Every key of a port in sermux.yaml(5) is allowed (profile=, frame=, write=,
        /// max-clients=). listen= takes an address, with raw:, telnet: or rfc2217: before it, and may be repeated. name= names the
        /// port; ports without a name are called port1, port2 and so on. The configuration file is read only if you also give
        /// --config. A reload keeps these ports.
        #[arg(long = "port", value_name = "KEY=VALUE,...")]
        ports: Vec<String>,
    },
    /// Try sermux without hardware: a simulated smart meter and an echo device on 127.0.0.1
    Demo,
    /// Check the configuration and list every fault in it
    Check {
        /// File to check, instead of --config
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
    /// Convert a ser2net configuration to sermux.yaml
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
    /// Show ports, devices and clients. Exits with 1 if a port is not well
    ///
    /// Without PORT, prints a row for each port, and below it what is wrong and the next step. With PORT, prints the details of that
    /// port and its clients.
    Status {
        /// Show the details of this port; * and ? stand for any characters and for one, as in 'board*'
        #[arg(value_name = "PORT")]
        ports: Vec<String>,
        /// Print JSON, as sermux-api(7) describes it
        #[arg(long, conflicts_with = "watch")]
        json: bool,
        /// Show it again every second, until Ctrl-C
        #[arg(long)]
        watch: bool,
    },
    /// Reload the configuration and list what changed. Exits with 78 if the configuration has faults
    Reload,
    /// Disconnect one client or all clients of a port
    Kick {
        /// Name of the port
        port: String,
        /// Number or address of the client as `sermux status PORT` shows it (10.0.0.7:51234, unix:pid=1234/uid=1000), or the
        /// address of its host. Default: all clients of the port
        client: Option<String>,
    },
    /// Change baud rate, format or flow control until the device is opened again
    Set {
        /// Name of the port
        port: String,
        /// Baud rate, format such as 8N1, flow control. Settings you leave out keep their value. The word default restores
        /// settings, DTR and RTS to the configuration
        #[arg(required = true)]
        settings: Vec<String>,
    },
    /// Set DTR and RTS of a port, or show its modem lines
    Modem {
        /// Name of the port
        port: String,
        /// dtr=on, dtr=off, rts=on or rts=off
        #[arg(value_name = "dtr|rts=on|off")]
        assignments: Vec<line::Assignment>,
    },
    /// Send a break on the line of a port
    Break {
        /// Name of the port
        port: String,
        /// Length of the break in milliseconds, from 1 to 5000. Default: 250
        #[arg(value_name = "MS", value_parser = line::break_length)]
        duration_ms: Option<u64>,
    },
    /// Discard the bytes that are queued on a line. This also frees a stuck line
    Purge {
        /// Name of the port
        port: String,
        /// Discard only received bytes (rx) or only bytes to be sent (tx)
        direction: Option<line::QueueArg>,
    },
    /// Close the device of a port so that another program can use it. Clients stay connected; what they send is discarded
    Pause {
        /// Name of the port
        port: String,
    },
    /// Open the device of a paused port again
    Resume {
        /// Name of the port
        port: String,
    },
    /// Reset the board on a port by a macro on DTR and RTS, such as esp32-run
    Reset {
        /// Name of the port
        port: String,
        /// One of the port's `reset` macros, or a built-in macro: esp32-run, esp32-bootloader, arduino
        #[arg(value_name = "MACRO")]
        name: String,
    },
    /// Print the configuration with every default filled in
    Show {
        /// Fill in every default
        #[arg(long, required = true)]
        resolved: bool,
    },
    /// List the serial devices of this machine, their permanent names and the programs that use them.
    ///
    /// Opens no device. The state of a device is the first of these that applies: no-node (there is hardware but no entry in
    /// /dev), held (a program has the device open, or there is a lock file), login (a login prompt runs on the device),
    /// forbidden (you may not open it), console (the kernel writes its messages there), free. Only root sees the programs of
    /// other users.
    Devices {
        /// Print JSON: an object with `devices`, a list of objects with path, links, state, notes,
        /// description, driver, location, usb (vendor, product, serial, manufacturer, product-text, interface, adapter), may-open,
        /// processes (pid, program), login, kernel-console and lock-files (path, pid, alive, program); and with
        /// `all-processes-seen`. What is not known is null
        #[arg(long)]
        json: bool,
    },
    /// Find what is wrong with the serial setup of this machine and how to fix it. Exits with 1 if something is bad.
    ///
    /// Examines the devices of the configuration; without a configuration, the UART on the pins of a Raspberry Pi. Only reads
    /// files: opens no device and changes nothing.
    Doctor {
        /// Examine only this device
        device: Option<PathBuf>,
        /// Print JSON: an object with `well` and `findings`, a list of objects with severity (bad, warning, good), what,
        /// file, line and to-do, a list. What is not known is null
        #[arg(long)]
        json: bool,
        /// Read /boot, /dev, /etc, /proc and /sys below this folder
        #[arg(long, value_name = "FOLDER", hide = true)]
        root: Option<PathBuf>,
    },
    /// Set up a port: find the device, write the file, reload, and show where programs connect
    Setup {
        #[command(subcommand)]
        what: Setup,
    },
    /// Collect a report to send to someone who helps you: version, machine, doctor, configuration without secrets, status, devices.
    Support {
        /// Add the latest data of this port
        #[arg(long, value_name = "PORT")]
        data: Option<String>,
        /// Report the status of this port only
        port: Option<String>,
        /// Write the report to this file instead of standard output
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Find out what a device sends, or why its data looks like garbage. Exits with 0 if the data is good, otherwise with 1.
    ///
    /// Opens the device and tries the likely settings. When probe ends, also by Ctrl-C or SIGTERM, it restores settings, DTR
    /// and RTS. If sermux already serves the device, probe leaves the device open there and looks at the bytes that sermux
    /// receives meanwhile. There, telegrams with a correct CRC count as good data; on a port without telegrams, any bytes do.
    Probe {
        /// Device: a path, usb:… or sim:…
        #[arg(value_parser = device)]
        device: Device,
        /// How long to listen at most, in seconds. Many meters send only every 10 s
        #[arg(long, value_name = "SECONDS", default_value_t = 66, value_parser = clap::value_parser!(u32).range(1..=3600))]
        time: u32,
        /// Print JSON: an object with device; held-by-port, the running program's port that was asked; cause (p1,
        /// p1-encrypted, p1-fragments, inverted, seven-bit-parity, speed-too-high, speed-too-low, console, nmea, text, silence, unknown); certainty
        /// (possible, likely, certain); evidence, a count of what shows the cause; settings; bytes; framing-errors and breaks, as
        /// the driver counts them; seconds; per-second, of telegrams, from one to the next; meter (version, id, telegrams,
        /// crc-good, crc-bad, crc-by, x25 or over-cr-lf where the standard's rule is not what makes it right, before-each, the bytes before each telegram in hexadecimal); tried, a list of objects with settings, bytes, seconds and cause; what and advice, in words.
        /// What is not known is null
        #[arg(long)]
        json: bool,
    },
    /// List the profiles for known devices
    Profiles {
        #[command(subcommand)]
        command: Option<ProfilesCommand>,
    },
    /// Print completions for a shell, to be put where the shell looks for them
    Completions {
        /// Shell to complete in
        shell: completions::CompletedShell,
    },
}

#[derive(Debug, Subcommand)]
enum Setup {
    /// The P1 port of a smart meter.
    ///
    /// Uses the only USB cable, the one of several cables that receives telegrams, or the UART on the pins of a Raspberry Pi.
    /// Listens on the device as probe does and chooses the profile by the telegrams. Shows the file ports.d/p1.yaml, which goes
    /// into the folder of the configuration, and asks before writing it. Without a terminal, setup writes only with --yes. If
    /// the configuration then has faults, setup restores it. Finally setup waits up to 30 seconds for a telegram
    P1(setup::SetupOptions),
}

#[derive(Debug, Subcommand)]
enum ProfilesCommand {
    /// Print a profile as YAML
    Show {
        /// Name of the profile
        name: String,
    },
}

/// The command line as clap knows it, for man pages and completions.
#[must_use]
pub fn command() -> clap::Command {
    help::grouped(<Arguments as clap::CommandFactory>::command())
}

/// Runs the program by the arguments of the process.
#[must_use]
pub fn run() -> ExitCode {
    let called: Vec<OsString> = std::env::args_os().collect();
    if ser2net::is_called(&called) {
        return ser2net::run(&called);
    }
    let matches = command().term_width(terminal::help_width()).get_matches();
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
        SubCommand::Status { ports, json, watch } => {
            let show = match (json, watch) {
                (true, _) => status::Show::Json,
                (false, true) => status::Show::Watch,
                (false, false) => status::Show::Table,
            };
            status::run(&arguments, ports, show)
        }
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
        SubCommand::Completions { shell } => completions::run(*shell),
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
        note!("{}", faults::one("left out: ", fault, Paper::of_stderr()));
    }
    for warning in &loaded.warnings {
        note!("{}", faults::one("warning: ", warning, Paper::of_stderr()));
    }
    Ok(loaded)
}

/// All that is wrong with a configuration, on standard error.
fn complain(path: &Path, faults: &Faults) -> ExitCode {
    note_part!("{}", faults::text(faults, Paper::of_stderr()));
    note!("{}: {}", path.display(), text::count(faults.len(), "fault"));
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
