//! Bodies in and out: JSON both ways, and refusals that say what would help.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{header, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde::Serialize;
use tokio::time::timeout;

use super::request::Refused;

/// A longer body is a mistake.
const BODY_SIZE: usize = 64 * 1024;

/// How long a client may take to send it.
const BODY_LIMIT: Duration = Duration::from_secs(5);

/// What a handler answers.
pub(super) type Answer<T> = Result<Json<T>, Refusal>;

/// What stands in the body. Nothing is as good as `{}`.
pub(super) async fn body<T: DeserializeOwned>(request: Request, example: &str) -> Result<T, Refusal> {
    let wrong = |status, what: String| Refusal::new(status, what).help(format!("send {example}"));
    let read = timeout(BODY_LIMIT, axum::body::to_bytes(request.into_body(), BODY_SIZE)).await;
    let bytes = match read {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) => {
            return Err(wrong(StatusCode::PAYLOAD_TOO_LARGE, format!("the body cannot be read: {error}")))
        }
        Err(_) => return Err(wrong(StatusCode::REQUEST_TIMEOUT, "the body does not come".to_owned())),
    };
    let text = if bytes.trim_ascii().is_empty() { &b"{}"[..] } else { &bytes };
    serde_json::from_slice(text)
        .map_err(|error| wrong(StatusCode::BAD_REQUEST, format!("the body is not understood: {error}")))
}

/// An answer as JSON, laid out for those who read it in a terminal.
pub(super) struct Json<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        json(StatusCode::OK, &self.0)
    }
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
    pub(super) body: Refused,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Refusal {
        Refusal { status, body: Refused { error: error.into(), help: None, faults: Vec::new() } }
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

pub(super) fn no_port(name: &str, known: &[String]) -> Refusal {
    let refusal = Refusal::new(StatusCode::NOT_FOUND, format!("there is no port `{}`", name.escape_debug()));
    match known {
        [] => refusal.help("there are no ports at all"),
        known => refusal.help(format!("there is {}", shown(known))),
    }
}

/// The first few of many.
fn shown(names: &[String]) -> String {
    const MOST: usize = 12;
    let mut text = names.iter().take(MOST).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > MOST {
        text += &format!(" and {} more", names.len() - MOST);
    }
    text
}

pub(super) fn port_ended() -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the port has just ended")
}

pub(super) fn program_ends() -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "sermux is ending")
}
