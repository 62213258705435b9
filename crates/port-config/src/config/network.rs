//! Who may connect, by address: `allow` and `deny`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::Serialize;

use super::source::Problem;
use super::tree::{Node, Value};
use super::values::{read, text, ValueAt, Wrong};
use crate::error::shown;

/// `allow:` and `deny:` of a listener.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct AccessList {
    /// Who may connect; empty: everybody.
    pub allow: Vec<Network>,
    /// Who may not, whatever `allow` says.
    pub deny: Vec<Network>,
}

impl AccessList {
    /// Whether a peer of this address may connect. An IPv4 address in an IPv6 one (`::ffff:10.0.0.7`) is the IPv4 address.
    pub fn admits(&self, peer: IpAddr) -> bool {
        let is_in = |networks: &[Network]| networks.iter().any(|network| network.contains(peer));
        !is_in(&self.deny) && (self.allow.is_empty() || is_in(&self.allow))
    }
}

/// An address, or all that begin alike: `192.168.1.0/24`, `fd00::/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub struct Network {
    /// Its first address; never an IPv4 address in an IPv6 one.
    first: IpAddr,
    /// Leading bits that its addresses have in common: at most 32, or 128.
    prefix: u32,
}

impl Network {
    /// Whether the address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => ((first.to_bits() ^ address.to_bits()) & self.mask_v4()) == 0,
            (IpAddr::V6(first), IpAddr::V6(address)) => ((first.to_bits() ^ address.to_bits()) & self.mask_v6()) == 0,
            _ => false,
        }
    }

    fn mask_v4(&self) -> u32 {
        u32::MAX.checked_shl(32 - self.prefix).unwrap_or(0)
    }

    fn mask_v6(&self) -> u128 {
        u128::MAX.checked_shl(128 - self.prefix).unwrap_or(0)
    }

    /// The network of this size that the address is in.
    fn around(address: IpAddr, prefix: u32) -> Network {
        let network = Network { first: address, prefix };
        let first = match address {
            IpAddr::V4(address) => IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & network.mask_v4())),
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & network.mask_v6())),
        };
        Network { first, prefix }
    }
}

fn bits(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Network { first, prefix } if *prefix == bits(*first) => write!(f, "{first}"),
            Network { first, prefix } => write!(f, "{first}/{prefix}"),
        }
    }
}

impl From<Network> for String {
    fn from(network: Network) -> String {
        network.to_string()
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| NetworkError::NotAnAddress(shown(text).into_owned()))?;
        let most = bits(address);
        let prefix = match prefix {
            None => most,
            Some(prefix) => {
                let digits = (1..=3).contains(&prefix.len()) && prefix.bytes().all(|byte| byte.is_ascii_digit());
                let number = prefix.parse().ok().filter(|number| digits && *number <= most);
                number.ok_or_else(|| NetworkError::Prefix { prefix: shown(prefix).into_owned(), most })?
            }
        };
        let (address, prefix) = match address.to_canonical() {
            // 96 bits say that it is one (RFC 4291, 2.5.5.2); with less it is no longer about IPv4 alone.
            canonical @ IpAddr::V4(_) if address.is_ipv6() && prefix >= 96 => (canonical, prefix - 96),
            _ => (address, prefix),
        };
        let network = Network::around(address, prefix);
        if network.first != address {
            return Err(NetworkError::InTheMiddle { address, network });
        }
        Ok(network)
    }
}

/// Text that is neither an address nor a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkError {
    /// What stands before the `/` is no IP address.
    NotAnAddress(String),
    /// What stands behind the `/` is no number of bits.
    Prefix {
        /// What stands there.
        prefix: String,
        /// The greatest one.
        most: u32,
    },
    /// Not the network's first address: one address may be meant, or all of them.
    InTheMiddle {
        /// The address that is written.
        address: IpAddr,
        /// The network that it is in.
        network: Network,
    },
}

impl NetworkError {
    fn help(&self) -> String {
        match self {
            NetworkError::NotAnAddress(_) => {
                "write 10.0.0.7, 192.168.1.0/24, \"::1\" or \"fd00::/8\"; names are not looked up".to_owned()
            }
            NetworkError::Prefix { most, .. } => format!("write a whole number from 0 to {most} behind the `/`"),
            NetworkError::InTheMiddle { address, network } => {
                format!("write {network} for the whole network, or {address} for this address alone")
            }
        }
    }
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NetworkError::NotAnAddress(text) => write!(f, "`{text}` is neither an IP address nor a network"),
            NetworkError::Prefix { prefix, .. } => write!(f, "`{prefix}` is not the length of a network's prefix"),
            NetworkError::InTheMiddle { address, network } => {
                write!(f, "{address} is not the first address of {network}")
            }
        }
    }
}

impl std::error::Error for NetworkError {}

/// The list behind `allow` or `deny`; nothing at all is an empty one.
pub(super) fn networks(node: &Node, path: &str, problems: &mut Vec<Problem>) -> Option<ValueAt<Vec<Network>>> {
    let networks = match &node.value {
        Value::Null => Vec::new(),
        Value::Seq(nodes) => {
            let each = nodes.iter().enumerate();
            let network = |(index, node)| read(node, &format!("{path}[{index}]"), problems, network);
            each.filter_map(network).map(|set| set.value).collect()
        }
        _ => {
            let message = format!("a list is needed here, not {}", node.kind());
            problems.push(Problem::new(node.place, path, message).help("write [192.168.1.0/24, \"fd00::/8\"]"));
            return None;
        }
    };
    Some(ValueAt { value: networks, place: node.place, path: path.to_owned() })
}

fn network(node: &Node) -> Result<Network, Wrong> {
    let text = text(node, "192.168.1.0/24 or \"fd00::/8\"")?;
    text.parse().map_err(|error: NetworkError| Wrong::new(error.to_string(), error.help()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(allow: &[&str], deny: &[&str]) -> AccessList {
        let networks = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        AccessList { allow: networks(allow), deny: networks(deny) }
    }

    #[test]
    fn every_form_of_a_network_is_read_and_written_back() {
        for (text, written) in [
            ("10.0.0.7", "10.0.0.7"),
            ("10.0.0.7/32", "10.0.0.7"),
            ("192.168.1.0/24", "192.168.1.0/24"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("::/0", "::/0"),
            ("::1", "::1"),
            ("FD00::/8", "fd00::/8"),
            ("2001:db8::/127", "2001:db8::/127"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:10.0.0.7", "10.0.0.7"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
        ] {
            let network: Network = text.parse().unwrap();
            assert_eq!(network.to_string(), written, "{text}");
            assert_eq!(written.parse(), Ok(network), "{text}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused_with_what_would_be_right() {
        for (text, help) in [
            ("", "10.0.0.7"),
            ("localhost", "not looked up"),
            ("10.0.0", "10.0.0.7"),
            ("10.0.0.7:80", "10.0.0.7"),
            ("fe80::1%eth0", "10.0.0.7"),
            ("10.0.0.0/33", "0 to 32"),
            ("10.0.0.0/", "0 to 32"),
            ("10.0.0.0/+8", "0 to 32"),
            ("10.0.0.0/255.0.0.0", "0 to 32"),
            ("::/129", "0 to 128"),
            ("192.168.1.5/24", "write 192.168.1.0/24 for the whole network, or 192.168.1.5 for"),
            ("fd00::1/8", "write fd00::/8 for"),
            ("::ffff:10.0.0.7/104", "write 10.0.0.0/8 for"),
        ] {
            let error = text.parse::<Network>().unwrap_err();
            assert!(error.help().contains(help), "{text}: {error}: {}", error.help());
        }
    }

    #[test]
    fn a_network_holds_its_first_and_last_address_and_not_their_neighbours() {
        for (network, inside, outside) in [
            ("192.168.1.0/24", ["192.168.1.0", "192.168.1.255"], ["192.168.0.255", "192.168.2.0"]),
            ("10.0.0.7", ["10.0.0.7", "::ffff:10.0.0.7"], ["10.0.0.6", "10.0.0.8"]),
            ("10.0.0.8/31", ["10.0.0.8", "10.0.0.9"], ["10.0.0.7", "10.0.0.10"]),
            ("0.0.0.0/0", ["0.0.0.0", "255.255.255.255"], ["::", "::1"]),
            ("::/0", ["::", "ffff::"], ["1.2.3.4", "::ffff:1.2.3.4"]),
            ("fd00::/8", ["fd00::", "fdff:ffff::1"], ["fcff::", "fe00::"]),
            ("::1", ["::1", "::1"], ["::", "::2"]),
        ] {
            let parsed: Network = network.parse().unwrap();
            assert!(inside.iter().all(|ip| parsed.contains(ip.parse().unwrap())), "{network}");
            assert!(!outside.iter().any(|ip| parsed.contains(ip.parse().unwrap())), "{network}");
        }
    }

    #[test]
    fn deny_goes_before_allow_and_an_empty_allow_is_everybody() {
        let admits = |list: &AccessList, ip: &str| list.admits(ip.parse().unwrap());
        let nothing_said = list(&[], &[]);
        assert!(admits(&nothing_said, "203.0.113.1") && admits(&nothing_said, "2001:db8::1"));
        let all_but = list(&[], &["10.0.0.0/8"]);
        assert!(!admits(&all_but, "10.1.2.3") && admits(&all_but, "11.0.0.0") && admits(&all_but, "::1"));
        assert!(!admits(&all_but, "::ffff:10.1.2.3"), "IPv4, however it came");
        let some_but = list(&["10.0.0.0/8", "fd00::/8"], &["10.0.0.7"]);
        assert!(admits(&some_but, "10.0.0.6") && admits(&some_but, "fd00::1"));
        assert!(!admits(&some_but, "10.0.0.7") && !admits(&some_but, "127.0.0.1") && !admits(&some_but, "::1"));
    }
}
