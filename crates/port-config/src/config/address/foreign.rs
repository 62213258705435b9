//! Addresses as other programs write them: `tcp:2001`, `tcp://host:2001`, `tcp,localhost,2001`. They are refused, with what
//! is to be written here; as host names they would pass, and fail much later.

use super::AddressError;
use crate::error::shown;

/// Words that name a protocol or a transport where the host belongs.
const SCHEMES: [&str; 33] = [
    "tcp",
    "tcp4",
    "tcp6",
    "tcp-listen",
    "tcp4-listen",
    "tcp6-listen",
    "udp",
    "udp4",
    "udp6",
    "ip",
    "ip4",
    "ip6",
    "ipv4",
    "ipv6",
    "raw",
    "socket",
    "telnet",
    "telnets",
    "rfc2217",
    "tls",
    "ssl",
    "ssh",
    "http",
    "https",
    "ws",
    "wss",
    "mqtt",
    "mqtts",
    "inet",
    "inet4",
    "inet6",
    "ser2net",
    "conacc",
];

/// Schemes of a socket on this machine.
const UNIX: [&str; 4] = ["unix", "unixstream", "unix-listen", "local"];

/// The error for an address that another program would understand; `None` when it is none of these.
pub(super) fn refused(text: &str) -> Option<AddressError> {
    if text.starts_with('/') {
        return Some(wrong(text, "is a path", format!("write unix:{}", shown(text))));
    }
    // `tcp(nodelay),host,2001` of gensio and ser2net: options stand in parentheses.
    let plain = without_options(text);
    let parts: Vec<&str> = plain.split(',').map(str::trim).collect();
    if parts.len() > 1 {
        return of_parts(text, &parts);
    }
    let (scheme, rest) = plain.split_once(':')?;
    let scheme = scheme.trim().to_ascii_lowercase();
    let rest = rest.trim_start_matches('/');
    if UNIX.contains(&scheme.as_str()) {
        // What is written as it should be was read before.
        let help = format!("write unix:/{}", shown(rest));
        return Some(wrong(text, "does not name a unix socket", help));
    }
    if !SCHEMES.contains(&scheme.as_str()) {
        return None;
    }
    let (host, port) = rest.rsplit_once(':').unwrap_or(("", rest));
    Some(scheme_in_the_way(text, &scheme, host, port.trim_end_matches('/')))
}

/// `tcp,localhost,2001`, `telnet(rfc2217),tcp,2001`, `localhost,2001`
fn of_parts(text: &str, parts: &[&str]) -> Option<AddressError> {
    let mut schemes = parts.iter().take_while(|part| is_scheme(part));
    let scheme = schemes.next().map(|scheme| scheme.to_ascii_lowercase());
    let rest = &parts[parts.iter().take_while(|part| is_scheme(part)).count()..];
    if scheme.as_deref().is_some_and(|scheme| UNIX.contains(&scheme)) {
        let path = rest.first().copied().unwrap_or_default();
        return Some(wrong(text, "is how ser2net writes it", format!("write unix:{}", shown(path))));
    }
    let (host, port) = match rest {
        [port] => ("", *port),
        [host, port] => (*host, *port),
        _ => return None,
    };
    if !is_port(port) {
        return None;
    }
    let help = suggestion(host, port);
    let telnet = if scheme.as_deref() == Some("telnet") { ", and `protocol: telnet`" } else { "" };
    Some(wrong(text, "is how ser2net writes it", format!("{help}{telnet}")))
}

fn scheme_in_the_way(text: &str, scheme: &str, host: &str, port: &str) -> AddressError {
    let what = format!("begins with `{scheme}`, which is a protocol and not a host");
    let own = match scheme {
        "telnet" | "telnets" => ", and `protocol: telnet`",
        "rfc2217" => ", and `protocol: telnet` with `rfc2217: true`",
        "raw" | "socket" => ", and `protocol: raw`",
        _ => "",
    };
    let help = if is_port(port) { suggestion(host, port) } else { suggestion(host, "4001") };
    wrong(text, &what, format!("{help}{own}; a machine of that name is written \"{scheme}.:{}\"", shown_port(port)))
}

fn shown_port(port: &str) -> &str {
    if is_port(port) {
        port
    } else {
        "4001"
    }
}

/// What stands here for this host, which may be empty.
fn suggestion(host: &str, port: &str) -> String {
    match host.trim_matches(['[', ']']) {
        "" => format!("write \"*:{port}\" for every address of this machine, or {port} for this machine alone"),
        "localhost" => format!("write {port}, which is this machine alone"),
        "*" | "::" | "0" | "0.0.0.0" => format!("write \"*:{port}\", which is every address of this machine"),
        host if host.contains(':') => format!("write \"[{}]:{port}\"", shown(host)),
        host => format!("write \"{}:{port}\"", shown(host)),
    }
}

fn wrong(text: &str, what: &str, help: String) -> AddressError {
    AddressError::Wrong { what: format!("`{}` {what}", shown(text)), help }
}

fn is_scheme(part: &str) -> bool {
    let part = part.to_ascii_lowercase();
    SCHEMES.contains(&part.as_str()) || UNIX.contains(&part.as_str())
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn without_options(text: &str) -> String {
    let mut depth = 0_usize;
    let outside = |c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 => return Some(c),
            _ => {}
        }
        None
    };
    text.chars().filter_map(outside).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Address;
    use super::*;

    #[test]
    fn spellings_of_other_programs_are_refused_with_what_is_right_here() {
        for (text, right) in [
            ("tcp:2001", "\"*:2001\""),
            ("TCP:2001", "\"*:2001\""),
            ("tcp:localhost:2001", "write 2001, "),
            ("tcp:*:2001", "\"*:2001\""),
            ("tcp://10.0.0.7:2001", "\"10.0.0.7:2001\""),
            ("tcp://[::1]:2001/", "\"[::1]:2001\""),
            ("telnet:2001", "`protocol: telnet`"),
            ("telnet://meter:2001", "\"meter:2001\", and `protocol: telnet`"),
            ("rfc2217://meter:2001", "`rfc2217: true`"),
            ("tls:4001", "\"*:4001\""),
            ("http://meter/", "4001"),
            ("tcp,2001", "\"*:2001\""),
            ("tcp(nodelay),localhost,2001", "write 2001, "),
            ("tcp,10.0.0.7,2001", "\"10.0.0.7:2001\""),
            ("telnet(rfc2217,mode=server),tcp,2001", "`protocol: telnet`"),
            ("localhost,2001", "write 2001, "),
            ("0.0.0.0,2001", "\"*:2001\""),
            ("ipv6,::1,2001", "\"[::1]:2001\""),
            ("unix,/run/x", "unix:/run/x"),
            ("UNIX:/run/x", "unix:/run/x"),
            ("/run/x", "unix:/run/x"),
        ] {
            let Some(AddressError::Wrong { what, help }) = refused(text) else { panic!("{text}") };
            assert!(help.contains(right), "{text}: {what}: {help}");
            assert_eq!(text.parse::<Address>(), Err(AddressError::Wrong { what, help }), "{text}");
        }
        for text in ["tcp.:2001", "tcp.lan:2001", "meter:2001", "tcpserver:1", "localhost:1", "unix:/run/x", "*:1"] {
            assert!(text.parse::<Address>().is_ok(), "{text}");
        }
    }
}
