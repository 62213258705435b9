//! Turning a client away so that it can read why.

use std::io::{self, Write as _};
use std::net::Shutdown;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::conn::Conn;

/// How long a refused client may take to read why and to close.
const PATIENCE: Duration = Duration::from_secs(1);

/// At most this number of refused clients are waited for; any more are closed at once.
const AT_A_TIME: usize = 32;

static WAITING: AtomicUsize = AtomicUsize::new(0);

/// Sends `words` and closes, without waiting for it and without keeping anything of the port.
pub fn refuse(conn: Conn, words: &[u8]) {
    match conn {
        Conn::Tcp(stream) | Conn::Telnet(stream) => {
            if say(SockRef::from(&stream), words).is_ok() {
                wait_for_close(stream);
            }
        }
        Conn::Unix { stream, .. } => {
            if say(SockRef::from(&stream), words).is_ok() {
                wait_for_close(stream);
            }
        }
        #[cfg(test)]
        Conn::Memory(_) => {}
    }
}

/// A new socket has room for a line of text, and its readiness is not known to the runtime yet: write straight to it.
fn say(socket: SockRef<'_>, words: &[u8]) -> io::Result<()> {
    (&*socket).write_all(words)?;
    socket.shutdown(Shutdown::Write)
}

/// Reads until the client has closed too: closing first would reset a client that is just sending, words and all.
fn wait_for_close(mut stream: impl AsyncRead + Unpin + Send + 'static) {
    if WAITING.fetch_add(1, Ordering::Relaxed) >= AT_A_TIME {
        WAITING.fetch_sub(1, Ordering::Relaxed);
        return;
    }
    tokio::spawn(async move {
        let read_all = async {
            let mut scratch = [0; 512];
            while matches!(stream.read(&mut scratch).await, Ok(n) if n > 0) {}
        };
        // Either way the connection ends here.
        let _ = tokio::time::timeout(PATIENCE, read_all).await;
        WAITING.fetch_sub(1, Ordering::Relaxed);
    });
}
