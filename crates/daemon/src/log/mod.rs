//! Where records go: standard error as text or JSON, or systemd's journal.

mod journal;

use std::io::{self, IsTerminal as _};

use sermux_port_config::config::{Log, LogFormat, LogLevel};
use tracing::level_filters::LevelFilter;
use tracing::Subscriber;
use tracing_subscriber::fmt::format::{DefaultFields, Format};
use tracing_subscriber::fmt::SubscriberBuilder;
use tracing_subscriber::layer::SubscriberExt as _;

use journal::Journal;

/// Starts the log. `verbosity` is the number of `-v`: each lets one more level through.
pub(crate) fn start(log: Log, verbosity: u8) {
    let level = more(log.level, verbosity);
    match log.format {
        LogFormat::Json => install(on_stderr(level).json().flatten_event(true).finish()),
        LogFormat::Text => install(on_stderr(level).finish()),
        LogFormat::Journal => to_journal(level, Journal::connect().ok()),
        LogFormat::Auto => to_journal(level, Journal::connect_if_stderr_goes_there()),
    }
}

fn to_journal(level: LevelFilter, journal: Option<Journal>) {
    match journal {
        Some(journal) => install(tracing_subscriber::registry().with(level).with(journal)),
        None => install(on_stderr(level).finish()),
    }
}

fn install(subscriber: impl Subscriber + Send + Sync) {
    // A second start (tests in one process) keeps the first log.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

fn on_stderr(level: LevelFilter) -> SubscriberBuilder<DefaultFields, Format, LevelFilter, fn() -> io::Stderr> {
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(io::stderr as fn() -> io::Stderr)
        .with_target(false)
        .with_ansi(colour)
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
