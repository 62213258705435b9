//! One running port and its listeners, as the supervisor holds them.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use sermux_port_config::config::diff::{ChangeClass, PortDiff};
use sermux_port_config::config::{Address, Port};
use socket2::Socket;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinHandle};

use crate::net::gate::Gates;
use crate::net::listening::Listening;
use crate::port::listener::{self, ListenerOffer, Tried};
use crate::port::{Command, Link, Opener, PortStatus, Reconfigure, Share};

/// Listeners that do not run yet, by their index in the configuration.
#[derive(Debug)]
pub(super) struct Listeners {
    /// The port's.
    pub(super) name: Arc<str>,
    them: Vec<(usize, ListenerOffer, Option<Listening>)>,
}

impl Listeners {
    /// These of a port's listeners.
    pub(super) fn new(name: &str, port: &Arc<Port>, indices: impl IntoIterator<Item = usize>) -> Self {
        let name = Arc::from(name);
        let offer = |index| Some((index, ListenerOffer::new(&name, port, index)?, None));
        let them = indices.into_iter().filter_map(offer).collect();
        Self { name, them }
    }

    /// Binds those that are not bound yet, or takes the socket `handed_over` that is bound to their address. Those that have
    /// names are not waited for: their tasks bind them.
    pub(super) async fn bind(&mut self, handed_over: &[Socket], quietly: bool) {
        for (_, offer, bound) in self.them.iter_mut().filter(|(_, offer, bound)| bound.is_none() && !offer.has_name()) {
            // Why not was logged; it is tried again.
            *bound = offer.bind(handed_over, quietly).await.ok();
        }
    }

    /// How many there are, how many of them are bound, and how many have names.
    pub(super) fn count(&self) -> (usize, usize, usize) {
        let bound = self.them.iter().filter(|(.., bound)| bound.is_some()).count();
        (self.them.len(), bound, self.them.iter().filter(|(_, offer, _)| offer.has_name()).count())
    }
}

/// A running port.
#[derive(Debug)]
pub(super) struct RunningPort {
    name: Arc<str>,
    link: Link,
    gates: Gates,
    pub(super) status: Arc<PortStatus>,
    task: JoinHandle<()>,
    listeners: Vec<RunningListener>,
    /// The keys in the order of the configuration.
    keys: Vec<usize>,
    next_key: usize,
}

#[derive(Debug)]
struct RunningListener {
    /// Its own for as long as it runs.
    key: usize,
    offer: watch::Sender<ListenerOffer>,
    /// None: it has panicked, and listens again after a pause.
    task: Option<JoinHandle<()>>,
}

impl RunningPort {
    /// A port that was just started.
    pub(super) fn new(name: Arc<str>, link: Link, status: Arc<PortStatus>, task: JoinHandle<()>, gates: Gates) -> Self {
        let (listeners, keys) = (Vec::new(), Vec::new());
        Self { gates, name, link, status, task, listeners, keys, next_key: 0 }
    }

    /// … with these listeners. Those that have names tell `tried` how it came out.
    pub(super) fn with(mut self, Listeners { them, .. }: Listeners, tried: &mpsc::UnboundedSender<Tried>) -> Self {
        // Most ports never have more.
        self.listeners.reserve_exact(them.len());
        self.keys.reserve_exact(them.len());
        for (_, offer, bound) in them {
            let key = self.new_key();
            self.listen(key, offer, bound, tried);
            self.keys.push(key);
        }
        self
    }

    /// How it is asked.
    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    fn new_key(&mut self) -> usize {
        self.next_key += 1;
        self.next_key - 1
    }

    fn listen(
        &mut self,
        key: usize,
        offer: ListenerOffer,
        bound: Option<Listening>,
        tried: &mpsc::UnboundedSender<Tried>,
    ) {
        let (offer, offered) = watch::channel(offer);
        let task = Some(self.serve(key, offered, bound, tried));
        self.listeners.push(RunningListener { key, offer, task });
    }

    fn serve(
        &self,
        key: usize,
        offered: watch::Receiver<ListenerOffer>,
        bound: Option<Listening>,
        tried: &mpsc::UnboundedSender<Tried>,
    ) -> JoinHandle<()> {
        let tried = offered.borrow().has_name().then(|| tried.clone());
        let (link, gates) = (self.link.clone(), self.gates.clone());
        tokio::spawn(listener::serve(key, offered, bound, tried, link, Share::new(&self.status), gates))
    }

    /// Whether the port has ended, which it should not without being asked to.
    pub(super) fn has_ended(&self) -> bool {
        self.task.is_finished()
    }

    /// Why the port has ended. Its listeners are closed.
    pub(super) async fn into_panic(self) -> Box<dyn Any + Send> {
        for listener in self.listeners {
            listener.close().await;
        }
        why(self.task.await)
    }

    /// Its listeners whose task has ended, which it should not: their keys, addresses, and why.
    pub(super) async fn failed_listeners(&mut self) -> Vec<(usize, Address, Box<dyn Any + Send>)> {
        let mut failed = Vec::new();
        for listener in &mut self.listeners {
            if let Some(task) = listener.task.take_if(|task| task.is_finished()) {
                let address = listener.offer.borrow().address().clone();
                failed.push((listener.key, address, why(task.await)));
            }
        }
        failed
    }

    /// Tells the port that a listener has failed.
    pub(super) async fn say_failed(&self, key: usize, why: String) {
        self.link.send(Command::Listening { listener: key, bound: Err(why) }).await;
    }

    /// Has a listener listen again that has failed. Whether it is still there.
    pub(super) async fn listen_again(
        &mut self,
        key: usize,
        handed_over: &[Socket],
        tried: &mpsc::UnboundedSender<Tried>,
    ) -> bool {
        let failed = |listener: &RunningListener| listener.key == key && listener.task.is_none();
        let Some(at) = self.listeners.iter().position(failed) else { return false };
        let (offer, offered) = (self.listeners[at].offer.borrow().clone(), self.listeners[at].offer.subscribe());
        // Why not was logged; it is tried again.
        let bound = if offer.has_name() { None } else { offer.bind(handed_over, false).await.ok() };
        self.listeners[at].task = Some(self.serve(key, offered, bound, tried));
        true
    }

    /// Closes listeners, by their index in the configuration so far; their addresses are free then.
    pub(super) async fn close(&mut self, indices: &[usize]) {
        for key in indices.iter().filter_map(|index| self.keys.get(*index)) {
            if let Some(at) = self.listeners.iter().position(|listener| listener.key == *key) {
                self.listeners.remove(at).close().await;
                self.status.listener_gone(*key);
            }
        }
    }

    /// Goes on with another configuration. The listeners that it does not have were closed before.
    pub(super) async fn reconfigure(
        &mut self,
        port: Arc<Port>,
        diff: &PortDiff,
        added: Listeners,
        opener: Opener,
        tried: &mpsc::UnboundedSender<Tried>,
    ) {
        let stay = diff.listeners.kept.iter().chain(&diff.listeners.changed);
        let mut keys: BTreeMap<usize, usize> =
            stay.filter_map(|(from, to)| Some((*to, *self.keys.get(*from)?))).collect();
        for (index, key) in &keys {
            let listener = self.listeners.iter().find(|listener| listener.key == *key);
            if let (Some(listener), Some(offer)) = (listener, ListenerOffer::new(&self.name, &port, *index)) {
                listener.offer.send_replace(offer);
            }
        }
        let added: Vec<_> =
            added.them.into_iter().map(|(index, offer, bound)| (index, self.new_key(), offer, bound)).collect();
        keys.extend(added.iter().map(|(index, key, ..)| (*index, *key)));
        self.gates.port.set(port.limits);
        self.keys = keys.into_values().collect();
        let reopen = diff.class == ChangeClass::Reopen;
        let changed = Reconfigure { port, listeners: self.keys.clone(), opener, reopen };
        // A port whose task has ended is not there to be changed.
        self.link.send(Command::Reconfigure(changed)).await;
        // Afterwards: the port knows the key that their clients come with.
        for (_, key, offer, bound) in added {
            self.listen(key, offer, bound, tried);
        }
    }

    /// Ends the port: its addresses are free at once, what it holds goes out until the deadline.
    pub(super) async fn end(self, deadline: Instant) -> Result<(), JoinError> {
        for listener in self.listeners {
            listener.close().await;
        }
        // A port that has ended already has nothing to hand out.
        self.link.send(Command::End { deadline }).await;
        self.task.await
    }
}

impl RunningListener {
    async fn close(self) {
        if let Some(task) = self.task {
            task.abort();
            // It was cancelled, which is no news.
            let _ = task.await;
        }
    }
}

/// Why a task has ended that should not.
fn why(ended: Result<(), JoinError>) -> Box<dyn Any + Send> {
    match ended.map_err(JoinError::try_into_panic) {
        Err(Ok(panic)) => panic,
        _ => Box::new("it ended by itself"),
    }
}
