//! The results for people: one table in Markdown, and the notes under it.
//!
//! In the table the reference and sermux have their medians, and sermux the median of the rounds' ratios and the ratio of
//! the best rounds. A peer has its ratio where the goal is one, and its median where not.

use std::fmt::Write;

use crate::results::{End, Figures, Results, Series};
use crate::rows::{Goal, Row};
use crate::subject::{Role, Subject};
use crate::trouble::Trouble;

pub(crate) fn render(subjects: &[Subject], results: &[Results]) -> String {
    let mut heading = vec!["row".to_owned(), "unit".to_owned()];
    for subject in subjects {
        heading.push(subject.name.to_owned());
        if subject.role == Role::Own {
            heading.extend(["ratio", "of best", "goal", ""].map(str::to_owned));
        }
    }
    let mut lines = vec![heading];
    for result in results {
        for (index, row) in result.group.rows.iter().enumerate() {
            lines.push(cells(subjects, result, index, row));
        }
    }
    aligned(&lines)
}

fn cells(subjects: &[Subject], result: &Results, index: usize, row: &Row) -> Vec<String> {
    let reference = &result.subjects[0];
    let mut cells = vec![row.name.to_owned(), row.unit.to_owned()];
    for (subject, series) in subjects.iter().zip(&result.subjects) {
        let median = || series.figures(index).map_or(NONE.into(), |figures| short(figures.median));
        let ratio = || series.ratios(reference, index).map_or(NONE.into(), |figures| format!("{:.2}", figures.median));
        let is_ratio = matches!(row.goal, Goal::RatioAtMost(_) | Goal::RatioAtLeast(_));
        cells.push(match (&series.end, subject.role) {
            (End::InTrouble(trouble), _) => word(trouble).to_owned(),
            (_, Role::Peer) if is_ratio => ratio() + " ×",
            _ => median(),
        });
        if cells.last().is_some_and(|cell| cell == "– ×") {
            cells.pop();
            cells.push(NONE.into());
        }
        if subject.role == Role::Own {
            let best = series.best_ratio(reference, index, row).map_or(NONE.into(), |ratio| format!("{ratio:.2}"));
            cells.extend([ratio(), best, goal(row.goal), verdict(series, reference, index, row).to_owned()]);
        }
    }
    cells
}

fn verdict(series: &Series, reference: &Series, index: usize, row: &Row) -> &'static str {
    match (&series.end, series.meets(reference, index, row)) {
        (End::InTrouble(trouble), _) => word(trouble),
        (_, Some(true)) => "ok",
        (_, Some(false)) => "MISS",
        (_, None) => "",
    }
}

fn word(trouble: &Trouble) -> &'static str {
    match trouble {
        Trouble::Lost(_) => "LOST",
        Trouble::Failed(_) => "FAILED",
    }
}

/// The spread behind the table, so that a reader can judge how much of a figure is noise.
pub(crate) fn notes(subjects: &[Subject], results: &[Results]) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    for result in results {
        let rounds = result.subjects.iter().map(Series::rounds).max().unwrap_or(0);
        let peers = subjects.iter().zip(&result.subjects).filter(|(subject, _)| subject.role == Role::Peer);
        let of_peers = peers.map(|(_, series)| series.rounds()).max().unwrap_or(0);
        let (name, seconds, noise) = (result.group.name, result.seconds, result.noise);
        let _ = writeln!(text, "{name} ({rounds} rounds, {of_peers} with peers, {seconds:.0} s; {noise})");
        for (index, row) in result.group.rows.iter().enumerate() {
            let _ = writeln!(text, "  {}, {}:", row.name, row.unit);
            for (subject, series) in subjects.iter().zip(&result.subjects) {
                let Some(figures) = series.figures(index) else {
                    continue;
                };
                let _ = write!(text, "    {}: {}", subject.name, spread(&figures, short));
                if subject.role != Role::Reference {
                    if let Some(ratios) = series.ratios(&result.subjects[0], index) {
                        let _ = write!(text, "; ratio {}", spread(&ratios, |ratio| format!("{ratio:.2}")));
                    }
                    if let Some(best) = series.best_ratio(&result.subjects[0], index, row) {
                        let _ = write!(text, ", of the best {best:.2}");
                    }
                }
                text.push('\n');
            }
        }
        for (subject, series) in subjects.iter().zip(&result.subjects) {
            for remark in &series.remarks {
                let _ = writeln!(text, "  {}: {remark}", subject.name);
            }
            if let Some(end) = end(&series.end) {
                let _ = writeln!(text, "  {}: {end}", subject.name);
            }
        }
    }
    text
}

/// How the measurement of a subject ended, if that needs a note.
pub(crate) fn end(end: &End) -> Option<String> {
    match end {
        End::Measured => None,
        End::Unable => Some("cannot do that".to_owned()),
        End::InTrouble(trouble) => Some(trouble.to_string()),
        End::Slow(rounds) => Some(format!("so slow that it took part in {rounds} rounds only")),
    }
}

pub(crate) fn goal(goal: Goal) -> String {
    match goal {
        Goal::RatioAtMost(limit) => format!("≤ {limit} ×"),
        Goal::RatioAtLeast(limit) => format!("≥ {limit} ×"),
        Goal::AtMost(limit) => format!("≤ {limit}"),
        Goal::AtLeast(limit) => format!("≥ {limit}"),
        Goal::None => String::new(),
    }
}

fn spread(figures: &Figures, show: impl Fn(f64) -> String) -> String {
    format!("{} … {} … {}", show(figures.least), show(figures.median), show(figures.most))
}

/// Three significant digits.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// The first two columns to the left, figures to the right.
fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines[0].len();
    let width = |column: usize| lines.iter().map(|cells| cells[column].chars().count()).max().unwrap_or(0).max(3);
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (number, cells) in lines.iter().enumerate() {
        for (column, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            // Writing to a String cannot fail.
            let _ = match column {
                0 | 1 => write!(text, "| {cell:<width$} "),
                _ => write!(text, "| {cell:>width$} "),
            };
        }
        text.push_str("|\n");
        if number == 0 {
            for (column, width) in widths.iter().enumerate() {
                let (dashes, end) = ("-".repeat(width + 1), if column < 2 { "-" } else { ":" });
                let _ = write!(text, "|{dashes}{end}");
            }
            text.push_str("|\n");
        }
    }
    text
}

const NONE: &str = "–";
