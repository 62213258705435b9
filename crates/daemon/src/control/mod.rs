//! The control socket: how a running daemon is asked how it is, and told what to do.
//!
//! HTTP/1.1 with JSON on a Unix socket, one request to a connection. `packaging/man/sermux-api.7` is the reference of
//! what can be asked, for users; [`status`] and [`request`] are its shapes.
//!
//! A connection's task ([`server`]) finds the port that it is about through the supervisor ([`ask`]), asks the port by its
//! [`Link`](crate::port::Link), and waits for the answer. It owns nothing of a port, so a client that is slow or stuck
//! holds up nobody but itself.
//!
//! Who may connect is said by the rights on the file ([`socket_file`](crate::net::socket_file)): its owner, which is the
//! daemon's user, its group, and root. Who may connect may do everything. Who asked for a change is in the log, by the
//! credentials of the socket's other end (SO_PEERCRED).

mod amend;
mod api;
pub(crate) mod ask;
pub(crate) mod client;
mod commands;
mod follow;
mod history;
mod http;
mod paths;
pub(crate) mod place;
pub(crate) mod request;
mod routes;
mod server;
pub(crate) mod status;
mod target;

pub(crate) use routes::router;
pub(crate) use server::Server;
