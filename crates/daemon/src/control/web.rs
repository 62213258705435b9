//! The server on `http:`: binds its addresses, and tries again where one cannot be bound.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use sermux_port_config::config::{Address, Http, Keepalive};
use tokio::task::{JoinError, JoinSet};
use tracing::{info, warn};

use super::hosts::Hosts;
use super::routes::closed;
use super::running::RunningServer;
use super::serving::{serve, HttpService};
use crate::net::binding::{Binding, NotBound};
use crate::net::listening::Listening;

/// Connections that wait to be accepted (listen(2)).
const QUEUE: i32 = 32;

/// An address that cannot be bound is retried after this time, then after twice as long …
const FIRST_RETRY: Duration = Duration::from_millis(250);
/// … up to this.
const LAST_RETRY: Duration = Duration::from_secs(30);

/// Listens where `http` says. An address that cannot be bound is a warning in the log, and is tried again.
pub(crate) async fn start(http: Http, router: Router) -> RunningServer {
    let hosts = Arc::new(Hosts::new(http.names.iter().cloned().chain(http.address.iter().filter_map(name))));
    let mut listeners = Vec::new();
    for address in &http.address {
        let router = if http.is_open_at(address) { router.clone() } else { closed() };
        let service = HttpService { name: "http", router, hosts: Some(Arc::clone(&hosts)) };
        // Names may take long.
        let bound = if name(address).is_some() { None } else { Some(bind(address, None).await) };
        listeners.push((address.clone(), bound, service));
    }
    RunningServer::new(async move {
        let mut tasks = JoinSet::new();
        for (address, bound, service) in listeners {
            tasks.spawn(async move {
                let bound = match bound {
                    Some(Ok(listening)) => listening,
                    other => bind_later(&address, other.and_then(Result::err)).await,
                };
                serve(bound, service).await;
            });
        }
        while let Some(ended) = tasks.join_next().await {
            if let Err(Ok(panic)) = ended.map_err(JoinError::try_into_panic) {
                std::panic::resume_unwind(panic);
            }
        }
    })
}

/// The name in an address that has one.
fn name(address: &Address) -> Option<String> {
    match address {
        Address::Host { host, .. } if host.parse::<std::net::IpAddr>().is_err() => {
            Some(host.trim_end_matches('.').to_ascii_lowercase())
        }
        _ => None,
    }
}

/// `told`: why it could not be bound the last time, as the log has it.
async fn bind(address: &Address, told: Option<&NotBound>) -> Result<Listening, NotBound> {
    let wanted = Binding { address, keepalive: Some(Keepalive::default()), framed: false, file: None, queue: QUEUE };
    match wanted.bind().await {
        Ok(listening) => {
            if let Ok(bound) = listening.endpoint() {
                for bound in bound.addresses() {
                    info!(event = %"http.listening", address = %bound, "http is served");
                }
            }
            Ok(listening)
        }
        Err(error) => match (error, told) {
            // The program that has it was named before.
            (NotBound::InUse(_), Some(NotBound::InUse(holder))) => Err(NotBound::InUse(holder.clone())),
            (error, told) => {
                let error = wanted.name_holder(error).await;
                let why = error.to_string();
                if told.map(NotBound::to_string).as_ref() != Some(&why) {
                    warn!(event = %"http.bind-failed", %address, "http cannot be served: {why}; trying again");
                }
                Err(error)
            }
        },
    }
}

async fn bind_later(address: &Address, mut told: Option<NotBound>) -> Listening {
    let mut wait = FIRST_RETRY;
    loop {
        if told.is_some() {
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LAST_RETRY);
        }
        match bind(address, told.as_ref()).await {
            Ok(listening) => return listening,
            Err(why) => told = Some(why),
        }
    }
}
