//! ser2net's YAML to a tree: with anchors by their names, keys that repeat, aliases that are defined nowhere, and comments.
//!
//! A reader of YAML resolves aliases and refuses those that have no anchor. In version 1 both are names that only ser2net
//! knows, so an alias is hidden from the reader: every `*` becomes a character that the file does not have, a plain value
//! that begins with it was an alias, and everywhere else it is a `*` again. Places do not move, since one character stands
//! for one.

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::comments::Comments;
use crate::config::parse::{control_character, syntax_fault, TOO_DEEP};
use crate::config::source::{lines, Place, Problem};

/// A value and where it is.
#[derive(Clone, Debug)]
pub(super) struct YamlNode {
    pub(super) value: YamlValue,
    /// The name behind `&`.
    pub(super) anchor: Option<String>,
    pub(super) place: Place,
}

#[derive(Clone, Debug)]
pub(super) enum YamlValue {
    Null,
    Text(PlacedText),
    /// `*name`
    Alias(String),
    Seq(Vec<YamlNode>),
    Map(Vec<YamlEntry>),
}

/// A key with its value. Keys may repeat.
#[derive(Clone, Debug)]
pub(super) struct YamlEntry {
    pub(super) key: PlacedText,
    pub(super) value: YamlNode,
    /// Without a colon, as `2100` in `{ accepter: tcp,2100 }`.
    pub(super) is_bare: bool,
}

/// A text and where it is.
#[derive(Clone, Debug)]
pub(super) struct PlacedText {
    pub(super) text: String,
    pub(super) place: Place,
    /// Whether each character of the text is one of the file, from the place on.
    pub(super) is_literal: bool,
}

impl PlacedText {
    /// The place of some characters of it.
    pub(super) fn at(&self, offset: usize, width: usize) -> Place {
        if !self.is_literal {
            return self.place;
        }
        Place { column: self.place.column + offset, width: width.max(1), ..self.place }
    }
}

impl YamlNode {
    /// What it is, in a sentence.
    pub(super) fn kind(&self) -> &'static str {
        match self.value {
            YamlValue::Null => "nothing",
            YamlValue::Text(_) => "a single value",
            YamlValue::Alias(_) => "an alias",
            YamlValue::Seq(_) => "a list",
            YamlValue::Map(_) => "a mapping",
        }
    }
}

/// What a file holds.
pub(super) struct YamlFile {
    /// One for each document that is not empty.
    pub(super) documents: Vec<YamlNode>,
    pub(super) comments: Comments,
    /// What is no YAML.
    pub(super) problems: Vec<Problem>,
}

/// Reads a whole file; `file` is its index in the sources.
///
/// Where a file is no YAML the parts before and behind the fault are read all the same: a part begins with a word at the
/// left margin.
pub(super) fn read(file: usize, text: &str) -> YamlFile {
    if let Some(problem) = control_character(file, text) {
        return YamlFile { documents: Vec::new(), comments: Comments::default(), problems: vec![problem] };
    }
    let Some(hidden) = ('\u{e000}'..='\u{f8ff}').find(|c| !text.contains(*c)) else {
        let problem =
            Problem::new(Place::start(file), "", "the file has every character of Unicode's private use area");
        return YamlFile { documents: Vec::new(), comments: Comments::default(), problems: vec![problem] };
    };
    let masked = text.replace('*', hidden.encode_utf8(&mut [0; 4]));
    let lines = lines(text);
    let mut builder = YamlFileBuilder::new(file, hidden, &lines, 0);
    match builder.read(&masked) {
        Ok(()) => {
            let comments = Comments::find(file, text, &builder.spans);
            YamlFile { documents: builder.documents, comments, problems: Vec::new() }
        }
        Err(_) => in_parts(file, hidden, text, &lines, &masked),
    }
}

/// Each part by itself.
fn in_parts(file: usize, hidden: char, text: &str, lines: &[&str], masked: &str) -> YamlFile {
    let mut tree = YamlFile { documents: Vec::new(), comments: Comments::of_lines(text), problems: Vec::new() };
    for (first, part) in parts(masked) {
        let mut builder = YamlFileBuilder::new(file, hidden, lines, first);
        match builder.read(part) {
            Ok(()) => tree.documents.append(&mut builder.documents),
            Err(problem) => tree.problems.push(problem),
        }
    }
    tree
}

/// The number of lines before each part, and the part.
fn parts(text: &str) -> Vec<(usize, &str)> {
    let mut parts = Vec::new();
    let (mut start, mut start_line, mut at) = (0, 0, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let is_marker = ["---", "...", "%"].iter().any(|marker| line.starts_with(marker));
        if is_marker || line.starts_with(|c: char| c.is_ascii_alphabetic()) {
            parts.push((start_line, &text[start..at]));
            (start, start_line) = (at, number);
        }
        at += line.len();
        if is_marker {
            (start, start_line) = (at, number + 1);
        }
    }
    parts.push((start_line, &text[start..]));
    parts
}

/// As deep as ser2net's files are, and some more.
const MAX_DEPTH: usize = 16;

struct YamlFileBuilder<'t> {
    file: usize,
    hidden: char,
    /// The file as it is, a line each.
    lines: &'t [&'t str],
    /// Lines before the part that is read.
    before: usize,
    stack: Vec<OpenYamlNode>,
    documents: Vec<YamlNode>,
    /// Where single values are, for the comments between them.
    spans: Vec<(Place, Place)>,
}

struct OpenYamlNode {
    place: Place,
    anchor: Option<String>,
    items: YamlItems,
}

enum YamlItems {
    Seq(Vec<YamlNode>),
    Map(Vec<YamlEntry>, Option<PlacedText>),
}

impl<'t> YamlFileBuilder<'t> {
    fn new(file: usize, hidden: char, lines: &'t [&'t str], before: usize) -> YamlFileBuilder<'t> {
        YamlFileBuilder { file, hidden, lines, before, stack: Vec::new(), documents: Vec::new(), spans: Vec::new() }
    }

    #[allow(clippy::result_large_err, reason = "a part of a file has at most one problem that ends its reading")]
    fn read(&mut self, masked: &str) -> Result<(), Problem> {
        for event in Parser::new_from_str(masked) {
            let (event, span) = event.map_err(|error| syntax_fault(self.file, masked, &error).below(self.before))?;
            self.event(event, span)?;
        }
        Ok(())
    }

    #[allow(clippy::result_large_err, reason = "see read")]
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        let place = self.place(span);
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let anchor = self.anchor(anchor, place);
                let place = if anchor.is_some() { self.behind_anchor(place) } else { place };
                let end = Place { line: span.end.line() + self.before, column: span.end.col() + 1, ..place };
                if place.width > 0 && !text.is_empty() {
                    self.spans.push((place, end));
                }
                let value = self.scalar(&text, style, place, end);
                let is_bare = matches!(value, YamlValue::Null) && self.is_without_colon(place);
                self.complete(YamlNode { value, anchor, place }, is_bare);
            }
            Event::SequenceStart(anchor, _) => self.open(YamlItems::Seq(Vec::new()), anchor, place)?,
            Event::MappingStart(anchor, _) => self.open(YamlItems::Map(Vec::new(), None), anchor, place)?,
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(open) = self.stack.pop() {
                    let value = match open.items {
                        YamlItems::Seq(nodes) => YamlValue::Seq(nodes),
                        YamlItems::Map(entries, _) => YamlValue::Map(entries),
                    };
                    self.complete(YamlNode { value, anchor: open.anchor, place: open.place }, false);
                }
            }
            // They are hidden.
            Event::Alias(_) => {}
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {}
        }
        Ok(())
    }

    #[allow(clippy::result_large_err, reason = "see read")]
    fn open(&mut self, items: YamlItems, anchor: usize, place: Place) -> Result<(), Problem> {
        if self.stack.len() >= MAX_DEPTH {
            return Err(Problem::new(place, "", TOO_DEEP));
        }
        let anchor = self.anchor(anchor, place);
        self.stack.push(OpenYamlNode { place, anchor, items });
        Ok(())
    }

    fn complete(&mut self, node: YamlNode, is_bare: bool) {
        let Some(open) = self.stack.last_mut() else {
            if !matches!(node.value, YamlValue::Null) {
                self.documents.push(node);
            }
            return;
        };
        match &mut open.items {
            YamlItems::Seq(nodes) => nodes.push(node),
            YamlItems::Map(entries, key) => match key.take() {
                Some(key) => {
                    let mut value = node;
                    if matches!(value.value, YamlValue::Null) {
                        value.place = key.place;
                    }
                    entries.push(YamlEntry { key, value, is_bare });
                }
                None => {
                    *key = Some(match node.value {
                        YamlValue::Text(text) => text,
                        YamlValue::Alias(name) => {
                            PlacedText { text: format!("*{name}"), place: node.place, is_literal: true }
                        }
                        // What is no word is a key that nothing knows.
                        YamlValue::Null | YamlValue::Seq(_) | YamlValue::Map(_) => {
                            PlacedText { text: String::new(), place: node.place, is_literal: false }
                        }
                    });
                }
            },
        }
    }

    fn scalar(&self, text: &str, style: ScalarStyle, place: Place, end: Place) -> YamlValue {
        if style == ScalarStyle::Plain {
            if matches!(text, "" | "~" | "null" | "Null" | "NULL") {
                return YamlValue::Null;
            }
            if let Some(name) = text.strip_prefix(self.hidden).filter(|name| is_name(name)) {
                return YamlValue::Alias(name.to_owned());
            }
        }
        let text = text.replace(self.hidden, "*");
        let quotes = usize::from(matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted));
        // An escape, or a line that was folded, has another length in the file than in the text.
        let is_literal = place.line == end.line
            && end.column - place.column == text.chars().count() + 2 * quotes
            && !matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
        let place = if is_literal {
            Place { column: place.column + quotes, width: text.chars().count().max(1), ..place }
        } else {
            place
        };
        YamlValue::Text(PlacedText { text, place, is_literal })
    }

    /// The name behind the `&` that a value begins with.
    fn anchor(&self, id: usize, place: Place) -> Option<String> {
        if id == 0 {
            return None;
        }
        let name = self.from(place).trim_start().strip_prefix('&')?.chars().take_while(|c| is_of_name(*c)).collect();
        Some(name)
    }

    /// Where a value begins whose anchor begins at `place`.
    fn behind_anchor(&self, place: Place) -> Place {
        let rest = self.from(place);
        let anchor = rest.chars().take_while(|c| !c.is_whitespace()).count();
        let blanks = rest.chars().skip(anchor).take_while(|c| c.is_whitespace()).count();
        let skipped = anchor + blanks;
        if skipped >= rest.chars().count() {
            return place;
        }
        Place { column: place.column + skipped, width: place.width.saturating_sub(skipped), ..place }
    }

    /// A line from a place on.
    fn from(&self, place: Place) -> &'t str {
        let line = self.lines.get(place.line.saturating_sub(1)).copied().unwrap_or("");
        line.char_indices().nth(place.column.saturating_sub(1)).map_or("", |(at, _)| &line[at..])
    }

    fn is_without_colon(&self, place: Place) -> bool {
        let line = self.lines.get(place.line.saturating_sub(1)).copied().unwrap_or("");
        let before: String = line.chars().take(place.column.saturating_sub(1)).collect();
        !before.trim_end().ends_with(':')
    }

    fn place(&self, span: Span) -> Place {
        let width = if span.start.line() == span.end.line() { span.len() } else { usize::MAX };
        Place { file: self.file, line: span.start.line() + self.before, column: span.start.col() + 1, width }
    }
}

/// What ser2net takes for the name of an alias.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_of_name)
}

fn is_of_name(c: char) -> bool {
    !c.is_whitespace() && !matches!(c, ',' | '[' | ']' | '{' | '}' | '(' | ')' | '*')
}
