//! `GET /health`: whether all is well, for monitors. No line is looked at for it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::api::Api;
use super::ask::Ports;
use super::http::{json, Refusal};
use super::status::{trouble, StateShape};
use crate::crash::{Crash, Part};

/// `GET /health`
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct HealthShape {
    well: bool,
    ports: usize,
    /// Ports that are not well, and why.
    unwell: Vec<UnwellShape>,
}

/// A port that is not well.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct UnwellShape {
    port: String,
    state: StateShape,
    why: String,
}

/// 200 if all is well, else 503.
pub(super) async fn health(State(api): State<Arc<Api>>) -> Result<Response, Refusal> {
    let Ports { running, crashed, crashes, .. } = api.ports().await?;
    let reports = api.reports(running).await;
    let of = |port: &str, state, why| UnwellShape { port: port.to_owned(), state, why };
    let mut unwell: Vec<UnwellShape> =
        crashed.iter().map(|(name, _, crash)| of(name, StateShape::Faulted, crash.what.clone())).collect();
    unwell.extend(reports.iter().filter_map(|(name, report)| Some(of(name, report.state.into(), trouble(report)?))));
    let is_down = |(part, crash): (&Part, &Crash)| part.port().is_none() && crash.again_at().is_some();
    let well = unwell.is_empty() && !crashes.iter().any(is_down);
    let health = HealthShape { well, ports: reports.len() + crashed.len(), unwell };
    Ok(json(if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &health))
}
