//! A file as a tree in which every key and value has its place.

use super::source::Place;
use crate::error::shown;

/// A value and where it is written.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) place: Place,
}

/// What is written there. Whether `9600` is a number or a text is for the key to say, so quotes do not matter but to
/// tell `""` from nothing.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Nothing, `~` or `null`.
    Null,
    Scalar(Scalar),
    Seq(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Clone, Debug)]
pub(super) struct Scalar {
    pub(super) text: String,
    pub(super) style: Style,
}

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Quoted,
}

/// A key with its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: Key,
    pub(super) value: Node,
}

/// A key and where it is written.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) text: String,
    pub(super) place: Place,
}

impl Node {
    /// What it is, in a sentence: "… is needed here, not a list".
    pub(super) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Scalar(_) => "a single value",
            Value::Seq(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// `None` for lists, mappings and nothing.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }

    /// Whether it is one of the words, in any case.
    pub(super) fn is_word(&self, words: &[&str]) -> bool {
        self.text().is_some_and(|text| words.iter().any(|word| word.eq_ignore_ascii_case(text)))
    }
}

/// A key's path below another's.
pub(super) fn join(path: &str, key: &str) -> String {
    let key = shown(key);
    if path.is_empty() {
        return key.into_owned();
    }
    format!("{path}.{key}")
}
