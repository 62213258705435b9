//! The network side: where clients come in, and the connection of one client.

pub mod conn;
pub mod listen;
pub mod peer;
pub mod refuse;
mod turned_away;
