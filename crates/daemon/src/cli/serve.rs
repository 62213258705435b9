//! `sermux serve`: the daemon.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use nix::sys::resource::{getrlimit, setrlimit, Resource};
use sermux_port_config::config::{Config, LogFormat};
use socket2::Socket;
use tracing::{debug, error};

use super::{port, Arguments};
use crate::log::{self, LogOutput};
use crate::supervisor::{ConfigSource, Ended, Supervisor, DRAIN_LIMIT};

/// The program has a defect (EX_SOFTWARE of sysexits.h). systemd starts it again.
const DEFECT: u8 = 70;

/// Threads of the blocking pool call a few ioctls; what they need is little, and there may be one for each port.
const BLOCKING_STACK: usize = 128 * 1024;

/// An idle thread ends after this time; to start a new one takes less than any call to a device.
const BLOCKING_KEPT: Duration = Duration::from_secs(1);

/// `ports` are those of the command line; with them the usual file is read only when it is named.
pub(super) fn run(arguments: &Arguments, ports: &[String]) -> ExitCode {
    let loaded = source(arguments, ports).and_then(|source| Ok((super::load_source_or_complain(&source)?, source)));
    match loaded {
        Ok((loaded, source)) => run_with(loaded.config, Some(source), &Conduct::of(arguments), Vec::new()),
        Err(code) => code,
    }
}

fn source(arguments: &Arguments, ports: &[String]) -> Result<ConfigSource, ExitCode> {
    let texts = port::texts_or_complain(ports)?;
    let is_file_read = ports.is_empty() || arguments.names_config;
    let main = if is_file_read { super::open_source(&arguments.config)? } else { ConfigSource::nothing() };
    Ok(main.with(texts))
}

/// How the daemon runs, whatever its configuration is.
pub(super) struct Conduct<'a> {
    pub(super) log_format: Option<LogFormat>,
    pub(super) log_to: LogOutput,
    pub(super) verbosity: u8,
    pub(super) control: Option<&'a Path>,
    /// How long what is held for the lines may take to leave at the end.
    pub(super) drain_limit: Duration,
    /// What is done when every address has been tried.
    pub(super) started: fn(),
}

impl<'a> Conduct<'a> {
    pub(super) fn of(arguments: &'a Arguments) -> Conduct<'a> {
        Conduct {
            log_format: arguments.log_format.map(Into::into),
            log_to: LogOutput::Stderr,
            verbosity: arguments.verbose,
            control: arguments.control.as_deref(),
            drain_limit: DRAIN_LIMIT,
            started: || {},
        }
    }
}

/// Serves a configuration until a signal ends it; SIGHUP reads it again from `source`. `sockets` listen already, on some of
/// its addresses.
pub(super) fn run_with(
    config: Config,
    source: Option<ConfigSource>,
    conduct: &Conduct<'_>,
    sockets: Vec<Socket>,
) -> ExitCode {
    let mut how = config.log;
    how.format = conduct.log_format.unwrap_or(how.format);
    let log = match log::start(how, conduct.verbosity, conduct.log_to) {
        Ok(log) => log,
        Err(error) => {
            note!("cannot start: there can be no thread that writes the log: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = serve(config, source, conduct, sockets);
    // What was logged is on its way out.
    drop(log);
    code
}

fn serve(config: Config, source: Option<ConfigSource>, conduct: &Conduct<'_>, sockets: Vec<Socket>) -> ExitCode {
    raise_file_limit();

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name("sermux-blocking")
        .thread_stack_size(BLOCKING_STACK)
        .thread_keep_alive(BLOCKING_KEPT)
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            error!(event = %"sermux.start-failed", "cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let serve = async {
        let supervisor = Supervisor::new(source, conduct.control).with_sockets(sockets);
        supervisor.with_drain_limit(conduct.drain_limit).serve(config, conduct.started).await
    };
    // What it leaves behind is dropped, and nothing of it is used again.
    let ended = catch_unwind(AssertUnwindSafe(|| runtime.block_on(serve)));
    // A call that hangs in a driver does not keep the program.
    runtime.shutdown_background();
    match ended {
        Ok(Ok(Ended::Asked)) => ExitCode::SUCCESS,
        Ok(Ok(Ended::NothingBound)) => ExitCode::FAILURE,
        Ok(Err(error)) => {
            error!(event = %"sermux.start-failed", "cannot start: {error}");
            ExitCode::FAILURE
        }
        // The log has heard of it.
        Err(_) => ExitCode::from(DEFECT),
    }
}

/// Every client is an open file, and the usual soft limit of 1024 is for select(2).
fn raise_file_limit() {
    let raised =
        getrlimit(Resource::RLIMIT_NOFILE).and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        debug!(event = %"sermux.file-limit-kept", "could not raise the limit of open files: {error}");
    }
}
