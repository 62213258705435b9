//! RFC 2217, the Telnet Com Port Control Option: a client sets the line, queries it, and is notified of its changes.
//!
//! All of it stands in telnet subnegotiations, `IAC SB COM-PORT-OPTION command value IAC SE`, where the server's commands
//! are the client's and [100](code::command::SERVER). In values, too, each 0xFF is doubled.
//!
//! # Request and answer
//!
//! The server's session ([`TelnetSession`](crate::telnet::TelnetSession)) makes a [`Request`] of each command;
//! [`Request::effect`] says what it does to the line, and [`TelnetSession::answer`](crate::telnet::TelnetSession::answer) answers it
//! from a [`View`] of the line after that. So what is answered is what the line has, also when it could not or would not do
//! as asked. Values are decimal.
//!
//! | the client sends | what that does | the server answers |
//! |---|---|---|
//! | 0 SIGNATURE, no text | nothing | 100, our text |
//! | 0 SIGNATURE, text | it is kept, printable, 256 characters | |
//! | 1 SET-BAUDRATE, 4 bytes | the rate is set | 101, the rate that was sent if the line has it within 2 %, else what the line has |
//! | 1 SET-BAUDRATE, 1 byte (Cisco) | the rate of that code is set | 101, the code of the line's rate; the rate in 4 bytes if it has no code |
//! | 2 SET-DATASIZE, 5 to 8 | data bits are set; 1.5 stop bits become 2 when they are more than 5 | 102, the data bits |
//! | 3 SET-PARITY, 1 to 5 | parity is set: none, odd, even, mark, space | 103, the parity |
//! | 4 SET-STOPSIZE, 1 to 3 | stop bits are set: 1, 2, 1.5; the last with 5 data bits only | 104, the stop bits; with 5 data bits 2 and 1.5 are the same |
//! | 1 to 4, value 0 | nothing | the present value |
//! | 5 SET-CONTROL, 0 | nothing | 105, the outbound flow control: 1, 2, 3 or 19 |
//! | 5 SET-CONTROL, 1 | no flow control, either way | 105, as for 0 |
//! | 5 SET-CONTROL, 2 | XON/XOFF both ways | 105, as for 0 |
//! | 5 SET-CONTROL, 3 | RTS/CTS, which is both ways | 105, as for 0 |
//! | 5 SET-CONTROL, 4 | nothing | 105, 5 if a break is being sent, else 6 |
//! | 5 SET-CONTROL, 5 and 6 | a break begins, ends | 105, as for 4 |
//! | 5 SET-CONTROL, 7 | nothing | 105, 8 if DTR is on, else 9 |
//! | 5 SET-CONTROL, 8 and 9 | DTR is raised, dropped | 105, as for 7 |
//! | 5 SET-CONTROL, 10 | nothing | 105, 11 if RTS is on, else 12 |
//! | 5 SET-CONTROL, 11 and 12 | RTS is raised, dropped | 105, as for 10 |
//! | 5 SET-CONTROL, 13 | nothing | 105, the inbound flow control: 14, 15, 16 or 18 |
//! | 5 SET-CONTROL, 14 | no inbound flow control; XON/XOFF stays outbound, RTS/CTS ends | 105, as for 13 |
//! | 5 SET-CONTROL, 15 | XON/XOFF inbound, and outbound if it was; RTS/CTS ends | 105, as for 13 |
//! | 5 SET-CONTROL, 16 | RTS/CTS, which is both ways | 105, as for 13 |
//! | 5 SET-CONTROL, 17 | nothing: no line has flow control by DCD | 105, as for 0 |
//! | 5 SET-CONTROL, 18 | DTR/DSR, if the line can | 105, as for 13 |
//! | 5 SET-CONTROL, 19 | DTR/DSR, if the line can | 105, as for 0 |
//! | 5 SET-CONTROL, 20 to 255 | nothing | 105, as for 0 |
//! | 6 NOTIFY-LINESTATE | nothing | 106, the [line state](code::line_state) |
//! | 7 NOTIFY-MODEMSTATE | nothing | 107, the [modem state](code::modem_state) |
//! | 8 FLOWCONTROL-SUSPEND | no data and no notifications for this client | |
//! | 9 FLOWCONTROL-RESUME | data again | 107 and 106 once, if there is something new to tell |
//! | 10 SET-LINESTATE-MASK | which of 16, 8, 4 and 2 are notified, at first none | 110, the mask that is honoured; 106, the line state |
//! | 11 SET-MODEMSTATE-MASK | which changes are notified, at first all | 111, the mask; 107, the modem state |
//! | 12 PURGE-DATA, 1 to 3 | received bytes, bytes to be sent, both are thrown away | 112, the same value |
//! | 12 PURGE-DATA, others | nothing | 112, the same value |
//! | 13 and above | counted | |
//! | telnet's BRK | a short break | |
//! | telnet's AYT | nothing | `[Yes]`, as text |
//!
//! - A value that does not exist, and one that no line can have, changes nothing and is answered with the present value.
//! - A command whose value has the wrong length asks; polls may have any length. A mask of the wrong length repeats the
//!   mask before it.
//! - 107 comes unasked once COM-PORT is agreed, and when a bit changes that the mask selects: the bit of the input or the
//!   bit of its change. It always has all inputs, and what changed since the latest 107 to this client.
//! - 106 comes unasked when the receiver notices something that the mask selects, and has just that.
//! - COM-PORT is there as soon as it is agreed in either direction. A client that uses it without having agreed to it is
//!   served as if it had.
//! - On purpose unlike the RFC: SUSPEND holds data and notifications back, but no answer; and the server's session never
//!   asks a client to suspend, as TCP does that.
//!
//! The other end, for programs that use a port, is [`client`].

pub mod client;
pub mod code;
mod request;
pub(crate) mod server;

pub use request::{Request, View};
