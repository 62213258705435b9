//! The real binary on pseudo terminals and loopback sockets, judged from outside.
//!
//! One file per noun; a test is named as the behaviour it holds. Ports are always 0 and read back from the log. Nothing
//! here waits a fixed time for something to happen: there are deadlines, and "nothing comes" is shown by a fence, which
//! is something that comes later on the same way.

#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, reason = "a test that meets the unexpected ends")]

mod bytes;
mod capture;
mod clients;
mod commands;
mod config;
mod config_reading;
mod control_socket;
mod crash;
mod demo;
mod device_texts;
mod devices;
mod doctor;
mod exact_line;
mod expect;
mod flood;
mod follow;
mod frames;
mod http;
mod import;
mod lag;
mod lasting;
mod leaving;
mod lifecycle;
mod limits;
mod listener_lines;
mod listeners;
mod log_loss;
mod logs;
mod names;
mod on_demand;
mod on_gone;
mod open_files;
mod probe;
#[path = "../random.rs"]
mod random;
mod readings;
mod reload;
mod reload_storm;
mod requests;
mod rig;
mod scale;
mod ser2net;
mod service;
mod setup;
mod shutdown;
mod stuck;
mod support;
mod telegrams;
mod telnet;
mod tx_frames;
mod unix_socket;
mod without_a_file;
