//! The remarks of an import: notes about what became of each part, and why a connection is not imported.

use crate::config::source::{Place, Problem};

/// What became of a part of ser2net's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoteKind {
    /// It means the same here.
    Translated,
    /// It is different, and an advantage.
    Better,
    /// Nothing here does the same.
    NoEquivalent,
}

impl NoteKind {
    /// As it stands in a line.
    pub fn name(self) -> &'static str {
        match self {
            NoteKind::Translated => "translated",
            NoteKind::Better => "better",
            NoteKind::NoEquivalent => "no equivalent",
        }
    }
}

/// A note, before the files' names are put to it.
#[derive(Clone, Debug)]
pub(super) struct Remark {
    pub(super) place: Place,
    pub(super) kind: NoteKind,
    /// The connection, or what else it is about.
    pub(super) subject: String,
    pub(super) text: String,
}

/// Why a connection is not imported.
#[derive(Clone, Debug)]
pub(super) enum ImportRefusal {
    /// ser2net would not take it either.
    Fault(Box<Problem>),
    /// It is right, and nothing here does the same.
    LeftOut(Place, String),
}

impl ImportRefusal {
    pub(super) fn fault(place: Place, message: impl Into<String>, help: impl Into<String>) -> ImportRefusal {
        ImportRefusal::Fault(Box::new(Problem::new(place, "", message).help(help)))
    }
}

/// Remarks about one connection.
#[derive(Debug, Default)]
pub(super) struct Remarks {
    pub(super) subject: String,
    pub(super) list: Vec<Remark>,
}

impl Remarks {
    pub(super) fn about(subject: &str) -> Remarks {
        Remarks { subject: subject.to_owned(), list: Vec::new() }
    }

    pub(super) fn translated(&mut self, place: Place, text: impl Into<String>) {
        self.add(place, NoteKind::Translated, text);
    }

    pub(super) fn better(&mut self, place: Place, text: impl Into<String>) {
        self.add(place, NoteKind::Better, text);
    }

    pub(super) fn no_equivalent(&mut self, place: Place, text: impl Into<String>) {
        self.add(place, NoteKind::NoEquivalent, text);
    }

    fn add(&mut self, place: Place, kind: NoteKind, text: impl Into<String>) {
        self.list.push(Remark { place, kind, subject: self.subject.clone(), text: text.into() });
    }
}
