//! Messages of a command in addition to its result, on standard error.
//!
//! `eprintln!` panics when standard error is a full disk or a pipe without a reader. A command that has done its work has not
//! failed because its message is lost.

use std::fmt::Arguments;
use std::io::{stderr, Write as _};

/// A line on standard error, or nothing where that does not work.
macro_rules! note {
    ($($words:tt)*) => { $crate::cli::note::write(format_args!("{}\n", format_args!($($words)*))) };
}

/// As `note!`, without ending the line.
macro_rules! note_part {
    ($($words:tt)*) => { $crate::cli::note::write(format_args!($($words)*)) };
}

pub(super) fn write(words: Arguments<'_>) {
    // In one write, so that no other program's words get into it. There is nobody left to tell that it failed.
    let _ = stderr().write_all(words.to_string().as_bytes());
}
