//! RFC 2217, the Telnet Com Port Control Option.

pub mod client;
pub mod code;
mod request;
pub(crate) mod server;

pub use request::{Effect, Request, View};
