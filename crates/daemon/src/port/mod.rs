//! One port: a device, its line, and the clients that share it.

mod client;
mod control;
mod driver;
#[cfg(test)]
mod driver_tests;
mod event;
mod frames;
mod freshness;
pub(crate) mod greeting;
pub mod hub;
mod lifecycle;
mod link;
mod ready;
mod ring;
mod status;
mod tx_queue;

pub use driver::{Driver, Opener, Opening};
pub use link::{Accepted, Command, Link, Reconfigure, Reply};
pub use status::Status;
