//! Which key an entry of the file is, and what is reported when it is none: a misspelt key, a key in the wrong place, a key
//! that is not built yet. The keys themselves are the rows of [`table`].
//!
//! A key that is not built yet is refused by name, never ignored, unless its value is what the program does anyway.

pub(super) mod table;

use self::table::{KnownKey, Status, KEYS};
use super::source::Problem;
use super::syntax::split_key;
use super::tree::{join, Entry, Key, Value};
use crate::error::WORTH_SHOWING;

/// A mapping of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Top,
    Control,
    Http,
    Log,
    Port,
    /// What concerns clients: on a port or on a listener.
    Client,
    Expect,
    Gather,
    Line,
    Rs485,
    Modem,
    OnConnect,
    OnDisconnect,
    Keepalive,
    Listener,
    Tls,
    Capture,
    Limits,
}

/// Where a mapping of the file is, which says what it may contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The whole of the file that was asked for.
    Main,
    /// The whole of an included file.
    Included,
    /// A port.
    Port,
    /// A port's keys without what makes it that port.
    Defaults,
    /// An entry of `listen`.
    Listener,
    /// Any other.
    Inside(Section),
}

use Section as In;
/// Words of other programs, and words that lie near.
const OTHER_WORDS: &[(&str, &str)] = &[
    ("connection", "`connection` is ser2net's word: here each entry of `ports` is one"),
    ("connections", "write `ports`"),
    ("accepter", "write `listen: [{ protocol: raw, address: \"*:4001\" }]`"),
    ("connector", "write `device: /dev/…`"),
    ("speed", "the speed is `baud`, under `line`"),
    ("baudrate", "the speed is `baud`, under `line`"),
    ("baud-rate", "the speed is `baud`, under `line`"),
    ("bytesize", "write `data-bits`, under `line`"),
    ("tty", "write `device: /dev/…`"),
    ("path", "write `device: /dev/…`"),
    ("host", "write `address: \"host:port\"`"),
    ("bind", "write `address: \"host:port\"`"),
    ("port", "write `address: 4001` or `address: \"*:4001\"` on an entry of `listen`"),
    ("readonly", "write `access: read-only`"),
    ("read-only", "write `access: read-only`"),
    ("name", "a port's name is its key under `ports`"),
    ("raw", "write `protocol: raw` and `address: 4001` on an entry of `listen`"),
    ("telnet", "write `protocol: telnet` and `address: 4001` on an entry of `listen`"),
    ("tcp", "write `protocol: raw` and `address: 4001` on an entry of `listen`"),
    ("unix", "write `protocol: raw` and `address: unix:/run/sermux/NAME.sock` on an entry of `listen`"),
    ("rtscts", "write `flow-control: rts-cts`, under `line`"),
    ("xonxoff", "write `flow-control: xon-xoff`, under `line`"),
    ("dsrdtr", "write `flow-control: dtr-dsr`, under `line`"),
    ("options", "write the keys on the port itself"),
    ("max-connections", "write `max-clients`, on a port or on an entry of its `listen`"),
    ("kickolduser", "write `when-full: kick-oldest`; `max-clients` allows more than one client"),
    ("timeout", "`idle-timeout` disconnects a client after so much silence"),
    ("chardelay", "write `gather: 5ms`: received bytes are held for that time, to be sent in one piece"),
    ("telnet-brk-on-sync", "write `break-on-sync`"),
];

impl Section {
    /// Where its keys belong.
    fn whereabouts(self) -> &'static str {
        match self {
            In::Top => "at the left margin of the file",
            In::Control => "under `control`",
            In::Http => "under `http`",
            In::Log => "under `log`",
            In::Port => "on a port",
            In::Client => "on a port or on an entry of its `listen`",
            In::Gather => "under `gather`",
            In::Expect => "under `expect`",
            In::Line => "under `line`",
            In::Rs485 => "under `rs485`",
            In::Modem => "under `modem`",
            In::OnConnect => "under `on-connect`",
            In::OnDisconnect => "under `on-disconnect`",
            In::Keepalive => "under `keepalive`",
            In::Listener => "on an entry of `listen`",
            In::Tls => "under `tls`",
            In::Capture => "under `capture`",
            In::Limits => "under `limits`",
        }
    }
}

impl Role {
    fn allows(self, key: &KnownKey) -> bool {
        match self {
            Role::Main => key.section == In::Top,
            Role::Included => key.section == In::Top && matches!(key.name, "ports" | "defaults"),
            Role::Port => matches!(key.section, In::Port | In::Client),
            Role::Defaults => Role::Port.allows(key) && !matches!(key.name, "device" | "usb" | "usb-serial" | "listen"),
            Role::Listener => matches!(key.section, In::Listener | In::Client),
            Role::Inside(section) => key.section == section,
        }
    }

    fn names(self) -> impl Iterator<Item = &'static str> {
        rows(self).map(|key| key.name)
    }
}

/// The built key that the entry is; what is unknown, in the wrong place or not built yet is a problem instead.
///
/// `path` is that of the entry itself.
pub(super) fn find(role: Role, entry: &Entry, path: &str, problems: &mut Vec<Problem>) -> Option<&'static KnownKey> {
    let Some(key) = KEYS.iter().find(|key| key.name == entry.key.text && role.allows(key)) else {
        put_unknown(role, &entry.key, path, problems);
        return None;
    };
    if let Status::Built = key.status {
        return Some(key);
    }
    let message = format!("`{}` is not built yet in this version", key.name);
    problems.push(Problem::new(entry.key.place, path, message).help("remove the key"));
    if let (Some(section), Value::Map(entries)) = (key.shape.section(), &entry.value.value) {
        check_names(section, entries, path, problems);
    }
    None
}

/// Unknown keys in what is not built yet: better said now than by the version that builds it.
fn check_names(section: Section, entries: &[Entry], path: &str, problems: &mut Vec<Problem>) {
    let role = Role::Inside(section);
    for entry in entries.iter().filter(|entry| !role.names().any(|name| name == entry.key.text)) {
        put_unknown(role, &entry.key, &join(path, &entry.key.text), problems);
    }
}

/// To look for what was meant takes time, and nobody reads thousands of proposals.
fn put_unknown(role: Role, key: &Key, path: &str, problems: &mut Vec<Problem>) {
    problems.push(if problems.len() < WORTH_SHOWING {
        unknown(role, key, path)
    } else {
        Problem::new(key.place, path, "unknown key")
    });
}

fn unknown(role: Role, key: &Key, path: &str) -> Problem {
    let name = key.text.as_str();
    let here: Vec<&str> = role.names().collect();
    // Among the keys of a port or a listener, none of `http` is meant.
    let is_meant = |key: &&KnownKey| key.section != In::Http || matches!(role, Role::Main | Role::Inside(_));
    let elsewhere: Vec<&KnownKey> = KEYS.iter().filter(|key| !role.allows(key)).filter(is_meant).collect();
    if let Some(refused) = refused_here(role, name) {
        return Problem::new(key.place, path, refused.0).help(refused.1);
    }
    if let Some(help) = split_key(name) {
        return Problem::new(key.place, path, "a space is missing after the colon").help(help);
    }
    let problem = Problem::new(key.place, path, "unknown key");
    if let Some(near) = nearest(name, here.iter().copied()) {
        return problem.help(format!("did you mean `{near}`?"));
    }
    if elsewhere.iter().any(|key| key.name == name) {
        return problem.help(format!("`{name}` belongs {}", whereabouts(name, &elsewhere)));
    }
    let other = nearest(name, OTHER_WORDS.iter().map(|(word, _)| *word));
    if let Some((_, help)) = OTHER_WORDS.iter().find(|(word, _)| Some(*word) == other) {
        return problem.help(*help);
    }
    if let Some(near) = nearest(name, elsewhere.iter().map(|key| key.name)) {
        return problem.help(format!("did you mean `{near}`? It belongs {}", whereabouts(near, &elsewhere)));
    }
    let built: Vec<&str> = rows(role).filter(|key| key.is_built()).map(|key| key.name).collect();
    let names = if built.is_empty() { here } else { built };
    problem.help(format!("the keys here are {}", names.join(", ")))
}

/// The rows of the keys that may stand there.
pub(super) fn rows(role: Role) -> impl Iterator<Item = &'static KnownKey> {
    KEYS.iter().filter(move |key| role.allows(key))
}

/// The row of a key of the whole program by its path, such as `log.level`.
pub(super) fn at(path: &str) -> Option<&'static KnownKey> {
    let (role, name) = match path.rsplit_once('.') {
        Some((above, name)) => (Role::Inside(at(above)?.shape.section()?), name),
        None => (Role::Main, path),
    };
    rows(role).find(|key| key.name == name)
}

/// Whether this version does what a key says that stands there.
pub(crate) fn is_built(section: Section, name: &str) -> bool {
    KEYS.iter().any(|key| key.section == section && key.name == name && key.is_built())
}

/// Whether there is such a key anywhere.
pub(super) fn is_known(name: &str) -> bool {
    KEYS.iter().any(|key| key.name == name)
}

/// Whether it is a key of this role, built or not.
pub(super) fn is_key(role: Role, name: &str) -> bool {
    role.names().any(|known| known == name)
}

/// The keys of this role that a mapping has, right or with a slip of the finger. Of a mapping that is something else
/// altogether, the first hundred.
pub(super) fn meant_by(role: Role, entries: &[Entry]) -> Vec<String> {
    entries.iter().take(WORTH_SHOWING).map(|entry| meant(role, &entry.key.text).to_owned()).collect()
}

fn meant(role: Role, name: &str) -> &str {
    let name = name.split(':').next().unwrap_or(name);
    let known = |known: &&str| *known == name;
    role.names().find(known).or_else(|| nearest(name, role.names())).unwrap_or(name)
}

/// All places of a key; those that are built, if one is.
fn whereabouts(name: &str, keys: &[&KnownKey]) -> String {
    let named = || keys.iter().filter(|key| key.name == name);
    let built: Vec<&str> = named().filter(|key| key.is_built()).map(|key| key.section.whereabouts()).collect();
    let places = if built.is_empty() { named().map(|key| key.section.whereabouts()).collect() } else { built };
    places.join(" or ")
}

/// Keys that would make sense and are not wanted there.
fn refused_here(role: Role, name: &str) -> Option<(String, &'static str)> {
    match role {
        Role::Included if name == "include" => Some((
            "an included file cannot include others".to_owned(),
            "name all the files in the `include` of the main file; it takes a list, too",
        )),
        Role::Included if Role::Main.names().any(|known| known == name) => Some((
            format!("`{name}` belongs in the main file"),
            "an included file has `ports` and may have `defaults` for them",
        )),
        Role::Defaults if matches!(name, "device" | "usb" | "usb-serial" | "listen") => {
            Some((format!("`{name}` cannot be a default"), "every port has its own: write it on the port"))
        }
        _ => None,
    }
}

/// The known word that was probably meant.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // a word of this length is no slip of the finger, and comparing costs its square
    if word.len() > 64 {
        return None;
    }
    let plain = kebab(word);
    let squeezed = |text: &str| text.replace('-', "");
    known
        .map(|candidate| {
            let distance = if squeezed(candidate) == squeezed(&plain) {
                0
            } else {
                strsim::damerau_levenshtein(&plain, candidate)
            };
            (distance, candidate)
        })
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 3).clamp(1, 3) && *distance < plain.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// [`nearest`] for names that have a beginning in common: `dsmr` for `dsmr-p1`.
pub(crate) fn nearest_or_longer<'a>(word: &str, known: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    nearest(word, known.clone()).or_else(|| known.into_iter().find(|known| word.len() > 2 && known.starts_with(word)))
}

/// `maxClients`, `MAX_CLIENTS` and `Max-Clients` as `max-clients`.
fn kebab(word: &str) -> String {
    let mut kebab = String::with_capacity(word.len() + 4);
    let mut after_lower = false;
    for c in word.chars() {
        if c.is_ascii_uppercase() && after_lower {
            kebab.push('-');
        }
        after_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
        kebab.push(if c == '_' || c == ' ' { '-' } else { c.to_ascii_lowercase() });
    }
    kebab
}

#[cfg(test)]
mod documented;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_twice_in_the_same_mapping() {
        let roles = [Role::Main, Role::Included, Role::Port, Role::Defaults, Role::Listener];
        for role in roles {
            let mut names: Vec<_> = role.names().collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count, "{role:?}");
        }
    }

    #[test]
    fn a_slip_of_the_finger_is_recognised() {
        let known = || Role::Port.names();
        for (word, meant) in [
            ("max-client", Some("max-clients")),
            ("maxClients", Some("max-clients")),
            ("MAX_CLIENTS", Some("max-clients")),
            ("maxclients", Some("max-clients")),
            ("lsiten", Some("listen")),
            ("devcie", Some("device")),
            ("on_lag", Some("on-lag")),
            ("baud", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known()), meant, "{word}");
        }
    }
}
