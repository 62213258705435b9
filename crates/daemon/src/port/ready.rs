//! Which of a task's many sources woke it.
//!
//! A task that owns a line and a thousand sockets cannot poll them all each time one is ready. Every source gets a
//! waker of its own that puts the source's token on a list and wakes the task.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// The sources of one task.
#[derive(Debug, Default)]
pub(super) struct ReadySet {
    shared: Arc<Mutex<Shared>>,
    /// The list of the time before: its memory is used again.
    taken: Vec<Arc<Source>>,
}

#[derive(Debug, Default)]
struct Shared {
    task: Option<Waker>,
    ready: Vec<Arc<Source>>,
}

#[derive(Debug)]
struct Source {
    token: usize,
    listed: AtomicBool,
    set: Arc<Mutex<Shared>>,
}

impl ReadySet {
    /// A waker that names `token` when it wakes the task.
    pub(super) fn waker(&self, token: usize) -> Waker {
        Waker::from(Arc::new(Source { token, listed: AtomicBool::new(false), set: Arc::clone(&self.shared) }))
    }

    /// Whom to wake.
    pub(super) fn set_task(&self, task: &Waker) {
        let mut shared = lock(&self.shared);
        match &mut shared.task {
            Some(known) => known.clone_from(task),
            none => *none = Some(task.clone()),
        }
    }

    /// Calls `each` with the token of every source that was woken since the last time.
    pub(super) fn take(&mut self, mut each: impl FnMut(usize)) {
        std::mem::swap(&mut lock(&self.shared).ready, &mut self.taken);
        for source in self.taken.drain(..) {
            // Before the source is looked at: what happens to it from here on lists it again.
            source.listed.store(false, Ordering::Release);
            each(source.token);
        }
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
            let mut shared = lock(&self.set);
            shared.ready.push(Arc::clone(self));
            // The first one wakes the task; it takes all that are listed by then.
            if shared.ready.len() == 1 {
                shared.task.clone()
            } else {
                None
            }
        };
        if let Some(task) = task {
            task.wake();
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    // A list of tokens is whole at every moment, whoever panicked.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
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
}
