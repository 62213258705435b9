//! The thread that writes records. It may wait for their reader for as long as that takes: no other thread waits for it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::unistd::write;

use super::queue::{LogBatch, LogQueue};

/// A log that failed is retried after this time even if nothing more is to be written, then after twice as long …
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// … up to this.
const LAST_RETRY: Duration = Duration::from_secs(60);

/// Where records go.
pub(super) trait Sink: Send {
    /// Writes them; how many were lost, and why.
    fn write_blocking(&mut self, records: &LogBatch) -> Result<(), (u64, io::Error)>;
}

impl Sink for Box<dyn Sink> {
    fn write_blocking(&mut self, records: &LogBatch) -> Result<(), (u64, io::Error)> {
        (**self).write_blocking(records)
    }
}

/// Standard error, or what stands for it in a test.
#[derive(Debug)]
pub(super) struct Stream<F> {
    to: F,
    /// A record was written in part: the next one begins a line.
    torn: bool,
}

impl<F: AsFd> Stream<F> {
    pub(super) fn new(to: F) -> Self {
        Self { to, torn: false }
    }
}

impl<F: AsFd + Send> Sink for Stream<F> {
    fn write_blocking(&mut self, records: &LogBatch) -> Result<(), (u64, io::Error)> {
        if self.torn {
            write_all_blocking(self.to.as_fd(), b"\n").map_err(|(_, error)| (records.len() as u64, error.into()))?;
            self.torn = false;
        }
        write_all_blocking(self.to.as_fd(), records.bytes()).map_err(|(written, error)| {
            self.torn = !records.ends_at(written);
            (records.lost_after(written), error.into())
        })
    }
}

/// Writes all of it, also to something that another program has made non-blocking; or how much of it, and why no more.
fn write_all_blocking(to: BorrowedFd<'_>, bytes: &[u8]) -> Result<(), (usize, Errno)> {
    let mut written = 0;
    while written < bytes.len() {
        match write(to, &bytes[written..]) {
            Ok(0) => return Err((written, Errno::EIO)),
            Ok(n) => written += n,
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => {
                // It fails only by a signal, and then there is another try.
                let _ = poll(&mut [PollFd::new(to, PollFlags::POLLOUT)], PollTimeout::NONE);
            }
            Err(error) => return Err((written, error)),
        }
    }
    Ok(())
}

/// Writes what is handed to the queue, for as long as the program runs. `notice` logs how many records were lost, and why.
pub(super) fn run_blocking(queue: &LogQueue, mut sink: impl Sink, notice: impl Fn(u64, &str)) {
    // Lost records that the log does not show yet, and why they were lost.
    let (mut owed, mut why) = (0, String::new());
    let mut retry = FIRST_RETRY;
    let mut wait = None;
    loop {
        let taken = queue.take_blocking(wait);
        let told = match owed {
            0 => Ok(()),
            // A log that shows no warnings shows nothing of it.
            _ => sink.write_blocking(&LogBatch::from_iter([queue.notice(|| notice(owed, &why))])),
        };
        let written = match told {
            Ok(()) => {
                owed = 0;
                sink.write_blocking(&taken.records)
            }
            Err((_, error)) => Err((taken.records.len() as u64, error)),
        };
        let fault = match &written {
            Ok(()) => None,
            Err((lost, error)) => {
                owed += lost;
                Some(plain(error))
            }
        };
        queue.written(written.as_ref().err().map_or(0, |(lost, _)| *lost), fault.clone());
        owed += taken.overflowed;
        wait = match (owed, fault) {
            (0, None) => None,
            (_, None) => {
                why = "too many at once, or its reader stalled".to_owned();
                retry = FIRST_RETRY;
                Some(Duration::ZERO)
            }
            (_, Some(fault)) => {
                why = fault;
                let now = retry;
                retry = (retry * 2).min(LAST_RETRY);
                Some(now)
            }
        };
    }
}

/// Without the number that the standard library adds.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_lowercase(),
        None => text,
    }
}
