//! A task that must not end by itself; reports when it does.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::port::Share;

/// A task of a port that tells when it has ended, however it did.
#[derive(Debug)]
pub(super) struct WatchedTask<F> {
    task: F,
    _tells: Share,
}

impl<F> WatchedTask<F> {
    pub(super) fn new(task: F, tells: Share) -> Self {
        Self { task, _tells: tells }
    }
}

impl<F: Future + Unpin> Future for WatchedTask<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        Pin::new(&mut self.task).poll(cx)
    }
}
