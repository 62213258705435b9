//! `http:`: where metrics, health and readings are served to other hosts. Nothing there changes the program.

use std::net::IpAddr;

use serde::{Serialize, Serializer};

use super::keys::{find, Role, Section};
use super::layer::{address, entries};
use super::source::{Place, Problem};
use super::tree::{join, Node, Value};
use super::values::{read, text, word, ValueAt, Wrong, FALSE};
use super::Address;
use crate::error::shown;

/// More addresses are a mistake.
const MOST: usize = 16;

/// `http:`
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Http {
    /// Where it listens.
    pub address: Vec<Address>,
    /// What anybody may do there.
    #[serde(skip_serializing_if = "HttpAccess::is_usual")]
    pub access: HttpAccess,
    /// Host names that clients may use for this machine, in lower case, in addition to those in `address` and `localhost`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
}

/// `http: { access: … }`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HttpAccess {
    /// As the address says: what only this machine reaches may be read, and nothing elsewhere. In a file: the key is left out.
    #[default]
    Usual,
    /// Nothing.
    None,
    /// See everything, and change nothing.
    ReadOnly,
}

impl HttpAccess {
    fn is_usual(&self) -> bool {
        *self == HttpAccess::Usual
    }
}

impl Http {
    /// Whether anybody may read what is served at this address.
    pub fn is_open_at(&self, address: &Address) -> bool {
        match self.access {
            HttpAccess::ReadOnly => true,
            HttpAccess::None => false,
            HttpAccess::Usual => match address {
                Address::Localhost { .. } => true,
                Address::Host { host, .. } => host.parse().is_ok_and(|ip: IpAddr| ip.to_canonical().is_loopback()),
                Address::Any { .. } | Address::Unix { .. } => false,
            },
        }
    }
}

/// For serde's `serialize_with`: `None` is `off`.
pub(super) fn http_or_off<S: Serializer>(http: &Option<Http>, serializer: S) -> Result<S::Ok, S::Error> {
    match http {
        Some(http) => http.serialize(serializer),
        None => serializer.serialize_str("off"),
    }
}

/// The section as it is written, with the places of its addresses; `None` is `off`.
pub(super) fn http(
    node: &Node,
    path: &str,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) -> Option<(Http, Vec<ValueAt<Address>>)> {
    if node.is_word(FALSE) {
        return None;
    }
    let before = problems.len();
    let (mut addresses, mut access, mut names) = (Vec::new(), HttpAccess::default(), Vec::new());
    for entry in entries(node, path, "`off`, or { address: \"127.0.0.1:8217\" }", problems) {
        let path = join(path, &entry.key.text);
        let value = &entry.value;
        let Some(key) = find(Role::Inside(Section::Http), entry, &path, problems) else { continue };
        match key.name {
            "address" => addresses = each(value, &path, problems, tcp),
            "access" => {
                let words = [("none", HttpAccess::None), ("read-only", HttpAccess::ReadOnly)];
                let later = ["read-write", "control"];
                access =
                    read(value, &path, problems, |node| word(node, &words, &later)).map_or(access, |set| set.value);
            }
            _ => names = each(value, &path, problems, name).into_iter().map(|set| set.value).collect(),
        }
    }
    if addresses.is_empty() && problems.len() == before {
        let problem = Problem::new(node.place, path, "there is no `address`");
        problems.push(problem.help("write { address: \"127.0.0.1:8217\" }, or off"));
    }
    if addresses.len() > MOST {
        problems
            .push(Problem::new(node.place, path, format!("there are more than {MOST} addresses")).help("write fewer"));
        addresses.truncate(MOST);
    }
    let http = Http { address: addresses.iter().map(|set| set.value.clone()).collect(), access, names };
    if access == HttpAccess::Usual {
        for closed in addresses.iter().filter(|set| !http.is_open_at(&set.value)) {
            let message = format!("`{}` refuses every request, because other hosts can reach it", closed.value);
            warnings.push(Problem::new(closed.place, &closed.path, message).help(
                "write `access: read-only` if everyone who can reach it may see the ports and what their lines carry",
            ));
        }
    }
    Some((http, addresses))
}

/// One value, or a list of them.
fn each<T>(
    node: &Node,
    path: &str,
    problems: &mut Vec<Problem>,
    one: fn(&Node) -> Result<T, Wrong>,
) -> Vec<ValueAt<T>> {
    match &node.value {
        Value::Seq(nodes) => {
            let each = nodes.iter().enumerate();
            each.filter_map(|(index, node)| read(node, &format!("{path}[{index}]"), problems, one)).collect()
        }
        _ => read(node, path, problems, one).into_iter().collect(),
    }
}

fn tcp(node: &Node) -> Result<Address, Wrong> {
    match address(node)? {
        Address::Unix { .. } => Err(Wrong::new(
            "a unix socket is not possible here",
            "write a TCP address such as \"127.0.0.1:8217\"; the control socket is a unix socket that answers the same",
        )),
        address => Ok(address),
    }
}

fn name(node: &Node) -> Result<String, Wrong> {
    let written = text(node, "meter.home.arpa")?;
    let name = written.trim_end_matches('.').to_ascii_lowercase();
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    if name.len() <= 253 && name.split('.').all(is_label) {
        return Ok(name);
    }
    let message = format!("`{}` is not the name of a host", shown(written));
    Err(Wrong::new(message, "write the name that stands in the browser's address, without a port: meter.home.arpa"))
}

/// What takes an address of `http` away from it: another of its own, or a listener of a port.
pub(super) fn overlaps(
    written: &[ValueAt<Address>],
    listeners: &[(&Address, Place, &str)],
    problems: &mut Vec<Problem>,
) {
    for (index, set) in written.iter().enumerate() {
        let before = written[..index].iter().map(|set| (&set.value, set.place, set.path.as_str()));
        let mut others = before.chain(listeners.iter().copied());
        if let Some((other, place, path)) = others.find(|(other, ..)| set.value.overlaps(other)) {
            let message = if *other == set.value {
                format!("`{other}` is taken by {path}")
            } else {
                format!("`{}` overlaps with `{other}` of {path}", set.value)
            };
            let problem = Problem::new(set.place, &set.path, message).note("it is at", place);
            problems.push(problem.help("give each a port number of its own"));
        }
    }
}
