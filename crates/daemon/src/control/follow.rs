//! `GET /v1/ports/NAME/follow`: streams the bytes that a line receives from now on.

use std::convert::Infallible;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{header, HeaderValue, StatusCode, Uri};
use axum::response::Response;
use axum::Extension;
use hyper::body::Frame;
use tokio::sync::{mpsc, OwnedSemaphorePermit};
use tokio::time::Sleep;

use super::api::Api;
use super::http::{port_ended, wrong_path, Refusal};
use super::request::PieceShape;
use super::target::PortTarget;
use crate::hex;
use crate::net::peer::Peer;
use crate::port::{Command, Followed};

/// Reads of the line that wait for a program that does not take them; what comes then is lost, and said.
const PIECES: usize = 64;

pub(super) async fn follow(
    State(api): State<Arc<Api>>,
    path: Result<Path<String>, PathRejection>,
    Extension(peer): Extension<Peer>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let Path(port) = path.map_err(wrong_path)?;
    let time = time(uri.query().unwrap_or_default())?;
    let target = PortTarget::find(&api, port, peer).await?;
    let turn = api.turn_to_follow()?;
    let (sender, pieces) = mpsc::channel(PIECES);
    if !target.link.send(Command::Follow(sender)).await {
        return Err(port_ended());
    }
    target.log("follow", "to receive a copy of what the device sends");
    let begin = Instant::now();
    let lines = FollowLines { pieces, begin, end: Box::pin(tokio::time::sleep(time)), _turn: turn };
    let mut response = Response::new(Body::new(lines));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    Ok(response)
}

/// An object in a line for each read. Ends with the time or with the port; dropped when the client disconnects.
struct FollowLines {
    pieces: mpsc::Receiver<Followed>,
    begin: Instant,
    end: Pin<Box<Sleep>>,
    _turn: OwnedSemaphorePermit,
}

impl hyper::body::Body for FollowLines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        if this.end.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        this.pieces.poll_recv(cx).map(|piece| piece.map(|piece| Ok(Frame::data(line(&piece, this.begin)))))
    }
}

fn line(piece: &Followed, begin: Instant) -> Bytes {
    let hex = hex::digits(&piece.bytes);
    let seconds = piece.at.saturating_duration_since(begin).as_secs_f64();
    let mut line = serde_json::to_vec(&PieceShape { seconds, lost: piece.lost, hex }).unwrap_or_default();
    line.push(b'\n');
    line.into()
}

/// `seconds=30`; without it as long as it may be.
fn time(query: &str) -> Result<Duration, Refusal> {
    let wrong = || {
        Refusal::new(StatusCode::BAD_REQUEST, format!("`{}` is not understood", query.escape_debug()))
            .help(format!("ask for seconds=1 to seconds={}", PieceShape::MOST_SECONDS))
    };
    if query.is_empty() {
        return Ok(Duration::from_secs(PieceShape::MOST_SECONDS));
    }
    let seconds: u64 = query.strip_prefix("seconds=").and_then(|number| number.parse().ok()).ok_or_else(wrong)?;
    if (1..=PieceShape::MOST_SECONDS).contains(&seconds) {
        Ok(Duration::from_secs(seconds))
    } else {
        Err(wrong())
    }
}
