//! Bytes and their meaning on a shared serial port: where a P1 telegram begins and ends, and what a client's bytes mean.
//!
//! Everything here is a state machine without I/O. Nothing opens, reads or writes, nothing waits, and nothing reads the
//! clock: bytes and the time are handed in, and what follows from them comes back. A year of a meter's life therefore
//! runs in a test within a second, and the same bytes at the same times always end the same way.
//!
//! # The driver loop
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
//! use sermux_protocol::frame::{p1::P1Framer, Check};
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
//!     framer.push(read, at, now, |frame| {
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
//! framer.handle_timeout(now);
//! assert_eq!(framer.partial(), None);
//! assert_eq!(framer.counters().abandoned, 1);
//! ```

#![forbid(unsafe_code)]

pub mod frame;
pub mod rfc2217;
pub mod session;
pub mod telnet;
