//! What a port takes of the heap while nobody is connected, and what the hub takes for a client. A 64-bit machine is meant.

use std::cell::RefCell;
use std::fmt::Write;
use std::sync::mpsc;

use allocation_counter::measure;
use sermux::supervisor::Supervisor;
use sermux_port_config::config::Config;
use sermux_protocol::session::Session;
use tokio::runtime;
use tokio::task::yield_now;

use super::{load_str, port, telnet, World};

/// All that running `config` takes once nothing is left to do, in bytes. Its devices are not to be opened, since that would
/// be counted on other threads.
fn running(config: Config) -> i64 {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let supervisor = RefCell::new(None);
    let counted = measure(|| {
        runtime.block_on(async {
            let (told, started) = mpsc::channel();
            let serve = Supervisor::new(None, None).serve(config, move || told.send(()).unwrap());
            *supervisor.borrow_mut() = Some(tokio::spawn(serve));
            while started.try_recv().is_err() {
                yield_now().await;
            }
            for _ in 0..100 {
                yield_now().await;
            }
        });
    });
    counted.bytes_current
}

fn ports(count: usize) -> Config {
    let mut yaml = "control: off\nports:\n".to_owned();
    for index in 0..count {
        let keys = "device: sim:echo, open: on-demand, listen: [ { protocol: raw, address: \"127.0.0.1:0\" } ]";
        writeln!(yaml, "  port{index}: {{ {keys} }}").unwrap();
    }
    load_str("counts", &yaml).unwrap().config
}

#[test]
fn a_port_that_nobody_uses_takes_less_than_6_kib() {
    let (few, many) = (running(ports(10)), running(ports(110)));
    let each = (many - few) / 100;
    // At least, too: a port that was not started takes nothing.
    assert!((512..=6 * 1024).contains(&each), "{each} bytes");
}

#[test]
fn the_hub_takes_less_than_half_a_kib_for_a_raw_client_and_a_kib_for_one_with_telnet() {
    const CLIENTS: usize = 64;
    let kinds: [(fn() -> Session, i64); 2] = [(Session::raw, 512), (telnet, 1024)];
    for (session, bound) in kinds {
        let port = port("");
        let mut world = None;
        let sessions = (0..CLIENTS).map(|_| session());
        let counted = measure(|| world = Some(World::new(&port, sessions)));
        let each = counted.bytes_current / CLIENTS as i64;
        assert!((64..=bound).contains(&each), "{each} bytes");
    }
}
