//! Where records go: standard error as text or JSON, or systemd's journal.
//!
//! A thread writes them, so that a full disk, or a reader that stalls or has gone, costs records and nothing else:
//! [`queue`] is bounded, and what was lost is counted and logged when the log works again.

#[cfg(test)]
mod documented;
mod escape;
mod journal;
mod queue;
pub(crate) mod visits;
mod writer;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal as _};
use std::panic::{self, PanicHookInfo};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use sermux_port_config::config::{Log, LogFormat, LogLevel};
use tracing::level_filters::LevelFilter;
use tracing::{error, warn, Subscriber};
use tracing_subscriber::fmt::format::{DefaultFields, Format};
use tracing_subscriber::fmt::{MakeWriter, SubscriberBuilder};
use tracing_subscriber::layer::SubscriberExt as _;

use escape::{escaped, Form};
use journal::{Journal, ToJournal};
pub(crate) use queue::Health;
use queue::LogQueue;
use writer::{run_blocking, Sink, Stream};

/// A record that is a warning if the condition holds, else for debugging: `warn_or_debug!(condition, event = …)`.
macro_rules! warn_or_debug {
    ($condition:expr, $($record:tt)+) => {
        if $condition { tracing::warn!($($record)+) } else { tracing::debug!($($record)+) }
    };
}

/// As `warn_or_debug!`, of level info.
macro_rules! info_or_debug {
    ($condition:expr, $($record:tt)+) => {
        if $condition { tracing::info!($($record)+) } else { tracing::debug!($($record)+) }
    };
}

pub(crate) use {info_or_debug, warn_or_debug};

/// How long the end of the program waits for records that are not written yet.
const FLUSH_LIMIT: Duration = Duration::from_millis(500);

/// The writer calls a handful of functions, and formats one record now and then.
const STACK: usize = 128 * 1024;

static QUEUE: OnceLock<Arc<LogQueue>> = OnceLock::new();

/// The running log. Dropping it waits for a moment until what was logged is written.
#[derive(Debug)]
#[must_use]
pub(crate) struct RunningLog(Arc<LogQueue>);

impl Drop for RunningLog {
    fn drop(&mut self) {
        self.0.flush_blocking(FLUSH_LIMIT);
    }
}

/// Which stream a log that does not go to the journal is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogOutput {
    /// Standard error.
    Stderr,
    /// Standard output, as `ser2net -d` does.
    Stdout,
}

/// Starts the log. `verbosity` is the number of `-v`: each lets one more level through.
///
/// # Errors
///
/// There can be no thread that writes it.
pub(crate) fn start(log: Log, verbosity: u8, output: LogOutput) -> io::Result<RunningLog> {
    let queue = Arc::clone(QUEUE.get_or_init(Arc::default));
    let level = more(log.level, verbosity);
    let stream: Box<dyn Sink> = match output {
        LogOutput::Stderr => Box::new(Stream::new(io::stderr())),
        LogOutput::Stdout => Box::new(Stream::new(io::stdout())),
    };
    match log.format {
        LogFormat::Json => {
            install(into(&queue, level, Form::Json).json().flatten_event(true).finish());
            write(&queue, stream)?;
        }
        LogFormat::Text => {
            install(into(&queue, level, Form::Text).finish());
            write(&queue, stream)?;
        }
        LogFormat::Journal | LogFormat::Auto => {
            let journal = match log.format {
                LogFormat::Journal => Journal::connect().ok(),
                _ => Journal::connect_if_stderr_goes_there(),
            };
            if let Some(journal) = journal {
                install(tracing_subscriber::registry().with(level).with(ToJournal(Arc::clone(&queue))));
                write(&queue, journal)?;
            } else {
                install(into(&queue, level, Form::Text).finish());
                write(&queue, stream)?;
            }
        }
    }
    panic::set_hook(Box::new(log_panic));
    Ok(RunningLog(queue))
}

/// How the log is; it may not have been started.
pub(crate) fn health() -> Health {
    QUEUE.get().map(|queue| queue.health()).unwrap_or_default()
}

fn install(subscriber: impl Subscriber + Send + Sync) {
    // A second start (tests in one process) keeps the first log.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

fn write(queue: &Arc<LogQueue>, sink: impl Sink + 'static) -> io::Result<()> {
    let queue = Arc::clone(queue);
    let lost = |count, why: &str| warn!(event = %"log.lost", count, "log records were lost: {why}");
    let thread = thread::Builder::new().name("sermux-log".to_owned()).stack_size(STACK);
    // Nobody waits for it: it may be stuck for ever.
    thread.spawn(move || run_blocking(&queue, sink, lost)).map(|_| ())
}

fn into(
    queue: &Arc<LogQueue>,
    level: LevelFilter,
    form: Form,
) -> SubscriberBuilder<DefaultFields, Format, LevelFilter, IntoQueue> {
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(IntoQueue(Arc::clone(queue), form))
        .log_internal_errors(false)
        .with_target(false)
        .with_ansi(colour)
}

/// The standard library writes panics to standard error itself, and waits for its reader.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let thread = thread::current();
    let payload = panic.payload();
    let what = payload.downcast_ref::<String>().map(String::as_str).or(payload.downcast_ref::<&str>().copied());
    let what = what.unwrap_or("without a word");
    let at = panic.location().map(ToString::to_string).unwrap_or_default();
    // As RUST_BACKTRACE wants it.
    let trace = Backtrace::capture();
    let trace = if trace.status() == BacktraceStatus::Captured { format!("\n{trace}") } else { String::new() };
    error!(event = %"sermux.panicked", thread = thread.name().unwrap_or_default(), %at,
        "sermux has a defect: it panicked: {what}{trace}");
}

/// Hands records to the queue.
#[derive(Clone, Debug)]
struct IntoQueue(Arc<LogQueue>, Form);

impl<'a> MakeWriter<'a> for IntoQueue {
    type Writer = QueueWriter<'a>;

    fn make_writer(&'a self) -> QueueWriter<'a> {
        QueueWriter(&self.0, self.1)
    }
}

/// Takes a record in one write.
struct QueueWriter<'a>(&'a LogQueue, Form);

impl io::Write for QueueWriter<'_> {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        self.0.push(&escaped(record, self.1));
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn more(level: LogLevel, verbosity: u8) -> LevelFilter {
    const LEVELS: [LevelFilter; 5] =
        [LevelFilter::ERROR, LevelFilter::WARN, LevelFilter::INFO, LevelFilter::DEBUG, LevelFilter::TRACE];
    let base = match level {
        LogLevel::Error => 0,
        LogLevel::Warn => 1,
        LogLevel::Info => 2,
        LogLevel::Debug => 3,
        LogLevel::Trace => 4,
    };
    LEVELS[(base + usize::from(verbosity)).min(LEVELS.len() - 1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_v_lets_one_more_level_through() {
        assert_eq!(more(LogLevel::Info, 0), LevelFilter::INFO);
        assert_eq!(more(LogLevel::Info, 1), LevelFilter::DEBUG);
        assert_eq!(more(LogLevel::Warn, 9), LevelFilter::TRACE);
    }
}
