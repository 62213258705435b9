//! `GET /v1/ports/NAME/telegram` and `…/reading`: the latest telegram of a port, as bytes and as decoded values; and each
//! new one, for clients that ask for events.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{header, HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use axum::Extension;

use super::api::{ask, Api};
use super::events::{event, Events, Lasting};
use super::http::{json, port_ended, wrong_path, Refusal};
use super::reading::ReadingShape;
use super::target::PortTarget;
use crate::net::peer::Peer;
use crate::port::{Command, Telegram, Telegrams};

/// `GET /v1/ports/NAME/telegram`
pub(super) async fn telegram(
    State(api): State<Arc<Api>>,
    path: Result<Path<String>, PathRejection>,
    Extension(peer): Extension<Peer>,
    head: HeaderMap,
) -> Result<Response, Refusal> {
    let (target, telegrams) = find(&api, path, peer).await?;
    if wants_events(&head) {
        return follow(&api, &target, telegrams, |telegram| {
            event("telegram", telegram.number, &String::from_utf8_lossy(&telegram.bytes))
        });
    }
    let telegram = latest(&target, &telegrams)?;
    let mut response = Response::new(Body::from(telegram.bytes.clone()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Ok(response)
}

/// `GET /v1/ports/NAME/reading`
pub(super) async fn reading(
    State(api): State<Arc<Api>>,
    path: Result<Path<String>, PathRejection>,
    Extension(peer): Extension<Peer>,
    head: HeaderMap,
) -> Result<Response, Refusal> {
    let (target, telegrams) = find(&api, path, peer).await?;
    if wants_events(&head) {
        let name = target.name.clone();
        return follow(&api, &target, telegrams, move |telegram| {
            let now = (Instant::now(), SystemTime::now());
            let text = match ReadingShape::of(&name, telegram, now) {
                Ok(reading) => serde_json::to_string(&reading).unwrap_or_default(),
                Err(why) => serde_json::json!({ "error": why.to_string() }).to_string(),
            };
            event("reading", telegram.number, &text)
        });
    }
    let telegram = latest(&target, &telegrams)?;
    let reading = ReadingShape::of(&target.name, &telegram, (Instant::now(), SystemTime::now()));
    // The framer's telegrams begin and end as the decoder wants them.
    let reading =
        reading.map_err(|why| Refusal::new(StatusCode::BAD_GATEWAY, format!("port {}: {why}", target.name)))?;
    Ok(json(StatusCode::OK, &reading))
}

async fn find(
    api: &Api,
    path: Result<Path<String>, PathRejection>,
    peer: Peer,
) -> Result<(PortTarget, Telegrams), Refusal> {
    let Path(port) = path.map_err(wrong_path)?;
    let target = PortTarget::find(api, port, peer).await?;
    let telegrams = ask(&target.link, Command::Telegrams).await.ok_or_else(port_ended)?;
    let telegrams = telegrams.ok_or_else(|| {
        Refusal::new(StatusCode::CONFLICT, format!("port {} has no telegrams", target.name))
            .help("`frame: dsmr`, which `profile: dsmr-p1` has, is for the ports of smart meters")
    })?;
    Ok((target, telegrams))
}

fn latest(target: &PortTarget, telegrams: &Telegrams) -> Result<Arc<Telegram>, Refusal> {
    telegrams.borrow().clone().ok_or_else(|| {
        Refusal::new(StatusCode::NOT_FOUND, format!("port {}: no valid telegram has come yet", target.name))
            .help(format!("`sermux status {}` shows the state of the line", target.name))
    })
}

fn wants_events(head: &HeaderMap) -> bool {
    let accepts = head.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut kinds = accepts.flat_map(|value| value.split(',')).map(|kind| kind.split(';').next().unwrap_or_default());
    kinds.any(|kind| kind.trim().eq_ignore_ascii_case("text/event-stream"))
}

/// The latest one, if there is one, and then each new one, until the port ends or the other side hangs up.
fn follow(
    api: &Api,
    target: &PortTarget,
    mut telegrams: Telegrams,
    show: impl Fn(&Telegram) -> Bytes + Send + 'static,
) -> Result<Response, Refusal> {
    let turn = api.turn_to_follow()?;
    target.log("follow", "to tell each telegram");
    telegrams.mark_changed();
    let show = move |telegrams: &mut Telegrams| telegrams.borrow_and_update().as_deref().map(&show);
    let (events, lasting) = Events::new(telegrams, show, turn);
    let mut response = Response::new(Body::new(events));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.extensions_mut().insert::<Lasting>(lasting);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_for_who_asks_for_them() {
        for (accept, wants) in [
            ("text/event-stream", true),
            ("text/html, Text/Event-Stream;q=0.5", true),
            ("*/*", false),
            ("application/json", false),
            ("text/event-streams", false),
        ] {
            let head = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(wants_events(&head), wants, "{accept}");
        }
        assert!(!wants_events(&HeaderMap::new()));
    }
}
