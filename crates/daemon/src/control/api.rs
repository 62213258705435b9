//! What all handlers of requests share: what they know of the program, and how they ask a port.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use sermux_port_config::signal::Effect;
use sermux_protocol::rfc2217::View;
use tokio::sync::{oneshot, OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::ask::{Ask, Asker, Ports};
use super::http::{json, program_ends, Refusal};
use super::status::{FaultShape, LogShape, ProgramShape};
use crate::crash::{Crash, Part};
use crate::log;
use crate::port::hub::Outcome;
use crate::port::{Command, Link, PortReport};
use crate::time::rfc3339;

/// How long a line may take to report its state; after that the answer has the last known state.
const LOOK_LIMIT: Duration = Duration::from_millis(500);

/// Lines that are looked at at a time: each takes a thread while it is.
const LOOKS_AT_A_TIME: usize = 8;

/// Requests that follow a line at a time, of all the connections that there can be; any more are refused.
const FOLLOWERS: usize = 8;

/// What the handlers know.
#[derive(Debug)]
pub(super) struct Api {
    pub(super) asker: Asker,
    config: Option<PathBuf>,
    started: Instant,
    looks: Semaphore,
    followers: Arc<Semaphore>,
}

impl Api {
    /// `config` is the file that a reload reads. `started`: when the program was.
    pub(super) fn new(asker: Asker, config: Option<PathBuf>, started: Instant) -> Self {
        let config = config.map(absolute);
        let (looks, followers) = (Semaphore::new(LOOKS_AT_A_TIME), Arc::new(Semaphore::new(FOLLOWERS)));
        Self { asker, config, started, looks, followers }
    }

    /// When the program was started.
    pub(super) fn started(&self) -> Instant {
        self.started
    }

    /// How these ports are known to be: nothing is asked of their lines. A port that has just ended is left out.
    pub(super) async fn reports(&self, running: Vec<(String, Link)>) -> Vec<(String, PortReport)> {
        let mut asked = Vec::with_capacity(running.len());
        for (name, link) in running {
            let (reply, answer) = oneshot::channel();
            if link.send(Command::Report(reply)).await {
                asked.push((name, answer));
            }
        }
        let mut reports = Vec::with_capacity(asked.len());
        for (name, answer) in asked {
            reports.extend(answer.await.ok().map(|report| (name, report)));
        }
        reports
    }

    /// For a request that follows a line.
    pub(super) fn turn_to_follow(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        Arc::clone(&self.followers).try_acquire_owned().map_err(|_| {
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "too many programs follow lines already")
                .help("try again in a minute")
        })
    }

    pub(super) async fn ports(&self) -> Result<Ports, Refusal> {
        self.asker.ask(Ask::Ports).await.ok_or_else(program_ends)
    }

    /// The port as it is now, after a look at its wires.
    pub(super) async fn look(&self, link: &Link) -> Option<PortReport> {
        let report = ask(link, Command::Report).await?;
        if !report.state.is_open() {
            return Some(report);
        }
        let _turn = self.looks.acquire().await;
        // For a line that does not answer, the report has the last known state.
        let _ = timeout(LOOK_LIMIT, ask_line(link, Effect::Look)).await;
        ask(link, Command::Report).await
    }

    pub(super) fn program(&self, crashes: &BTreeMap<Part, Crash>, now: (Instant, SystemTime)) -> ProgramShape {
        let uptime = now.0.saturating_duration_since(self.started);
        let log = log::health();
        ProgramShape {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started: rfc3339(now.1.checked_sub(uptime).unwrap_or(now.1)),
            uptime_seconds: uptime.as_secs(),
            config: self.config.as_ref().map(|config| config.display().to_string()),
            log: LogShape { lost_records: log.lost, fault: log.fault },
            defects: crashes
                .iter()
                .filter(|(part, _)| part.port().is_none())
                .map(|(_, crash)| FaultShape::of(crash, now))
                .collect(),
        }
    }
}

/// A path for programs that run in another folder.
pub(super) fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

/// Looks at device nodes, and may have much to write.
pub(super) async fn blocking<T: Serialize>(make: impl FnOnce() -> T + Send + 'static) -> Result<Response, Refusal> {
    spawn_blocking(move || json(StatusCode::OK, &make()))
        .await
        .map_err(|failed| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, format!("this went wrong: {failed}")))
}

/// Asks a port. `None`: it has ended.
pub(super) async fn ask<T>(link: &Link, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
    let (reply, answer) = oneshot::channel();
    if !link.send(command(reply)).await {
        return None;
    }
    answer.await.ok()
}

pub(super) async fn ask_line(link: &Link, effect: Effect) -> Option<(Outcome, View)> {
    ask(link, |reply| Command::Ask { effect, reply }).await
}
