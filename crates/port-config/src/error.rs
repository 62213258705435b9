//! Faults: what is wrong in a configuration, where, and what would be right; written like a compiler's messages.
//!
//! A fault is for the operator, who can mend it. It holds everything that is shown, so that it outlives the file.

use std::borrow::Cow;
use std::fmt;

/// One thing that is wrong in a file.
///
/// Shown as (stable; colour is the caller's business):
///
/// ```text
/// sermux.yaml:12:13: ports.router.line.baud: `11520O` is not a baud rate
///    |
/// 12 |       baud: 11520O
///    |             ^^^^^^
///    = help: write a number such as 9600 or 115200
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file's name as it was given.
    pub file: String,
    /// From 1; 0 when the fault concerns the file as a whole, which then has no place in it.
    pub line: usize,
    /// From 1, in characters; 0 with a line of 0.
    pub column: usize,
    /// The keys that lead there, such as `ports.router.line.baud`; empty when it is not about a key.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// Other places and facts that belong to it.
    pub notes: Vec<String>,
    /// What would be right.
    pub help: Option<String>,
    /// The line of the file.
    pub source: Option<Excerpt>,
}

impl Fault {
    /// One that concerns a file as a whole.
    pub(crate) fn of_file(file: &str, message: &str) -> Fault {
        Fault {
            file: file.to_owned(),
            line: 0,
            column: 0,
            path: String::new(),
            message: message.to_owned(),
            notes: Vec::new(),
            help: None,
            source: None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        if !self.path.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        writeln!(f, ": {}", self.message)?;
        let number = if self.line > 0 { self.line.to_string() } else { String::new() };
        let gutter = number.len().max(2);
        if let Some(source) = &self.source {
            writeln!(f, "{:gutter$} |", "")?;
            writeln!(f, "{number:>gutter$} | {}", source.text)?;
            writeln!(
                f,
                "{:gutter$} | {:indent$}{:^<width$}",
                "",
                "",
                "",
                indent = source.indent,
                width = source.width
            )?;
        }
        for note in &self.notes {
            writeln!(f, "{:gutter$} = note: {note}", "")?;
        }
        if let Some(help) = &self.help {
            let mut lines = help.lines();
            writeln!(f, "{:gutter$} = help: {}", "", lines.next().unwrap_or_default())?;
            for line in lines {
                writeln!(f, "{:gutter$}         {line}", "")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}

/// The line a fault is in, safe to print, cut to what fits on a screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The line, or the part of it around the place.
    pub text: String,
    /// Characters before the place.
    pub indent: usize,
    /// Characters of the place, at least one.
    pub width: usize,
}

impl Excerpt {
    /// Of `line`, around `width` characters from the 1-based `column` on.
    pub(crate) fn new(line: &str, column: usize, width: usize) -> Excerpt {
        let start = column.saturating_sub(1);
        let first = if start > WIDEST - 20 { start - 40 } else { 0 };
        let mut text = String::new();
        if first > 0 {
            text.push('…');
        }
        let indent = text.chars().count() + (start - first);
        let mut rest = line.chars().skip(first);
        text.extend(rest.by_ref().take(WIDEST).map(printable));
        let length = text.chars().count();
        if rest.next().is_some() {
            text.push('…');
        }
        Excerpt { indent, width: width.clamp(1, length.saturating_sub(indent).max(1)), text }
    }
}

/// All that is wrong, in the order of the files. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// The caller has seen to it that there is one.
    pub(crate) fn new(faults: Vec<Fault>) -> Faults {
        debug_assert!(!faults.is_empty(), "no faults are no error");
        Faults(faults)
    }

    /// How many.
    #[allow(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The first hundred, and how many are left: a file that is something else altogether has a fault in each line.
    pub fn worth_showing(&self) -> (&[Fault], usize) {
        let (shown, rest) = self.0.split_at(self.0.len().min(WORTH_SHOWING));
        (shown, rest.len())
    }

    /// Each of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.0.iter()
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Faults {
        Faults(vec![fault])
    }
}

impl fmt::Display for Faults {
    /// Those [worth showing](Faults::worth_showing), and how many more there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shown, rest) = self.worth_showing();
        for (index, fault) in shown.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            fault.fmt(f)?;
        }
        if rest > 0 {
            writeln!(f, "\n… and {rest} more")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

impl IntoIterator for Faults {
    type Item = Fault;
    type IntoIter = std::vec::IntoIter<Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Faults {
    type Item = &'a Fault;
    type IntoIter = std::slice::Iter<'a, Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// Text from a file as it may go to a terminal: no control characters, and not for ever.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    const LONGEST: usize = 60;
    // a key of a megabyte stands in the path of each key below it
    if text.chars().nth(LONGEST).is_none() && !text.contains(is_unprintable) {
        return Cow::Borrowed(text);
    }
    let mut cut = String::new();
    for c in text.chars().take(LONGEST) {
        if is_unprintable(c) {
            cut.extend(c.escape_default());
        } else {
            cut.push(c);
        }
    }
    if text.chars().nth(LONGEST).is_some() {
        cut.push('…');
    }
    Cow::Owned(cut)
}

/// One character for one character, so that carets stay in place.
fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        _ if is_unprintable(c) => '\u{fffd}',
        _ => c,
    }
}

/// What a log or a terminal must not have from outside: controls, separators of lines, and the marks that turn the direction of
/// writing round or are not seen at all (UAX #9, 2.7).
pub fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Faults that are shown; those behind them have neither a line of the file nor a proposal, which cost time.
pub(crate) const WORTH_SHOWING: usize = 100;

/// Characters of a line that are shown.
const WIDEST: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    fn fault() -> Fault {
        Fault {
            file: "config/x.yaml".into(),
            line: 12,
            column: 13,
            path: "ports.router.line.baud".into(),
            message: "`11520O` is not a baud rate".into(),
            notes: vec![],
            help: Some("write a number such as 9600 or 115200".into()),
            source: Some(Excerpt::new("      baud: 11520O", 13, 6)),
        }
    }

    #[test]
    fn a_fault_is_shown_like_a_compilers() {
        assert_eq!(
            fault().to_string(),
            "\
config/x.yaml:12:13: ports.router.line.baud: `11520O` is not a baud rate
   |
12 |       baud: 11520O
   |             ^^^^^^
   = help: write a number such as 9600 or 115200
"
        );
    }

    #[test]
    fn a_fault_of_a_whole_file_has_no_place() {
        let whole = Fault {
            line: 0,
            column: 0,
            path: String::new(),
            message: "no such file".into(),
            source: None,
            notes: vec!["looked for twice".into()],
            help: Some("one\ntwo".into()),
            ..fault()
        };
        assert_eq!(
            whole.to_string(),
            "config/x.yaml: no such file\n   = note: looked for twice\n   = help: one\n           two\n"
        );
    }

    #[test]
    fn several_faults_are_all_shown() {
        let faults = Faults::new(vec![fault(), fault()]);
        assert_eq!(faults.len(), 2);
        assert_eq!(faults.to_string(), format!("{}\n{}", fault(), fault()));
    }

    #[test]
    fn of_very_many_faults_the_first_hundred_are_shown() {
        let faults = Faults::new(vec![fault(); 100]);
        assert_eq!(faults.to_string().matches("11520O` is not").count(), 100);
        assert!(!faults.to_string().contains("more"));
        let faults = Faults::new(vec![fault(); 45_000]);
        assert_eq!(faults.to_string().matches("11520O` is not").count(), 100);
        assert!(faults.to_string().ends_with("\n\n… and 44900 more\n"));
    }

    #[test]
    fn a_line_that_never_ends_is_cut_around_the_place() {
        let line = format!("{}HERE{}", "a".repeat(5000), "b".repeat(5000));
        let excerpt = Excerpt::new(&line, 5001, 4);
        assert!(excerpt.text.chars().count() <= WIDEST + 2);
        let at: String = excerpt.text.chars().skip(excerpt.indent).take(excerpt.width).collect();
        assert_eq!(at, "HERE");
    }

    #[test]
    fn nothing_from_a_file_can_steer_the_terminal() {
        assert_eq!(shown("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(shown(&"x".repeat(100)).chars().count(), 61);
        assert_eq!(Excerpt::new("\u{1b}[2J\tx", 5, 9).text, "\u{fffd}[2J x");
    }

    #[test]
    fn a_place_behind_the_end_of_the_line_still_has_a_caret() {
        let excerpt = Excerpt::new("ab", 3, 5);
        assert_eq!((excerpt.indent, excerpt.width), (2, 1));
    }
}
