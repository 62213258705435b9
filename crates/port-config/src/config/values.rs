//! Single values: what a scalar of the file means for the key it stands at.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use super::keys::nearest;
use super::source::{Place, Problem};
use super::tree::Node;
use crate::error::{is_unprintable, shown};
use crate::line::ParseError;
use crate::units::{format_duration, format_size, parse_duration, parse_size, UnitError};

/// A value that was written, and where.
#[derive(Clone, Debug)]
pub(super) struct ValueAt<T> {
    pub(super) value: T,
    pub(super) place: Place,
    pub(super) path: String,
}

/// Where it was written, if it was.
pub(super) fn written<T>(set: Option<&ValueAt<T>>) -> Option<(Place, &str)> {
    set.map(|set| (set.place, set.path.as_str()))
}

/// What is wrong with a value; its place is known where it is read.
#[derive(Debug)]
pub(super) struct Wrong {
    message: String,
    help: String,
}

impl Wrong {
    pub(super) fn new(message: impl Into<String>, help: impl Into<String>) -> Wrong {
        Wrong { message: message.into(), help: help.into() }
    }

    /// With one more way to mend it.
    pub(super) fn or(mut self, more: &str) -> Wrong {
        self.help = format!("{}; {more}", self.help);
        self
    }

    /// As what is wrong there.
    pub(super) fn at(self, place: Place, path: &str) -> Problem {
        Problem::new(place, path, self.message).help(self.help)
    }
}

impl From<ParseError> for Wrong {
    fn from(error: ParseError) -> Wrong {
        Wrong::new(error.what(), error.help())
    }
}

impl From<UnitError> for Wrong {
    fn from(error: UnitError) -> Wrong {
        Wrong::new(error.what(), error.help())
    }
}

/// The value, or the problem put down.
pub(super) fn read<T>(
    node: &Node,
    path: &str,
    problems: &mut Vec<Problem>,
    meaning: impl FnOnce(&Node) -> Result<T, Wrong>,
) -> Option<ValueAt<T>> {
    match meaning(node) {
        Ok(value) => Some(ValueAt { value, place: node.place, path: path.to_owned() }),
        Err(wrong) => {
            problems.push(wrong.at(node.place, path));
            None
        }
    }
}

/// A single value; `example` is one that would do.
pub(super) fn text<'n>(node: &'n Node, example: &str) -> Result<&'n str, Wrong> {
    node.text().ok_or_else(|| {
        Wrong::new(format!("a single value is needed here, not {}", node.kind()), format!("write {example}"))
    })
}

/// A single value in which everything can be seen: what cannot is a mistake in a name, and writers of YAML break it.
pub(super) fn visible<'n>(node: &'n Node, example: &str) -> Result<&'n str, Wrong> {
    let text = text(node, example)?;
    match text.chars().find(|c| is_unprintable(*c)) {
        None => Ok(text),
        Some(c) => Err(Wrong::new(
            format!("the character U+{:04X} cannot stand here", u32::from(c)),
            "remove it; it cannot be seen, so it probably came by copying",
        )),
    }
}

/// A value that knows how to read itself.
pub(super) fn parsed<T: FromStr<Err = ParseError>>(node: &Node, example: &str) -> Result<T, Wrong> {
    Ok(text(node, example)?.parse()?)
}

/// `true`, `yes` and `on`, and their opposites, in any case (YAML 1.1).
pub(super) fn boolean(node: &Node) -> Result<bool, Wrong> {
    let word = text(node, "true or false")?;
    if node.is_word(TRUE) {
        Ok(true)
    } else if node.is_word(FALSE) {
        Ok(false)
    } else {
        Err(Wrong::new(
            format!("`{}` is neither true nor false", shown(word)),
            "write true or false (or yes, no, on, off)",
        ))
    }
}

/// What YAML 1.1 takes for true.
pub(super) const TRUE: &[&str] = &["true", "yes", "on"];

/// What YAML 1.1 takes for false.
pub(super) const FALSE: &[&str] = &["false", "no", "off"];

/// One of the words; `later` are those that are not built yet.
pub(super) fn word<T: Copy>(node: &Node, words: &[(&'static str, T)], later: &[&str]) -> Result<T, Wrong> {
    let all = one_of(words.iter().map(|(word, _)| *word));
    let text = text(node, &all)?;
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
        return Ok(*value);
    }
    // in YAML 1.1, and in JSON made from it, `on` and `off` are booleans
    let boolean = if node.is_word(TRUE) {
        "on"
    } else if node.is_word(FALSE) {
        "off"
    } else {
        ""
    };
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == boolean) {
        return Ok(*value);
    }
    if later.contains(&text) {
        return Err(Wrong::new(format!("`{text}` is not built yet in this version"), format!("write {all}")));
    }
    let near = nearest(text, words.iter().map(|(word, _)| *word).chain(later.iter().copied()));
    Err(Wrong::new(
        format!("`{}` is not possible here", shown(text)),
        near.map_or_else(|| format!("write {all}"), |near| format!("did you mean `{near}`?")),
    ))
}

/// A whole number in the range.
pub(super) fn number<N: FromStr + PartialOrd + Display>(node: &Node, range: RangeInclusive<N>) -> Result<N, Wrong> {
    let help = format!("write a whole number from {} to {}", range.start(), range.end());
    let text = text(node, &help.replacen("write ", "", 1))?;
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Wrong::new(format!("`{}` is not a whole number", shown(text)), help));
    }
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| Wrong::new(format!("{} is out of range", shown(text)), help))
}

/// A size in the range.
pub(super) fn size(node: &Node, range: RangeInclusive<usize>) -> Result<usize, Wrong> {
    let size = parse_size(text(node, "a size such as `256 KiB`")?)?;
    if range.contains(&size) {
        return Ok(size);
    }
    let (least, most) = (format_size(*range.start()), format_size(*range.end()));
    Err(Wrong::new(format!("{} is out of range", format_size(size)), format!("sizes here go from {least} to {most}")))
}

/// A time in the range.
pub(super) fn duration(node: &Node, range: RangeInclusive<Duration>) -> Result<Duration, Wrong> {
    let time = parse_duration(text(node, "a time such as `30s`")?)?;
    if range.contains(&time) {
        return Ok(time);
    }
    let (least, most) = (format_duration(*range.start()), format_duration(*range.end()));
    Err(Wrong::new(
        format!("{} is out of range", format_duration(time)),
        format!("times here go from {least} to {most}"),
    ))
}

/// `a, b or c`
pub(super) fn one_of<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<&str> = words.collect();
    match words.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}
