//! The requests that change a port.
//!
//! One handler takes them all: each would come with a copy of what axum puts around a handler.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::Extension;
use serde::Serialize;
use sermux_port_config::config::reset;
use sermux_port_config::signal::{self, Effect};

use super::amend::amend;
use super::api::{ask, Api};
use super::http::{body, json, parse, port_ended, wrong_path, Refusal};
use super::paths::unknown;
use super::request::{
    BreakBody, KickBody, KickedClientShape, KickedShape, LineNowShape, ModemBody, PurgeBody, PurgeQueue, ResetBody,
    SetBody,
};
use super::target::PortTarget;
use crate::line::differences;
use crate::net::peer::Peer;
use crate::port::{Command, Whom};

/// `POST /v1/ports/NAME/COMMAND`
pub(super) async fn command(
    State(api): State<Arc<Api>>,
    path: Result<Path<(String, String)>, PathRejection>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Result<Response, Refusal> {
    let Path((port, command)) = path.map_err(wrong_path)?;
    let uri = request.uri().clone();
    let target = PortTarget::find(&api, port, peer).await?;
    let body = body(request).await;
    match command.as_str() {
        "kick" => done(&kick(target, &body).await?),
        "set" => done(&set(target, &body).await?),
        "modem" => done(&modem(target, &body).await?),
        "break" => done(&send_break(target, &body).await?),
        "purge" => done(&purge(target, &body).await?),
        "reset" => done(&run_reset(target, &body).await?),
        "pause" => {
            target.log("pause", "to pause");
            target.settle(&api, Command::Pause, "is not closed yet; its driver takes its time").await
        }
        "resume" => {
            target.log("resume", "to resume");
            target.settle(&api, Command::Resume, "is not open yet; its driver takes its time").await
        }
        #[cfg(debug_assertions)]
        "panic" => {
            target.link.send(Command::Panic).await;
            done(&())
        }
        _ => Err(unknown(&uri)),
    }
}

fn done(answer: &impl Serialize) -> Result<Response, Refusal> {
    Ok(json(StatusCode::OK, answer))
}

async fn kick(target: PortTarget, body: &[u8]) -> Result<KickedShape, Refusal> {
    let KickBody { client } = parse(body, "{ \"client\": \"10.0.0.7:51234\" }")?;
    let whom = match client.as_deref() {
        None => Whom::All,
        Some(text) => whom(text).ok_or_else(|| {
            let text = text.escape_debug();
            Refusal::new(StatusCode::BAD_REQUEST, format!("`{text}` is not a client")).help(
                "give its id, its address (10.0.0.7:51234, unix:pid=1234/uid=1000), or the IP address of its host",
            )
        })?,
    };
    target.log("kick", &format!("to kick {}", client.as_deref().unwrap_or("all clients").escape_debug()));
    let kicked = ask(&target.link, |reply| Command::Kick { whom, reply }).await.ok_or_else(port_ended)?;
    if let (Some(client), true) = (client, kicked.is_empty()) {
        let client = client.escape_debug();
        return Err(Refusal::new(StatusCode::NOT_FOUND, format!("port {} has no client {client}", target.name))
            .help(format!("`sermux status {}` lists its clients", target.name)));
    }
    let clients = kicked.iter().map(|kicked| KickedClientShape { id: kicked.number, address: kicked.peer.to_string() });
    Ok(KickedShape { clients: clients.collect(), port: target.name })
}

fn whom(text: &str) -> Option<Whom> {
    let text = text.trim_start_matches('#');
    let number = text.parse().map(Whom::Number);
    let peer = || text.parse().map(Whom::Peer);
    // A client that came over a dual-stack socket is known by its IPv4 address.
    let host = || text.parse().map(|ip: IpAddr| Whom::Host(ip.to_canonical()));
    number.or_else(|_| peer()).or_else(|_| host()).ok()
}

async fn set(target: PortTarget, body: &[u8]) -> Result<LineNowShape, Refusal> {
    let SetBody { line } = parse(body, "{ \"line\": \"9600 7E1\" }")?;
    let report = ask(&target.link, Command::Report).await.ok_or_else(port_ended)?;
    if line.trim().eq_ignore_ascii_case("default") {
        let asked = report.port.line.settings;
        target.log("set", &format!("to restore the configured line settings, {asked}"));
        let view = target.ask(Effect::Default).await?;
        let mut now = target.now(&view);
        now.differences = differences(&asked, &view.settings);
        now.asked = Some(asked.to_string());
        return Ok(now);
    }
    let asked = amend(report.view.settings, &line).map_err(|wrong| Refusal::new(StatusCode::BAD_REQUEST, wrong))?;
    target.log("set", &format!("to set the line to {asked}"));
    let view = target.ask(Effect::Settings(asked)).await?;
    let mut now = target.now(&view);
    now.differences = differences(&asked, &view.settings);
    now.asked = Some(asked.to_string());
    Ok(now)
}

async fn modem(target: PortTarget, body: &[u8]) -> Result<LineNowShape, Refusal> {
    let ModemBody { dtr, rts } = parse(body, "{ \"dtr\": false, \"rts\": true }")?;
    if dtr.is_none() && rts.is_none() {
        let view = target.ask(Effect::Look).await?;
        return Ok(target.now(&view));
    }
    let word = |name, on| match on {
        Some(true) => format!(" {name}=on"),
        Some(false) => format!(" {name}=off"),
        None => String::new(),
    };
    target.log("modem", &format!("to set{}{}", word("dtr", dtr), word("rts", rts)));
    let view = target.ask(Effect::Outputs { dtr, rts }).await?;
    Ok(target.now(&view))
}

async fn send_break(target: PortTarget, body: &[u8]) -> Result<LineNowShape, Refusal> {
    let BreakBody { duration_ms } = parse(body, "{ \"duration-ms\": 250 }")?;
    if !(1..=BreakBody::LONGEST_MS).contains(&duration_ms) {
        let text = format!("a break of {duration_ms} ms cannot be sent");
        return Err(Refusal::new(StatusCode::BAD_REQUEST, text).help(format!("give 1 to {}", BreakBody::LONGEST_MS)));
    }
    target.log("break", &format!("to send a break of {duration_ms} ms"));
    let view = target.ask(Effect::BreakPulse(Duration::from_millis(duration_ms))).await?;
    Ok(target.now(&view))
}

async fn purge(target: PortTarget, body: &[u8]) -> Result<LineNowShape, Refusal> {
    let PurgeBody { queue } = parse(body, "{ \"queue\": \"both\" }")?;
    let (purge, word) = match queue {
        PurgeQueue::Rx => (signal::Purge::Rx, "rx"),
        PurgeQueue::Tx => (signal::Purge::Tx, "tx"),
        PurgeQueue::Both => (signal::Purge::Both, "rx and tx"),
    };
    target.log("purge", &format!("to purge {word}"));
    let view = target.ask(Effect::Purge(purge)).await?;
    Ok(target.now(&view))
}

async fn run_reset(target: PortTarget, body: &[u8]) -> Result<LineNowShape, Refusal> {
    let ResetBody { name } = parse(body, "{ \"macro\": \"esp32-run\" }")?;
    let report = ask(&target.link, Command::Report).await.ok_or_else(port_ended)?;
    let Some(steps) = reset::find(&report.port.reset, &name) else {
        let own = report.port.reset.keys().cloned();
        let known: Vec<String> = own.chain(reset::names().map(str::to_owned)).collect();
        return Err(Refusal::new(StatusCode::NOT_FOUND, format!("there is no reset macro `{}`", name.escape_debug()))
            .help(format!("port {} knows {}", target.name, known.join(", "))));
    };
    target.log("reset", &format!("to run the reset macro {name}"));
    let view = target.ask(Effect::Run(steps.into())).await?;
    Ok(target.now(&view))
}
