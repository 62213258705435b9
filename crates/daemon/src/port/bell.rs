//! Tells a port that a connection waits at one of its listeners, before the listener's task has had its turn.
//!
//! A program whose connect() has returned receives what the device sends from then on. So a port accepts waiting connections
//! before it reads the line. The runtime reports at once which sources are ready (the line of one port, the listener of another),
//! and runs the tasks after that. The bell rings when the listener's task is woken, and so before any of them runs.

use std::future::{poll_fn, Future};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// The bells of one port: how many ring.
#[derive(Debug, Default)]
pub struct Bells(AtomicUsize);

/// The bell of one listener. Dropping it ends its ringing.
#[derive(Debug)]
pub(super) struct Bell(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    rings: AtomicBool,
    bells: Arc<Bells>,
    /// The listener's task.
    task: Mutex<Option<Waker>>,
}

impl Bells {
    /// Whether a connection may wait at one of the port's listeners.
    #[must_use]
    pub fn ring(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }
}

impl Bell {
    pub(super) fn new(bells: &Arc<Bells>) -> Self {
        Self(Arc::new(Shared { rings: AtomicBool::new(false), bells: Arc::clone(bells), task: Mutex::default() }))
    }

    /// Waits for a connection. The bell rings from when there is one until there is none.
    pub(super) fn hear<'a, T>(
        &'a self,
        mut poll_accept: impl FnMut(&mut Context<'_>) -> Poll<T> + 'a,
    ) -> impl Future<Output = T> + 'a {
        let waker = Waker::from(Arc::clone(&self.0));
        poll_fn(move |cx| {
            self.0.set_task(cx.waker());
            // It rings again if there is something.
            self.0.set(false);
            let accepted = poll_accept(&mut Context::from_waker(&waker));
            if accepted.is_ready() {
                // There may be more.
                self.0.set(true);
            }
            accepted
        })
    }
}

impl Shared {
    fn set(&self, rings: bool) {
        match (self.rings.swap(rings, Ordering::Relaxed), rings) {
            (false, true) => _ = self.bells.0.fetch_add(1, Ordering::Relaxed),
            (true, false) => _ = self.bells.0.fetch_sub(1, Ordering::Relaxed),
            _ => {}
        }
    }

    fn set_task(&self, task: &Waker) {
        let mut known = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.as_ref().is_some_and(|known| known.will_wake(task)) {
            *known = Some(task.clone());
        }
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.set(true);
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(task) = task {
            task.wake();
        }
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn it_rings_before_the_listener_has_its_turn_and_until_nothing_waits() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let bells = Arc::new(Bells::default());
        let bell = Bell::new(&bells);
        let listening = tokio::spawn(async move {
            for _ in 0..2 {
                bell.hear(|cx| listener.poll_accept(cx)).await.unwrap();
            }
            // Nothing more comes.
            bell.hear(|cx| listener.poll_accept(cx)).await.unwrap();
        });
        tokio::task::yield_now().await;
        assert!(!bells.ring());
        let _clients = [(); 2].map(|()| std::net::TcpStream::connect(address).unwrap());
        let rang = async {
            // The runtime looks at its sockets between two turns of this task.
            while !bells.ring() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), rang).await.expect("it rings");
        let silent = async {
            while bells.ring() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), silent).await.expect("both were taken");
        listening.abort();
    }
}
