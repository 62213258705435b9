//! What lies between a port and the thread that writes its capture: one batch that is filled while another is written.

use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use sermux_port_config::config::Capture;

/// At most this number of bytes may wait: 90 s of a line at 115200 baud.
const MOST_BYTES: usize = 1024 * 1024;

/// At most this number of reads and writes may wait.
const MOST_RECORDS: usize = 16 * 1024;

/// What a batch keeps of its memory after it was written.
const KEPT: usize = 16 * 1024;

/// Where bytes came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByteWay {
    Rx,
    Tx,
}

impl ByteWay {
    /// As it is written.
    pub(super) fn name(self) -> &'static str {
        match self {
            ByteWay::Rx => "rx",
            ByteWay::Tx => "tx",
        }
    }
}

/// The events of a port, in addition to the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventKind {
    Began,
    Opened,
    Gone,
    Closed,
    Paused,
    Set,
    Outputs,
    Break,
    Reset,
    ClientConnected,
    ClientDisconnected,
    Lost,
    Ended,
}

impl EventKind {
    /// As it is written.
    pub(super) fn name(self) -> &'static str {
        match self {
            EventKind::Began => "capture-began",
            EventKind::Opened => "opened",
            EventKind::Gone => "gone",
            EventKind::Closed => "closed",
            EventKind::Paused => "paused",
            EventKind::Set => "set",
            EventKind::Outputs => "outputs",
            EventKind::Break => "break",
            EventKind::Reset => "reset",
            EventKind::ClientConnected => "client-connected",
            EventKind::ClientDisconnected => "client-disconnected",
            EventKind::Lost => "lost",
            EventKind::Ended => "capture-ended",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CaptureEvent {
    pub(super) kind: EventKind,
    pub(super) text: String,
}

/// A read, a write or an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CaptureRecord {
    pub(super) at: SystemTime,
    pub(super) what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The next `len` bytes of the batch.
    Bytes {
        way: ByteWay,
        offset: u64,
        len: usize,
    },
    Event(CaptureEvent),
    /// From here on it is to be written otherwise.
    Change(Box<Capture>),
    /// The file is to be opened again.
    Reopen,
}

/// What is written in one go.
#[derive(Debug, Default)]
pub(super) struct CaptureBatch {
    pub(super) records: Vec<CaptureRecord>,
    pub(super) bytes: Vec<u8>,
}

impl CaptureBatch {
    /// Empties it, for the next time.
    pub(super) fn clear(&mut self) {
        self.records.clear();
        self.bytes.clear();
        self.bytes.shrink_to(KEPT);
        self.records.shrink_to(KEPT / 64);
    }
}

/// How a capture is.
#[derive(Clone, Debug, Default)]
pub(crate) struct CaptureHealth {
    /// Bytes that were written.
    pub(crate) captured: u64,
    /// Bytes that were not.
    pub(crate) lost: u64,
    /// What is wrong now.
    pub(crate) fault: Option<String>,
}

/// What the thread is woken for.
#[derive(Debug, Default)]
pub(super) struct Task {
    pub(super) batch: CaptureBatch,
    /// It is the last.
    pub(super) closed: bool,
}

#[derive(Debug, Default)]
struct CaptureQueueState {
    task: Task,
    /// Bytes for which there was no room, not yet reported in the capture.
    overflow: u64,
    outcome: CaptureHealth,
    /// The thread sleeps.
    waits: bool,
}

#[derive(Debug, Default)]
pub(super) struct CaptureQueue {
    shared: Mutex<CaptureQueueState>,
    wake: Condvar,
}

impl CaptureQueue {
    fn lock(&self) -> MutexGuard<'_, CaptureQueueState> {
        // A thread that panicked left nothing half-done that matters more than the bytes to come.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, mut shared: MutexGuard<'_, CaptureQueueState>) {
        if mem::take(&mut shared.waits) {
            drop(shared);
            self.wake.notify_one();
        }
    }

    /// Bytes that passed.
    pub(super) fn push(&self, way: ByteWay, offset: u64, bytes: &[u8], at: SystemTime) {
        let mut shared = self.lock();
        let Task { batch, closed, .. } = &mut shared.task;
        let full = batch.bytes.len() + bytes.len() > MOST_BYTES || batch.records.len() >= MOST_RECORDS;
        if full || *closed {
            shared.overflow += bytes.len() as u64;
            shared.outcome.lost += bytes.len() as u64;
            return self.wake(shared);
        }
        shared.say_overflow(at);
        let batch = &mut shared.task.batch;
        batch.bytes.extend_from_slice(bytes);
        batch.records.push(CaptureRecord { at, what: What::Bytes { way, offset, len: bytes.len() } });
        self.wake(shared);
    }

    /// Something that happened, or is to happen with the file.
    pub(super) fn push_other(&self, what: What, at: SystemTime) {
        let mut shared = self.lock();
        // A few more than there is room for: these are rare, and the last of them must not be missing. What an operator asks
        // for is never left out.
        let full = shared.task.batch.records.len() >= MOST_RECORDS + 64;
        if shared.task.closed || (full && matches!(what, What::Event(_))) {
            return;
        }
        shared.say_overflow(at);
        shared.task.batch.records.push(CaptureRecord { at, what });
        self.wake(shared);
    }

    pub(super) fn close(&self) {
        let mut shared = self.lock();
        shared.task.closed = true;
        self.wake(shared);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().task.closed
    }

    pub(super) fn outcome(&self) -> CaptureHealth {
        self.lock().outcome.clone()
    }

    // ---- the thread's side ---------------------------------------------------------------------------------------

    /// Waits for something to do, at most this time, and takes it; `spare` is an empty batch for what comes meanwhile.
    /// With nothing in it when the time is up.
    pub(super) fn take(&self, spare: CaptureBatch, wait: Option<Duration>) -> Task {
        let mut shared = self.lock();
        loop {
            let task = &mut shared.task;
            if !task.batch.records.is_empty() || task.closed {
                let closed = task.closed;
                return mem::replace(task, Task { batch: spare, closed });
            }
            shared.waits = true;
            shared = match wait {
                None => self.wake.wait(shared).unwrap_or_else(PoisonError::into_inner),
                Some(time) => {
                    let (mut shared, result) =
                        self.wake.wait_timeout(shared, time).unwrap_or_else(PoisonError::into_inner);
                    if result.timed_out() {
                        shared.waits = false;
                        return Task { batch: spare, closed: false };
                    }
                    shared
                }
            };
        }
    }

    /// How a batch came out.
    pub(super) fn account(&self, captured: u64, lost: u64, fault: Option<&str>) {
        let mut shared = self.lock();
        shared.outcome.captured += captured;
        shared.outcome.lost += lost;
        if shared.outcome.fault.as_deref() != fault {
            shared.outcome.fault = fault.map(str::to_owned);
        }
    }

    /// Nobody writes: what waits and what comes is lost.
    pub(super) fn give_up(&self, fault: String) {
        let mut shared = self.lock();
        shared.outcome.lost += shared.task.batch.bytes.len() as u64;
        shared.outcome.fault = Some(fault);
        shared.task = Task { batch: CaptureBatch::default(), closed: true };
    }
}

impl CaptureQueueState {
    fn say_overflow(&mut self, at: SystemTime) {
        let lost = mem::take(&mut self.overflow);
        if lost > 0 {
            let text = format!("{lost} bytes are missing here: the disk was too slow");
            let what = What::Event(CaptureEvent { kind: EventKind::Lost, text });
            self.task.batch.records.push(CaptureRecord { at, what });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_counted_and_said_where_it_is_missing() {
        let queue = CaptureQueue::default();
        let at = SystemTime::UNIX_EPOCH;
        queue.push(ByteWay::Rx, 0, &vec![0; MOST_BYTES], at);
        queue.push(ByteWay::Rx, MOST_BYTES as u64, b"lost", at);
        let task = queue.take(CaptureBatch::default(), None);
        assert_eq!(task.batch.records.len(), 1);
        queue.push(ByteWay::Rx, MOST_BYTES as u64 + 4, b"more", at);
        let task = queue.take(CaptureBatch::default(), None);
        let [CaptureRecord { what: What::Event(event), .. }, CaptureRecord { what: What::Bytes { offset, len: 4, .. }, .. }] =
            &task.batch.records[..]
        else {
            panic!("{:?}", task.batch.records);
        };
        assert_eq!(event.text, "4 bytes are missing here: the disk was too slow");
        assert_eq!(*offset, MOST_BYTES as u64 + 4);
        assert_eq!(queue.outcome().lost, 4);
    }

    #[test]
    fn what_an_operator_asks_for_is_in_a_queue_that_is_full() {
        let queue = CaptureQueue::default();
        let at = SystemTime::UNIX_EPOCH;
        let event = || What::Event(CaptureEvent { kind: EventKind::Set, text: String::new() });
        (0..MOST_RECORDS + 100).for_each(|_| queue.push_other(event(), at));
        queue.push_other(What::Reopen, at);
        let Task { batch, .. } = queue.take(CaptureBatch::default(), Some(Duration::ZERO));
        assert!(batch.records.len() < MOST_RECORDS + 100, "events are bounded");
        assert_eq!(batch.records.last().map(|record| &record.what), Some(&What::Reopen));
    }

    #[test]
    fn a_batch_gives_its_memory_back() {
        let queue = CaptureQueue::default();
        queue.push(ByteWay::Tx, 0, &[0; 100_000], SystemTime::UNIX_EPOCH);
        let mut batch = queue.take(CaptureBatch::default(), None).batch;
        batch.clear();
        assert!(batch.bytes.capacity() <= KEPT);
    }

    #[test]
    fn nothing_comes_when_the_time_is_up() {
        let task = CaptureQueue::default().take(CaptureBatch::default(), Some(Duration::from_millis(1)));
        assert!(task.batch.records.is_empty() && !task.closed);
    }
}
