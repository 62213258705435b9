//! A listener: a bound address that hands its connections to a port. `offer.rs` binds it.

mod offer;
mod turned_away;

use std::future::Future;
use std::time::Duration;

use socket2::SockRef;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tracing::warn;

pub use self::offer::ListenerOffer;
use self::turned_away::TurnedAway;
use super::bell::Bell;
use super::link::{Accepted, Command, Link};
use super::status::Share;
use crate::defect;
pub use crate::net::binding::NotBound;
use crate::net::gate::Gates;
use crate::net::listening::Listening;
use crate::time::sleep_until;

/// An address that cannot be bound is retried after this time, then after twice as long …
const FIRST_RETRY: Duration = Duration::from_millis(250);
/// … up to this.
const LAST_RETRY: Duration = Duration::from_secs(5);

/// Why a client is closed that would take a descriptor of the reserve.
const CROWDED: &str = "too few open files are left (LimitNOFILE= of the unit, `ulimit -n` of a shell)";

/// After accept(2) failed for want of files or memory.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Whom a listener has turned away, by what was in the way.
#[derive(Debug, Default)]
struct Refusals {
    denied: TurnedAway,
    limited: TurnedAway,
    crowded: TurnedAway,
}

impl Refusals {
    /// How many were in excess of some limit.
    fn by_limits(&self) -> u64 {
        self.limited.total() + self.crowded.total()
    }

    fn deadline(&self) -> Option<Instant> {
        [&self.denied, &self.limited, &self.crowded].into_iter().filter_map(TurnedAway::deadline).min()
    }

    fn sum_up(&mut self, offer: &ListenerOffer) {
        let due = Instant::now();
        for (turned_away, what) in [
            (&mut self.denied, "`allow` and `deny`"),
            (&mut self.limited, "`limits`"),
            (&mut self.crowded, "the limit of open files"),
        ] {
            if turned_away.deadline().is_some_and(|at| at <= due) {
                turned_away.sum_up(&offer.name, &offer.address().to_string(), what);
            }
        }
    }
}

/// How the first attempt came out to bind a listener that has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tried {
    /// It listens.
    Bound,
    /// The name has an address, which cannot be bound.
    NotBound,
    /// The name has no address, so far.
    NotResolved,
}

/// Accepts connections for the port until the port has ended; binds first if that did not work before. `key` is the
/// listener's within its port. What is offered may change meanwhile. Where the address is a name, `tried` gets the outcome,
/// once.
#[allow(clippy::manual_async_fn, reason = "an `async fn` has room for its arguments twice, for as long as it runs")]
pub fn serve(
    key: usize,
    mut offers: watch::Receiver<ListenerOffer>,
    mut bound: Option<Listening>,
    tried: Option<mpsc::UnboundedSender<Tried>>,
    link: Link,
    status: Share,
    gates: Gates,
) -> impl Future<Output = ()> + Send {
    async move {
        let listener = match &mut bound {
            Some(listener) => listener,
            // Boxed: a listener that is bound would carry the room for it for as long as it runs.
            None => bound.insert(Box::pin(bind_later(key, &offers, &link, tried)).await),
        };
        if let Ok(bound) = listener.endpoint() {
            link.send(Command::Listening { listener: key, bound: Ok(bound) }).await;
        }
        let bell = Bell::new(status.bells());
        let mut failing = false;
        // Boxed: most listeners turn nobody away.
        let mut refusals: Option<Box<Refusals>> = None;
        let mut offer = offers.borrow().clone();
        loop {
            let sum_up_at = refusals.as_deref().and_then(Refusals::deadline);
            let clients = offer.clients();
            let accepted = tokio::select! {
                // Who connects after a reload is judged by the new configuration.
                biased;
                Ok(()) = offers.changed() => {
                    let before = std::mem::replace(&mut offer, offers.borrow_and_update().clone());
                    if let (false, Ok(bound)) = (before.listener().hosts.allow.is_empty(), listener.endpoint()) {
                        offer.say_who_may_connect(&bound);
                    }
                    for socket in listener.tcp() {
                        if let Err(error) = offer.set_options(SockRef::from(socket)) {
                            warn!(event = %"listener.options-kept", port = %offer.name, address = %offer.address(),
                                "could not change the options of the socket: {error}");
                        }
                    }
                    continue;
                }
                () = sleep_until(sum_up_at) => {
                    if let Some(refusals) = &mut refusals {
                        refusals.sum_up(&offer);
                    }
                    continue;
                }
                accepted = bell.hear(|cx| listener.poll_accept(cx, clients)) => accepted,
            };
            match accepted {
                Ok((conn, peer)) => {
                    defect::here("listener");
                    failing = false;
                    if peer.ip().is_some_and(|ip| !offer.listener().hosts.admits(ip)) {
                        drop(conn);
                        let why = "`allow` and `deny` do not admit this address";
                        let denied = &mut refusals.get_or_insert_default().denied;
                        status.turned_away(key, denied.add(&offer.name, &offer.address().to_string(), peer, &why));
                        continue;
                    }
                    if conn.is_in_reserve() {
                        drop(conn);
                        let refusals = refusals.get_or_insert_default();
                        refusals.crowded.add(&offer.name, &offer.address().to_string(), peer, &CROWDED);
                        status.limited(key, refusals.by_limits());
                        // For the next one.
                        if !link.send(Command::Crowded(key)).await {
                            return;
                        }
                        continue;
                    }
                    let places = match gates.enter(peer) {
                        Ok(places) => places,
                        Err(why) => {
                            drop(conn);
                            let refusals = refusals.get_or_insert_default();
                            refusals.limited.add(&offer.name, &offer.address().to_string(), peer, &why);
                            status.limited(key, refusals.by_limits());
                            continue;
                        }
                    };
                    let accepted = Accepted { conn, peer, listener: key, places: Some(places) };
                    if !link.send(Command::Connect(accepted)).await {
                        return;
                    }
                }
                Err(error) => {
                    // The connection that failed is gone (ECONNABORTED), or the process is out of files: both pass.
                    if !std::mem::replace(&mut failing, true) {
                        warn!(event = %"listener.accept-failed", port = %offer.name, address = %offer.address(),
                            "could not accept a connection: {error}");
                    }
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }
}

async fn bind_later(
    key: usize,
    offers: &watch::Receiver<ListenerOffer>,
    link: &Link,
    tried: Option<mpsc::UnboundedSender<Tried>>,
) -> Listening {
    let mut wait = FIRST_RETRY;
    let (mut told, mut told_in_use) = (None, false);
    if let Some(tried) = tried {
        let offer = offers.borrow().clone();
        let bound = offer.bind(&[], false).await;
        let how = match &bound {
            Ok(_) => Tried::Bound,
            Err(NotBound::Name(_)) => Tried::NotResolved,
            Err(_) => Tried::NotBound,
        };
        // Nobody may wait for it any more.
        let _ = tried.send(how);
        match bound {
            Ok(listener) => return listener,
            Err(error) => {
                told_in_use = matches!(error, NotBound::InUse(_));
                let why = error.to_string();
                link.send(Command::Listening { listener: key, bound: Err(why.clone()) }).await;
                told = Some(why);
            }
        }
    }
    loop {
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LAST_RETRY);
        let offer = offers.borrow().clone();
        match offer.try_bind().await {
            Ok(listener) => {
                if let Ok(bound) = listener.endpoint() {
                    offer.say_listening(&bound);
                }
                return listener;
            }
            // The log heard of it the first time.
            // The program that has it was named before.
            Err(NotBound::InUse(_)) if told_in_use => {}
            Err(error) => {
                told_in_use = matches!(error, NotBound::InUse(_));
                let why = offer.name_holder(error).await.to_string();
                if told.as_ref() != Some(&why) {
                    link.send(Command::Listening { listener: key, bound: Err(why.clone()) }).await;
                    told = Some(why);
                }
            }
        }
    }
}
