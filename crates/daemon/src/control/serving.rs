//! One HTTP server for the control socket and for `http:`: who may be connected, for how long, and what a connection may take.
//!
//! One request to a connection, then it is closed. One that asks nothing is closed too, and at once when its place is needed, so
//! the bound on connections is one that passes.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::response::IntoResponse as _;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper::service::{service_fn, Service as _};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::debug;

use super::events::Lasting;
use super::hosts::Hosts;
use super::http::whole;
use crate::defect;
use crate::net::conn::Conn;
use crate::net::listening::{ClientKind, Listening};
use crate::net::peer::Peer;

/// Connections at a time. Any more take the place of one that has not asked for anything, or wait where there is none.
const CONNECTIONS: usize = 16;

/// How long a client may take to say what it wants …
const HEADER_LIMIT: Duration = Duration::from_secs(5);
/// … in how many bytes …
const HEADER_SIZE: usize = 16 * 1024;
/// … and how long everything may take, until it has read the answer. Of an answer that goes on, a part.
const CONNECTION_LIMIT: Duration = Duration::from_secs(60);

/// After accept(2) failed for want of files or memory.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// What is served, and to whom.
#[derive(Clone, Debug)]
pub(super) struct HttpService {
    /// What it is, as tests ask it to fail.
    pub(super) name: &'static str,
    pub(super) router: Router,
    /// By which names it may be asked; `None`: by any.
    pub(super) hosts: Option<Arc<Hosts>>,
}

/// What a connection is read from and written to.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Serves until it is dropped.
pub(super) async fn serve(mut listening: Listening, service: HttpService) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = Vec::new();
    let clients = ClientKind { telnet: false, framed: false };
    loop {
        let (conn, peer) = match poll_fn(|cx| listening.poll_accept(cx, clients)).await {
            Ok(accepted) => accepted,
            Err(error) => {
                debug!(event = %"control.accept-failed", "could not accept a connection to {}: {error}", service.name);
                tokio::time::sleep(ACCEPT_RETRY).await;
                continue;
            }
        };
        defect::here(service.name);
        let stream: Box<dyn Stream> = match conn {
            Conn::Tcp(stream) | Conn::Telnet(stream) => Box::new(stream),
            Conn::Unix { stream, .. } => Box::new(stream),
            #[cfg(test)]
            Conn::Memory(stream) => Box::new(stream),
        };
        make_room(&mut connections);
        // It is never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let asked = Arc::new(AtomicBool::new(false));
        let (service, has_asked) = (service.clone(), Arc::clone(&asked));
        let task = tokio::spawn(async move {
            connection(stream, peer, service, &has_asked).await;
            drop(place);
        });
        connections.push(ServedConnection { asked, task });
        // A connection that asks at once is served before others come.
        tokio::task::yield_now().await;
    }
}

/// A connection that is being served.
struct ServedConnection {
    /// It has said all of what it wants.
    asked: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

/// When all places are taken, the one that has been silent for longest loses its own. Where all have asked, somebody will be served.
fn make_room(connections: &mut Vec<ServedConnection>) {
    connections.retain(|connection| !connection.task.is_finished());
    if connections.len() >= CONNECTIONS {
        if let Some(at) = connections.iter().position(|connection| !connection.asked.load(Ordering::Relaxed)) {
            connections.remove(at).task.abort();
        }
    }
}

async fn connection(stream: Box<dyn Stream>, peer: Peer, service: HttpService, asked: &AtomicBool) {
    let HttpService { name, router, hosts } = service;
    let router = TowerToHyperService::new(router.layer(Extension(peer)));
    let lasting: OnceLock<Lasting> = OnceLock::new();
    let answer = service_fn(|request| async {
        if let Some(refusal) = hosts.as_ref().and_then(|hosts| hosts.refuse(&request)) {
            return Ok(refusal.into_response());
        }
        let request = match whole(request).await {
            Ok(request) => request,
            Err(refusal) => return Ok(refusal.into_response()),
        };
        asked.store(true, Ordering::Relaxed);
        let answer = router.call(request).await;
        if let Some(goes_on) = answer.as_ref().ok().and_then(|answer| answer.extensions().get::<Lasting>()) {
            // There is one request to a connection.
            let _ = lasting.set(goes_on.clone());
        }
        answer
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_LIMIT)
        .max_buf_size(HEADER_SIZE)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), answer);
    let mut served = pin!(served);
    let mut taken = 0;
    loop {
        match timeout(CONNECTION_LIMIT, served.as_mut()).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => {
                return debug!(event = %"control.request-failed", %peer, "connection to {name} closed: {error}")
            }
            Err(_) => match lasting.get().map(Lasting::taken).filter(|now| *now > taken) {
                Some(now) => taken = now,
                None => {
                    return debug!(event = %"control.request-failed", %peer, "connection to {name} closed: the request took too long")
                }
            },
        }
    }
}
