//! Which addresses of this machine a listener's address covers, and whether two listeners overlap.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

/// What an address stands for, whatever its port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::config) enum Reach {
    All,
    /// 127.0.0.1 and ::1.
    Loopbacks,
    One(IpAddr),
    Name(String),
    File(PathBuf),
}

impl Reach {
    /// Whether they have an address in common, as far as the text tells.
    pub(in crate::config) fn meets(&self, other: &Reach) -> bool {
        match (self, other) {
            (Reach::File(a), Reach::File(b)) => a == b,
            (Reach::File(_), _) | (_, Reach::File(_)) => false,
            (Reach::All, _) | (_, Reach::All) => true,
            (Reach::One(a), Reach::One(b)) => {
                a == b || (a.is_ipv4() == b.is_ipv4() && (a.is_unspecified() || b.is_unspecified()))
            }
            (Reach::Loopbacks, Reach::Loopbacks) => true,
            (Reach::Loopbacks, Reach::One(ip)) | (Reach::One(ip), Reach::Loopbacks) => {
                ip.is_unspecified() || *ip == Ipv4Addr::LOCALHOST || *ip == Ipv6Addr::LOCALHOST
            }
            (Reach::Loopbacks, Reach::Name(_)) | (Reach::Name(_), Reach::Loopbacks) => false,
            // a name can be any address, so it meets every wildcard
            (Reach::Name(a), Reach::Name(b)) => a == b,
            (Reach::Name(_), Reach::One(ip)) | (Reach::One(ip), Reach::Name(_)) => ip.is_unspecified(),
        }
    }

    /// What it is found by: there may be thousands of addresses, and each must not be held against each other.
    pub(in crate::config) fn traits(&self) -> [Trait; 3] {
        let kind = match self {
            Reach::All => Kind::All,
            Reach::Loopbacks => Kind::Loopbacks,
            Reach::One(IpAddr::V4(_)) => Kind::V4,
            Reach::One(IpAddr::V6(_)) => Kind::V6,
            Reach::Name(_) => Kind::Name,
            Reach::File(_) => Kind::File,
        };
        [Trait::Itself(self.clone()), Trait::Of(kind), Trait::Every(kind == Kind::File)]
    }

    /// The traits of which whatever [meets](Reach::meets) it has one, and nothing else has.
    pub(in crate::config) fn met_by(&self) -> Vec<Trait> {
        const UNSPECIFIED: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
        const LOCALHOST: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        let one = |ip: IpAddr| Trait::Itself(Reach::One(ip));
        let mut traits = vec![Trait::Itself(self.clone()), Trait::Of(Kind::All)];
        match self {
            Reach::All => traits.push(Trait::Every(false)),
            Reach::File(_) => return vec![Trait::Itself(self.clone())],
            Reach::Loopbacks => traits.extend(UNSPECIFIED.into_iter().chain(LOCALHOST).map(one)),
            Reach::Name(_) => traits.extend(UNSPECIFIED.map(one)),
            Reach::One(ip) => {
                if ip.is_unspecified() {
                    let family = if ip.is_ipv4() { Kind::V4 } else { Kind::V6 };
                    traits.extend([family, Kind::Name, Kind::Loopbacks].map(Trait::Of));
                } else {
                    traits.extend(UNSPECIFIED.into_iter().filter(|any| any.is_ipv4() == ip.is_ipv4()).map(one));
                    traits.extend(LOCALHOST.contains(ip).then_some(Trait::Of(Kind::Loopbacks)));
                }
            }
        }
        traits
    }
}

/// What a [`Reach`] may be found by.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(in crate::config) enum Trait {
    Itself(Reach),
    Of(Kind),
    /// All that are files, or all that are not.
    Every(bool),
}

/// The kinds of [`Reach`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::config) enum Kind {
    All,
    Loopbacks,
    V4,
    V6,
    Name,
    File,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_meets_an_address_is_what_is_found_by_its_traits() {
        let one = |ip: &str| Reach::One(ip.parse().unwrap());
        let name = |name: &str| Reach::Name(name.to_owned());
        let file = |path: &str| Reach::File(path.into());
        let mut all = vec![Reach::All, Reach::Loopbacks, name("a"), name("b"), file("/a"), file("/b")];
        all.extend(["0.0.0.0", "127.0.0.1", "127.0.0.2", "10.0.0.1", "::", "::1", "fe80::1"].map(one));
        for a in &all {
            for b in &all {
                let found = b.met_by().iter().any(|wanted| a.traits().contains(wanted));
                assert_eq!(found, a.meets(b), "{a:?} and {b:?}");
            }
        }
    }
}
