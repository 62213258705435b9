//! Which of a task's many sources woke it.
//!
//! A task that owns a thousand sockets cannot poll them all each time one is ready. Every source gets a waker of its own
//! that puts the source's token on a list and wakes the task. What is polled each time, like the line, needs none.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// The sources of one task.
#[derive(Debug, Default)]
pub(super) struct ReadySet {
    shared: Arc<Shared>,
    /// Whom the sources wake.
    task: Option<Waker>,
    /// The list of the time before: its memory is used again.
    taken: Vec<Arc<Source>>,
}

#[derive(Debug, Default)]
struct Shared {
    list: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    task: Option<Waker>,
    ready: Vec<Arc<Source>>,
    /// The set is gone: nothing is listed any more.
    closed: bool,
}

#[derive(Debug)]
struct Source {
    token: usize,
    listed: AtomicBool,
    set: Arc<Shared>,
}

impl ReadySet {
    /// A waker that names `token` when it wakes the task.
    pub(super) fn waker(&self, token: usize) -> Waker {
        Waker::from(Arc::new(Source { token, listed: AtomicBool::new(false), set: Arc::clone(&self.shared) }))
    }

    /// Whom to wake.
    pub(super) fn set_task(&mut self, task: &Waker) {
        if !self.task.as_ref().is_some_and(|known| known.will_wake(task)) {
            self.task = Some(task.clone());
            self.shared.list().task = Some(task.clone());
        }
    }

    /// Calls `each` with the token of every source that was woken since the last time.
    pub(super) fn take(&mut self, mut each: impl FnMut(usize)) {
        // A source that is about to list itself wakes the task after that.
        std::mem::swap(&mut self.shared.list().ready, &mut self.taken);
        for source in self.taken.drain(..) {
            // Before the source is looked at: what happens to it from here on lists it again.
            source.listed.store(false, Ordering::Release);
            each(source.token);
        }
    }
}

impl Drop for ReadySet {
    fn drop(&mut self) {
        let left = {
            let mut list = self.shared.list();
            list.closed = true;
            std::mem::take(&mut list.ready)
        };
        // Not under the lock: the last waker of a source may go with it.
        drop(left);
    }
}

impl Shared {
    fn list(&self) -> MutexGuard<'_, List> {
        // A list of tokens is whole at every moment, even after a panic.
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Source {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.listed.swap(true, Ordering::AcqRel) {
            return;
        }
        let task = {
            let mut list = self.set.list();
            if list.closed {
                return;
            }
            list.ready.push(Arc::clone(self));
            // The first one wakes the task; it takes all that are listed by then.
            if list.ready.len() == 1 {
                list.task.clone()
            } else {
                None
            }
        };
        if let Some(task) = task {
            task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn tokens(set: &mut ReadySet) -> Vec<usize> {
        let mut tokens = Vec::new();
        set.take(|token| tokens.push(token));
        tokens
    }

    #[test]
    fn the_task_is_woken_once_and_finds_every_source_that_is_ready() {
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let mut set = ReadySet::default();
        set.set_task(&Waker::from(Arc::clone(&count)));
        let (one, two) = (set.waker(1), set.waker(2));
        one.wake_by_ref();
        two.wake_by_ref();
        one.wake_by_ref();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert_eq!(tokens(&mut set), [1, 2]);
        assert_eq!(tokens(&mut set), [] as [usize; 0]);
        two.wake_by_ref();
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
        assert_eq!(tokens(&mut set), [2]);
    }

    #[test]
    fn nothing_is_kept_of_a_set_that_is_gone() {
        let set = ReadySet::default();
        let (before, after) = (set.waker(1), set.waker(2));
        before.wake_by_ref();
        let shared = Arc::downgrade(&set.shared);
        drop(set);
        after.wake_by_ref();
        drop((before, after));
        assert!(shared.upgrade().is_none());
    }
}
