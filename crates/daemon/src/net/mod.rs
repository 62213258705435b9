//! The network side: sockets that listen, and the connection of one client.

pub mod binding;
pub mod conn;
pub(crate) mod descriptors;
pub mod gate;
pub mod holder;
pub mod listening;
pub(crate) mod names;
pub mod peer;
pub mod refuse;
pub(crate) mod socket_file;
