//! sermux opens serial ports once and shares each of them with many network clients at the same time.
//!
//! This library is the daemon; the binary is a few lines around [`cli::run`]. [`port`] describes the way of a byte:
//! a [`line`](mod@line) is read into the ring of its port's [`hub`](port::hub), and from there written to every client's
//! [connection](net::conn). The [`supervisor`] owns the configuration and starts and ends ports.

mod capture;
pub mod cli;
mod control;
mod crash;
mod defect;
pub mod device;
mod doctor;
mod hex;
pub mod line;
mod log;
pub mod net;
pub mod port;
mod probe;
mod setup;
pub mod supervisor;
mod sys;
mod systemd;
mod time;
mod workers;
