//! A client on a unix socket, with a deadline on everything it waits for.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::{End, PATIENCE};

/// One connection.
#[derive(Debug)]
pub(crate) struct UnixClient(UnixStream);

impl UnixClient {
    #[track_caller]
    pub(crate) fn connect(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    /// How the program shows clients of this process.
    pub(crate) fn shown() -> String {
        format!("unix:pid={}/uid={}", std::process::id(), nix::unistd::geteuid())
    }

    #[track_caller]
    pub(crate) fn send(&self, bytes: &[u8]) {
        (&self.0).write_all(bytes).unwrap();
    }

    pub(crate) fn half_close(&self) {
        self.0.shutdown(Shutdown::Write).unwrap();
    }

    /// The next `len` bytes.
    #[track_caller]
    pub(crate) fn receive(&self, len: usize) -> Vec<u8> {
        let mut got = vec![0; len];
        (&self.0).read_exact(&mut got).unwrap_or_else(|error| panic!("{error} before {len} bytes"));
        got
    }

    /// All that comes until `last` has come.
    #[track_caller]
    pub(crate) fn receive_until(&self, last: &[u8]) -> Vec<u8> {
        let mut got = Vec::new();
        while !got.ends_with(last) {
            got.extend(self.receive(1));
        }
        got
    }

    /// All that comes until the other side ends it, and how it did.
    #[track_caller]
    pub(crate) fn receive_to_end(&self) -> (Vec<u8>, End) {
        let mut got = Vec::new();
        match (&self.0).read_to_end(&mut got) {
            Ok(_) => (got, End::Closed),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => (got, End::Reset),
            Err(error) => panic!("not closed ({error}) after {} bytes", got.len()),
        }
    }
}
