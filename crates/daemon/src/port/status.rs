//! The part of a running port's state that the rest of the program reads without sending it a command.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::bell::Bells;

/// Written by the tasks of the port and of its listeners, read by anybody.
#[derive(Debug)]
pub struct PortStatus {
    open: AtomicBool,
    clients: AtomicUsize,
    /// By the key of the listener: what `allow` and `deny`, and what `limits` kept out.
    turned_away: Mutex<BTreeMap<usize, (u64, u64)>>,
    changed: Arc<Notify>,
    /// Told when a task ends that has a [`Share`].
    ended: Arc<Notify>,
    bells: Arc<Bells>,
}

/// The status as a task of the port holds it that is not to end by itself: dropping it tells that it has ended.
#[derive(Debug)]
pub struct Share(Arc<PortStatus>);

impl Share {
    /// For a task.
    #[must_use]
    pub fn new(status: &Arc<PortStatus>) -> Self {
        Self(Arc::clone(status))
    }
}

impl Deref for Share {
    type Target = PortStatus;

    fn deref(&self) -> &PortStatus {
        &self.0
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.0.ended.notify_one();
    }
}

impl PortStatus {
    /// A port that is not open and has no clients. `changed` is notified of every change.
    #[must_use]
    pub fn new(changed: Arc<Notify>) -> Self {
        Self::watched(changed, Arc::default())
    }

    /// … whose tasks tell `ended` when they end.
    #[must_use]
    pub fn watched(changed: Arc<Notify>, ended: Arc<Notify>) -> Self {
        let (open, clients, turned_away) = (AtomicBool::new(false), AtomicUsize::new(0), Mutex::default());
        Self { open, clients, turned_away, changed, ended, bells: Arc::default() }
    }

    /// The bells of the port's listeners.
    #[must_use]
    pub fn bells(&self) -> &Arc<Bells> {
        &self.bells
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

    /// How many connections the listener with this key has closed because of `allow` and `deny`.
    #[must_use]
    pub fn turned_away_by(&self, listener: usize) -> u64 {
        self.counts().get(&listener).map_or(0, |(denied, _)| *denied)
    }

    /// How many because of `limits`.
    #[must_use]
    pub fn limited_by(&self, listener: usize) -> u64 {
        self.counts().get(&listener).map_or(0, |(_, limited)| *limited)
    }

    /// Sets how many `allow` and `deny` have turned away.
    pub(crate) fn turned_away(&self, listener: usize, total: u64) {
        self.counts().entry(listener).or_default().0 = total;
    }

    /// Sets how many `limits` have turned away.
    pub(crate) fn limited(&self, listener: usize, total: u64) {
        self.counts().entry(listener).or_default().1 = total;
    }

    /// The listener with this key is no more.
    pub(crate) fn listener_gone(&self, listener: usize) {
        self.counts().remove(&listener);
    }

    fn counts(&self) -> MutexGuard<'_, BTreeMap<usize, (u64, u64)>> {
        self.turned_away.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// They are so now, and were not so before.
    pub(super) fn set(&self, open: bool, clients: usize) {
        self.open.store(open, Ordering::Relaxed);
        self.clients.store(clients, Ordering::Relaxed);
        self.changed.notify_one();
    }
}
