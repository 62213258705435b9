//! One port: a device, its line, and the clients that share it.

mod arrivals;
mod client;
mod control;
mod cutter;
mod driver;
#[cfg(test)]
mod driver_tests;
mod event;
mod frames;
mod freshness;
mod garbage;
pub(crate) mod greeting;
pub mod hub;
mod lifecycle;
mod link;
mod missing;
mod ready;
mod report;
mod ring;
mod status;
mod tx_queue;

pub use driver::{Driver, Opener, Opening};
pub use link::{Accepted, Command, Followed, Kicked, Link, Reconfigure, Reply, Whom};
pub use missing::Missing;
pub use report::{
    CaptureReport, ClientReport, Held, Holds, ListenerReport, PortFault, PortReport, PortState, Standing,
};
pub use status::{Share, Status};
