//! How to end a probe, and what to do about calls into a driver that do not return.

use std::future::{pending, Future};
use std::pin::pin;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use super::Failure;

/// How long a call may take once the probe was asked to stop.
const AFTER_STOP: Duration = Duration::from_secs(2);

/// How long it may take otherwise: USB adapters wait some seconds for their answers.
const LONGEST: Duration = Duration::from_secs(15);

/// Told once, known from then on.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// And what tells it.
    pub(crate) fn new() -> (watch::Sender<bool>, Stop) {
        let (tell, told) = watch::channel(false);
        (tell, Stop(told))
    }

    /// Whether the probe was asked to stop.
    pub(crate) fn is_told(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until the probe is asked to stop.
    pub(crate) async fn told(&mut self) {
        if self.0.wait_for(|told| *told).await.is_err() {
            // Nobody is left to tell it.
            pending::<()>().await;
        }
    }
}

/// Carries out what may wait for a driver, on the blocking pool; see [`unless_told`].
pub(super) async fn blocking<T: Send + 'static>(
    stop: &mut Stop,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let done = unless_told(stop, async { spawn_blocking(work).await }).await?;
    done.map_err(|error| Failure::Other(error.to_string()))
}

/// Work that may wait for a driver. It is not begun once the probe was asked to stop, and what has begun is waited for,
/// so that nothing is done to the device behind the back of what puts its settings back.
pub(super) async fn unless_told<T>(stop: &mut Stop, work: impl Future<Output = T>) -> Result<T, Failure> {
    if stop.is_told() {
        return Err(Failure::Stopped);
    }
    let mut work = pin!(work);
    tokio::select! {
        biased;
        done = &mut work => Ok(done),
        () = stop.told() => briefly(work).await,
        () = sleep(LONGEST) => Err(Failure::Hangs),
    }
}

/// Waits for what ends a probe, but not for ever.
pub(super) async fn briefly<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    timeout(AFTER_STOP, work).await.map_err(|_| Failure::Hangs)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_has_begun_is_waited_for_and_nothing_begins_after_the_stop() {
        let (tell, mut stop) = Stop::new();
        let done = blocking(&mut stop, move || {
            tell.send(true).unwrap();
            tell
        });
        let _tell = done.await.unwrap();
        assert!(stop.is_told());
        assert!(matches!(blocking(&mut stop, || ()).await, Err(Failure::Stopped)));
    }

    #[tokio::test]
    async fn what_hangs_is_abandoned_two_seconds_after_the_stop() {
        let (tell, mut stop) = Stop::new();
        let (release, released) = mpsc::channel::<()>();
        let begin = std::time::Instant::now();
        let hangs = blocking(&mut stop, move || {
            tell.send(true).unwrap();
            let _ = released.recv();
        });
        assert!(matches!(hangs.await, Err(Failure::Hangs)));
        assert!(begin.elapsed() >= AFTER_STOP && begin.elapsed() < LONGEST, "{:?}", begin.elapsed());
        drop(release);
    }
}
