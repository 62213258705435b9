//! What results are shown on: how wide it is, and whether it has colours.

use std::env;
use std::io::{stdout, IsTerminal as _};

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
    /// Colour on a terminal, unless NO_COLOR is set (no-color.org).
    pub(super) fn of_stdout() -> Style {
        let no_colour = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if stdout().is_terminal() && !no_colour {
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

/// The columns of the terminal that results go to; `None` where they go to a file or a program.
pub(super) fn width() -> Option<usize> {
    let (columns, _) = sys::terminal_size(stdout()).ok()?;
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
