//! YAML events to the tree. The YAML reader that is used here appears nowhere else.
//!
//! Understood: YAML 1.2 and JSON, anchors, aliases, and the merge key `<<` of YAML 1.1. Everything is bounded before it is
//! built: the depth, and the number of values that aliases add up to.

#![allow(clippy::result_large_err, reason = "a file has at most one problem that ends its reading")]

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use super::source::{Place, Problem};
use super::syntax;
use super::tree::{join, Entry, Key, Node, Scalar, Style, Value};
use crate::error::shown;

/// The tree of a file, `None` when it is empty or cannot be read as YAML, and what is wrong with it.
pub(super) fn parse(file: usize, text: &str) -> (Option<Node>, Vec<Problem>) {
    if let Some(problem) = control_character(file, text) {
        return (None, vec![problem]);
    }
    let mut builder = Builder::new(file);
    if let Err(problem) = builder.read(text) {
        builder.problems.push(problem);
        return (None, builder.problems);
    }
    (builder.root, builder.problems)
}

pub(crate) fn syntax_fault(file: usize, text: &str, error: &ScanError) -> Problem {
    let marker = error.marker();
    let place = Place { file, line: marker.line().max(1), column: marker.col() + 1, width: 1 };
    if error.info().contains("recursion limit") {
        return Problem::new(place, "", TOO_DEEP);
    }
    syntax::explain(text, place, error.info())
}

/// Deeper than any configuration, and shallow enough for a small stack.
const MAX_DEPTH: usize = 64;

pub(crate) const TOO_DEEP: &str = "lists and mappings stand more than 64 deep in each other";

/// Values of one file with its aliases written out; 10,000 ports with a listener each are 110,000.
const MAX_NODES: usize = 250_000;

struct Builder {
    file: usize,
    stack: Vec<OpenNode>,
    anchors: HashMap<usize, Built>,
    nodes: usize,
    root: Option<Node>,
    documents: usize,
    problems: Vec<Problem>,
}

/// A node with what the bounds need to know of it.
#[derive(Clone)]
struct Built {
    node: Node,
    /// Values in it, itself included.
    size: usize,
    /// Levels below it.
    height: usize,
}

/// A list or mapping that is not complete yet.
struct OpenNode {
    place: Place,
    anchor: usize,
    size: usize,
    height: usize,
    items: Items,
}

enum Items {
    Seq(Vec<Node>),
    Map { entries: Vec<Entry>, seen: HashMap<String, Place>, merged: Vec<Node>, key: Option<(Key, Style)> },
}

impl Builder {
    fn new(file: usize) -> Builder {
        Builder {
            file,
            stack: Vec::new(),
            anchors: HashMap::new(),
            nodes: 0,
            root: None,
            documents: 0,
            problems: Vec::new(),
        }
    }

    fn read(&mut self, text: &str) -> Result<(), Problem> {
        for event in Parser::new_from_str(text) {
            let (event, span) = event.map_err(|error| syntax_fault(self.file, text, &error))?;
            self.event(event, span)?;
        }
        Ok(())
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        let place = self.place(span);
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Problem::new(place, "", "a second document begins here")
                        .help("a file holds one document: remove the `---`, or put the rest into a file of its own"));
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.check_tag(tag.is_some_and(|tag| !tag.is_yaml_core_schema()), place)?;
                let style = if style == ScalarStyle::Plain { Style::Plain } else { Style::Quoted };
                let text = match curly_quoted(&text).filter(|_| style == Style::Plain) {
                    Some(inside) => {
                        self.problems.push(
                            Problem::new(place, self.path(), "curly quotes do not quote a value in YAML").help(
                                format!("write \"{}\"; word processors and web pages make quotes curly", shown(inside)),
                            ),
                        );
                        inside.to_owned()
                    }
                    None => text.into_owned(),
                };
                let value = Value::Scalar(Scalar { text, style });
                let node = Node { value, place };
                self.count(1, place)?;
                self.complete(Built { node, size: 1, height: 0 }, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.check_tag(tag.is_some_and(|tag| !tag.is_yaml_core_schema()), place)?;
                self.open(Items::Seq(Vec::new()), anchor, place)
            }
            Event::MappingStart(anchor, tag) => {
                self.check_tag(tag.is_some_and(|tag| !tag.is_yaml_core_schema()), place)?;
                let items = Items::Map { entries: Vec::new(), seen: HashMap::new(), merged: Vec::new(), key: None };
                self.open(items, anchor, place)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(anchor) => {
                let Some(mut built) = self.anchors.get(&anchor).cloned() else {
                    return Err(Problem::new(place, self.path(), "this alias stands inside of what it repeats"));
                };
                built.node.place = place;
                self.check_depth(built.height, place)?;
                self.count(built.size, place)?;
                self.complete(built, 0)
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn open(&mut self, items: Items, anchor: usize, place: Place) -> Result<(), Problem> {
        if let Some(OpenNode { items: Items::Map { key: None, .. }, .. }) = self.stack.last() {
            return Err(self.not_a_key(place));
        }
        self.check_depth(1, place)?;
        self.count(1, place)?;
        self.stack.push(OpenNode { place, anchor, size: 1, height: 1, items });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Problem> {
        let Some(frame) = self.stack.pop() else { return Ok(()) };
        let value = match frame.items {
            Items::Seq(nodes) => Value::Seq(nodes),
            Items::Map { mut entries, mut seen, merged, .. } => {
                for node in merged {
                    self.merge(node, &mut entries, &mut seen);
                }
                Value::Map(entries)
            }
        };
        let node = Node { value, place: frame.place };
        self.complete(Built { node, size: frame.size, height: frame.height }, frame.anchor)
    }

    /// A node with all that is in it.
    fn complete(&mut self, built: Built, anchor: usize) -> Result<(), Problem> {
        let place = built.node.place;
        if anchor != 0 {
            self.count(built.size, place)?;
            self.anchors.insert(anchor, built.clone());
        }
        let Some(frame) = self.stack.last_mut() else {
            self.root = Some(read_null(built.node));
            return Ok(());
        };
        frame.size += built.size;
        frame.height = frame.height.max(built.height + 1);
        match &mut frame.items {
            Items::Seq(nodes) => nodes.push(read_null(built.node)),
            Items::Map { entries, seen, merged, key } => match key.take() {
                None => match built.node.value {
                    Value::Scalar(Scalar { text, style }) => *key = Some((Key { text, place }, style)),
                    Value::Null | Value::Seq(_) | Value::Map(_) => return Err(self.not_a_key(place)),
                },
                Some((key, Style::Plain)) if key.text == "<<" => merged.push(built.node),
                Some((key, _)) => {
                    if let Some(first) = seen.get(&key.text).copied() {
                        let path = join(&self.path(), &key.text);
                        self.problems.push(
                            Problem::new(key.place, path, format!("`{}` is written twice", shown(&key.text)))
                                .note("the first time at", first)
                                .help("keep one of them"),
                        );
                        return Ok(());
                    }
                    seen.insert(key.text.clone(), key.place);
                    let mut value = read_null(built.node);
                    if matches!(value.value, Value::Null) && value.place.width == 0 {
                        value.place = key.place;
                    }
                    entries.push(Entry { key, value });
                }
            },
        }
        Ok(())
    }

    /// What the mapping says itself goes before what is merged into it (YAML 1.1, "merge key language-independent type").
    fn merge(&mut self, node: Node, entries: &mut Vec<Entry>, seen: &mut HashMap<String, Place>) {
        match node.value {
            Value::Map(more) => {
                for entry in more {
                    if !seen.contains_key(&entry.key.text) {
                        seen.insert(entry.key.text.clone(), entry.key.place);
                        entries.push(entry);
                    }
                }
            }
            Value::Seq(nodes) if nodes.iter().all(|node| matches!(node.value, Value::Map(_))) => {
                for node in nodes {
                    self.merge(node, entries, seen);
                }
            }
            _ => self.problems.push(
                Problem::new(
                    node.place,
                    join(&self.path(), "<<"),
                    format!("`<<` merges mappings, not {}", node.kind()),
                )
                .help("write `<<: *name`, where `&name` stands before a mapping"),
            ),
        }
    }

    fn count(&mut self, nodes: usize, place: Place) -> Result<(), Problem> {
        self.nodes += nodes;
        if self.nodes <= MAX_NODES {
            return Ok(());
        }
        Err(Problem::new(place, "", format!("the file has more than {MAX_NODES} values, its aliases written out")))
    }

    fn check_depth(&self, more: usize, place: Place) -> Result<(), Problem> {
        if self.stack.len() + more <= MAX_DEPTH {
            return Ok(());
        }
        Err(Problem::new(place, "", TOO_DEEP))
    }

    fn check_tag(&self, foreign: bool, place: Place) -> Result<(), Problem> {
        if !foreign {
            return Ok(());
        }
        Err(Problem::new(place, self.path(), "tags (`!name`) mean nothing here")
            .help("remove the tag, or quote the value if it begins with `!`"))
    }

    fn not_a_key(&self, place: Place) -> Problem {
        Problem::new(place, self.path(), "a key is a single word, not a list or a mapping")
            .help("quote a text that begins with `{` or `[`")
    }

    /// The keys that lead to the value that comes next.
    fn path(&self) -> String {
        let mut path = String::new();
        for frame in &self.stack {
            match &frame.items {
                Items::Seq(nodes) => path = format!("{path}[{}]", nodes.len()),
                Items::Map { key: Some((key, _)), .. } => path = join(&path, &key.text),
                Items::Map { key: None, .. } => {}
            }
        }
        path
    }

    fn place(&self, span: Span) -> Place {
        let width = if span.start.line() == span.end.line() { span.len() } else { usize::MAX };
        Place { file: self.file, line: span.start.line(), column: span.start.col() + 1, width }
    }
}

/// A value may be nothing; a key `null` is a name like any other.
fn read_null(mut node: Node) -> Node {
    if let Value::Scalar(Scalar { text, style: Style::Plain }) = &node.value {
        if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL") {
            node.value = Value::Null;
        }
    }
    node
}

/// What stands between curly quotes, single or double.
fn curly_quoted(text: &str) -> Option<&str> {
    let quotes = [['\u{201c}', '\u{201d}', '\u{201e}', '\u{201f}'], ['\u{2018}', '\u{2019}', '\u{201a}', '\u{201b}']];
    quotes.iter().find_map(|quotes| text.strip_prefix(quotes)?.strip_suffix(quotes))
}

/// YAML forbids them, and the YAML reader takes NUL for the end.
pub(crate) fn control_character(file: usize, text: &str) -> Option<Problem> {
    let forbidden = |c: char| c.is_ascii_control() && !matches!(c, '\n' | '\r' | '\t');
    let index = text.find(forbidden)?;
    let before = &text[..index];
    let c = text[index..].chars().next()?;
    let line_start = before.rfind(['\n', '\r']).map_or(0, |end| end + 1);
    let breaks = before.matches(['\n', '\r']).count() - before.matches("\r\n").count();
    let place = Place { file, line: breaks + 1, column: before[line_start..].chars().count() + 1, width: 1 };
    Some(
        Problem::new(place, "", format!("the character U+{:04X} cannot stand in a configuration", u32::from(c)))
            .help("remove it; between double quotes it can be written as an escape such as \"\\x1b\""),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How much was built before the text was refused.
    fn built(text: &str) -> usize {
        let mut builder = Builder::new(0);
        assert!(builder.read(text).is_err());
        assert!(builder.stack.len() <= MAX_DEPTH);
        builder.nodes
    }

    /// Ten aliases of what is ten aliases, and so on: ten to the power of `levels` values.
    fn laughs(levels: usize) -> String {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..levels {
            let below = format!("*a{}, ", level - 1).repeat(10);
            text.push_str(&format!("a{level}: &a{level} [{}]\n", below.trim_end_matches(", ")));
        }
        text
    }

    #[test]
    fn aliases_build_no_more_than_the_bound_and_what_oversteps_it() {
        for levels in [6, 10, 40] {
            let nodes = built(&laughs(levels));
            assert!((MAX_NODES..=2 * MAX_NODES).contains(&nodes), "{levels} levels: {nodes} values");
        }
        let many = format!("a: &a [{}]\nb: [{}]\n", "x, ".repeat(1000), "*a, ".repeat(10_000));
        assert!((MAX_NODES..=2 * MAX_NODES).contains(&built(&many)));
    }

    #[test]
    fn what_is_deep_is_given_up_at_the_bound_however_long_it_is() {
        for piece in ["[", "{a: ", "- ", "? - "] {
            for times in [100, 100_000] {
                assert!(built(&piece.repeat(times)) <= 3 * MAX_DEPTH, "{piece:?} {times} times");
            }
        }
        let stairs: String = (0..1000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
        assert!(built(&stairs) <= 3 * MAX_DEPTH);
    }
}
