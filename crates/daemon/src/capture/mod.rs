//! `capture:` everything that passes a port, into a file.
//!
//! The port hands over copies of what it read and wrote, with the time, and never waits: a thread of each capture formats
//! them and writes the file, because a disk may take its time. What waits for it is bounded; more than that is lost and
//! counted, as is what the disk refuses. The thread sleeps while nothing passes.
//!
//! - [`Recorder`] is what a port holds.
//! - [`queue`] is what lies between the port and the thread.
//! - [`writer`] is the thread, [`format`] how a line looks, [`file`] the file and its older ones.

mod file;
mod format;
mod queue;
mod writer;

use std::future::Future as _;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use sermux_port_config::config::{Capture, Direction};
use tokio::sync::oneshot;

use self::queue::{ByteWay, CaptureEvent, CaptureQueue, What};
pub(crate) use self::queue::{CaptureHealth, EventKind};

/// A port's capture.
#[derive(Debug)]
pub(crate) struct Recorder {
    file: PathBuf,
    direction: Direction,
    queue: Arc<CaptureQueue>,
    /// How many bytes came from the line and went to it so far.
    offsets: [u64; 2],
    ended: oneshot::Receiver<()>,
}

/// How a capture is.
#[derive(Clone, Debug)]
pub struct CaptureReport {
    /// Where it goes.
    pub file: PathBuf,
    /// Bytes of the line that are in it.
    pub captured: u64,
    /// Bytes of the line that are missing in it.
    pub lost: u64,
    /// What is wrong with it now.
    pub fault: Option<String>,
}

impl Recorder {
    /// Begins. `offsets`: how many bytes came from the line and went to it before.
    pub(crate) fn start(port: &Arc<str>, capture: &Capture, offsets: [u64; 2]) -> Self {
        let queue = Arc::new(CaptureQueue::default());
        let (end, ended) = oneshot::channel();
        let recorder = Self {
            file: capture.file.clone(),
            direction: capture.direction,
            queue: Arc::clone(&queue),
            offsets,
            ended,
        };
        recorder.event(EventKind::Began, format_args!("capture of port {port} begins"));
        writer::start(port, capture, queue, end);
        recorder
    }

    /// Bytes came from the line.
    pub(crate) fn rx(&mut self, bytes: &[u8]) {
        if self.direction != Direction::Tx {
            self.queue.push(ByteWay::Rx, self.offsets[0], bytes, SystemTime::now());
        }
        self.offsets[0] += bytes.len() as u64;
    }

    /// Bytes went to the line.
    pub(crate) fn tx(&mut self, bytes: &[u8]) {
        if self.direction != Direction::Rx {
            self.queue.push(ByteWay::Tx, self.offsets[1], bytes, SystemTime::now());
        }
        self.offsets[1] += bytes.len() as u64;
    }

    /// An event of the port, in addition to the bytes.
    pub(crate) fn event(&self, kind: EventKind, text: std::fmt::Arguments<'_>) {
        self.queue.push_other(What::Event(CaptureEvent { kind, text: text.to_string() }), SystemTime::now());
    }

    /// Goes on otherwise; what was handed over before is written as it was to be.
    pub(crate) fn change(&mut self, capture: &Capture) {
        (self.file, self.direction) = (capture.file.clone(), capture.direction);
        self.queue.push_other(What::Change(Box::new(capture.clone())), SystemTime::now());
    }

    /// Opens the file again, which may have been renamed.
    pub(crate) fn reopen(&self) {
        self.queue.push_other(What::Reopen, SystemTime::now());
    }

    /// Nothing more comes: what was handed over is written, and the file closed.
    pub(crate) fn end(&self) {
        if !self.queue.is_closed() {
            self.event(EventKind::Ended, format_args!("capture ends"));
            self.queue.close();
        }
    }

    /// Whether that has been done, after [`Recorder::end`].
    pub(crate) fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // The thread lets go of its end.
        Pin::new(&mut self.ended).poll(cx).map(|_| ())
    }

    /// How it is.
    pub(crate) fn report(&self) -> CaptureReport {
        let CaptureHealth { captured, lost, fault } = self.queue.outcome();
        CaptureReport { file: self.file.clone(), captured, lost, fault }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.end();
    }
}
