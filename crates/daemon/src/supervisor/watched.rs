//! Tasks that are not to end by themselves.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::Notify;

/// A task that tells when it has ended, however it did. In memory as it stands here: the task is looked at most.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Watched<F> {
    task: F,
    _tells: Tells,
}

/// Tells when it is dropped.
#[derive(Debug)]
pub(super) struct Tells(Arc<Notify>);

impl<F> Watched<F> {
    pub(super) fn new(task: F, ended: &Arc<Notify>) -> Self {
        Self { task, _tells: Tells::new(ended) }
    }
}

impl<F: Future + Unpin> Future for Watched<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        Pin::new(&mut self.task).poll(cx)
    }
}

impl Tells {
    pub(super) fn new(ended: &Arc<Notify>) -> Self {
        Self(Arc::clone(ended))
    }
}

impl Drop for Tells {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}
