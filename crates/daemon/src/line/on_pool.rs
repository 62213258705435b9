//! Operations of lines whose operations are calls that may block: they run on the blocking pool.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::task::{spawn_blocking, JoinHandle};

use super::Snapshot;

type Work = JoinHandle<io::Result<Snapshot>>;

/// What is running: at most one operation, and one purge past it.
#[derive(Debug, Default)]
pub(super) struct OnPool {
    operation: Option<Work>,
    purge: Option<Work>,
}

impl OnPool {
    /// See [`Line::start`](super::Line::start).
    pub(super) fn start(&mut self, work: impl FnOnce() -> io::Result<Snapshot> + Send + 'static) {
        self.operation = Some(spawn_blocking(work));
    }

    /// See [`Line::start_purge`](super::Line::start_purge).
    pub(super) fn start_purge(&mut self, work: impl FnOnce() -> io::Result<Snapshot> + Send + 'static) {
        self.purge = Some(spawn_blocking(work));
    }

    /// See [`Line::poll_done`](super::Line::poll_done).
    pub(super) fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Snapshot>> {
        poll(&mut self.operation, cx)
    }

    /// See [`Line::poll_purged`](super::Line::poll_purged).
    pub(super) fn poll_purged(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Snapshot>> {
        poll(&mut self.purge, cx)
    }
}

fn poll(work: &mut Option<Work>, cx: &mut Context<'_>) -> Poll<io::Result<Snapshot>> {
    let Some(running) = work else { return Poll::Pending };
    let done = std::task::ready!(Pin::new(running).poll(cx));
    *work = None;
    Poll::Ready(done.unwrap_or_else(|failed| Err(io::Error::other(failed))))
}
