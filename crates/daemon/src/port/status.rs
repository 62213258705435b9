//! What the rest of the program may see of a running port without asking it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;

use tokio::sync::Notify;

/// Written by the port's task, read by anybody.
#[derive(Debug)]
pub struct Status {
    open: AtomicBool,
    clients: AtomicUsize,
    changed: Arc<Notify>,
}

impl Status {
    /// A port that is not open and has no clients. `changed` is told of every change.
    #[must_use]
    pub fn new(changed: Arc<Notify>) -> Self {
        Self { open: AtomicBool::new(false), clients: AtomicUsize::new(0), changed }
    }

    /// Whether the line is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// How many clients there are.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.clients.load(Ordering::Relaxed)
    }

    pub(super) fn set(&self, open: bool, clients: usize) {
        if (open, clients) != (self.is_open(), self.clients()) {
            self.open.store(open, Ordering::Relaxed);
            self.clients.store(clients, Ordering::Relaxed);
            self.changed.notify_one();
        }
    }
}
