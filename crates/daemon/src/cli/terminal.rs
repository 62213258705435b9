//! What results are shown on: how wide it is, and whether it has colours.

use std::env;
use std::io::{stderr, stdout, IsTerminal as _};
use std::os::fd::AsFd;

use crate::sys;

/// Columns where nothing says how many there are.
pub(super) const USUAL: usize = 80;

/// Rows of a terminal that does not know its size, as a serial console.
const USUAL_ROWS: usize = 24;

/// Narrower than this nothing is readable.
const NARROWEST: usize = 40;

/// Text wider than this is hard to read.
const WIDEST_HELP: usize = 100;

/// Whether colour says what the words say too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Colour,
}

/// Colours of every terminal (ECMA-48, SGR).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colour {
    Bold = 1,
    Red = 31,
    Green = 32,
    Yellow = 33,
}

impl Style {
    pub(super) fn of_stdout() -> Style {
        Style::of(stdout().is_terminal())
    }

    /// Colour on a terminal, unless NO_COLOR is set (no-color.org).
    fn of(is_terminal: bool) -> Style {
        let no_colour = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if is_terminal && !no_colour {
            Style::Colour
        } else {
            Style::Plain
        }
    }

    pub(super) fn paint(self, text: &str, colour: Colour) -> String {
        match self {
            Style::Plain => text.to_owned(),
            Style::Colour => format!("\x1b[{}m{text}\x1b[0m", colour as u8),
        }
    }
}

/// What a text is laid out for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Paper {
    pub(super) style: Style,
    /// `None`: lines are as long as they are.
    pub(super) width: Option<usize>,
}

impl Paper {
    /// A file or a program.
    pub(super) const PLAIN: Paper = Paper { style: Style::Plain, width: None };

    pub(super) fn of_stdout() -> Paper {
        Paper { style: Style::of_stdout(), width: width() }
    }

    pub(super) fn of_stderr() -> Paper {
        Paper { style: Style::of(stderr().is_terminal()), width: width_of(stderr()) }
    }

    pub(super) fn paint(self, text: &str, colour: Colour) -> String {
        self.style.paint(text, colour)
    }

    /// One line of text, broken between words where it is too wide. The lines after the first one begin with `indent` spaces.
    pub(super) fn fit(self, line: &str, indent: usize) -> String {
        let Some(width) = self.width.filter(|width| line.chars().count() > *width) else { return format!("{line}\n") };
        // The line's own indentation is not between words.
        let text = line.trim_start_matches(' ');
        let first = line.len() - text.len();
        let mut words = text.split(' ');
        let head = format!("{:first$}{}", "", words.next().unwrap_or_default());
        let mut lines = vec![head];
        for word in words {
            let last = lines.last_mut().map_or(0, |last| last.chars().count());
            match lines.last_mut() {
                Some(line) if last + 1 + word.chars().count() <= width => {
                    line.push(' ');
                    line.push_str(word);
                }
                _ => lines.push(format!("{:indent$}{word}", "")),
            }
        }
        lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

/// The columns of the terminal that results go to; `None` where they go to a file or a program.
pub(super) fn width() -> Option<usize> {
    width_of(stdout())
}

fn width_of(output: impl AsFd) -> Option<usize> {
    let (columns, _) = sys::terminal_size(output).ok()?;
    Some(if columns == 0 { USUAL } else { usize::from(columns).max(NARROWEST) })
}

/// The rows of the terminal that results go to; `None` where they go to a file or a program.
pub(super) fn rows() -> Option<usize> {
    let (_, rows) = sys::terminal_size(stdout()).ok()?;
    Some(if rows == 0 { USUAL_ROWS } else { rows.into() })
}

/// For `--help`.
pub(super) fn help_width() -> usize {
    width().unwrap_or(USUAL).min(WIDEST_HELP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_broken_between_words_and_continued_at_its_indent() {
        let paper = Paper { style: Style::Plain, width: Some(24) };
        assert_eq!(
            paper.fit("  - sudo systemctl disable --now serial-getty@ttyS0", 4),
            "  - sudo systemctl\n    disable --now\n    serial-getty@ttyS0\n"
        );
        assert_eq!(paper.fit("short enough", 4), "short enough\n");
        assert_eq!(
            paper.fit("/dev/serial/by-id/usb-of-some-length is held", 2),
            "/dev/serial/by-id/usb-of-some-length\n  is held\n"
        );
        assert_eq!(
            Paper::PLAIN.fit("as long as it is, where nobody says how wide", 2),
            "as long as it is, where nobody says how wide\n"
        );
    }
}
