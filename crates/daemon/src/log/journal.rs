//! Records to systemd's journal by its native protocol (systemd's documentation, "Native Journal Protocol").
//!
//! tracing-journald is not used: it makes MESSAGE of the bare words, and `journalctl` shows MESSAGE only, so that
//! "client connected" would not say which. Here MESSAGE is what the text log shows, without the event, and SERMUX_EVENT=,
//! PORT= and CLIENT= are there to select by.

use std::fmt::{self, Write as _};
use std::io;
use std::os::linux::fs::MetadataExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::escape::{escaped, Form};
use super::queue::{LogBatch, LogQueue};
use super::writer::Sink;

const SOCKET: &str = "/run/systemd/journal/socket";

/// A datagram socket to the journal. A journal that does not keep up holds up the thread that writes, and nothing else.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    socket: UnixDatagram,
}

/// Makes datagrams of records, for a [`Journal`] to send.
#[derive(Debug)]
pub(super) struct ToJournal(pub(super) Arc<LogQueue>);

impl Journal {
    pub(super) fn connect() -> io::Result<Self> {
        Self::connect_to(Path::new(SOCKET))
    }

    fn connect_to(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(path)?;
        Ok(Self { path: path.to_owned(), socket })
    }

    fn send_blocking(&mut self, datagram: &[u8]) -> io::Result<()> {
        loop {
            match self.socket.send(datagram) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A journal that was started anew has another socket.
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotConnected) =>
                {
                    *self = Self::connect_to(&self.path)?;
                    return self.socket.send(datagram).map(|_| ());
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// systemd names the device and inode of the standard error that it connected (JOURNAL_STREAM, systemd.exec(5)); a
    /// standard error that was redirected since is another file.
    pub(super) fn connect_if_stderr_goes_there() -> Option<Self> {
        let stream = std::env::var("JOURNAL_STREAM").ok()?;
        let (device, inode) = stream.split_once(':')?;
        let stderr = std::fs::metadata("/proc/self/fd/2").ok()?;
        let same = device.parse() == Ok(stderr.st_dev()) && inode.parse() == Ok(stderr.st_ino());
        same.then(|| Self::connect().ok()).flatten()
    }
}

impl Sink for Journal {
    fn write_blocking(&mut self, records: &LogBatch) -> Result<(), (u64, io::Error)> {
        let mut lost = 0;
        let mut why = None;
        for datagram in records.iter().filter(|datagram| !datagram.is_empty()) {
            // One that is too large for a datagram is no reason to lose the next one.
            if let Err(error) = self.send_blocking(datagram) {
                lost += 1;
                why = Some(error);
            }
        }
        why.map_or(Ok(()), |error| Err((lost, error)))
    }
}

impl<S: Subscriber> Layer<S> for ToJournal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut record = JournalRecord::default();
        event.record(&mut record);
        self.0.push(&record.into_datagram(*event.metadata().level()));
    }
}

/// One record, field by field.
#[derive(Debug, Default)]
struct JournalRecord {
    message: String,
    details: String,
    fields: Vec<u8>,
}

impl JournalRecord {
    fn into_datagram(self, level: Level) -> Vec<u8> {
        // syslog(3)
        let priority: &[u8] = match level {
            Level::ERROR => b"3",
            Level::WARN => b"4",
            Level::INFO => b"6",
            _ => b"7",
        };
        let mut datagram = self.fields;
        field(&mut datagram, "MESSAGE", (self.message + &self.details).as_bytes());
        field(&mut datagram, "PRIORITY", priority);
        field(&mut datagram, "SYSLOG_IDENTIFIER", b"sermux");
        datagram
    }
}

impl Visit for JournalRecord {
    fn record_debug(&mut self, name: &Field, value: &dyn fmt::Debug) {
        let value = format!("{value:?}");
        match name.name() {
            "message" => self.message = value,
            // A person reads it in the words of the message.
            "event" => field(&mut self.fields, "SERMUX_EVENT", value.as_bytes()),
            name => {
                // Writing to a string does not fail.
                let _ = write!(self.details, " {name}={value}");
                field(&mut self.fields, &name.to_ascii_uppercase(), value.as_bytes());
            }
        }
    }

    fn record_str(&mut self, name: &Field, value: &str) {
        self.record_debug(name, &format_args!("{value}"));
    }
}

/// Name, LF, the value's length as 64-bit little-endian, value, LF: the form that carries any value.
fn field(datagram: &mut Vec<u8>, name: &str, value: &[u8]) {
    datagram.extend(name.as_bytes());
    datagram.push(b'\n');
    let value = escaped(value, Form::Text);
    datagram.extend((value.len() as u64).to_le_bytes());
    datagram.extend(&*value);
    datagram.push(b'\n');
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    fn fields(mut datagram: &[u8]) -> Vec<(String, String)> {
        let mut fields = Vec::new();
        while let Some(at) = datagram.iter().position(|byte| *byte == b'\n') {
            let name = String::from_utf8(datagram[..at].to_vec()).unwrap();
            let len = u64::from_le_bytes(datagram[at + 1..at + 9].try_into().unwrap());
            let len = usize::try_from(len).unwrap();
            let value = String::from_utf8(datagram[at + 9..at + 9 + len].to_vec()).unwrap();
            assert_eq!(datagram[at + 9 + len], b'\n');
            datagram = &datagram[at + 10 + len..];
            fields.push((name, value));
        }
        fields
    }

    #[test]
    fn a_record_says_all_in_its_message_and_can_be_selected_by_port_and_client() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let journal = UnixDatagram::bind(&path).unwrap();
        let queue = Arc::new(LogQueue::default());
        let layer = ToJournal(Arc::clone(&queue));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::warn!(event = %"client.lagging", port = %"p1", client = %"10.0.0.7:5", gap = 3,
                "client falls\nbehind \u{202e}");
        });
        let records = queue.take_blocking(None).records;
        Journal::connect_to(&path).unwrap().write_blocking(&records).unwrap();
        let mut datagram = [0; 1000];
        let n = journal.recv(&mut datagram).unwrap();
        let has = |name: &str, value: &str| {
            let fields = fields(&datagram[..n]);
            assert!(fields.contains(&(name.to_owned(), value.to_owned())), "{name}={value} in {fields:?}");
        };
        has("MESSAGE", "client falls\nbehind \\u{202e} port=p1 client=10.0.0.7:5 gap=3");
        has("SERMUX_EVENT", "client.lagging");
        has("PORT", "p1");
        has("CLIENT", "10.0.0.7:5");
        has("PRIORITY", "4");
        has("SYSLOG_IDENTIFIER", "sermux");
    }

    #[test]
    fn a_journal_that_was_started_anew_gets_what_follows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let first = UnixDatagram::bind(&path).unwrap();
        let mut journal = Journal::connect_to(&path).unwrap();
        drop(first);
        let record = |text: &[u8]| LogBatch::from_iter([text.to_vec()]);
        let (lost, _) = journal.write_blocking(&record(b"nobody hears this")).unwrap_err();
        assert_eq!(lost, 1);
        std::fs::remove_file(&path).unwrap();
        let second = UnixDatagram::bind(&path).unwrap();
        journal.write_blocking(&record(b"again")).unwrap();
        let mut datagram = [0; 100];
        let n = second.recv(&mut datagram).unwrap();
        assert_eq!(&datagram[..n], b"again");
    }
}
