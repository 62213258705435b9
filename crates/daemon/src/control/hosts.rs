//! The host names that requests to a server may carry.
//!
//! A web page can have its own name resolved to an address of this machine or of its network, and then its script may read
//! what is served there as if it came from the page's own server (DNS rebinding). The name stays the page's own, so only names
//! that cannot be anybody else's are answered.

use std::net::IpAddr;

use axum::http::uri::Authority;
use axum::http::{header, StatusCode};

use super::http::Refusal;

/// The allowed names, in addition to those that are always allowed.
#[derive(Clone, Debug, Default)]
pub(super) struct Hosts(Vec<String>);

impl Hosts {
    /// In lower case, and without a point at the end.
    pub(super) fn new(names: impl IntoIterator<Item = String>) -> Self {
        Self(names.into_iter().collect())
    }

    /// What is answered to a request by another name. One without any name is no browser's.
    pub(super) fn refuse<B>(&self, request: &hyper::Request<B>) -> Option<Refusal> {
        let named = request.headers().get_all(header::HOST).iter().map(|value| value.to_str().ok());
        let named = named.chain(request.uri().authority().map(|authority| Some(authority.as_str())));
        for name in named {
            if !name.is_some_and(|name| self.admits(name)) {
                let name = name.unwrap_or("that name").escape_debug().to_string();
                return Some(
                    Refusal::new(StatusCode::MISDIRECTED_REQUEST, format!("this is not {name}"))
                        .help("ask by an IP address, or write the name in `http: { names: … }`"),
                );
            }
        }
        None
    }

    /// Whether `Host: text` is right.
    fn admits(&self, text: &str) -> bool {
        let Some(named) = text.parse::<Authority>().ok().filter(|_| !text.contains('@')) else { return false };
        let host = named.host().trim_end_matches('.').to_ascii_lowercase();
        let ip = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&host);
        ip.parse::<IpAddr>().is_ok() || host == "localhost" || host.ends_with(".localhost") || self.0.contains(&host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_cannot_be_anybody_elses_are_answered() {
        let hosts = Hosts::new(["meter.home.arpa".to_owned()]);
        for right in [
            "localhost",
            "LOCALHOST:8217",
            "sermux.localhost",
            "127.0.0.1",
            "10.0.0.7:8217",
            "[::1]",
            "[fd00::1]:8217",
            "meter.home.arpa",
            "Meter.Home.Arpa.:80",
        ] {
            assert!(hosts.admits(right), "{right}");
        }
        for wrong in [
            "",
            "evil.example",
            "evil.example:8217",
            "localhost.evil.example",
            "notlocalhost",
            "127.0.0.1.evil.example",
            "meter.home.arpa.evil.example",
            "home.arpa",
            "[::1",
            "http://localhost/",
            "a@localhost@evil.example",
        ] {
            assert!(!hosts.admits(wrong), "{wrong}");
        }
    }

    #[test]
    fn the_name_in_the_path_and_each_in_the_head_must_be_right() {
        let hosts = Hosts::default();
        let refused = |uri: &str, names: &[&str]| {
            let mut request = hyper::Request::get(uri);
            for name in names {
                request = request.header(header::HOST, *name);
            }
            hosts.refuse(&request.body(()).expect("a request")).is_some()
        };
        assert!(!refused("/metrics", &[]));
        assert!(!refused("/metrics", &["localhost"]));
        assert!(!refused("http://localhost/metrics", &["localhost"]));
        assert!(refused("http://evil.example/metrics", &["localhost"]));
        assert!(refused("/metrics", &["localhost", "evil.example"]));
        assert!(refused("/metrics", &["ev\u{e9}l.example"]));
    }
}
