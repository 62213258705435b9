//! Tests that the shipped file and the man page have every key, with its default and whether it is built.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::config::load::load_str;

const SHIPPED: &str = include_str!("../../../../../config/sermux.yaml");
const MANUAL: &str = include_str!("../../../../../packaging/man/sermux.yaml.5");

/// A key of the example that the shipped file has in its comments, or of what is in force there.
#[derive(Debug)]
struct Shown {
    /// From the left margin, the name of the port among them.
    path: Vec<&'static str>,
    /// Its line as it would be in force, and the remarks below it.
    lines: Vec<&'static str>,
}

const PORT: &str = "router";

impl Shown {
    /// `None` for the name of the port.
    fn key(&self) -> Option<(Section, &'static str)> {
        let (&name, above) = self.path.split_last()?;
        let section = match above.last().copied() {
            _ if name == PORT => return None,
            None => In::Top,
            Some(PORT | "defaults") if KEYS.iter().any(|key| key.section == In::Client && key.name == name) => {
                In::Client
            }
            Some(PORT | "defaults") => In::Port,
            Some(mapping) => KEYS.iter().find(|key| key.name == mapping).and_then(|key| key.shape.section())?,
        };
        Some((section, name))
    }

    /// Of what may also be a mapping the remark has the short form.
    fn has_value(&self, value: &str) -> bool {
        let (key, written) = self.lines[0].split_once(':').expect("a key and its value");
        let written = written.split(" #").next().unwrap_or_default().trim().trim_matches('"');
        written == value || written.is_empty() && self.lines[0].contains(&format!("`{}: {value}`", key.trim()))
    }

    fn is_marked(&self) -> bool {
        self.lines.iter().any(|line| line.contains("Not built yet"))
    }
}

fn shown() -> Vec<Shown> {
    let commented = SHIPPED.find("# log:").expect("the example begins with `log`");
    let in_force = SHIPPED[..commented].lines().filter(|line| !line.starts_with('#'));
    let example = SHIPPED[commented..].lines().filter_map(|line| line.strip_prefix("# "));
    let mut shown: Vec<Shown> = Vec::new();
    let mut above: Vec<(usize, &'static str)> = Vec::new();
    for line in in_force.chain(example) {
        let start = line.len() - line.trim_start_matches([' ', '-']).len();
        let key = line[start..].split_once(':').map(|(key, _)| key).filter(|key| !key.contains([' ', '#']));
        match (key, shown.last_mut()) {
            (Some(key), _) => {
                above.retain(|(outer, _)| *outer < start);
                above.push((start, key));
                shown.push(Shown { path: above.iter().map(|(_, key)| *key).collect(), lines: vec![line] });
            }
            (None, Some(last)) => last.lines.push(line),
            (None, None) => {}
        }
    }
    shown
}

fn row(section: Section, name: &str) -> &'static KnownKey {
    KEYS.iter().find(|key| key.section == section && key.name == name).expect("a key of the table")
}

#[test]
fn every_key_says_what_it_is_for_in_a_line() {
    for key in KEYS {
        assert!((10..160).contains(&key.text.chars().count()), "{}: {}", key.name, key.text);
        assert!(key.text.ends_with(['.', ')']), "{}: {}", key.name, key.text);
    }
}

#[test]
fn the_shipped_file_shows_every_key_with_its_default_and_says_whether_it_is_built() {
    let by_key: BTreeMap<_, _> =
        shown().into_iter().filter_map(|shown| Some((format!("{:?}", shown.key()?), shown))).collect();
    let find = |key: &KnownKey| by_key.get(&format!("{:?}", (key.section, key.name)));
    for key in KEYS {
        let here = find(key).unwrap_or_else(|| panic!("{} of {:?} is not there", key.name, key.section));
        let mapping =
            KEYS.iter().find(|mapping| mapping.shape.section() == Some(key.section) && mapping.name != "defaults");
        let is_marked_above = mapping.and_then(find).is_some_and(Shown::is_marked);
        assert_eq!(key.is_built(), !here.is_marked() && !is_marked_above, "{}: {:#?}", key.name, here.lines);
        if let Some(default) = key.default {
            assert!(here.has_value(default), "{}: the default is {default}: {:#?}", key.name, here.lines);
        }
    }
}

#[test]
fn what_the_shipped_file_shows_as_defaults_are_the_defaults() {
    let (mut text, mut left_out) = (String::new(), None::<Vec<&str>>);
    for shown in
        shown().iter().filter(|shown| !shown.lines[0].starts_with("ports: {}") && !shown.path.starts_with(&["include"]))
    {
        if left_out.as_ref().is_some_and(|path| shown.path.starts_with(path)) {
            continue;
        }
        let is_wanted =
            shown.key().is_none_or(|(section, name)| row(section, name).is_built() && !is_instead(section, name));
        left_out = (!is_wanted).then(|| shown.path.clone());
        if is_wanted {
            text.push_str(shown.lines[0]);
            text.push('\n');
        }
    }
    let config = |text: &str| load_str("sermux.yaml", text).unwrap_or_else(|faults| panic!("{faults}\n{text}")).config;
    let example = config(&text);
    let mut least = config(
        "control: { socket: /run/sermux/control.sock, group: sermux }\nports: { router: { \
         device: /dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A1B2C3D4-if00-port0, signature: sermux, \
         capture: { file: /var/log/sermux/router.log }, listen: [{ protocol: telnet, address: \"*:4001\" }] } }",
    );
    // to say nothing about it leaves it as the driver has it
    Arc::make_mut(least.ports.get_mut(PORT).expect("a port")).line.rs485 = example.ports[PORT].line.rs485;
    assert_eq!(example, least, "{text}");
}

/// What would be there instead of what else is shown, or is no default.
fn is_instead(section: Section, name: &str) -> bool {
    matches!(
        (section, name),
        (In::Top, "http")
            | (In::OnConnect, "reset" | "break" | "send")
            | (In::OnDisconnect, "send")
            | (In::Client, "close-on" | "busy-text")
            | (In::Port, "gather")
            | (In::Port, "usb" | "usb-serial" | "profile")
            | (In::Listener, "line" | "mode" | "owner" | "group")
    )
}

#[test]
fn the_manual_has_every_key_with_its_default_and_says_whether_it_is_built() {
    let items: Vec<&str> = MANUAL.split("\n.It ").collect();
    let mut without = Vec::new();
    for key in KEYS {
        let own: Vec<_> = items.iter().filter(|item| is_about(item, key.name)).collect();
        let is_mentioned = MANUAL.contains(&format!("\n.Ic {}", key.name));
        assert!(!own.is_empty() || is_mentioned, "{} is not in sermux.yaml(5)", key.name);
        if let Some(default) = key.default.filter(|default| !has_default(key, default, &items)) {
            without.push(format!("{} of {:?}: {default}", key.name, key.section));
        }
        // a namesake in another mapping, and what is in a mapping that is not built, says nothing of its own
        if own.len() == 1 && matches!(key.section, In::Top | In::Port | In::Client | In::Listener) {
            let is_marked = own[0].contains(".Em Not built yet");
            assert_eq!(is_marked, !key.is_built(), "{}", key.name);
        }
    }
    assert!(without.is_empty(), "sermux.yaml(5) does not have these defaults: {without:#?}");
}

/// Whether the item of the key has the default, or the item of the mapping that the key stands in.
fn has_default(key: &KnownKey, default: &str, items: &[&str]) -> bool {
    let mapping = KEYS.iter().find(|mapping| mapping.shape.section() == Some(key.section));
    items.iter().filter(|item| item.contains(&format!("Ic {}", key.name))).any(|item| {
        let is_own = is_about(item, key.name) || mapping.is_some_and(|mapping| is_about(item, mapping.name));
        let (_, after) = item.split_once("Default:\n.Li ").unwrap_or_default();
        let after = after.replace("\\(dq", "");
        is_own && after.strip_prefix(default).is_some_and(|after| after.starts_with([' ', '\n']))
    })
}

/// Whether the item of a list begins with the key: `Ic dtr , Ic rts`, and what follows.
fn is_about(item: &str, key: &str) -> bool {
    item.lines().next().unwrap_or_default().split(" , ").any(|word| word.strip_prefix("Ic ") == Some(key))
}
