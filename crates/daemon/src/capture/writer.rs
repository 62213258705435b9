//! The thread that writes a capture.

use std::io;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use sermux_port_config::config::Capture;
use tokio::sync::oneshot;
use tracing::{info, warn};

use super::file::CaptureFile;
use super::format::{Formatter, LineSink};
use super::queue::{CaptureBatch, CaptureEvent, CaptureQueue, CaptureRecord, EventKind, Task, What};
use crate::defect;

/// Of the thread.
const STACK: usize = 128 * 1024;

/// Lines are handed to the file when they are this number of bytes.
const AT_ONCE: usize = 64 * 1024;

/// A file that could not be opened is tried again after this.
const RETRY: Duration = Duration::from_secs(1);

/// After a panic the thread goes on after as long, then after twice as long, up to this.
const LAST_PAUSE: Duration = Duration::from_secs(60);

/// Starts the thread. It lets go of `end` when it has written everything.
pub(super) fn start(port: &Arc<str>, capture: &Capture, queue: Arc<CaptureQueue>, end: oneshot::Sender<()>) {
    let (for_thread, file) = (Arc::clone(&queue), capture.file.clone());
    let mut writer = CaptureWriter {
        port: Arc::clone(port),
        path: file.clone(),
        formatter: Formatter::new(port, capture),
        out: Out { file: CaptureFile::new(capture), lines: Vec::new(), bytes: 0, written: 0, fault: None, lost: 0 },
        said: None,
        lost: 0,
        failed_at: None,
        in_hands: 0,
    };
    let name = "capture".to_owned();
    let started = thread::Builder::new().name(name).stack_size(STACK).spawn(move || {
        let mut pause = RETRY;
        // A defect costs what it had in its hands.
        while catch_unwind(AssertUnwindSafe(|| writer.run(&for_thread))).is_err() {
            writer.failed(&for_thread);
            thread::park_timeout(pause);
            pause = (pause * 2).min(LAST_PAUSE);
        }
        drop(end);
    });
    if let Err(error) = started {
        let fault = format!("there can be no thread for it: {error}");
        warn!(event = %"capture.failed", port = %port, file = %file.display(), "capture: {fault}; nothing is captured");
        queue.give_up(fault);
    }
}

struct CaptureWriter {
    port: Arc<str>,
    path: PathBuf,
    formatter: Formatter,
    out: Out,
    /// The fault that was logged last and is not over.
    said: Option<String>,
    /// Bytes that are missing in the file, and that it does not say yet.
    lost: u64,
    /// When the file could not be written last.
    failed_at: Option<Instant>,
    /// Bytes that were taken out of the queue, and are neither written nor counted yet.
    in_hands: u64,
}

impl CaptureWriter {
    fn run(&mut self, queue: &CaptureQueue) {
        let mut spare = CaptureBatch::default();
        loop {
            let wait = self.formatter.deadline().map(|due| due.saturating_duration_since(Instant::now()));
            let Task { batch, closed } = queue.take(spare, wait);
            self.write(&batch, closed, queue);
            if closed {
                return;
            }
            spare = batch;
            spare.clear();
        }
    }

    /// It has panicked: what it had in its hands is lost, and the file is opened anew.
    fn failed(&mut self, queue: &CaptureQueue) {
        let lost = std::mem::take(&mut self.in_hands);
        self.lost += lost;
        self.out.file.close();
        self.out.lines.clear();
        (self.out.bytes, self.out.written, self.out.lost, self.out.fault) = (0, 0, 0, None);
        self.said =
            Some("a defect of sermux ended its thread; it is started again by itself; the log says more".to_owned());
        queue.account(0, lost, self.said.as_deref());
    }

    fn write(&mut self, batch: &CaptureBatch, closed: bool, queue: &CaptureQueue) {
        self.write_at(batch, closed, queue, Instant::now());
    }

    fn write_at(&mut self, batch: &CaptureBatch, closed: bool, queue: &CaptureQueue, now: Instant) {
        let passed = batch.bytes.len() as u64;
        self.in_hands = passed;
        defect::here("capture");
        let is_bytes = |record: &CaptureRecord| matches!(record.what, What::Bytes { .. });
        let is_too_soon = self.failed_at.is_some_and(|at| at.elapsed() < RETRY);
        // Without bytes it is a line that has waited for long enough, and would not wait again.
        if is_too_soon && passed > 0 && batch.records.iter().all(is_bytes) && !closed {
            self.in_hands = 0;
            self.lost += passed;
            return queue.account(0, passed, self.said.as_deref());
        }
        let lost_before = self.lost;
        if lost_before > 0 {
            let text = format!("{lost_before} bytes are missing here: the file could not be written");
            self.formatter.event(&CaptureEvent { kind: EventKind::Lost, text }, SystemTime::now(), &mut self.out);
        }
        let mut at = 0;
        for CaptureRecord { at: time, what } in &batch.records {
            match what {
                What::Event(event) => self.formatter.event(event, *time, &mut self.out),
                What::Bytes { way, offset, len } => {
                    let bytes = &batch.bytes[at..at + len];
                    at += len;
                    self.formatter.bytes(*way, *offset, bytes, *time, now, &mut self.out);
                }
                What::Change(capture) => {
                    self.formatter.set(capture, &mut self.out);
                    self.out.flush();
                    self.out.file.set(capture);
                    self.path.clone_from(&capture.file);
                    self.out.fault = self.out.file.open().err();
                }
                What::Reopen => {
                    self.out.flush();
                    self.out.file.close();
                    // What could not be written a moment ago is not over because a file is there.
                    self.out.fault = self.out.file.open().err().or(self.out.fault.take());
                }
            }
        }
        self.formatter.handle_timeout(now, &mut self.out);
        if closed {
            self.formatter.finish(&mut self.out);
        }
        self.out.flush();
        self.in_hands = 0;
        let lost = std::mem::take(&mut self.out.lost);
        let fault = self.out.fault.take();
        self.lost = if fault.is_some() { lost_before + lost } else { lost };
        self.say(fault.map_or(Ok(()), Err));
        queue.account(std::mem::take(&mut self.out.written), lost, self.said.as_deref());
    }

    /// Says once that something is wrong, and once that it is over.
    fn say(&mut self, result: io::Result<()>) {
        match result {
            Ok(()) => {
                self.failed_at = None;
                if self.said.take().is_some() {
                    info!(event = %"capture.resumed", port = %self.port, file = %self.path.display(),
                        "capture: the file is written again");
                }
            }
            Err(error) => {
                self.failed_at = Some(Instant::now());
                let fault = format!("{} {error}", self.path.display());
                if self.said.as_ref() != Some(&fault) {
                    warn!(event = %"capture.failed", port = %self.port, file = %self.path.display(),
                        "capture: {fault}; bytes are missing in the file until it can be written: {}", remedy(error.kind()));
                    self.said = Some(fault);
                }
            }
        }
    }
}

fn remedy(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on the disk",
        io::ErrorKind::NotFound => "make the folder",
        io::ErrorKind::PermissionDenied => "let the program's user write into the folder",
        io::ErrorKind::ReadOnlyFilesystem => "choose a folder on a disk that is not read-only",
        _ => "mend that, or name another `file` under `capture`",
    }
}

/// Lines on their way into the file.
struct Out {
    file: CaptureFile,
    lines: Vec<u8>,
    /// Bytes of the line that are in them.
    bytes: u64,
    /// Bytes of the line that the file has.
    written: u64,
    /// What was wrong.
    fault: Option<io::Error>,
    /// Bytes of the line that are missing because of that.
    lost: u64,
}

impl LineSink for Out {
    fn line(&mut self, line: &[u8], bytes: usize) {
        let now = SystemTime::now();
        if let Err(error) = self.file.open() {
            self.fault.get_or_insert(error);
        }
        if self.file.is_due(self.lines.len(), line.len(), now) {
            self.flush();
            if self.file.is_due(0, line.len(), now) {
                if let Err(error) = self.file.rotate() {
                    self.fault.get_or_insert(error);
                }
            }
        }
        self.lines.extend_from_slice(line);
        self.bytes += bytes as u64;
        if self.lines.len() >= AT_ONCE {
            self.flush();
        }
    }
}

impl Out {
    /// Hands the lines to the file.
    fn flush(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        if self.lines.is_empty() {
            self.written += bytes;
            return;
        }
        match self.file.write(&self.lines) {
            Ok(()) => self.written += bytes,
            Err(error) => {
                self.lost += bytes;
                self.fault = Some(error);
            }
        }
        self.lines.clear();
        self.lines.shrink_to(AT_ONCE);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::queue::ByteWay;
    use super::*;
    use sermux_port_config::config::{CaptureFormat, Direction};

    fn writer(path: PathBuf, max_size: usize) -> CaptureWriter {
        let capture = Capture {
            file: path.clone(),
            direction: Direction::Both,
            format: CaptureFormat::Text,
            timestamp: false,
            max_size,
            max_age: Duration::ZERO,
            keep: 2,
        };
        CaptureWriter {
            port: "p".into(),
            path,
            formatter: Formatter::new("p", &capture),
            out: Out {
                file: CaptureFile::new(&capture),
                lines: Vec::new(),
                bytes: 0,
                written: 0,
                fault: None,
                lost: 0,
            },
            said: None,
            lost: 0,
            failed_at: None,
            in_hands: 0,
        }
    }

    fn hand_over(queue: &CaptureQueue, text: &str) {
        queue.push(ByteWay::Rx, 0, text.as_bytes(), SystemTime::UNIX_EPOCH);
    }

    fn write(writer: &mut CaptureWriter, queue: &CaptureQueue) {
        let task = queue.take(CaptureBatch::default(), Some(Duration::ZERO));
        writer.write(&task.batch, task.closed, queue);
    }

    #[test]
    fn a_file_that_cannot_be_made_loses_bytes_and_says_so_when_it_can() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("later/x.log");
        let (mut writer, queue) = (writer(path.clone(), 0), CaptureQueue::default());
        hand_over(&queue, "one\n");
        write(&mut writer, &queue);
        let outcome = queue.outcome();
        assert_eq!((outcome.captured, outcome.lost), (0, 4));
        assert!(outcome.fault.unwrap().contains("cannot be opened"));
        fs::create_dir(folder.path().join("later")).unwrap();
        writer.failed_at = None;
        hand_over(&queue, "two\n");
        write(&mut writer, &queue);
        let outcome = queue.outcome();
        assert_eq!((outcome.captured, outcome.lost, outcome.fault), (4, 4, None));
        let text = fs::read_to_string(path).unwrap();
        assert_eq!(text, "-- 4 bytes are missing here: the file could not be written\nrx two\n");
    }

    #[test]
    fn no_file_is_larger_than_it_may_be_and_no_line_is_lost_between_two() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        let (mut writer, queue) = (writer(path.clone(), 4096), CaptureQueue::default());
        let text: String = (0..1000).map(|n| format!("{n}\n")).collect();
        hand_over(&queue, &text);
        write(&mut writer, &queue);
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        let files = [read("x.log.1"), read("x.log")];
        assert!(files.iter().all(|file| file.len() <= 4096), "{:?}", files.each_ref().map(String::len));
        let expected: String = (0..1000).map(|n| format!("rx {n}\n")).collect();
        assert_eq!(files.concat(), expected);
    }

    #[test]
    fn a_line_that_is_due_does_not_keep_the_thread_awake_while_the_disk_is_full() {
        let (mut writer, queue) = (writer("/dev/full".into(), 0), CaptureQueue::default());
        hand_over(&queue, "one\nlogin: ");
        write(&mut writer, &queue);
        assert!(writer.failed_at.is_some());
        let due = writer.formatter.deadline().unwrap();
        writer.write_at(&CaptureBatch::default(), false, &queue, due);
        assert_eq!(writer.formatter.deadline(), None);
    }

    #[test]
    fn a_full_disk_stays_one_when_the_file_is_opened_again() {
        let (mut writer, queue) = (writer("/dev/full".into(), 0), CaptureQueue::default());
        hand_over(&queue, "one\n");
        write(&mut writer, &queue);
        queue.push_other(What::Reopen, SystemTime::UNIX_EPOCH);
        write(&mut writer, &queue);
        assert!(queue.outcome().fault.is_some() && writer.said.is_some());
    }

    #[test]
    fn what_waits_for_the_rest_of_its_line_is_not_captured_yet() {
        let folder = tempfile::tempdir().unwrap();
        let (mut writer, queue) = (writer(folder.path().join("x.log"), 0), CaptureQueue::default());
        hand_over(&queue, "one\nlogin: ");
        write(&mut writer, &queue);
        assert_eq!(queue.outcome().captured, 4);
        let due = writer.formatter.deadline().unwrap();
        writer.write_at(&CaptureBatch::default(), false, &queue, due);
        assert_eq!(queue.outcome().captured, 11);
    }

    #[test]
    fn a_full_disk_is_a_fault_once() {
        let (mut writer, queue) = (writer("/dev/full".into(), 0), CaptureQueue::default());
        hand_over(&queue, "one\n");
        write(&mut writer, &queue);
        let fault = queue.outcome().fault.unwrap();
        assert!(fault.contains("/dev/full cannot be written: No space left"), "{fault}");
        let failed_at = writer.failed_at;
        hand_over(&queue, "two\n");
        write(&mut writer, &queue);
        assert_eq!(writer.failed_at, failed_at, "not tried again at once");
        assert_eq!(queue.outcome().lost, 8);
    }
}
