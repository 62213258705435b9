//! Ports as a person writes them: what differs from the defaults, in short forms, with comments.

use std::fmt::Write as _;

use crate::config::source::Place;

/// A port of sermux.yaml.
#[derive(Debug)]
pub(super) struct NativePort {
    pub(super) name: String,
    /// Of the connection that it was.
    pub(super) place: Place,
    pub(super) comments: Vec<String>,
    pub(super) keys: NativeKeys,
    pub(super) listeners: Vec<NativeListener>,
}

/// An entry of `listen`.
#[derive(Debug)]
pub(super) struct NativeListener {
    pub(super) comments: Vec<String>,
    pub(super) keys: NativeKeys,
}

/// In their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NativeKeys(pub(super) Vec<(&'static str, NativeValue)>);

impl NativeKeys {
    pub(super) fn add(&mut self, key: &'static str, value: NativeValue) {
        self.0.push((key, value));
    }

    pub(super) fn value(&self, key: &str) -> Option<&NativeValue> {
        self.0.iter().find(|(name, _)| *name == key).map(|(_, value)| value)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NativeValue {
    /// What needs no quotes: a number, a word, `9600 8N1`.
    Plain(String),
    /// Any text.
    Text(String),
    List(Vec<NativeValue>),
    Map(NativeKeys),
}

impl NativeValue {
    pub(super) fn plain(text: impl Into<String>) -> NativeValue {
        NativeValue::Plain(text.into())
    }

    pub(super) fn text(text: impl Into<String>) -> NativeValue {
        NativeValue::Text(text.into())
    }
}

/// The widest line with `{ … }`.
const WIDEST: usize = 110;

/// A whole file.
pub(super) fn write(ports: &[NativePort]) -> String {
    if ports.is_empty() {
        return "ports: {}\n".to_owned();
    }
    let mut yaml = "ports:\n".to_owned();
    for port in ports {
        comments(&mut yaml, 2, &port.comments);
        let _ = writeln!(yaml, "  {}:", port.name);
        for (key, value) in &port.keys.0 {
            entry(&mut yaml, 4, key, value);
        }
        if port.listeners.is_empty() {
            yaml.push_str("    listen: []\n");
            continue;
        }
        yaml.push_str("    listen:\n");
        for listener in &port.listeners {
            comments(&mut yaml, 6, &listener.comments);
            let line = format!("      - {}", inline(&NativeValue::Map(listener.keys.clone())));
            if line.chars().count() <= WIDEST {
                yaml.push_str(&line);
                yaml.push('\n');
                continue;
            }
            let mut lead = "      - ";
            for (key, value) in &listener.keys.0 {
                let _ = writeln!(yaml, "{lead}{key}: {}", inline(value));
                lead = "        ";
            }
        }
    }
    yaml
}

/// In one line if that is not too wide.
fn entry(yaml: &mut String, indent: usize, key: &str, value: &NativeValue) {
    let line = format!("{:indent$}{key}: {}", "", inline(value));
    match value {
        NativeValue::Map(keys) if line.chars().count() > WIDEST => {
            let _ = writeln!(yaml, "{:indent$}{key}:", "");
            keys.0.iter().for_each(|(key, value)| entry(yaml, indent + 2, key, value));
        }
        _ => {
            yaml.push_str(&line);
            yaml.push('\n');
        }
    }
}

fn comments(yaml: &mut String, indent: usize, comments: &[String]) {
    for comment in comments {
        let _ = writeln!(yaml, "{:indent$}# {comment}", "");
    }
}

pub(super) fn inline(value: &NativeValue) -> String {
    match value {
        NativeValue::Plain(text) => text.clone(),
        NativeValue::Text(text) => quoted(text),
        NativeValue::List(values) => format!("[{}]", values.iter().map(inline).collect::<Vec<_>>().join(", ")),
        NativeValue::Map(keys) => {
            let pair = |(key, value): &(&str, NativeValue)| format!("{key}: {}", inline(value));
            format!("{{ {} }}", keys.0.iter().map(pair).collect::<Vec<_>>().join(", "))
        }
    }
}

/// Without quotes where none are needed, in single ones where backslashes stay what they are.
fn quoted(text: &str) -> String {
    let is_word = !text.is_empty()
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | ':' | '@'))
        && !text.ends_with(':')
        && !["true", "false", "yes", "no", "on", "off", "null", "y", "n"]
            .iter()
            .any(|word| word.eq_ignore_ascii_case(text));
    if is_word {
        return text.to_owned();
    }
    if text.chars().any(crate::is_unprintable) {
        let mut quoted = "\"".to_owned();
        for c in text.chars() {
            match c {
                '"' | '\\' => quoted.extend(['\\', c]),
                c if crate::is_unprintable(c) && u32::from(c) <= 0xffff => {
                    let _ = write!(quoted, "\\u{:04x}", u32::from(c));
                }
                c if crate::is_unprintable(c) => {
                    let _ = write!(quoted, "\\U{:08x}", u32::from(c));
                }
                c => quoted.push(c),
            }
        }
        quoted.push('"');
        return quoted;
    }
    if text.contains(['\\', '"']) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    format!("\"{text}\"")
}
