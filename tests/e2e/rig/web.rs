//! HTTP by hand: one request to a connection, over TCP or a unix socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::Value;

use super::PATIENCE;

/// An answer, of which the body has not been read.
pub(crate) struct Answer {
    /// 200 and the like.
    pub(crate) status: u16,
    /// The lines of the head.
    pub(crate) head: Vec<String>,
    body: BufReader<Box<dyn Read>>,
}

/// A whole request, as it goes over the wire.
pub(crate) fn request(method: &str, path: &str, head: &[&str]) -> String {
    let lines: String = head.iter().map(|line| format!("{line}\r\n")).collect();
    format!("{method} {path} HTTP/1.1\r\n{lines}\r\n")
}

/// Asks a server on TCP by its address.
#[track_caller]
pub(crate) fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, &request("GET", path, &[&format!("host: {address}")]))
}

/// Asks a server on TCP in these words.
#[track_caller]
pub(crate) fn ask(address: SocketAddr, words: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // It may answer before it has read all.
    let _ = stream.write_all(words.as_bytes());
    Answer::read(Box::new(stream))
}

/// Asks the control socket.
#[track_caller]
pub(crate) fn get_at(socket: &Path, path: &str, head: &[&str]) -> Answer {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request("GET", path, &[&["host: sermux"], head].concat()).as_bytes()).unwrap();
    Answer::read(Box::new(stream))
}

impl Answer {
    #[track_caller]
    fn read(stream: Box<dyn Read>) -> Self {
        let mut body = BufReader::new(stream);
        let mut line = || {
            let mut line = String::new();
            body.read_line(&mut line).unwrap();
            line.trim_end().to_owned()
        };
        let first = line();
        let status = first.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no answer: {first:?}"));
        let head = std::iter::from_fn(|| Some(line()).filter(|line| !line.is_empty())).collect();
        Self { status, head, body }
    }

    /// The value of a line of the head.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// All of the body.
    #[track_caller]
    pub(crate) fn bytes(mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.body.read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[track_caller]
    pub(crate) fn text(self) -> String {
        String::from_utf8(self.bytes()).unwrap()
    }

    #[track_caller]
    pub(crate) fn json(self) -> Value {
        let text = self.text();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The next server-sent event, without its comments: its id, its name and its data. `None`: there are no more.
    #[track_caller]
    pub(crate) fn event(&mut self) -> Option<(u64, String, String)> {
        let (mut id, mut name, mut data) = (0, String::new(), Vec::new());
        loop {
            let line = self.chunked_line()?;
            match line.split_once(": ").unwrap_or((line.trim_end_matches(':'), "")) {
                ("id", value) => id = value.parse().unwrap(),
                ("event", value) => value.clone_into(&mut name),
                ("data", value) => data.push(value.to_owned()),
                ("", _) if !name.is_empty() => return Some((id, name, data.join("\n"))),
                ("", _) => {}
                other => panic!("not a line of an event: {other:?}"),
            }
        }
    }

    /// A line of a body that comes in chunks of whole lines.
    fn chunked_line(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            self.body.read_line(&mut line).unwrap();
            let text = line.strip_suffix('\n')?;
            match text.strip_suffix('\r') {
                // A chunk's size, or the end of one.
                Some("0") => return None,
                Some(_) => {}
                None => return Some(text.to_owned()),
            }
        }
    }
}
