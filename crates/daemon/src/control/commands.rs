//! What is done to a port.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use sermux_port_config::config::reset;
use sermux_port_config::signal;

use super::amend::amend;
use super::api::Api;
use super::http::{body, port_ended, Answer, Json, Refusal};
use super::request::{Break, Kick, Kicked, KickedClient, LineNow, Purge, Queue, Reset, Set, SetModem};
use super::target::{ask, Target};
use crate::line::differences;
use crate::port::hub::Wish;
use crate::port::{Command, Whom};

pub(super) async fn kick(target: Target, request: Request) -> Answer<Kicked> {
    let Kick { client } = body(request, "{ \"client\": \"10.0.0.7:51234\" }").await?;
    let whom = match client.as_deref() {
        None => Whom::All,
        Some(text) => whom(text).ok_or_else(|| {
            let text = text.escape_debug();
            Refusal::new(StatusCode::BAD_REQUEST, format!("`{text}` is not a client"))
                .help("give its id, its address (10.0.0.7:51234), or the IP address of its host")
        })?,
    };
    target.log(&format!("to kick {}", client.as_deref().unwrap_or("all clients").escape_debug()));
    let kicked = ask(&target.link, |reply| Command::Kick { whom, reply }).await.ok_or_else(port_ended)?;
    if let (Some(client), true) = (client, kicked.is_empty()) {
        let client = client.escape_debug();
        return Err(Refusal::new(StatusCode::NOT_FOUND, format!("port {} has no client {client}", target.name))
            .help(format!("`sermux status {}` lists its clients", target.name)));
    }
    let clients = kicked.iter().map(|kicked| KickedClient { id: kicked.number, address: kicked.peer.to_string() });
    Ok(Json(Kicked { clients: clients.collect(), port: target.name }))
}

fn whom(text: &str) -> Option<Whom> {
    let text = text.trim_start_matches('#');
    let number = text.parse().map(Whom::Number);
    number.or_else(|_| text.parse().map(Whom::Address)).or_else(|_| text.parse().map(Whom::Host)).ok()
}

pub(super) async fn set(target: Target, request: Request) -> Answer<LineNow> {
    let Set { line } = body(request, "{ \"line\": \"9600 7E1\" }").await?;
    let report = ask(&target.link, Command::Report).await.ok_or_else(port_ended)?;
    let asked = amend(report.view.settings, &line).map_err(|wrong| Refusal::new(StatusCode::BAD_REQUEST, wrong))?;
    target.log(&format!("to set the line to {asked}"));
    let view = target.wish(Wish::Settings(asked)).await?;
    let mut now = target.now(&view);
    now.differences = differences(&asked, &view.settings);
    now.asked = Some(asked.to_string());
    Ok(Json(now))
}

pub(super) async fn modem(target: Target, request: Request) -> Answer<LineNow> {
    let SetModem { dtr, rts } = body(request, "{ \"dtr\": false, \"rts\": true }").await?;
    if dtr.is_none() && rts.is_none() {
        let view = target.wish(Wish::Look).await?;
        return Ok(Json(target.now(&view)));
    }
    let word = |name, on| match on {
        Some(true) => format!(" {name}=on"),
        Some(false) => format!(" {name}=off"),
        None => String::new(),
    };
    target.log(&format!("to set{}{}", word("dtr", dtr), word("rts", rts)));
    let view = target.wish(Wish::Outputs { dtr, rts }).await?;
    Ok(Json(target.now(&view)))
}

pub(super) async fn send_break(target: Target, request: Request) -> Answer<LineNow> {
    let Break { duration_ms } = body(request, "{ \"duration-ms\": 250 }").await?;
    if !(1..=Break::LONGEST_MS).contains(&duration_ms) {
        let text = format!("a break of {duration_ms} ms cannot be sent");
        return Err(Refusal::new(StatusCode::BAD_REQUEST, text).help(format!("give 1 to {}", Break::LONGEST_MS)));
    }
    target.log(&format!("to send a break of {duration_ms} ms"));
    let view = target.wish(Wish::Break(Duration::from_millis(duration_ms))).await?;
    Ok(Json(target.now(&view)))
}

pub(super) async fn purge(target: Target, request: Request) -> Answer<LineNow> {
    let Purge { queue } = body(request, "{ \"queue\": \"both\" }").await?;
    let (purge, word) = match queue {
        Queue::Rx => (signal::Purge::Rx, "rx"),
        Queue::Tx => (signal::Purge::Tx, "tx"),
        Queue::Both => (signal::Purge::Both, "rx and tx"),
    };
    target.log(&format!("to purge {word}"));
    let view = target.wish(Wish::Purge(purge)).await?;
    Ok(Json(target.now(&view)))
}

pub(super) async fn run_reset(target: Target, request: Request) -> Answer<LineNow> {
    let Reset { name } = body(request, "{ \"macro\": \"esp32-run\" }").await?;
    let report = ask(&target.link, Command::Report).await.ok_or_else(port_ended)?;
    let Some(steps) = reset::find(&report.port.reset, &name) else {
        let own = report.port.reset.keys().cloned();
        let known: Vec<String> = own.chain(reset::names().map(str::to_owned)).collect();
        return Err(Refusal::new(StatusCode::NOT_FOUND, format!("there is no reset macro `{}`", name.escape_debug()))
            .help(format!("port {} knows {}", target.name, known.join(", "))));
    };
    target.log(&format!("to run the reset macro {name}"));
    let view = target.wish(Wish::Run(steps.into())).await?;
    Ok(Json(target.now(&view)))
}

pub(super) async fn pause(State(api): State<Arc<Api>>, target: Target) -> Result<Response, Refusal> {
    target.log("to pause");
    target.settle(&api, Command::Pause, "is not closed yet; its driver takes its time").await
}

pub(super) async fn resume(State(api): State<Arc<Api>>, target: Target) -> Result<Response, Refusal> {
    target.log("to resume");
    target.settle(&api, Command::Resume, "is not open yet; its driver takes its time").await
}
