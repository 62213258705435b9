//! Where records go: standard error, as text or JSON.

use std::io::IsTerminal as _;

use sermux_port_config::config::{Log, LogFormat, LogLevel};
use tracing::level_filters::LevelFilter;

/// Starts the log. `verbosity` is the number of `-v`: each lets one more level through.
pub(crate) fn start(log: Log, verbosity: u8) {
    let level = more(log.level, verbosity);
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let records = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(colour);
    // A second start (tests in one process) keeps the first log.
    let _ = match log.format {
        LogFormat::Json => records.json().flatten_event(true).try_init(),
        LogFormat::Auto | LogFormat::Text => records.try_init(),
    };
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
