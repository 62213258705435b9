//! Bytes and their meaning on a shared serial port: where a P1 telegram begins and ends, and what telnet and RFC 2217 mean,
//! at either end.
//!
//! Everything here is a state machine without I/O. Nothing opens, reads or writes, nothing waits, and nothing reads the
//! clock: bytes and the time are handed in, and what follows from them comes back. A year of a meter's life therefore
//! runs in a test within a second, and the same bytes at the same times always end the same way.
//!
//! # Frames
//!
//! The caller (in sermux: the port's hub) owns the line, a buffer and the clock. Bytes have *absolute offsets*: the first
//! byte ever received is 0, and a frame is a pair of offsets, not a copy. The buffer is the caller's, so a framer holds
//! no telegram, only what it needs to recognise the end of one. One turn of the loop:
//!
//! 1. Read the line, and [`push`](frame::p1::P1Framer::push) what came, with its offset and the time of the read.
//! 2. Hand out each [`Frame`](frame::Frame) that was found; its bytes are still in the buffer.
//! 3. Forget everything before [`partial`](frame::p1::P1Framer::partial), or everything when there is none.
//! 4. When a read finds the line empty, wait for bytes or for the
//!    [`deadline`](frame::p1::P1Framer::deadline), whichever comes first; at the deadline call
//!    [`handle_timeout`](frame::p1::P1Framer::handle_timeout).
//!
//! A deadline that has passed while bytes are still waiting to be read is no silence, only a late reader: read first.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use sermux_protocol::frame::{held::Held, p1::P1Framer, Check};
//!
//! // What two reads of a line may return: the end of a telegram, a whole one, and the begin of the next.
//! let reads = [&b"*A)\r\n!1F0E\r\n/ISk5\\2MT382\r\n\r\n1-0:1.7"[..], &b".0(00.520*kW)\r\n!\r\n/ISk5"[..]];
//!
//! let mut framer = P1Framer::new();
//! let mut buffer = Vec::new(); // what may still be needed ...
//! let mut base = 0u64; //         ... and the absolute offset of its first byte
//! let mut telegrams = Vec::new();
//! let mut now = Instant::now(); // the only clock is the caller's
//!
//! for read in reads {
//!     let at = base + buffer.len() as u64;
//!     buffer.extend_from_slice(read);
//!     framer.push(Held::whole(base, &buffer), at, now, |frame| {
//!         let bytes = &buffer[(frame.start - base) as usize..(frame.end - base) as usize];
//!         telegrams.push((bytes.to_vec(), frame.check));
//!     });
//!     let keep_from = framer.partial().unwrap_or(base + buffer.len() as u64);
//!     buffer.drain(..(keep_from - base) as usize);
//!     base = keep_from;
//! }
//! assert_eq!(telegrams, [(b"/ISk5\\2MT382\r\n\r\n1-0:1.7.0(00.520*kW)\r\n!\r\n".to_vec(), Check::Absent)]);
//! assert_eq!(buffer, b"/ISk5");
//!
//! // The line was read empty and stays silent: the begun telegram is given up.
//! let deadline = framer.deadline().expect("a telegram is partly received");
//! assert_eq!(deadline, now + Duration::from_secs(2));
//! now = deadline;
//! framer.handle_timeout(Held::whole(base, &buffer), now, |frame| unreachable!("{frame:?}"));
//! assert_eq!(framer.partial(), None);
//! assert_eq!(framer.counters().abandoned, 1);
//! ```
//!
//! # The server
//!
//! A [`Session`](session::Session) is the protocol of one client; that of a telnet client is a
//! [`TelnetSession`](telnet::TelnetSession). The caller owns the connection, the line, and the queue of what each client wants. One turn
//! of its loop:
//!
//! 1. Read the connection, and [`decode`](telnet::TelnetSession::decode) until it gives nothing: data for the line, and requests
//!    between the data, whose turn comes when the data before them has gone out.
//! 2. When the turn of a request has come, do its [`effect`](rfc2217::Request::effect), look at the line, and
//!    [`answer`](telnet::TelnetSession::answer). Who may not have an effect is answered all the same.
//! 3. Send the [`outbox`](telnet::TelnetSession::outbox), then, unless the client [is
//!    suspended](telnet::TelnetSession::is_suspended), the line's data, [escaped](telnet::escape). A connection that took half
//!    of a pair is [owed](telnet::TelnetSession::owe_ff) the other half before anything else.
//! 4. When inputs change or the receiver notices something, tell each session ([`modem_changed`],
//!    [`line_changed`]); what its client does not want to hear it keeps to itself.
//! 5. While an outbox is long, read no more of its client.
//!
//! [`modem_changed`]: telnet::TelnetSession::modem_changed
//! [`line_changed`]: telnet::TelnetSession::line_changed
//!
//! ```
//! use sermux_port_config::signal::Effect;
//! use sermux_protocol::rfc2217::View;
//! use sermux_protocol::telnet::{escape, TelnetOffer, TelnetSession};
//!
//! let offer =
//!     TelnetOffer { rfc2217: true, signature: "doc".into(), enter_is_cr: false, break_on_sync: false };
//! let mut telnet = TelnetSession::new(offer);
//! let mut view = View::default(); // of a line with 9600 8N1
//! telnet.outbox_taken(telnet.outbox().len()); // what is offered has been sent
//!
//! // One read of the connection: "AT", then SET-BAUDRATE 115200.
//! let mut read = &b"AT\xFF\xFA\x2C\x01\x00\x01\xC2\x00\xFF\xF0"[..];
//! let mut tx = Vec::new();
//! while let Some(request) = telnet.decode(&mut read, &mut tx) {
//!     // Here "AT" has gone to the line, and the line takes the settings.
//!     if let Effect::Settings(settings) = request.effect(&view) {
//!         view.settings = settings;
//!     }
//!     telnet.answer(request, &view);
//! }
//! assert_eq!(tx, b"AT");
//! assert_eq!(view.settings.to_string(), "115200 8N1");
//!
//! // The answer, and the modem state: this client speaks RFC 2217, as has just become clear.
//! assert_eq!(telnet.outbox(), b"\xFF\xFA\x2C\x65\x00\x01\xC2\x00\xFF\xF0\xFF\xFA\x2C\x6B\x00\xFF\xF0");
//! telnet.outbox_taken(telnet.outbox().len());
//!
//! // The line's data. The connection takes five bytes: "OK", a 0xFF, and half of the next.
//! let data = b"OK\xFF\xFF";
//! let mut escaped = [0; 64];
//! let (_, written) = escape::escape(data, &mut escaped);
//! assert_eq!(escaped[..written], *b"OK\xFF\xFF\xFF\xFF");
//! let taken = escape::taken(&escaped[..5]);
//! assert_eq!((taken.data, taken.owes_ff), (4, true));
//! telnet.owe_ff();
//! assert_eq!(telnet.outbox(), b"\xFF");
//! ```
//!
//! # The client
//!
//! A program that uses such a port has a [`TelnetClient`](rfc2217::client::TelnetClient): it says what it wants, sends the outbox,
//! and decodes what it reads into data and events. What the server says of the line adds up to a
//! [`View`](rfc2217::View). How long it waits for an answer is its own affair; 5 s is usual.
//!
//! ```
//! use sermux_protocol::rfc2217::client::{ClientEvent, TelnetClient};
//! use sermux_protocol::rfc2217::Request;
//! # use sermux_protocol::telnet::{TelnetOffer, TelnetSession};
//!
//! let mut client = TelnetClient::new("doc");
//! client.request(Request::Parity(3)); // even
//! client.send(b"ping");
//! let sent = client.outbox().to_vec(); // offers, request, data
//! client.outbox_taken(sent.len());
//! # let offer = TelnetOffer { rfc2217: true, signature: String::new(), enter_is_cr: false, break_on_sync: false };
//! # let (mut server, mut view, mut tx) = (TelnetSession::new(offer), Default::default(), Vec::new());
//! # let mut at_server = &sent[..];
//! # while let Some(request) = server.decode(&mut at_server, &mut tx) {
//! #     if let sermux_port_config::signal::Effect::Settings(settings) = request.effect(&view) {
//! #         view.settings = settings;
//! #     }
//! #     server.answer(request, &view);
//! # }
//! # assert_eq!(tx, b"ping");
//! # server.say(b"pong");
//! # let answered = server.outbox();
//!
//! // What the server has sent by the time that it agreed, set the line, and had data.
//! let mut read = &answered[..];
//! let (mut data, mut events) = (Vec::new(), Vec::new());
//! while let Some(event) = client.decode(&mut read, &mut data) {
//!     events.push(event);
//! }
//! assert_eq!(events, [ClientEvent::Agreed, ClientEvent::ModemState(0), ClientEvent::Parity(3)]);
//! assert_eq!(client.view().settings.to_string(), "9600 8E1");
//! assert_eq!(data, b"pong");
//! ```

#![forbid(unsafe_code)]

pub mod frame;
pub mod line_sim;
pub mod reading;
pub mod rfc2217;
pub mod session;
pub mod telnet;
pub mod verdict;
