//! Probes in a program that has no runtime, which Ctrl-C, SIGTERM and a terminal that is closed end as they should: not in
//! the middle of an operation, and with the device as it was.

use std::future::Future;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use sermux_port_config::config::Device;
use tokio::io::Interest;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use super::{probe, Failure, Heard, Progress, Search, Stop};
use crate::sys;

/// Takes the signals that end a program until it is dropped; from then on they do what they do everywhere.
#[derive(Debug)]
pub(crate) struct ProbeSession {
    runtime: Option<Runtime>,
    signals: SignalFd,
    /// The same, to be waited for.
    comes: Arc<OwnedFd>,
    tell: watch::Sender<bool>,
    stop: Stop,
}

impl ProbeSession {
    /// In the thread that started the program, before there is another: they all leave the signals to this one.
    ///
    /// # Errors
    ///
    /// The system gives no more descriptors.
    pub(crate) fn start() -> io::Result<ProbeSession> {
        ends().thread_block()?;
        let signals = SignalFd::with_flags(&ends(), SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK);
        let begun = signals.map_err(io::Error::from).and_then(|signals| {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let (tell, stop) = Stop::new();
            let comes = Arc::new(signals.as_fd().try_clone_to_owned()?);
            Ok(ProbeSession { runtime: Some(runtime), signals, comes, tell, stop })
        });
        if begun.is_err() {
            ends().thread_unblock()?;
        }
        begun
    }

    /// Probes one device.
    ///
    /// # Errors
    ///
    /// It cannot be probed, or a signal came.
    pub(crate) fn probe(
        &mut self,
        device: &Device,
        search: Search,
        progress: impl FnMut(Progress<'_>),
    ) -> Result<Heard, Failure> {
        self.run(|stop| probe(device.clone(), search, stop, progress))
    }

    /// Does some work. When a signal comes, asks the work to stop and waits until it has.
    ///
    /// # Errors
    ///
    /// Those of the work.
    pub(crate) fn run<T, W: Future<Output = Result<T, Failure>>>(
        &mut self,
        work: impl FnOnce(Stop) -> W,
    ) -> Result<T, Failure> {
        let Some(runtime) = &self.runtime else { return Err(Failure::Stopped) };
        let (comes, tell) = (Arc::clone(&self.comes), &self.tell);
        let work = work(self.stop.clone());
        runtime.block_on(async {
            let comes = sys::watch(comes, Interest::READABLE).map_err(|error| Failure::Other(error.to_string()))?;
            let mut work = std::pin::pin!(work);
            tokio::select! {
                done = &mut work => done,
                _ = comes.readable() => {
                    tell.send_replace(true);
                    work.await
                }
            }
        })
    }
}

impl Drop for ProbeSession {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Not waiting for a driver that hangs.
            runtime.shutdown_background();
        }
        // Those that were obeyed must not come a second time.
        while let Ok(Some(_)) = self.signals.read_signal() {}
        let _ = ends().thread_unblock();
    }
}

/// Those that end a program.
fn ends() -> SigSet {
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect()
}
