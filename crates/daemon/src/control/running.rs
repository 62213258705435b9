//! A server that runs: one task, whichever addresses it serves.

use std::any::Any;
use std::future::{pending, Future};

use tokio::task::{JoinError, JoinHandle};

/// A running server. Dropping it closes its sockets and removes their files; connections that are there are served.
#[derive(Debug)]
pub(crate) struct RunningServer(JoinHandle<()>);

impl RunningServer {
    pub(super) fn new(serve: impl Future<Output = ()> + Send + 'static) -> RunningServer {
        RunningServer(tokio::spawn(serve))
    }

    /// Why this server has panicked, as soon as it has; then there is none any more. May be dropped while it waits.
    pub(crate) async fn failed(server: &mut Option<RunningServer>) -> Box<dyn Any + Send> {
        let Some(RunningServer(task)) = server else { return pending().await };
        let ended = task.await;
        *server = None;
        match ended.map_err(JoinError::try_into_panic) {
            Err(Ok(panic)) => panic,
            _ => Box::new("it ended by itself"),
        }
    }

    /// Its sockets are closed and their files are gone when this is done.
    pub(crate) async fn close(mut self) {
        self.0.abort();
        // It was cancelled, which is no news.
        let _ = (&mut self.0).await;
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        self.0.abort();
    }
}
