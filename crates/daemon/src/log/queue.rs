//! Records on their way to the log's writer.
//!
//! A log that does not work must not hurt a port. So a record is copied in here, which never waits for more than another
//! copy, and what does not fit is lost and counted. One thread takes records out and writes them ([`super::writer`]).

use std::cell::Cell;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes of records that may wait; any more records are lost. The writer has as many in its hands at most.
const LIMIT: usize = 128 * 1024;

/// Room that is kept when nothing waits: the records of a quiet day.
const KEPT: usize = 4 * 1024;

/// A writer that has been busy for longer is stalled.
const STALLED_AFTER: Duration = Duration::from_secs(2);

/// Records, one behind the other.
#[derive(Debug, Default)]
pub(super) struct LogBatch {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

/// What the writer takes.
#[derive(Debug, Default)]
pub(super) struct TakenRecords {
    pub(super) records: LogBatch,
    /// Records that were lost behind these, because too many waited.
    pub(super) overflowed: u64,
}

/// How the log is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Health {
    /// Records lost since the start.
    pub(crate) lost: u64,
    /// What is wrong with it now.
    pub(crate) fault: Option<String>,
}

/// What waits for the writer, and how that is.
#[derive(Debug, Default)]
pub(super) struct LogQueue {
    state: Mutex<LogQueueState>,
    /// There is something to write.
    filled: Condvar,
    /// The writer rests.
    rests: Condvar,
}

#[derive(Debug, Default)]
struct LogQueueState {
    waiting: LogBatch,
    overflowed: u64,
    /// Since when the writer has had the same records in its hands.
    busy_since: Option<Instant>,
    /// The record that the writer makes about lost ones.
    notice: Vec<u8>,
    lost: u64,
    fault: Option<String>,
}

thread_local! {
    /// This thread makes the record about lost ones.
    static MAKES_NOTICE: Cell<bool> = const { Cell::new(false) };
}

impl LogBatch {
    fn push(&mut self, record: &[u8]) {
        self.bytes.extend_from_slice(record);
        self.ends.push(self.bytes.len());
    }

    /// All of them in a row.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..*end])
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// How many of them are not whole within the first `written` bytes.
    pub(super) fn lost_after(&self, written: usize) -> u64 {
        self.ends.iter().filter(|end| **end > written).count() as u64
    }

    /// Whether one of them ends there.
    pub(super) fn ends_at(&self, written: usize) -> bool {
        written == 0 || self.ends.contains(&written)
    }
}

impl FromIterator<Vec<u8>> for LogBatch {
    fn from_iter<T: IntoIterator<Item = Vec<u8>>>(records: T) -> Self {
        let mut batch = Self::default();
        records.into_iter().for_each(|record| batch.push(&record));
        batch
    }
}

impl LogQueue {
    /// One more record, or one more that is lost.
    pub(super) fn push(&self, record: &[u8]) {
        let mut state = self.lock();
        // A thread that is ending has no such mark any more, and is not the writer.
        if MAKES_NOTICE.try_with(Cell::get).unwrap_or(false) {
            state.notice.extend_from_slice(record);
            return;
        }
        if state.waiting.bytes.len() + record.len() > LIMIT {
            state.overflowed += 1;
            state.lost += 1;
            return;
        }
        state.waiting.push(record);
        // The writer sleeps only when nothing waits.
        if state.waiting.len() == 1 {
            self.filled.notify_one();
        }
    }

    /// What waits; rests until something does. With a `limit`: no longer than that, and then it may be nothing.
    pub(super) fn take_blocking(&self, limit: Option<Duration>) -> TakenRecords {
        let mut state = self.lock();
        if state.waiting.bytes.is_empty() && limit != Some(Duration::ZERO) {
            state.busy_since = None;
            if state.waiting.bytes.capacity() > KEPT {
                state.waiting = LogBatch::default();
            }
            self.rests.notify_all();
            let is_empty = |state: &mut LogQueueState| state.waiting.bytes.is_empty();
            state = match limit {
                None => self.filled.wait_while(state, is_empty).unwrap_or_else(PoisonError::into_inner),
                Some(limit) => {
                    let waited = self.filled.wait_timeout_while(state, limit, is_empty);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        state.busy_since = Some(Instant::now());
        TakenRecords { records: std::mem::take(&mut state.waiting), overflowed: std::mem::take(&mut state.overflowed) }
    }

    /// These could not be written, or all could.
    pub(super) fn written(&self, lost: u64, fault: Option<String>) {
        let mut state = self.lock();
        state.lost += lost;
        state.fault = fault;
    }

    /// What `log` logs, which is not put behind what waits, but handed out.
    pub(super) fn notice(&self, log: impl FnOnce()) -> Vec<u8> {
        MAKES_NOTICE.set(true);
        log();
        MAKES_NOTICE.set(false);
        std::mem::take(&mut self.lock().notice)
    }

    /// Waits until everything is written or lost.
    pub(super) fn flush_blocking(&self, limit: Duration) {
        let state = self.lock();
        let is_busy = |state: &mut LogQueueState| state.busy_since.is_some() || !state.waiting.bytes.is_empty();
        // After the limit what is left is lost with the program.
        drop(self.rests.wait_timeout_while(state, limit, is_busy));
    }

    pub(super) fn health(&self) -> Health {
        let state = self.lock();
        let stalled = state.busy_since.is_some_and(|since| since.elapsed() >= STALLED_AFTER);
        let stalled = stalled.then(|| "stalled: its reader does not read".to_owned());
        Health { lost: state.lost, fault: state.fault.clone().or(stalled) }
    }

    fn lock(&self) -> MutexGuard<'_, LogQueueState> {
        // Nothing is left half-done under it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_bounded_and_what_does_not_fit_is_counted() {
        let queue = LogQueue::default();
        for _ in 0..1000 {
            queue.push(&[b'x'; 1024]);
        }
        let taken = queue.take_blocking(None);
        assert_eq!(taken.records.len(), LIMIT / 1024);
        assert_eq!(taken.overflowed, 1000 - LIMIT as u64 / 1024);
        assert_eq!(queue.health().lost, taken.overflowed);
        queue.push(b"y");
        let taken = queue.take_blocking(None);
        assert_eq!(taken.records.iter().collect::<Vec<_>>(), [b"y"]);
        assert_eq!(taken.overflowed, 0, "the loss is reported once");
    }

    #[test]
    fn a_flush_waits_until_the_writer_rests_and_not_for_ever() {
        let queue = LogQueue::default();
        queue.push(b"x");
        queue.flush_blocking(Duration::from_millis(1));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                assert_eq!(queue.take_blocking(None).records.len(), 1);
                // It rests for a moment.
                queue.take_blocking(Some(Duration::from_millis(1)));
            });
            queue.flush_blocking(Duration::from_secs(20));
            assert!(queue.lock().waiting.bytes.is_empty());
        });
    }
}
