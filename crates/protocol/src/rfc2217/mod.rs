//! RFC 2217, the Telnet Com Port Control Option.

mod request;

pub use request::{Effect, Request, View};
