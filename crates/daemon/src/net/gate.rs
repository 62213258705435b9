//! `limits:` the number of clients together, and how fast they may connect. Checked before a byte is exchanged.
//!
//! Each port has a gate, and one gate is for all ports. A client holds a place at both until its socket is dropped or it has
//! closed its sending side. Such a client may have vanished long ago; only its listener's `max-clients`, which can displace it,
//! still counts it. The memory for the rates of addresses is bounded.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use sermux_port_config::config::{ConnectRate, Limits};

use super::peer::{host, Peer};

/// Addresses whose rate is remembered. More than that at once is an attack from many, from which a rate for each
/// does not protect; then all are forgotten.
const REMEMBERED: usize = 4096;

/// Counts the clients of a port, or of the whole program.
#[derive(Debug, Default)]
pub struct Gate {
    state: Mutex<GateState>,
}

#[derive(Debug, Default)]
struct GateState {
    limits: Limits,
    clients: u32,
    by_address: HashMap<IpAddr, u32>,
    /// Only with a rate: when an address may come again with all that the rate allows at once.
    recent: HashMap<IpAddr, Instant>,
}

/// A place at a gate. It is given back when it is dropped.
#[derive(Debug)]
pub struct GatePlace {
    gate: Arc<Gate>,
    address: Option<IpAddr>,
}

/// What a client passes: the gate of the whole program, and that of its port.
#[derive(Clone, Debug, Default)]
pub struct Gates {
    /// Of all ports together.
    pub all: Arc<Gate>,
    /// Of the port.
    pub port: Arc<Gate>,
}

/// The places that a client has.
pub type Places = [GatePlace; 2];

/// Which limit is in the way, and of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverLimit {
    limited: Limited,
    of_port: bool,
}

impl fmt::Display for OverLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.limited, if self.of_port { "on this port" } else { "of all ports together" })
    }
}

impl Gates {
    /// A place at each.
    pub(crate) fn enter(&self, peer: Peer) -> Result<Places, OverLimit> {
        let now = tokio::time::Instant::now().into_std();
        let port = self.port.enter(peer.ip(), now).map_err(|limited| OverLimit { limited, of_port: true })?;
        let all = self.all.enter(peer.ip(), now).map_err(|limited| OverLimit { limited, of_port: false })?;
        Ok([port, all])
    }
}

/// Which limit is in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limited {
    /// `max-clients`
    Clients(u32),
    /// `max-per-address`
    PerAddress(u32),
    /// `connect-rate`
    Rate,
}

impl fmt::Display for Limited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clients(most) => write!(f, "no more than {most} at a time (limits: max-clients)"),
            Self::PerAddress(most) => {
                write!(f, "no more than {most} at a time from this address (limits: max-per-address)")
            }
            Self::Rate => f.write_str("this address connects too fast (limits: connect-rate)"),
        }
    }
}

impl Gate {
    /// One with these limits.
    #[must_use]
    pub fn new(limits: Limits) -> Arc<Self> {
        let gate = Self::default();
        gate.lock().limits = limits;
        Arc::new(gate)
    }

    /// Sets these limits for clients to come. Connected clients stay.
    pub fn set(&self, limits: Limits) {
        let mut state = self.lock();
        if state.limits.connect_rate != limits.connect_rate {
            state.recent = HashMap::new();
        }
        state.limits = limits;
    }

    /// A place for a client from this address (`None`: of a unix socket), or which limit it would break.
    ///
    /// # Errors
    ///
    /// The limit.
    pub fn enter(self: &Arc<Self>, address: Option<IpAddr>, now: Instant) -> Result<GatePlace, Limited> {
        let mut state = self.lock();
        let Limits { max_clients, max_per_address, connect_rate } = state.limits;
        let address = address.map(host);
        if max_clients > 0 && state.clients >= max_clients {
            return Err(Limited::Clients(max_clients));
        }
        if let Some(address) = address {
            let there = state.by_address.get(&address).copied().unwrap_or(0);
            if max_per_address > 0 && there >= max_per_address {
                return Err(Limited::PerAddress(max_per_address));
            }
            if connect_rate.is_some_and(|rate| !state.may_come(address, rate, now)) {
                return Err(Limited::Rate);
            }
            state.by_address.insert(address, there + 1);
        }
        state.clients += 1;
        Ok(GatePlace { gate: Arc::clone(self), address })
    }

    fn lock(&self) -> MutexGuard<'_, GateState> {
        // Nothing is left half-done under it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GateState {
    /// Whether an address comes slowly enough; if so, that it has come is remembered.
    fn may_come(&mut self, address: IpAddr, rate: ConnectRate, now: Instant) -> bool {
        let one = rate.time / rate.connects;
        if self.recent.len() >= REMEMBERED && !self.recent.contains_key(&address) {
            self.recent.retain(|_, free_at| *free_at > now);
            if self.recent.len() >= REMEMBERED {
                self.recent.clear();
            }
        }
        let free_at = self.recent.entry(address).or_insert(now);
        let used_up = (*free_at).max(now) + one;
        let may = used_up <= now + rate.time;
        if may {
            *free_at = used_up;
        }
        may
    }
}

impl Drop for GatePlace {
    fn drop(&mut self) {
        let mut state = self.gate.lock();
        state.clients -= 1;
        let Some(address) = self.address else { return };
        if let Some(there) = state.by_address.get_mut(&address) {
            *there -= 1;
            if *there == 0 {
                state.by_address.remove(&address);
            }
        }
        if state.by_address.is_empty() {
            // What a flood needed is given back.
            state.by_address.shrink_to(64);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn places_are_counted_for_each_address_and_in_all_and_given_back() {
        let gate = Gate::new(Limits { max_clients: 3, max_per_address: 2, connect_rate: None });
        let now = Instant::now();
        let enter = |address| gate.enter(address, now);
        let first = enter(ip("10.0.0.1")).unwrap();
        let _second = enter(ip("10.0.0.1")).unwrap();
        assert_eq!(enter(ip("10.0.0.1")).unwrap_err(), Limited::PerAddress(2));
        let _of_unix = enter(None).unwrap();
        assert_eq!(enter(ip("10.0.0.2")).unwrap_err(), Limited::Clients(3));
        drop(first);
        let _again = enter(ip("10.0.0.1")).unwrap();
        // Connected clients stay, and count.
        gate.set(Limits { max_clients: 1, ..Limits::default() });
        assert_eq!(enter(None).unwrap_err(), Limited::Clients(1));
        gate.set(Limits::default());
        let many: Vec<_> = (0..1000).map(|_| enter(ip("10.0.0.1")).unwrap()).collect();
        drop(many);
        assert_eq!(gate.lock().by_address.len(), 1);
    }

    #[test]
    fn a_network_of_64_bits_is_one_address() {
        let gate = Gate::new(Limits { max_per_address: 1, ..Limits::default() });
        let enter = |address| gate.enter(ip(address), Instant::now());
        let _one = enter("2001:db8::1").unwrap();
        assert_eq!(enter("2001:db8::ffff").unwrap_err(), Limited::PerAddress(1));
        let _other = enter("2001:db8:0:1::1").unwrap();
    }

    #[test]
    fn a_rate_allows_so_many_at_once_and_then_one_for_each_share_of_its_time() {
        let rate = ConnectRate { connects: 4, time: SECOND };
        let gate = Gate::new(Limits { connect_rate: Some(rate), ..Limits::default() });
        let start = Instant::now();
        let may = |address: &str, after: Duration| gate.enter(ip(address), start + after).is_ok();
        for _ in 0..4 {
            assert!(may("10.0.0.1", Duration::ZERO));
        }
        assert!(!may("10.0.0.1", Duration::ZERO));
        assert!(may("10.0.0.2", Duration::ZERO), "others are not concerned");
        // What was refused does not count.
        for n in 0..100 {
            assert!(!may("10.0.0.1", Duration::from_millis(n * 2)));
        }
        assert!(may("10.0.0.1", SECOND / 4));
        assert!(!may("10.0.0.1", SECOND / 4));
        for _ in 0..4 {
            assert!(may("10.0.0.1", SECOND * 3));
        }
        assert!(!may("10.0.0.1", SECOND * 3));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let rate = ConnectRate { connects: 1, time: SECOND * 3600 };
        let gate = Gate::new(Limits { connect_rate: Some(rate), ..Limits::default() });
        for n in 0..20_000u32 {
            gate.enter(Some(std::net::Ipv4Addr::from_bits(n).into()), Instant::now()).unwrap();
        }
        assert!(gate.lock().recent.len() <= REMEMBERED);
    }
}
