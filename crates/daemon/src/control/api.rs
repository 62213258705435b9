//! What is asked over HTTP, and how the program is.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use serde::Serialize;
use sermux_port_config::signal::Effect;
use tokio::sync::Semaphore;
use tokio::task::{spawn_blocking, JoinSet};
use tokio::time::timeout;
use tracing::info;

use super::ask::{Ask, Asker, NotReloaded, Ports};
use super::commands;
use super::follow::follow;
use super::history::history;
use super::http::{json, no_port, port_ended, program_ends, unknown, wrong_method, wrong_path, Refusal};
use super::request::{Changed, Reloaded};
use super::status::{Fault, Log, Port, Program, Status};
use super::target::{ask, ask_line};
use crate::crash::{Crash, Part};
use crate::log;
use crate::net::peer::Peer;
use crate::port::{Command, Link, PortReport};
use crate::time::rfc3339;

/// How long a line may take to tell how it is now; then it is told as it was known.
const LOOK_LIMIT: Duration = Duration::from_millis(500);

/// Lines that are looked at at a time: each takes a thread while it is.
const LOOKS_AT_A_TIME: usize = 8;

/// Requests that follow a line at a time, of all the connections that there can be; any more are refused.
const FOLLOWERS: usize = 8;

/// What the handlers know.
#[derive(Debug)]
pub(super) struct Api {
    asker: Asker,
    config: Option<PathBuf>,
    started: Instant,
    looks: Semaphore,
    pub(super) followers: Arc<Semaphore>,
}

/// All of `/v1`. `config` is the file that a reload reads.
/// `started`: when the program was.
pub(crate) fn router(asker: Asker, config: Option<PathBuf>, started: Instant) -> Router {
    let looks = Semaphore::new(LOOKS_AT_A_TIME);
    let config = config.map(|config| std::path::absolute(&config).unwrap_or(config));
    let followers = Arc::new(Semaphore::new(FOLLOWERS));
    let api = Arc::new(Api { asker, config, started, looks, followers });
    let router = Router::new();
    #[cfg(debug_assertions)]
    let router = router.route("/v1/panic", post(panic)).route("/v1/panic/{part}", post(panic_part));
    router
        .route("/v1/status", get(status))
        .route("/v1/reload", post(reload))
        .route("/v1/ports/{name}", get(port))
        .route("/v1/ports/{name}/history", get(history))
        .route("/v1/ports/{name}/follow", get(follow))
        .route("/v1/ports/{name}/{command}", post(commands::command))
        .fallback(|| async { unknown() })
        .method_not_allowed_fallback(|| async { wrong_method() })
        .with_state(api)
}

async fn status(State(api): State<Arc<Api>>) -> Result<Response, Refusal> {
    let Ports { running, disabled, crashed, crashes } = api.ports().await?;
    let mut reports = JoinSet::new();
    for (name, link) in running {
        let api = Arc::clone(&api);
        reports.spawn(async move { api.look(&link).await.map(|report| (name, report)) });
    }
    // A port that has ended meanwhile is not there any more.
    let reports: Vec<(String, PortReport)> = reports.join_all().await.into_iter().flatten().collect();
    blocking(move || {
        let now = (Instant::now(), SystemTime::now());
        let crash = |name: &str| latest(&crashes, name);
        let running = reports.iter().map(|(name, report)| Port::of_blocking(name, report, now).after(crash(name), now));
        let disabled = disabled.iter().map(|(name, port)| Port::disabled_blocking(name, port));
        let down = crashed.iter().map(|(name, port, crash)| Port::crashed_blocking(name, port, crash, now));
        Status::new(api.program(&crashes, now), running.chain(disabled).chain(down).collect())
    })
    .await
}

async fn port(State(api): State<Arc<Api>>, path: Result<Path<String>, PathRejection>) -> Result<Response, Refusal> {
    let Path(name) = path.map_err(wrong_path)?;
    let Ports { running, disabled, crashed, crashes } = api.ports().await?;
    if let Some((name, port, crash)) = crashed.into_iter().find(|(known, ..)| *known == name) {
        return blocking(move || Port::crashed_blocking(&name, &port, &crash, (Instant::now(), SystemTime::now())))
            .await;
    }
    if let Some((name, port)) = disabled.into_iter().find(|(known, _)| *known == name) {
        return blocking(move || Port::disabled_blocking(&name, &port)).await;
    }
    let found = running.iter().find(|(known, _)| *known == name);
    let (_, link) = found.ok_or_else(|| no_port(&name, &running))?;
    let report = api.look(link).await.ok_or_else(port_ended)?;
    blocking(move || {
        let now = (Instant::now(), SystemTime::now());
        Port::of_blocking(&name, &report, now).after(latest(&crashes, &name), now)
    })
    .await
}

/// The latest failure of a port or of a listener of it, which run again.
fn latest<'a>(crashes: &'a BTreeMap<Part, Crash>, port: &str) -> Option<&'a Crash> {
    let of_port = crashes.iter().filter(|(part, crash)| part.port() == Some(port) && crash.again_at().is_none());
    of_port.map(|(_, crash)| crash).max_by_key(|crash| crash.at)
}

/// For tests: a supervisor with a defect.
#[cfg(debug_assertions)]
async fn panic(State(api): State<Arc<Api>>) -> Refusal {
    let _ = api.asker.ask::<()>(|_| Ask::Panic).await;
    program_ends()
}

/// For tests: another part with a defect, which shows at its next event.
#[cfg(debug_assertions)]
async fn panic_part(Path(part): Path<String>) -> Response {
    crate::defect::ask(part);
    json(StatusCode::OK, &())
}

/// Looks at device nodes, and may have much to write.
pub(super) async fn blocking<T: Serialize>(make: impl FnOnce() -> T + Send + 'static) -> Result<Response, Refusal> {
    spawn_blocking(move || json(StatusCode::OK, &make()))
        .await
        .map_err(|failed| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, format!("this went wrong: {failed}")))
}

impl Api {
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
        // A line that does not answer is told as it was known.
        let _ = timeout(LOOK_LIMIT, ask_line(link, Effect::Look)).await;
        ask(link, Command::Report).await
    }

    fn program(&self, crashes: &BTreeMap<Part, Crash>, now: (Instant, SystemTime)) -> Program {
        let uptime = now.0.saturating_duration_since(self.started);
        let log = log::health();
        Program {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started: rfc3339(now.1.checked_sub(uptime).unwrap_or(now.1)),
            uptime_seconds: uptime.as_secs(),
            config: self.config.as_ref().map(|config| config.display().to_string()),
            log: Log { lost_records: log.lost, fault: log.fault },
            defects: crashes
                .iter()
                .filter(|(part, _)| part.port().is_none())
                .map(|(_, crash)| Fault::of(crash, now))
                .collect(),
        }
    }
}

async fn reload(State(api): State<Arc<Api>>, Extension(peer): Extension<Peer>) -> Result<Response, Refusal> {
    info!(by = %peer, "asked to read the configuration again");
    let done = match api.asker.ask(Ask::Reload).await.ok_or_else(program_ends)? {
        Ok(done) => done,
        Err(NotReloaded::NoFile) => {
            return Err(Refusal::new(StatusCode::CONFLICT, "there is no file to read again"));
        }
        Err(NotReloaded::ReadOnce(why)) => return Err(Refusal::new(StatusCode::CONFLICT, why)),
        Err(NotReloaded::Faults(file, faults)) => {
            let (shown, _) = faults.worth_showing();
            let count = if faults.len() == 1 { "1 fault".to_owned() } else { format!("{} faults", faults.len()) };
            let text = format!("{}: {count}; nothing was changed", file.display());
            let mut refusal = Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, text);
            refusal.body.faults = shown.iter().map(ToString::to_string).collect();
            return Err(refusal);
        }
        Err(NotReloaded::Failed(why)) => return Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, why)),
    };
    let changed = done.diff.changed.into_iter();
    let reloaded = Reloaded {
        file: done.file.display().to_string(),
        changed: changed.map(|(port, diff)| Changed { port, class: diff.class.name().to_owned() }).collect(),
        added: done.diff.added,
        removed: done.diff.removed,
        untouched: done.untouched,
        warnings: done.warnings,
    };
    Ok(json(StatusCode::OK, &reloaded))
}
