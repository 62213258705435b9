//! Bodies in and out, JSON both ways; refusals that say what would help.

use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::Request;
use axum::http::{header, StatusCode};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use serde::de::DeserializeOwned;
use serde::Serialize;
use tokio::time::timeout;

use super::request::{RefusedKind, RefusedShape};
use crate::port::Link;

/// A longer body is a mistake.
const BODY_SIZE: usize = 64 * 1024;

/// How long a client may take to send it.
const BODY_LIMIT: Duration = Duration::from_secs(5);

/// The request with all of its body.
pub(super) async fn whole(request: hyper::Request<Incoming>) -> Result<Request, Refusal> {
    let wrong = |status, what| Refusal::new(status, what).help("send a JSON object, and its length in the head");
    let (head, body) = request.into_parts();
    match timeout(BODY_LIMIT, axum::body::to_bytes(Body::new(body), BODY_SIZE)).await {
        Ok(Ok(bytes)) => Ok(Request::from_parts(head, Body::from(bytes))),
        Ok(Err(error)) => Err(wrong(StatusCode::PAYLOAD_TOO_LARGE, format!("the body cannot be read: {error}"))),
        Err(_) => Err(wrong(StatusCode::REQUEST_TIMEOUT, "the body does not come".to_owned())),
    }
}

/// The body of a [`whole`] request.
pub(super) async fn body(request: Request) -> Vec<u8> {
    // It is there.
    axum::body::to_bytes(request.into_body(), BODY_SIZE).await.map(Into::into).unwrap_or_default()
}

/// What a body says. Nothing is as good as `{}`.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8], example: &str) -> Result<T, Refusal> {
    let body = if body.trim_ascii().is_empty() { &b"{}"[..] } else { body };
    let wrong = |error: &dyn std::fmt::Display| {
        let what = format!("the body is not understood: {error}");
        Refusal::new(StatusCode::BAD_REQUEST, what).help(format!("send {example}"))
    };
    // serde would take a list for an object whose fields have no names.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(wrong(&"it is not a JSON object"));
    }
    serde_json::from_slice(body).map_err(|error| wrong(&error))
}

/// This as an answer.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let mut text = serde_json::to_vec_pretty(body).unwrap_or_default();
    text.push(b'\n');
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

/// Something is not done.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    pub(super) body: RefusedShape,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Refusal {
        Refusal { status, body: RefusedShape { error: error.into(), help: None, kind: None, faults: Vec::new() } }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Refusal {
        self.body.help = Some(help.into());
        self
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        json(self.status, &self.body)
    }
}

pub(super) fn wrong_path(wrong: PathRejection) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, wrong.body_text()).help("sermux-api(7) describes the paths")
}

pub(super) fn no_port(name: &str, known: &[(String, Link)]) -> Refusal {
    let mut refusal = Refusal::new(StatusCode::NOT_FOUND, format!("there is no port `{}`", name.escape_debug()));
    refusal.body.kind = Some(RefusedKind::NoPort);
    match known {
        [] => refusal.help("there are no ports at all"),
        known => refusal.help(format!("there is {}", shown(known))),
    }
}

/// The first few of many.
fn shown(ports: &[(String, Link)]) -> String {
    const MOST: usize = 12;
    let mut text = ports.iter().take(MOST).map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    if ports.len() > MOST {
        text += &format!(" and {} more", ports.len() - MOST);
    }
    text
}

pub(super) fn port_ended() -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the port has just ended")
}

pub(super) fn program_ends() -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "sermux is ending")
}
