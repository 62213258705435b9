//! The control socket's server: makes the socket, and tries again where it cannot be made. [`serving`] has the rest.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use sermux_port_config::config::{Address, Control, ControlSocket, Port};
use tokio::net::UnixListener;
use tracing::{info, warn};

use super::place::SocketPlace;
use super::running::RunningServer;
use super::serving::{self, HttpService};
use crate::net::listening::Listening;
use crate::net::socket_file::{self, NoSocket, SocketFile, WantedSocket};

/// Connections that wait to be accepted (listen(2)).
const QUEUE: i32 = 32;

/// How often the turn is tried that another one has who makes a socket in the same folder.
const TURN_TRIES: usize = 20;

/// A socket that another instance holds is retried after this time, then after twice as long …
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// … up to this.
const LAST_RETRY: Duration = Duration::from_secs(30);

/// Makes the socket and serves on it. What keeps it from that is a warning in the log, and it is tried again; but not
/// where a port of `ports` listens.
pub(crate) async fn start(
    mut control: Control,
    at: Option<&Path>,
    ports: &BTreeMap<String, Arc<Port>>,
    router: Router,
) -> Option<RunningServer> {
    if let Some(at) = at {
        control.socket = ControlSocket::Path(at.to_owned());
    }
    let Some(place) = SocketPlace::of_daemon(&control) else {
        warn!(
            event = %"control.bind-failed",
            "no control socket: neither RUNTIME_DIRECTORY nor XDG_RUNTIME_DIR is set; name a place with --control, or \
             with `control: {{ socket: … }}`, or say `control: off`"
        );
        return None;
    };
    if let Some(name) = who_listens(ports, &place.socket) {
        warn!(event = %"control.bind-failed", socket = %place.socket.display(), port = %name,
            "no control socket: this port listens there; name another \
            place with --control");
        return None;
    }
    match make(&place, &control).await {
        Ok((socket, file)) => Some(RunningServer::new(serve(socket, file, router))),
        Err(error) => {
            let why = error.to_string();
            warn!(event = %"control.bind-failed", socket = %place.socket.display(),
                "no control socket: {why}; trying again");
            Some(RunningServer::new(serve_later(place, control, router, why)))
        }
    }
}

/// Makes the socket, and its folder where that is its own. A group that it cannot be given to leaves it to its owner alone.
async fn make(place: &SocketPlace, control: &Control) -> Result<(UnixListener, SocketFile), NoSocket> {
    if let Some(folder) = place.folder.clone() {
        let made = tokio::task::spawn_blocking(move || make_folder_blocking(&folder)).await;
        made.unwrap_or_else(|failed| Err(failed.into()))
            .map_err(|error| NoSocket::Io("its folder cannot be made", error))?;
    }
    let path = place.socket.clone();
    let wanted = WantedSocket { path, mode: control.mode, owner: None, group: control.group.clone(), queue: QUEUE };
    match (socket_file::make(&wanted, TURN_TRIES).await, &control.group) {
        (Err(NoSocket::Rights(why)), Some(group)) => {
            warn!(event = %"control.restricted", socket = %place.socket.display(),
                "only its owner and root may use it: {why} (control.group: {group})");
            let wanted = WantedSocket { mode: control.mode & 0o700, group: None, ..wanted };
            socket_file::make(&wanted, TURN_TRIES).await
        }
        (made, _) => made,
    }
}

fn who_listens<'a>(ports: &'a BTreeMap<String, Arc<Port>>, socket: &Path) -> Option<&'a str> {
    let is_there = |port: &Port| {
        port.listen.iter().any(|listener| matches!(&listener.address, Address::Unix { path } if path == socket))
    };
    ports.iter().find(|(_, port)| port.enable && is_there(port)).map(|(name, _)| name.as_str())
}

fn make_folder_blocking(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// `told`: why there is none, as the log has it.
async fn serve_later(place: SocketPlace, control: Control, router: Router, mut told: String) {
    let mut wait = FIRST_RETRY;
    loop {
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LAST_RETRY);
        match make(&place, &control).await {
            Ok((socket, file)) => return serve(socket, file, router).await,
            Err(error) => {
                let why = error.to_string();
                if why != told {
                    warn!(event = %"control.bind-failed", socket = %place.socket.display(),
                        "no control socket: {why}; trying again");
                    told = why;
                }
            }
        }
    }
}

async fn serve(socket: UnixListener, file: SocketFile, router: Router) {
    info!(event = %"control.listening", socket = %file.path().display(), "control socket is ready");
    serving::serve(Listening::unix(socket, Some(file)), HttpService { name: "control", router, hosts: None }).await;
}
