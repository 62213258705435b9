//! The network side: where clients come in, and the connection of one client.

pub mod bell;
pub mod conn;
pub(crate) mod descriptors;
pub mod gate;
pub mod listen;
pub mod listening;
mod names;
pub mod peer;
pub mod refuse;
pub(crate) mod socket_file;
mod turned_away;
