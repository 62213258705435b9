//! `accepter:` the address that clients connect to, and its protocol.

use super::defaults::Ser2netDefaults;
use super::gensio::{self, GensioLayer, GensioWord};
use super::remark::{ImportRefusal, Remarks};
use super::switch;
use super::yaml::PlacedText;
use crate::config::keys::{is_built, Section};
use crate::config::source::Place;
use crate::config::Address;
use crate::error::shown;

/// What of an accepter has a meaning here.
#[derive(Clone, Debug)]
pub(super) struct Accepter {
    pub(super) address: Address,
    pub(super) telnet: Option<TelnetAccepter>,
    pub(super) place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TelnetAccepter {
    Plain,
    Rfc2217,
}

/// Reads a gensio string.
pub(super) fn read(
    text: &PlacedText,
    defaults: &Ser2netDefaults,
    remarks: &mut Remarks,
) -> Result<Accepter, ImportRefusal> {
    let stack = gensio::parse(&text.text).map_err(|(at, message)| {
        ImportRefusal::fault(text.at(at, 1), message, "write `tcp,2001` or `telnet(rfc2217),tcp,2001`")
    })?;
    let at = |word: &GensioWord| text.at(word.at, word.width);
    let mut telnet = None;
    let mut refused = None;
    let mut end = None;
    for layer in &stack.layers {
        let place = at(&layer.name);
        match layer.name.text.as_str() {
            "telnet" => telnet = Some(telnet_of(layer, text, defaults, remarks)),
            "tcp" | "unix" | "udp" => {
                end = Some(layer);
                end_options(layer, text, remarks);
            }
            other => {
                refused.get_or_insert_with(|| (place, other.to_owned()));
            }
        }
    }
    if let Some((place, name)) = refused {
        return Err(ImportRefusal::LeftOut(place, without(&name)));
    }
    let kind = end.map_or("tcp", |layer| layer.name.text.as_str());
    let address = match kind {
        "unix" => unix(text, end, &stack.arguments)?,
        "udp" => {
            let tcp = tcp(text, &stack.arguments)?;
            format!("udp:{tcp}")
                .parse()
                .map_err(|_| ImportRefusal::LeftOut(text.place, "sermux does not listen on udp yet".to_owned()))?
        }
        _ => tcp(text, &stack.arguments)?,
    };
    Ok(Accepter { address, telnet, place: text.place })
}

/// What cannot be imported with this layer, and why.
fn without(name: &str) -> String {
    match name {
        "ssl" if !is_built(Section::Listener, "tls") => {
            "sermux has no TLS yet, and without it everybody on the way could read along".to_owned()
        }
        "conacc" => "sermux does not connect out to serve a line yet".to_owned(),
        "stdio" => "sermux does not offer a line on its standard input and output yet".to_owned(),
        "certauth" => "sermux does not ask clients for a password or a certificate as `certauth` does".to_owned(),
        name => format!("sermux has nothing like `{}`", shown(name)),
    }
}

fn telnet_of(
    layer: &GensioLayer,
    text: &PlacedText,
    defaults: &Ser2netDefaults,
    remarks: &mut Remarks,
) -> TelnetAccepter {
    let mut rfc2217 = defaults.value("telnet", "rfc2217").and_then(|value| switch(&value.text)).unwrap_or(false);
    for option in &layer.options {
        let place = text.at(option.at, option.width);
        let (name, value) = option.assignment();
        match (name.as_str(), value) {
            ("rfc2217", value) => rfc2217 = value.is_none_or(|value| switch(value).unwrap_or(false)),
            // An accepter is the server's side in any case.
            ("mode", Some("server")) => {}
            ("mode", _) => remarks.no_equivalent(place, "telnet(mode): sermux is always the server"),
            ("readbuf" | "writebuf", _) => remarks.better(place, format!("telnet({name}): sermux needs no sizes")),
            (name, _) => {
                remarks.no_equivalent(place, format!("telnet({}): there is no such option", shown(name)));
            }
        }
    }
    if rfc2217 {
        TelnetAccepter::Rfc2217
    } else {
        TelnetAccepter::Plain
    }
}

fn end_options(layer: &GensioLayer, text: &PlacedText, remarks: &mut Remarks) {
    let end = &layer.name.text;
    for option in &layer.options {
        let place = text.at(option.at, option.width);
        let (name, value) = option.assignment();
        match (name.as_str(), value.map(switch)) {
            ("nodelay", None | Some(Some(true))) => remarks.translated(place, "tcp(nodelay): so it is here always"),
            ("reuseaddr", None | Some(Some(true))) => remarks.translated(place, "tcp(reuseaddr): so it is here always"),
            ("readbuf", _) => remarks.better(place, format!("{end}(readbuf): sermux needs no sizes")),
            (name, _) => remarks.no_equivalent(place, format!("{end}({}): nothing here does this", shown(name))),
        }
    }
}

const TCP_HELP: &str = "write `tcp,2001`, `tcp,localhost,2001` or `tcp,192.168.1.10,2001`";

/// `[ipv4|ipv6|ipv6n4,][host,]port`
pub(super) fn tcp(text: &PlacedText, arguments: &[GensioWord]) -> Result<Address, ImportRefusal> {
    let place = |word: &GensioWord| text.at(word.at, word.width);
    let is_family = |word: &&GensioWord| matches!(word.text.to_ascii_lowercase().as_str(), "ipv4" | "ipv6" | "ipv6n4");
    let family = arguments.first().filter(is_family).map(|word| word.text.to_ascii_lowercase());
    let rest = &arguments[usize::from(family.is_some())..];
    let (host, port) = match rest {
        [port] => (None, port),
        [host, port] => (Some(host), port),
        [] => return Err(ImportRefusal::fault(text.place, "the accepter has no TCP port", TCP_HELP)),
        [_, _, extra, ..] => {
            let message = format!("`{}` stands behind the TCP port", shown(&extra.text));
            return Err(ImportRefusal::fault(place(extra), message, TCP_HELP));
        }
    };
    let is_number = !port.text.is_empty() && port.text.bytes().all(|byte| byte.is_ascii_digit());
    let Some(number) = port.text.parse::<u16>().ok().filter(|_| is_number) else {
        let message = format!("`{}` is not a TCP port", shown(&port.text));
        return Err(ImportRefusal::fault(place(port), message, TCP_HELP));
    };
    let host = host.map(|host| host.text.trim_start_matches('[').trim_end_matches(']'));
    let written = match (family.as_deref(), host) {
        (None | Some("ipv6n4"), None | Some("::" | "*")) => format!("*:{number}"),
        (Some("ipv4"), None | Some("*")) => format!("0.0.0.0:{number}"),
        (Some(_), None | Some("::" | "*")) => format!("[::]:{number}"),
        (Some("ipv4"), Some("localhost")) => format!("127.0.0.1:{number}"),
        (Some("ipv6"), Some("localhost")) => format!("[::1]:{number}"),
        (_, Some(host)) if host.contains(':') => format!("[{host}]:{number}"),
        (_, Some(host)) => format!("{host}:{number}"),
    };
    written.parse().map_err(|_| {
        let message = format!("`{}` is neither an address nor a name of a machine", shown(host.unwrap_or("")));
        ImportRefusal::fault(rest.first().map_or(text.place, place), message, TCP_HELP)
    })
}

/// `unix[(options)],/path`
fn unix(text: &PlacedText, layer: Option<&GensioLayer>, arguments: &[GensioWord]) -> Result<Address, ImportRefusal> {
    let help = "write the full path of the socket: `unix,/run/ser2net.sock`";
    let [path] = arguments else {
        let place = layer.map_or(text.place, |layer| text.at(layer.name.at, layer.name.width));
        return Err(ImportRefusal::fault(place, "a unix socket has one path", help));
    };
    format!("unix:{}", path.text).parse().map_err(|_| {
        ImportRefusal::fault(
            text.at(path.at, path.width),
            format!("`{}` is not the path of a socket", shown(&path.text)),
            help,
        )
    })
}
