//! Uses a serial port that a server offers by RFC 2217: sets the line, says what it has become, and copies data between
//! the port and the terminal.
//!
//!     cargo run -p sermux-protocol --example rfc2217-client -- localhost:4002 115200 8N1
//!
//! What the server answers goes to stderr, data from the port to stdout. Without line settings the client only queries
//! the line. At the end of stdin it closes its sending side, and the server ends the connection when it is done.

#![allow(clippy::print_stderr, reason = "what the server answers")]

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{channel, Sender};
use std::thread;

use sermux_port_config::line::LineSettings;
use sermux_protocol::rfc2217::client::{ClientEvent, TelnetClient};
use sermux_protocol::rfc2217::Request;

/// What was read somewhere; nothing at the end.
enum Input {
    Server(Vec<u8>),
    Terminal(Vec<u8>),
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().ok_or("usage: rfc2217-client HOST:PORT [115200 8N1]")?;
    let settings = arguments.collect::<Vec<_>>().join(" ");

    let mut client = TelnetClient::new("rfc2217-client");
    client.request(Request::Signature);
    if settings.is_empty() {
        client.look();
    } else {
        client.set_line(&settings.parse::<LineSettings>()?);
    }

    let mut server = TcpStream::connect(&address)?;
    server.set_nodelay(true)?;
    let (inputs, input) = channel();
    let (go_on, may_go_on) = channel();
    read(server.try_clone()?, inputs.clone(), Input::Server, || true);
    // One block at a time: no more than the server takes.
    read(io::stdin(), inputs, Input::Terminal, move || may_go_on.recv().is_ok());

    let mut typed: Option<Vec<u8>> = Some(Vec::new());
    let mut ended = false;
    loop {
        if !client.is_suspended() {
            if let Some(data) = typed.take() {
                client.send(&data);
                // An error means that the thread has ended.
                let _ = go_on.send(());
            }
        }
        if !ended {
            server.write_all(client.outbox())?;
        }
        client.outbox_taken(client.outbox().len());

        match input.recv()? {
            Input::Server(bytes) if bytes.is_empty() => return Ok(()),
            Input::Server(bytes) => {
                let (mut bytes, mut data) = (&bytes[..], Vec::new());
                while let Some(event) = client.decode(&mut bytes, &mut data) {
                    report(event, &client);
                }
                io::stdout().write_all(&data)?;
                io::stdout().flush()?;
            }
            Input::Terminal(bytes) if bytes.is_empty() => {
                server.shutdown(Shutdown::Write)?;
                ended = true;
            }
            Input::Terminal(bytes) => typed = Some(bytes),
        }
    }
}

fn report(event: ClientEvent, client: &TelnetClient) {
    match event {
        ClientEvent::Refused => eprintln!("the server has no RFC 2217"),
        ClientEvent::Signature => eprintln!("the server is {}", client.server_signature().unwrap_or_default()),
        ClientEvent::BaudRate(_) | ClientEvent::DataSize(_) | ClientEvent::Parity(_) | ClientEvent::StopSize(_) => {
            eprintln!("the line has {}", client.view().settings);
        }
        event => eprintln!("{event:?}"),
    }
}

/// Reads in a thread of its own, each time that `may_go_on` says so, to the end. An error is an end, too.
fn read(
    mut from: impl Read + Send + 'static,
    to: Sender<Input>,
    input: fn(Vec<u8>) -> Input,
    may_go_on: impl Fn() -> bool + Send + 'static,
) {
    thread::spawn(move || {
        while may_go_on() {
            let mut bytes = vec![0; 4096];
            let n = from.read(&mut bytes).unwrap_or(0);
            bytes.truncate(n);
            if to.send(input(bytes)).is_err() || n == 0 {
                return;
            }
        }
    });
}
