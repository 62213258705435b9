//! The routes of the API, and the requests about the program as a whole: its status, and the reload.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{header, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Extension, Router};
use tokio::task::JoinSet;
use tracing::info;

use super::api::{absolute, blocking, Api};
use super::ask::{Ask, Asker, ConfigInForce, NotReloaded, Ports};
use super::commands;
use super::follow::follow;
use super::health::health;
use super::history::history;
use super::http::{json, no_port, port_ended, program_ends, wrong_path, Refusal};
use super::metrics::metrics;
use super::openapi::openapi;
use super::paths::{read_only, unknown, unknown_question, wrong_method};
use super::request::{ChangedShape, ConfigShape, ReloadedShape};
use super::status::{PortShape, StatusShape};
use super::telegram::{reading, telegram};
use crate::crash::{Crash, Part};
use crate::net::peer::Peer;
use crate::port::PortReport;

/// What the control socket answers: everything. `config` is the file that a reload reads.
/// `started`: when the program was.
pub(crate) fn router(asker: Asker, config: Option<PathBuf>, started: Instant) -> Router {
    let router = questions();
    #[cfg(debug_assertions)]
    let router = router.route("/v1/panic", post(panic)).route("/v1/panic/{part}", post(panic_part));
    router
        .route("/v1/config", get(in_force))
        .route("/v1/reload", post(reload))
        .route("/v1/ports/{name}/{command}", post(commands::command))
        .fallback(|uri: Uri| async move { unknown(&uri) })
        .method_not_allowed_fallback(|uri: Uri| async move { wrong_method(&uri) })
        .with_state(Arc::new(Api::new(asker, config, started)))
}

/// What `http` answers: the same, without the requests that change something and without the configuration.
pub(crate) fn public(asker: Asker, config: Option<PathBuf>, started: Instant) -> Router {
    questions()
        .route("/v1/reload", any(only_elsewhere))
        .route("/v1/ports/{name}/{command}", any(not_here))
        .fallback(|uri: Uri| async move { unknown_question(&uri) })
        .method_not_allowed_fallback(|| async { read_only() })
        .with_state(Arc::new(Api::new(asker, config, started)))
}

/// What `http` answers where nobody may ask anything.
pub(super) fn closed() -> Router {
    Router::new().fallback(|| async {
        Refusal::new(StatusCode::FORBIDDEN, "nobody may read this here")
            .help("other hosts reach this address: write `access: read-only` under `http` if anybody there may")
    })
}

/// All that only asks.
fn questions() -> Router<Arc<Api>> {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/health", get(health))
        .route("/v1/openapi.json", get(openapi))
        .route("/v1/status", get(status))
        .route("/v1/ports/{name}", get(port))
        .route("/v1/ports/{name}/history", get(history))
        .route("/v1/ports/{name}/follow", get(follow))
        .route("/v1/ports/{name}/telegram", get(telegram))
        .route("/v1/ports/{name}/reading", get(reading))
}

/// A command to a port, or a path that there is not.
async fn not_here(method: Method, uri: Uri) -> Result<impl IntoResponse, Refusal> {
    if method == Method::GET || method == Method::HEAD {
        Err(unknown_question(&uri))
    } else {
        Ok(only_elsewhere().await)
    }
}

/// What only the control socket does: no method is allowed here (RFC 9110, 10.2.1).
async fn only_elsewhere() -> impl IntoResponse {
    ([(header::ALLOW, "")], read_only())
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
        let running =
            reports.iter().map(|(name, report)| PortShape::of_blocking(name, report, now).after(crash(name), now));
        let disabled = disabled.iter().map(|(name, port)| PortShape::disabled_blocking(name, port));
        let down = crashed.iter().map(|(name, port, crash)| PortShape::crashed_blocking(name, port, crash, now));
        StatusShape::new(api.program(&crashes, now), running.chain(disabled).chain(down).collect())
    })
    .await
}

async fn in_force(State(api): State<Arc<Api>>) -> Result<Response, Refusal> {
    let ConfigInForce { file, command_line, config } = api.asker.ask(Ask::Config).await.ok_or_else(program_ends)?;
    let file = file.map(|file| absolute(file).display().to_string());
    blocking(move || ConfigShape { file, command_line, config }).await
}

async fn port(State(api): State<Arc<Api>>, path: Result<Path<String>, PathRejection>) -> Result<Response, Refusal> {
    let Path(name) = path.map_err(wrong_path)?;
    let Ports { running, disabled, crashed, crashes } = api.ports().await?;
    if let Some((name, port, crash)) = crashed.into_iter().find(|(known, ..)| *known == name) {
        return blocking(move || {
            PortShape::crashed_blocking(&name, &port, &crash, (Instant::now(), SystemTime::now()))
        })
        .await;
    }
    if let Some((name, port)) = disabled.into_iter().find(|(known, _)| *known == name) {
        return blocking(move || PortShape::disabled_blocking(&name, &port)).await;
    }
    let found = running.iter().find(|(known, _)| *known == name);
    let (_, link) = found.ok_or_else(|| no_port(&name, &running))?;
    let report = api.look(link).await.ok_or_else(port_ended)?;
    blocking(move || {
        let now = (Instant::now(), SystemTime::now());
        PortShape::of_blocking(&name, &report, now).after(latest(&crashes, &name), now)
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

async fn reload(State(api): State<Arc<Api>>, Extension(peer): Extension<Peer>) -> Result<Response, Refusal> {
    info!(event = %"control.requested", request = "reload", by = %peer, "an operator asked to reload the configuration");
    let done = match api.asker.ask(Ask::Reload).await.ok_or_else(program_ends)? {
        Ok(done) => done,
        Err(NotReloaded::NoFile) => {
            return Err(Refusal::new(
                StatusCode::CONFLICT,
                "sermux was started without a configuration file, so there is nothing to reload",
            ));
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
    let reloaded = ReloadedShape {
        file: done.file.display().to_string(),
        changed: changed.map(|(port, diff)| ChangedShape { port, class: diff.class.name().to_owned() }).collect(),
        added: done.diff.added,
        removed: done.diff.removed,
        untouched: done.untouched,
        warnings: done.warnings,
    };
    Ok(json(StatusCode::OK, &reloaded))
}
