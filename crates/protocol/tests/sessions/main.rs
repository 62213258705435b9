//! Sessions from outside: what a client sends and what it hears, byte by byte.

mod answers;
mod client;
mod commands;
mod cuts;
mod data;
mod dialogues;
mod negotiation;
mod notifications;
mod pair;
mod properties;
mod rig;
