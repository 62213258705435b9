//! The signals that the supervisor acts on.

use tokio::signal::unix::{signal, Signal, SignalKind};

/// The signals that mean something here.
pub(super) struct Signals {
    pub(super) terminate: Signal,
    pub(super) interrupt: Signal,
    pub(super) hangup: Signal,
}

impl Signals {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// One of those that ask for the end.
    pub(super) async fn end(&mut self) -> &'static str {
        end(&mut self.terminate, &mut self.interrupt).await
    }
}

pub(super) async fn end(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}
