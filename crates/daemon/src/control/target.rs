//! The port that a request names.

use std::time::{Duration, Instant, SystemTime};

use axum::http::StatusCode;
use axum::response::Response;
use sermux_port_config::signal::Effect;
use sermux_protocol::rfc2217::View;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::info;

use super::api::{ask, ask_line, blocking, Api};
use super::ask::Ports;
use super::http::{no_port, port_ended, Refusal};
use super::request::LineNowShape;
use super::status::{ModemShape, PortShape};
use crate::net::peer::Peer;
use crate::port::hub::Outcome;
use crate::port::{Command, Link, PortState};

/// How long a line may take to do something, for a client that waits for it.
const LINE_LIMIT: Duration = Duration::from_secs(50);

/// How long a device may take to open or to close, for a client that waits for it.
const DEVICE_LIMIT: Duration = Duration::from_secs(6);

/// The running port that the path names, and who wants something of it.
pub(super) struct PortTarget {
    pub(super) name: String,
    pub(super) link: Link,
    peer: Peer,
}

impl PortTarget {
    /// The running port of this name.
    pub(super) async fn find(api: &Api, name: String, peer: Peer) -> Result<PortTarget, Refusal> {
        let Ports { running, disabled, crashed, .. } = api.ports().await?;
        if crashed.iter().any(|(known, ..)| *known == name) {
            return Err(Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("port {name} failed and is started again"),
            )
            .help("try again in a minute; `sermux status` says what happened"));
        }
        if disabled.iter().any(|(known, _)| *known == name) {
            return Err(Refusal::new(StatusCode::CONFLICT, format!("port {name} is not enabled"))
                .help("set `enable: true` and reload"));
        }
        match running.iter().position(|(known, _)| *known == name) {
            Some(at) => Ok(PortTarget { name, link: running[at].1.clone(), peer }),
            None => Err(no_port(&name, &running)),
        }
    }

    /// `request` in a word, and in words.
    pub(super) fn log(&self, request: &str, what: &str) {
        info!(event = %"control.requested", request, port = %self.name, by = %self.peer, "an operator asked {what}");
    }

    /// Asks something of the line; what it has then.
    pub(super) async fn ask(&self, what: Effect) -> Result<View, Refusal> {
        let done = timeout(LINE_LIMIT, ask_line(&self.link, what)).await.map_err(|_| {
            Refusal::new(StatusCode::GATEWAY_TIMEOUT, format!("port {}: it is not done yet", self.name))
                .help("it continues; `sermux status` shows the state of the line")
        })?;
        match done.ok_or_else(port_ended)? {
            (Outcome::Done, view) => Ok(view),
            (Outcome::NoLine, _) => Err(self.no_line().await),
            (Outcome::Failed, _) => Err(Refusal::new(
                StatusCode::BAD_GATEWAY,
                format!("port {}: the device refuses, or does not answer", self.name),
            )
            .help("the log says more: journalctl -u sermux")),
        }
    }

    async fn no_line(&self) -> Refusal {
        let Some(report) = ask(&self.link, Command::Report).await else { return port_ended() };
        let (why, help) = match report.state {
            PortState::Paused => ("it is paused", format!("`sermux resume {}` opens its device", self.name)),
            PortState::Idle => ("its device is closed until a client connects (open: on-demand)", String::new()),
            _ => ("its device is not open", report.fault.map(|fault| fault.what).unwrap_or_default()),
        };
        let refusal = Refusal::new(StatusCode::CONFLICT, format!("port {}: {why}", self.name));
        if help.is_empty() {
            refusal
        } else {
            refusal.help(help)
        }
    }

    pub(super) fn now(&self, view: &View) -> LineNowShape {
        LineNowShape {
            port: self.name.clone(),
            asked: None,
            line: view.settings.to_string(),
            differences: Vec::new(),
            modem: ModemShape::from(view),
            break_on: view.break_on,
        }
    }

    /// Lets go of the device or takes it again; the port after that.
    pub(super) async fn settle(
        self,
        api: &Api,
        command: impl FnOnce(oneshot::Sender<()>) -> Command,
        not_yet: &str,
    ) -> Result<Response, Refusal> {
        match timeout(DEVICE_LIMIT, ask(&self.link, command)).await {
            Ok(Some(())) => {}
            Ok(None) => return Err(port_ended()),
            Err(_) => {
                return Err(Refusal::new(
                    StatusCode::GATEWAY_TIMEOUT,
                    format!("port {}: its device {not_yet}", self.name),
                )
                .help("it continues; `sermux status` shows the state of the port"))
            }
        }
        let report = api.look(&self.link).await.ok_or_else(port_ended)?;
        blocking(move || PortShape::of_blocking(&self.name, &report, (Instant::now(), SystemTime::now()))).await
    }
}
