//! `default:` values for the connections below it that do not set their own: for one kind of gensio (its class), or for all.

use std::collections::BTreeMap;

use super::yaml::PlacedText;

/// In force at a line of the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Ser2netDefaults(BTreeMap<(Option<String>, String), PlacedText>);

impl Ser2netDefaults {
    pub(super) fn set(&mut self, class: Option<&str>, name: &str, value: PlacedText) {
        self.0.insert((class.map(spelt), spelt(name)), value);
    }

    /// Whether there was one.
    pub(super) fn delete(&mut self, class: &str, name: &str) -> bool {
        self.0.remove(&(Some(spelt(class)), spelt(name))).is_some()
    }

    /// The class goes before what is for all.
    pub(super) fn value(&self, class: &str, name: &str) -> Option<&PlacedText> {
        self.0.get(&(Some(class.to_owned()), name.to_owned())).or_else(|| self.0.get(&(None, name.to_owned())))
    }

    /// What connectors of this class have, by name.
    pub(super) fn of<'a>(&'a self, class: &'a str) -> impl Iterator<Item = (&'a str, &'a PlacedText)> + 'a {
        let names: std::collections::BTreeSet<&str> = self
            .0
            .keys()
            .filter(move |(of, _)| of.as_deref().is_none_or(|of| of == class))
            .map(|(_, name)| name.as_str())
            .collect();
        names.into_iter().filter_map(move |name| Some((name, self.value(class, name)?)))
    }
}

fn spelt(word: &str) -> String {
    word.trim().to_ascii_lowercase().replace('_', "-")
}
