//! A few threads of the blocking pool for jobs that may hang: in a device's driver, or at a name server that is down.
//!
//! A thread continues with the next job. The pool would start another thread for each job that is requested before the last
//! thread is idle, and the pool keeps memory of each thread's stack.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::spawn_blocking;

/// Threads of one kind of work, at most. A job that hangs keeps one; when all of them hang, the other jobs wait.
pub(crate) const THREADS: usize = 16;

/// The threads for one kind of work. Clones are the same threads.
#[derive(Clone, Default)]
pub(crate) struct Workers(Arc<Mutex<WorkersState>>);

type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct WorkersState {
    waiting: VecDeque<Job>,
    threads: usize,
}

impl Workers {
    /// Runs the job when its turn has come. To be called on the runtime.
    pub(crate) fn add(&self, job: impl FnOnce() + Send + 'static) {
        let mut state = self.lock();
        state.waiting.push_back(Box::new(job));
        if state.threads < THREADS {
            state.threads += 1;
            let workers = self.clone();
            spawn_blocking(move || workers.work_blocking());
        }
    }

    fn work_blocking(&self) {
        while let Some(job) = self.next() {
            // The panic itself is logged, and the job counts as failed for the caller that waits for it.
            let _ = catch_unwind(AssertUnwindSafe(job));
        }
    }

    /// None: the thread is not needed any more.
    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        let next = state.waiting.pop_front();
        if next.is_none() {
            state.threads -= 1;
        }
        next
    }

    fn lock(&self) -> MutexGuard<'_, WorkersState> {
        // Nothing is left half-done under it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Workers").field("waiting", &state.waiting.len()).field("threads", &state.threads).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn each_job_is_done_by_one_of_a_few_threads_also_after_one_that_panicked() {
        let workers = Workers::default();
        let (told, heard) = mpsc::channel();
        for job in 0..1000 {
            let told = told.clone();
            workers.add(move || {
                assert_ne!(job, 500, "one of them fails");
                told.send(job).unwrap();
            });
            assert!(workers.lock().threads <= THREADS);
        }
        drop(told);
        let mut done: Vec<_> = heard.iter().collect();
        done.sort_unstable();
        assert!(done.into_iter().eq((0..1000).filter(|job| *job != 500)));
    }
}
