//! Ways through the hub, each in a function that callgrind can find: `tests/interop/test_instructions.py` counts what is
//! executed in it, and its callees, for [`BYTES`] bytes. As tests they only show that the ways are right.

use sermux_protocol::session::Session;

use super::{port, telnet, World};

/// In chunks of [`CHUNK`].
const BYTES: usize = 64 * 1024;

/// A hundredth of a second at 230400 baud.
const CHUNK: usize = 256;

/// What is sent, as it comes.
fn text() -> Vec<u8> {
    (b' '..=b'~').cycle().take(CHUNK).collect()
}

/// A world that has grown its buffers.
fn world(session: Session, step: fn(&mut World, &[u8]), chunk: &[u8]) -> World {
    let mut world = World::new(&port(""), [session]);
    (0..100).for_each(|_| step(&mut world, chunk));
    world
}

macro_rules! way {
    ($test:ident, $counted:ident, $session:expr, $step:expr, $chunk:expr) => {
        #[inline(never)]
        fn $counted(world: &mut World, chunk: &[u8]) {
            // Two that are alike would become one.
            std::hint::black_box(stringify!($counted));
            for _ in 0..BYTES / CHUNK {
                $step(world, chunk);
            }
        }

        #[test]
        fn $test() {
            let chunk = $chunk;
            let mut world = world($session, $step, &chunk);
            let before = world.hub.counters();
            $counted(&mut world, &chunk);
            let after = world.hub.counters();
            assert!(after.rx - before.rx == BYTES as u64 || after.tx > before.tx);
            assert_eq!((after.gap, after.tx_lost, after.tx_refused), (0, 0, 0));
        }
    };
}

way!(from_the_line_to_a_raw_client, counted_line_to_raw, Session::raw(), World::down, text());
way!(from_the_line_to_a_telnet_client, counted_line_to_telnet, telnet(), World::down, text());
way!(ff_from_the_line_to_a_telnet_client, counted_ff_to_telnet, telnet(), World::down, [0xFF; CHUNK]);
way!(from_a_raw_client_to_the_line, counted_raw_to_line, Session::raw(), World::up, text());
way!(from_a_telnet_client_to_the_line, counted_telnet_to_line, telnet(), World::up, text());
way!(ff_from_a_telnet_client_to_the_line, counted_telnet_ff, telnet(), World::up, [0xFF; CHUNK]);
