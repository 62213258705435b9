//! Devices are opened on the blocking pool, a few at a time.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sermux_port_config::config::Port;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use crate::line::{self, OpenError, Opened};
use crate::port::Opener;

/// Threads that open devices, at most. A device that hangs in its driver keeps one.
const THREADS: usize = 16;

/// What is to be opened. A thread goes on with the next device: the pool would start another one for each that is asked for
/// before the last one has gone to rest, and what it keeps of their stacks adds up.
#[derive(Clone, Default)]
pub(super) struct Opens(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    waiting: VecDeque<Box<dyn FnOnce() + Send>>,
    threads: usize,
}

impl Opens {
    /// Opens a port's device when its turn has come.
    pub(super) fn opener(&self) -> Opener {
        let opens = self.clone();
        Box::new(move |port| Box::pin(opens.clone().open(port)))
    }

    async fn open(self, port: Arc<Port>) -> Result<Opened, OpenError> {
        let path = port.device.to_string().into();
        let (reply, opened) = oneshot::channel();
        self.add(Box::new(move || {
            // The port may have ended meanwhile.
            if !reply.is_closed() {
                let _ = reply.send(line::open_blocking(&port));
            }
        }));
        opened.await.unwrap_or_else(|_| Err(OpenError::Other { path, what: "opening it was given up".to_owned() }))
    }

    fn add(&self, job: Box<dyn FnOnce() + Send>) {
        let mut state = self.lock();
        state.waiting.push_back(job);
        if state.threads < THREADS {
            state.threads += 1;
            let opens = self.clone();
            spawn_blocking(move || opens.work_blocking());
        }
    }

    fn work_blocking(&self) {
        while let Some(job) = self.next() {
            // One that panics is said by the panic itself, and has failed for who waits for it.
            let _ = catch_unwind(AssertUnwindSafe(job));
        }
    }

    /// None: the thread is not needed any more.
    fn next(&self) -> Option<Box<dyn FnOnce() + Send>> {
        let mut state = self.lock();
        let next = state.waiting.pop_front();
        if next.is_none() {
            state.threads -= 1;
        }
        next
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Opens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Opens").field("waiting", &state.waiting.len()).field("threads", &state.threads).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn each_job_is_done_by_one_of_a_few_threads_also_after_one_that_panicked() {
        let opens = Opens::default();
        let (told, heard) = mpsc::channel();
        for job in 0..1000 {
            let told = told.clone();
            opens.add(Box::new(move || {
                assert_ne!(job, 500, "one of them fails");
                told.send(job).unwrap();
            }));
            assert!(opens.lock().threads <= THREADS);
        }
        drop(told);
        let mut done: Vec<_> = heard.iter().collect();
        done.sort_unstable();
        assert!(done.into_iter().eq((0..1000).filter(|job| *job != 500)));
    }
}
