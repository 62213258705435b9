//! Decides which connections are logged one by one, and which are summed up.
//!
//! Every host that can reach a listener can connect and disconnect thousands of times a second, with a record or two each time.
//! So the connections of an address are logged one by one until there are many in a short time; further ones are counted in a
//! record each [`EVERY`]. At level debug every connection is logged.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use crate::net::peer::{Host, Peer};

/// Connections of an address that are logged one by one in quick succession: as many as a listener has clients by default, which
/// may all come again at once.
const AT_ONCE: u32 = 64;

/// After these there is one more in this time.
const ONE_EACH: Duration = Duration::from_secs(1);

/// Time between two lines that sum up.
const EVERY: Duration = Duration::from_secs(10);

/// Addresses that are counted separately; all further ones count as one.
const REMEMBERED: usize = 256;

static VISITS: Mutex<Option<Visits>> = Mutex::new(None);

/// Something that a connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visit {
    Connected,
    Disconnected,
    Refused,
}

/// Whether this is to be logged by itself. If not, it is counted and summed up by a task of its own. Within a tokio runtime.
pub(crate) fn is_logged(peer: Peer, port: &str, visit: Visit) -> bool {
    let mut visits = lock();
    let visits = visits.get_or_insert_with(Visits::default);
    let logged = visits.add(peer, port, visit, Instant::now());
    if !logged && !std::mem::replace(&mut visits.summing_up, true) {
        tokio::spawn(sum_up_for_a_while());
    }
    logged
}

/// Logs what was counted so far.
pub(crate) fn sum_up() {
    let summed_up = lock().as_mut().map(Visits::take).unwrap_or_default();
    for sum in summed_up {
        sum.log();
    }
}

/// Until nothing is left to be summed up.
async fn sum_up_for_a_while() {
    loop {
        tokio::time::sleep(EVERY).await;
        sum_up();
        let mut visits = lock();
        let Some(known) = visits.as_mut() else { return };
        known.forget(Instant::now());
        if known.by_host.is_empty() {
            // What a flood needed is given back.
            *visits = None;
            return;
        }
    }
}

fn lock() -> MutexGuard<'static, Option<Visits>> {
    // Nothing is left half-done under it.
    VISITS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug, Default)]
struct Visits {
    /// `None`: all further hosts together, when there are too many.
    by_host: HashMap<Option<Host>, Visitor>,
    /// A task sums up.
    summing_up: bool,
}

#[derive(Debug)]
struct Visitor {
    /// When it has all of [`AT_ONCE`] again.
    rested_at: Instant,
    /// What was not logged.
    counted: Counted,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Counted {
    connected: u64,
    disconnected: u64,
    refused: u64,
    /// The latest.
    port: String,
}

/// What an address did that was not logged by itself.
#[derive(Debug, PartialEq, Eq)]
struct Sum {
    host: Option<Host>,
    counted: Counted,
}

impl Visits {
    fn add(&mut self, peer: Peer, port: &str, visit: Visit, now: Instant) -> bool {
        let mut host = Some(peer.kin());
        if self.by_host.len() >= REMEMBERED && !self.by_host.contains_key(&host) {
            self.forget(now);
            if self.by_host.len() >= REMEMBERED {
                host = None;
            }
        }
        let new = || Visitor { rested_at: now, counted: Counted::default() };
        let visitor = self.by_host.entry(host).or_insert_with(new);
        let rested_at = visitor.rested_at.max(now) + ONE_EACH;
        if rested_at <= now + ONE_EACH * AT_ONCE {
            visitor.rested_at = rested_at;
            return true;
        }
        let counted = &mut visitor.counted;
        *match visit {
            Visit::Connected => &mut counted.connected,
            Visit::Disconnected => &mut counted.disconnected,
            Visit::Refused => &mut counted.refused,
        } += 1;
        if counted.port != port {
            port.clone_into(&mut counted.port);
        }
        false
    }

    /// What was counted, and is not counted any more.
    fn take(&mut self) -> Vec<Sum> {
        let visitors = self.by_host.iter_mut().filter(|(_, visitor)| visitor.counted != Counted::default());
        visitors.map(|(host, visitor)| Sum { host: *host, counted: std::mem::take(&mut visitor.counted) }).collect()
    }

    /// Those who have rested count as new.
    fn forget(&mut self, now: Instant) {
        self.by_host.retain(|_, visitor| visitor.rested_at > now || visitor.counted != Counted::default());
    }
}

impl Sum {
    fn log(&self) {
        let Self { host, counted: Counted { connected, disconnected, refused, port } } = self;
        let host: &dyn fmt::Display = match host {
            Some(host) => host,
            None => &"many",
        };
        let seconds = EVERY.as_secs();
        if *refused > 0 {
            warn!(event = %"client.summed-up", %port, client = %host, connected, disconnected, refused,
                "too many connections to log each: counts for the last {seconds} s");
        } else {
            info!(event = %"client.summed-up", %port, client = %host, connected, disconnected,
                "too many connections to log each: counts for the last {seconds} s");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(address: &str) -> Peer {
        Peer::Tcp(address.parse().unwrap())
    }

    #[test]
    fn the_first_of_an_address_are_logged_and_any_more_are_counted() {
        let (mut visits, start) = (Visits::default(), Instant::now());
        let flood = tcp("10.0.0.1:1");
        let logged = |visits: &mut Visits, peer| visits.add(peer, "p", Visit::Connected, start);
        for _ in 0..AT_ONCE {
            assert!(logged(&mut visits, flood));
        }
        for port in 0..1000 {
            assert!(!logged(&mut visits, tcp(&format!("10.0.0.1:{port}"))), "its ports are all the same");
        }
        assert!(!visits.add(flood, "q", Visit::Refused, start));
        assert!(logged(&mut visits, tcp("10.0.0.2:1")), "others are not concerned");
        let sum = visits.take();
        let counted = Counted { connected: 1000, disconnected: 0, refused: 1, port: "q".to_owned() };
        assert_eq!(sum, [Sum { host: Some(flood.kin()), counted }]);
        assert_eq!(visits.take(), [], "it is reported once");

        assert!(visits.add(flood, "p", Visit::Connected, start + ONE_EACH));
        assert!(!visits.add(flood, "p", Visit::Connected, start + ONE_EACH));
        visits.take();
        visits.forget(start + ONE_EACH * (AT_ONCE + 1));
        assert!(visits.by_host.is_empty());
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_rest_is_one_address() {
        let (mut visits, now) = (Visits::default(), Instant::now());
        let mut logged = 0;
        for n in 0..100_000u32 {
            let peer = Peer::Tcp((std::net::Ipv4Addr::from_bits(n), 1).into());
            logged += usize::from(visits.add(peer, "p", Visit::Connected, now));
        }
        assert_eq!(logged, REMEMBERED + AT_ONCE as usize);
        assert_eq!(visits.by_host.len(), REMEMBERED + 1);
    }
}
