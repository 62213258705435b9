//! The text format of Prometheus (version 0.0.4): families of samples, each family in one piece.

use std::fmt::{Display, Write as _};

/// What the samples of a family are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MetricKind {
    /// It only grows, until the program or the port starts again.
    Counter,
    Gauge,
}

/// A text that grows by families.
#[derive(Debug, Default)]
pub(super) struct Exposition(String);

/// A family to which samples are added. One without samples does not appear.
pub(super) struct MetricFamily<'a> {
    text: &'a mut String,
    name: &'a str,
    kind: MetricKind,
    help: &'a str,
    is_begun: bool,
}

impl Exposition {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self(String::with_capacity(bytes))
    }

    /// `help` is a sentence in one line.
    pub(super) fn family<'a>(&'a mut self, name: &'a str, kind: MetricKind, help: &'a str) -> MetricFamily<'a> {
        MetricFamily { text: &mut self.0, name, kind, help, is_begun: false }
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }
}

impl MetricFamily<'_> {
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        if !std::mem::replace(&mut self.is_begun, true) {
            let Self { name, help, .. } = *self;
            let kind = match self.kind {
                MetricKind::Counter => "counter",
                MetricKind::Gauge => "gauge",
            };
            // Nothing is written but memory.
            let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        }
        self.text.push_str(self.name);
        for (index, (label, value)) in labels.iter().enumerate() {
            self.text.push(if index == 0 { '{' } else { ',' });
            self.text.push_str(label);
            self.text.push_str("=\"");
            escape(value, self.text);
            self.text.push('"');
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }
}

fn escape(value: &str, text: &mut String) {
    if !value.contains(['\\', '"', '\n']) {
        text.push_str(value);
        return;
    }
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            c => text.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_begins_with_its_first_sample_and_labels_are_escaped() {
        let mut text = Exposition::default();
        text.family("a_total", MetricKind::Counter, "None.");
        let mut family = text.family("b", MetricKind::Gauge, "Some.");
        family.sample(&[], 1);
        family.sample(&[("port", "p"), ("at", "unix:/a\"b\\c\n")], 0.5);
        let expected = "# HELP b Some.\n# TYPE b gauge\nb 1\nb{port=\"p\",at=\"unix:/a\\\"b\\\\c\\n\"} 0.5\n";
        assert_eq!(text.into_text(), expected);
    }
}
