//! The start of a new client: the state of its protocol, and the banner.

use std::time::SystemTime;

use sermux_port_config::config::banner::{BannerFacts, BannerTime};
use sermux_port_config::config::{Banner, Device, Enter, Listener, Protocol};
use sermux_port_config::line::LineSettings;
use sermux_protocol::session::Session;
use sermux_protocol::telnet::TelnetOffer;

use crate::net::peer::{Endpoint, Peer};
use crate::sys;

/// The session of a client that comes through this listener.
pub(super) fn session(listener: &Listener) -> Session {
    match &listener.protocol {
        Protocol::Raw => Session::raw(),
        Protocol::Telnet(telnet) => Session::telnet(TelnetOffer {
            rfc2217: telnet.rfc2217,
            signature: telnet.signature.clone(),
            enter_is_cr: telnet.enter == Enter::Cr,
            break_on_sync: telnet.break_on_sync,
        }),
    }
}

/// A banner, or another text with its escapes; empty where there is none. `near` is where the client came in.
pub(super) fn text(
    text: &Banner,
    port: &str,
    device: &Device,
    line: LineSettings,
    (near, peer): (Option<Endpoint>, Peer),
) -> Vec<u8> {
    if text.is_empty() {
        return Vec::new();
    }
    text.render(&BannerFacts {
        port,
        device: &device.to_string(),
        line,
        listener: &near.map_or_else(|| "0".to_owned(), |near| near.number_or_path()),
        remote: &peer.host(),
        time: time(),
    })
}

/// Now, on the machine's own clock and in its time zone.
fn time() -> BannerTime {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let epoch = i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX);
    let local = sys::local_time(epoch);
    let small = |value: libc::c_int| u8::try_from(value).unwrap_or(0);
    BannerTime {
        year: local.tm_year + 1900,
        month: small(local.tm_mon + 1),
        day: small(local.tm_mday),
        weekday: small(local.tm_wday),
        day_of_year: u16::try_from(local.tm_yday).unwrap_or(0),
        hour: small(local.tm_hour),
        minute: small(local.tm_min),
        second: small(local.tm_sec),
        microsecond: since_epoch.subsec_micros(),
        epoch,
    }
}
