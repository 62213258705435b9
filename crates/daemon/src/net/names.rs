//! Names of hosts, looked up on a few threads.
//!
//! If a name server is down, a look-up takes as long as the resolver likes, half a minute and more. So a few threads do the
//! look-ups, requests for the same name share one answer, and each caller chooses how long it waits.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::workers::Workers;

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(resolve_blocking));

/// The addresses of a host, or the system's word about it. May be dropped while it waits.
pub(crate) async fn look_up(host: &str) -> Result<Vec<IpAddr>, String> {
    NAMES.look_up(host).await
}

type LookupAnswer = Result<Vec<IpAddr>, String>;

#[derive(Debug)]
struct Names {
    resolve_blocking: fn(&str) -> io::Result<Vec<IpAddr>>,
    workers: Workers,
    /// Those who wait for a name. There is one entry for each name of the configuration at most.
    asked: Mutex<BTreeMap<String, Vec<oneshot::Sender<LookupAnswer>>>>,
}

impl Names {
    fn new(resolve_blocking: fn(&str) -> io::Result<Vec<IpAddr>>) -> Self {
        Self { resolve_blocking, workers: Workers::default(), asked: Mutex::default() }
    }

    async fn look_up(&'static self, host: &str) -> LookupAnswer {
        let answer = self.ask(host);
        answer.await.unwrap_or_else(|_| Err("looking it up was given up".to_owned()))
    }

    fn ask(&'static self, host: &str) -> oneshot::Receiver<LookupAnswer> {
        let (reply, answer) = oneshot::channel();
        let mut asked = self.asked();
        if let Some(others) = asked.get_mut(host) {
            // One that tries again and again leaves nothing behind.
            others.retain(|reply| !reply.is_closed());
            others.push(reply);
            return answer;
        }
        asked.insert(host.to_owned(), vec![reply]);
        let host = host.to_owned();
        self.workers.add(move || self.answer_blocking(&host));
        answer
    }

    fn answer_blocking(&self, host: &str) {
        let answer = (self.resolve_blocking)(host).map_err(|error| plain(&error));
        let asked = self.asked().remove(host).unwrap_or_default();
        for reply in asked {
            // The task that asked may have ended.
            let _ = reply.send(answer.clone());
        }
    }

    fn asked(&self) -> MutexGuard<'_, BTreeMap<String, Vec<oneshot::Sender<LookupAnswer>>>> {
        // Nothing is left half-done under it.
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn resolve_blocking(host: &str) -> io::Result<Vec<IpAddr>> {
    Ok((host, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
}

/// What the resolver says, without what the standard library puts before it.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.strip_prefix("failed to lookup address information: ").unwrap_or(&text).to_lowercase()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::Condvar;
    use std::time::Duration;

    use super::*;
    use crate::workers::THREADS;

    static LOOKED_UP: AtomicUsize = AtomicUsize::new(0);
    static MAY_ANSWER: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

    /// A name server that is down, and comes back.
    fn hang_blocking(host: &str) -> io::Result<Vec<IpAddr>> {
        LOOKED_UP.fetch_add(1, Ordering::SeqCst);
        let may = MAY_ANSWER.0.lock().unwrap();
        let _may = MAY_ANSWER.1.wait_while(may, |may| !*may).unwrap();
        let number = host.strip_prefix("host").and_then(|number| number.parse().ok()).unwrap_or(0);
        Ok(vec![IpAddr::from([10, 0, 0, number])])
    }

    static HANGING: LazyLock<Names> = LazyLock::new(|| Names::new(hang_blocking));

    #[tokio::test]
    async fn a_name_server_that_is_down_costs_a_few_threads_and_a_name_is_asked_for_once() {
        let asked: Vec<_> = (0..100u8).flat_map(|n| [n, n]).map(|n| (n, HANGING.ask(&format!("host{n}")))).collect();
        let hasty = tokio::time::timeout(Duration::from_millis(1), HANGING.look_up("host1")).await;
        assert!(hasty.is_err(), "who does not like to wait goes on");
        assert!(LOOKED_UP.load(Ordering::SeqCst) <= THREADS);
        *MAY_ANSWER.0.lock().unwrap() = true;
        MAY_ANSWER.1.notify_all();
        for (n, answer) in asked {
            assert_eq!(answer.await.unwrap().unwrap(), [IpAddr::from([10, 0, 0, n])]);
        }
        assert_eq!(LOOKED_UP.load(Ordering::SeqCst), 100);
        assert!(HANGING.asked().is_empty());
    }

    #[test]
    fn a_name_without_an_address_is_said_in_the_words_of_the_resolver() {
        let why = resolve_blocking("no-such-host.invalid").map_err(|error| plain(&error)).unwrap_err();
        assert!(!why.contains("failed to lookup"), "{why}");
    }
}
