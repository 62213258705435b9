//! `GET /v1/ports/NAME/history`: the newest bytes that a port still holds.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use axum::Extension;

use super::api::{ask, Api};
use super::http::{json, port_ended, wrong_path, Refusal};
use super::request::HeldShape;
use super::target::PortTarget;
use crate::hex;
use crate::net::peer::Peer;
use crate::port::Command;

pub(super) async fn history(
    State(api): State<Arc<Api>>,
    path: Result<Path<String>, PathRejection>,
    Extension(peer): Extension<Peer>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let Path(port) = path.map_err(wrong_path)?;
    let most = most(uri.query().unwrap_or_default())?;
    let target = PortTarget::find(&api, port, peer).await?;
    let held = ask(&target.link, |reply| Command::History { most, reply }).await.ok_or_else(port_ended)?;
    let hex = hex::digits(&held.bytes);
    Ok(json(StatusCode::OK, &HeldShape { port: target.name, offset: held.offset, hex }))
}

/// `bytes=4096`; without it as many as there can be.
fn most(query: &str) -> Result<usize, Refusal> {
    let wrong = || {
        Refusal::new(StatusCode::BAD_REQUEST, format!("`{}` is not understood", query.escape_debug()))
            .help(format!("ask for bytes=1 to bytes={}", HeldShape::MOST))
    };
    if query.is_empty() {
        return Ok(HeldShape::MOST);
    }
    let number: usize = query.strip_prefix("bytes=").and_then(|number| number.parse().ok()).ok_or_else(wrong)?;
    if (1..=HeldShape::MOST).contains(&number) {
        Ok(number)
    } else {
        Err(wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_bytes_can_be_asked_for_and_no_more() {
        assert_eq!(most("").unwrap(), 65_536);
        assert_eq!(most("bytes=65536").unwrap(), 65_536);
        for wrong in ["bytes=0", "bytes=65537", "bytes=-1", "bytes=", "lines=3", "bytes=1&bytes=2"] {
            assert!(most(wrong).is_err(), "{wrong}");
        }
    }
}
