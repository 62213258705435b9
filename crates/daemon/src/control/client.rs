//! The commands' side of the control socket: one request, one answer, which may come line by line.
//!
//! By hand, because that is less than a client of hyper and a runtime for it: the daemon closes the connection after its
//! answer, so the answer is what comes until then. httparse takes the head apart.

use std::fmt::{self, Write as _};
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};

/// How long the daemon may take. It answers by itself before that.
const PATIENCE: Duration = Duration::from_secs(65);

/// A longer answer is none of the daemon's.
const LONGEST: u64 = 256 * 1024 * 1024;

/// Nor is a longer head …
const LONGEST_HEAD: usize = 16 * 1024;
/// … or a longer line of an answer that is read by lines.
const LONGEST_LINE: usize = 1024 * 1024;

/// What the daemon answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status of HTTP.
    pub(crate) status: u16,
    /// What it said, in JSON.
    pub(crate) body: Vec<u8>,
}

/// A connection on which nothing was asked yet.
#[derive(Debug)]
pub(crate) struct Connection(UnixStream);

impl Connection {
    /// To the daemon whose socket this is.
    pub(crate) fn open(socket: &Path) -> io::Result<Connection> {
        let connection = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        // Also how long it waits in a queue that is full.
        connection.set_write_timeout(Some(PATIENCE))?;
        connection.set_read_timeout(Some(PATIENCE))?;
        connection.connect(&SockAddr::unix(socket)?)?;
        Ok(Connection(UnixStream::from(OwnedFd::from(connection))))
    }

    /// Asks. `path` is escaped by the caller ([`segment`]).
    pub(crate) fn ask(mut self, method: &str, path: &str, body: &[u8]) -> io::Result<Answer> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: sermux\r\ncontent-length: {}\r\n", body.len());
        request += "content-type: application/json\r\nconnection: close\r\n\r\n";
        // In one piece, and an answer may come before all of it was read.
        let sent = self.0.write_all(&[request.as_bytes(), body].concat());
        let mut answer = Vec::new();
        let received = (&mut self.0).take(LONGEST).read_to_end(&mut answer);
        if answer.is_empty() {
            sent.and(received)?;
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed without an answer"));
        }
        received?;
        parse(answer)
    }

    /// Asks for an answer that is read line by line while it comes; one that is no success is read to its end.
    pub(crate) fn follow(mut self, path: &str) -> io::Result<Result<AnswerLines, Answer>> {
        // By HTTP/1.0, which knows no chunks: the answer is what comes until the end.
        self.0.write_all(format!("GET {path} HTTP/1.0\r\nhost: sermux\r\n\r\n").as_bytes())?;
        let mut held = Vec::new();
        while !held.ends_with(b"\r\n\r\n") {
            if held.len() > LONGEST_HEAD {
                return Err(wrong("its head has no end"));
            }
            // The head alone, which comes once: what follows it is for others.
            let mut byte = [0];
            self.0.read_exact(&mut byte)?;
            held.push(byte[0]);
        }
        if status(&held)? == 200 {
            return Ok(Ok(AnswerLines { stream: self.0, held: Vec::new() }));
        }
        (&mut self.0).take(LONGEST).read_to_end(&mut held)?;
        parse(held).map(Err)
    }
}

/// An answer that goes on.
#[derive(Debug)]
pub(crate) struct AnswerLines {
    stream: UnixStream,
    held: Vec<u8>,
}

/// What a look at [`AnswerLines`] gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NextLine {
    Line(Vec<u8>),
    /// Nothing within the time.
    NotYet,
    /// There are no more.
    End,
}

impl AnswerLines {
    /// The next line, without its end, if it comes within `wait`.
    pub(crate) fn next(&mut self, wait: Duration) -> io::Result<NextLine> {
        // Nothing is no time that a socket can wait.
        self.stream.set_read_timeout(Some(wait.max(Duration::from_millis(1))))?;
        loop {
            if let Some(end) = self.held.iter().position(|byte| *byte == b'\n') {
                let rest = self.held.split_off(end + 1);
                let mut line = std::mem::replace(&mut self.held, rest);
                line.truncate(end);
                return Ok(NextLine::Line(line));
            }
            if self.held.len() > LONGEST_LINE {
                return Err(wrong("a line has no end"));
            }
            let mut buffer = [0; 16 * 1024];
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(NextLine::End),
                Ok(n) => self.held.extend_from_slice(&buffer[..n]),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    return Ok(NextLine::NotYet);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn wrong(what: impl fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("this is no answer: {what}"))
}

/// The status in a head.
fn status(head: &[u8]) -> io::Result<u16> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut parsed = httparse::Response::new(&mut headers);
    parsed.parse(head).map_err(wrong)?;
    Ok(parsed.code.unwrap_or_default())
}

fn parse(mut answer: Vec<u8>) -> io::Result<Answer> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut headers);
    let length = match head.parse(&answer).map_err(wrong)? {
        httparse::Status::Complete(length) => length,
        httparse::Status::Partial => return Err(wrong("it is cut off")),
    };
    let status = head.code.unwrap_or_default();
    let declared = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let declared = declared.and_then(|header| std::str::from_utf8(header.value).ok()?.parse::<usize>().ok());
    let body = answer.split_off(length);
    match declared {
        Some(declared) if declared == body.len() => Ok(Answer { status, body }),
        _ => Err(wrong("it is cut off")),
    }
}

/// One part of a path, whatever is in it (RFC 3986, 2.1).
pub(crate) fn segment(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') {
            escaped.push(char::from(byte));
        } else {
            // Writing to a string does not fail. A dot too: `..` would be another place.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_or_none() {
        let whole = b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\n{}\n";
        let answer = parse(whole.to_vec()).unwrap();
        assert_eq!((answer.status, &answer.body[..]), (404, &b"{}\n"[..]));
        for cut in 0..whole.len() {
            assert!(parse(whole[..cut].to_vec()).is_err(), "{cut}");
        }
        assert!(parse(b"SSH-2.0-OpenSSH\r\n\r\n".to_vec()).is_err());
    }

    #[test]
    fn nothing_in_a_name_leads_elsewhere() {
        assert_eq!(segment("lab-7_a"), "lab-7_a");
        assert_eq!(segment("../a b?\r\n"), "%2E%2E%2Fa%20b%3F%0D%0A");
    }
}
