//! The control socket: how programs query and control a running daemon.
//!
//! HTTP/1.1 with JSON on a Unix socket, one request to a connection. `packaging/man/sermux-api.7` documents the requests
//! for users; [`status`] and [`request`] are their shapes.
//!
//! A connection's task ([`server`]) finds the request's port through the supervisor ([`ask`]), sends the request to the port by its
//! [`Link`](crate::port::Link), and waits for the answer. It owns nothing of a port, so a slow or stuck client delays only
//! itself.
//!
//! The rights on the file ([`socket_file`](crate::net::socket_file)) decide which users may connect: its owner, which is the
//! daemon's user, its group, and root. These users may make every request. The log names the user that asked for a change, by the
//! credentials of the socket's other end (SO_PEERCRED).

mod amend;
mod api;
pub(crate) mod ask;
pub(crate) mod client;
mod commands;
mod events;
mod exposition;
mod follow;
mod health;
mod history;
mod hosts;
mod http;
mod metrics;
mod openapi;
mod paths;
pub(crate) mod place;
mod reading;
pub(crate) mod request;
mod routes;
mod running;
pub(crate) mod server;
mod serving;
pub(crate) mod status;
mod target;
mod telegram;
pub(crate) mod web;

pub(crate) use routes::{public, router};
pub(crate) use running::RunningServer;
