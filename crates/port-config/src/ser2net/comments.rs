//! Comments of a file, and which of them belong to what is written at a line.

use std::collections::BTreeMap;

use crate::config::source::{lines, Place};
use crate::error::is_unprintable;

/// Each with its line.
#[derive(Debug, Default)]
pub(super) struct Comments(BTreeMap<usize, Comment>);

#[derive(Debug)]
struct Comment {
    text: String,
    /// Whether it has the line for itself.
    is_alone: bool,
}

impl Comments {
    /// `values` are where a `#` is none.
    pub(super) fn find(file: usize, text: &str, values: &[(Place, Place)]) -> Comments {
        debug_assert!(values.iter().all(|(start, _)| start.file == file), "of one file");
        let mut found = BTreeMap::new();
        let mut values = values.iter().peekable();
        for (index, line) in lines(text).into_iter().enumerate() {
            let number = index + 1;
            while values.peek().is_some_and(|(_, end)| end.line < number) {
                values.next();
            }
            let is_value = |column: usize| {
                let at = (number, column);
                values
                    .clone()
                    .take_while(|(start, _)| start.line <= number)
                    .any(|(start, end)| (start.line, start.column) <= at && at < (end.line, end.column))
            };
            if let Some(comment) = of_line(line, is_value) {
                found.insert(number, comment);
            }
        }
        Comments(found)
    }

    /// All lines that begin with `#`, for files in which it stands nowhere else.
    pub(super) fn of_lines(text: &str) -> Comments {
        let comments = lines(text).into_iter().enumerate();
        Comments(comments.filter_map(|(index, line)| Some((index + 1, alone(line)?))).collect())
    }

    /// Those of what stands from line `first` to line `last`: directly above it, and in it.
    pub(super) fn of(&self, first: usize, last: usize) -> Vec<String> {
        let is_alone = |line: usize| self.0.get(&line).is_some_and(|comment| comment.is_alone);
        let above = (1..first).rev().take_while(|line| is_alone(*line)).last().unwrap_or(first);
        let texts = |from: usize, to: usize| self.0.range(from..to).map(|(_, comment)| comment.text.as_str());
        let is_about_another = texts(above, first).any(is_commented_out);
        let before = texts(above, first).filter(|_| !is_about_another);
        let inside = texts(first, last.saturating_add(1)).filter(|text| !is_commented_out(text));
        before.chain(inside).filter(|text| !text.is_empty()).map(str::to_owned).collect()
    }
}

fn of_line(line: &str, is_value: impl Fn(usize) -> bool) -> Option<Comment> {
    let mut before = ' ';
    for (column, (at, c)) in line.char_indices().enumerate() {
        if c == '#' && before.is_whitespace() && !is_value(column + 1) {
            let is_alone = line[..at].trim().is_empty();
            return Some(Comment { text: text(&line[at..]), is_alone });
        }
        before = c;
    }
    None
}

fn alone(line: &str) -> Option<Comment> {
    let comment = line.trim_start();
    comment.starts_with('#').then(|| Comment { text: text(comment), is_alone: true })
}

/// Without its marks.
fn text(comment: &str) -> String {
    let text = comment.trim_start_matches('#').trim();
    text.chars().filter(|c| !is_unprintable(*c)).collect()
}

/// Whether somebody has put `#` before a part of a configuration.
fn is_commented_out(text: &str) -> bool {
    const KEYS: [&str; 8] =
        ["connection", "accepter", "connector", "options", "define", "default", "rotator", "enable"];
    let is_key = text.split_once(':').is_some_and(|(key, _)| KEYS.contains(&key.trim().to_ascii_lowercase().as_str()));
    let mut fields = text.splitn(3, ':');
    let is_line = fields.next().is_some_and(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
        && fields.next().is_some_and(|state| matches!(state, "raw" | "rawlp" | "telnet" | "off"));
    is_key || is_line
}
