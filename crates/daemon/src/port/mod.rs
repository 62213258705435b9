//! One port: a device, its line, and the clients that share it.

mod bell;
mod driver;
#[cfg(test)]
mod driver_tests;
pub(crate) mod greeting;
pub mod hub;
mod lifecycle;
mod link;
pub mod listener;
mod ready;
mod report;
mod status;

pub use driver::Driver;
pub use hub::{ClientState, FlowState, Kept, Missing, Telegram};
pub use link::{Accepted, Command, Followed, Kicked, Link, Opener, Opening, Reconfigure, Reply, Telegrams, Whom};
pub use report::{CaptureReport, ClientReport, ListenerReport, PortFault, PortReport, PortState};
pub use status::{PortStatus, Share};
