//! The files that were read, and places in them.

use super::values::ValueAt;
use crate::error::{Excerpt, WORTH_SHOWING};
use crate::Fault;

/// A place in one of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// An index into [`Sources`].
    pub(crate) file: usize,
    /// From 1; 0: the file as a whole.
    pub(crate) line: usize,
    /// From 1, in characters.
    pub(crate) column: usize,
    /// In characters.
    pub(crate) width: usize,
}

impl Place {
    /// Where the file begins.
    pub(crate) fn start(file: usize) -> Place {
        Place { file, line: 1, column: 1, width: 1 }
    }

    /// The file as a whole, when there is nothing in it to point at.
    pub(crate) fn whole(file: usize) -> Place {
        Place { file, line: 0, column: 0, width: 0 }
    }
}

/// What is wrong, before the files' names and lines are put to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    place: Place,
    path: String,
    message: String,
    notes: Vec<(String, Option<Place>)>,
    help: Option<String>,
}

impl Problem {
    pub(crate) fn new(place: Place, path: impl Into<String>, message: impl Into<String>) -> Problem {
        Problem { place, path: path.into(), message: message.into(), notes: Vec::new(), help: None }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(help.into());
        self
    }

    /// Of a text that begins this number of lines further down in its file.
    pub(crate) fn below(mut self, lines: usize) -> Problem {
        self.place.line += lines;
        self
    }

    /// The place is written behind the text.
    pub(crate) fn note(mut self, text: impl Into<String>, place: Place) -> Problem {
        self.notes.push((text.into(), Some(place)));
        self
    }

    /// Where `text` is written, if it is: what is built in has no place.
    pub(super) fn because<T>(self, text: &str, set: Option<&ValueAt<T>>) -> Problem {
        match set {
            Some(set) => self.note(format!("`{text}` is at"), set.place),
            None => self,
        }
    }
}

/// Whether a fault has the line it is in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ShowLine {
    Shown,
    LeftOut,
}

/// The files that were read.
#[derive(Debug, Default)]
pub(crate) struct Sources(Vec<SourceText>);

/// One line that YAML was made of, piece by piece.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The line.
    pub text: String,
    /// In the order in which they stand in the YAML.
    pub pieces: Vec<YamlPiece>,
}

/// Where a part of the YAML comes from.
#[derive(Clone, Copy, Debug)]
pub struct YamlPiece {
    /// In the YAML, from 1.
    pub line: usize,
    /// In the YAML, from 1, in characters.
    pub column: usize,
    /// In the line that it was made of, from 1, in characters.
    pub at: usize,
    /// In characters, there.
    pub width: usize,
}

impl Origin {
    /// What is before the first piece belongs to the whole line.
    fn place(&self, place: Place) -> Place {
        let is_before = |piece: &&YamlPiece| (piece.line, piece.column) <= (place.line, place.column);
        let (column, width) = match self.pieces.iter().rev().find(is_before) {
            Some(piece) => {
                let into = if piece.line == place.line { place.column - piece.column } else { piece.width };
                let into = into.min(piece.width.saturating_sub(1));
                (piece.at + into, place.width.min(piece.width - into).max(1))
            }
            None => (1, 1),
        };
        Place { line: 1, column, width, ..place }
    }
}

#[derive(Debug)]
struct SourceText {
    name: String,
    text: String,
    /// What the text was made of.
    origin: Option<Origin>,
    /// Where each line begins, in bytes.
    lines: Vec<usize>,
}

impl Sources {
    /// The index of the new file.
    pub(crate) fn add(&mut self, name: String, text: String) -> usize {
        let lines = line_starts(&text);
        self.0.push(SourceText { name, text, origin: None, lines });
        self.0.len() - 1
    }

    /// The text that was added last was made of this.
    pub(crate) fn comes_from(&mut self, origin: Origin) {
        if let Some(source) = self.0.last_mut() {
            source.origin = Some(origin);
        }
    }

    pub(crate) fn text(&self, file: usize) -> &str {
        self.0.get(file).map_or("", |source| &source.text)
    }

    /// In the order of the files, each once: a fault in `defaults:` would else be reported for each port.
    pub(crate) fn faults(&self, mut problems: Vec<Problem>) -> Vec<Fault> {
        problems.sort_by(|a, b| (a.place, &a.path, &a.message).cmp(&(b.place, &b.path, &b.message)));
        problems.dedup_by(|a, b| a.place == b.place && a.message == b.message);
        let lines = |index: usize| if index < WORTH_SHOWING { ShowLine::Shown } else { ShowLine::LeftOut };
        problems.into_iter().enumerate().map(|(index, problem)| self.fault(problem, lines(index))).collect()
    }

    /// File, line and column of a place, as they are shown.
    pub(crate) fn shown(&self, place: Place) -> (String, usize, usize) {
        let Place { file, line, column, .. } = self.written(self.inside(place));
        (self.name(file).to_owned(), line, column)
    }

    fn fault(&self, problem: Problem, lines: ShowLine) -> Fault {
        let Place { file, line, column, width } = self.written(self.inside(problem.place));
        let notes = problem.notes.into_iter().map(|(text, place)| match place.map(|place| self.written(place)) {
            Some(place) => format!("{text} {}:{}:{}", self.name(place.file), place.line, place.column),
            None => text,
        });
        Fault {
            file: self.name(file).to_owned(),
            line,
            column,
            path: problem.path,
            message: problem.message,
            notes: notes.collect(),
            help: problem.help,
            source: self
                .written_line(file, line)
                .filter(|text| lines == ShowLine::Shown && !text.trim().is_empty())
                .map(|text| Excerpt::new(text, column, width)),
        }
    }

    /// The YAML reader takes the end of the file for a line: the end of the last one that says something is meant.
    fn inside(&self, place: Place) -> Place {
        let lines = self.0.get(place.file).map_or(0, |source| source.lines.len());
        let is_empty = |line: usize| self.line(place.file, line).is_none_or(|text| text.trim().is_empty());
        if place.line == 0 || (place.line..=lines).any(|line| !is_empty(line)) {
            return place;
        }
        let last = (1..=lines).rev().find(|line| !is_empty(*line));
        match last.and_then(|line| Some((line, self.line(place.file, line)?))) {
            Some((line, text)) => Place { line, column: text.trim_end().chars().count() + 1, ..place },
            None => Place { line: place.line.min(lines), ..place },
        }
    }

    /// Where somebody has written it.
    fn written(&self, place: Place) -> Place {
        match self.0.get(place.file).and_then(|source| source.origin.as_ref()) {
            Some(origin) if place.line > 0 => origin.place(place),
            _ => place,
        }
    }

    fn written_line(&self, file: usize, line: usize) -> Option<&str> {
        match &self.0.get(file)?.origin {
            Some(origin) => (line == 1).then_some(&origin.text),
            None => self.line(file, line),
        }
    }

    fn name(&self, file: usize) -> &str {
        self.0.get(file).map_or("", |source| &source.name)
    }

    fn line(&self, file: usize, line: usize) -> Option<&str> {
        let source = self.0.get(file)?;
        line_at(&source.text, &source.lines, line.checked_sub(1)?)
    }
}

/// The lines of a text as YAML counts them, without their breaks.
pub(crate) fn lines(text: &str) -> Vec<&str> {
    let starts = line_starts(text);
    (0..starts.len()).filter_map(|index| line_at(text, &starts, index)).collect()
}

fn line_at<'a>(text: &'a str, starts: &[usize], index: usize) -> Option<&'a str> {
    let start = *starts.get(index)?;
    let end = starts.get(index + 1).copied().unwrap_or(text.len());
    Some(text.get(start..end)?.trim_end_matches(['\r', '\n']))
}

/// YAML 1.2, 5.4: a line ends with LF, CR LF or CR.
fn line_starts(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let ends = bytes.iter().enumerate().filter(|&(index, &byte)| match byte {
        b'\n' => true,
        b'\r' => bytes.get(index + 1) != Some(&b'\n'),
        _ => false,
    });
    std::iter::once(0).chain(ends.map(|(index, _)| index + 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_as_yaml_says() {
        let mut sources = Sources::default();
        let file = sources.add("x".into(), "a\nb\r\nc\rd".into());
        let lines: Vec<_> = (0..=5).map(|line| sources.line(file, line)).collect();
        assert_eq!(lines, [None, Some("a"), Some("b"), Some("c"), Some("d"), None]);
    }

    #[test]
    fn faults_are_in_the_order_of_the_files_and_each_is_said_once() {
        let mut sources = Sources::default();
        let file = sources.add("x".into(), "a\nb".into());
        let at = |line| Place { file, line, column: 1, width: 1 };
        let problem = |line, message: &str| Problem::new(at(line), "k", message);
        let faults = sources.faults(vec![problem(2, "two"), problem(1, "one"), problem(2, "two")]);
        let shown: Vec<_> = faults.iter().map(|fault| (fault.line, fault.message.as_str())).collect();
        assert_eq!(shown, [(1, "one"), (2, "two")]);
    }
}
